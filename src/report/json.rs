//! Writes every JSON document of these programs.
//!
//! In: the body of a document: names in it may be hostile; JSON escapes them. Out: text that
//! carries the schema number, [`SCHEMA`]. Fields may be added under the same number; it is raised
//! if one is removed or changes its meaning.

use serde::Serialize;

/// The schema number.
pub const SCHEMA: u32 = 1;

/// A document: the schema number, then its fields.
#[derive(Serialize)]
struct Document<'a, T> {
    schema: u32,
    #[serde(flatten)]
    body: &'a T,
}

impl<'a, T> Document<'a, T> {
    const fn of(body: &'a T) -> Self {
        Self {
            schema: SCHEMA,
            body,
        }
    }
}

/// An object on one line, without a line end.
#[must_use]
pub fn line(body: &impl Serialize) -> String {
    // Strings, numbers and lists of them: nothing whose serialisation could fail.
    serde_json::to_string(&Document::of(body)).unwrap_or_default()
}

/// An object formatted for people as well, without a final line end.
#[must_use]
pub fn pretty(body: &impl Serialize) -> String {
    serde_json::to_string_pretty(&Document::of(body)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_begins_with_the_number_of_its_form() {
        #[derive(Serialize)]
        struct Body {
            text: &'static str,
            inner: Option<Vec<u64>>,
        }
        let body = Body {
            text: "a\u{1b}b",
            inner: Some(vec![u64::MAX]),
        };
        assert_eq!(
            line(&body),
            r#"{"schema":1,"text":"a\u001bb","inner":[18446744073709551615]}"#
        );
        assert_eq!(pretty(&serde_json::json!({})), "{\n  \"schema\": 1\n}");
    }
}

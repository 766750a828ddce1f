//! Writes every JSON document of these programs.
//!
//! In: the body of a document. Names in the body may be hostile; JSON escapes the names. Out: text
//! with the schema number, [`SCHEMA`]. New fields may be added under the same number. The number is
//! raised if a field is removed or changes its meaning.

use serde::Serialize;

/// The schema number of all documents.
pub const SCHEMA: u32 = 1;

/// A document: the schema number, followed by the body's fields.
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

/// A document on one line, without a line end.
#[must_use]
pub fn line(body: &impl Serialize) -> String {
    // The body has only strings, numbers and lists of them, so serialising it cannot fail.
    serde_json::to_string(&Document::of(body)).unwrap_or_default()
}

/// A document on several lines, which people can read more easily. There is no line end after the
/// last line.
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

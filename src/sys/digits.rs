//! Says whether a text is a number.
//!
//! In: a name that an engine or a user chose. Out: whether the name consists of decimal digits
//! only, without a sign. Not checked: how large the number is.

/// Whether `text` is at least one decimal digit and nothing else.
#[must_use]
pub fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_are_a_number() {
        for (text, is_one) in [
            ("0", true),
            ("007", true),
            ("18446744073709551616", true),
            ("", false),
            ("-1", false),
            ("1 ", false),
            ("\u{661}", false),
        ] {
            assert_eq!(is_number(text), is_one, "{text:?}");
        }
    }
}

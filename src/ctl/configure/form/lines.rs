//! Gives the lines of an edited text the line ends that they had.
//!
//! In: the text before the edit, and the text after it. The TOML editor writes every line with a
//! line feed and drops a byte order mark. Out: the edited text, in which every line that the edit
//! kept is as before, byte for byte. New lines end as the first line does. Pure.

use similar::{ChangeTag, TextDiff};

/// The byte order mark.
const MARK: char = '\u{feff}';

/// The text `new`, with the line ends and the byte order mark of `old`.
pub(super) fn as_in(old: &str, new: &str) -> String {
    let body = old.strip_prefix(MARK).unwrap_or(old);
    let mut text = String::new();
    if body.len() != old.len() && !new.starts_with(MARK) {
        text.push(MARK);
    }
    if !body.contains("\r\n") {
        return text + new;
    }
    let kept: Vec<&str> = body.split_inclusive('\n').collect();
    let is_marked = kept.first().is_some_and(|first| first.ends_with("\r\n"));
    let plain = body.replace("\r\n", "\n");
    let new = new.replace("\r\n", "\n");
    for change in TextDiff::from_lines(&plain, &new).iter_all_changes() {
        let old_line = change.old_index().and_then(|at| kept.get(at));
        match (change.tag(), old_line) {
            (ChangeTag::Delete, _) => {}
            (ChangeTag::Equal, Some(line)) => text += line,
            (ChangeTag::Equal, None) | (ChangeTag::Insert, _) if is_marked => {
                text += &change.value().replace('\n', "\r\n");
            }
            (ChangeTag::Equal, None) | (ChangeTag::Insert, _) => text += change.value(),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_that_stays_has_the_end_that_it_had() {
        for (old, new, expected) in [
            ("a\nb\n", "a\nc\nb\n", "a\nc\nb\n"),
            ("a\r\nb\r\n", "a\nc\nb\n", "a\r\nc\r\nb\r\n"),
            ("a\nb\r\nd", "a\nc\nb\nd", "a\nc\nb\r\nd"),
            ("a\r\nb\n", "b\n", "b\n"),
            ("\u{feff}a\n", "a\nb\n", "\u{feff}a\nb\n"),
            ("\u{feff}a\r\n", "a\nb\n", "\u{feff}a\r\nb\r\n"),
            ("", "a\n", "a\n"),
        ] {
            assert_eq!(as_in(old, new), expected, "{old:?} {new:?}");
        }
    }
}

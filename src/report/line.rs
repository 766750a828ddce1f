//! Makes text safe as one line for an engine, a terminal or the system log.
//!
//! In: names, labels and causes, some of them written by image authors, users or the operating
//! system (hostile). Out: text without line breaks, terminal escapes or invisible characters. Text
//! for an engine also contains none of the phrases by which engines recognise other failures.
//! dockerd turns some phrases into exit status 126 or 127 (moby: daemon/errors.go,
//! `setExitCodeFromError`). Podman replaces the message for some phrases (podman:
//! libpod/oci_util.go, `getOCIRuntimeError`). containerd and CRI-O conclude from some phrases that
//! the container is gone. Not checked: whether the text is true.

use std::error::Error;
use std::io;
use std::path::Path;

use nix::errno::Errno;

/// The longest line for an engine, in bytes. conmon reads at most 8191 bytes of standard error, and
/// only once (conmon: src/config.h, `BUF_SIZE`).
pub const LONGEST_LINE: usize = 4_000;

/// The characters besides letters and digits that a name or URL may have without being quoted.
pub const UNQUOTED: &str = "._-/:@+~%?&=#!*$";

/// The phrases that engines recognise, in lower case, and their replacements.
const RECOGNISED: [(&str, &str); 14] = [
    ("no such file or directory", "no such file"),
    ("executable file not found", "no such program"),
    ("the system cannot find the file specified", "no such file"),
    ("failed to run runc create/exec call", "failed to run runc"),
    ("permission denied", "access refused"),
    ("operation not permitted", "operation refused"),
    ("is a directory", "is no file"),
    ("not a directory", "no directory"),
    ("does not exist", "is missing"),
    ("container not running", "container stopped"),
    ("no such process", "process gone"),
    ("no such container", "container unknown"),
    ("not found", "missing"),
    // This word may be part of a name. One letter is escaped in the same way as an unsafe
    // character, so that people still recognise the name.
    ("executable", "e\\u{78}ecutable"),
];

/// `text` on one line: every control, bidirectional or invisible character becomes `\u{…}`.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_unfit(letter) {
            line.extend(letter.escape_unicode());
        } else {
            line.push(letter);
        }
    }
    line
}

/// Whether a character moves the cursor, ends a line, changes the direction of writing, or is
/// invisible.
#[must_use]
pub fn is_unfit(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// A name, at most its first 300 characters. The name stays unchanged if it has only the characters
/// of image references, digests and URLs. Otherwise the name is quoted and escaped, so that nobody
/// can add words to a line through a name.
#[must_use]
pub fn name(text: &str) -> String {
    let cut = match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    };
    if is_made_of(text, UNQUOTED) {
        cut
    } else {
        one_line(&format!("{cut:?}"))
    }
}

/// Whether the text is not empty, and has only ASCII letters, digits and the characters in `marks`.
#[must_use]
pub fn is_made_of(text: &str, marks: &str) -> bool {
    let mut letters = text.chars();
    !text.is_empty()
        && letters.all(|letter| letter.is_ascii_alphanumeric() || marks.contains(letter))
}

/// The names of the first of `all` things, as [`name`] writes them, and how many more there are.
#[must_use]
pub fn names<S: AsRef<str>>(first: &[S], all: usize) -> String {
    let mut line = String::new();
    for text in first {
        if !line.is_empty() {
            line += ", ";
        }
        line += &name(text.as_ref());
    }
    match all.saturating_sub(first.len()) {
        0 => line,
        more => format!("{line} and {more} more"),
    }
}

/// A path, as [`name`] writes it.
#[must_use]
pub fn path(path: &(impl AsRef<Path> + ?Sized)) -> String {
    name(&path.as_ref().to_string_lossy())
}

/// An argument in shell syntax, to show to people. Unsafe characters are escaped.
#[must_use]
pub fn shell_word(word: &str) -> String {
    if is_made_of(word, "_@%+=:,./-") {
        word.to_owned()
    } else {
        format!("'{}'", one_line(word).replace('\'', r"'\''"))
    }
}

/// A line for an engine: like [`one_line`], with the phrases that engines recognise replaced, and
/// cut to [`LONGEST_LINE`].
#[must_use]
pub fn for_engine(text: &str) -> String {
    fit(text, LONGEST_LINE)
}

/// A line for an engine: like [`for_engine`], followed by `; see` and this URL. A long text is cut
/// before the URL.
#[must_use]
pub fn for_engine_with_page(text: &str, url: &str) -> String {
    let mut url = one_line(url);
    // In a URL, a letter can be escaped so that the URL still leads to the same page.
    while let Some(start) = url.to_ascii_lowercase().find("executable") {
        url.replace_range(start + 1..start + 2, "%78");
    }
    let end = format!("; see {url}");
    fit(text, LONGEST_LINE.saturating_sub(end.len())) + &end
}

/// One line of at most `limit` bytes, without the phrases that engines recognise.
fn fit(text: &str, limit: usize) -> String {
    let mut line = shortened(one_line(text), limit);
    for (phrase, instead) in RECOGNISED {
        // Converting to ASCII lower case keeps every byte's position, so an index into the copy is
        // valid for the line. No replacement makes a new phrase.
        while let Some(start) = line.to_ascii_lowercase().find(phrase) {
            line.replace_range(start..start + phrase.len(), instead);
        }
    }
    shortened(line, limit)
}

/// The line, cut to at most `limit` bytes, between two characters.
fn shortened(mut line: String, limit: usize) -> String {
    if line.len() > limit {
        line.truncate(line.floor_char_boundary(limit - '…'.len_utf8()));
        line.push('…');
    }
    line
}

/// An error and its causes on one line, the outermost first, joined by ": ". The operating system's
/// errors are written in our own words.
#[must_use]
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = own_words(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&own_words(error));
        cause = error.source();
    }
    one_line(&text)
}

/// The message of one error, without its causes.
fn own_words(error: &(dyn Error + 'static)) -> String {
    let errno = match error.downcast_ref::<io::Error>() {
        Some(error) => error.raw_os_error().map(Errno::from_raw),
        None => error.downcast_ref::<Errno>().copied(),
    };
    match errno {
        Some(errno) => match fault(errno) {
            Some(words) => words.to_owned(),
            None => errno.desc().to_ascii_lowercase(),
        },
        None => error.to_string(),
    }
}

/// The operating system's usual errors in words that no engine recognises.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the other hundred keep the system's text"
)]
const fn fault(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ENOENT => "it is missing",
        Errno::EACCES => "access refused",
        Errno::EPERM => "operation refused",
        Errno::ENOTDIR => "a part of its path is no directory",
        Errno::EISDIR => "it is no file",
        Errno::ELOOP => "it is a symbolic link",
        Errno::ESRCH => "the process is gone",
        Errno::ENOEXEC => "not a program for this machine",
        Errno::ENOSPC | Errno::EDQUOT => "the disk is full",
        Errno::ECONNREFUSED => "nobody answers",
        Errno::EAGAIN | Errno::ETIMEDOUT => "no answer in time",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::file::FileError;

    #[test]
    fn nobody_breaks_a_line_or_writes_to_the_terminal_through_it() {
        assert_eq!(
            one_line("a\nb\u{1b}[2J\u{9b}1m\0"),
            r"a\u{a}b\u{1b}[2J\u{9b}1m\u{0}"
        );
        assert_eq!(
            one_line("a\u{202e}b\u{200b}c\u{2028}d\u{feff}"),
            r"a\u{202e}b\u{200b}c\u{2028}d\u{feff}"
        );
        assert_eq!(one_line("Zürich “12” \\ …"), "Zürich “12” \\ …");
    }

    #[test]
    fn a_name_adds_no_words() {
        for (text, shown) in [
            (
                "docker.io/library/debian:12.4@sha256:ab",
                "docker.io/library/debian:12.4@sha256:ab",
            ),
            (
                "https://example.com/a?b=c&d#e",
                "https://example.com/a?b=c&d#e",
            ),
            ("", "\"\""),
            ("x; list 999", "\"x; list 999\""),
            ("x, banned by", "\"x, banned by\""),
            ("a\"b\n", r#""a\"b\n""#),
            ("a\u{202e}", "\"a\\u{202e}\""),
        ] {
            assert_eq!(name(text), shown);
        }
        assert_eq!(name(&"x".repeat(301)), format!("{}…", "x".repeat(300)));
    }

    #[test]
    fn arguments_are_printed_as_a_shell_takes_them() {
        for (word, shown) in [
            ("a-b_c=d/e:f", "a-b_c=d/e:f"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("\u{1b}[2J", r"'\u{1b}[2J'"),
        ] {
            assert_eq!(shell_word(word), shown);
        }
    }

    #[test]
    fn a_page_ends_a_line_of_any_length_and_can_be_clicked() {
        assert_eq!(
            for_engine_with_page("embargo: refused x", "https://example.com/a?b#c"),
            "embargo: refused x; see https://example.com/a?b#c"
        );
        let url = "https://example.com/Executable";
        let line = for_engine_with_page(&"ü".repeat(LONGEST_LINE), url);
        assert!(line.len() <= LONGEST_LINE, "{}", line.len());
        assert!(line.ends_with("ü…; see https://example.com/E%78ecutable"));
        // The line is a line for engines already: reporting it changes nothing.
        assert_eq!(for_engine(&line), line);
    }

    #[test]
    fn no_phrase_that_engines_recognise_is_left() {
        for (text, line) in [
            (
                "open /x: No such file or directory (os error 2)",
                "open /x: no such file (os error 2)",
            ),
            (
                "EXECUTABLE file not found in $PATH",
                "no such program in $PATH",
            ),
            (
                "Permission denied, Operation not permitted",
                "access refused, operation refused",
            ),
            (
                "/x is a directory, /y is not a directory, z does not exist",
                "/x is no file, /y is no directory, z is missing",
            ),
            (
                "not found, no such process, container not running",
                "missing, process gone, container stopped",
            ),
            ("acme/executable:1", r"acme/e\u{78}ecutable:1"),
            ("not\u{200b} found\n", r"not\u{200b} found\u{a}"),
        ] {
            assert_eq!(for_engine(text), line);
            for (phrase, _) in RECOGNISED {
                assert!(
                    !for_engine(text).to_lowercase().contains(phrase),
                    "{phrase} in {text}"
                );
            }
        }
        for (_, instead) in RECOGNISED {
            assert_eq!(
                for_engine(&format!("x {instead} y")),
                format!("x {instead} y"),
                "a replacement is replaced"
            );
        }
    }

    #[test]
    fn a_line_ends_in_good_time_and_between_characters() {
        let line = for_engine(&"ä".repeat(LONGEST_LINE));
        assert!(
            line.len() <= LONGEST_LINE && line.ends_with("ä…"),
            "{} bytes",
            line.len()
        );
        assert_eq!(for_engine(&"a".repeat(LONGEST_LINE)).len(), LONGEST_LINE);
    }

    #[test]
    fn causes_are_joined_in_our_own_words() {
        let missing = FileError::Io(
            "/etc/embargo/keyset".into(),
            io::Error::from_raw_os_error(libc::ENOENT),
        );
        assert_eq!(
            causes(&missing),
            "cannot read \"/etc/embargo/keyset\": it is missing"
        );
        let strange = FileError::Io("/x".into(), io::Error::from_raw_os_error(libc::EXDEV));
        assert_eq!(causes(&strange), "cannot read \"/x\": cross-device link");
        assert_eq!(causes(&Errno::EACCES), "access refused");
        assert_eq!(
            causes(&FileError::NotText("/x\n".into())),
            "cannot read \"/x\\n\": not UTF-8"
        );
    }
}

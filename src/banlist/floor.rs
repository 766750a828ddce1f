//! Reads and writes the floor, which records the newest list that this node has ever had.
//!
//! In: `/var/lib/embargo/floor`, a few lines. `embargoctl install` raises the floor to a new list
//! after the list is in force, never before. Out: [`Floor`]. A list below the floor is a rollback;
//! another list with the same edition as the floor is an equivocation. During an installation, the
//! floor also names the list that is about to be put in force. A list that the floor names neither
//! as the newest nor as the next list was not installed by `embargoctl install`.
//!
//! ```text
//! keyset 1
//! version 412
//! head sha256:…
//! issued 2026-11-20T14:00:00Z
//! next sha256:…                (while an installation is under way)
//! ```
//!
//! Earlier versions of the program also wrote a line `previous sha256:…`. The line named the
//! previous list, which those versions used if the list in force could not be used. The line
//! `previous` is accepted and has no effect: an older list is never used in place of a newer list.

use std::fmt;

use crate::lineage::digest::Digest;
use crate::sys::clock::Timestamp;

use super::text::{self, Lines, Malformed};

/// The largest floor, in bytes.
pub const MAX_FLOOR: u64 = 512;

/// How far a list's version may be above the floor's. Without this limit, a thief of list keys
/// could sign the highest possible version, and no list of the rightful signers could ever be
/// newer.
pub const MAX_JUMP: u64 = 1 << 20;

/// The position of a list in the sequence of lists: the keyset's number, then the list's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edition {
    /// The number of the keyset that the list was made for.
    pub keyset: u64,
    /// The version of the list.
    pub version: u64,
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {} (keyset {})", self.version, self.keyset)
    }
}

/// The newest list that this node has ever had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// The list's keyset and version.
    pub edition: Edition,
    /// SHA-256 of the text of the list's head.
    pub head: Digest,
    /// When the list was issued. The present time cannot be earlier.
    pub issued: Timestamp,
    /// SHA-256 of the text of the head of a list that is just being installed.
    pub next: Option<Digest>,
}

impl Floor {
    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        let Self {
            edition: Edition { keyset, version },
            head,
            issued,
            next,
        } = self;
        let next = match next {
            Some(digest) => format!("next {digest}\n"),
            None => String::new(),
        };
        format!("keyset {keyset}\nversion {version}\nhead {head}\nissued {issued}\n{next}")
    }

    /// Reads the text of the file.
    ///
    /// # Errors
    /// [`Malformed`] for any text that [`Floor::text`] would not write. The line of earlier
    /// versions is accepted.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut lines = Lines::new(text);
        let keyset = lines.value("keyset ", "\"keyset NUMBER\"", text::number)?;
        let version = lines.value("version ", "\"version NUMBER\"", text::number)?;
        let head = lines.value("head ", "\"head sha256:DIGEST\"", text::digest)?;
        let issued = lines.value("issued ", "\"issued YYYY-MM-DDThh:mm:ssZ\"", text::time)?;
        digest_after(&mut lines, "previous ", "\"previous sha256:DIGEST\"")?;
        let next = digest_after(&mut lines, "next ", "\"next sha256:DIGEST\"")?;
        lines.end("no more lines")?;
        Ok(Self {
            edition: Edition { keyset, version },
            head,
            issued,
            next,
        })
    }

    /// Whether `embargoctl install` has installed the list with this head, or is installing it now.
    #[must_use]
    pub fn knows(&self, head: Digest) -> bool {
        self.head == head || self.next == Some(head)
    }
}

/// The digest in a line that may be missing.
fn digest_after(
    lines: &mut Lines<'_>,
    key: &str,
    expected: &'static str,
) -> Result<Option<Digest>, Malformed> {
    lines
        .optional(key)
        .map(|digest| text::digest(digest).ok_or_else(|| lines.fault(expected)))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_is_read_as_it_was_written_and_nothing_else_is() {
        let mut floor = Floor {
            edition: Edition {
                keyset: 3,
                version: 412,
            },
            head: Digest::of(b"head"),
            issued: Timestamp::from_seconds(1_795_183_200),
            next: None,
        };
        assert_eq!(Floor::parse(&floor.text()), Ok(floor));
        floor.next = Some(Digest::of(b"after"));
        assert_eq!(Floor::parse(&floor.text()), Ok(floor));
        assert_eq!(
            [&b"head"[..], b"after", b"other"].map(|text| floor.knows(Digest::of(text))),
            [true, true, false]
        );
        floor.next = None;
        assert!(!floor.knows(Digest::of(b"after")));
        // Earlier versions wrote the line `previous`. The list that this line names is not used any
        // more.
        let text = format!("{}previous {}\n", floor.text(), Digest::of(b"before"));
        assert_eq!(Floor::parse(&text), Ok(floor));
        assert!(!floor.knows(Digest::of(b"before")));
        for (broken, fault) in [
            (String::new(), "line 1: expected \"keyset NUMBER\""),
            (
                text.replace("keyset 3", "keyset 03"),
                "line 1: expected \"keyset NUMBER\"",
            ),
            (
                text.replace("version 412", "version -1"),
                "line 2: expected \"version NUMBER\"",
            ),
            (
                text.replace("version 412", "version 99999999999999999999"),
                "line 2: expected \"version NUMBER\"",
            ),
            (
                text.replace("head sha256", "head sha512"),
                "line 3: expected \"head sha256:DIGEST\"",
            ),
            (
                text.replace("T14", " 14"),
                "line 4: expected \"issued YYYY-MM-DDThh:mm:ssZ\"",
            ),
            (
                text.replace("T14:00:00Z", ""),
                "line 4: expected \"issued YYYY-MM-DDThh:mm:ssZ\"",
            ),
            (
                text.replace("previous ", "preceding "),
                "line 5: expected no more lines",
            ),
            (
                text.replace("previous sha256:", "previous "),
                "line 5: expected \"previous sha256:DIGEST\"",
            ),
            (
                format!("{text}next sha256:0\n"),
                "line 6: expected \"next sha256:DIGEST\"",
            ),
            (
                format!("{text}{}", text.lines().last().unwrap()),
                "line 6: expected no more lines",
            ),
            (text.trim_end().to_owned(), "line 5: expected no more lines"),
            (
                text.replace('\n', "\r\n"),
                "line 1: expected \"keyset NUMBER\"",
            ),
            (format!("{text}\n"), "line 6: expected no more lines"),
        ] {
            assert_eq!(
                Floor::parse(&broken).unwrap_err().to_string(),
                fault,
                "{broken:?}"
            );
        }
    }
}

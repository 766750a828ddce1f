//! Reads a text file of digests.
//!
//! In: a file of up to ten million lines. Each line is a `sha256:…`, empty, or begins with `#`.
//! Out: the digests in their order; or the first line that is wrong, and what is wrong with it. The
//! file is read in pieces, so the whole text is never in memory. For each piece, all processors
//! hash and parse at the same time. Not checked here: whether the file has a digest twice; this is
//! found when the list is compiled.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::super::watch::Watch;
use crate::lineage::digest::Digest;
use crate::sys::threads;

/// How many bytes are read at once.
const PIECE: usize = 16 << 20;

/// Into how many parts a piece is divided. Each part is parsed by one thread.
const PARTS: usize = 8;

/// The length of `sha256:` and 64 digits, in bytes.
const LINE: usize = 71;

/// Why the digests of a file cannot be used.
#[derive(Debug)]
pub(super) enum DigestsError {
    /// The file cannot be read.
    Io(io::Error),
    /// The file has more bytes than this limit.
    TooLarge(u64),
    /// A line is wrong: its number, counted from 1, and what is wrong.
    Line(usize, String),
}

/// The result for one part of a piece.
enum PartResult {
    Hashed,
    /// The digests, and how many lines the part has.
    Parsed(Vec<Digest>, usize),
    /// The line that is wrong, counted from 0, and what is wrong.
    Fault(usize, String),
}

/// A task for one thread, on one piece of the file.
enum PieceWork<'a> {
    Hash(&'a mut Sha256, &'a [u8]),
    Parse(&'a [u8]),
}

/// The digests of a file of at most `limit` bytes, and the size of the file. The bytes are also
/// added to `hasher`.
pub(super) fn read(
    file: impl Read,
    limit: u64,
    hasher: &mut Sha256,
    watch: &dyn Watch,
) -> Result<(Vec<Digest>, u64), DigestsError> {
    read_by(PIECE, file, limit, hasher, watch)
}

fn read_by(
    most: usize,
    mut file: impl Read,
    limit: u64,
    hasher: &mut Sha256,
    watch: &dyn Watch,
) -> Result<(Vec<Digest>, u64), DigestsError> {
    let (mut digests, mut lines, mut size) = (Vec::new(), 0, 0);
    let (mut piece, mut kept) = (Vec::new(), 0);
    loop {
        // The incomplete line at the end of the last piece comes first.
        let room = (most - kept.min(most / 2)) as u64;
        let new = file
            .by_ref()
            .take(room)
            .read_to_end(&mut piece)
            .map_err(DigestsError::Io)?;
        size += new as u64;
        if size > limit {
            return Err(DigestsError::TooLarge(limit));
        }
        let is_last = (new as u64) < room;
        let end = if is_last {
            piece.len()
        } else {
            piece
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(piece.len(), |at| at + 1)
        };
        let mut parts = vec![PieceWork::Hash(&mut *hasher, &piece[kept..])];
        parts.extend(split(&piece[..end]).map(PieceWork::Parse));
        for done in threads::share(parts, work) {
            match done {
                PartResult::Hashed => {}
                PartResult::Parsed(found, read) => {
                    digests.extend(found);
                    lines += read;
                }
                PartResult::Fault(line, fault) => {
                    return Err(DigestsError::Line(lines + line + 1, fault));
                }
            }
        }
        watch.advance(new as u64);
        if is_last {
            return Ok((digests, size));
        }
        piece.drain(..end);
        kept = piece.len();
    }
}

/// Divides the bytes into about [`PARTS`] parts. Each part consists of whole lines.
fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let size = bytes.len().div_ceil(PARTS).max(64 << 10);
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let end = rest
            .iter()
            .skip(size)
            .position(|byte| *byte == b'\n')
            .map_or(rest.len(), |at| size + at + 1);
        let (part, behind) = rest.split_at(end);
        rest = behind;
        (!part.is_empty()).then_some(part)
    })
}

fn work(part: PieceWork<'_>) -> PartResult {
    match part {
        PieceWork::Hash(hasher, bytes) => {
            hasher.update(bytes);
            PartResult::Hashed
        }
        PieceWork::Parse(bytes) => parse(bytes),
    }
}

fn parse(bytes: &[u8]) -> PartResult {
    let (mut digests, mut lines, mut rest) =
        (Vec::with_capacity(bytes.len() / (LINE + 1) + 1), 0, bytes);
    while !rest.is_empty() {
        // Nearly all lines have the same length, so the end of a line is mostly found without a
        // search.
        let end = if rest.get(LINE) == Some(&b'\n') && rest[0] == b's' {
            Some(LINE)
        } else {
            rest.iter().position(|byte| *byte == b'\n')
        };
        let (line, behind) = end.map_or((rest, &[][..]), |end| (&rest[..end], &rest[end + 1..]));
        if !matches!(line, [] | [b'#', ..]) {
            match digest(line) {
                Some(digest) => digests.push(digest),
                None => return PartResult::Fault(lines, fault(line)),
            }
        }
        lines += 1;
        rest = behind;
    }
    PartResult::Parsed(digests, lines)
}

fn digest(line: &[u8]) -> Option<Digest> {
    Digest::from_hex(std::str::from_utf8(line).ok()?.strip_prefix("sha256:")?)
}

/// Says what is wrong with a line that is not a digest.
pub(super) fn fault(line: &[u8]) -> String {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let remedy = if line.starts_with(b"\xef\xbb\xbf") {
        "a byte order mark: save the file as UTF-8 without one"
    } else if line.contains(&0) {
        "a NUL byte: save the file as UTF-8, not UTF-16"
    } else if line
        .strip_suffix(b"\r")
        .is_some_and(|line| line.is_empty() || line[0] == b'#' || digest(line).is_some())
    {
        "the line ends with a carriage return: save the file with the line ends of Unix"
    } else if digest(line.trim_ascii()).is_some() {
        "a space before or after it"
    } else if digest(&line.to_ascii_lowercase()).is_some() {
        "upper-case letters: digests are written in lower case"
    } else {
        let shown: String = String::from_utf8_lossy(line).chars().take(80).collect();
        return format!("expected sha256:DIGEST, found {shown:?}");
    };
    format!("expected sha256:DIGEST: {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a text in pieces of `piece` bytes. Returns the digests, or the line that is wrong.
    /// Checks that hash and size are those of the text.
    fn read(piece: usize, text: &str) -> Result<Vec<Digest>, (usize, String)> {
        let mut hasher = Sha256::new();
        match read_by(piece, text.as_bytes(), 1 << 20, &mut hasher, &()) {
            Ok((digests, size)) => {
                assert_eq!(size, text.len() as u64);
                assert_eq!(
                    Digest::from_bytes(hasher.finalize().into()),
                    Digest::of(text.as_bytes())
                );
                Ok(digests)
            }
            Err(DigestsError::Line(line, fault)) => Err((line, fault)),
            Err(fault) => panic!("{fault:?}"),
        }
    }

    #[test]
    fn a_file_is_read_alike_whatever_the_size_of_its_pieces() {
        let digests: Vec<_> = (0..5_000_u32)
            .map(|number| Digest::of(&number.to_le_bytes()))
            .collect();
        let with_notes = |at: usize| match at % 100 {
            0 => "\n# from the scanner\n",
            50 => "#\n",
            _ => "",
        };
        let text: String = digests
            .iter()
            .enumerate()
            .map(|(at, digest)| format!("{}{digest}\n", with_notes(at)))
            .collect();
        for piece in [200, 1_000, 100_000, 1 << 20] {
            assert_eq!(read(piece, &text).unwrap(), digests, "{piece}");
            assert_eq!(read(piece, text.trim_end()).unwrap(), digests, "{piece}");
            let last = 5_000 + 3 * 50;
            for (end, line) in [("sha256:0\n", last + 1), ("\n\nsha256:0", last + 3)] {
                let fault = "expected sha256:DIGEST, found \"sha256:0\"".to_owned();
                assert_eq!(
                    read(piece, &(text.clone() + end)),
                    Err((line, fault)),
                    "{piece}"
                );
            }
        }
        assert_eq!(read(200, "").unwrap(), []);
    }

    #[test]
    fn a_line_longer_than_a_piece_and_a_file_longer_than_the_limit_are_refused() {
        let long = "x".repeat(1_000);
        assert_eq!(
            read(200, &long).unwrap_err(),
            (
                1,
                format!("expected sha256:DIGEST, found {:?}", &long[..80])
            )
        );
        let endless = std::io::repeat(b'\n');
        assert!(matches!(
            read_by(200, endless, 10_000, &mut Sha256::new(), &()),
            Err(DigestsError::TooLarge(10_000))
        ));
    }
}

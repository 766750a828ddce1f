//! Finds programs by the names that engines use, and tells whether a program is Embargo.
//!
//! In: a command from an engine's settings, and the `PATH` of its daemon. Out: the program's path,
//! and [`Covered`]. For a node whose file system is mounted somewhere, a link is followed below
//! that directory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::{CoverageDoubt, Covered};
use crate::delegate::{self, RuntimeFamily, USUAL_DIRECTORIES};
use crate::paths::Paths;
use crate::sys::file::{self, Guard};
use crate::sys::process::{self, Identity};

/// A name that only Embargo's own program contains: of the variable that counts its starts.
const MARK: &[u8] = b"EMBARGO_DEPTH";

/// Runtimes that never call another runtime, and are of no family of [`RuntimeFamily`].
const ALONE: [&str; 3] = ["runsc", "kata", "ocijail"];

/// How many links are followed, as in the kernel.
const MOST_LINKS: usize = 40;

/// How many bytes of a program are read at once.
const PIECE: usize = 256 << 10;

/// The programs of a node.
pub(super) struct Programs<'a> {
    paths: &'a Paths,
    /// Every installed copy of Embargo, with its identity.
    embargo: Vec<(PathBuf, Identity)>,
    /// The programs that were read already: several names lead to one `runc`.
    read: RefCell<BTreeMap<PathBuf, Covered>>,
}

impl<'a> Programs<'a> {
    /// Finds the copies of Embargo: beside this program, and in the usual directories.
    pub(super) fn of(paths: &'a Paths) -> Self {
        Self {
            paths,
            embargo: delegate::gates(paths),
            read: RefCell::default(),
        }
    }

    /// The path of the program that this command leads to. A command without a slash is looked up
    /// in `path`, or in the usual directories if `path` is not known. `None` if there is no such
    /// program.
    pub(super) fn find(&self, command: &str, path: Option<&OsStr>) -> Option<PathBuf> {
        if command.contains('/') {
            return self.program(Path::new(command));
        }
        let Some(path) = path else {
            return self.usual(command);
        };
        std::env::split_paths(path).find_map(|directory| self.program(&directory.join(command)))
    }

    /// The program of this name in the usual directories.
    pub(super) fn usual(&self, name: &str) -> Option<PathBuf> {
        let mut directories = USUAL_DIRECTORIES.iter();
        directories.find_map(|directory| self.program(&Path::new(directory).join(name)))
    }

    /// The path, if a program is there.
    fn program(&self, path: &Path) -> Option<PathBuf> {
        let identity = process::identity(&self.followed(path));
        identity
            .is_ok_and(|identity| identity.is_program())
            .then(|| path.to_owned())
    }

    /// The file that a path on the node leads to, as a path of this process.
    pub(super) fn followed(&self, path: &Path) -> PathBuf {
        let mut path = self.paths.of_node(path);
        for _ in 0..MOST_LINKS {
            let Ok(target) = path.read_link() else {
                break;
            };
            path = match path.parent() {
                Some(directory) if target.is_relative() => directory.join(target),
                Some(_) | None => self.paths.of_node(&target),
            };
        }
        path
    }

    /// Whether the program at this path is Embargo.
    pub(super) fn covered(&self, path: &Path) -> Covered {
        let file = self.followed(path);
        let identity = match process::identity(&file) {
            Ok(identity) if identity.is_program() => identity,
            Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR) => {
                return Covered::Unknown(CoverageDoubt::Missing);
            }
            Err(_) => return Covered::Unknown(CoverageDoubt::Unreadable),
        };
        if self.embargo.iter().any(|(_, own)| own.is(&identity)) {
            return Covered::Yes;
        }
        if let Some(covered) = self.read.borrow().get(&file) {
            return *covered;
        }
        let covered = self
            .by_contents(&file)
            .unwrap_or(Covered::Unknown(CoverageDoubt::Unreadable));
        self.read.borrow_mut().insert(file, covered);
        covered
    }

    /// Whether a program is Embargo, by what is in its file.
    fn by_contents(&self, file: &Path) -> io::Result<Covered> {
        if starts_script(file)? {
            return Ok(Covered::Unknown(CoverageDoubt::Wrapper));
        }
        for (own, _) in &self.embargo {
            if have_same_bytes(own, file)? {
                return Ok(Covered::Yes);
            }
        }
        if contains(file, MARK)? {
            return Ok(Covered::Unknown(CoverageDoubt::OtherVersion));
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let is_runtime = RuntimeFamily::of(file) != RuntimeFamily::Other
            || ALONE.iter().any(|alone| name.contains(alone));
        // The NVIDIA runtime, for one, calls the first of `runc` and `crun`.
        if is_runtime && !name.contains("nvidia") {
            Ok(Covered::No)
        } else {
            Ok(Covered::Unknown(CoverageDoubt::Wrapper))
        }
    }
}

/// Whether a program is a script.
fn starts_script(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    opened(path)?.take(2).read_to_end(&mut start)?;
    Ok(start == b"#!")
}

/// Whether two files have the same contents.
fn have_same_bytes(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (opened(one)?, opened(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    loop {
        fill(&mut one, &mut ours)?;
        fill(&mut other, &mut theirs)?;
        if ours != theirs {
            return Ok(false);
        }
        if ours.is_empty() {
            return Ok(true);
        }
    }
}

/// Whether a file contains these bytes.
pub(super) fn contains(path: &Path, part: &[u8]) -> io::Result<bool> {
    let mut file = opened(path)?;
    let (mut piece, mut text) = (Vec::new(), Vec::new());
    loop {
        fill(&mut file, &mut piece)?;
        if piece.is_empty() {
            return Ok(false);
        }
        // The bytes may begin in one piece and end in the next.
        let kept = text.len() - text.len().min(part.len());
        text.drain(..kept);
        text.extend_from_slice(&piece);
        if has(&text, part) {
            return Ok(true);
        }
    }
}

/// Whether the text contains these bytes. Wherever they are, they cover one byte of every
/// `part.len()`; most bytes of a program are none of theirs, so that only these are compared.
fn has(text: &[u8], part: &[u8]) -> bool {
    let step = part.len().max(1);
    let mut at = step - 1;
    while let Some(byte) = text.get(at) {
        let around = at + 1 - step..text.len().min(at + step);
        if part.contains(byte) && text[around].windows(step).any(|window| window == part) {
            return true;
        }
        at += step;
    }
    false
}

/// Reads the next piece of a file; an empty one at the end.
fn fill(file: &mut File, piece: &mut Vec<u8>) -> io::Result<()> {
    piece.clear();
    file.take(PIECE as u64).read_to_end(piece)?;
    Ok(())
}

fn opened(path: &Path) -> io::Result<File> {
    match file::open(path, Guard::Any) {
        Ok((file, _)) => Ok(file),
        Err(error) => Err(io::Error::other(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_wherever_they_begin() {
        for before in 0..=2 * MARK.len() {
            for after in 0..=2 * MARK.len() {
                for filling in [b'.', b'E', b'_'] {
                    let mut text = vec![filling; before];
                    text.extend_from_slice(MARK);
                    text.extend(vec![filling; after]);
                    assert!(has(&text, MARK), "{before} {after}");
                    text.remove(before);
                    let is_still_there = filling == b'E' && before > 0;
                    assert_eq!(has(&text, MARK), is_still_there, "{before} {after}");
                }
            }
        }
        assert!(!has(b"EMBARGO", MARK));
    }
}

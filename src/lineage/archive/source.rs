//! Reads the members of a directory or a tar archive.
//!
//! In: a path. A tar archive may be gzipped. Out: small JSON documents by their names, and a way to
//! read the large members once, in the order of the archive. Hostile: the author chose names,
//! sizes, links and the order of the members. A tar archive is read from front to back and never
//! unpacked. The JSON documents of a tar archive are held in memory up to a limit. Two different
//! members with the same name are refused, because programs differ in which of the two members they
//! use.

use std::borrow::Cow;
use std::collections::btree_map::Entry as MapEntry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use super::ArchiveError;
use crate::lineage::digest::Digest;
use crate::lineage::image::MAX_DOCUMENT;
use crate::sys::file::{self, Guard};

/// How many bytes of JSON documents from one archive are held in memory.
const MAX_KEPT: usize = 64 << 20;
/// How many links are followed to a member (path_resolution(7)).
const MOST_LINKS: usize = 40;
/// How many members one archive may have.
const MAX_MEMBERS: usize = 100_000;

/// A directory or a tar archive, whose members can be read.
#[derive(Debug)]
pub(super) struct MemberSource {
    path: PathBuf,
    members: Members,
}

#[derive(Debug)]
enum Members {
    Directory,
    Tar(Tar),
}

/// The parts of a tar archive that are held in memory.
#[derive(Debug, Default)]
struct Tar {
    documents: BTreeMap<String, Vec<u8>>,
    /// The names of all members that are not small JSON documents.
    others: BTreeSet<String>,
    /// Symbolic and hard links, each with the name of the member to which the link leads.
    links: BTreeMap<String, String>,
}

/// Says whether a new member of an archive contradicts a member that was read before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Added {
    /// No other member has the new member's name, or the same member occurs again: tar appends a
    /// file twice if the file is given twice.
    Fits,
    /// A different member has the new member's name.
    Differs,
}

impl Tar {
    fn add_document(&mut self, name: &str, bytes: Vec<u8>) -> Added {
        if self.others.contains(name) || self.links.contains_key(name) {
            return Added::Differs;
        }
        added(self.documents.entry(name.to_owned()), bytes)
    }

    fn add_link(&mut self, name: &str, target: String) -> Added {
        if self.others.contains(name) || self.documents.contains_key(name) {
            return Added::Differs;
        }
        added(self.links.entry(name.to_owned()), target)
    }

    /// Every copy of a large member is compared with its digest when the copy is read.
    fn add_other(&mut self, name: &str) -> Added {
        if self.links.contains_key(name) || self.documents.contains_key(name) {
            return Added::Differs;
        }
        self.others.insert(name.to_owned());
        Added::Fits
    }

    /// The name of the member to which `name` leads after all links are followed.
    fn resolve(&self, name: &str) -> String {
        let mut here = plain(name);
        for _ in 0..MOST_LINKS {
            match self.links.get(&here) {
                Some(next) => here.clone_from(next),
                None => break,
            }
        }
        here
    }
}

fn added<V: PartialEq>(entry: MapEntry<'_, String, V>, value: V) -> Added {
    match entry {
        MapEntry::Vacant(place) => {
            place.insert(value);
            Added::Fits
        }
        MapEntry::Occupied(known) if *known.get() == value => Added::Fits,
        MapEntry::Occupied(_) => Added::Differs,
    }
}

impl MemberSource {
    pub(super) fn directory(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            members: Members::Directory,
        }
    }

    /// Reads a whole tar archive, and holds its JSON documents in memory.
    pub(super) fn tar(path: &Path) -> Result<Self, ArchiveError> {
        let mut tar = Tar::default();
        let mut kept = 0;
        each_member(path, &mut |name, entry| {
            let is_new = if let Some(target) = link_target(name, entry) {
                tar.add_link(name, target)
            } else if entry.header().entry_type().is_file() {
                match document(entry)
                    .map_err(|error| ArchiveError::Tar(path.to_owned(), without_content(error)))?
                {
                    None => tar.add_other(name),
                    Some(bytes) => {
                        kept += bytes.len();
                        tar.add_document(name, bytes)
                    }
                }
            } else {
                Added::Fits
            };
            if is_new == Added::Differs {
                return Err(ArchiveError::Twice(path.to_owned(), name.to_owned()));
            }
            let members = tar.documents.len() + tar.others.len() + tar.links.len();
            if kept > MAX_KEPT {
                return Err(ArchiveError::TooMuch(path.to_owned(), "documents"));
            }
            if members > MAX_MEMBERS {
                return Err(ArchiveError::TooMuch(path.to_owned(), "members"));
            }
            Ok(())
        })?;
        Ok(Self {
            path: path.to_owned(),
            members: Members::Tar(tar),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of a JSON document, of at most [`MAX_DOCUMENT`] bytes.
    pub(super) fn document(&self, name: &str) -> Result<Cow<'_, [u8]>, ArchiveError> {
        match &self.members {
            Members::Directory => match file::read(&self.path.join(name), MAX_DOCUMENT, Guard::Any)
            {
                Ok(bytes) => Ok(Cow::Owned(bytes)),
                Err(error) if error.is_absent() => {
                    Err(ArchiveError::NoMember(self.path.clone(), name.to_owned()))
                }
                Err(error) => Err(ArchiveError::File(error)),
            },
            Members::Tar(tar) => {
                let resolved = tar.resolve(name);
                match tar.documents.get(&resolved) {
                    Some(bytes) => Ok(Cow::Borrowed(bytes)),
                    None if tar.others.contains(&resolved) => {
                        Err(self.fault(name, "it is not a JSON document, or is larger than 4 MiB"))
                    }
                    None => Err(ArchiveError::NoMember(self.path.clone(), name.to_owned())),
                }
            }
        }
    }

    /// The bytes of a document in a layout. The bytes must hash to `digest`.
    pub(super) fn blob(&self, digest: Digest) -> Result<Cow<'_, [u8]>, ArchiveError> {
        let name = blob_name(digest);
        let bytes = self.document(&name)?;
        self.check(&name, digest, Digest::of(&bytes))?;
        Ok(bytes)
    }

    /// The name of the member to which `name` leads after all links are followed.
    pub(super) fn resolve(&self, name: &str) -> String {
        match &self.members {
            Members::Directory => name.to_owned(),
            Members::Tar(tar) => tar.resolve(name),
        }
    }

    /// Calls `visit` for each member in `names`, once.
    pub(super) fn each(
        &self,
        names: &BTreeSet<&str>,
        visit: &mut dyn FnMut(&str, &mut dyn Read) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        match &self.members {
            Members::Tar(_) => each_member(&self.path, &mut |name, entry| {
                if names.contains(name) {
                    visit(name, entry)
                } else {
                    Ok(())
                }
            }),
            Members::Directory => {
                for name in names {
                    let (mut file, _) = file::open(&self.path.join(name), Guard::Any)
                        .map_err(ArchiveError::File)?;
                    visit(name, &mut file)?;
                }
                Ok(())
            }
        }
    }

    pub(super) fn check(
        &self,
        name: &str,
        expected: Digest,
        found: Digest,
    ) -> Result<(), ArchiveError> {
        if expected == found {
            Ok(())
        } else {
            Err(ArchiveError::Hash(
                self.path.clone(),
                name.to_owned(),
                expected,
                found,
            ))
        }
    }

    /// Returns the value that was read, or turns the error into an [`ArchiveError`] about this
    /// member.
    pub(super) fn good<T>(
        &self,
        name: &str,
        read: Result<T, impl std::fmt::Display>,
    ) -> Result<T, ArchiveError> {
        match read {
            Ok(value) => Ok(value),
            Err(fault) => Err(self.fault(name, fault)),
        }
    }

    pub(super) fn fault(&self, name: &str, fault: impl std::fmt::Display) -> ArchiveError {
        ArchiveError::Member(self.path.clone(), name.to_owned(), fault.to_string())
    }
}

/// The name of a member in the form that is used for look-ups. tar and programs that write
/// `manifest.json` may put `./` before a name.
fn plain(name: &str) -> String {
    let mut parts: Vec<_> = name.split('/').collect();
    parts.retain(|part| !matches!(*part, "" | "."));
    parts.join("/")
}

/// The name of the member with this digest in a layout (image-layout.md, "Blobs").
pub(super) fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The compression of a file that begins with these bytes. `None` for gzip and for no compression.
pub(super) fn foreign_compression(magic: &[u8]) -> Option<&'static str> {
    for (start, name) in [
        (&b"\x28\xb5\x2f\xfd"[..], "zstd"),
        (b"\xfd7zXZ\0", "xz"),
        (b"BZh", "bzip2"),
    ] {
        if magic.starts_with(start) {
            return Some(name);
        }
    }
    None
}

/// The first bytes from `reader`, at most as many as fit into `start`.
pub(super) fn first<'a>(reader: &mut dyn Read, start: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let mut filled = 0;
    while filled < start.len() {
        match reader.read(&mut start[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(&start[..filled])
}

type TarEntry<'a> = tar::Entry<'a, Box<dyn Read>>;

/// Calls `visit` for each member of a tar archive, in order.
fn each_member(
    path: &Path,
    visit: &mut dyn FnMut(&str, &mut TarEntry<'_>) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let broken = |error| ArchiveError::Tar(path.to_owned(), without_content(error));
    let (mut file, _) = file::open(path, Guard::Any).map_err(ArchiveError::File)?;
    let mut start = [0; 6];
    let magic = first(&mut file, &mut start).map_err(broken)?;
    if let Some(how) = foreign_compression(magic) {
        return Err(ArchiveError::Compressed(path.to_owned(), how));
    }
    let gzipped = magic.starts_with(b"\x1f\x8b");
    let mut archive = tar::Archive::new(reader(file, gzipped).map_err(broken)?);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        // No JSON document can name a member whose name is not UTF-8.
        let Ok(name) = String::from_utf8(entry.path_bytes().into_owned()) else {
            continue;
        };
        visit(&plain(&name), &mut entry)?;
    }
    Ok(())
}

/// The error without what the parser quotes of the file: it prints the bytes that are no header.
fn without_content(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::Other {
        return io::Error::other("its form is another");
    }
    error
}

fn reader(mut file: File, gzipped: bool) -> io::Result<Box<dyn Read>> {
    file.rewind()?;
    let plain = BufReader::with_capacity(64 << 10, file);
    Ok(if gzipped {
        Box::new(flate2::bufread::MultiGzDecoder::new(plain))
    } else {
        Box::new(plain)
    })
}

/// The bytes of a member, if it is a JSON object or list of at most [`MAX_DOCUMENT`] bytes.
fn document(entry: &mut TarEntry<'_>) -> io::Result<Option<Vec<u8>>> {
    if entry.size() > MAX_DOCUMENT {
        return Ok(None);
    }
    let mut start = [0; 64];
    let start = first(entry, &mut start)?;
    if !matches!(start.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return Ok(None);
    }
    let mut bytes = start.to_vec();
    entry.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// The member that a link leads to; `None` for a member that is not a link. In old archives, a
/// layer that two images share occurs once, and a link leads to it.
fn link_target(name: &str, entry: &TarEntry<'_>) -> Option<String> {
    let kind = entry.header().entry_type();
    let target = String::from_utf8(entry.link_name_bytes()?.into_owned()).ok()?;
    let mut parts: Vec<&str> = if kind.is_symlink() {
        name.split('/').collect()
    } else {
        Vec::new()
    };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    if !kind.is_symlink() && !kind.is_hard_link() {
        return None;
    }
    Some(parts.join("/"))
}

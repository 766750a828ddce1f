//! Decides whether this node trusts a list.
//!
//! In: keyset and floor (trusted: root writes them), what the settings say about the list, and the
//! list's head (hostile). Out: the head, authentic and current, or why it is refused. Not checked
//! here: what the head holds hashes of.

use std::cmp::Ordering;
use std::path::Path;

use super::bytes::{ReadAt, Reader};
use super::error::{ListError, SignatureTally};
use super::floor::{Floor, MAX_FLOOR, MAX_JUMP};
use super::head::{self, Claim, HEAD_SIZE, Head};
use super::keyset::{Keyset, MAX_KEYSET, SignedKeyset};
use super::note::Enough;
use crate::lineage::digest::Digest;
use crate::paths::Paths;
use crate::sys::directory;
use crate::sys::file::{self, Guard};

/// What the settings say about the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The origin that the list must have; the keyset's where this is `None`.
    pub origin: Option<String>,
    /// The lowest version that is accepted.
    pub min_version: u64,
}

/// The place of the list that is to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In force, in either place.
    Current,
    /// Not in force yet: an installation, or a person, asks. The installer compares it with the
    /// list in force and may require more signatures.
    Staged,
}

/// What a list must satisfy on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Whose signature counts.
    pub keyset: Keyset,
    /// The newest list that this node ever had; `None` before the first installation.
    pub floor: Option<Floor>,
    /// What the settings say.
    pub rules: Rules,
}

/// A list whose head is authentic and current, and whose length is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentic {
    /// The head.
    pub head: Head,
    /// SHA-256 of its text.
    pub digest: Digest,
    /// How many signed it.
    pub tally: SignatureTally,
}

impl Trust {
    /// Reads keyset and floor. Whoever can write the floor's directory could remove the floor, so
    /// that directory must be as well protected as the files.
    ///
    /// # Errors
    /// [`ListError`] naming the one that cannot be read. A broken floor is a fault; an absent one
    /// is that of a node without a list.
    pub fn load(paths: &Paths, rules: &Rules) -> Result<Self, ListError> {
        let keyset = signed_keyset(
            &paths.keyset,
            &directory::read_owned(&paths.root, &paths.keyset, MAX_KEYSET)?,
        )?
        .keyset;
        directory::owned(&paths.root, &paths.state)?;
        let floor = match file::read_text(&paths.floor, MAX_FLOOR, Guard::Owned) {
            Ok(text) => Some(
                Floor::parse(&text)
                    .map_err(|fault| ListError::Floor(paths.floor.clone(), fault))?,
            ),
            Err(error) if error.is_absent() => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            keyset,
            floor,
            rules: rules.clone(),
        })
    }

    /// Checks the head of a list of `size` bytes: its grammar, origin and keyset, the signatures of
    /// at least the list threshold, its length, that it is neither older nor much newer than this
    /// node allows, and that it came through an installation.
    ///
    /// A list in force that did not come through an installation was never compared with the one
    /// before. Whoever can write that file and has stolen one list key could lift a ban with it, so
    /// it needs the signatures of the lift threshold. A node without a floor never had a list to
    /// compare with.
    ///
    /// # Errors
    /// [`ListError`] for the first of these that fails.
    pub fn authenticate<R: ReadAt + ?Sized>(
        &self,
        list: &Reader<'_, R>,
        size: u64,
        placement: Placement,
        enough: Enough,
    ) -> Result<Authentic, ListError> {
        let path = || list.path.to_owned();
        let claim = claim(list, size)?;
        let origin = self.rules.origin.as_ref().unwrap_or(&self.keyset.origin);
        let head = &claim.head;
        if head.origin != *origin || head.origin != self.keyset.origin {
            return Err(ListError::Origin(
                path(),
                head.origin.clone(),
                origin.clone(),
            ));
        }
        if head.edition.keyset > self.keyset.number {
            return Err(ListError::NewerKeyset(
                path(),
                head.edition.keyset,
                self.keyset.number,
            ));
        }
        let Keyset {
            list_threshold,
            lift_threshold,
            ..
        } = self.keyset;
        let digest = claim.digest();
        let is_installed =
            placement == Placement::Staged || self.floor.is_none_or(|floor| floor.knows(digest));
        let needed = if is_installed {
            list_threshold
        } else {
            lift_threshold
        };
        let tally = self
            .keyset
            .tally(&claim.text, &claim.signatures, needed, enough);
        if tally.good < list_threshold {
            return Err(ListError::Signatures(
                path(),
                SignatureTally {
                    needed: list_threshold,
                    ..tally
                },
            ));
        }
        if size != head.file_size() {
            return Err(ListError::Size(path(), size, head.file_size()));
        }
        self.fits_floor(list.path, head, digest)?;
        if tally.good < needed {
            return Err(ListError::NotInstalled(path(), tally));
        }
        Ok(Authentic {
            head: claim.head,
            digest,
            tally,
        })
    }

    /// How many list keys signed the list whose head has this digest, in all its copies on the node
    /// together, and how many the lift threshold needs. Nothing else of the copies is checked.
    #[cfg(feature = "ctl")]
    #[must_use]
    pub fn signed(&self, paths: &Paths, head: Digest) -> SignatureTally {
        let (mut text, mut signatures) = (String::new(), Vec::new());
        for path in [&paths.list, &paths.copy] {
            let opened = file::open(path, Guard::NoLink).map_err(ListError::from);
            let found = opened.and_then(|(file, size)| claim(&Reader { path, bytes: &file }, size));
            if let Ok(found) = found.map_err(drop)
                && found.digest() == head
            {
                text = found.text;
                signatures.extend(found.signatures);
            }
        }
        self.keyset
            .tally(&text, &signatures, self.keyset.lift_threshold, Enough::All)
    }

    /// Compares a list with the floor and with the settings' lowest version: an older list, however
    /// authentic, is a rollback, in either place. With a higher keyset versions may start again.
    fn fits_floor(&self, path: &Path, head: &Head, digest: Digest) -> Result<(), ListError> {
        let edition = head.edition;
        if edition.version < self.rules.min_version {
            return Err(ListError::TooOld(
                path.to_owned(),
                edition.version,
                self.rules.min_version,
            ));
        }
        let Some(floor) = self.floor else {
            return Ok(());
        };
        match edition.cmp(&floor.edition) {
            Ordering::Less => Err(ListError::Rollback(path.to_owned(), edition, floor.edition)),
            Ordering::Equal if digest != floor.head => {
                Err(ListError::Equivocation(path.to_owned(), edition))
            }
            Ordering::Greater
                if edition.version > floor.edition.version.saturating_add(MAX_JUMP) =>
            {
                Err(ListError::Jump(path.to_owned(), edition, floor.edition))
            }
            Ordering::Equal | Ordering::Greater => Ok(()),
        }
    }
}

/// Reads a keyset file.
///
/// # Errors
/// [`ListError::File`] and [`ListError::Keyset`].
pub fn keyset(path: &Path, guard: Guard) -> Result<SignedKeyset, ListError> {
    signed_keyset(path, &file::read(path, MAX_KEYSET, guard)?)
}

fn signed_keyset(path: &Path, bytes: &[u8]) -> Result<SignedKeyset, ListError> {
    SignedKeyset::parse(bytes).map_err(|fault| ListError::Keyset(path.to_owned(), fault))
}

/// Reads the head block of a list of `size` bytes; nothing of it is trusted yet.
///
/// # Errors
/// [`ListError::NoHead`] when it does not start like a list, [`ListError::Read`] and
/// [`ListError::Head`].
pub fn claim<R: ReadAt + ?Sized>(list: &Reader<'_, R>, size: u64) -> Result<Claim, ListError> {
    if size < HEAD_SIZE as u64 {
        return Err(ListError::NoHead(list.path.to_owned()));
    }
    let mut block = [0; HEAD_SIZE];
    list.read_into(&mut block, 0)?;
    if !head::may_be_head(&block) {
        return Err(ListError::NoHead(list.path.to_owned()));
    }
    Claim::parse(&block).map_err(|fault| ListError::Head(list.path.to_owned(), fault))
}

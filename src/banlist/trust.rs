//! Decides whether this node trusts a list.
//!
//! In: the keyset and the floor (trusted: root writes them), what the settings say about the list,
//! and the list's head (hostile). Out: the head, authentic and current, or why it is refused. Not
//! checked here: the tree and the records, whose hashes the head holds.

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
    /// The origin that the list must have. `None` means the keyset's origin.
    pub origin: Option<String>,
    /// The lowest version that is accepted.
    pub min_version: u64,
}

/// The state of the list that is to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The list is in force, as first or as second copy.
    Current,
    /// The list is not in force yet: an installation or a user wants to know whether it is trusted.
    /// The installer compares the list with the list in force, and may require more signatures.
    Staged,
}

/// What a list must satisfy on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The keys whose signatures count.
    pub keyset: Keyset,
    /// The newest list that this node has ever had; `None` before the first installation.
    pub floor: Option<Floor>,
    /// What the settings say about the list.
    pub rules: Rules,
}

/// A list whose head is authentic and current, and whose length is correct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentic {
    /// The head of the list.
    pub head: Head,
    /// SHA-256 of the head's text.
    pub digest: Digest,
    /// How many keys signed the head.
    pub tally: SignatureTally,
}

impl Trust {
    /// Reads the keyset and the floor. Whoever can write to the floor's directory could remove the
    /// floor, so that directory must be as well protected as the files.
    ///
    /// # Errors
    /// [`ListError`] with the file that cannot be read. A damaged floor is an error. A missing
    /// floor means that this node has not had a list yet.
    pub fn load(paths: &Paths, rules: &Rules) -> Result<Self, ListError> {
        let keyset = signed_keyset(
            &paths.keyset,
            &directory::read_owned(&paths.root, &paths.keyset, MAX_KEYSET)?,
        )?
        .keyset;
        directory::owned(&paths.root, &paths.state)?;
        let floor = match file::read_text(&paths.floor, MAX_FLOOR, Guard::Owned) {
            Ok(text) => match Floor::parse(&text) {
                Ok(floor) => Some(floor),
                Err(fault) => return Err(ListError::Floor(paths.floor.clone(), fault)),
            },
            Err(error) if error.is_absent() => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            keyset,
            floor,
            rules: rules.clone(),
        })
    }

    /// Checks the head of a list of `size` bytes: its format, its origin and keyset, its signatures
    /// (at least the list threshold), and the length of the list. Also checks that the list is
    /// neither older nor much newer than this node allows, and that `embargoctl install` installed
    /// it.
    ///
    /// A list in force that `embargoctl install` did not install was never compared with the list
    /// before it. Whoever can write that file and has stolen one list key could lift a ban with it.
    /// So such a list needs the signatures of the lift threshold. A node without a floor has never
    /// had a list to compare with.
    ///
    /// # Errors
    /// [`ListError`] for the first check that fails.
    pub fn authenticate<R: ReadAt + ?Sized>(
        &self,
        list: &Reader<'_, R>,
        size: u64,
        placement: Placement,
        enough: Enough,
    ) -> Result<Authentic, ListError> {
        let path = list.path;
        let claim = claim(list, size)?;
        let origin = self.rules.origin.as_ref().unwrap_or(&self.keyset.origin);
        let head = &claim.head;
        if head.origin != *origin || head.origin != self.keyset.origin {
            let (found, expected) = (head.origin.clone(), origin.clone());
            return Err(ListError::Origin(path.to_owned(), found, expected));
        }
        if head.edition.keyset > self.keyset.number {
            return Err(ListError::NewerKeyset(
                path.to_owned(),
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
            let needed = list_threshold;
            let tally = SignatureTally { needed, ..tally };
            return Err(ListError::Signatures(path.to_owned(), tally));
        }
        if size != head.file_size() {
            let path = path.to_owned();
            return Err(ListError::Size(path, size, head.file_size()));
        }
        self.fits_floor(path, head, digest)?;
        if tally.good < needed {
            return Err(ListError::NotInstalled(path.to_owned(), tally));
        }
        Ok(Authentic {
            head: claim.head,
            digest,
            tally,
        })
    }

    /// Counts the list keys that signed the list with this head, over all copies of the list on the
    /// node. The result also says how many signatures the lift threshold needs. Nothing else in the
    /// copies is checked.
    #[cfg(feature = "ctl")]
    #[must_use]
    pub fn signed(&self, paths: &Paths, head: Digest) -> SignatureTally {
        let (mut text, mut signatures) = (String::new(), Vec::new());
        for path in [&paths.list, &paths.copy] {
            if let Ok((file, size)) = file::open(path, Guard::NoLink)
                && let Ok(found) = claim(&Reader { path, bytes: &file }, size)
                && found.digest() == head
            {
                text = found.text;
                signatures.extend(found.signatures);
            }
        }
        self.keyset
            .tally(&text, &signatures, self.keyset.lift_threshold, Enough::All)
    }

    /// Compares a list with the floor and with the lowest version in the settings. An older list is
    /// a rollback, as first or as second copy, even if it is authentic. Under a higher keyset,
    /// versions may start again.
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
    match SignedKeyset::parse(bytes) {
        Ok(keyset) => Ok(keyset),
        Err(fault) => Err(ListError::Keyset(path.to_owned(), fault)),
    }
}

/// Reads the head block of a list of `size` bytes. Nothing in it is trusted yet.
///
/// # Errors
/// [`ListError::NoHead`] when the file does not begin like a list; [`ListError::Read`];
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
    match Claim::parse(&block) {
        Ok(claim) => Ok(claim),
        Err(fault) => Err(ListError::Head(list.path.to_owned(), fault)),
    }
}

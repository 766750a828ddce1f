//! Looks digests up in the list in force on this node.
//!
//! In: the node's paths, what the settings say about the list, and the digests to look for. Out:
//! every place where one of them is in the list, or why there is no list to ask. Keyset and floor
//! are trusted (root writes them). The list is hostile until its head's signatures and, piece by
//! piece, its hashes were checked. Not checked here: expiry and the clock, which `verdict` judges
//! from the times returned.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::lineage::digest::Digest;
use crate::paths::Paths;
use crate::sys::clock::Timestamp;
use crate::sys::directory;
use crate::sys::file::{self, Guard};

use super::bytes::{ReadAt, Reader};
use super::error::{ListError, SignatureTally};
use super::floor::{Edition, Floor, MAX_FLOOR, MAX_JUMP};
use super::head::{self, Claim, HEAD_SIZE, Head};
use super::keyset::{Keyset, MAX_KEYSET, SignedKeyset};
use super::note::Enough;
use super::record::{Ban, EntryMatch, Hit, MatchKind};
use super::section::{Budget, Section};
use super::tree::{self, Leaf};

/// One digest to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Query {
    /// The digest.
    pub digest: Digest,
    /// The kind as which it must be banned to count.
    pub kind: MatchKind,
}

/// What the settings say about the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The origin that the list must have; the keyset's where this is `None`.
    pub origin: Option<String>,
    /// The lowest version that is accepted.
    pub min_version: u64,
}

/// The answer.
#[derive(Debug)]
pub enum Bans {
    /// An authentic list answered.
    Known(ListAnswer),
    /// There is no authentic list; the fault is the current list's.
    Missing(ListError),
}

/// What an authentic list answered.
#[derive(Debug)]
pub struct ListAnswer {
    /// Number of the keyset that the list was made for.
    pub keyset: u64,
    /// The list's version.
    pub version: u64,
    /// SHA-256 of its head's text, which is what is signed.
    pub head: Digest,
    /// When it was issued.
    pub issued: Timestamp,
    /// When a newer one should have replaced it.
    pub expires: Timestamp,
    /// When the newest list that this node ever had was issued: it cannot be earlier now.
    pub floor_issued: Option<Timestamp>,
    /// How many digests it bans as images.
    pub image_digests: u64,
    /// Every match, in the order of the queries: one for each ban, with its first name.
    pub hits: Vec<Hit>,
    /// Which file answered.
    pub slot: Slot,
    /// Why `banlist.lst` was skipped, if it was.
    pub fault: Option<ListError>,
    /// Signatures that name a trusted key and do not verify, in addition to enough good ones.
    pub bad_signatures: usize,
}

/// Which list it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListId {
    /// Its version.
    pub version: u64,
    /// SHA-256 of its head's text, which is what is signed.
    pub head: Digest,
}

impl ListAnswer {
    /// Which list answered.
    #[must_use]
    pub const fn id(&self) -> ListId {
        ListId {
            version: self.version,
            head: self.head,
        }
    }
}

/// Which of the two copies of the list in force answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// `banlist.lst`.
    Current,
    /// `banlist.copy.lst`.
    Copy,
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

/// Asks the list in force for every query: `banlist.lst`, or its second copy when that file cannot
/// be read or trusted.
///
/// Both must meet the same rules: neither answers when it is older than the newest list that the
/// node had or, where no floor says which that is, than the other. When the first proves a ban that
/// it cannot report in full, the second is asked only if it is the same list: another may lack the
/// ban.
///
/// The keyset is read first, then the floor, then the list. A list that was installed in between
/// may not fit them; in that case all three are read again, once.
#[must_use]
pub fn look_up(paths: &Paths, rules: &Rules, queries: &[Query]) -> Bans {
    match Trust::load(paths, rules) {
        Ok(trust) => look_up_by(trust, paths, queries, Budget::Start),
        Err(fault) => Bans::Missing(fault),
    }
}

/// The same for the queries of many containers at once. It reads everything, where for one
/// container it reads no more than a start may. Only [`look_up`] says what a start of one of them
/// would learn.
#[cfg(feature = "ctl")]
#[must_use]
pub fn survey(paths: &Paths, rules: &Rules, queries: &[Query]) -> Bans {
    match Trust::load(paths, rules) {
        Ok(trust) => look_up_by(trust, paths, queries, Budget::Unlimited),
        Err(fault) => Bans::Missing(fault),
    }
}

/// Asks the list in a file, which must be signed for this keyset, as a start would. No floor is
/// used: it may be an old list.
#[must_use]
pub fn look_up_in(list: &Path, keyset: &Keyset, rules: &Rules, queries: &[Query]) -> Bans {
    let trust = Trust {
        keyset: keyset.clone(),
        floor: None,
        rules: rules.clone(),
    };
    ask(list, &trust, Slot::Current, queries, Budget::Start).map_or_else(Bans::Missing, Bans::Known)
}

/// The same, with keyset and floor as they were a moment ago.
fn look_up_by(trust: Trust, paths: &Paths, queries: &[Query], budget: Budget) -> Bans {
    let bans = answer(&trust, paths, queries, budget);
    let (Bans::Known(ListAnswer {
        fault: Some(fault), ..
    })
    | Bans::Missing(fault)) = &bans
    else {
        return bans;
    };
    if !may_have_been_installed(fault) {
        return bans;
    }
    match Trust::load(paths, &trust.rules) {
        Ok(trust) => answer(&trust, paths, queries, budget),
        Err(fault) => Bans::Missing(fault),
    }
}

/// What the two copies answer under this keyset and this floor.
fn answer(trust: &Trust, paths: &Paths, queries: &[Query], budget: Budget) -> Bans {
    let fault = match ask(&paths.list, trust, Slot::Current, queries, budget) {
        Ok(known) => match newer_copy(&known, paths, trust) {
            None => return Bans::Known(known),
            Some(older) => {
                let fault = Some(older);
                let newer = ask(&paths.copy, trust, Slot::Copy, queries, budget);
                return newer.map_or_else(Bans::Missing, |newer| {
                    Bans::Known(ListAnswer { fault, ..newer })
                });
            }
        },
        // The other copy says the same.
        Err(fault) if matches!(&fault, ListError::Unread(_, why) if matches!(**why, ListError::Excess(_))) =>
        {
            return Bans::Missing(fault);
        }
        Err(fault) => fault,
    };
    match ask(&paths.copy, trust, Slot::Copy, queries, budget) {
        Ok(known) if may_answer_for(&known, &fault, &paths.list, trust) => {
            Bans::Known(ListAnswer {
                fault: Some(fault),
                ..known
            })
        }
        // It proves the ban by itself.
        Err(unread @ ListError::Unread(..)) if !matches!(fault, ListError::Unread(..)) => {
            Bans::Missing(unread)
        }
        // The fault of the first copy is the one to repair.
        Ok(_) | Err(_) => Bans::Missing(fault),
    }
}

/// Whether the second copy may answer when the first is at fault. Somebody may have put a newer
/// list in the first place by hand: as long as its head can be read, an older one does not answer
/// for it.
fn may_answer_for(copy: &ListAnswer, fault: &ListError, list: &Path, trust: &Trust) -> bool {
    match (authentic(list, trust), fault) {
        (Ok((.., first)), ListError::Unread(..)) => first.digest == copy.head,
        (Err(_), ListError::Unread(..)) => false,
        (Ok((.., first)), _) => {
            first.head.edition
                <= Edition {
                    keyset: copy.keyset,
                    version: copy.version,
                }
        }
        (Err(_), _) => true,
    }
}

/// Why the list in the first place does not answer although nothing else is wrong with it: its
/// second copy is of a newer list. The list that the floor names is the one in force, also while an
/// installation is under way. Without a floor, an older list can be in the first place.
fn newer_copy(first: &ListAnswer, paths: &Paths, trust: &Trust) -> Option<ListError> {
    let floor = trust.floor;
    if floor.is_some_and(|floor| floor.head == first.head) {
        return None;
    }
    let (file, size, copy) = authentic(&paths.copy, trust).ok()?;
    // When nothing says which list was installed, a copy with only enough signatures to add a ban
    // must not lift those of a whole list.
    if floor.is_none() {
        let claim = claim(
            &Reader {
                path: &paths.copy,
                bytes: &file,
            },
            size,
        )
        .ok()?;
        let needed = trust.keyset.lift_threshold;
        if trust
            .keyset
            .tally(&claim.text, &claim.signatures, needed, Enough::Threshold)
            .good
            < needed
        {
            return None;
        }
    }
    let older = Edition {
        keyset: first.keyset,
        version: first.version,
    };
    (copy.head.edition > older)
        .then(|| ListError::Rollback(paths.list.clone(), older, copy.head.edition))
}

/// Whether this fault also occurs when a list was installed between the reading of keyset and floor
/// and the reading of the list.
const fn may_have_been_installed(fault: &ListError) -> bool {
    matches!(
        fault,
        ListError::NotInstalled(..)
            | ListError::Rollback(..)
            | ListError::Equivocation(..)
            | ListError::NewerKeyset(..)
    )
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

/// Opens and authenticates one of the node's lists.
fn authentic(path: &Path, trust: &Trust) -> Result<(File, u64, Authentic), ListError> {
    let (file, size) = file::open(path, Guard::NoLink)?;
    let found = trust.authenticate(
        &Reader { path, bytes: &file },
        size,
        Placement::Current,
        Enough::Threshold,
    )?;
    Ok((file, size, found))
}

/// Authenticates and asks one of the node's lists.
fn ask(
    path: &Path,
    trust: &Trust,
    slot: Slot,
    queries: &[Query],
    budget: Budget,
) -> Result<ListAnswer, ListError> {
    let (
        file,
        _,
        Authentic {
            head,
            digest,
            tally,
        },
    ) = authentic(path, trust)?;
    let list = Reader { path, bytes: &file };
    let hits = hits(&list, &head, queries, budget)?;
    let image_digests = head.entries.of(MatchKind::Image);
    let Head {
        edition,
        issued,
        expires,
        ..
    } = head;
    let floor_issued = trust.floor.map(|floor| floor.issued);
    let (keyset, version) = (edition.keyset, edition.version);
    Ok(ListAnswer {
        keyset,
        version,
        head: digest,
        issued,
        expires,
        floor_issued,
        image_digests,
        hits,
        slot,
        fault: None,
        bad_signatures: tally.bad,
    })
}

/// The most bans, and the most matches, that one start has to know; those that refuse nothing count
/// as well.
const MAX_BANS: usize = 128;
const MAX_HITS: usize = 1_024;

/// Every match of `queries` in a list whose head is authentic, in the order of the queries, once
/// for each ban. All are looked up whatever the head counts: a head that denies what the tree has
/// must not let it pass.
///
/// # Errors
/// [`ListError`] for the first piece on the way that is wrong; [`ListError::Unread`] when a query
/// is known to be banned by then.
pub fn hits<R: ReadAt + ?Sized>(
    list: &Reader<'_, R>,
    head: &Head,
    queries: &[Query],
    budget: Budget,
) -> Result<Vec<Hit>, ListError> {
    let mut digests: Vec<_> = queries.iter().map(|query| query.digest).collect();
    digests.sort_unstable();
    digests.dedup();
    let mut leaves = vec![None; digests.len()];
    let denied = |leaf: &Leaf| {
        [MatchKind::Base, MatchKind::Image, MatchKind::Layer]
            .into_iter()
            .any(|kind| leaf.kinds.has(kind) && head.entries.of(kind) == 0)
    };
    let looked_up = tree::look_up(list, head, &digests, &mut leaves).and_then(|()| {
        match leaves.iter().flatten().any(denied) {
            true => Err(ListError::Counts(list.path.to_owned())),
            false => Ok(()),
        }
    });
    let leaf_of = |query: &Query| {
        let leaf = digests
            .binary_search(&query.digest)
            .ok()
            .and_then(|at| leaves[at]);
        leaf.filter(|leaf| leaf.kinds.has(query.kind))
    };
    let banned: Vec<_> = queries
        .iter()
        .filter_map(|query| Some((query, leaf_of(query)?)))
        .collect();
    let Some((first, _)) = banned.first() else {
        return looked_up.map(|()| Vec::new());
    };
    looked_up
        .and_then(|()| read(list, head, &banned, budget))
        .map_err(|fault| ListError::Unread(first.digest, Box::new(fault)))
}

/// What the list says about the queries that it bans, each with its leaf.
fn read<R: ReadAt + ?Sized>(
    list: &Reader<'_, R>,
    head: &Head,
    banned: &[(&Query, Leaf)],
    budget: Budget,
) -> Result<Vec<Hit>, ListError> {
    let mut section = Section::open(list, head, budget)?;
    // By the offset of its line: one ban may have many names, and many of the digests.
    let mut bans: HashMap<u64, Arc<Ban>> = HashMap::new();
    let mut hits: Vec<Hit> = Vec::new();
    for (query, leaf) in banned {
        let before = hits.len();
        for found in section
            .entry(leaf.offset)?
            .matches
            .into_iter()
            .filter(|found| found.kind == query.kind)
        {
            let EntryMatch {
                kind,
                name,
                platform,
                ban,
            } = found;
            let ban = match bans.entry(ban) {
                MapEntry::Occupied(read) => read.into_mut(),
                MapEntry::Vacant(unread) => unread.insert(Arc::new(section.ban(ban)?)),
            };
            // The ban may have the digest under other names too: the first is enough.
            if !hits[before..].iter().any(|hit| Arc::ptr_eq(&hit.ban, ban)) {
                hits.push(Hit {
                    digest: query.digest,
                    kind,
                    name,
                    platform,
                    ban: Arc::clone(ban),
                });
            }
        }
        if budget == Budget::Start && (bans.len() > MAX_BANS || hits.len() > MAX_HITS) {
            return Err(ListError::Excess(list.path.to_owned()));
        }
        if hits.len() == before {
            // The leaf says that it is banned as this kind, the entry does not: that must not pass
            // for an admission.
            return Err(ListError::Record(list.path.to_owned(), leaf.offset));
        }
    }
    Ok(hits)
}

#[cfg(test)]
#[cfg(feature = "ctl")]
mod tests;

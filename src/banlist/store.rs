//! Looks digests up in the list in force on this node.
//!
//! In: the node's paths, what the settings say about the list, and the digests to look for. Out:
//! every place where one of them is in the list, or why there is no list to ask. Keyset and floor
//! are trusted (root writes them). The list is hostile until its head's signatures and, piece by
//! piece, its hashes were checked. Not checked here: expiry and the clock, which `verdict` judges
//! from the times returned.

use std::fs::File;
use std::path::Path;

use super::bytes::Reader;
use super::error::ListError;
use super::floor::Edition;
use super::head::Head;
pub use super::hits::{Query, hits};
use super::keyset::Keyset;
use super::note::Enough;
use super::record::{Hit, MatchKind};
use super::section::Budget;
pub use super::trust::{Authentic, Placement, Rules, Trust, claim, keyset};
use crate::lineage::digest::Digest;
use crate::paths::Paths;
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};

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

#[cfg(test)]
#[cfg(feature = "ctl")]
mod tests;

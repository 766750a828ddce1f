//! Limits how much of a user's runtime state is read.
//!
//! In: the owner of a directory, how much was read from that directory, and what was left out. Out:
//! how much more may be read, and how many items were left out, so that they are reported. State of
//! root and of the caller is not limited. Hostile: a user controls every number here. A user who
//! fills his directories to slow root down hides only his own containers. Not limited: the number
//! of users.

use std::collections::BTreeMap;

use crate::sys::rights;

/// How many state directories are read for one user. The limit includes the directories of
/// containerd's namespaces.
pub const MOST_CONTAINERS: usize = 1_024;

/// How many bytes of state are read for one user. The state of one container has 20 to 60 KB (runc
/// 1.1.5), so this number is enough for [`MOST_CONTAINERS`]. Reading and parsing this many bytes
/// takes root two or three seconds.
pub const MOST_BYTES: u64 = 64 << 20;

/// How many directory entries are listed for one user. Listing costs little, but `/run/user/<uid>`
/// has room for millions of names.
const MOST_ENTRIES: usize = 65_536;

/// What may still be read for one user.
#[derive(Debug)]
struct Allowance {
    containers: usize,
    bytes: u64,
    entries: usize,
}

/// What may still be read for each user, and what was left out.
#[derive(Debug, Default)]
pub struct Allowances {
    left: BTreeMap<u32, Allowance>,
    left_out: BTreeMap<u32, usize>,
}

impl Allowances {
    /// What may still be read for `owner`; `None` for root and for the caller, who have no limit.
    fn of(&mut self, owner: u32) -> Option<&mut Allowance> {
        if rights::is_own(owner) {
            return None;
        }
        Some(self.left.entry(owner).or_insert(Allowance {
            containers: MOST_CONTAINERS,
            bytes: MOST_BYTES,
            entries: MOST_ENTRIES,
        }))
    }

    /// Reserves one more state directory of this user for reading. Returns `false`, and records the
    /// directory as left out, if the user's limit is reached.
    pub fn take_container(&mut self, owner: u32) -> bool {
        let Some(left) = self.of(owner) else {
            return true;
        };
        let may = left.containers > 0 && left.bytes > 0;
        left.containers = left.containers.saturating_sub(1);
        if !may {
            self.leave_out(owner);
        }
        may
    }

    /// How many more directory entries may be listed for this user.
    pub fn entries(&mut self, owner: u32) -> usize {
        match self.of(owner) {
            Some(left) => left.entries,
            None => usize::MAX,
        }
    }

    /// Records how many directory entries were listed for this user.
    pub fn spend_entries(&mut self, owner: u32, entries: usize) {
        if let Some(left) = self.of(owner) {
            left.entries = left.entries.saturating_sub(entries);
        }
    }

    /// How many more bytes of state may be read for this user.
    pub fn bytes(&mut self, owner: u32) -> u64 {
        match self.of(owner) {
            Some(left) => left.bytes,
            None => u64::MAX,
        }
    }

    /// Records how many bytes of state were read for this user.
    pub fn spend_bytes(&mut self, owner: u32, bytes: u64) {
        if let Some(left) = self.of(owner) {
            left.bytes = left.bytes.saturating_sub(bytes);
        }
    }

    /// Records that one item of this user was left out.
    pub fn leave_out(&mut self, owner: u32) {
        *self.left_out.entry(owner).or_default() += 1;
    }

    /// How many items were left out since the last call, by user.
    pub fn left_out(&mut self) -> BTreeMap<u32, usize> {
        std::mem::take(&mut self.left_out)
    }
}

//! Bounds how much of a user's runtime state is read.
//!
//! In: the user who owns a directory, what is read from it and what is left out. Out: how much more
//! may be read, and how much was left out, so that it is reported. Root's and the caller's own
//! state has no bound. Hostile: a user controls every number here; one who fills his directories to
//! slow root down hides his own containers and nobody else's. Not bounded: how many users there
//! are.

use std::collections::BTreeMap;

use crate::sys::rights;

/// The most state directories that are read for one user, including containerd's namespaces.
pub const MOST_CONTAINERS: usize = 1_024;

/// The most bytes of state that are read for one user. A container's state has 20 to 60 KB (runc
/// 1.1.5), so this is enough for the most containers, and reading and parsing all of it takes root
/// two or three seconds.
pub const MOST_BYTES: u64 = 64 << 20;

/// The most entries that are listed in one user's directories. A listing costs little, but
/// `/run/user/<uid>` has room for millions of names.
const MOST_ENTRIES: usize = 65_536;

/// What may still be read for one user.
#[derive(Debug)]
struct Allowance {
    containers: usize,
    bytes: u64,
    entries: usize,
}

/// What may still be read for each user.
#[derive(Debug, Default)]
pub struct Allowances {
    left: BTreeMap<u32, Allowance>,
    left_out: BTreeMap<u32, usize>,
}

impl Allowances {
    /// What a user has left; `None` for root and for the caller.
    fn of(&mut self, owner: u32) -> Option<&mut Allowance> {
        let new = Allowance {
            containers: MOST_CONTAINERS,
            bytes: MOST_BYTES,
            entries: MOST_ENTRIES,
        };
        (!rights::is_own(owner)).then(|| self.left.entry(owner).or_insert(new))
    }

    /// Whether one more of this user's state directories may be read; if not, it counts as left
    /// out.
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

    /// How many entries of this user's directories may be listed.
    pub fn entries(&mut self, owner: u32) -> usize {
        self.of(owner).map_or(usize::MAX, |left| left.entries)
    }

    /// Records how many entries of this user's directories were listed.
    pub fn spend_entries(&mut self, owner: u32, entries: usize) {
        if let Some(left) = self.of(owner) {
            left.entries = left.entries.saturating_sub(entries);
        }
    }

    /// How many bytes of this user's state may be read.
    pub fn bytes(&mut self, owner: u32) -> u64 {
        self.of(owner).map_or(u64::MAX, |left| left.bytes)
    }

    /// Records how many bytes of this user's state were read.
    pub fn spend_bytes(&mut self, owner: u32, bytes: u64) {
        if let Some(left) = self.of(owner) {
            left.bytes = left.bytes.saturating_sub(bytes);
        }
    }

    /// Records that something of this user's was left out.
    pub fn leave_out(&mut self, owner: u32) {
        *self.left_out.entry(owner).or_default() += 1;
    }

    /// The users for whom something was left out since the last call, and how much.
    pub fn left_out(&mut self) -> BTreeMap<u32, usize> {
        std::mem::take(&mut self.left_out)
    }
}

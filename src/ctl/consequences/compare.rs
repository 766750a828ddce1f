//! Checks a new list, and compares it with the list in force on this node.
//!
//! In: the new list, and the node's own lists (the list in force and its second copy). Out: what
//! changes, and those of the node's lists that are undamaged. Every byte of the new list is
//! checked.

use std::cmp::Reverse;
use std::fs::File;
use std::path::Path;

use super::super::CtlError;
use super::error;
use super::node::NodeState;
use crate::banlist::bytes::Reader;
use crate::banlist::change::{self, Change};
use crate::banlist::error::ListError;
use crate::banlist::floor::{Edition, Floor};
use crate::banlist::head::Head;
use crate::banlist::note::Enough;
use crate::banlist::store::{Authentic, Placement, Trust};
use crate::banlist::watch::Watch;
use crate::banlist::whole::{CountedBan, WholeList};
use crate::lineage::digest::Digest;
use crate::sys::file::{self, FileError, Guard};

/// The new list, whose head is authentic unless the list is a draft that is only examined.
#[derive(Clone, Copy)]
pub struct New<'a> {
    /// A reader of the list's file.
    pub list: &'a Reader<'a, File>,
    /// The list's head.
    pub head: &'a Head,
    /// The SHA-256 of the head's text.
    pub digest: Digest,
    /// How many list keys signed the list.
    pub good: usize,
}

impl<'a> New<'a> {
    /// A new list whose head was found authentic.
    pub const fn of(list: &'a Reader<'a, File>, found: &'a Authentic) -> Self {
        Self {
            list,
            head: &found.head,
            digest: found.digest,
            good: found.tally.good,
        }
    }
}

/// One of the node's own lists, with an authentic head.
pub struct OwnList<'a> {
    path: &'a Path,
    file: File,
    /// The authentic head, its digest and its signatures.
    pub found: Authentic,
}

impl<'a> OwnList<'a> {
    fn open(path: &'a Path, trust: &Trust) -> Result<Self, ListError> {
        let (file, size) = file::open(path, Guard::NoLink)?;
        let found = trust.authenticate(
            &Reader { path, bytes: &file },
            size,
            Placement::Current,
            Enough::Threshold,
        )?;
        Ok(Self { path, file, found })
    }

    /// A reader of the file's bytes.
    pub const fn reader(&self) -> Reader<'_, File> {
        Reader {
            path: self.path,
            bytes: &self.file,
        }
    }
}

/// Identifies the node's list that the new list was compared with.
#[derive(Clone, Copy)]
pub struct ComparedList {
    digest: Digest,
    edition: Edition,
}

impl ComparedList {
    const fn of(own: &OwnList<'_>) -> Self {
        Self {
            digest: own.found.digest,
            edition: own.found.head.edition,
        }
    }

    /// Whether the node never had a newer list than this list: the floor names this list, or an
    /// earlier edition. Without this check, an attacker who can damage the list in force and has
    /// stolen one list key could lift every ban that an older list does not have.
    pub fn is_newest(&self, floor: &Floor) -> bool {
        self.digest == floor.head || self.edition > floor.edition
    }
}

/// The node's own lists, and how the new list differs from them.
pub struct Compared<'a> {
    /// The list in force, if it is undamaged.
    pub list: Option<OwnList<'a>>,
    /// The second copy of the list in force, if this copy is undamaged.
    pub copy: Option<OwnList<'a>>,
    /// The copy that the new list was compared with.
    pub with: Option<ComparedList>,
    /// What the new list changes; `None` when there is no list to compare the new list with.
    pub change: Option<Change>,
    /// The bans of the new list.
    pub bans: Vec<CountedBan>,
    /// Why the list in force cannot be used; `None` if the list can be used.
    pub broken: Option<ListError>,
    /// Why the second copy cannot be used; `None` if the copy can be used.
    pub broken_copy: Option<ListError>,
}

/// Checks the whole new list, and compares it with the list in force: with the newer of its two
/// copies, or with the other copy if the newer copy cannot be used.
pub fn compare<'a>(
    new: New<'_>,
    node: &NodeState<'a>,
    trust: &Trust,
    watch: &dyn Watch,
) -> Result<Compared<'a>, CtlError> {
    let (mut list, mut broken) = own(&node.paths.list, trust)?;
    let (mut copy, mut broken_copy) = own(&node.paths.copy, trust)?;
    let mut places = [(&mut list, &mut broken), (&mut copy, &mut broken_copy)];
    places.sort_by_key(|(place, _)| Reverse(place.as_ref().map(|own| own.found.head.edition)));
    let (mut with, mut change) = (None, None);
    for (place, fault) in places {
        let Some(own) = place.as_ref() else { continue };
        // After the comparison with one copy, the other copy is only checked for damage, and only
        // if it is the new list already: an undamaged copy of the new list need not be written
        // again.
        if change.is_some() && own.found.digest != new.digest {
            continue;
        }
        not_behind(new, &own.found)?;
        let compared = if change.is_some() {
            whole_of(own).map(|()| None)
        } else {
            against(new, own, node, watch).map(Some)
        };
        match compared {
            Ok(None) => {}
            Ok(Some(found)) => (with, change) = (Some(ComparedList::of(own)), Some(found)),
            Err(fault) if is_of(new, own, &fault) => return Err(error::of_list(fault)),
            Err(fault) if fault.is_of_the_system() => return Err(error::of_place(fault)),
            Err(found) => (*fault, *place) = (Some(found), None),
        }
    }
    let bans = match &mut change {
        Some(change) => std::mem::take(&mut change.bans),
        None => {
            whole(new, watch)
                .and_then(WholeList::finish)
                .map_err(error::of_list)?
                .bans
        }
    };
    Ok(Compared {
        list,
        copy,
        with,
        change,
        bans,
        broken,
        broken_copy,
    })
}

/// Opens the node's list at `path`, and checks its head. Returns neither a list nor a fault if the
/// file is missing.
fn own<'a>(
    path: &'a Path,
    trust: &Trust,
) -> Result<(Option<OwnList<'a>>, Option<ListError>), CtlError> {
    match OwnList::open(path, trust) {
        Ok(own) => Ok((Some(own), None)),
        Err(fault) if fault.is_absent() => Ok((None, None)),
        Err(fault @ ListError::File(FileError::Io(..) | FileError::NotRegular(_))) => {
            Err(error::of_place(fault))
        }
        Err(fault) if fault.is_of_the_system() => Err(error::of_place(fault)),
        Err(fault) => Ok((None, Some(fault))),
    }
}

/// Whether a fault found by the comparison is a fault of the new list.
fn is_of(new: New<'_>, own: &OwnList<'_>, fault: &ListError) -> bool {
    fault.path() != own.path || fault.path() == new.list.path
}

/// Checks every byte of the node's own list.
fn whole_of(own: &OwnList<'_>) -> Result<(), ListError> {
    let reader = own.reader();
    WholeList::open(&reader, &own.found.head)?.finish()?;
    Ok(())
}

/// Compares the new list with one of the node's own lists.
fn against(
    new: New<'_>,
    own: &OwnList<'_>,
    node: &NodeState<'_>,
    watch: &dyn Watch,
) -> Result<Change, ListError> {
    let reader = own.reader();
    let old = WholeList::open(&reader, &own.found.head)?;
    change::compare(old, whole(new, watch)?, change::moment(new.head, node.now))
}

fn whole<'a>(new: New<'a>, watch: &'a dyn Watch) -> Result<WholeList<'a, File>, ListError> {
    Ok(WholeList::open(new.list, new.head)?.watched(watch))
}

/// Refuses a list that is older than the list in force, or that differs from it under the same
/// edition. The floor alone is not enough for this check: the floor may be behind the list in
/// force, after an installation that was interrupted or when somebody copied a list to the node by
/// hand.
fn not_behind(new: New<'_>, in_force: &Authentic) -> Result<(), CtlError> {
    let (edition, floor, path) = (
        new.head.edition,
        in_force.head.edition,
        new.list.path.to_owned(),
    );
    if edition < floor {
        return Err(error::of_list(ListError::Rollback(path, edition, floor)));
    }
    if edition == floor && new.digest != in_force.digest {
        return Err(error::of_list(ListError::Equivocation(path, edition)));
    }
    Ok(())
}

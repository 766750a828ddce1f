//! Plans the steps that put a list in force on this node, and decides whether they may be taken.
//!
//! In: the new list (its head authentic, the rest hostile), the node's own lists and its floor.
//! Out: a [`Plan`]: the steps, and what the new list changes. Every byte of the new list is checked
//! on the way. It is compared with the list in force, in whichever of its two places that is whole:
//! a list that lifts a ban takes more signatures than one that adds some, and so does any list
//! where the newest one that the node had is missing and cannot be compared. Nothing is written
//! here.

use std::cmp::Reverse;
use std::fs::File;
use std::path::Path;

use super::super::list::diff;
use super::error::{self, InstallError};
use super::united::united;
use super::{CtlError, Node};
use crate::banlist::bytes::{ReadAt, Reader};
use crate::banlist::change::{self, Change};
use crate::banlist::error::ListError;
use crate::banlist::floor::{Edition, Floor};
use crate::banlist::head::{Claim, HEAD_SIZE, Head};
use crate::banlist::note::Enough;
use crate::banlist::store::{self, Authentic, Standing, Trust};
use crate::banlist::watch::Watch;
use crate::banlist::whole::{Counted, Whole};
use crate::lineage::digest::Digest;
use crate::sys::file::{self, FileError, Guard};

/// What is to be done, and what it changes.
pub(super) struct Plan {
    /// The steps, in their order: after each of them the node has the old list or the new one,
    /// whole.
    pub(super) steps: Vec<Step>,
    /// The head block that the new list gets, where it is in force already and is written with more
    /// signatures.
    pub(super) head: Option<Box<[u8; HEAD_SIZE]>>,
    /// What the new list changes; `None` where there is no list to compare it with.
    pub(super) change: Option<Change>,
    /// The new list's bans.
    pub(super) bans: Vec<Counted>,
    /// How many list keys have to sign it.
    pub(super) needed: usize,
    /// Why the list in force cannot be used, where it cannot.
    pub(super) broken: Option<ListError>,
    /// Why its second copy cannot be used, where it cannot.
    pub(super) broken_copy: Option<ListError>,
    /// Whether this very list was in force on this node before.
    pub(super) is_known: bool,
    /// Whether this node had a newer list than the one compared with, if any, so that it is not
    /// known what the new one lifts.
    pub(super) is_lost: bool,
}

/// One step of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The floor names the list that comes next, so that it counts as installed from the moment it
    /// is in its place.
    Announce(Floor),
    /// The new list becomes the second copy. That comes first: until the new list is in
    /// the first place too, the older one answers, and the newer one when that cannot.
    Copy(Edition),
    /// The new list is put in force.
    Put(Edition),
    /// The floor rises: only now, because a floor above the only list there is would leave the node
    /// without one.
    Raise(Floor),
}

impl Plan {
    /// Whether the new list is written; otherwise it is there already, byte for byte.
    pub(super) fn puts(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Put(_)))
    }

    /// The bans that the new list lifts, by ID.
    pub(super) fn lifted(&self) -> Vec<String> {
        self.change
            .iter()
            .flat_map(|change| &change.lifted)
            .map(|change| change.ban.id.clone())
            .collect()
    }

    /// The patches and successors that are new here, or changed, one line each with their ban.
    pub(super) fn brought(&self) -> Vec<String> {
        match &self.change {
            Some(change) => diff::brought(change),
            None if self.is_known => Vec::new(),
            None => self
                .bans
                .iter()
                .flat_map(|Counted { ban, .. }| {
                    diff::brought_by(&ban.id, ban.successor.as_deref(), ban.patch.as_ref())
                })
                .collect(),
        }
    }

    /// Whether the list is in force already, and only its second copy is missing.
    pub(super) fn only_copies(&self) -> bool {
        !self.puts() && self.steps.iter().any(|step| matches!(step, Step::Copy(_)))
    }
}

/// One of the node's own lists; its head is authentic.
struct Own<'a> {
    path: &'a Path,
    file: File,
    found: Authentic,
}

impl<'a> Own<'a> {
    fn open(path: &'a Path, trust: &Trust) -> Result<Self, ListError> {
        let (file, size) = file::open(path, Guard::NoLink)?;
        let found = trust.authenticate(
            &Reader { path, bytes: &file },
            size,
            Standing::Current,
            Enough::Threshold,
        )?;
        Ok(Self { path, file, found })
    }

    fn reader(&self) -> Reader<'_, File> {
        Reader {
            path: self.path,
            bytes: &self.file,
        }
    }
}

/// The new list: its head is authentic, or is that of a draft that is only examined.
#[derive(Clone, Copy)]
pub(super) struct New<'a> {
    /// The whole list.
    pub(super) list: &'a Reader<'a, File>,
    /// Its head.
    pub(super) head: &'a Head,
    /// SHA-256 of the head's text.
    pub(super) digest: Digest,
    /// How many list keys signed it.
    pub(super) good: usize,
}

impl<'a> New<'a> {
    /// The list that was found authentic.
    pub(super) const fn of(list: &'a Reader<'a, File>, found: &'a Authentic) -> Self {
        Self {
            list,
            head: &found.head,
            digest: found.digest,
            good: found.tally.good,
        }
    }
}

/// The plan for a new list. The bans that it lifts are added to `lifted`, also when it may not lift
/// them.
///
/// # Errors
/// What is wrong with the new list, and with the place of the list in force when it cannot be
/// looked at; [`InstallError`] when too few keys signed it.
pub(super) fn draw(
    new: New<'_>,
    node: &Node<'_>,
    trust: &Trust,
    watch: &dyn Watch,
    lifted: &mut Vec<String>,
) -> Result<Plan, CtlError> {
    let plan = sketch(new, node, trust, watch)?;
    lifted.extend(plan.lifted());
    enough(new, &plan, trust, lifted).map_err(|error| error.explained(&node.paths.list))?;
    Ok(plan)
}

/// The same plan, however few keys signed the list.
///
/// # Errors
/// What is wrong with the new list, and with the place of the list in force when it cannot be
/// looked at.
pub(super) fn sketch(
    new: New<'_>,
    node: &Node<'_>,
    trust: &Trust,
    watch: &dyn Watch,
) -> Result<Plan, CtlError> {
    let Compared {
        list,
        copy,
        with,
        change,
        bans,
        broken,
        broken_copy,
    } = compare(new, node, trust, watch)?;
    let again = Again::of(new, [list.as_ref(), copy.as_ref()], trust).map_err(error::of_list)?;
    let is_known = trust.floor.is_some_and(|floor| floor.head == new.digest);
    let is_lost = !is_known
        && trust
            .floor
            .is_some_and(|floor| with.is_none_or(|with| !with.is_newest(&floor)));
    let needed = if is_lost || change.as_ref().is_some_and(Change::is_lift) {
        trust.keyset.lift_threshold
    } else {
        trust.keyset.list_threshold
    };
    let steps = steps(new, list.as_ref().or(copy.as_ref()), &again, trust);
    Ok(Plan {
        steps,
        head: again.head,
        change,
        bans,
        needed,
        broken,
        broken_copy,
        is_known,
        is_lost,
    })
}

/// Checks that as many keys signed it as its change takes.
///
/// # Errors
/// [`InstallError`] when too few did.
pub(super) fn enough(
    new: New<'_>,
    plan: &Plan,
    trust: &Trust,
    lifted: &[String],
) -> Result<(), InstallError> {
    let (list, keyset, needed, good) = (
        new.list.path.to_owned(),
        trust.keyset.number,
        plan.needed,
        new.good,
    );
    if good >= needed {
        return Ok(());
    }
    Err(if plan.is_lost {
        InstallError::Uncompared {
            list,
            keyset,
            needed,
            good,
        }
    } else {
        InstallError::Lifts {
            list,
            lifted: lifted.to_vec(),
            keyset,
            needed,
            good,
        }
    })
}

/// One of the node's own lists: the one that a new list was compared with.
#[derive(Clone, Copy)]
struct With {
    digest: Digest,
    edition: Edition,
}

impl With {
    const fn of(own: &Own<'_>) -> Self {
        Self {
            digest: own.found.digest,
            edition: own.found.head.edition,
        }
    }

    /// Whether the node never had a newer one: it is the floor's, or came after it. Otherwise an
    /// attacker who can damage the list in force, and has stolen one list key, could lift each ban
    /// that the list before did not have yet.
    fn is_newest(&self, floor: &Floor) -> bool {
        self.digest == floor.head || self.edition > floor.edition
    }
}

/// The node's lists beside the new one.
struct Compared<'a> {
    /// The list in force, where it is whole.
    list: Option<Own<'a>>,
    /// Its second copy, where that is whole.
    copy: Option<Own<'a>>,
    /// The one of them that the new list was compared with.
    with: Option<With>,
    change: Option<Change>,
    bans: Vec<Counted>,
    broken: Option<ListError>,
    broken_copy: Option<ListError>,
}

/// Checks the whole new list, and compares it with the list in force: with the newer of its two
/// copies, or the other where that one cannot be used.
fn compare<'a>(
    new: New<'_>,
    node: &Node<'a>,
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
        // What was compared once is compared with the other copy only to see whether that is whole,
        // where it may stay.
        if change.is_some() && own.found.digest != new.digest {
            continue;
        }
        not_behind(new, &own.found)?;
        let told = if change.is_some() {
            whole_of(own).map(|()| None)
        } else {
            against(new, own, node, watch).map(Some)
        };
        match told {
            Ok(None) => {}
            Ok(Some(found)) => (with, change) = (Some(With::of(own)), Some(found)),
            Err(fault) if is_of(new, own, &fault) => return Err(error::of_list(fault)),
            Err(fault) if fault.is_of_the_system() => return Err(error::of_place(fault)),
            Err(found) => (*fault, *place) = (Some(found), None),
        }
    }
    let bans = match &mut change {
        Some(change) => std::mem::take(&mut change.bans),
        None => {
            whole(new, watch)
                .and_then(Whole::finish)
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

/// The list in one of the node's places, where its head is authentic; else why it is not. A missing
/// file is no list.
fn own<'a>(
    path: &'a Path,
    trust: &Trust,
) -> Result<(Option<Own<'a>>, Option<ListError>), CtlError> {
    match Own::open(path, trust) {
        Ok(own) => Ok((Some(own), None)),
        Err(fault) if fault.is_absent() => Ok((None, None)),
        Err(fault @ ListError::File(FileError::Io(..) | FileError::NotRegular(_))) => {
            Err(error::of_place(fault))
        }
        Err(fault) if fault.is_of_the_system() => Err(error::of_place(fault)),
        Err(fault) => Ok((None, Some(fault))),
    }
}

/// Whether a fault found by the comparison is the new list's.
fn is_of(new: New<'_>, own: &Own<'_>, fault: &ListError) -> bool {
    fault.path() != own.path || fault.path() == new.list.path
}

/// Checks every byte of one of the node's own lists.
fn whole_of(own: &Own<'_>) -> Result<(), ListError> {
    let reader = own.reader();
    Whole::open(&reader, &own.found.head)?.finish().map(|_| ())
}

/// What changes from one of the node's lists to the new one.
fn against(
    new: New<'_>,
    own: &Own<'_>,
    node: &Node<'_>,
    watch: &dyn Watch,
) -> Result<Change, ListError> {
    let reader = own.reader();
    let old = Whole::open(&reader, &own.found.head)?;
    change::compare(old, whole(new, watch)?, change::moment(new.head, node.now))
}

fn whole<'a>(new: New<'a>, watch: &'a dyn Watch) -> Result<Whole<'a, File>, ListError> {
    Ok(Whole::open(new.list, new.head)?.watched(watch))
}

/// Refuses a list that is older than the one in force, or a different one of its edition. The floor
/// may be below the list in force when an installation was cut short, or when somebody put the list
/// there.
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

/// What is to be done where the new list is in a place of the node's already.
struct Again {
    /// Whether the files in the two places stay as they are.
    list_stays: bool,
    copy_stays: bool,
    /// The head block with the signatures of all files of this list, where the new one lacks some
    /// of them.
    head: Option<Box<[u8; HEAD_SIZE]>>,
}

impl Again {
    /// For the node's two places.
    fn of(new: New<'_>, places: [Option<&Own<'_>>; 2], trust: &Trust) -> Result<Self, ListError> {
        let here = places.map(|own| own.filter(|own| own.found.digest == new.digest));
        let size = new.head.file_size();
        let staged = head_block(new.list)?;
        let mut claim = store::claim(new.list, size)?;
        let mut block = staged;
        // The signatures of the file in force come first.
        for own in here.into_iter().rev().flatten() {
            if let Some(both) = united(&store::claim(&own.reader(), size)?, &claim, &trust.keyset) {
                block = both;
                claim = Claim::parse(&block)
                    .map_err(|fault| ListError::Head(new.list.path.to_owned(), fault))?;
            }
        }
        let [list, copy] = here.map(|own| own.map(|own| head_block(&own.reader())).transpose());
        let (list, copy) = (list?, copy?);
        let stays = |found: Option<[u8; HEAD_SIZE]>| found == Some(block);
        Ok(Self {
            list_stays: stays(list),
            copy_stays: stays(copy),
            head: (block != staged).then(|| Box::new(block)),
        })
    }
}

/// The steps that are left to do; `in_force` is the list that answers now.
fn steps(new: New<'_>, in_force: Option<&Own<'_>>, again: &Again, trust: &Trust) -> Vec<Step> {
    let New { head, digest, .. } = new;
    let edition = head.edition;
    let mut steps = Vec::new();
    let mut floor = trust.floor;
    let is_there = again.list_stays && again.copy_stays;
    let announced = trust
        .floor
        .filter(|floor| !is_there && floor.head != digest)
        .map(|floor| announced(floor, new, in_force));
    if announced.is_some() && announced != floor {
        steps.extend(announced.map(Step::Announce));
        floor = announced;
    }
    steps.extend((!again.copy_stays).then_some(Step::Copy(edition)));
    steps.extend((!again.list_stays).then_some(Step::Put(edition)));
    // A later keyset discards what stolen keys of the one before may have signed: very high
    // versions, and times far ahead. The time starts again with the keyset's own, which no list key
    // controls.
    let same_keys = floor.filter(|floor| floor.edition.keyset == edition.keyset);
    let issued = same_keys
        .map_or(trust.keyset.issued, |floor| floor.issued)
        .max(head.issued);
    let raised = Floor {
        edition,
        head: digest,
        issued,
        next: None,
    };
    steps.extend((floor != Some(raised)).then_some(Step::Raise(raised)));
    steps
}

/// The floor while the new list is put in place. Where the list in force is not the floor's,
/// because an installation was cut short or somebody put it there, the floor names that list from
/// now on: it must not become one that nobody knows.
fn announced(floor: Floor, new: New<'_>, in_force: Option<&Own<'_>>) -> Floor {
    let next = Some(new.digest);
    let other = in_force
        .map(|own| &own.found)
        .filter(|found| found.digest != new.digest && found.head.edition > floor.edition);
    match other {
        Some(Authentic { head, digest, .. }) => Floor {
            edition: head.edition,
            head: *digest,
            issued: floor.issued.max(head.issued),
            next,
        },
        None => Floor { next, ..floor },
    }
}

fn head_block<R: ReadAt>(list: &Reader<'_, R>) -> Result<[u8; HEAD_SIZE], ListError> {
    let mut block = [0; HEAD_SIZE];
    list.read_into(&mut block, 0)?;
    Ok(block)
}

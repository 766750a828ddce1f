//! What has to be done to bring this list into force here, and may it be done?
//!
//! In: the new list (its head authentic, the rest hostile), the node's own lists and its floor. Out: a [`Plan`]: the steps, and what the new list changes.
//! Every byte of the new list is checked on the way, and it is compared with the list in force, or with the one before where that one is broken: a list
//! that lifts a ban takes more signatures than one that adds some, and so does any list where the newest that the node had is not there to compare with:
//! the one before may lack the very ban that is lifted. Nothing is written here.

use std::fs::File;
use std::path::Path;

use super::super::list::diff;
use super::error::{self, InstallError};
use super::united::united;
use super::{CtlError, Node};
use crate::banlist::bytes::{ReadAt, Reader};
use crate::banlist::change::{self, Change};
use crate::banlist::error::{Edition, ListError};
use crate::banlist::floor::Floor;
use crate::banlist::head::{HEAD_SIZE, Head};
use crate::banlist::note::Enough;
use crate::banlist::store::{self, Authentic, Standing, Trust};
use crate::banlist::watch::Watch;
use crate::banlist::whole::{Counted, Whole};
use crate::lineage::digest::Digest;
use crate::sys::file::{self, FileError, Guard};

/// What is to be done, and what comes of it.
pub(super) struct Plan {
    /// The steps, in their order: after each of them the node has the old list or the new one, whole.
    pub(super) steps: Vec<Step>,
    /// The head block that the new list gets, where it is in force already and is put there with more signatures.
    pub(super) head: Option<Box<[u8; HEAD_SIZE]>>,
    /// What the new list changes; `None` where there is no list to compare it with.
    pub(super) change: Option<Change>,
    /// The new list's bans.
    pub(super) bans: Vec<Counted>,
    /// How many list keys have to sign it.
    pub(super) needed: usize,
    /// Why the list in force is no good, where it is not.
    pub(super) broken: Option<ListError>,
    /// Whether this very list was in force on this node before.
    pub(super) is_known: bool,
    /// Whether this node had a newer list than the one compared with, if any, so that nobody can tell what the new one lifts.
    pub(super) is_lost: bool,
}

/// One step of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The floor names the list that comes next, so that it counts as installed from its first moment in its place on.
    Announce(Floor),
    /// The list in force, of this edition, becomes the previous one.
    Keep(Edition),
    /// The new list takes its place.
    Put(Edition),
    /// The floor rises: only now, because a floor above the only list there is would leave the node without one.
    Raise(Floor),
}

impl Plan {
    /// Whether the new list is put in place; otherwise it is there already, byte for byte.
    pub(super) fn puts(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Put(_)))
    }

    /// The bans that the new list lifts, by ID.
    pub(super) fn lifted(&self) -> Vec<String> {
        self.change.iter().flat_map(|change| &change.lifted).map(|change| change.ban.id.clone()).collect()
    }

    /// The patches and successors that are new here, or changed, one line each with their ban.
    pub(super) fn brought(&self) -> Vec<String> {
        match &self.change {
            Some(change) => diff::brought(change),
            None if self.is_known => Vec::new(),
            None => self
                .bans
                .iter()
                .flat_map(|Counted { ban, .. }| diff::brought_by(&ban.id, ban.successor.as_deref(), ban.patch.as_ref()))
                .collect(),
        }
    }

    /// The list that is kept as the previous one.
    pub(super) fn keeps(&self) -> Option<Edition> {
        self.steps.iter().find_map(|step| match step {
            Step::Keep(edition) => Some(*edition),
            Step::Announce(_) | Step::Put(_) | Step::Raise(_) => None,
        })
    }
}

/// One of the node's own lists; its head is authentic.
struct Own<'a> {
    path: &'a Path,
    file: File,
    found: Authentic,
}

impl<'a> Own<'a> {
    fn open(path: &'a Path, trust: &Trust, standing: Standing) -> Result<Self, ListError> {
        let (file, size) = file::open(path, Guard::NoLink)?;
        let found = trust.authenticate(&Reader { path, bytes: &file }, size, standing, Enough::Threshold)?;
        Ok(Self { path, file, found })
    }

    fn reader(&self) -> Reader<'_, File> {
        Reader { path: self.path, bytes: &self.file }
    }
}

/// The new list: its head is authentic, or that of a draft that is only asked about.
#[derive(Clone, Copy)]
pub(super) struct New<'a> {
    /// All of it.
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
        Self { list, head: &found.head, digest: found.digest, good: found.tally.good }
    }
}

/// The plan for a new list. The bans that it lifts are added to `lifted`, also when it may not lift them.
///
/// # Errors
/// What is wrong with the new list, and with the place of the list in force when it cannot be looked at; [`InstallError`] when too few keys signed it.
pub(super) fn draw(new: New<'_>, node: &Node<'_>, trust: &Trust, watch: &dyn Watch, lifted: &mut Vec<String>) -> Result<Plan, CtlError> {
    let plan = sketch(new, node, trust, watch)?;
    lifted.extend(plan.lifted());
    enough(new, &plan, trust, lifted).map_err(|error| error.explained(&node.paths.list))?;
    Ok(plan)
}

/// The same, however few keys signed the list.
///
/// # Errors
/// What is wrong with the new list, and with the place of the list in force when it cannot be looked at.
pub(super) fn sketch(new: New<'_>, node: &Node<'_>, trust: &Trust, watch: &dyn Watch) -> Result<Plan, CtlError> {
    let Compared { in_force, previous, with, change, bans, broken } = compare(new, node, trust, watch)?;
    let again = again(new, in_force.as_ref(), trust).map_err(error::of_list)?;
    let is_known = trust.floor.is_some_and(|floor| floor.head == new.digest);
    let is_lost = !is_known && trust.floor.is_some_and(|floor| with.is_none_or(|with| !with.is_newest(&floor)));
    let needed =
        if is_lost || change.as_ref().is_some_and(Change::is_lift) { trust.keyset.lift_threshold } else { trust.keyset.list_threshold };
    let steps = steps(new, in_force.as_ref(), previous, trust, again == Again::Stays);
    let head = match again {
        Again::Signed(head) => Some(head),
        Again::No | Again::Stays => None,
    };
    Ok(Plan { steps, head, change, bans, needed, broken, is_known, is_lost })
}

/// Whether as many keys signed it as its change takes.
///
/// # Errors
/// [`InstallError`] when too few did.
pub(super) fn enough(new: New<'_>, plan: &Plan, trust: &Trust, lifted: &[String]) -> Result<(), InstallError> {
    let (list, keyset, needed, good) = (new.list.path.to_owned(), trust.keyset.number, plan.needed, new.good);
    if good >= needed {
        return Ok(());
    }
    Err(if plan.is_lost {
        InstallError::Uncompared { list, keyset, needed, good }
    } else {
        InstallError::Lifts { list, lifted: lifted.to_vec(), keyset, needed, good }
    })
}

/// One of the node's own lists, as the one that a new list was compared with.
#[derive(Clone, Copy)]
struct With {
    digest: Digest,
    edition: Edition,
}

impl With {
    const fn of(own: &Own<'_>) -> Self {
        Self { digest: own.found.digest, edition: own.found.head.edition }
    }

    /// Whether the node never had a newer one: it is the floor's, or came after it. Whoever can tear the list in force, and has stolen one list key,
    /// would otherwise lift each ban that the list before did not have yet.
    fn is_newest(&self, floor: &Floor) -> bool {
        self.digest == floor.head || self.edition > floor.edition
    }
}

/// The node's lists beside the new one.
struct Compared<'a> {
    /// The list in force, where it is whole.
    in_force: Option<Own<'a>>,
    /// The digest of the previous list's head, when the node may fall back to that list.
    previous: Option<Digest>,
    /// The one of them that the new list was compared with.
    with: Option<With>,
    change: Option<Change>,
    bans: Vec<Counted>,
    broken: Option<ListError>,
}

/// Checks the new list whole, and compares it with the list in force; with the one before where that one is no good.
fn compare<'a>(new: New<'_>, node: &Node<'a>, trust: &Trust, watch: &dyn Watch) -> Result<Compared<'a>, CtlError> {
    let paths = node.paths;
    let mut broken = None;
    let in_force = match Own::open(&paths.list, trust, Standing::Current) {
        Ok(own) => Some(own),
        Err(fault) if fault.is_absent() => None,
        Err(fault @ ListError::File(FileError::Io(..) | FileError::NotRegular(_))) => return Err(error::of_place(fault)),
        Err(fault) if fault.is_of_the_system() => return Err(error::of_place(fault)),
        Err(fault) => {
            broken = Some(fault);
            None
        }
    };
    let previous = Own::open(&paths.previous, trust, Standing::Previous).ok();
    let digest = previous.as_ref().map(|own| own.found.digest).filter(|digest| *digest != new.digest);
    if let Some(own) = in_force {
        not_behind(new, &own.found)?;
        match against(new, &own, node, watch) {
            Ok(mut change) => {
                let bans = std::mem::take(&mut change.bans);
                let with = Some(With::of(&own));
                return Ok(Compared { in_force: Some(own), previous: digest, with, change: Some(change), bans, broken });
            }
            Err(fault) if is_of(new, &own, &fault) => return Err(error::of_list(fault)),
            Err(fault) if fault.is_of_the_system() => return Err(error::of_place(fault)),
            Err(fault) => broken = Some(fault),
        }
    }
    let (with, mut change) = against_previous(new, previous, node, trust, watch)?.unzip();
    let bans = match &mut change {
        Some(change) => std::mem::take(&mut change.bans),
        None => whole(new, watch).and_then(Whole::finish).map_err(error::of_list)?.bans,
    };
    Ok(Compared { in_force: None, previous: digest, with, change, bans, broken })
}

/// Whether a fault of the comparison is the new list's.
fn is_of(new: New<'_>, own: &Own<'_>, fault: &ListError) -> bool {
    fault.path() != own.path || fault.path() == new.list.path
}

/// The new list against the previous one, unless that is not there, or no good, or the new list is the one that was in force: that one was compared when
/// it came, and is only put back.
fn against_previous(
    new: New<'_>,
    previous: Option<Own<'_>>,
    node: &Node<'_>,
    trust: &Trust,
    watch: &dyn Watch,
) -> Result<Option<(With, Change)>, CtlError> {
    let is_repair = trust.floor.is_some_and(|floor| floor.head == new.digest);
    let Some(own) = previous.filter(|_| !is_repair) else { return Ok(None) };
    match against(new, &own, node, watch) {
        Ok(change) => Ok(Some((With::of(&own), change))),
        Err(fault) if is_of(new, &own, &fault) => Err(error::of_list(fault)),
        Err(_) => Ok(None),
    }
}

/// What changes from one of the node's lists to the new one.
fn against(new: New<'_>, own: &Own<'_>, node: &Node<'_>, watch: &dyn Watch) -> Result<Change, ListError> {
    let reader = own.reader();
    let old = Whole::open(&reader, &own.found.head)?;
    change::compare(old, whole(new, watch)?, change::moment(new.head, node.now))
}

fn whole<'a>(new: New<'a>, watch: &'a dyn Watch) -> Result<Whole<'a, File>, ListError> {
    Ok(Whole::open(new.list, new.head)?.watched(watch))
}

/// Refuses a list that is older than the one in force, or another of its edition. The floor may be below the list in force when an installation was cut
/// short, or when somebody put it there.
fn not_behind(new: New<'_>, in_force: &Authentic) -> Result<(), CtlError> {
    let (edition, floor, path) = (new.head.edition, in_force.head.edition, new.list.path.to_owned());
    if edition < floor {
        return Err(error::of_list(ListError::Rollback(path, edition, floor)));
    }
    if edition == floor && new.digest != in_force.digest {
        return Err(error::of_list(ListError::Equivocation(path, edition)));
    }
    Ok(())
}

/// Whether the new list is the one in force once more.
#[derive(PartialEq, Eq)]
enum Again {
    /// It is another.
    No,
    /// It is, and brings no signature that the file in force lacks.
    Stays,
    /// It is, and with this head block it has the signatures of both.
    Signed(Box<[u8; HEAD_SIZE]>),
}

fn again(new: New<'_>, in_force: Option<&Own<'_>>, trust: &Trust) -> Result<Again, ListError> {
    let Some(own) = in_force.filter(|own| own.found.digest == new.digest) else { return Ok(Again::No) };
    let here = head_block(&own.reader())?;
    if here == head_block(new.list)? {
        return Ok(Again::Stays);
    }
    let size = new.head.file_size();
    let both = united(&store::claim(&own.reader(), size)?, &store::claim(new.list, size)?, &trust.keyset);
    Ok(both.filter(|both| *both != here).map_or(Again::Stays, |both| Again::Signed(Box::new(both))))
}

/// The steps that are left to do; `is_there` when the file in force stays.
fn steps(new: New<'_>, in_force: Option<&Own<'_>>, previous: Option<Digest>, trust: &Trust, is_there: bool) -> Vec<Step> {
    let New { head, digest, .. } = new;
    let edition = head.edition;
    let kept = in_force.filter(|own| own.found.digest != digest);
    let mut steps = Vec::new();
    let mut floor = trust.floor;
    let announced = trust.floor.filter(|floor| !is_there && floor.head != digest).map(|floor| announced(floor, new, kept, previous));
    if announced.is_some() && announced != floor {
        steps.extend(announced.map(Step::Announce));
        floor = announced;
    }
    if !is_there {
        steps.extend(kept.map(|own| Step::Keep(own.found.head.edition)));
        steps.push(Step::Put(edition));
    }
    // A later keyset leaves behind what stolen keys of the one before may have signed: very high versions, and times far ahead. The time starts again
    // with the keyset's own, which no list key has the say of.
    let same_keys = floor.filter(|floor| floor.edition.keyset == edition.keyset);
    let issued = same_keys.map_or(trust.keyset.issued, |floor| floor.issued).max(head.issued);
    let previous = kept.map(|own| own.found.digest).or(previous);
    let raised = Floor { edition, head: digest, issued, previous, next: None };
    steps.extend((floor != Some(raised)).then_some(Step::Raise(raised)));
    steps
}

/// The floor while the new list is put in place. Where the list in force is not the floor's, because an installation was cut short or somebody put it
/// there, the floor is that list's from now on: it must not become one that nobody knows.
fn announced(floor: Floor, new: New<'_>, kept: Option<&Own<'_>>, previous: Option<Digest>) -> Floor {
    let next = Some(new.digest);
    match kept.map(|own| &own.found).filter(|found| found.head.edition > floor.edition) {
        Some(Authentic { head, digest, .. }) => {
            Floor { edition: head.edition, head: *digest, issued: floor.issued.max(head.issued), previous, next }
        }
        None => Floor { next, ..floor },
    }
}

fn head_block<R: ReadAt>(list: &Reader<'_, R>) -> Result<[u8; HEAD_SIZE], ListError> {
    let mut block = [0; HEAD_SIZE];
    list.read_into(&mut block, 0)?;
    Ok(block)
}

//! Plans the steps that put a list in force on this node, and decides whether they may be taken.
//!
//! In: the new list (its head authentic, the rest hostile), the node's own lists and its floor.
//! Out: a [`Plan`]: the steps, and what the new list changes. Every byte of the new list is checked
//! on the way. It is compared with the list in force, in whichever of its two places that is whole:
//! a list that lifts a ban takes more signatures than one that adds some, and so does any list
//! where the newest one that the node had is missing and cannot be compared. Nothing is written
//! here.

use super::super::CtlError;
use super::super::change as wording;
use super::compare::{Compared, New, Own, compare};
use super::error::{self, InstallError};
use super::node::NodeState;
use super::united::united;
use crate::banlist::bytes::{ReadAt, Reader};
use crate::banlist::change::Change;
use crate::banlist::error::ListError;
use crate::banlist::floor::{Edition, Floor};
use crate::banlist::head::{Claim, HEAD_SIZE};
use crate::banlist::store::{self, Authentic, Trust};
use crate::banlist::watch::Watch;
use crate::banlist::whole::CountedBan;

/// What is to be done, and what it changes.
pub struct Plan {
    /// The steps, in their order: after each of them the node has the old list or the new one,
    /// whole.
    pub steps: Vec<Step>,
    /// The head block that the new list gets, where it is in force already and is written with more
    /// signatures.
    pub head: Option<Box<[u8; HEAD_SIZE]>>,
    /// What the new list changes; `None` where there is no list to compare it with.
    pub change: Option<Change>,
    /// The new list's bans.
    pub bans: Vec<CountedBan>,
    /// How many list keys have to sign it.
    pub needed: usize,
    /// Why the list in force cannot be used, where it cannot.
    pub broken: Option<ListError>,
    /// Why its second copy cannot be used, where it cannot.
    pub broken_copy: Option<ListError>,
    /// Whether this very list was in force on this node before.
    pub is_known: bool,
    /// Whether this node had a newer list than the one compared with, if any, so that it is not
    /// known what the new one lifts.
    pub is_lost: bool,
}

/// One step of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
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
    pub fn puts(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Put(_)))
    }

    /// The bans that the new list lifts, by ID.
    pub fn lifted(&self) -> Vec<String> {
        self.change
            .iter()
            .flat_map(|change| &change.lifted)
            .map(|change| change.ban.id.clone())
            .collect()
    }

    /// The patches and successors that are new here, or changed, one line each with their ban.
    pub fn brought(&self) -> Vec<String> {
        match &self.change {
            Some(change) => wording::brought(change),
            None if self.is_known => Vec::new(),
            None => self
                .bans
                .iter()
                .flat_map(|CountedBan { ban, .. }| {
                    wording::brought_by(&ban.id, ban.successor.as_deref(), ban.patch.as_ref())
                })
                .collect(),
        }
    }

    /// Whether the list is in force already, and only its second copy is missing.
    pub fn only_copies(&self) -> bool {
        !self.puts() && self.steps.iter().any(|step| matches!(step, Step::Copy(_)))
    }
}

/// The plan for a new list. The bans that it lifts are added to `lifted`, also when it may not lift
/// them.
///
/// # Errors
/// What is wrong with the new list, and with the place of the list in force when it cannot be
/// looked at; [`InstallError`] when too few keys signed it.
pub fn draw(
    new: New<'_>,
    node: &NodeState<'_>,
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
pub fn sketch(
    new: New<'_>,
    node: &NodeState<'_>,
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
pub fn enough(
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

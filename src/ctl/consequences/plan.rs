//! Plans the steps that put a list in force on this node, and decides whether these steps are
//! allowed.
//!
//! In: the new list (its head authentic, the rest hostile), the node's own lists and its floor.
//! Out: a [`InstallPlan`]: the steps, and what the new list changes. Every byte of the new list is
//! checked. The new list is compared with an undamaged copy of the list in force. A list that lifts
//! a ban may need more signatures than a list that only adds bans. Every list needs as many
//! signatures as a list that lifts a ban when the newest list that the node had is missing, because
//! then no comparison is possible. Nothing is written here.

use super::super::CtlError;
use super::super::change::{self as wording, Brought};
use super::compare::{Compared, New, OwnList, compare};
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

/// The steps of an installation, and the changes that the new list makes.
pub struct InstallPlan {
    /// The steps in order. After each step the node has either the old list or the new one,
    /// complete.
    pub steps: Vec<InstallStep>,
    /// A head block with more signatures than the new list's file has; `None` if that file has all
    /// of them. The other signatures come from a copy of the same list that the node has already.
    pub head: Option<Box<[u8; HEAD_SIZE]>>,
    /// What the new list changes; `None` when there is no list to compare the new list with.
    pub change: Option<Change>,
    /// The new list's bans.
    pub bans: Vec<CountedBan>,
    /// How many list keys have to sign the new list.
    pub needed: usize,
    /// Why the list in force cannot be used; `None` if the list can be used.
    pub broken: Option<ListError>,
    /// Why the second copy cannot be used; `None` if the copy can be used.
    pub broken_copy: Option<ListError>,
    /// Whether the floor names the new list, which was then in force on this node before.
    pub is_known: bool,
    /// Whether the newest list that the node had is lost, so that nobody knows what the new list
    /// lifts.
    pub is_lost: bool,
}

/// One step of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstallStep {
    /// The floor announces the new list as the next one. From then on the node trusts the new list
    /// as an installed list, as soon as it is the first copy.
    Announce(Floor),
    /// The new list becomes the second copy. This step comes before [`InstallStep::Put`]. Between
    /// the two steps, the old list is still the first copy and is used, or the new list if the old
    /// list is damaged.
    Copy(Edition),
    /// The new list becomes the first copy, and so is in force.
    Put(Edition),
    /// The floor rises to the new list. This step is last: a floor above the node's only list would
    /// leave the node without a list.
    Raise(Floor),
}

impl InstallStep {
    /// Whether the second copy is written.
    #[must_use]
    pub const fn is_copy(&self) -> bool {
        matches!(self, Self::Copy(_))
    }

    /// Whether the list is put in force.
    #[must_use]
    pub const fn is_put(&self) -> bool {
        matches!(self, Self::Put(_))
    }
}

impl InstallPlan {
    /// Whether the new list is written as the first copy. If not, the first copy has the same bytes
    /// already.
    pub fn puts(&self) -> bool {
        self.steps.iter().any(InstallStep::is_put)
    }

    /// The IDs of the bans that the new list lifts; last, the word "catalogue" if the new list
    /// widens it.
    pub fn lifted(&self) -> Vec<String> {
        let mut ids = Vec::new();
        if let Some(change) = &self.change {
            for lifted in &change.lifted {
                ids.push(lifted.ban.id.clone());
            }
            if change.catalogue.is_lift() {
                ids.push("catalogue".to_owned());
            }
        }
        ids
    }

    /// The patches, successors and severities that are new, changed or gone on this node.
    pub fn brought(&self) -> Vec<Brought> {
        let mut brought = Vec::new();
        match &self.change {
            Some(change) => brought = wording::brought(change),
            None if self.is_known => {}
            None => {
                for CountedBan { ban, .. } in &self.bans {
                    brought.extend(wording::brought_by(ban));
                }
            }
        }
        brought
    }

    /// Whether the list is in force already, and only its second copy has to be written.
    pub fn only_copies(&self) -> bool {
        !self.puts() && self.steps.iter().any(InstallStep::is_copy)
    }
}

/// Makes the plan for a new list. Adds the IDs of the bans that the list lifts to `lifted`, even
/// when the list is refused because of them.
///
/// # Errors
/// What is wrong with the new list; a file of the list in force that cannot be examined;
/// [`InstallError`] when too few keys signed the new list.
pub fn draw(
    new: New<'_>,
    node: &NodeState<'_>,
    trust: &Trust,
    watch: &dyn Watch,
    lifted: &mut Vec<String>,
) -> Result<InstallPlan, CtlError> {
    let plan = sketch(new, node, trust, watch)?;
    lifted.extend(plan.lifted());
    enough(new, &plan, trust, lifted).map_err(|error| error.explained(&node.paths.list))?;
    Ok(plan)
}

/// Makes the same plan as [`draw`], without checking the number of signatures.
///
/// # Errors
/// What is wrong with the new list; a file of the list in force that cannot be examined.
pub fn sketch(
    new: New<'_>,
    node: &NodeState<'_>,
    trust: &Trust,
    watch: &dyn Watch,
) -> Result<InstallPlan, CtlError> {
    let Compared {
        list,
        copy,
        with,
        change,
        bans,
        broken,
        broken_copy,
    } = compare(new, node, trust, watch)?;
    let again =
        Reinstall::of(new, [list.as_ref(), copy.as_ref()], trust).map_err(error::of_list)?;
    let (is_known, is_lost) = match (trust.floor, with) {
        (Some(floor), _) if floor.head == new.digest => (true, false),
        (Some(floor), Some(with)) => (false, !with.is_newest(&floor)),
        (Some(_), None) => (false, true),
        (None, _) => (false, false),
    };
    let needed = if is_lost || change.as_ref().is_some_and(Change::is_lift) {
        trust.keyset.lift_threshold
    } else {
        trust.keyset.list_threshold
    };
    let steps = steps(new, list.as_ref().or(copy.as_ref()), &again, trust);
    Ok(InstallPlan {
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

/// Checks that the list has as many signatures as its change needs.
///
/// # Errors
/// [`InstallError`] when the list has too few signatures.
pub fn enough(
    new: New<'_>,
    plan: &InstallPlan,
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

/// The work that remains when one or both of the node's copies are the new list already.
struct Reinstall {
    /// Whether the first and the second copy stay as they are.
    list_stays: bool,
    copy_stays: bool,
    /// The head block with the signatures of every copy of this list; `None` if the new file has
    /// all of them.
    head: Option<Box<[u8; HEAD_SIZE]>>,
}

impl Reinstall {
    /// Compares the new list with the node's two copies, the first one first.
    fn of(
        new: New<'_>,
        places: [Option<&OwnList<'_>>; 2],
        trust: &Trust,
    ) -> Result<Self, ListError> {
        let here = places.map(|own| own.filter(|own| own.found.digest == new.digest));
        let size = new.head.file_size();
        let staged = head_block(new.list)?;
        let mut claim = store::claim(new.list, size)?;
        let mut block = staged;
        // The signatures of the list in force come first, because its file is merged last.
        for own in here.into_iter().rev().flatten() {
            if let Some(both) = united(&store::claim(&own.reader(), size)?, &claim, &trust.keyset) {
                block = both;
                claim = Claim::parse(&block)
                    .map_err(|fault| ListError::Head(new.list.path.to_owned(), fault))?;
            }
        }
        let [list, copy] = here.map(|own| own.map(|own| head_block(&own.reader())).transpose());
        let (list, copy) = (list?, copy?);
        Ok(Self {
            list_stays: list == Some(block),
            copy_stays: copy == Some(block),
            head: if block == staged {
                None
            } else {
                Some(Box::new(block))
            },
        })
    }
}

/// The steps that are still to do. `in_force` is the list that look-ups use now.
fn steps(
    new: New<'_>,
    in_force: Option<&OwnList<'_>>,
    again: &Reinstall,
    trust: &Trust,
) -> Vec<InstallStep> {
    let New { head, digest, .. } = new;
    let edition = head.edition;
    let mut steps = Vec::new();
    let mut floor = trust.floor;
    let is_there = again.list_stays && again.copy_stays;
    if let Some(before) = floor
        && !is_there
        && before.head != digest
    {
        let announced = announced(before, new, in_force);
        if announced != before {
            steps.push(InstallStep::Announce(announced));
            floor = Some(announced);
        }
    }
    if !again.copy_stays {
        steps.push(InstallStep::Copy(edition));
    }
    if !again.list_stays {
        steps.push(InstallStep::Put(edition));
    }
    // The values of a floor of an earlier keyset are not used. A stolen key of that keyset may have
    // signed them: a very high version, or a time far in the future. The floor's time starts again
    // at the time when the new keyset was issued, which no list key controls.
    let issued = match floor {
        Some(floor) if floor.edition.keyset == edition.keyset => floor.issued,
        Some(_) | None => trust.keyset.issued,
    };
    let raised = Floor {
        edition,
        head: digest,
        issued: issued.max(head.issued),
        next: None,
    };
    if floor != Some(raised) {
        steps.push(InstallStep::Raise(raised));
    }
    steps
}

/// The floor during the installation. If a newer list than the floor's is in force, because an
/// installation was interrupted or somebody copied the list there, the floor names that list from
/// now on. Otherwise the node would no longer know that it ever had that list.
fn announced(floor: Floor, new: New<'_>, in_force: Option<&OwnList<'_>>) -> Floor {
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

//! Predicts what a list would do to the containers that run on this node.
//!
//! In: a list that is not in force yet (the draft), and the node. Out: a [`Survey`] of the running
//! containers. For each container the survey has its lineage, found as the gate finds it, and two
//! verdicts on a start of the container now: one under the draft, one under the list in force. Both
//! verdicts assume `enforce` mode, whatever the settings say. The survey also decides whether an
//! installation should be refused ([`Survey::objection`]). A list stops no running container, but
//! after a reboot every container must start again: one wrong ban takes a fleet down at its next
//! reboot.
//!
//! Hostile: users' containers, because users control their state, bundles and stores. An
//! installation does not examine users' containers. Otherwise a user could keep a ban out with a
//! thousand made-up containers, or make the installation wait. Root's containers are trusted as far
//! as the gate trusts them. A container that cannot be identified is included in the number of
//! running containers, and is no reason to refuse a list. Not checked: the draft's signatures; the
//! caller does that.
//!
//! Measured with 200 containers of Docker, ctr and Podman on two busy processors, unoptimised: the
//! whole preview takes 0.52 s, the survey of an installation 0.35 s. The digests of all containers
//! are looked up in each list together, and then again for each container for which the list has an
//! entry. These look-ups are fast enough, so containers of one image do not share a result.

pub mod ahead;
pub mod in_force;
pub mod lists;
pub mod objection;
mod pause;
pub mod restart;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;

use crate::banlist::bytes::Reader;
use crate::banlist::error::ListError;
use crate::banlist::head::Head;
use crate::lineage::{Evidence, LineageError, Origin};
use crate::node::judged::Judged;
use crate::node::running::{self, Instance};
use crate::node::runtime_state::{InitProcess, RunningContainer, Whose};
use crate::node::subject::{Kind, Known, Subject};
use crate::node::{self, Node};
use crate::paths::Paths;
use crate::report::line;
use crate::settings::{Engines, Settings};
use crate::sys::clock::Timestamp;
use crate::verdict::{self, Grounds, Judgement, Verdict};
use lists::Lists;
pub use objection::ImpactError;

/// The running containers of a node, and the verdict on the next start of each.
#[derive(Debug)]
pub struct Survey {
    /// The path of the draft, for messages.
    pub draft: PathBuf,
    /// The running containers.
    pub running: Vec<Surveyed>,
    /// What could not be read during the survey, one line each.
    pub faults: Vec<String>,
}

/// A container or an image, with the verdicts of both lists.
#[derive(Debug)]
pub struct Surveyed {
    /// The container or image, and its lineage.
    pub subject: Subject,
    /// The verdict of the draft.
    pub draft: Judged,
    /// The verdict of the list in force.
    pub in_force: Judgement,
    /// Whether this is the pause container of a running pod.
    pub is_pause: bool,
    /// Whether root or the caller controls the container. A container that another user controls is
    /// shown, but is not counted.
    pub is_trusted: bool,
    /// Whether the container was found by its processes alone: no runtime state belongs to it, and
    /// its lineage is unknown. An unaccounted container is always reported, but is not counted.
    /// Otherwise anybody could start processes in a container of his own that look like more
    /// containers, and so lower the share of the refused containers.
    pub is_unaccounted: bool,
}

impl Surveyed {
    /// Whether the draft refuses the container or image.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.grounds().is_some()
    }

    /// Why the draft refuses the container or image. `None` if the draft does not refuse it.
    #[must_use]
    pub fn grounds(&self) -> Option<Grounds> {
        refused_by_list(&self.draft.judgement)
    }

    /// Whether the draft refuses the container or image, and the list in force does not ban it.
    #[must_use]
    pub fn is_newly_refused(&self) -> bool {
        let (draft, in_force) = (
            refused_by_list(&self.draft.judgement),
            refused_by_list(&self.in_force),
        );
        // A node whose list is overdue may refuse everything today. A ban of the draft is treated
        // as new even on such a node.
        draft.is_some() && in_force != draft && in_force != Some(Grounds::Banned)
    }

    /// Whether the draft refuses the container or image earlier than the list in force does: now,
    /// or once a ban takes effect or an exception ends. The list in force may also never refuse it.
    #[must_use]
    pub fn is_to_be_refused(&self) -> bool {
        let is_ahead = match (
            self.banned_from(&self.draft.judgement),
            self.banned_from(&self.in_force),
        ) {
            (Some(draft), Some(in_force)) => draft < in_force,
            (draft, None) => draft.is_some(),
            (None, Some(_)) => false,
        };
        self.is_newly_refused() || is_ahead
    }

    /// When a list starts to ban the container or image; the beginning of time if the list bans it
    /// already.
    fn banned_from(&self, judgement: &Judgement) -> Option<Timestamp> {
        // Refused already: by a ban in effect, or because the list says more about the
        // container than a start may read.
        if refused_by_list(judgement) == Some(Grounds::Banned) {
            return Some(Timestamp::from_seconds(0));
        }
        let origin = self.subject.origin.as_ref().ok()?;
        judgement
            .findings
            .iter()
            .filter_map(|finding| finding.refuses_from(origin, self.subject.created))
            .min()
    }

    /// Whether the lineage is known as far as the verdict of the draft depends on it.
    #[must_use]
    pub fn is_known(&self) -> bool {
        match &self.subject.origin {
            Ok(Origin::Image(image)) if image.evidence == Evidence::Claimed => false,
            Ok(origin) => verdict::pull_doubt(Some(origin), &self.draft.bans).is_none(),
            Err(_) => false,
        }
    }

    /// The text of the draft's refusal, or why the lineage is not known.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        match (&self.draft.judgement.verdict, &self.subject.origin) {
            (_, Err(fault)) => Some(line::causes(fault)),
            (Verdict::Refuse(refusal), Ok(_)) => Some(refusal.line().to_owned()),
            (Verdict::Admit(_), Ok(origin)) => verdict::pull_doubt(Some(origin), &self.draft.bans),
        }
    }

    /// The container's first name, else its ID. `None` for an image.
    #[must_use]
    pub fn called(&self) -> Option<&str> {
        match &self.subject.kind {
            Kind::Container { id, names, .. } => Some(match names.first() {
                Some(name) => name.trim_start_matches('/'),
                None => id.as_str(),
            }),
            Kind::Image => None,
        }
    }
}

/// Why the list refuses the container or image. `None` if the list does not refuse it, or if the
/// reason is not the list's content: an unknown image, a corrupt store, the settings, or a missing
/// list.
pub(super) fn refused_by_list(judgement: &Judgement) -> Option<Grounds> {
    match &judgement.verdict {
        Verdict::Admit(_) => None,
        Verdict::Refuse(refusal) => match refusal.grounds() {
            grounds @ (Grounds::Banned | Grounds::OverdueList) => Some(grounds),
            Grounds::CorruptStore
            | Grounds::MissingList
            | Grounds::UnknownImage
            | Grounds::NoImage
            | Grounds::Settings => None,
        },
    }
}

/// Surveys the containers of root, or of the caller, for an installation of `draft`, whose head is
/// `head`. For a node mounted below another root directory (`paths`), it surveys the containers
/// whose state is below that directory.
///
/// # Errors
/// [`ListError`] when the draft cannot be read. A container that cannot be identified is no error.
pub fn survey(
    draft: &Reader<'_, File>,
    head: &Head,
    paths: &Paths,
    settings: Option<&Settings>,
    now: Timestamp,
) -> Result<Survey, ListError> {
    let mut node = match settings {
        Some(settings) => Node::running(paths, &settings.engines, Whose::Own),
        None => Node::running(paths, &Engines::default(), Whose::Own),
    };
    // For a container without runtime state, the engine's store may still have a record.
    if !node.unexplained.is_empty() {
        node.open_stores();
    }
    let mut faults = Vec::new();
    let subjects = running_subjects(&node.containers(&mut faults), &node);
    let lists = Lists::ask(
        draft,
        head,
        paths,
        settings,
        subjects.iter().map(|one| &one.subject),
        now,
    )?;
    let mut running = judged(subjects, &lists);
    // Names and messages are shown for refused containers only, so they are read only for these
    // containers.
    for one in &mut running {
        if one.is_refused() {
            name(one, &node.running);
            (one.draft, one.in_force) = lists.judge(&one.subject);
        }
    }
    Ok(Survey {
        draft: draft.path.to_owned(),
        running,
        faults: lines_of(node.faults(), &faults),
    })
}

/// What could not be read of a node and of its containers, one line each.
pub(super) fn lines_of(mut lines: Vec<String>, faults: &[LineageError]) -> Vec<String> {
    for fault in faults {
        lines.push(line::causes(fault));
    }
    // Several containers may have the same fault.
    let mut known = BTreeSet::new();
    lines.retain(|line| known.insert(line.clone()));
    lines
}

/// A running container.
pub(super) struct RunningSubject<'a> {
    /// The runtime's record of the container. `None` if no runtime state belongs to it.
    running: Option<&'a RunningContainer>,
    is_trusted: bool,
    /// The container, and its lineage.
    pub(super) subject: Subject,
}

/// All running containers, each of them once, with their lineage.
pub(super) fn running_subjects<'a>(
    known: &[Known<'a>],
    node: &'a Node<'_>,
) -> Vec<RunningSubject<'a>> {
    let instances = running::living(&node.running, &node.alive);
    let mut subjects = Vec::new();
    for known in known {
        subjects.extend(running_subject(known, &instances, node));
    }
    subjects
}

fn running_subject<'a>(
    known: &Known<'a>,
    instances: &[Instance],
    node: &'a Node<'_>,
) -> Option<RunningSubject<'a>> {
    let running = known.running.filter(|running| {
        instances
            .iter()
            .any(|instance| instance.running == **running)
    });
    let is_trusted = match (running, known.unexplained) {
        (Some(running), _) => running.is_trusted(),
        (None, Some(unexplained)) => unexplained.is_trusted(),
        (None, None) => return None,
    };
    let subject = node.container(known);
    // The container may have ended in the meantime.
    matches!(subject.kind, Kind::Container { runs: true, .. }).then_some(RunningSubject {
        running,
        is_trusted,
        subject,
    })
}

/// A running container, with the facts on which its part in the counts depends. The fields have the
/// meaning of the fields of [`Surveyed`].
pub(super) struct CountedSubject {
    pub(super) subject: Subject,
    pub(super) is_pause: bool,
    pub(super) is_trusted: bool,
    pub(super) is_unaccounted: bool,
    /// The container's first process, if a runtime has state of the container.
    pub(super) process: Option<InitProcess>,
}

/// The running containers, with the facts on which their part in the counts depends.
pub(super) fn counted_subjects(subjects: Vec<RunningSubject<'_>>) -> Vec<CountedSubject> {
    let running: Vec<_> = subjects.iter().filter_map(|one| one.running).collect();
    let mut pauses = pause::among(&running).into_iter();
    let mut all = Vec::new();
    for one in subjects {
        all.push(CountedSubject {
            is_pause: one.running.is_some() && pauses.next().unwrap_or(false),
            is_trusted: one.is_trusted,
            is_unaccounted: one.running.is_none() && one.subject.origin.is_err(),
            process: one.running.map(|running| running.process),
            subject: one.subject,
        });
    }
    all
}

/// Judges the running containers by both lists.
pub(super) fn judged(subjects: Vec<RunningSubject<'_>>, lists: &Lists<'_>) -> Vec<Surveyed> {
    let mut all = Vec::new();
    for one in counted_subjects(subjects) {
        all.push(Surveyed {
            is_pause: one.is_pause,
            is_trusted: one.is_trusted,
            is_unaccounted: one.is_unaccounted,
            ..lists.surveyed(one.subject)
        });
    }
    all
}

/// Adds the name that the engine gives the container.
fn name(one: &mut Surveyed, running: &[RunningContainer]) {
    let Kind::Container { id, names, .. } = &mut one.subject.kind else {
        return;
    };
    let running = running
        .iter()
        .find(|running| running.id == *id && running.bundle == one.subject.place);
    if let Some(running) = running {
        names.extend(node::names::called(running).ok().flatten());
    }
}

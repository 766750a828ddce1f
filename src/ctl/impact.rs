//! Predicts what a list would do to the containers that run on this node.
//!
//! In: a list that is not in force yet, and the node as it is. Out: a [`Survey`] of the running
//! containers: what each is made of, found in the gate's own way, and what the verdict would be if
//! it were started again now, under the draft and under the list in force, in `enforce` mode
//! whatever the settings say. The survey decides whether an installation should stop
//! ([`Survey::objection`]). A list stops no container, but a node that restarts starts all of them
//! again: one wrong ban takes a fleet down at its next reboot.
//!
//! Hostile: users' containers, because users control their state, bundles and stores. An
//! installation does not look at them, so that no user can keep a ban out with a thousand made-up
//! containers, or make it wait. Root's containers are believed as the gate believes them. One that
//! cannot be understood counts as running, and stops nothing. Not checked: the draft's signatures;
//! the caller does that.
//!
//! Measured with 200 containers of Docker, ctr and Podman on two busy processors, unoptimised: the
//! whole preview takes 0.52 s, the survey of an installation 0.35 s. Each list is asked once for
//! all containers, and again for each container that it mentions, so lineages of equal images are
//! not shared.

pub mod lists;
pub mod objection;
mod pause;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::PathBuf;

use crate::banlist::bytes::Reader;
use crate::banlist::error::ListError;
use crate::banlist::head::Head;
use crate::lineage::{Evidence, Origin};
use crate::node::judged::Judged;
use crate::node::runtime_state::{RunningContainer, Whose};
use crate::node::subject::{Kind, Known, Subject};
use crate::node::{self, Node, running};
use crate::paths::Paths;
use crate::report::line;
use crate::settings::Settings;
use crate::sys::clock::Timestamp;
use crate::verdict::{self, Grounds, Judgement, Verdict};
use lists::Lists;
pub use objection::ImpactError;

/// The running containers of a node, and what happens to each at its next start.
#[derive(Debug)]
pub struct Survey {
    /// The draft's file, for messages.
    pub draft: PathBuf,
    /// The containers that run.
    pub running: Vec<Surveyed>,
    /// What could not be read along the way, one line each.
    pub faults: Vec<String>,
}

/// A container or an image, judged by both lists.
#[derive(Debug)]
pub struct Surveyed {
    /// The subject, and what it is made of.
    pub subject: Subject,
    /// What the draft would do to it.
    pub draft: Judged,
    /// What the list in force does to it.
    pub in_force: Judgement,
    /// Whether it is the pause container of a running pod.
    pub is_pause: bool,
    /// Whether it is root's or the caller's own. A user's is shown and does not count.
    pub is_trusted: bool,
    /// Whether no state explains that it runs, and no record says what it is made of. It does not
    /// count either, so that nobody can lower the share of the others with what he starts in a
    /// container of his own; but it is always mentioned.
    pub is_unaccounted: bool,
}

impl Surveyed {
    /// Whether the draft itself refuses it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.grounds().is_some()
    }

    /// Why the draft itself refuses it.
    #[must_use]
    pub fn grounds(&self) -> Option<Grounds> {
        refused_by_list(&self.draft.judgement)
    }

    /// Whether the draft refuses it and the list in force does not ban it.
    #[must_use]
    pub fn is_newly_refused(&self) -> bool {
        let (draft, in_force) = (
            refused_by_list(&self.draft.judgement),
            refused_by_list(&self.in_force),
        );
        // A node whose list is overdue may refuse everything today. That does not mean that a ban
        // is old.
        draft.is_some() && in_force != draft && in_force != Some(Grounds::Banned)
    }

    /// Whether the draft refuses it, or will once a ban takes effect or an exception ends, and the
    /// list in force does not, or does so later.
    #[must_use]
    pub fn is_to_be_refused(&self) -> bool {
        let from = |judgement: &Judgement| {
            // By a ban in the answer, or by more bans than a start can read.
            if refused_by_list(judgement) == Some(Grounds::Banned) {
                return Some(Timestamp::from_seconds(0));
            }
            let origin = self.subject.origin.as_ref().ok()?;
            judgement
                .findings
                .iter()
                .filter_map(|finding| finding.refuses_from(origin))
                .min()
        };
        let is_ahead = from(&self.draft.judgement)
            .is_some_and(|draft| from(&self.in_force).is_none_or(|in_force| draft < in_force));
        self.is_newly_refused() || is_ahead
    }

    /// Whether it is known what it is made of, as far as the draft asks for it.
    #[must_use]
    pub fn is_known(&self) -> bool {
        match &self.subject.origin {
            Ok(Origin::Image(image)) if image.evidence == Evidence::Claimed => false,
            Ok(origin) => verdict::pull_doubt(Some(origin), &self.draft.bans).is_none(),
            Err(_) => false,
        }
    }

    /// The line of its refusal, whoever is to blame, or why it is not known what it is made of.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        match (&self.draft.judgement.verdict, &self.subject.origin) {
            (_, Err(fault)) => Some(line::causes(fault)),
            (Verdict::Refuse(refusal), Ok(_)) => Some(refusal.line().to_owned()),
            (Verdict::Admit(_), Ok(origin)) => verdict::pull_doubt(Some(origin), &self.draft.bans),
        }
    }

    /// What people call it: its first name, else its ID, else nothing.
    #[must_use]
    pub fn called(&self) -> Option<&str> {
        match &self.subject.kind {
            Kind::Container { id, names, .. } => Some(
                names
                    .first()
                    .map_or(id.as_str(), |name| name.trim_start_matches('/')),
            ),
            Kind::Image => None,
        }
    }
}

/// Why a list refuses it; none for a refusal that no list changes, or that only the absence of
/// another list causes.
fn refused_by_list(judgement: &Judgement) -> Option<Grounds> {
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

/// Surveys root's containers, or the caller's, for an installation of `draft`, whose head is
/// `head`. On a node that is not this one (`paths` below another root), it surveys the containers
/// whose state is below that root.
///
/// # Errors
/// [`ListError`] when the draft cannot be read; a container that cannot be understood is no error.
pub fn survey(
    draft: &Reader<'_, File>,
    head: &Head,
    paths: &Paths,
    settings: Option<&Settings>,
    now: Timestamp,
) -> Result<Survey, ListError> {
    let engines = settings
        .map(|settings| settings.engines.clone())
        .unwrap_or_default();
    let mut node = Node::running(paths, &engines, Whose::Own);
    // Its engine's record may say what no state does.
    if !node.unexplained.is_empty() {
        node.open_stores();
    }
    let mut faults = Vec::new();
    let living = living(&node.containers(&mut faults), &node);
    let lists = Lists::ask(
        draft,
        head,
        paths,
        settings,
        living.iter().map(|living| &living.subject),
        now,
    )?;
    let mut running = judged(living, &lists);
    // What is only shown is only read when there is something to show.
    for one in running.iter_mut().filter(|one| one.is_refused()) {
        name(one, &node.running);
        (one.draft, one.in_force) = lists.judge(&one.subject);
    }
    let faults = node
        .faults()
        .into_iter()
        .chain(faults.iter().map(|fault| line::causes(fault)))
        .collect();
    Ok(Survey {
        draft: draft.path.to_owned(),
        running,
        faults,
    })
}

/// A container that runs.
pub(super) struct Living<'a> {
    /// A runtime's record of it; none where no state explains that it runs.
    running: Option<&'a RunningContainer>,
    is_trusted: bool,
    /// The container, and what it is made of.
    pub(super) subject: Subject,
}

/// The containers that run, each once, with what they are made of.
pub(super) fn living<'a>(known: &[Known<'a>], node: &'a Node<'_>) -> Vec<Living<'a>> {
    let instances = running::living(&node.running);
    let alive = |known: &Known<'a>| {
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
        // It may have ended meanwhile.
        matches!(subject.kind, Kind::Container { runs: true, .. }).then_some(Living {
            running,
            is_trusted,
            subject,
        })
    };
    known.iter().filter_map(alive).collect()
}

/// The running containers, judged.
pub(super) fn judged(living: Vec<Living<'_>>, lists: &Lists<'_>) -> Vec<Surveyed> {
    let running: Vec<_> = living.iter().filter_map(|living| living.running).collect();
    let mut pauses = pause::among(&running).into_iter();
    let surveyed = |Living {
                        running,
                        is_trusted,
                        subject,
                    }: Living<'_>| Surveyed {
        is_pause: running.is_some() && pauses.next().unwrap_or(false),
        is_trusted,
        is_unaccounted: running.is_none() && subject.origin.is_err(),
        ..lists.surveyed(subject)
    };
    living.into_iter().map(surveyed).collect()
}

/// Adds the name that its engine gives a container.
fn name(one: &mut Surveyed, running: &[RunningContainer]) {
    let Kind::Container { id, names, .. } = &mut one.subject.kind else {
        return;
    };
    let running = running
        .iter()
        .find(|running| running.id == *id && running.bundle == one.subject.place);
    names.extend(running.and_then(|running| node::names::called(running).ok().flatten()));
}

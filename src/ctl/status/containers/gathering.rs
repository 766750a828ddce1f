//! Gathers the node's containers, and judges each of them.
//!
//! In: the node's engines and runtimes, looked at once, and the list in force. Out: [`Containers`].
//! The verdicts are the gate's, in `enforce` mode whatever the settings say, so that audit mode
//! shows what enforcing would do. A doomed container that two bans refuse is counted for the more
//! severe one. Left out: containers of users' own engines. As for an installation, nothing that a
//! user controls is read: a user could make up any number of containers, or make a timer wait.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::{
    ContainerState, Containers, Doomed, DoomedAhead, EngineContainers, PatchRuns, Unpatched,
};
use crate::banlist::ban::Ban;
use crate::container::ContainerId;
use crate::container::engine::Engine;
use crate::ctl::impact::in_force::{self, InForce};
use crate::ctl::impact::{self, CountedSubject, ahead, restart};
use crate::lineage::{Evidence, Origin};
use crate::node::Node;
use crate::node::patches::{AskPatches, PatchTarget};
use crate::node::runtime_state::Whose;
use crate::node::subject::{self, Kind, Known, Subject};
use crate::paths::Paths;
use crate::settings::{Engines, Settings};
use crate::sys::clock::Timestamp;
use crate::sys::rights;
use crate::verdict::{self, Grounds, Judgement, Standing, Verdict};

/// A container that runs, or that its engine may start by itself.
struct Candidate {
    counted: CountedSubject,
    state: ContainerState,
}

impl Containers {
    pub(super) fn of(
        paths: &Paths,
        settings: Option<&Settings>,
        ask_patches: Option<AskPatches>,
        now: Timestamp,
    ) -> Self {
        let mut node = match settings {
            Some(settings) => Node::running(paths, &settings.engines, Whose::Own),
            None => Node::running(paths, &Engines::default(), Whose::Own),
        };
        node.open_stores();
        let mut faults = Vec::new();
        let mut known = node.containers(&mut faults);
        // Names are only shown.
        subject::add_names(&mut known, &mut Vec::new());
        let mut counts = Counts::default();
        let mut candidates = Vec::new();
        for counted in impact::counted_subjects(impact::running_subjects(&known, &node)) {
            if counted.is_trusted {
                candidates.push(Candidate {
                    counted,
                    state: ContainerState::Running,
                });
            }
        }
        candidates.extend(stopped(&known, &node, &candidates, &mut counts));
        let subjects = candidates.iter().map(|one| &one.counted.subject);
        let list = InForce::ask(paths, settings, &in_force::queries(subjects), now);
        let mut found = Self {
            at: now,
            engines: Vec::new(),
            doomed: Vec::new(),
            doomed_ahead: Vec::new(),
            unpatched: None,
            patches: None,
            faults: impact::lines_of(node.faults(), &faults),
        };
        let mut targets = Vec::new();
        for candidate in &candidates {
            if let Some(judgement) = found.add(candidate, &list, &mut counts) {
                targets.extend(target(candidate, &judgement));
            }
        }
        if let Some(ask) = ask_patches {
            found.add_patches(&targets, ask, paths);
        }
        found.engines = counts.0.into_values().collect();
        found
    }

    /// Judges a container, and adds it to the counts. Returns the verdict, if the lineage is known.
    fn add(
        &mut self,
        candidate: &Candidate,
        list: &InForce<'_>,
        counts: &mut Counts,
    ) -> Option<Judgement> {
        let Candidate { counted, state } = candidate;
        let subject = &counted.subject;
        let is_known = is_known(subject, list);
        if *state == ContainerState::Running {
            let engine = counts.of(subject.engine);
            engine.running += usize::from(!counted.is_unaccounted);
            engine.unknown += usize::from(!is_known);
        }
        if !is_known {
            return None;
        }
        let judgement = list.judge(subject);
        self.doomed.extend(doomed(counted, *state, &judgement));
        if *state == ContainerState::Running
            && let Some(first) = ahead::first_ban(subject, &judgement)
        {
            self.add_ahead(first, subject.engine);
        }
        Some(judgement)
    }

    /// Adds what `exec-patch` did, and which of these containers lack a patch.
    fn add_patches(&mut self, targets: &[(Engine, PatchTarget)], ask: AskPatches, paths: &Paths) {
        let asked: Vec<PatchTarget> = targets.iter().map(|(_, target)| target.clone()).collect();
        let state = ask(paths, &asked);
        self.faults.extend(state.faults);
        if state.unpatched.len() != targets.len() {
            return;
        }
        let mut unpatched = Vec::new();
        for ((engine, target), bans) in targets.iter().zip(state.unpatched) {
            for ban in &target.bans {
                if bans.contains(&ban.id) {
                    add_unpatched(&mut unpatched, ban, *engine);
                }
            }
        }
        self.unpatched = Some(unpatched);
        self.patches = Some(PatchRuns {
            last_run: state.last_run,
            journal_bytes: state.journal_bytes,
        });
    }

    fn add_ahead(&mut self, first: ahead::FirstBan, engine: Engine) {
        let same = self
            .doomed_ahead
            .iter_mut()
            .find(|one| one.ban == first.ban && one.engine == engine && one.from == first.from);
        match same {
            Some(one) => one.containers += 1,
            None => self.doomed_ahead.push(DoomedAhead {
                ban: first.ban,
                severity: first.severity,
                engine,
                from: first.from,
                containers: 1,
            }),
        }
    }
}

/// A running container, for the question which patches it lacks. `None` if no ban with a patch
/// applies, as `exec-patch --all-banned` sees it, or if its first process is not known.
fn target(candidate: &Candidate, judgement: &Judgement) -> Option<(Engine, PatchTarget)> {
    let Candidate { counted, state } = candidate;
    let (ContainerState::Running, Kind::Container { id, .. }) = (state, &counted.subject.kind)
    else {
        return None;
    };
    let process = counted.process?;
    let mut bans: Vec<Arc<Ban>> = Vec::new();
    for finding in &judgement.findings {
        let ban = &finding.hit.ban;
        let applies = matches!(finding.standing, Standing::InEffect | Standing::Warns);
        if applies && ban.patch.is_some() && !bans.iter().any(|one| one.id == ban.id) {
            bans.push(Arc::clone(ban));
        }
    }
    if bans.is_empty() {
        return None;
    }
    let target = PatchTarget {
        id: id.to_string(),
        pid: process.pid,
        started: process.start_time()?,
        bans,
    };
    Some((counted.subject.engine, target))
}

fn add_unpatched(unpatched: &mut Vec<Unpatched>, ban: &Ban, engine: Engine) {
    let same = unpatched
        .iter_mut()
        .find(|one| one.ban == ban.id && one.engine == engine);
    match same {
        Some(one) => one.containers += 1,
        None => unpatched.push(Unpatched {
            ban: ban.id.clone(),
            severity: ban.severity,
            engine,
            containers: 1,
        }),
    }
}

/// The containers by engine.
#[derive(Default)]
struct Counts(BTreeMap<&'static str, EngineContainers>);

impl Counts {
    fn of(&mut self, engine: Engine) -> &mut EngineContainers {
        let none = EngineContainers {
            engine,
            running: 0,
            stopped: 0,
            unknown: 0,
        };
        self.0.entry(engine.word()).or_insert(none)
    }
}

/// Counts the containers that do not run, and finds those that their engine may start by itself.
fn stopped(
    known: &[Known<'_>],
    node: &Node<'_>,
    running: &[Candidate],
    counts: &mut Counts,
) -> Vec<Candidate> {
    let mut runs: HashSet<(&PathBuf, &ContainerId)> = HashSet::new();
    for Candidate { counted, .. } in running {
        if let Kind::Container { id, .. } = &counted.subject.kind {
            runs.insert((&counted.subject.place, id));
        }
    }
    let mut found = Vec::new();
    for known in known {
        let Some(store) = known.store else { continue };
        if runs.contains(&(&store.place, &known.id)) || !rights::is_own(store.owner) {
            continue;
        }
        let engine = known.engine.unwrap_or(store.engine);
        counts.of(engine).stopped += 1;
        let policy = restart::policy(engine, &store.place, &known.id);
        if policy.restarting().is_some() {
            found.push(Candidate {
                counted: CountedSubject {
                    subject: node.container(known),
                    is_pause: false,
                    is_trusted: true,
                    is_unaccounted: false,
                    process: None,
                },
                state: ContainerState::Stopped,
            });
        }
    }
    found
}

/// Whether the lineage is known as far as the verdict depends on it.
fn is_known(subject: &Subject, list: &InForce<'_>) -> bool {
    match &subject.origin {
        Ok(Origin::Image(image)) if image.evidence == Evidence::Claimed => false,
        Ok(origin) => verdict::pull_doubt(Some(origin), list.bans()).is_none(),
        Err(_) => false,
    }
}

/// The container, if it could not start again.
fn doomed(
    counted: &CountedSubject,
    state: ContainerState,
    judgement: &Judgement,
) -> Option<Doomed> {
    let Verdict::Refuse(refusal) = &judgement.verdict else {
        return None;
    };
    let subject = &counted.subject;
    let Kind::Container {
        id, names, asked, ..
    } = &subject.kind
    else {
        return None;
    };
    let origin = subject.origin.as_ref().ok();
    let first = judgement
        .findings
        .iter()
        .find(|finding| finding.standing.is_in_effect())
        .filter(|_| refusal.grounds() == Grounds::Banned);
    let facts = origin.and_then(Origin::facts);
    let mut called = Vec::new();
    for name in names {
        called.push(name.trim_start_matches('/').to_owned());
    }
    Some(Doomed {
        engine: subject.engine,
        namespace: subject.namespace.clone(),
        id: id.to_string(),
        names: called,
        image: facts
            .and_then(|facts| facts.name.clone())
            .or_else(|| asked.clone()),
        state,
        restart: restart::policy(subject.engine, &subject.place, id),
        pause: counted.is_pause,
        grounds: refusal.grounds(),
        ban: first.map(|finding| finding.hit.ban.id.clone()),
        severity: first.map(|finding| finding.hit.ban.severity),
        message: match first {
            Some(finding) => finding.sentence(origin),
            None => refusal.line().to_owned(),
        },
    })
}

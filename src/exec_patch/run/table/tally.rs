//! Counts the outcomes of a run.
//!
//! In: outcomes. Out: the count of each outcome, the failed containers, and the exit status. Pure.

use std::collections::{BTreeMap, HashMap};

use crate::exec_patch::job::{Container, full_name};
use crate::exec_patch::journal::ids::ContainerKey;
use crate::exec_patch::outcome::OutcomeKind;
use crate::report::Exit;

/// The outcome of one patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedOutcome {
    /// The container; `None` if it cannot be identified.
    pub container: Option<ContainerKey>,
    /// The name to show for the container.
    pub name: String,
    /// The kind of outcome.
    pub kind: OutcomeKind,
}

/// The counts of each outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutcomeTally {
    counted: Vec<Option<CountedOutcome>>,
    /// For each container, its latest instance (process ID and start time), and the positions of
    /// that instance's outcomes.
    instances: HashMap<ContainerKey, ((u32, u64), Vec<usize>)>,
}

impl OutcomeTally {
    /// Counts an outcome. A container with several patches has several outcomes. If a container
    /// vanished and is found again, it was restarted. Then the outcomes of patches that were not
    /// done in the earlier instance are removed from the counts.
    pub fn add(&mut self, container: &Container, kind: OutcomeKind) {
        let named = ContainerKey::of(container);
        let instance = (container.pid, container.started);
        let (known, places) = self
            .instances
            .entry(named.clone())
            .or_insert((instance, Vec::new()));
        if *known != instance {
            forget_undone(&mut self.counted, places);
            (*known, *places) = (instance, Vec::new());
        }
        places.push(self.counted.len());
        self.counted.push(Some(CountedOutcome {
            container: Some(named),
            name: full_name(container),
            kind,
        }));
    }

    /// Counts a container that cannot be identified.
    pub fn add_unclear(&mut self, name: String) {
        self.counted.push(Some(CountedOutcome {
            container: None,
            name,
            kind: OutcomeKind::NotUnderstood,
        }));
    }

    fn all(&self) -> impl Iterator<Item = &CountedOutcome> {
        self.counted.iter().flatten()
    }

    /// How many outcomes were counted.
    #[must_use]
    pub fn total(&self) -> usize {
        self.all().count()
    }

    /// Each kind of outcome that occurred, and how often.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<OutcomeKind, usize> {
        let mut counts = BTreeMap::new();
        for counted in self.all() {
            *counts.entry(counted.kind).or_default() += 1;
        }
        counts
    }

    /// The outcomes that are not ok.
    pub fn not_ok(&self) -> impl Iterator<Item = &CountedOutcome> {
        self.all().filter(|counted| !counted.kind.is_ok())
    }

    /// The exit status for these outcomes.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match (self.total(), self.not_ok().next()) {
            (0, _) => Exit::NothingMatched,
            (_, None) => Exit::Clear,
            (_, Some(_)) => Exit::NotAllWell,
        }
    }
}

/// If this instance of a container vanished, removes the outcomes of the patches that were not done
/// in it.
fn forget_undone(counted: &mut [Option<CountedOutcome>], places: &[usize]) {
    let (mut has_vanished, mut undone) = (false, Vec::new());
    for at in places {
        let Some(CountedOutcome { kind, .. }) = counted[*at] else {
            continue;
        };
        has_vanished |= kind == OutcomeKind::Vanished;
        if kind == OutcomeKind::Vanished || kind == OutcomeKind::NotStarted {
            undone.push(*at);
        }
    }
    if has_vanished {
        for at in undone {
            counted[at] = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::container;
    use super::*;

    /// Counts these outcomes, each given as a container's name, its first process and a kind.
    fn tally(outcomes: &[(&str, u32, OutcomeKind)]) -> OutcomeTally {
        let mut tally = OutcomeTally::default();
        outcomes.iter().for_each(|(name, pid, kind)| {
            tally.add(
                &Container {
                    id: (*name).into(),
                    pid: *pid,
                    ..container(name)
                },
                *kind,
            )
        });
        tally
    }

    #[test]
    fn a_container_that_was_started_anew_counts_by_its_later_instance() {
        use OutcomeKind::{NotStarted, Patched, Restarting, Vanished};
        let tally = tally(&[
            ("one", 1, Vanished),
            ("two", 1, Vanished),
            ("one", 2, Patched),
            ("three", 1, Patched),
            ("three", 2, Vanished),
            ("three", 3, Vanished),
            ("four", 1, Vanished),
            ("four", 1, NotStarted),
            ("four", 2, Patched),
            ("four", 2, Patched),
            ("five", 1, Vanished),
            ("five", 2, Restarting),
        ]);
        assert_eq!(
            Vec::from_iter(tally.counts()),
            [(Patched, 4), (Vanished, 2), (Restarting, 1)]
        );
        let not_ok: Vec<_> = tally
            .not_ok()
            .map(|one| (one.container.as_ref().unwrap().id.as_str(), one.kind))
            .collect();
        assert_eq!(
            not_ok,
            [("two", Vanished), ("three", Vanished), ("five", Restarting)]
        );
        assert_eq!(tally.exit(), Exit::NotAllWell);
    }

    #[test]
    fn a_container_with_two_patches_is_lost_by_neither() {
        use OutcomeKind::{Failed, NotStarted, Patched, Vanished};
        for (outcomes, counts) in [
            (
                &[("one", 1, Vanished), ("one", 1, NotStarted)][..],
                &[(Vanished, 1), (NotStarted, 1)][..],
            ),
            (
                &[("one", 1, Vanished), ("one", 1, Vanished)],
                &[(Vanished, 2)],
            ),
            (
                &[("one", 1, Patched), ("one", 1, Vanished)],
                &[(Patched, 1), (Vanished, 1)],
            ),
            (
                &[
                    ("one", 1, Vanished),
                    ("one", 1, Failed),
                    ("two", 1, Patched),
                ],
                &[(Patched, 1), (Failed, 1), (Vanished, 1)],
            ),
        ] {
            let tally = tally(outcomes);
            assert_eq!(Vec::from_iter(tally.counts()), counts, "{outcomes:?}");
            assert_eq!(
                (tally.total(), tally.exit()),
                (outcomes.len(), Exit::NotAllWell)
            );
        }
    }
}

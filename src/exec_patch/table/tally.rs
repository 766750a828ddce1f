//! Counts the outcomes of a run.
//!
//! In: outcomes. Out: their counts, which containers failed, and the exit status that follows.
//! Pure.

use std::collections::HashMap;

use super::people;
use crate::exec_patch::job::Container;
use crate::exec_patch::journal::line::Named;
use crate::exec_patch::outcome::Kind;
use crate::report::Exit;

/// One outcome that was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The container; none if it cannot be identified.
    pub container: Option<Named>,
    /// What people call it.
    pub called: String,
    /// How it ended.
    pub kind: Kind,
}

/// The counts of each outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counted: Vec<Option<Counted>>,
    /// For each container its latest instance, by process and start time, and the positions of its
    /// outcomes.
    lives: HashMap<Named, ((u32, u64), Vec<usize>)>,
}

impl Tally {
    /// Counts an outcome of a container; one with several patches has several outcomes. If it
    /// vanished and is found again, it was restarted: what was left undone in the earlier instance
    /// no longer counts.
    pub fn add(&mut self, container: &Container, kind: Kind) {
        let named = Named::of(container);
        let life = (container.pid, container.started);
        let (known, places) = self
            .lives
            .entry(named.clone())
            .or_insert_with(|| (life, Vec::new()));
        if *known != life {
            let of = |at: &usize| self.counted[*at].as_ref().map(|counted| counted.kind);
            if places.iter().any(|at| of(at) == Some(Kind::Vanished)) {
                let undone: Vec<_> = places
                    .iter()
                    .copied()
                    .filter(|at| matches!(of(at), Some(Kind::Vanished | Kind::NotStarted)))
                    .collect();
                undone.into_iter().for_each(|at| self.counted[at] = None);
            }
            (*known, *places) = (life, Vec::new());
        }
        places.push(self.counted.len());
        self.counted.push(Some(Counted {
            container: Some(named),
            called: people::told(container),
            kind,
        }));
    }

    /// Counts a container that cannot be identified.
    pub fn add_unclear(&mut self, called: String) {
        self.counted.push(Some(Counted {
            container: None,
            called,
            kind: Kind::NotUnderstood,
        }));
    }

    fn all(&self) -> impl Iterator<Item = &Counted> {
        self.counted.iter().flatten()
    }

    /// The total.
    #[must_use]
    pub fn total(&self) -> usize {
        self.all().count()
    }

    /// Each outcome that occurred, and how often.
    pub fn counts(&self) -> impl Iterator<Item = (Kind, usize)> {
        let count = |kind| self.all().filter(|counted| counted.kind == kind).count();
        Kind::ALL
            .into_iter()
            .map(move |kind| (kind, count(kind)))
            .filter(|(_, count)| *count > 0)
    }

    /// Those that failed.
    pub fn not_ok(&self) -> impl Iterator<Item = &Counted> {
        self.all().filter(|counted| !counted.kind.is_ok())
    }

    /// The exit status.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match (self.total(), self.not_ok().next()) {
            (0, _) => Exit::NothingMatched,
            (_, None) => Exit::Clear,
            (_, Some(_)) => Exit::NotAllWell,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::container;
    use super::*;

    /// Counts these, each a container's name, its first process and an outcome.
    fn tally(outcomes: &[(&str, u32, Kind)]) -> Tally {
        let mut tally = Tally::default();
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
    fn a_container_that_was_started_anew_counts_by_its_later_life() {
        use Kind::{NotStarted, Patched, Restarting, Vanished};
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
            tally.counts().collect::<Vec<_>>(),
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
        use Kind::{Failed, NotStarted, Patched, Vanished};
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
            assert_eq!(tally.counts().collect::<Vec<_>>(), counts, "{outcomes:?}");
            assert_eq!(
                (tally.total(), tally.exit()),
                (outcomes.len(), Exit::NotAllWell)
            );
        }
    }
}

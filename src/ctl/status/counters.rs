//! Describes how often each event happened since the node was booted.
//!
//! In: the node's counts. Out: the same counts with the names that events have in the system log.

use serde::Serialize;

use crate::audit::counts::Counts;
use crate::verdict::Grounds;

/// How often each thing happened since the node was booted.
#[derive(Debug, Serialize)]
pub(super) struct Counters {
    /// The events.
    pub(super) events: Vec<EventCounter>,
    /// The refusals by each ban. A container that two bans refuse is counted for both.
    pub(super) refusals: Vec<RefusalCounter>,
}

/// How many events of one kind there were.
#[derive(Debug, Serialize)]
pub(super) struct EventCounter {
    /// What happened, as in `EMBARGO_EVENT`.
    pub(super) event: &'static str,
    /// Why a container was refused, or would have been.
    pub(super) grounds: Option<&'static str>,
    /// The containers' engine.
    pub(super) engine: &'static str,
    /// How many events.
    pub(super) count: u64,
}

/// How many containers one ban refused.
#[derive(Debug, Serialize)]
pub(super) struct RefusalCounter {
    /// The ban's ID.
    pub(super) ban: String,
    /// The ban's severity, when it refused.
    pub(super) severity: &'static str,
    /// How many containers.
    pub(super) count: u64,
}

impl Counters {
    /// Describes these counts.
    pub(super) fn of(counts: Counts) -> Self {
        let (mut events, mut refusals) = (Vec::new(), Vec::new());
        for one in counts.events {
            events.push(EventCounter {
                event: one.event.word(),
                grounds: one.grounds.map(Grounds::word),
                engine: one.engine.word(),
                count: one.count,
            });
        }
        for one in counts.refusals {
            refusals.push(RefusalCounter {
                ban: one.ban,
                severity: one.severity.word(),
                count: one.count,
            });
        }
        Self { events, refusals }
    }

    /// How many events of each kind there were, in the order of their names.
    pub(super) fn by_event(&self) -> Vec<(&'static str, u64)> {
        let mut sums: Vec<(&'static str, u64)> = Vec::new();
        for one in &self.events {
            match sums.iter_mut().find(|(event, _)| *event == one.event) {
                Some((_, sum)) => *sum += one.count,
                None => sums.push((one.event, one.count)),
            }
        }
        sums
    }
}

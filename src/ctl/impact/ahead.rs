//! Finds from which day on a list refuses containers that can start today.
//!
//! In: verdicts on running containers. Out: how many more containers the list would refuse from
//! which date on: a ban takes effect then, or an exception ends. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::banlist::ban::Severity;
use crate::node::subject::Subject;
use crate::report::amount;
use crate::sys::clock::Timestamp;
use crate::verdict::{Finding, Grounds, Judgement};

use super::{Survey, refused_by_list};

/// How many running containers a list refuses from a later time on, beyond those that it refuses
/// before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ahead {
    /// The time from which on they are refused.
    pub from: Timestamp,
    /// How many more containers are refused then.
    pub containers: usize,
}

/// The ban that will refuse a container first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstBan {
    /// The ban's ID.
    pub ban: String,
    /// The ban's severity.
    pub severity: Severity,
    /// The time from which on the ban refuses the container.
    pub from: Timestamp,
}

/// The ban by which a container or image will be refused first. `None` if it is refused today,
/// or never, or if its lineage is not known.
#[must_use]
pub fn first_ban(subject: &Subject, judgement: &Judgement) -> Option<FirstBan> {
    let origin = subject.origin.as_ref().ok()?;
    if refused_by_list(judgement) == Some(Grounds::Banned) {
        return None;
    }
    let mut first: Option<(Timestamp, &Finding)> = None;
    for finding in &judgement.findings {
        if let Some(from) = finding.refuses_from(origin, subject.created)
            && first.is_none_or(|(earliest, _)| from < earliest)
        {
            first = Some((from, finding));
        }
    }
    first.map(|(from, finding)| FirstBan {
        ban: finding.hit.ban.id.clone(),
        severity: finding.hit.ban.severity,
        from,
    })
}

/// How many containers become refused at each of these times, the earliest first.
pub fn by_time(times: impl Iterator<Item = Timestamp>) -> Vec<Ahead> {
    let mut counts = BTreeMap::new();
    for time in times {
        *counts.entry(time).or_insert(0) += 1;
    }
    let mut ahead = Vec::new();
    for (from, containers) in counts {
        ahead.push(Ahead { from, containers });
    }
    ahead
}

impl Ahead {
    /// The fact as a line for people.
    #[must_use]
    pub fn text(&self) -> String {
        let containers = amount(self.containers, "more running container");
        format!("{containers} would be refused from {}", self.from)
    }
}

impl Survey {
    /// How many of the counted containers the draft refuses only from a later time on, by time.
    #[must_use]
    pub fn ahead(&self) -> Vec<Ahead> {
        let mut times = Vec::new();
        for one in self.counted() {
            times.extend(first_ban(&one.subject, &one.draft.judgement).map(|first| first.from));
        }
        by_time(times.into_iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_counted_by_the_time_from_which_they_are_refused() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let times = ["2026-12-05", "2026-12-01", "2026-12-05"].map(at);
        let lines: Vec<_> = by_time(times.into_iter()).iter().map(Ahead::text).collect();
        assert_eq!(
            lines,
            [
                "1 more running container would be refused from 2026-12-01T00:00:00Z",
                "2 more running containers would be refused from 2026-12-05T00:00:00Z",
            ]
        );
    }
}

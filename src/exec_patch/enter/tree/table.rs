//! Decides which processes belong to the patch.
//!
//! Pure. In: the processes of a container and the runtime's descendants, as `/proc` showed them at
//! one moment. Out: for each process, whether it belongs to the patch. A process gets its first
//! parent by fork. When that parent ends, the process gets a new parent: the reaper of its PID
//! namespace, or a nearer subreaper (Linux: kernel/exit.c, `find_new_reaper`). So a process whose
//! parent is neither the patch's nor such a reaper belongs to somebody else, for instance to a
//! health check. A child of the reaper that shows no trace of the patch may belong to anybody.

use std::collections::{BTreeMap, BTreeSet};

/// A process: its ID and its start time.
pub(super) type ProcessKey = (u32, u64);

/// A process as a scan saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) pid: u32,
    /// When the process was started, in clock ticks since boot.
    pub(super) started: u64,
    /// The process ID of its parent.
    pub(super) parent: u32,
    /// Whether the process is in the container, according to the cgroup, or to the namespaces if
    /// the cgroup is not the container's own.
    pub(super) is_inside: bool,
    /// What the process shows about its origin.
    pub(super) trace: Trace,
    /// Whether the process's parent is a process that becomes the parent of orphans.
    pub(super) is_orphan: bool,
}

/// What a process shows about its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    /// The patch's dye or marker, or one of the patch's pipes.
    Patch,
    /// Something that no process of the patch can show, such as another audit session.
    Other,
    /// No trace at all.
    Nothing,
}

/// To whom a process belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ownership {
    /// To the patch.
    Ours,
    /// Unclear: to the patch, or to somebody else who started it during the patch.
    Unclear,
    /// To somebody else.
    Others,
}

/// Facts that are known before the processes are judged.
#[derive(Clone, Debug, Default)]
pub(super) struct Baseline {
    /// When the first of the runtime's processes was started. No process of the patch is older.
    pub(super) since: u64,
    /// Processes that are known to be the patch's, including the runtime's own.
    pub(super) ours: BTreeSet<ProcessKey>,
}

/// Decides to whom each process in `seen` belongs. The results have the same order.
pub(super) fn judge(seen: &[Candidate], known: &Baseline) -> Vec<Ownership> {
    let (mut places, mut judged) = (BTreeMap::new(), Vec::new());
    for (place, process) in seen.iter().enumerate() {
        places.insert(process.pid, place);
        judged.push(by_itself(process, known));
    }
    for place in 0..seen.len() {
        // Walks up to the first ancestor that is already judged, and then down again. A cycle ends
        // where it started: the kernel makes no cycles, but a table that is read while it changes
        // may show one.
        let mut path = Vec::new();
        let mut at = place;
        let ownership = loop {
            if let Some(ownership) = judged[at] {
                break ownership;
            }
            path.push(at);
            match places.get(&seen[at].parent) {
                Some(parent)
                    if seen[*parent].started <= seen[at].started && !path.contains(parent) =>
                {
                    at = *parent;
                }
                Some(_) | None => break Ownership::Others,
            }
        };
        // A descendant of somebody else's process is somebody else's too.
        for at in path {
            judged[at] = Some(if ownership == Ownership::Unclear && !seen[at].is_inside {
                Ownership::Others
            } else {
                ownership
            });
        }
    }
    judged
        .into_iter()
        .map(|ownership| ownership.unwrap_or(Ownership::Others))
        .collect()
}

/// What can be decided about a process without knowing its parent.
fn by_itself(process: &Candidate, known: &Baseline) -> Option<Ownership> {
    if process.started < known.since {
        return Some(Ownership::Others);
    }
    if known.ours.contains(&(process.pid, process.started)) {
        return Some(Ownership::Ours);
    }
    if process.is_inside && process.trace == Trace::Patch {
        return Some(Ownership::Ours);
    }
    if !process.is_orphan {
        return None;
    }
    Some(if process.is_inside && process.trace == Trace::Nothing {
        Ownership::Unclear
    } else {
        Ownership::Others
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Process 10 is in the container and started with it. Process 1 is the container's reaper.
    /// Process 100 is the runtime.
    fn known() -> Baseline {
        Baseline {
            since: 50,
            ours: BTreeSet::from([(100, 50)]),
        }
    }

    fn process(pid: u32, parent: u32) -> Candidate {
        Candidate {
            pid,
            started: u64::from(pid),
            parent,
            is_inside: true,
            trace: Trace::Nothing,
            is_orphan: parent == 1,
        }
    }

    #[test]
    fn ownership_follows_from_descent_and_traces() {
        use Ownership::{Others, Ours, Unclear};
        let runtime = Candidate {
            started: 50,
            is_inside: false,
            ..process(100, 7)
        };
        let old = |pid| Candidate {
            started: 3,
            ..process(pid, 1)
        };
        let dyed = |pid, parent| Candidate {
            trace: Trace::Patch,
            ..process(pid, parent)
        };
        let other = |pid, parent| Candidate {
            trace: Trace::Other,
            ..process(pid, parent)
        };
        for (why, seen, ownership) in [
            (
                "children of the runtime, whatever their place",
                vec![runtime.clone(), process(101, 100), process(102, 101)],
                vec![Ours; 3],
            ),
            (
                "the table's order does not matter",
                vec![process(102, 101), process(101, 100), runtime.clone()],
                vec![Ours; 3],
            ),
            (
                "older than the patch",
                vec![
                    old(10),
                    Candidate {
                        trace: Trace::Patch,
                        ..old(11)
                    },
                ],
                vec![Others; 2],
            ),
            (
                "started meanwhile by one who is older",
                vec![old(10), process(200, 10), process(201, 200)],
                vec![Others; 3],
            ),
            (
                "an orphan with a trace, and its child",
                vec![dyed(200, 1), process(201, 200)],
                vec![Ours; 2],
            ),
            (
                "a trace is one whoever the parent is",
                vec![old(10), dyed(200, 10)],
                vec![Others, Ours],
            ),
            (
                "a trace outside the container is none",
                vec![Candidate {
                    is_inside: false,
                    ..dyed(200, 1)
                }],
                vec![Others],
            ),
            (
                "an orphan without a trace, and its child",
                vec![process(200, 1), process(201, 200)],
                vec![Unclear; 2],
            ),
            (
                "an orphan of somebody else's, and its child",
                vec![other(200, 1), process(201, 200)],
                vec![Others; 2],
            ),
            (
                "somebody else's session below the patch",
                vec![runtime.clone(), other(101, 100)],
                vec![Ours; 2],
            ),
            (
                "a child from outside, as `docker exec` makes it",
                vec![process(200, 9), process(201, 200)],
                vec![Others; 2],
            ),
            (
                "a parent's ID that is a younger one's by now",
                vec![
                    runtime.clone(),
                    Candidate {
                        started: 49 + 1,
                        ..process(60, 101)
                    },
                    process(101, 7),
                ],
                vec![Ours, Others, Others],
            ),
            (
                "a circle",
                vec![
                    process(200, 201),
                    Candidate {
                        started: 200,
                        ..process(201, 200)
                    },
                    process(202, 202),
                ],
                vec![Others; 3],
            ),
            ("nothing", vec![], vec![]),
        ] {
            assert_eq!(judge(&seen, &known()), ownership, "{why}");
        }
    }

    #[test]
    fn another_life_of_an_id_is_another_process() {
        let again = Candidate {
            started: 77,
            ..process(100, 7)
        };
        assert_eq!(
            judge(
                &[
                    again,
                    Candidate {
                        started: 78,
                        ..process(101, 100)
                    }
                ],
                &known()
            ),
            [Ownership::Others; 2]
        );
    }
}

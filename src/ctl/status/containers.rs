//! Says which containers a node has, and which of them could not start again.
//!
//! In: the node, looked at now, or the stored state for a caller who may not look. Out: the
//! containers by engine, and those that are *doomed*: they run, or their engine starts them by
//! itself, and the list in force would refuse their next start.

mod gathering;

use serde::{Deserialize, Serialize};

use super::stored::{self, StoredError};
use crate::banlist::ban::Severity;
use crate::container::engine::Engine;
use crate::ctl::impact::ahead::{self, Ahead};
use crate::ctl::impact::restart::RestartPolicy;
use crate::node::patches::{AskPatches, PatchRun};
use crate::paths::Paths;
use crate::settings::Settings;
use crate::sys::clock::Timestamp;
use crate::sys::process;
use crate::verdict::Grounds;

/// The containers of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ctl) struct Containers {
    /// When the node was looked at.
    pub(in crate::ctl) at: Timestamp,
    /// How many containers each engine has.
    pub(in crate::ctl) engines: Vec<EngineContainers>,
    /// The containers that could not start again.
    pub(in crate::ctl) doomed: Vec<Doomed>,
    /// How many more running containers each ban refuses later.
    pub(in crate::ctl) doomed_ahead: Vec<DoomedAhead>,
    /// How many running containers lack each ban's patch. `None` if that is not known.
    pub(in crate::ctl) unpatched: Option<Vec<Unpatched>>,
    /// What `exec-patch` did. `None` if that is not known.
    pub(in crate::ctl) patches: Option<PatchRuns>,
    /// What could not be read, one line each: there may be more containers.
    pub(in crate::ctl) faults: Vec<String>,
}

/// How many containers an engine has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ctl) struct EngineContainers {
    pub(in crate::ctl) engine: Engine,
    /// How many run.
    pub(in crate::ctl) running: usize,
    /// How many do not run.
    pub(in crate::ctl) stopped: usize,
    /// How many run, and could not be identified.
    pub(in crate::ctl) unknown: usize,
}

/// Whether a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::ctl) enum ContainerState {
    Running,
    Stopped,
}

/// A container that could not start again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ctl) struct Doomed {
    pub(in crate::ctl) engine: Engine,
    /// containerd's namespace. `None` for every other engine.
    pub(in crate::ctl) namespace: Option<String>,
    pub(in crate::ctl) id: String,
    pub(in crate::ctl) names: Vec<String>,
    pub(in crate::ctl) image: Option<String>,
    pub(in crate::ctl) state: ContainerState,
    /// Whether the engine starts the container again by itself.
    pub(in crate::ctl) restart: RestartPolicy,
    /// Whether this is the pause container of a running pod.
    pub(in crate::ctl) pause: bool,
    /// Why the start would be refused.
    pub(in crate::ctl) grounds: Grounds,
    /// The most severe ban that refuses the container, if a ban does.
    pub(in crate::ctl) ban: Option<String>,
    pub(in crate::ctl) severity: Option<Severity>,
    /// The whole reason, as in a refusal.
    pub(in crate::ctl) message: String,
}

/// How many more running containers a ban refuses from a later time on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ctl) struct DoomedAhead {
    pub(in crate::ctl) ban: String,
    pub(in crate::ctl) severity: Severity,
    pub(in crate::ctl) engine: Engine,
    /// The time from which on the containers are refused.
    pub(in crate::ctl) from: Timestamp,
    pub(in crate::ctl) containers: usize,
}

/// How many running containers a ban matches whose patch no run of `exec-patch` has done in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ctl) struct Unpatched {
    pub(in crate::ctl) ban: String,
    pub(in crate::ctl) severity: Severity,
    pub(in crate::ctl) engine: Engine,
    pub(in crate::ctl) containers: usize,
}

/// What `exec-patch` did on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ctl) struct PatchRuns {
    /// The newest run.
    pub(in crate::ctl) last_run: Option<PatchRun>,
    /// How many bytes all runs keep.
    pub(in crate::ctl) journal_bytes: u64,
}

/// The node's containers, as this caller can see them: looked at now or, for what needs root, as
/// `/run/embargo/status.json` has them.
///
/// # Errors
/// [`StoredError`] if the caller may not look, and there is no such file.
pub(in crate::ctl) fn seen(
    paths: &Paths,
    settings: Option<&Settings>,
    ask_patches: Option<AskPatches>,
    now: Timestamp,
) -> Result<Containers, StoredError> {
    if stored::is_needed(paths) {
        return stored::containers(paths);
    }
    let found = Containers::of(paths, settings, ask_patches, now);
    if process::is_privileged() || found.faults.is_empty() {
        return Ok(found);
    }
    Ok(stored::containers(paths).unwrap_or(found))
}

impl Containers {
    /// How many more running containers of these engines are refused from which time on.
    pub(in crate::ctl) fn ahead(&self, is_meant: impl Fn(Engine) -> bool) -> Vec<Ahead> {
        let mut times = Vec::new();
        for one in &self.doomed_ahead {
            if is_meant(one.engine) {
                times.extend(std::iter::repeat_n(one.from, one.containers));
            }
        }
        ahead::by_time(times.into_iter())
    }

    /// How many containers run, do not run, and could not be identified.
    pub(in crate::ctl) fn totals(&self) -> (usize, usize, usize) {
        self.engines
            .iter()
            .fold((0, 0, 0), |(running, stopped, unknown), engine| {
                (
                    running + engine.running,
                    stopped + engine.stopped,
                    unknown + engine.unknown,
                )
            })
    }
}

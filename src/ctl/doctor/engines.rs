//! Checks where the engines are, and what a restart of Docker would do.
//!
//! In: the processes of this machine, and the directories in the settings. Out: what was found. A
//! process chooses its own name; only root's and the caller's processes are looked at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::examination::Examination;
use super::files::not_this_machine;
use super::finding::Found;
use crate::container::engine::Engine;
use crate::node::processes::{Process, own_namespace};
use crate::node::runtime_state::Whose;
use crate::node::{discovery, places};
use crate::report::amount;
use crate::report::line::{self, causes};
use crate::settings::Engines;
use crate::sys::file::{self, Guard};
use crate::sys::rights;

/// The programs of the engines' daemons.
const DAEMONS: [&str; 4] = ["dockerd", "containerd", "buildkitd", "crio"];

/// The largest settings file of Docker that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// Docker's settings file.
const DOCKER_SETTINGS: &str = "/etc/docker/daemon.json";

/// The part of Docker's settings that says what a restart does.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RestartSettings {
    #[serde(default)]
    live_restore: bool,
}

/// Whether every engine is where a setting says.
pub(super) fn unnamed_engine(examined: &Examination<'_>) -> Vec<Found> {
    if let Some(found) = not_this_machine(examined) {
        return vec![found];
    }
    let paths = examined.paths;
    let mut unread = Vec::new();
    let running = discovery::places(examined.processes(), paths, &mut unread);
    let by_settings = discovery::places(&[], paths, &mut Vec::new());
    let usual = places::of_node(paths, &examined.effective.engines, Whose::Own);
    let mut known = roots(&usual);
    known.extend(roots(&by_settings));
    let mut found = Vec::new();
    for root in roots(&running).difference(&known) {
        let place = line::path(root);
        found.push(
            Found::warning(format!(
                "an engine has its store in {place}, which only its process names"
            ))
            .about(place)
            .hint("name it in [engines] of the settings, so that it is found when it is down"),
        );
    }
    found.extend(elsewhere(examined.processes()));
    if found.is_empty() {
        found.push(Found::ok("every engine is where a setting says"));
    }
    found
}

/// The directories of the stores.
fn roots(places: &Engines) -> BTreeSet<PathBuf> {
    let mut roots = BTreeSet::new();
    roots.extend(places.docker.iter().cloned());
    for place in &places.containerd {
        roots.insert(place.root.clone());
    }
    for place in &places.storage {
        roots.insert(place.root.clone());
    }
    roots
}

/// The daemons in mount namespaces of their own. Their settings and programs are not those that
/// this process sees under the same paths.
fn elsewhere(processes: &[Process]) -> Option<Found> {
    let own = own_namespace("mnt");
    let mut named = Vec::new();
    for process in processes {
        let is_daemon = DAEMONS.contains(&process.program());
        if is_daemon && rights::is_own(process.starter()) && process.mounts() != own.as_deref() {
            named.push(format!("{} ({})", process.program(), process.pid));
        }
    }
    let first = named.get(..named.len().min(3))?;
    if first.is_empty() {
        return None;
    }
    Some(
        Found::warning(format!(
            "not examined, because in a mount namespace of its own: {}",
            line::names(first, named.len())
        ))
        .about("elsewhere")
        .hint("run doctor where the engine runs, or see that nobody else may use that engine"),
    )
}

/// Whether banned containers outlive a restart of Docker.
pub(super) fn live_restore(examined: &Examination<'_>) -> Vec<Found> {
    if let Some(found) = not_this_machine(examined) {
        return vec![found];
    }
    let own = own_namespace("mnt");
    let mut found = Vec::new();
    for process in examined.processes() {
        if process.program() == "dockerd"
            && rights::is_own(process.starter())
            && process.is_here(own.as_deref())
        {
            found.push(live_restore_of(process, examined));
        }
    }
    if found.is_empty() {
        found.push(Found::ok("no Docker daemon runs"));
    }
    found
}

fn live_restore_of(process: &Process, examined: &Examination<'_>) -> Found {
    match is_on(process) {
        Ok(true) => return Found::ok("live-restore is on"),
        Ok(false) => {}
        Err(fault) => {
            return Found::unknown(format!("cannot tell whether live-restore is on: {fault}"));
        }
    }
    let doomed = examined.doomed();
    let mut number = 0;
    for engine in &doomed.engines {
        number += usize::from(*engine == Engine::Docker);
    }
    match (number, doomed.faults.first()) {
        (0, None) => {
            Found::ok("live-restore is off, and the list refuses no running container of Docker")
        }
        (0, Some(fault)) => Found::unknown(format!(
            "live-restore is off, and not every container could be read: {fault}"
        )),
        (number, _) => Found::warning(format!(
            "live-restore is off: a restart of Docker stops {} that would not start again",
            amount(number, "container")
        ))
        .hint("set \"live-restore\": true in daemon.json, and reload: kill -HUP the daemon"),
    }
}

/// Whether this daemon has live-restore, by its flags or by its settings.
fn is_on(process: &Process) -> Result<bool, String> {
    for word in &process.arguments {
        match word.to_str() {
            Some("--live-restore" | "--live-restore=true") => return Ok(true),
            Some("--live-restore=false") => return Ok(false),
            Some(_) | None => {}
        }
    }
    let named = process.value("--config-file").map(Path::new);
    let file = named.unwrap_or(Path::new(DOCKER_SETTINGS));
    let text = match file::read_text(file, LARGEST, Guard::Owned) {
        Ok(text) => text,
        Err(error) if error.is_absent() => return Ok(false),
        Err(error) => return Err(causes(&error)),
    };
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Ok(false);
    }
    match serde_json::from_str::<RestartSettings>(text) {
        Ok(settings) => Ok(settings.live_restore),
        Err(error) => Err(format!("{}: {error}", line::path(file))),
    }
}

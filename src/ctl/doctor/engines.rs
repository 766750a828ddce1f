//! Checks where the engines are, and what a restart of Docker would do.
//!
//! In: the processes of this machine, and the directories in the settings. Out: what was found. A
//! process chooses its own name; only root's and the caller's processes are looked at.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::examination::Examination;
use super::files::not_this_machine;
use super::finding::Found;
use crate::container::engine::Engine;
use crate::node::coverage::{self, DAEMONS};
use crate::node::live_restore::{self, LiveRestore};
use crate::node::processes::{Process, own_namespace};
use crate::node::runtime_state::Whose;
use crate::node::{discovery, places};
use crate::report::amount;
use crate::report::line;
use crate::settings::Engines;
use crate::sys::{process, rights};

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
        // What this caller may not see is the business of `not-root`.
        let is_elsewhere = process.mounts().is_some() && process.mounts() != own.as_deref();
        if is_daemon && rights::is_own(process.starter()) && is_elsewhere {
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
    let mut found = Vec::new();
    for process in coverage::daemons(examined.processes()) {
        if process.program() == "dockerd" {
            found.push(live_restore_of(process, examined));
        }
    }
    if found.is_empty() && process::is_privileged() {
        found.push(Found::ok("no Docker daemon runs"));
    } else if found.is_empty() {
        found.push(Found::unknown("cannot tell whether a Docker daemon runs").hint("run as root"));
    }
    found
}

fn live_restore_of(process: &Process, examined: &Examination<'_>) -> Found {
    match live_restore::of_daemon(process, examined.paths) {
        LiveRestore::On => return Found::ok("live-restore is on"),
        LiveRestore::Off => {}
        LiveRestore::Unknown(fault) => {
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

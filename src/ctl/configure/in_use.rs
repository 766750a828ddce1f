//! Refuses to take away a runtime by whose name an engine still has containers.
//!
//! Docker and Podman keep the runtime's name in the container's record. Without a runtime of that
//! name Docker cannot start the container again, and Podman cannot even stop it or run a command in
//! it (seen with 4.3.1). In: a plan, Docker's records, and what Podman says about root's
//! containers. Out: an error if a container would lose its runtime, or if that cannot be told. Not
//! checked: containers of ordinary users' Podman, CRI-O and containerd.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::error::ConfigureError;
use super::form::Form;
use super::plan::{Aim, ConfigurePlan};
use super::record::RecordedFile;
use crate::ctl::CtlError;
use crate::ctl::command::{self, Ended};
use crate::delegate;
use crate::node::runtime_state::Whose;
use crate::node::{discovery, places, processes};
use crate::paths::Paths;
use crate::report::{amount, line};
use crate::settings::{self, Engines};
use crate::sys::file::{self, FileError, Guard};

/// The largest record of a container that is read, in bytes.
const LARGEST_RECORD: u64 = 16 << 20;

/// How long Podman may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct HostRecord {
    #[serde(rename = "Runtime", default)]
    runtime: Option<String>,
}

/// Refuses the plan if a container needs a runtime's name that the plan takes away.
pub(super) fn none(plan: &ConfigurePlan, paths: &Paths) -> Result<(), CtlError> {
    for file in plan.record.iter().flat_map(|record| &record.files) {
        let names = lost(file, &plan.aim);
        if names.is_empty() {
            continue;
        }
        let used = match file.form {
            Form::DaemonJson => of_docker(paths)?,
            Form::Podman => of_podman(paths)?,
            Form::Containerd | Form::Crio(_) | Form::BuildKit | Form::Service => Vec::new(),
        };
        for name in names {
            let count = used.iter().filter(|used| *used == name).count();
            if count > 0 {
                let containers = amount(count as u64, "container");
                return Err(ConfigureError::InUse(name.to_owned(), containers).into());
            }
        }
    }
    Ok(())
}

/// The names of runtimes that the file has, and will not have any more.
fn lost<'a>(file: &'a RecordedFile, aim: &Aim) -> Vec<&'a str> {
    let mut names: Vec<&str> = file.entries().map(|entry| entry.name.as_str()).collect();
    match aim {
        Aim::Undo => {}
        Aim::Add(entry) => names.retain(|name| *name != entry.name),
    }
    names
}

/// The runtime names of Docker's containers, one for each container.
fn of_docker(paths: &Paths) -> Result<Vec<String>, ConfigureError> {
    let settings = settings::load(paths).ok().flatten();
    let engines = settings
        .map(|settings| settings.engines)
        .unwrap_or_default();
    let mut names = Vec::new();
    for root in docker_roots(paths, &engines) {
        of_root(&root, &mut names).map_err(ConfigureError::Unread)?;
    }
    Ok(names)
}

/// Adds the runtime names of the containers in one root directory of Docker's.
fn of_root(root: &Path, names: &mut Vec<String>) -> Result<(), FileError> {
    let directory = root.join("containers");
    let failed = FileError::io(&directory);
    let entries = match std::fs::read_dir(&directory).map_err(failed) {
        Ok(entries) => entries,
        Err(error) if error.is_absent() => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let record = entry.map_err(failed)?.path().join("hostconfig.json");
        let bytes = match file::read(&record, LARGEST_RECORD, Guard::NoLink) {
            Ok(bytes) => bytes,
            Err(error) if error.is_absent() => continue,
            Err(error) => return Err(error),
        };
        // A container with a damaged record does not exist for Docker.
        let record = serde_json::from_slice::<HostRecord>(&bytes).ok();
        names.extend(record.and_then(|record| record.runtime));
    }
    Ok(())
}

fn docker_roots(paths: &Paths, engines: &Engines) -> Vec<PathBuf> {
    let known = places::of_node(paths, engines, Whose::Own);
    let processes = processes::of_node(paths);
    discovery::with_found(known, &processes, paths, &mut Vec::new()).docker
}

/// The runtime names of root's Podman containers, one for each container. Podman's database has
/// several forms, so Podman itself is asked.
fn of_podman(paths: &Paths) -> Result<Vec<String>, ConfigureError> {
    let Some(podman) =
        delegate::installed("podman", paths).filter(|_| paths.root == Path::new("/"))
    else {
        return Ok(Vec::new());
    };
    let ids = asked(&podman, &["ps", "--all", "--quiet", "--no-trunc"])?;
    let is_id = |line: &&str| line.len() == 64 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
    let ids: Vec<&str> = ids.output.lines().filter(is_id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let words = ["container", "inspect", "--format", "{{.OCIRuntime}}"];
    let names = asked(&podman, &[&words[..], &ids[..]].concat())?;
    Ok(names.output.lines().map(str::to_owned).collect())
}

fn asked(podman: &Path, words: &[&str]) -> Result<Ended, ConfigureError> {
    match command::run(podman, words, b"", PATIENCE) {
        Ok(ended) if ended.is_success => Ok(ended),
        Ok(ended) => Err(ConfigureError::Unasked(ended.ending())),
        Err(error) => Err(ConfigureError::Unasked(line::causes(&error))),
    }
}

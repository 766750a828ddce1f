//! Finds the directories in which the running engines have their stores and runtimes have their
//! state.
//!
//! In: processes, Docker's settings file, and the arguments of shims and conmon. Out: [`Engines`],
//! the directories to search besides the usual directories. Hostile: a process in a container can
//! run as root there and put anything into its arguments. So only root's or the caller's own
//! processes are used, and only in the caller's mount namespace. A user can start some of root's
//! programs with any name and any arguments. So a process is not used if the process got root's
//! rights from the mode of its file (set-user-ID), or if the process runs another program than its
//! arguments say (sudo). The directories found here are read as carefully as the usual directories:
//! whoever owns a directory controls what is in it.
//!
//! | from | what |
//! |---|---|
//! | `dockerd --data-root --exec-root --config-file`, `/etc/docker/daemon.json` | Docker's data root; `<exec-root>/runtime-runc` |
//! | `storage.conf` (root's) and its drop-ins | graph roots and the run root |
//! | `containerd --root --state --config`, its settings and what they import | containerd's root and state |
//! | a shim's bundle, and every bundle beside it: `options.json`, `root` | runc's state directory (`ctr run --runc-root`, Docker's `exec-root`) |
//! | `conmon --runtime-arg --root=DIR`, `--exit-command-arg --root --exit-command-arg DIR` | the runtime's state directory; the store |
//! | `runc --root DIR run`, `crun --root DIR run` | the runtime's state directory |
//!
//! Seen with Docker 20.10.24, containerd 1.6.20, Podman 4.3.1, runc 1.1.5.

pub(crate) mod containerd;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use self::containerd::ContainerdSettings;
use super::monitors::Monitor;
use super::places::{add_new, below, joined};
use super::processes::{Process, own_namespace};
use crate::call::{self, Call};
use crate::lineage::storage::conf::{self, StorageSettings};
use crate::paths::Paths;
use crate::report::line;
use crate::settings::{ContainerdPlace, Engines, StoragePlace};
use crate::sys::directory::Directory;
use crate::sys::file::{self, FileError, Guard};
use crate::sys::rights;

/// The largest settings file of an engine that is read, in bytes.
const LARGEST_SETTINGS: u64 = 1 << 20;

/// The largest `options.json` of a shim that is read, in bytes.
const LARGEST_OPTIONS: u64 = 64 << 10;

/// The part of Docker's settings that names Docker's directories (moby: daemon/config).
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct DockerSettings {
    #[serde(default, alias = "graph")]
    data_root: Option<PathBuf>,
    #[serde(default)]
    exec_root: Option<PathBuf>,
}

/// The options that a shim got in a file, besides its arguments (containerd:
/// cmd/containerd-shim-runc-v2/process, `WriteOptions`).
#[derive(Default, Deserialize)]
struct ShimOptions {
    #[serde(default)]
    root: Option<PathBuf>,
}

/// Why an engine's settings could not be read. The engine's directories are then not known.
#[derive(Debug, Error)]
pub enum EngineSettingsError {
    /// The file could not be read, or other users may write to the file.
    #[error(transparent)]
    File(FileError),
    /// The file does not have the format of the engine's settings.
    #[error("cannot parse the engine's settings {0:?}: {1}")]
    Parse(PathBuf, String),
}

impl EngineSettingsError {
    /// The file that could not be read.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::File(error) => error.path(),
            Self::Parse(path, _) => path,
        }
    }
}

/// The text of an engine's settings; `None` if the file is missing or empty. A symbolic link is
/// followed, as engines do. A reason why the file could not be read goes to `faults`.
pub(super) fn text_of(path: &Path, faults: &mut Vec<EngineSettingsError>) -> Option<String> {
    match file::read_text(&file::target(path), LARGEST_SETTINGS, Guard::Owned) {
        // Docker skips a byte order mark.
        Ok(text) => Some(text.trim_start_matches('\u{feff}').trim().to_owned())
            .filter(|text| !text.is_empty()),
        Err(error) => {
            if !error.is_absent() && path != Path::new("/dev/null") {
                faults.push(EngineSettingsError::File(error));
            }
            None
        }
    }
}

/// What a settings file says; the default if it cannot be parsed, and the reason goes to `faults`.
pub(super) fn parsed<T: Default>(
    path: &Path,
    parsed: Result<T, String>,
    faults: &mut Vec<EngineSettingsError>,
) -> T {
    parsed.unwrap_or_else(|fault| {
        let fault = line::one_line(&fault);
        faults.push(EngineSettingsError::Parse(path.to_owned(), fault));
        T::default()
    })
}

/// The directories that the node's engines use, as far as these directories can be found. If an
/// engine's settings cannot be read, the reason is added to `faults`.
#[must_use]
pub fn places(
    processes: &[Process],
    paths: &Paths,
    faults: &mut Vec<EngineSettingsError>,
) -> Engines {
    let mut found = Engines::default();
    let docker_settings = paths.root.join("etc/docker/daemon.json");
    add_docker(&mut found, &docker_settings, None, None, faults);
    let storage_settings = conf::SETTINGS.map(|file| paths.of_node(Path::new(file)));
    found.storage.extend(storage(&storage_settings));
    for (path, fault) in conf::faults(&storage_settings) {
        faults.push(EngineSettingsError::Parse(path, line::one_line(&fault)));
    }
    let own = own_namespace("mnt");
    let mut parents = BTreeSet::new();
    for process in processes {
        if process.is_first {
            parents.insert(process.parent);
        }
    }
    let mut tasks = BTreeSet::new();
    for process in processes {
        if !may_say(process, &parents)
            || !rights::is_own(process.starter())
            || !process.is_here(own.as_deref())
        {
            continue;
        }
        match (Monitor::of(process), process.program()) {
            (Some(monitor), _) => {
                found.runtime_roots.extend(monitor.roots(process));
                found.storage.extend(stored(process));
                if let (Some(_), Some(bundle)) = (monitor.namespace, monitor.bundle) {
                    tasks.extend(bundle.parent().map(PathBuf::from));
                }
            }
            (None, "dockerd") => {
                let settings = flag(process, &["--config-file"]);
                let data_root = flag(process, &["--data-root", "-g", "--graph"]);
                let exec_root = flag(process, &["--exec-root"]);
                let settings = settings.as_deref().unwrap_or(&docker_settings);
                add_docker(&mut found, settings, data_root, exec_root, faults);
            }
            (None, "containerd") => found.containerd.push(containerd(process, paths, faults)),
            (None, _) => found.runtime_roots.extend(called(process)),
        }
    }
    for tasks in tasks {
        found.runtime_roots.extend(shims_roots(&tasks));
    }
    // Removes duplicates, and keeps the order.
    joined(Engines::default(), &found)
}

/// Whether the arguments of a process may name directories, because the process is a monitor, an
/// engine, or the parent of a container's first process.
fn may_say(process: &Process, parents: &BTreeSet<u32>) -> bool {
    let program = process.program();
    parents.contains(&process.pid)
        || ["dockerd", "containerd", "conmon"].contains(&program)
        || program.starts_with("containerd-shim-")
}

/// The path after the first of these flags that occurs in a process's arguments.
pub(crate) fn flag(process: &Process, flags: &[&str]) -> Option<PathBuf> {
    let value = flags.iter().find_map(|flag| process.value(flag))?;
    Some(absolute(process, value))
}

fn add_docker(
    found: &mut Engines,
    file: &Path,
    data_root: Option<PathBuf>,
    exec_root: Option<PathBuf>,
    faults: &mut Vec<EngineSettingsError>,
) {
    let settings: DockerSettings = match text_of(file, faults) {
        Some(text) => {
            let read = serde_json::from_str(&text).map_err(|error| error.to_string());
            parsed(file, read, faults)
        }
        None => DockerSettings::default(),
    };
    if let Some(root) = data_root.or(settings.data_root)
        && root.is_absolute()
    {
        found.docker.push(root);
    }
    if let Some(root) = exec_root.or(settings.exec_root)
        && root.is_absolute()
    {
        found.runtime_roots.push(root.join("runtime-runc"));
    }
}

/// The directories of a running containerd: from its arguments, else from its settings, else the
/// usual directories. Go's flags accept one dash instead of two.
fn containerd(
    process: &Process,
    paths: &Paths,
    faults: &mut Vec<EngineSettingsError>,
) -> ContainerdPlace {
    let file = containerd::settings_of(process);
    let settings = ContainerdSettings::load(&file, paths, faults);
    let root = flag(process, &["--root", "-root"]).or(settings.root);
    let state = flag(process, &["--state", "-state"]).or(settings.state);
    ContainerdPlace {
        root: root.unwrap_or(PathBuf::from("/var/lib/containerd")),
        state: Some(state.unwrap_or(PathBuf::from("/run/containerd"))),
    }
}

/// The stores that the settings files of containers/storage name.
fn storage(files: &[PathBuf]) -> Vec<StoragePlace> {
    let StorageSettings {
        graph_roots,
        run_root,
        ..
    } = StorageSettings::load(files);
    let run_root = run_root.unwrap_or(PathBuf::from("/run/containers/storage"));
    let mut places = Vec::new();
    for root in graph_roots {
        let run_root = Some(run_root.clone());
        places.push(StoragePlace { root, run_root });
    }
    places
}

/// The store that Podman names in the command that conmon runs when the container exits.
fn stored(conmon: &Process) -> Option<StoragePlace> {
    let words: Vec<&OsStr> = conmon.values("--exit-command-arg").collect();
    Some(StoragePlace {
        root: after("--root", &words)?,
        run_root: after("--runroot", &words),
    })
}

/// The absolute path after a flag.
fn after(flag: &str, words: &[&OsStr]) -> Option<PathBuf> {
    let at = words.iter().position(|word| *word == flag)?;
    let path = Path::new(words.get(at + 1)?);
    path.is_absolute().then(|| path.to_owned())
}

/// The state directories named by a runtime process that stays alive as long as its container, as
/// `runc run` does without `--detach`.
fn called(process: &Process) -> Vec<PathBuf> {
    let words = process.arguments.iter().skip(1);
    let words: Vec<&OsStr> = words.map(AsRef::as_ref).collect();
    let Call::Starts(starts) = call::read(&words) else {
        return Vec::new();
    };
    let mut roots = Vec::new();
    for reading in &starts.readings {
        roots.extend(reading.globals.root.map(|root| absolute(process, root)));
    }
    roots
}

/// The state directories that were passed to the shims of one containerd namespace. The directories
/// are read from the bundles in `tasks`.
fn shims_roots(tasks: &Path) -> BTreeSet<PathBuf> {
    let mut roots = BTreeSet::new();
    let Ok(tasks) = Directory::open(tasks) else {
        return roots;
    };
    for bundle in tasks.entries().into_iter().flatten().flatten() {
        roots.extend(shims_root(&tasks, &bundle.file_name()));
    }
    roots
}

/// The state directory that a shim was given, as the options file in the bundle of this name says.
/// A file that another user wrote is not used.
fn shims_root(tasks: &Directory, bundle: &OsStr) -> Option<PathBuf> {
    let bundle = tasks.directory(bundle).ok()?;
    let options = bundle
        .read(OsStr::new("options.json"), LARGEST_OPTIONS)
        .ok()?;
    let ShimOptions { root } = serde_json::from_slice(&options.bytes).ok()?;
    root.filter(|root| rights::is_own(options.owner) && root.is_absolute())
}

fn absolute(process: &Process, path: &OsStr) -> PathBuf {
    let directory = process.working_directory();
    directory.unwrap_or(Path::new("/")).join(path)
}

/// The `known` directories, and the directories that the engines' settings and `processes` name,
/// without duplicates. If settings cannot be read, the reason is added to `faults`.
#[must_use]
pub fn with_found(
    mut known: Engines,
    processes: &[Process],
    paths: &Paths,
    faults: &mut Vec<EngineSettingsError>,
) -> Engines {
    let found = below(paths, &places(processes, paths, faults));
    // The arguments of a process never replace the usual directories or what root wrote into the
    // settings.
    add_new(&mut known.docker, &found.docker, PartialEq::eq);
    add_new(&mut known.containerd, &found.containerd, PartialEq::eq);
    add_new(&mut known.storage, &found.storage, PartialEq::eq);
    add_new(
        &mut known.runtime_roots,
        &found.runtime_roots,
        PartialEq::eq,
    );
    known
}

#[cfg(test)]
mod tests;

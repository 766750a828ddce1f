//! Finds where the running engines keep their stores, and where runtimes keep their state.
//!
//! In: processes, Docker's settings file, and the arguments of shims and conmon. Out: [`Engines`],
//! the places to search besides the usual ones. Hostile: a process in a container can run as root
//! there and put anything into its arguments. So only root's or the caller's own processes count,
//! and only in the caller's mount namespace. A user can start some of root's programs with any name
//! and any arguments. So a process does not count if it got root's rights from the mode of its file
//! (set-user-ID), or if it runs another program than its arguments say (sudo). The directories
//! found here are read as carefully as the usual places: whoever owns a directory controls what is
//! in it.
//!
//! | from | what |
//! |---|---|
//! | `dockerd --data-root --exec-root --config-file`, `/etc/docker/daemon.json` | Docker's data root; `<exec-root>/runtime-runc` |
//! | `storage.conf` (root's) and its drop-ins | graph roots and the run root |
//! | `containerd --root --state --config` | containerd's root and state |
//! | a shim's bundle, and every bundle beside it: `options.json`, `root` | runc's state directory (`ctr run --runc-root`, Docker's `exec-root`) |
//! | `conmon --runtime-arg --root=DIR`, `--exit-command-arg --root --exit-command-arg DIR` | the runtime's state directory; the store |
//! | `runc --root DIR run`, `crun --root DIR run` | the runtime's state directory |
//!
//! Seen with Docker 20.10.24, containerd 1.6.20, Podman 4.3.1, runc 1.1.5.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

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

/// The part of Docker's settings that says where Docker keeps things (moby: daemon/config).
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct DockerSettings {
    #[serde(default, alias = "graph")]
    data_root: Option<PathBuf>,
    #[serde(default)]
    exec_root: Option<PathBuf>,
}

/// The same part of containerd's settings (containerd: cmd/containerd/server/config).
#[derive(Default, Deserialize)]
struct ContainerdSettings {
    #[serde(default)]
    root: Option<PathBuf>,
    #[serde(default)]
    state: Option<PathBuf>,
}

/// The options that a shim got in a file, besides its arguments (containerd:
/// cmd/containerd-shim-runc-v2/process, `WriteOptions`).
#[derive(Default, Deserialize)]
struct ShimOptions {
    #[serde(default)]
    root: Option<PathBuf>,
}

/// Why an engine's settings could not be read. The engine's places are then not known.
#[derive(Debug)]
pub enum SettingsError {
    /// The file could not be read, or others may write to it.
    File(FileError),
    /// The file does not have the format of the engine's settings.
    Parse(PathBuf, String),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Parse(path, fault) => {
                write!(f, "cannot parse the engine's settings {path:?}: {fault}")
            }
        }
    }
}

impl std::error::Error for SettingsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => error.source(),
            Self::Parse(..) => None,
        }
    }
}

/// Reads an engine's settings; the default if the file is missing or empty. If the file cannot be
/// read, the reason is added to `faults`.
fn settings<T: Default>(
    path: &Path,
    parse: impl FnOnce(&str) -> Result<T, String>,
    faults: &mut Vec<SettingsError>,
) -> T {
    let text = match file::read_text(path, LARGEST_SETTINGS, Guard::Owned) {
        Ok(text) => text,
        Err(error) => {
            let is_none = error.is_absent() || path == Path::new("/dev/null");
            faults.extend((!is_none).then_some(SettingsError::File(error)));
            return T::default();
        }
    };
    // Docker skips a byte order mark.
    match text.trim_start_matches('\u{feff}').trim() {
        "" => T::default(),
        text => parse(text).unwrap_or_else(|fault| {
            faults.push(SettingsError::Parse(
                path.to_owned(),
                line::one_line(&fault),
            ));
            T::default()
        }),
    }
}

/// The places that the node's engines use, as far as they can be found. If an engine's settings
/// cannot be read, the reason is added to `faults`.
#[must_use]
pub fn places(processes: &[Process], paths: &Paths, faults: &mut Vec<SettingsError>) -> Engines {
    let mut found = Engines::default();
    let settings = paths.root.join("etc/docker/daemon.json");
    add_docker(&mut found, &settings, None, None, faults);
    found.storage.extend(storage(
        &conf::SETTINGS.map(|file| paths.of_node(Path::new(file))),
    ));
    let own = own_namespace("mnt");
    let vouched = |process: &&Process| {
        process.is_of_one_user && rights::is_own(process.user) && process.is_here(own.as_deref())
    };
    let parents: BTreeSet<u32> = processes
        .iter()
        .filter(|process| process.is_first)
        .map(|process| process.parent)
        .collect();
    let mut tasks = BTreeSet::new();
    for process in processes
        .iter()
        .filter(|process| may_say(process, &parents))
        .filter(vouched)
    {
        match (Monitor::of(process), process.program()) {
            (Some(monitor), _) => {
                found.runtime_roots.extend(monitor.roots(process));
                found.storage.extend(stored(process));
                tasks.extend(
                    monitor
                        .namespace
                        .and(monitor.bundle)
                        .and_then(|bundle| Some(bundle.parent()?.to_owned())),
                );
            }
            (None, "dockerd") => {
                let of = |flag| process.value(flag).map(|value| absolute(process, value));
                let settings = of("--config-file").unwrap_or_else(|| settings.clone());
                let data_root = of("--data-root")
                    .or_else(|| of("-g"))
                    .or_else(|| of("--graph"));
                add_docker(&mut found, &settings, data_root, of("--exec-root"), faults);
            }
            (None, "containerd") => found.containerd.push(containerd(process, faults)),
            (None, _) => found.runtime_roots.extend(called(process)),
        }
    }
    found
        .runtime_roots
        .extend(tasks.iter().flat_map(|tasks| shims_roots(tasks)));
    // Removes duplicates, and keeps the order.
    joined(Engines::default(), &found)
}

/// Whether a process needs a closer look, because it is a monitor, an engine, or the parent of a
/// container's first process.
fn may_say(process: &Process, parents: &BTreeSet<u32>) -> bool {
    let program = process.program();
    parents.contains(&process.pid)
        || ["dockerd", "containerd", "conmon"].contains(&program)
        || program.starts_with("containerd-shim-")
}

fn add_docker(
    found: &mut Engines,
    file: &Path,
    data_root: Option<PathBuf>,
    exec_root: Option<PathBuf>,
    faults: &mut Vec<SettingsError>,
) {
    let settings: DockerSettings = settings(
        file,
        |text| serde_json::from_str(text).map_err(|fault| fault.to_string()),
        faults,
    );
    let is_absolute = |path: &PathBuf| path.is_absolute();
    found
        .docker
        .extend(data_root.or(settings.data_root).filter(is_absolute));
    found.runtime_roots.extend(
        exec_root
            .or(settings.exec_root)
            .filter(is_absolute)
            .map(|root| root.join("runtime-runc")),
    );
}

/// The places of a running containerd: from its arguments, else from its settings, else the usual
/// ones.
fn containerd(process: &Process, faults: &mut Vec<SettingsError>) -> ContainerdPlace {
    // Go's flags accept one dash instead of two.
    let value = |flag| process.value(flag).map(|value| absolute(process, value));
    let of = |names: [&'static str; 3]| names.into_iter().find_map(value);
    let file =
        of(["--config", "-config", "-c"]).unwrap_or_else(|| "/etc/containerd/config.toml".into());
    let settings: ContainerdSettings = settings(
        &file,
        |text| toml::from_str(text).map_err(|fault| fault.to_string()),
        faults,
    );
    let state = of(["--state", "-state", "--state"])
        .or(settings.state)
        .unwrap_or_else(|| "/run/containerd".into());
    let root = of(["--root", "-root", "--root"])
        .or(settings.root)
        .unwrap_or_else(|| "/var/lib/containerd".into());
    ContainerdPlace {
        root,
        state: Some(state),
    }
}

/// The stores that the settings files of containers/storage name.
fn storage(files: &[PathBuf]) -> Vec<StoragePlace> {
    let StorageSettings {
        graph_roots,
        run_root,
        ..
    } = StorageSettings::load(files);
    let run_root = run_root.unwrap_or_else(|| "/run/containers/storage".into());
    graph_roots
        .into_iter()
        .map(|root| StoragePlace {
            root,
            run_root: Some(run_root.clone()),
        })
        .collect()
}

/// The store that Podman names in the command that conmon runs when the container exits.
fn stored(conmon: &Process) -> Option<StoragePlace> {
    let words: Vec<&OsStr> = conmon.values("--exit-command-arg").collect();
    let of = |flag: &str| {
        let at = words.iter().position(|word| *word == flag)?;
        words
            .get(at + 1)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    Some(StoragePlace {
        root: of("--root")?,
        run_root: of("--runroot"),
    })
}

/// The state directories named by a runtime process that stays alive as long as its container, as
/// `runc run` does without `--detach`.
fn called(process: &Process) -> Vec<PathBuf> {
    let words: Vec<&OsStr> = process
        .arguments
        .iter()
        .skip(1)
        .map(AsRef::as_ref)
        .collect();
    match call::read(&words) {
        Call::Starts(starts) => starts
            .readings
            .iter()
            .filter_map(|reading| reading.globals.root)
            .map(|root| absolute(process, root))
            .collect(),
        Call::Check(_) | Call::ExecPatch | Call::PassOn(_) => Vec::new(),
    }
}

/// The state directories that were passed to the shims of one containerd namespace. They are read
/// from the bundles in `tasks`.
fn shims_roots(tasks: &Path) -> Vec<PathBuf> {
    let Ok(directory) = Directory::open(tasks) else {
        return Vec::new();
    };
    let entries = directory.entries().into_iter().flatten().flatten();
    let root = |name: &OsStr| {
        let options = directory
            .directory(name)
            .ok()?
            .read(OsStr::new("options.json"), LARGEST_OPTIONS)
            .ok()?;
        // A file that another user wrote is not believed.
        let is_vouched = rights::is_own(options.owner);
        serde_json::from_slice::<ShimOptions>(&options.bytes)
            .ok()?
            .root
            .filter(|root| is_vouched && root.is_absolute())
    };
    let roots: BTreeSet<PathBuf> = entries
        .filter_map(|entry| root(&entry.file_name()))
        .collect();
    roots.into_iter().collect()
}

fn absolute(process: &Process, path: &OsStr) -> PathBuf {
    process
        .working_directory()
        .unwrap_or_else(|| "/".into())
        .join(path)
}

/// The `known` places, and the places that the engines' settings and `processes` name, without
/// duplicates. If settings cannot be read, the reason is added to `faults`.
#[must_use]
pub fn with_found(
    mut known: Engines,
    processes: &[Process],
    paths: &Paths,
    faults: &mut Vec<SettingsError>,
) -> Engines {
    let found = below(paths, &places(processes, paths, faults));
    // What a process says never replaces the usual places or what root wrote into the settings.
    add_new(&mut known.docker, &found.docker, PartialEq::eq);
    add_new(&mut known.containerd, &found.containerd, |one, other| {
        one.root == other.root && one.state == other.state
    });
    add_new(&mut known.storage, &found.storage, |one, other| {
        one.root == other.root && one.run_root == other.run_root
    });
    add_new(
        &mut known.runtime_roots,
        &found.runtime_roots,
        PartialEq::eq,
    );
    known
}

#[cfg(test)]
mod tests;

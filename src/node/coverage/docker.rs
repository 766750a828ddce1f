//! Finds Docker's runtime names.
//!
//! In: daemon.json, the flags and the environment of dockerd. Out: the names, and the program that
//! Docker's own BuildKit calls. The names `runc` and `io.containerd.runc.v2` always exist; the name
//! `runc` cannot be given to another runtime (moby 20.10 to 28: daemon/runtime_unix.go). Docker
//! 20.10 also has `io.containerd.runtime.v1.linux`, which needs a shim that no longer exists.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::{Daemon, Meaning, RuntimeRole, Search, knows_builder_variable};
use crate::container::engine::Engine;
use crate::node::discovery::{EngineSettingsError, flag, parsed, text_of};
use crate::sys::proc;

/// Docker's settings file.
const SETTINGS: &str = "/etc/docker/daemon.json";

/// The names that every Docker has. Both lead to `runc` in `PATH`.
const STOCK: [&str; 2] = [RUNC, "io.containerd.runc.v2"];

/// The runtime that is the default without any settings.
const RUNC: &str = "runc";

/// The variable that names the runtime of Docker's own BuildKit (moby#47563, Docker 26).
pub(super) const BUILDKIT_VARIABLE: &str = "DOCKER_BUILDKIT_RUNC_COMMAND";

/// The part of daemon.json that names runtimes (moby: daemon/config, api/types/system).
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct DockerRuntimes {
    #[serde(default)]
    default_runtime: Option<String>,
    #[serde(default)]
    runtimes: Option<BTreeMap<String, DockerRuntime>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerRuntime {
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    runtime_type: Option<String>,
    #[serde(default)]
    options: Option<DockerRuntimeOptions>,
}

#[derive(Default, Deserialize)]
struct DockerRuntimeOptions {
    #[serde(rename = "BinaryName", default)]
    binary: Option<String>,
}

impl DockerRuntime {
    /// What the entry leads to. A shim other than runc's calls no OCI runtime, or one of its own.
    fn meaning(&self) -> Meaning<'_> {
        let binary = self
            .options
            .as_ref()
            .and_then(|options| options.binary.as_deref());
        match (&self.path, self.runtime_type.as_deref()) {
            (Some(path), _) => Meaning::Command(path),
            (None, None | Some("io.containerd.runc.v2" | "runc")) => {
                Meaning::Command(binary.filter(|binary| !binary.is_empty()).unwrap_or(RUNC))
            }
            (None, Some(_)) => Meaning::Other,
        }
    }
}

/// Adds the names of every dockerd.
pub(super) fn add(search: &mut Search<'_>) {
    let settings_of = |process: &_| flag(process, &["--config-file"]);
    for daemon in search.daemons(Engine::Docker, "dockerd", SETTINGS, settings_of) {
        let settings = load(&daemon.settings, &mut search.found.faults);
        add_names(search, &daemon, &settings);
        add_builder(search, daemon);
    }
}

fn load(file: &Path, faults: &mut Vec<EngineSettingsError>) -> DockerRuntimes {
    match text_of(file, faults) {
        Some(text) => {
            let read = serde_json::from_str(&text).map_err(|error| error.to_string());
            parsed(file, read, faults)
        }
        None => DockerRuntimes::default(),
    }
}

fn add_names(search: &mut Search<'_>, daemon: &Daemon<'_>, settings: &DockerRuntimes) {
    let default = daemon
        .flag("--default-runtime")
        .or(settings.default_runtime.clone())
        .unwrap_or_else(|| RUNC.to_owned());
    let role_of = |name: &str| {
        if name == default {
            RuntimeRole::Default
        } else {
            RuntimeRole::Choice
        }
    };
    for name in STOCK {
        search.add(daemon, name, role_of(name), &Meaning::Command(RUNC));
    }
    for (name, runtime) in settings.runtimes.iter().flatten() {
        if !STOCK.contains(&name.as_str()) {
            search.add(daemon, name, role_of(name), &runtime.meaning());
        }
    }
    for added in daemon
        .process
        .iter()
        .flat_map(|process| process.values("--add-runtime"))
    {
        if let Some((name, path)) = added.to_string_lossy().split_once('=') {
            search.add(daemon, name, role_of(name), &Meaning::Command(path));
        }
    }
}

/// Adds the runtime of the daemon's own BuildKit.
fn add_builder(search: &mut Search<'_>, daemon: Daemon<'_>) {
    let command = daemon.variable(BUILDKIT_VARIABLE);
    let command = command.filter(|_| knows_variable(search, &daemon));
    let command = command.map(|command| command.to_string_lossy().into_owned());
    let builder = Daemon {
        engine: Engine::BuildKit,
        ..daemon
    };
    let meaning = Meaning::Command(command.as_deref().unwrap_or(RUNC));
    search.add(&builder, "buildkit", RuntimeRole::Default, &meaning);
}

/// Whether this daemon's program reads the variable: an older Docker ignores it.
fn knows_variable(search: &Search<'_>, daemon: &Daemon<'_>) -> bool {
    let program = match daemon.process {
        Some(process) => proc::path(process.pid, "exe"),
        None => search.programs.usual("dockerd").unwrap_or_default(),
    };
    knows_builder_variable(&search.programs.followed(&program))
}

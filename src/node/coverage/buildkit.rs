//! Finds the runtime of a BuildKit that runs by itself.
//!
//! In: buildkitd.toml and the flags of buildkitd (BuildKit: cmd/buildkitd/main_oci_worker.go). Out:
//! one name for each worker that is in use. The worker for containerd starts containers through
//! containerd's shim.

use serde::Deserialize;

use super::{Meaning, RuntimeRole, Search};
use crate::container::engine::Engine;
use crate::node::discovery::containerd::read;
use crate::node::discovery::{flag, text_of};

/// BuildKit's settings file.
const SETTINGS: &str = "/etc/buildkit/buildkitd.toml";

#[derive(Default, Deserialize)]
struct BuildKitSettings {
    #[serde(default)]
    worker: Workers,
}

#[derive(Default, Deserialize)]
struct Workers {
    #[serde(default)]
    oci: Worker,
    #[serde(default)]
    containerd: Worker,
}

#[derive(Default, Deserialize)]
struct Worker {
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    binary: Option<String>,
}

/// Adds the workers of every buildkitd.
pub(super) fn add(search: &mut Search<'_>) {
    let settings_of = |process: &_| flag(process, &["--config", "-config"]);
    for daemon in search.daemons(Engine::BuildKit, "buildkitd", SETTINGS, settings_of) {
        let settings: BuildKitSettings = match text_of(&daemon.settings, &mut search.found.faults) {
            Some(text) => read(&daemon.settings, &text, &mut search.found.faults),
            None => BuildKitSettings::default(),
        };
        let Workers { oci, containerd } = settings.worker;
        if oci.enabled != Some(false) {
            let binary = daemon.flag("--oci-worker-binary").or(oci.binary);
            let binary = binary.filter(|binary| !binary.is_empty());
            let path = daemon.variable("PATH");
            let own = search.programs.find("buildkit-runc", path.as_deref());
            let usual = if own.is_some() {
                "buildkit-runc"
            } else {
                "runc"
            };
            let meaning = Meaning::Command(binary.as_deref().unwrap_or(usual));
            search.add(&daemon, "worker.oci", RuntimeRole::Default, &meaning);
        }
        if containerd.enabled == Some(true) {
            let meaning = Meaning::Command(containerd.binary.as_deref().unwrap_or("runc"));
            search.add(&daemon, "worker.containerd", RuntimeRole::Default, &meaning);
        }
    }
}

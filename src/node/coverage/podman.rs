//! Finds Podman's runtime names.
//!
//! In: root's containers.conf files. Out: the names in them, and the names that Podman knows
//! without settings, as far as their programs are installed. Without `runtime` in the settings,
//! Podman uses `crun`, else `runc` (containers/common: pkg/config/default.go, `findRuntime`; seen
//! with Podman 4.3.1 and 5.8.6). Buildah uses the same settings.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::{Daemon, Environment, Meaning, RuntimeRole, Search};
use crate::container::engine::Engine;
use crate::node::discovery::containerd::read;
use crate::node::discovery::text_of;
use crate::node::drop_ins;

/// The files that all users' engines read; a later one wins.
const SETTINGS: [&str; 2] = [
    "/usr/share/containers/containers.conf",
    "/etc/containers/containers.conf",
];

/// The directories of root's drop-ins. A later file wins.
const DROP_INS: [&str; 2] = [
    "/etc/containers/containers.conf.d",
    "/etc/containers/containers.rootful.conf.d",
];

/// The names that Podman knows without settings.
const KNOWN: [&str; 5] = ["crun", "runc", "youki", "krun", "runsc"];

#[derive(Default, Deserialize)]
struct PodmanSettings {
    #[serde(default)]
    engine: PodmanRuntimes,
}

#[derive(Default, Deserialize)]
struct PodmanRuntimes {
    #[serde(default)]
    runtime: Option<String>,
    #[serde(default)]
    runtimes: BTreeMap<String, Vec<String>>,
}

/// Adds the names of root's Podman.
pub(super) fn add(search: &mut Search<'_>) {
    let [_, settings] = SETTINGS.map(|file| search.paths.of_node(Path::new(file)));
    let is_here = settings.symlink_metadata().is_ok()
        || search.programs.usual("podman").is_some()
        || search.programs.usual("buildah").is_some();
    if !is_here {
        return;
    }
    let daemon = Daemon {
        engine: Engine::Podman,
        process: None,
        settings,
        environment: Environment::Assumed,
    };
    let PodmanRuntimes { runtime, runtimes } = load(search);
    let mut known = Vec::new();
    for name in KNOWN {
        if !runtimes.contains_key(name) && search.programs.usual(name).is_some() {
            known.push(name);
        }
    }
    let default = runtime.filter(|name| !name.is_empty());
    let has = |name| known.contains(&name) || runtimes.contains_key(name);
    let default = default.unwrap_or_else(|| (if has("crun") { "crun" } else { "runc" }).to_owned());
    let role_of = |name: &str| {
        if name == default {
            RuntimeRole::Default
        } else {
            RuntimeRole::Choice
        }
    };
    if default.contains('/') {
        search.add(
            &daemon,
            &default,
            RuntimeRole::Default,
            &Meaning::Command(&default),
        );
    }
    for name in known {
        search.add(&daemon, name, role_of(name), &Meaning::Command(name));
    }
    for (name, places) in &runtimes {
        // Podman uses the first place that exists, else the name in `PATH`.
        let mut places = places.iter();
        let place = places.find(|place| search.programs.find(place, None).is_some());
        let meaning = Meaning::Command(place.unwrap_or(name));
        search.add(&daemon, name, role_of(name), &meaning);
    }
}

fn load(search: &mut Search<'_>) -> PodmanRuntimes {
    let mut files = SETTINGS
        .map(|file| search.paths.of_node(Path::new(file)))
        .to_vec();
    for directory in DROP_INS {
        files.extend(drop_ins::of(
            &search.paths.of_node(Path::new(directory)),
            Some("conf"),
        ));
    }
    let mut all = PodmanRuntimes::default();
    for file in files {
        let Some(text) = text_of(&file, &mut search.found.faults) else {
            continue;
        };
        let one: PodmanSettings = read(&file, &text, &mut search.found.faults);
        all.runtime = one.engine.runtime.or(all.runtime);
        all.runtimes.extend(one.engine.runtimes);
    }
    all
}

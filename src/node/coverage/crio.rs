//! Finds CRI-O's handlers.
//!
//! In: crio.conf, its drop-ins, the flags of crio. Out: the handlers. A handler in a later file
//! replaces the handler of that name (CRI-O: pkg/config/config.go, `UpdateFromFile`). Without any
//! settings the default handler is `crun`, before CRI-O 1.31 `runc`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::{Daemon, Meaning, RuntimeRole, Search};
use crate::container::engine::Engine;
use crate::node::discovery::containerd::read;
use crate::node::discovery::{flag, text_of};
use crate::node::drop_ins;

/// CRI-O's settings file.
const SETTINGS: &str = "/etc/crio/crio.conf";

#[derive(Default, Deserialize)]
struct CrioSettings {
    #[serde(default)]
    crio: Crio,
}

#[derive(Default, Deserialize)]
struct Crio {
    #[serde(default)]
    runtime: CrioRuntimes,
}

#[derive(Default, Deserialize)]
struct CrioRuntimes {
    #[serde(default)]
    default_runtime: Option<String>,
    #[serde(default)]
    runtimes: BTreeMap<String, CrioHandler>,
}

#[derive(Default, Deserialize)]
struct CrioHandler {
    #[serde(default)]
    runtime_path: String,
    #[serde(default)]
    runtime_type: String,
    #[serde(default)]
    inherit_default_runtime: bool,
}

/// Adds the handlers of every CRI-O.
pub(super) fn add(search: &mut Search<'_>) {
    let settings_of = |process: &_| flag(process, &["--config", "-c"]);
    for daemon in search.daemons(Engine::CriO, "crio", SETTINGS, settings_of) {
        let settings = load(search, &daemon);
        add_handlers(search, &daemon, &settings);
    }
}

fn load(search: &mut Search<'_>, daemon: &Daemon<'_>) -> CrioRuntimes {
    let given = daemon
        .process
        .and_then(|process| flag(process, &["--config-dir", "-d"]));
    let mut files = vec![daemon.settings.clone()];
    let usual = daemon.settings.with_file_name("crio.conf.d");
    files.extend(drop_ins::of(&given.unwrap_or(usual), None));
    let mut all = CrioRuntimes::default();
    for file in files {
        let Some(text) = text_of(&file, &mut search.found.faults) else {
            continue;
        };
        let one: CrioSettings = read(&file, &text, &mut search.found.faults);
        let one = one.crio.runtime;
        all.default_runtime = one.default_runtime.or(all.default_runtime);
        all.runtimes.extend(one.runtimes);
    }
    all
}

fn add_handlers(search: &mut Search<'_>, daemon: &Daemon<'_>, settings: &CrioRuntimes) {
    let default = daemon
        .flag("--default-runtime")
        .or(settings.default_runtime.clone());
    let default = default.filter(|name| !name.is_empty());
    let is_default = |name: &str| match &default {
        Some(default) => name == default,
        None => name == "crun" || name == "runc",
    };
    let mut names: Vec<&str> = settings.runtimes.keys().map(String::as_str).collect();
    for usual in ["crun", "runc"] {
        if settings.runtimes.is_empty() && search.programs.usual(usual).is_some() {
            names.push(usual);
        }
    }
    for name in names {
        let role = if is_default(name) {
            RuntimeRole::Default
        } else {
            RuntimeRole::Choice
        };
        let path = path_of(name, default.as_deref(), settings);
        let meaning = match settings
            .runtimes
            .get(name)
            .map(|one| one.runtime_type.as_str())
        {
            Some("vm") => Meaning::Other,
            Some(_) | None => Meaning::Command(path.to_str().unwrap_or(name)),
        };
        search.add(daemon, name, role, &meaning);
    }
}

/// The path of a handler's program, or the handler's name, which is looked up in `PATH`.
fn path_of(name: &str, default: Option<&str>, settings: &CrioRuntimes) -> PathBuf {
    let mut name = name;
    if let Some(default) = default
        && let Some(handler) = settings.runtimes.get(name)
        && handler.inherit_default_runtime
    {
        name = default;
    }
    match settings.runtimes.get(name) {
        Some(handler) if !handler.runtime_path.is_empty() => PathBuf::from(&handler.runtime_path),
        Some(_) | None => PathBuf::from(name),
    }
}

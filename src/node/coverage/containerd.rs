//! Finds the handlers of containerd's CRI.
//!
//! In: containerd's settings of version 1, 2 or 3, and the files that they import. Out: the
//! handlers; and `io.containerd.runc.v2`, by which `ctr` starts `runc` from containerd's `PATH`.
//! Before containerd 2.1 an imported file replaces a whole plugin's table; since 2.1 the tables are
//! merged (containerd#5837). Where the two differ, and so the version decides, the answer is
//! [`CoverageDoubt::Merging`]. Up to containerd 1.7 the handler `runc` exists only without a list
//! of handlers, or if it is in the list; since 2.0 it always exists.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{CoverageDoubt, Covered, Daemon, Meaning, RuntimeRole, Search};
use crate::container::engine::Engine;
use crate::node::discovery::containerd::{SETTINGS, read, settings_of, texts};

/// The names of the plugin that has the CRI's handlers: version 3, 2 and 1 of the settings.
pub(crate) const PLUGINS: [&str; 3] = [
    "io.containerd.cri.v1.runtime",
    "io.containerd.grpc.v1.cri",
    "cri",
];

/// The name by which runc's shim calls `runc` from `PATH`.
const SHIM: &str = "io.containerd.runc.v2";

const RUNC: &str = "runc";

/// The CRI's handlers, as one way of merging gives them.
#[derive(Default)]
struct Handlers {
    default: String,
    by_name: BTreeMap<String, Handler>,
    is_disabled: bool,
}

#[derive(Clone, PartialEq, Eq)]
enum Handler {
    Command(String),
    Other,
}

/// Adds the names of every containerd.
pub(super) fn add(search: &mut Search<'_>) {
    let settings_of = |process: &_| Some(settings_of(process));
    for daemon in search.daemons(Engine::Containerd, "containerd", SETTINGS, settings_of) {
        let mut tables = Vec::new();
        for (file, text) in texts(&daemon.settings, search.paths, &mut search.found.faults) {
            let table: Table = read(&file, &text, &mut search.found.faults);
            tables.push(table);
        }
        add_handlers(search, &daemon, &tables);
        search.add(&daemon, SHIM, RuntimeRole::Root, &Meaning::Command(RUNC));
    }
}

fn add_handlers(search: &mut Search<'_>, daemon: &Daemon<'_>, tables: &[Table]) {
    let mut whole = Table::new();
    let mut parts = Table::new();
    for table in tables {
        replace_plugins(&mut whole, table);
        merge(&mut parts, table);
    }
    let (whole, parts) = (Handlers::of(&whole), Handlers::of(&parts));
    if parts.is_disabled {
        return;
    }
    for (name, handler) in &parts.by_name {
        let role = if *name == parts.default {
            RuntimeRole::Default
        } else {
            RuntimeRole::Choice
        };
        let meaning = match handler {
            Handler::Command(command) => Meaning::Command(command),
            Handler::Other => Meaning::Other,
        };
        search.add(daemon, name, role, &meaning);
        let is_same = whole.by_name.get(name) == Some(handler) && whole.default == parts.default;
        if !is_same && let Some(added) = search.found.names.last_mut() {
            added.covered = Covered::Unknown(CoverageDoubt::Merging);
        }
    }
}

/// Merges as containerd does before 2.1: each plugin's table is replaced.
fn replace_plugins(all: &mut Table, one: &Table) {
    for (key, value) in one {
        match (all.get_mut(key), value) {
            (Some(Value::Table(plugins)), Value::Table(more)) if key == "plugins" => {
                plugins.extend(more.clone());
            }
            _ => drop(all.insert(key.clone(), value.clone())),
        }
    }
}

/// Merges as containerd does since 2.1: table by table.
fn merge(all: &mut Table, one: &Table) {
    for (key, value) in one {
        match (all.get_mut(key), value) {
            (Some(Value::Table(all)), Value::Table(one)) => merge(all, one),
            _ => drop(all.insert(key.clone(), value.clone())),
        }
    }
}

impl Handlers {
    /// The handlers in merged settings.
    fn of(settings: &Table) -> Self {
        let plugin = PLUGINS.iter().find_map(|plugin| cri(settings, plugin));
        let containerd = plugin.and_then(|plugin| table(plugin, "containerd"));
        let default = containerd
            .and_then(|containerd| containerd.get("default_runtime_name"))
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty());
        let mut by_name = BTreeMap::new();
        let listed = containerd.and_then(|containerd| table(containerd, "runtimes"));
        for (name, handler) in listed.into_iter().flatten() {
            by_name.insert(name.clone(), Handler::of(handler));
        }
        let is_always_there = settings.get("version") == Some(&Value::Integer(3));
        if is_always_there || by_name.is_empty() {
            let runc = Handler::Command(RUNC.to_owned());
            by_name.entry(RUNC.to_owned()).or_insert(runc);
        }
        Self {
            default: default.unwrap_or(RUNC).to_owned(),
            by_name,
            is_disabled: is_disabled(settings),
        }
    }
}

impl Handler {
    fn of(handler: &Value) -> Self {
        let word = |key| {
            handler
                .get(key)
                .and_then(Value::as_str)
                .filter(|word| !word.is_empty())
        };
        let binary = handler
            .get("options")
            .and_then(|options| options.get("BinaryName"))
            .and_then(Value::as_str)
            .filter(|binary| !binary.is_empty());
        let engine = binary.or(word("runtime_engine"));
        match word("runtime_type") {
            None | Some(SHIM | "io.containerd.runc.v1" | "io.containerd.runtime.v1.linux") => {
                Self::Command(engine.unwrap_or(RUNC).to_owned())
            }
            Some(_) => Self::Other,
        }
    }
}

fn cri<'t>(settings: &'t Table, plugin: &str) -> Option<&'t Table> {
    table(table(settings, "plugins")?, plugin)
}

fn table<'t>(table: &'t Table, key: &str) -> Option<&'t Table> {
    table.get(key)?.as_table()
}

/// Whether the settings turn the CRI off, as those of Docker's package do.
fn is_disabled(settings: &Table) -> bool {
    let disabled = settings.get("disabled_plugins").and_then(Value::as_array);
    let mut disabled = disabled.into_iter().flatten().filter_map(Value::as_str);
    disabled.any(|plugin| PLUGINS.contains(&plugin))
}

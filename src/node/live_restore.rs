//! Tells whether Docker's containers keep running while Docker is restarted (`live-restore`).
//!
//! In: the running dockerd, and Docker's settings file. Out: [`LiveRestore`]. Without live-restore
//! dockerd stops every container when it ends, and starts the containers with a restart policy
//! again (moby: daemon/daemon.go, `Shutdown`). Hostile: the arguments of processes; only root's own
//! processes are believed, as in [`discovery`](super::discovery). Not checked: whether dockerd has
//! read the file since it was changed.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::coverage;
use super::discovery::{flag, parsed, text_of};
use super::processes::{self, Process};
use crate::paths::Paths;
use crate::report::line;

/// Whether Docker's containers keep running while Docker is restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveRestore {
    /// Every Docker of the node lets its containers run.
    On,
    /// A Docker of the node stops its containers.
    Off,
    /// It is not known, with the reason.
    Unknown(String),
}

/// The key of Docker's settings (moby: daemon/config).
#[derive(Default, Deserialize)]
struct LiveRestoreSettings {
    #[serde(rename = "live-restore", default)]
    live_restore: Option<bool>,
}

/// Whether every Docker of this node lets its containers run. If no Docker runs, its settings file
/// decides.
#[must_use]
pub fn of_node(paths: &Paths) -> LiveRestore {
    let processes = processes::of_node(paths);
    let mut found = Vec::new();
    for process in coverage::daemons(&processes) {
        if process.program() == "dockerd" {
            found.push(of_daemon(process, paths));
        }
    }
    if found.is_empty() {
        found.push(of_settings(&usual_settings(paths)));
    }
    let off = found.iter().find(|one| **one == LiveRestore::Off).cloned();
    let worst = off.or_else(|| found.into_iter().find(|one| *one != LiveRestore::On));
    worst.unwrap_or(LiveRestore::On)
}

/// Whether this dockerd lets its containers run, by its flags or else by its settings file. A flag
/// and the file cannot both say it: dockerd does not start then.
#[must_use]
pub fn of_daemon(process: &Process, paths: &Paths) -> LiveRestore {
    match by_flags(process) {
        Some(live_restore) => live_restore,
        None => match flag(process, &["--config-file"]) {
            Some(file) => of_settings(&file),
            None => of_settings(&usual_settings(paths)),
        },
    }
}

/// The settings file of a dockerd that was given no other.
fn usual_settings(paths: &Paths) -> PathBuf {
    paths.root.join("etc/docker/daemon.json")
}

/// What the last `--live-restore` in the arguments says. The flag takes a value only after `=`, in
/// the words of Go's `strconv.ParseBool`.
fn by_flags(process: &Process) -> Option<LiveRestore> {
    let mut found = None;
    for word in &process.arguments {
        let word = word.to_string_lossy();
        let Some(value) = word.strip_prefix("--live-restore") else {
            continue;
        };
        match value {
            "" | "=1" | "=t" | "=T" | "=true" | "=TRUE" | "=True" => {
                found = Some(LiveRestore::On);
            }
            other if other.starts_with('=') => found = Some(LiveRestore::Off),
            _another_flag => {}
        }
    }
    found
}

fn of_settings(file: &Path) -> LiveRestore {
    let mut faults = Vec::new();
    let settings: LiveRestoreSettings = match text_of(file, &mut faults) {
        Some(text) => {
            let read = serde_json::from_str(&text).map_err(|error| error.to_string());
            parsed(file, read, &mut faults)
        }
        None => LiveRestoreSettings::default(),
    };
    match (faults.first(), settings.live_restore) {
        (Some(fault), _) => LiveRestore::Unknown(line::causes(fault)),
        (None, Some(true)) => LiveRestore::On,
        (None, Some(false) | None) => LiveRestore::Off,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::processes::Asked;
    use std::ffi::OsString;

    fn daemon(line: &str) -> Process {
        Process {
            pid: 1,
            parent: 0,
            user: 0,
            is_of_one_user: true,
            depth: 0,
            is_first: false,
            arguments: line.split(' ').map(OsString::from).collect(),
            asked: Asked::default(),
        }
    }

    #[test]
    fn the_last_flag_decides_and_else_the_settings() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::below(directory.path());
        let file = usual_settings(&paths);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        for (line, settings, expected) in [
            ("dockerd", None, LiveRestore::Off),
            ("dockerd", Some(""), LiveRestore::Off),
            ("dockerd", Some("{}"), LiveRestore::Off),
            (
                "dockerd",
                Some(r#"{"live-restore": true}"#),
                LiveRestore::On,
            ),
            (
                "dockerd",
                Some(r#"{"live-restore": false}"#),
                LiveRestore::Off,
            ),
            ("dockerd --live-restore -H fd://", None, LiveRestore::On),
            ("dockerd --live-restore=true", None, LiveRestore::On),
            (
                "dockerd --live-restore --live-restore=false",
                None,
                LiveRestore::Off,
            ),
            ("dockerd --live-restored", None, LiveRestore::Off),
            (
                "dockerd --config-file /no/daemon.json",
                Some(r#"{"live-restore": true}"#),
                LiveRestore::Off,
            ),
        ] {
            std::fs::remove_file(&file).ok();
            if let Some(settings) = settings {
                crate::sys::replace::replace(&file, 0o644, settings.as_bytes()).unwrap();
            }
            let found = of_daemon(&daemon(line), &paths);
            assert_eq!(found, expected, "{line} {settings:?}");
        }
        for broken in ["{", r#"{"live-restore": "yes"}"#] {
            crate::sys::replace::replace(&file, 0o644, broken.as_bytes()).unwrap();
            let found = of_daemon(&daemon("dockerd"), &paths);
            assert!(
                matches!(found, LiveRestore::Unknown(_)),
                "{broken}: {found:?}"
            );
        }
    }
}

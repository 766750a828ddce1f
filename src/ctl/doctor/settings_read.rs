//! Checks whether the engines that run have read their settings.
//!
//! Every other check of the runtime names goes by the settings files: it says what counts after the
//! next restart. A daemon that was not reloaded since the files changed still does what they said
//! before, and containers start past Embargo although every file names it.
//!
//! In: the engines' defaults, as their settings say. Out: one finding for each engine that runs.
//! Docker is asked for its default, because a reload is enough for it and leaves no trace. Of the
//! other daemons only the age is known: a file that was changed after the start was not read.
//! CRI-O may have been reloaded. Not checked: files that a settings file imports.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use super::examination::Examination;
use super::files::not_this_machine;
use super::finding::Found;
use crate::container::engine::Engine;
use crate::ctl::command;
use crate::delegate;
use crate::node::coverage::{Coverage, Covered, RuntimeName};
use crate::report::line::{self, causes};
use crate::sys::clock::Timestamp;
use crate::sys::{proc, process};

/// How long Docker may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether each engine that runs has read its settings.
pub(super) fn settings_read(examined: &Examination<'_>) -> Vec<Found> {
    if let Some(found) = not_this_machine(examined) {
        return vec![found];
    }
    let coverage = examined.coverage();
    let mut found = Vec::new();
    for name in coverage.defaults() {
        let Some(pid) = name.pid else { continue };
        let judged = match name.engine {
            Engine::Docker => of_docker(name, coverage),
            // Docker's own BuildKit has the settings of its daemon.
            Engine::BuildKit if is_docker(pid, coverage) => continue,
            Engine::Containerd | Engine::CriO | Engine::BuildKit => {
                of_daemon(name, pid, examined.now)
            }
            Engine::Podman | Engine::Buildah | Engine::ContainersStorage | Engine::Unknown => {
                continue;
            }
        };
        found.push(judged.about(name.engine.to_string()));
    }
    if found.is_empty() {
        found.push(Found::ok(
            "no engine runs that reads settings when it starts",
        ));
    }
    found
}

fn is_docker(pid: u32, coverage: &Coverage) -> bool {
    let mut names = coverage.names.iter();
    names.any(|name| name.engine == Engine::Docker && name.pid == Some(pid))
}

fn of_docker(name: &RuntimeName, coverage: &Coverage) -> Found {
    let mut daemons: Vec<u32> = Vec::new();
    for one in &coverage.names {
        if one.engine == Engine::Docker {
            daemons.extend(one.pid);
        }
    }
    daemons.dedup();
    if daemons.len() > 1 {
        return Found::unknown("cannot tell which of several Docker daemons answers");
    }
    if !process::is_privileged() {
        return Found::unknown("cannot ask Docker for its default runtime: the caller is not root")
            .hint("run as root");
    }
    match asked() {
        Ok(default) => docker_says(&default, name, coverage),
        Err(why) => Found::unknown(format!("cannot ask Docker for its default runtime: {why}")),
    }
}

/// What Docker's daemon says is its default runtime, or why it does not say that.
fn asked() -> Result<String, String> {
    let program = delegate::installed("docker", &crate::paths::Paths::below(Path::new("/")))
        .ok_or("docker is in none of the usual directories")?;
    let words = ["info", "--format", "{{.DefaultRuntime}}"];
    let ended = command::run(&program, &words, b"", PATIENCE).map_err(|error| causes(&error))?;
    match ended.first_line() {
        default if ended.is_success && !default.is_empty() => Ok(default.to_owned()),
        _ => Err(ended.ending()),
    }
}

fn docker_says(default: &str, name: &RuntimeName, coverage: &Coverage) -> Found {
    if default == name.name {
        return Found::ok(format!(
            "the default runtime of docker is {}, as its settings say",
            line::name(default)
        ));
    }
    let mut names = coverage.names.iter();
    let is_covered = names.any(|one| {
        one.engine == Engine::Docker && one.name == default && one.covered == Covered::Yes
    });
    let message = format!(
        "the default runtime of docker is still {}: it has not read {}, by which it is {}",
        line::name(default),
        line::path(&name.settings),
        line::name(&name.name)
    );
    let found = if is_covered {
        Found::warning(message)
    } else {
        Found::critical(message)
    };
    found.hint("systemctl reload docker; a default that is gone takes systemctl restart docker")
}

/// Whether a daemon is younger than its settings.
fn of_daemon(name: &RuntimeName, pid: u32, now: Timestamp) -> Found {
    let (engine, settings) = (name.engine, line::path(&name.settings));
    let changed = match fs::metadata(&name.settings) {
        Ok(facts) => Timestamp::from_seconds(u64::try_from(facts.ctime()).unwrap_or(0)),
        Err(_) => return Found::ok(format!("{engine} has no {settings}")),
    };
    match proc::age(pid) {
        Some(age) if is_unread(changed, now, age) => Found::warning(format!(
            "{engine} has run since before {settings} was changed, at {changed}, and may not have \
             read it"
        ))
        .hint(format!(
            "systemctl restart {}",
            if engine == Engine::CriO {
                "crio".to_owned()
            } else {
                engine.to_string()
            }
        )),
        Some(_) => Found::ok(format!("{engine} was started after {settings} was changed")),
        None => Found::unknown(format!("cannot tell since when {engine} runs")),
    }
}

/// Whether a file that was changed at that time is younger than a process of this age, in seconds.
/// A second is left for rounding. On a node whose clock was set back, nothing can be told.
const fn is_unread(changed: Timestamp, now: Timestamp, age: u64) -> bool {
    changed.seconds() <= now.seconds() && now.since(changed) + 1 < age
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::ctl::doctor::finding::CheckLevel;
    use crate::node::coverage::RuntimeRole;

    fn name(name: &str, role: RuntimeRole, covered: Covered) -> RuntimeName {
        RuntimeName {
            engine: Engine::Docker,
            pid: Some(1),
            settings: PathBuf::from("/etc/docker/daemon.json"),
            name: name.to_owned(),
            program: None,
            role,
            covered,
        }
    }

    #[test]
    fn docker_that_has_not_read_its_settings_is_found_by_what_it_says() {
        let coverage = Coverage {
            names: vec![
                name("embargo", RuntimeRole::Default, Covered::Yes),
                name("runc", RuntimeRole::Choice, Covered::No),
                name("other", RuntimeRole::Choice, Covered::Yes),
            ],
            faults: Vec::new(),
        };
        for (says, level) in [
            ("embargo", CheckLevel::Ok),
            ("runc", CheckLevel::Critical),
            ("other", CheckLevel::Warning),
            ("gone", CheckLevel::Critical),
        ] {
            let found = docker_says(says, &coverage.names[0], &coverage);
            assert_eq!(found.level, level, "{says}");
        }
        let found = docker_says("runc", &coverage.names[0], &coverage);
        assert_eq!(
            found.message,
            "the default runtime of docker is still runc: it has not read \
             /etc/docker/daemon.json, by which it is embargo"
        );
    }

    #[test]
    fn a_file_that_is_younger_than_its_daemon_is_not_read() {
        let at = Timestamp::from_seconds;
        for (changed, now, age, is_younger) in [
            (at(100), at(200), 150, true),
            (at(100), at(200), 101, false),
            (at(100), at(200), 50, false),
            // The clock was set back.
            (at(300), at(200), 150, false),
        ] {
            assert_eq!(is_unread(changed, now, age), is_younger, "{changed} {age}");
        }
    }
}

//! Checks the names by which the engines start containers.
//!
//! In: the names that [`coverage`](crate::node::coverage) found. Out: one finding for each
//! name, and one for each engine. A name that only root can choose is no gap: who is root needs no
//! name to get past Embargo.

use std::path::{Path, PathBuf};

use super::examination::Examination;
use super::finding::Found;
use crate::container::engine::Engine;
use crate::node::coverage::{Coverage, CoverageDoubt, Covered, RuntimeName, RuntimeRole};
use crate::report::line::{self, causes};
use crate::sys::process;

/// `docker/runc`.
fn thing(name: &RuntimeName) -> String {
    format!("{}/{}", name.engine, line::name(&name.name))
}

/// The program behind a name, for messages.
fn program(name: &RuntimeName) -> String {
    match &name.program {
        Some(path) => line::path(path),
        None => "a program that is no OCI runtime".to_owned(),
    }
}

/// Whether the engines' settings can be read.
pub(super) fn engine_settings(examined: &Examination<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for fault in &examined.coverage().faults {
        let message = format!("the runtime names in it are not known: {}", causes(fault));
        found.push(Found::unknown(message).about(line::path(fault.path())));
    }
    if found.is_empty() {
        found.push(Found::ok("the engines' settings can be read"));
    }
    found
}

/// Whether Embargo is behind each name.
pub(super) fn coverage(examined: &Examination<'_>) -> Vec<Found> {
    let names = &examined.coverage().names;
    if names.is_empty() {
        return vec![Found::unknown("no engine was found on this node")];
    }
    let mut found = Vec::new();
    for name in names {
        if name.engine != Engine::BuildKit {
            found.push(coverage_of(name));
        }
    }
    found
}

fn coverage_of(name: &RuntimeName) -> Found {
    let engine = name.engine;
    let program = program(name);
    let found = match (name.covered, name.role) {
        (Covered::Yes, RuntimeRole::Default | RuntimeRole::Choice | RuntimeRole::Root) => {
            Found::ok(format!("{program} is Embargo"))
        }
        (Covered::No, RuntimeRole::Default) => Found::critical(format!(
            "every container of {engine} starts through {program}, past Embargo"
        ))
        .hint(configure(engine)),
        (Covered::No, RuntimeRole::Choice) => Found::warning(format!(
            "whoever may use {engine} can choose {program}, past Embargo"
        ))
        .hint("put Embargo in the runtime's place: embargoctl divert"),
        (Covered::No, RuntimeRole::Root) => {
            Found::ok(format!("only root can choose {program}, past Embargo"))
        }
        (Covered::Unknown(CoverageDoubt::Missing), _) => Found::ok(format!(
            "nothing starts by this name: there is no {program}"
        )),
        (Covered::Unknown(doubt), RuntimeRole::Root) => {
            Found::ok(format!("only root can choose {program}: {doubt}"))
        }
        (Covered::Unknown(doubt), RuntimeRole::Default | RuntimeRole::Choice) => Found::unknown(
            format!("cannot tell whether {program} leads to Embargo: {doubt}"),
        ),
    };
    found.about(thing(name))
}

/// The command that makes Embargo an engine's default runtime.
fn configure(engine: Engine) -> String {
    let word = match engine {
        Engine::CriO => "crio".to_owned(),
        Engine::Docker
        | Engine::Containerd
        | Engine::Podman
        | Engine::BuildKit
        | Engine::Buildah
        | Engine::ContainersStorage
        | Engine::Unknown => engine.to_string(),
    };
    format!("make Embargo the default: embargoctl configure {word} --default")
}

/// Whether Embargo is behind each engine's default.
pub(super) fn default_runtime(examined: &Examination<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for name in examined.coverage().defaults() {
        if name.engine == Engine::BuildKit {
            continue;
        }
        let (engine, default) = (name.engine, line::name(&name.name));
        let settings = line::path(&name.settings);
        let judged = match name.covered {
            Covered::Yes => Found::ok(format!("the default of {engine}, {default}, is Embargo")),
            Covered::No => Found::critical(format!(
                "the default of {engine}, {default}, is not Embargo ({settings})"
            ))
            .hint(configure(engine)),
            Covered::Unknown(CoverageDoubt::Missing) => Found::critical(format!(
                "the default of {engine}, {default}, leads to a program that is missing \
                     ({settings})"
            ))
            .hint(configure(engine)),
            Covered::Unknown(doubt) => Found::unknown(format!(
                "cannot tell whether the default of {engine}, {default}, is Embargo: {doubt}"
            )),
        };
        found.push(judged.about(engine.to_string()));
    }
    for engine in without_default(examined.coverage()) {
        let message = format!("cannot tell which runtime is the default of {engine}");
        found.push(Found::unknown(message).about(engine.to_string()));
    }
    if found.is_empty() {
        found.push(Found::unknown("no engine with a default was found"));
    }
    found
}

/// The engines whose users have names to choose from, and whose default is not known: settings
/// that cannot be read may name any.
fn without_default(coverage: &Coverage) -> Vec<Engine> {
    let mut engines = Vec::new();
    for name in &coverage.names {
        let is_known = coverage.defaults().any(|one| one.engine == name.engine);
        if name.role == RuntimeRole::Choice && !is_known && !engines.contains(&name.engine) {
            engines.push(name.engine);
        }
    }
    engines
}

/// Whether Embargo is behind `BuildKit`.
pub(super) fn buildkit(examined: &Examination<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for name in &examined.coverage().names {
        if name.engine != Engine::BuildKit {
            continue;
        }
        let program = program(name);
        let judged = match name.covered {
            Covered::Yes => Found::ok(format!("steps of a build start through Embargo, {program}")),
            Covered::No => Found::warning(format!(
                "steps of a build start through {program}, past Embargo"
            ))
            .hint("embargoctl configure buildkit and a restart, or embargoctl divert"),
            Covered::Unknown(CoverageDoubt::Missing) => {
                Found::ok(format!("no build can start: there is no {program}"))
            }
            Covered::Unknown(doubt) => Found::unknown(format!(
                "cannot tell whether the steps of a build start through Embargo: {doubt}"
            )),
        };
        found.push(judged.about(line::name(&name.name)));
    }
    if found.is_empty() {
        found.push(Found::ok("there is no BuildKit on this node"));
    }
    found
}

/// Whether every program that a setting names exists.
pub(super) fn missing_binary(examined: &Examination<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for name in &examined.coverage().names {
        if name.covered != Covered::Unknown(CoverageDoubt::Missing) {
            continue;
        }
        let (program, settings) = (program(name), line::path(&name.settings));
        let message = format!(
            "{} is {program}, which is missing ({settings})",
            thing(name)
        );
        let judged = match name.role {
            RuntimeRole::Default => Found::critical(message),
            RuntimeRole::Choice | RuntimeRole::Root => Found::warning(message),
        };
        found.push(
            judged
                .about(thing(name))
                .hint(format!("install {program}, or take it out of {settings}")),
        );
    }
    for path in missing(&examined.effective.former_runtimes) {
        let place = line::path(path);
        found.push(
            Found::warning(format!("former_runtimes names {place}, which is missing"))
                .about(place)
                .hint("take it out once no container of it runs any more"),
        );
    }
    if found.is_empty() {
        found.push(Found::ok("every program that a setting names exists"));
    }
    found
}

fn missing(programs: &[PathBuf]) -> Vec<&Path> {
    let mut missing = Vec::new();
    for path in programs {
        if process::identity(path).is_err() {
            missing.push(path.as_path());
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::doctor::finding::CheckLevel;

    fn name(role: RuntimeRole, covered: Covered) -> RuntimeName {
        RuntimeName {
            engine: Engine::Docker,
            pid: Some(1),
            settings: PathBuf::from("/etc/docker/daemon.json"),
            name: "runc".to_owned(),
            program: Some(PathBuf::from("/usr/sbin/runc")),
            role,
            covered,
        }
    }

    #[test]
    fn a_name_is_a_gap_as_far_as_somebody_can_choose_it() {
        let doubt = Covered::Unknown(CoverageDoubt::Wrapper);
        for (role, covered, level) in [
            (RuntimeRole::Default, Covered::Yes, CheckLevel::Ok),
            (RuntimeRole::Default, Covered::No, CheckLevel::Critical),
            (RuntimeRole::Choice, Covered::No, CheckLevel::Warning),
            (RuntimeRole::Root, Covered::No, CheckLevel::Ok),
            (RuntimeRole::Default, doubt, CheckLevel::Unknown),
            (RuntimeRole::Choice, doubt, CheckLevel::Unknown),
            (RuntimeRole::Root, doubt, CheckLevel::Ok),
            (
                RuntimeRole::Choice,
                Covered::Unknown(CoverageDoubt::Missing),
                CheckLevel::Ok,
            ),
        ] {
            let found = coverage_of(&name(role, covered));
            assert_eq!(found.level, level, "{role:?} {covered:?}");
            assert_eq!(found.about.as_deref(), Some("docker/runc"));
        }
        let found = coverage_of(&name(RuntimeRole::Choice, Covered::No));
        assert_eq!(
            found.message,
            "whoever may use docker can choose /usr/sbin/runc, past Embargo"
        );
    }
}

//! Tests that journals are written and read correctly, by many processes at once, and after a kill.

mod events;
mod locking;
mod processes;
mod reading;
mod runs;

use std::ops::ControlFlow;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io::Write};

use super::header::*;
use super::history;
use super::holder::*;
use super::ids::*;
use super::line::*;
use super::lock::*;
use super::new_run::NewRun;
use super::past::*;
use super::runs::*;
use super::*;
use crate::audit::who::*;
use crate::container::engine::Engine;
use crate::container::runtime::RuntimeKind;
use crate::exec_patch::job::{Findings, Work};
use crate::exec_patch::journal::halt::Halt;
use crate::exec_patch::outcome::OutcomeKind;
use crate::exec_patch::request::arguments::{Order, PatchSource, USUAL_PACE};
use crate::exec_patch::request::payload::ProgramFile;
use crate::exec_patch::request::target::{Selector, Targets};
use crate::lineage::digest::Digest;
use crate::paths::Paths;
use crate::report::Exit;
use crate::report::line::causes;

pub(in crate::exec_patch) fn node() -> (tempfile::TempDir, Paths) {
    let directory = tempfile::tempdir().unwrap();
    let paths = Paths::below(directory.path());
    (directory, paths)
}

pub(in crate::exec_patch) fn nobody() -> Sockets {
    Sockets {
        journal: "/nowhere".into(),
        syslog: "/nowhere".into(),
    }
}

pub(in crate::exec_patch) fn alice() -> Who {
    let person = |uid, name: &str| Account {
        uid,
        name: Some(name.to_owned()),
    };
    let (user, login, terminal, host) = (
        person(0, "root"),
        Some(person(1_000, "alice")),
        Some("/dev/pts/3".into()),
        "node-1".into(),
    );
    Who {
        user,
        login,
        sudo: None,
        terminal,
        host,
    }
}

fn order() -> Order {
    let selector = Selector::Bans(vec!["BAN-2026-0007".into()]);
    let target = Targets {
        selector,
        engines: vec![Engine::Docker],
        namespaces: vec![],
        containers: vec![],
    };
    let source = PatchSource::Command(vec!["sh".into(), "-c".into(), "apt-get upgrade".into()]);
    let (environment, check, user, directory, timeout) = (vec![], None, None, None, None);
    Order {
        target,
        source,
        check,
        user,
        environment,
        directory,
        timeout,
        unpause: false,
        again: false,
    }
}

fn work() -> Work {
    let run = vec!["sh".into(), "-c".into(), "apt-get upgrade".into()];
    Work {
        check: None,
        run,
        user: (0, 0),
        environment: vec![],
        directory: None,
        timeout: 1,
        unpause: false,
        program: false,
    }
}

fn digest() -> Digest {
    Digest::of(b"work")
}

fn draft<'a>(program: Option<&'a ProgramFile>) -> NewRun<'a> {
    let carried = vec![Carried {
        digest: digest(),
        ban: None,
        severity: None,
        successor: None,
        program: None,
        command: "sh -c 'apt-get upgrade'".into(),
        work: work(),
    }];
    let terms = RunTerms {
        pace: USUAL_PACE,
        output_limit: 1 << 20,
    };
    let (argv, only_failed) = (vec!["--ban".into(), "BAN-2026-0007".into()], None);
    NewRun {
        by: alice(),
        trigger: Trigger::Typed,
        argv,
        order: order(),
        terms,
        carried,
        program,
        only_failed,
        list_version: Some(412),
    }
}

/// A container that cannot be identified, for this reason.
pub(in crate::exec_patch) fn unidentified(
    id: &str,
    engine: Engine,
    place: &str,
    why: &str,
) -> Unaccounted {
    Unaccounted {
        id: id.to_owned(),
        engine,
        namespace: None,
        name: None,
        place: place.into(),
        why: why.to_owned(),
    }
}

pub(in crate::exec_patch) fn container(id: &str, pid: u32) -> Container {
    let (name, image, image_id) = (Some(format!("web-{pid}")), Some("acme/web:1".into()), None);
    let (kind, root, bundle) = (
        RuntimeKind::Runc,
        "/run/docker/runtime-runc/moby".into(),
        "/b".into(),
    );
    Container {
        id: id.into(),
        engine: Engine::Docker,
        namespace: None,
        name,
        image,
        image_id,
        kind,
        root,
        bundle,
        owner: 0,
        pid,
        started: 7,
    }
}

pub(in crate::exec_patch) fn job(journal: &Journal, number: usize, container: Container) -> Job {
    let (run, journal, runtime) = (
        journal.id().to_string(),
        journal.directory().to_owned(),
        "/usr/sbin/runc".into(),
    );
    Job {
        run,
        journal,
        number,
        container,
        runtime,
        work: work(),
        digest: digest(),
        ban: None,
        severity: None,
        successor: None,
        output_limit: 1,
    }
}

/// The line for a container that will be entered.
pub(in crate::exec_patch) fn planned(container: &Container) -> Planned {
    Planned {
        at: Timestamp::now(),
        container: container.clone(),
        reasons: vec![],
        patches: vec![],
    }
}

/// The line with which a run ends.
pub(in crate::exec_patch) fn finished(journal: &Journal, stopped: Option<Halt>) -> Finished {
    let (run, outcomes) = (journal.id().clone(), [(OutcomeKind::Patched, 1)].into());
    Finished {
        run,
        at: Timestamp::now(),
        exit: 3,
        ok: 1,
        not_ok: 5,
        outcomes,
        stopped,
    }
}

/// What would run in a container because of this ban.
pub(in crate::exec_patch) fn payload(ban: Option<&str>) -> Payload {
    Payload {
        digest: digest(),
        ..Payload::new(work(), None, ban.map(str::to_owned))
    }
}

fn done(outcome: Outcome) -> JobResult {
    let found = Findings {
        duration_ms: 1_250,
        output_bytes: 3,
        output_tail: "ok\n".into(),
        ..Findings::default()
    };
    JobResult { outcome, found }
}

/// A run under way, before anything has happened.
pub(in crate::exec_patch) fn started(paths: &Paths) -> (Lock, Journal) {
    let mut lock = Lock::take(paths).unwrap();
    let journal = Journal::create(nobody(), &mut lock, draft(None)).unwrap();
    (lock, journal)
}

pub(in crate::exec_patch) fn treat(
    journal: &Journal,
    number: usize,
    container: Container,
    outcome: Outcome,
) {
    let job = job(journal, number, container);
    journal.started(&job, false).unwrap();
    journal.ended(&job, &done(outcome)).unwrap();
}

pub(in crate::exec_patch) fn failed(status: i32) -> Outcome {
    Outcome::Failed {
        stage: crate::exec_patch::outcome::Stage::Command,
        status,
    }
}

fn append(path: &Path, bytes: &[u8]) {
    fs::OpenOptions::new()
        .append(true)
        .open(path)
        .unwrap()
        .write_all(bytes)
        .unwrap();
}

//! Says how an engine reads its new settings, and makes it do so.
//!
//! - Docker, added: a reload. SIGHUP reads `runtimes` and `default-runtime` (moby:
//!   daemon/reload.go). Containers keep running.
//! - Docker, undone: a restart, because a reload keeps a default that is gone from the file (seen
//!   with 20.10.24 and 28). Without live-restore the containers are stopped.
//! - BuildKit in Docker: a restart, because the environment is read only at the start. Without
//!   live-restore the containers are stopped.
//! - containerd, CRI-O: a restart. Containers keep running: shims and conmon stay.
//! - BuildKit: a restart. Build steps that run fail.
//! - Podman: nothing, because there is no daemon.

use std::path::Path;

use super::ConfiguredEngine;
use super::checker;
use super::error::ConfigureError;
use super::form::Form;
use super::plan::{Aim, ConfigurePlan};
use crate::ctl::CtlError;

/// systemd's own command, in the usual place.
const SYSTEMCTL: &str = "/usr/bin/systemctl";

/// One call of `systemctl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServiceStep {
    /// systemd reads its unit files again.
    ReadUnits,
    /// The unit reads its settings again, and keeps running.
    Reload(&'static str),
    /// The unit is restarted.
    Restart(&'static str),
}

impl ServiceStep {
    fn words(self) -> Vec<&'static str> {
        match self {
            Self::ReadUnits => vec!["daemon-reload"],
            Self::Reload(unit) => vec!["reload", unit],
            Self::Restart(unit) => vec!["restart", unit],
        }
    }

    fn command(self) -> String {
        format!("systemctl {}", self.words().join(" "))
    }
}

/// The steps after a plan.
pub(super) fn steps(plan: &ConfigurePlan) -> Vec<ServiceStep> {
    match plan.engine {
        ConfiguredEngine::Docker => match plan.aim {
            Aim::Add(_) => vec![ServiceStep::Reload("docker")],
            Aim::Undo => vec![ServiceStep::Restart("docker")],
        },
        ConfiguredEngine::Containerd => vec![ServiceStep::Restart("containerd")],
        ConfiguredEngine::Podman => Vec::new(),
        ConfiguredEngine::Crio => vec![ServiceStep::Restart("crio")],
        ConfiguredEngine::Buildkit => {
            let mut steps = Vec::new();
            for file in &plan.files {
                match file.form {
                    Form::Service => {
                        steps.extend([ServiceStep::ReadUnits, ServiceStep::Restart("docker")]);
                    }
                    Form::BuildKit => steps.push(ServiceStep::Restart("buildkit")),
                    Form::DaemonJson | Form::Containerd | Form::Podman | Form::Crio(_) => {}
                }
            }
            steps
        }
    }
}

/// What the operator does next, as one line.
pub(super) fn advice(steps: &[ServiceStep]) -> String {
    if steps.is_empty() {
        return "next: nothing; it counts from the next container on\n".to_owned();
    }
    format!("next: {}\n", commands(steps))
}

/// What the operator does if the settings were there already, and the daemon is older.
pub(super) fn reminder(steps: &[ServiceStep]) -> String {
    if steps.is_empty() {
        return String::new();
    }
    format!("if it has not read them yet: {}\n", commands(steps))
}

fn commands(steps: &[ServiceStep]) -> String {
    let mut commands = Vec::new();
    for step in steps {
        commands.push(step.command());
    }
    commands.join(" && ")
}

/// Takes the steps.
pub(super) fn run(steps: &[ServiceStep]) -> Result<String, CtlError> {
    let mut text = String::new();
    for step in steps {
        checker::run(Path::new(SYSTEMCTL), &step.words())
            .map_err(|fault| ConfigureError::Service(step.command(), fault))?;
        text.push_str(&format!("done: {}\n", step.command()));
    }
    Ok(text)
}

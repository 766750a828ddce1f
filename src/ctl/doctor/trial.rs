//! Tries whether each engine that Embargo is behind refuses a banned image.
//!
//! The trial image has one layer with one file of text, and is banned by a ban that every gate has
//! built in ([`banlist::trial`](crate::banlist::trial) says why). The engine's own client loads
//! the image and starts a container of it, which the engine must report as refused by that ban. If
//! it is not refused, the runtime finds no program in the image, so nothing runs in any case.
//! Afterwards the container, the image and what they leave are removed. Nothing of the node's list,
//! settings or engines changes; the refusal is one event in the system log.
//!
//! In: the runtime names that lead to Embargo. Out: a finding for each. Only engines that run are
//! tried, and only as root: the clients need it, and an ordinary user's engine is another one.

mod client;
mod image;
mod leftovers;

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::examination::Examination;
use super::files::not_this_machine;
use super::finding::{CheckLevel, Found};
use crate::banlist::trial;
use crate::container::engine::Engine;
use crate::ctl::command::Ended;
use crate::node::coverage::{Covered, RuntimeName};
use crate::node::processes::Process;
use crate::node::runtime_state::Whose;
use crate::node::{discovery, places};
use crate::report::line::{self, causes};
use crate::settings::{ContainerdPlace, Mode};
use crate::sys::process;
use client::{Client, Target, TrialError};

/// How every refusal begins.
const REFUSED: &str = "embargo: refused ";

/// Whether each engine refuses the trial image.
pub(super) fn trial(examined: &Examination<'_>) -> Vec<Found> {
    if let Some(found) = not_this_machine(examined).or_else(|| hindrance(examined)) {
        return vec![found];
    }
    let mut found = Vec::new();
    let targets = targets(examined);
    for target in &targets {
        found.push(tried(target).about(target.thing()));
    }
    if targets.iter().any(|target| target.client == Client::Ctr) {
        leftovers::remove(client::NAMESPACE, &containerds(examined));
    }
    if found.is_empty() {
        found.push(Found::unknown(
            "not tried: no engine runs that starts containers through Embargo",
        ));
    }
    found
}

/// Why a trial would show nothing on this node.
fn hindrance(examined: &Examination<'_>) -> Option<Found> {
    if !process::is_privileged() {
        return Some(Found::unknown("not tried: the caller is not root").hint("run as root"));
    }
    let why = match &examined.settings {
        Ok(Some(settings)) if settings.mode == Mode::Enforce => return None,
        Ok(Some(_)) => "in mode audit nothing is refused",
        Ok(None) => "the node is not armed",
        Err(_) => "the settings cannot be used",
    };
    Some(Found::unknown(format!("not tried: {why}")))
}

/// The names to try: those that lead to Embargo, of engines that can be asked.
fn targets(examined: &Examination<'_>) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut programs = BTreeSet::new();
    for name in &examined.coverage().names {
        if name.covered != Covered::Yes || is_supervised(name, examined.processes()) {
            continue;
        }
        match (name.engine, name.pid) {
            (Engine::Docker, Some(_)) => targets.push(Target {
                client: Client::Docker,
                runtime: name.name.clone(),
            }),
            (Engine::Podman, _) => targets.push(Target {
                client: Client::Podman,
                runtime: name.name.clone(),
            }),
            (Engine::Containerd, Some(_)) => {
                let program: PathBuf = name.program.clone().unwrap_or_default();
                if programs.insert(program.clone())
                    && let Some(runtime) = program.to_str()
                {
                    targets.push(Target {
                        client: Client::Ctr,
                        runtime: runtime.to_owned(),
                    });
                }
            }
            // CRI-O has no client that starts a container without a whole pod.
            (
                Engine::CriO
                | Engine::Docker
                | Engine::Containerd
                | Engine::BuildKit
                | Engine::Buildah
                | Engine::ContainersStorage
                | Engine::Unknown,
                _,
            ) => {}
        }
    }
    targets
}

/// Whether this is a containerd that Docker started for itself: `ctr` does not reach it by default.
fn is_supervised(name: &RuntimeName, processes: &[Process]) -> bool {
    let find = |pid| processes.iter().find(|process| process.pid == pid);
    name.engine == Engine::Containerd
        && name
            .pid
            .and_then(find)
            .and_then(|daemon| find(daemon.parent))
            .is_some_and(|parent| parent.program() == "dockerd")
}

/// Where the node's containerds are.
fn containerds(examined: &Examination<'_>) -> Vec<ContainerdPlace> {
    let known = places::of_node(examined.paths, &examined.effective.engines, Whose::Own);
    let processes = examined.processes();
    discovery::with_found(known, processes, examined.paths, &mut Vec::new()).containerd
}

fn tried(target: &Target) -> Found {
    let judged = match target.start() {
        Ok(ended) => judge(target, &ended),
        Err(error) => Found::unknown(causes(&error)),
    };
    match target.remove() {
        Err(error) if !matches!(error, TrialError::Client(_)) => left_behind(judged, &error),
        Ok(()) | Err(_) => judged,
    }
}

/// The same finding, and that the trial image may still be there: at least a warning.
fn left_behind(judged: Found, error: &TrialError) -> Found {
    Found {
        level: judged.level.max(CheckLevel::Warning),
        message: format!("{}; {}", judged.message, causes(error)),
        ..judged
    }
}

/// What the end of the client says about Embargo.
fn judge(target: &Target, ended: &Ended) -> Found {
    let thing = target.thing();
    let text = ended.text();
    let refused = text.find(REFUSED);
    if refused.is_some() && text.contains(trial::BAN) && !ended.is_success {
        return Found::ok(format!("{thing} refuses the trial image"));
    }
    // The runtime has tried to start the container's program, or the client says so by its status.
    let has_started = ended.is_success
        || matches!(ended.code, Some(126 | 127)) && refused.is_none()
        || text.contains(image::FILE);
    if has_started {
        return Found::critical(format!(
            "{thing} starts the trial image, which is banned: {}",
            ended.ending()
        ))
        .hint("see coverage and the engine's log: the engine does not call Embargo");
    }
    let why = match refused {
        Some(at) => line::one_line(text[at..].lines().next().unwrap_or_default()),
        None => ended.ending(),
    };
    Found::unknown(format!(
        "cannot tell whether {thing} refuses the trial image: {why}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_stays_makes_no_finding_better() {
        let stays = TrialError::Remove("no answer".to_owned());
        for (judged, level) in [
            (Found::ok("a"), CheckLevel::Warning),
            (Found::unknown("a"), CheckLevel::Unknown),
            (Found::critical("a"), CheckLevel::Critical),
        ] {
            let found = left_behind(judged.hint("h"), &stays);
            assert_eq!(
                (found.level, found.message.as_str(), found.hint.as_deref()),
                (
                    level,
                    "a; cannot remove the trial image: no answer",
                    Some("h")
                )
            );
        }
    }

    #[test]
    fn only_the_trials_own_ban_is_a_refusal() {
        let target = Target {
            client: Client::Docker,
            runtime: "embargo".to_owned(),
        };
        let refusal = "docker: Error response from daemon: failed to create task for container: \
                       embargo: refused embargo-doctor-7: ";
        for (code, text, level) in [
            (
                125,
                format!(
                    "{refusal}is the-trial-image-of-embargoctl-doctor, banned by BAN-TRIAL (low) \
                     since 1970-01-01; list 4: unknown.\n"
                ),
                CheckLevel::Ok,
            ),
            (
                125,
                format!(
                    "{refusal}there is no ban list to go by: cannot read \
                     \"/var/lib/embargo/banlist.lst\": it is missing\n"
                ),
                CheckLevel::Unknown,
            ),
            (
                125,
                "docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock.\n"
                    .to_owned(),
                CheckLevel::Unknown,
            ),
            (
                126,
                "docker: OCI runtime create failed: exec: \"/embargo-trial\": permission denied\n"
                    .to_owned(),
                CheckLevel::Critical,
            ),
            (
                1,
                "ctr: exec: \"/embargo-trial\": permission denied\n".to_owned(),
                CheckLevel::Critical,
            ),
            (0, String::new(), CheckLevel::Critical),
        ] {
            let ended = Ended {
                is_success: code == 0,
                code: Some(code),
                output: String::new(),
                errors: text,
            };
            let found = judge(&target, &ended);
            assert_eq!(found.level, level, "{found:?}");
        }
    }
}

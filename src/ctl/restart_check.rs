//! Implements `embargoctl restart-check`: says which containers would stay down after a restart.
//!
//! In: the node's containers, as `status` finds them; the settings; whether Docker lets its
//! containers run while it is restarted; and whether Podman's own unit restarts containers. Out:
//! the containers that a restart of the engine, or of the machine, would stop, that come up again
//! by themselves, and that the list in force would not let start; and from which date on it refuses
//! more of those that the restart would stop. What could not be read is never reported as zero.
//! Nothing is changed, and nothing is prevented: hooks of package managers and drop-ins of units
//! run this command before an engine is restarted. A container that was stopped by hand may be
//! among them, as engines do not say so.

use clap::ValueEnum;

use super::impact::restart::RestartPolicy;
use super::status::containers::{self, Containers, Doomed};
use super::status::stored;
use super::{CtlError, Output, amount};
use crate::container::engine::Engine;
use crate::node::live_restore::{self, LiveRestore};
use crate::node::podman_restart::{self, PodmanRestart};
use crate::paths::Paths;
use crate::report::{Exit, line};
use crate::settings;
use crate::sys::clock::Timestamp;
use crate::verdict::break_glass;
use crate::verdict::leniency::{self, Leniency};
use crate::verdict::listed::span;
use crate::verdict::short;

/// The most containers that get a line of their own.
const MOST_LISTED: usize = 10;

/// Say how many containers would stay down if an engine, or the machine, were restarted now.
///
/// A restart of Docker stops its containers, unless the daemon has live-restore, and starts them
/// again: those that are banned by then stay down. The same holds for Podman, if
/// podman-restart.service is enabled: Debian's package restarts it with every upgrade. The
/// containers of other engines keep running until the machine restarts. Containers that come up
/// today, and are refused from a later date on, are counted by date: their ban takes effect then,
/// or spares what existed until then. Nothing is changed. The exit status is 0 when no container
/// would stay down, 1 when at least one would, or on a failure, and 3 when something could not be
/// read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl restart-check docker
  embargoctl restart-check --quiet machine")]
pub struct RestartCheckArgs {
    /// Print nothing when no container would stay down.
    #[arg(long)]
    quiet: bool,
    /// What is restarted.
    #[arg(required = true, value_name = "ENGINE")]
    restarted: Vec<Restarted>,
}

/// What is restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Restarted {
    Docker,
    Containerd,
    Podman,
    #[value(alias = "crio")]
    CriO,
    Machine,
}

impl Restarted {
    const fn word(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::Podman => "podman",
            Self::CriO => "cri-o",
            Self::Machine => "the machine",
        }
    }

    /// Whether the restart stops a container of this engine. The shims of containerd and the
    /// monitors of Podman and CRI-O are processes of their own, which keep running; but a unit of
    /// Podman's stops containers when it is restarted.
    fn stops(self, engine: Engine, engines: &EnginesAtRestart) -> bool {
        match self {
            Self::Machine => true,
            Self::Docker => {
                engine.may_be(Engine::Docker)
                    && match engines.live_restore {
                        LiveRestore::On => false,
                        LiveRestore::Off | LiveRestore::Unknown(_) => true,
                    }
            }
            Self::Podman => {
                engine.may_be(Engine::Podman) && engines.podman_restart == PodmanRestart::Enabled
            }
            Self::Containerd | Self::CriO => false,
        }
    }

    /// What is not known about this restart, apart from the containers.
    fn doubt(self, engines: &EnginesAtRestart) -> Option<&str> {
        match (self, &engines.live_restore) {
            (Self::Docker, LiveRestore::Unknown(why)) => Some(why),
            (Self::Docker, LiveRestore::On | LiveRestore::Off)
            | (Self::Containerd | Self::Podman | Self::CriO | Self::Machine, _) => None,
        }
    }
}

/// What the engines of the node do with their containers when they are restarted.
struct EnginesAtRestart {
    live_restore: LiveRestore,
    podman_restart: PodmanRestart,
}

/// Runs the command. Returns the text to print and the exit status.
///
/// # Errors
/// [`CtlError`] when the settings or the containers cannot be read.
pub fn run(args: &RestartCheckArgs, paths: &Paths) -> Result<Output, CtlError> {
    let settings = settings::load(paths)?;
    let now = Timestamp::now();
    let glass = break_glass::load(paths);
    for leniency in leniency::all(settings.as_ref(), glass.as_ref(), now) {
        match leniency {
            Leniency::NotArmed | Leniency::Audit | Leniency::Open(_) => {
                let text = format!("no container would stay down: {leniency}\n");
                return Ok(answer(text, Prospect::Clear, args));
            }
            Leniency::Shut(_) => {}
        }
    }
    let mut found = containers::seen(paths, settings.as_ref(), None, now)?;
    // An ordinary user sees what root saw some time ago.
    found.faults.extend(stored::doubt(&found, now));
    let age = now.since(found.at);
    let engines = EnginesAtRestart {
        live_restore: live_restore::of_node(paths),
        podman_restart: podman_restart::of_node(paths),
    };
    let (mut text, mut worst) = (String::new(), Prospect::Clear);
    for restarted in &args.restarted {
        let (lines, one) = judged(*restarted, &found, &engines);
        for line in lines {
            text += &line::one_line(&line);
            text.push('\n');
        }
        worst = worst.max(one);
    }
    if age > 0 {
        text += &format!(
            "as of {}, {} ago: root sees the present\n",
            found.at,
            span(age)
        );
    }
    Ok(answer(text, worst, args))
}

fn answer(text: String, prospect: Prospect, args: &RestartCheckArgs) -> Output {
    let is_silent = args.quiet && prospect == Prospect::Clear;
    Output {
        text: if is_silent { String::new() } else { text },
        exit: prospect.exit(),
    }
}

/// What is known about a restart, the least bad first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Prospect {
    /// No container would stay down.
    Clear,
    /// Perhaps a container would stay down.
    Unknown,
    /// At least one container would stay down.
    Down,
}

impl Prospect {
    const fn exit(self) -> Exit {
        match self {
            Self::Clear => Exit::Clear,
            Self::Unknown => Exit::CouldNotTell,
            Self::Down => Exit::Failed,
        }
    }
}

/// The lines about one restart, and what is known about it.
fn judged(
    restarted: Restarted,
    found: &Containers,
    engines: &EnginesAtRestart,
) -> (Vec<String>, Prospect) {
    let (mut down, mut later) = (Vec::new(), 0);
    for one in &found.doomed {
        if one.restart == RestartPolicy::No {
            continue;
        }
        if restarted.stops(one.engine, engines) {
            down.push(one);
        } else {
            later += 1;
        }
    }
    let mut lines = Vec::new();
    let containers = match down.len() {
        0 => "no container".to_owned(),
        some => amount(some, "container"),
    };
    let what = restarted.word();
    lines.push(format!(
        "{containers} would stay down if {what} were restarted now"
    ));
    for one in down.iter().take(MOST_LISTED) {
        lines.push(format!("  {}: {}", named(one), one.message));
    }
    if down.len() > MOST_LISTED {
        lines.push(format!("  and {} more", down.len() - MOST_LISTED));
    }
    if restarted != Restarted::Machine && later > 0 {
        let containers = amount(later, "container");
        lines.push(format!(
            "{containers} would stay down after a restart of the machine"
        ));
    }
    for ahead in found.ahead(|engine| restarted.stops(engine, engines)) {
        lines.push(ahead.text());
    }
    let doubts = doubts(restarted, found, engines);
    let prospect = if !down.is_empty() {
        Prospect::Down
    } else if doubts.is_empty() {
        Prospect::Clear
    } else {
        Prospect::Unknown
    };
    lines.extend(doubts);
    (lines, prospect)
}

/// What could not be read, one line each.
fn doubts(restarted: Restarted, found: &Containers, engines: &EnginesAtRestart) -> Vec<String> {
    let mut doubts = Vec::new();
    if let Some(why) = restarted.doubt(engines) {
        doubts.push(format!(
            "cannot tell whether docker has live-restore: {why}"
        ));
    }
    let may_stop = [
        Engine::Docker,
        Engine::Containerd,
        Engine::Podman,
        Engine::CriO,
    ]
    .into_iter()
    .any(|engine| restarted.stops(engine, engines));
    if !may_stop {
        return doubts;
    }
    let (_, _, unknown) = found.totals();
    if unknown > 0 {
        let containers = amount(unknown, "running container");
        doubts.push(format!("cannot tell what is in {containers}"));
    }
    for fault in &found.faults {
        doubts.push(fault.clone());
    }
    doubts
}

/// The container's first name, or else its ID.
fn named(one: &Doomed) -> String {
    match one.names.first() {
        Some(name) => line::name(name),
        None => line::name(short(&one.id)),
    }
}

#[cfg(test)]
mod tests;

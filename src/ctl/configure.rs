//! Implements `embargoctl configure`: makes Embargo a runtime of an engine, and undoes that.
//!
//! In: an engine, and the options. The engine's settings files are root's. Out: the new settings,
//! printed or put in place. Every other key, comments, order and indentation stay as they are; so
//! do mode, owner and a symbolic link. First a plan is made ([`plan`]): which files get which text.
//! Then the plan is printed (`--print`, `--check`, `--dry-run`) or carried out: the engine's own
//! checker reads the new text, a record of what was there is written, and each file is replaced as
//! a whole. `--undo` uses that record. A file that something else manages, or that lies on a
//! read-only file system, is not changed. Nothing is restarted without `--restart`. Not checked:
//! whether an engine that runs has read its new settings.

mod carry_out;
mod checker;
mod error;
mod flags;
mod form;
mod guard;
mod in_use;
mod plan;
mod record;
mod service;
mod settings_files;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use self::carry_out::Restart;
use self::error::ConfigureError;
use self::plan::{ConfigurePlan, FileChange};
use super::{CtlError, Output, lock};
use crate::container::engine::Engine;
use crate::delegate::{self, GATE, USUAL_DIRECTORIES};
use crate::paths::Paths;
use crate::report::{Exit, line};

/// Make Embargo a runtime of an engine, or undo that.
///
/// Only Embargo's own keys are changed; every other key, comments, order and indentation stay.
/// Without --default, containers get Embargo only if they ask for it by its name. On an armed node
/// in enforce mode, Embargo does not become the default while the node has no valid list, or while
/// the list refuses a pause container. The engine reads its new settings when it is reloaded or
/// restarted; the last line of the output says how. A second run changes nothing; with --restart it
/// reloads or restarts the engine all the same. A file that says that something else manages it is
/// not changed: use --print for its template. The exit status is 0 on success; with --check it is 1
/// if something would change. It is 1 on a failure, too.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl configure docker --default --dry-run
  embargoctl configure docker --default --restart
  embargoctl configure containerd --default --print
  embargoctl configure podman --default --name crun
  embargoctl configure docker --undo")]
pub struct ConfigureArgs {
    /// The engine.
    #[arg(value_enum)]
    engine: ConfiguredEngine,
    /// Make Embargo the engine's default runtime. Nobody chooses a runtime in BuildKit, so there it
    /// is always the default.
    #[arg(long, conflicts_with = "undo")]
    default: bool,
    /// The runtime's name in the engine.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "embargo",
        conflicts_with = "undo"
    )]
    name: String,
    /// Embargo's program. Default: the embargo beside embargoctl.
    #[arg(long, value_name = "FILE", conflicts_with = "undo")]
    path: Option<PathBuf>,
    /// The engine's settings file. Default: the file that the engine's daemon uses.
    #[arg(long, value_name = "FILE", conflicts_with = "undo")]
    config: Option<PathBuf>,
    /// Print the new settings, and change nothing.
    #[arg(long, conflicts_with_all = ["undo", "check", "dry_run", "restart"])]
    print: bool,
    /// Change nothing; the exit status is 1 if something would change.
    #[arg(long, conflicts_with_all = ["dry_run", "restart"])]
    check: bool,
    /// Print the difference, and change nothing.
    #[arg(long, conflicts_with = "restart")]
    dry_run: bool,
    /// Put back exactly what was there before.
    #[arg(long)]
    undo: bool,
    /// Reload or restart the engine afterwards, as it needs.
    #[arg(long)]
    restart: bool,
    /// Continue even if containers would not start again.
    #[arg(long)]
    accept_downtime: bool,
}

/// An engine whose settings this command can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ConfiguredEngine {
    /// Docker: /etc/docker/daemon.json.
    Docker,
    /// containerd, for the CRI: /etc/containerd/config.toml.
    Containerd,
    /// Podman and Buildah: /etc/containers/containers.conf.d/50-embargo.conf.
    Podman,
    /// CRI-O: /etc/crio/crio.conf.d/50-embargo.conf.
    Crio,
    /// The build steps of Docker's BuildKit, and of a BuildKit by itself.
    Buildkit,
}

impl ConfiguredEngine {
    /// The engine, as every other command names it.
    #[must_use]
    pub const fn engine(self) -> Engine {
        match self {
            Self::Docker => Engine::Docker,
            Self::Containerd => Engine::Containerd,
            Self::Podman => Engine::Podman,
            Self::Crio => Engine::CriO,
            Self::Buildkit => Engine::BuildKit,
        }
    }

    /// The engine, as this command's argument.
    const fn word(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::Podman => "podman",
            Self::Crio => "crio",
            Self::Buildkit => "buildkit",
        }
    }
}

/// Configures an engine, or undoes that.
///
/// # Errors
/// [`CtlError`]: the settings cannot be read, parsed or written, or must not be changed.
pub fn run(args: &ConfigureArgs, paths: &Paths) -> Result<Output, CtlError> {
    done(args, paths).map_err(CtlError::for_root)
}

fn done(args: &ConfigureArgs, paths: &Paths) -> Result<Output, CtlError> {
    let plan = planned(args, paths)?;
    if args.print {
        return Ok(Output::from(printed(&plan)));
    }
    if args.check {
        let (text, exit) = if plan.is_change() {
            (would_change(&plan), Exit::Failed)
        } else {
            (unchanged(args), Exit::Clear)
        };
        return Ok(Output { text, exit });
    }
    guard::may_be_carried_out(&plan, args, paths)?;
    if args.dry_run {
        return Ok(Output::from(differences(&plan)));
    }
    let plan = if plan.is_work() {
        carried_out(plan, args, paths)?
    } else {
        plan
    };
    let restart = if args.restart {
        Restart::Now
    } else {
        Restart::Later
    };
    let text = if plan.is_change() {
        changed(&plan)
    } else {
        unchanged(args)
    };
    match carry_out::refresh(&plan, restart) {
        Ok(next) => Ok(Output::from(text + &next)),
        // The files are in place whatever happens to the engine.
        Err(error) => Err(error.detailed(text.lines().map(str::to_owned).collect())),
    }
}

fn planned(args: &ConfigureArgs, paths: &Paths) -> Result<ConfigurePlan, CtlError> {
    if args.undo {
        plan::undo(args.engine, paths)
    } else {
        plan::draw(args, paths)
    }
}

/// Carries out the plan, or the one that is right once no other command changes the node. Nothing
/// is locked before, because the lock leaves a directory, and a plan may be refused.
fn carried_out(
    plan: ConfigurePlan,
    args: &ConfigureArgs,
    paths: &Paths,
) -> Result<ConfigurePlan, CtlError> {
    let _lock = lock::take(&record::directory(paths))?;
    let now = planned(args, paths)?;
    if now.files != plan.files {
        guard::may_be_carried_out(&now, args, paths)?;
    }
    carry_out::carry_out(&now, paths)?;
    Ok(now)
}

/// The new text of the plan's files. If there are several files, each comes after its path.
fn printed(plan: &ConfigurePlan) -> String {
    let mut text = String::new();
    for file in &plan.files {
        if plan.files.len() > 1 {
            text.push_str(&format!("# {}\n", line::path(&file.path)));
        }
        text.push_str(file.after.as_deref().unwrap_or_default());
    }
    text
}

fn would_change(plan: &ConfigurePlan) -> String {
    lines(plan, "would change", "would create", "would remove")
}

fn changed(plan: &ConfigurePlan) -> String {
    let mut text = lines(plan, "changed", "created", "removed");
    for note in &plan.notes {
        text.push_str(note);
        text.push('\n');
    }
    text
}

fn lines(plan: &ConfigurePlan, changed: &str, created: &str, removed: &str) -> String {
    let mut text = String::new();
    for FileChange {
        path,
        before,
        after,
        ..
    } in plan.changes()
    {
        let verb = match (before, after) {
            (None, _) => created,
            (Some(_), Some(_)) => changed,
            (Some(_), None) => removed,
        };
        text.push_str(&format!("{verb} {}\n", line::path(path)));
    }
    text
}

fn unchanged(args: &ConfigureArgs) -> String {
    let engine = args.engine.word();
    if args.undo {
        format!("nothing to undo: {engine} has nothing from embargoctl\n")
    } else {
        format!("nothing to change: {engine} has its settings already\n")
    }
}

/// The differences between the old and the new files, in the unified format.
fn differences(plan: &ConfigurePlan) -> String {
    let mut text = String::new();
    for file in plan.changes() {
        let name = |side: &Option<String>| match side {
            Some(_) => line::path(&file.path),
            None => "/dev/null".to_owned(),
        };
        let (before, after) = (
            file.before.as_deref().unwrap_or_default(),
            file.after.as_deref().unwrap_or_default(),
        );
        let difference = similar::TextDiff::from_lines(before, after);
        let mut unified = difference.unified_diff();
        unified.header(&name(&file.before), &name(&file.after));
        text.push_str(&unified.to_string());
    }
    text
}

/// Whether every form of settings can hold this path as it is.
fn is_plain(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|path| !path.chars().any(line::is_unfit))
}

/// Where Embargo's program is on the node: `given`, or the one beside this program, or for a node
/// mounted elsewhere the one in a usual directory.
fn program(given: Option<&Path>, paths: &Paths) -> Result<PathBuf, ConfigureError> {
    let mut candidates = Vec::new();
    match given {
        Some(given) if !is_plain(given) => {
            return Err(ConfigureError::Program(given.to_owned()));
        }
        Some(given) if given.is_absolute() => candidates.push(given.to_owned()),
        Some(given) => return Err(ConfigureError::Relative(given.to_owned())),
        None if paths.root == Path::new("/") => {
            candidates.push(delegate::gate_beside());
        }
        None => {
            let usual = USUAL_DIRECTORIES.map(|directory| Path::new(directory).join(GATE));
            candidates.extend(usual);
        }
    }
    for candidate in &candidates {
        let found = crate::sys::process::identity(&paths.of_node(candidate));
        if found.is_ok_and(|found| found.is_program()) {
            return Ok(candidate.clone());
        }
    }
    let missing = candidates.into_iter().next().unwrap_or_default();
    Err(ConfigureError::NoProgram(missing))
}

//! Parses the command line of `exec-patch`.
//!
//! In: the arguments, from a person, a fleet tool or the unit that runs after `install`. Out:
//! [`Options`], without conflicts: conflicting arguments are refused with an error that names them.
//! A run's journal keeps the [`Order`], which is needed to resume the run. Pure. Not checked:
//! whether the ban, image, file or run exists.

mod options;
mod order;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgGroup, CommandFactory, Parser};

use super::limits::{Limits, Quota};
use super::target::{Selector, Targets};
use crate::container::engine::Engine;
use crate::report::Exit;
pub use options::{Options, PaceOptions, Task};
pub use order::{Order, PatchSource, ProgramCall};

/// The program's name in help texts and messages.
pub const PROGRAM: &str = "embargo exec-patch";

/// The default user and group of a command.
pub const USUAL_USER: (u32, u32) = (0, 0);

/// A command's default time limit, in seconds.
pub const USUAL_TIMEOUT: u64 = 600;

/// How many bytes of each container's output are stored by default.
pub const USUAL_OUTPUT: u64 = 1 << 20;

/// The default limits.
pub const USUAL_PACE: Limits = Limits {
    canary: 1,
    parallel: Quota::Number(4),
    max_failures: Quota::Percent(100),
};

/// The usage lines of the help.
const USAGE: &str = "\
embargo exec-patch --ban ID|--all-banned|--base IMAGE|--image IMAGE [OPTIONS] [-- COMMAND...]
       embargo exec-patch --resume RUN|--only-failed RUN|--history [RUN]|--prune AGE [OPTIONS]";

/// The text below the options in the help.
const MORE: &str = "\
The canaries are patched first, one at a time. If the command ran in a canary and the canary
failed, no other container is started. A container that is paused, has ended or cannot be entered
does not count as a canary: the next container takes its place. After the canaries, up to
--parallel containers are patched at a time. When one is done, the next one starts. Containers that
start during the run are patched as well.

The run starts no further container once MORE than --max-failures have failed. Patches under way
are finished. A percentage counts all matches, including containers that start during the run, and
is rounded down: 10% of 9 matches is 0, so the first failure stops the run. A container has failed
if its command or check failed, took too long, could not be started, was cancelled or has an unknown
result, or if the container could not be paused again. A container that is paused or has ended is
not a failure.

Examples:
  embargo exec-patch --ban BAN-2026-0007 --dry-run
  embargo exec-patch --ban BAN-2026-0007
  embargo exec-patch --base debian:12.4 --check 'dpkg --compare-versions \"$(dpkg-query -Wf \\${Version} libc6)\" ge 2.36-9+deb12u4' \\
      -- apt-get install -y --only-upgrade libc6
  embargo exec-patch --all-banned --script fix.sh --parallel 10% --max-failures 5
  embargo exec-patch --image app:1 --program ./remove-plugin --engine podman -- /srv/app/plugin.so
  embargo exec-patch --only-failed 20261120-141502-7f3a

Exit status:
  0   every match is patched, needed no patch, or was patched by an earlier run
  3   at least one match is not, or it is unknown whether a container matches
  2   nothing matches
  1   the request could not be carried out
  64  the command line is wrong
  75  another run is under way: try again later, or use --wait";

/// Run a command in every running container that is built on a banned base, and report the outcome
/// for each container.
///
/// Each container is entered through its own runtime and with its own confinement, whether or not
/// its engine is running. With --ban or --all-banned and without a command, the ban's own signed
/// patch runs. The outcomes are kept in /var/lib/embargo/patches.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, bin_name = PROGRAM, version, max_term_width = 100, override_usage = USAGE, after_long_help = MORE)]
#[command(group = ArgGroup::new("subject").required(true))]
#[command(group = ArgGroup::new("order").multiple(true))]
#[command(group = ArgGroup::new("work").multiple(true))]
struct ExecPatchArgs {
    /// Containers to which this ban applies, now or at a later time. Containers that are cured or
    /// excepted are left out. May be given more than once.
    #[arg(long, value_name = "ID", group = "subject", value_parser = values::ban, help_heading = "Which containers")]
    ban: Vec<String>,
    /// Containers to which any ban in effect applies, including bans that only warn.
    #[arg(long, group = "subject", help_heading = "Which containers")]
    all_banned: bool,
    /// Containers built on this image: a chain ID, or an image in any local engine, in an OCI
    /// layout or in an archive, as for `embargoctl lineage`.
    #[arg(
        long,
        value_name = "IMAGE",
        group = "subject",
        help_heading = "Which containers"
    )]
    base: Option<String>,
    /// Containers made from this image itself: its name or ID, or the digest of its manifest or
    /// index.
    #[arg(
        long,
        value_name = "IMAGE",
        group = "subject",
        help_heading = "Which containers"
    )]
    image: Option<String>,
    /// Only containers of this engine. May be given more than once.
    #[arg(
        long,
        value_name = "NAME",
        value_enum,
        group = "order",
        help_heading = "Which containers"
    )]
    engine: Vec<Engine>,
    /// Only containers in this containerd namespace. May be given more than once.
    #[arg(long, value_name = "NAME", group = "order", value_parser = values::not_empty, help_heading = "Which containers")]
    namespace: Vec<String>,
    /// Only this container, given by its ID, the beginning of its ID, or its name. May be given
    /// more than once.
    #[arg(long, value_name = "CONTAINER", group = "order", value_parser = values::not_empty, help_heading = "Which containers")]
    container: Vec<String>,

    /// The command and its arguments, exactly as typed: no shell reads them. With --script or
    /// --program, these are the arguments for the script or program.
    #[arg(last = true, value_name = "COMMAND", groups = ["order", "work"])]
    command: Vec<String>,
    /// Run this script with the interpreter that its first line names, else with /bin/sh. If a ban
    /// signs this script, it runs only in that ban's containers; other containers get their own
    /// ban's patch, as without --script. If no ban signs it, it runs in all containers in place of
    /// their bans' commands, and the plan says so. It never runs where a ban signs another script,
    /// if the list has enough signatures for its patches.
    #[arg(long, value_name = "FILE", groups = ["order", "work"], conflicts_with = "program", help_heading = "What runs")]
    script: Option<PathBuf>,
    /// Run this program from the host, for images without a shell. It must be linked statically,
    /// for this machine.
    #[arg(long, value_name = "FILE", groups = ["order", "work"], help_heading = "What runs")]
    program: Option<PathBuf>,
    /// A shell command that exits 0 if nothing needs to be done. If it exits 0 before the command,
    /// the container is skipped. If it does not exit 0 after the command, the container has failed.
    #[arg(long, value_name = "COMMAND", group = "order", value_parser = values::not_empty, help_heading = "What runs")]
    check: Option<String>,
    /// The user and group of the command, as numbers in the container. Without GID, the group has
    /// the user's number. 0:0 by default, or the value in the ban's patch.
    #[arg(long, value_name = "UID[:GID]", group = "order", value_parser = values::user, help_heading = "What runs")]
    user: Option<(u32, u32)>,
    /// A variable to add to the container's own. May be given more than once.
    #[arg(long, value_name = "NAME=VALUE", group = "order", value_parser = values::variable, help_heading = "What runs")]
    env: Vec<String>,
    /// The working directory in the container, in place of the container's own.
    #[arg(long, value_name = "DIR", group = "order", value_parser = values::directory, help_heading = "What runs")]
    workdir: Option<String>,
    /// The time limit for one container, including the checks. After it, nothing of the patch still
    /// runs there, or the outcome names what does. 10m by default, or the value in the ban's patch.
    #[arg(long, value_name = "SPAN", group = "order", value_parser = values::timeout, help_heading = "What runs")]
    timeout: Option<u64>,
    /// Resume paused containers for the patch, and pause them again. Without this option, a paused
    /// container is reported, and nothing runs in it.
    #[arg(long, group = "order", help_heading = "What runs")]
    unpause: bool,
    /// Run the patch again in containers where an earlier run already succeeded with it and that
    /// have not been restarted since.
    #[arg(long, group = "order", help_heading = "What runs")]
    again: bool,

    /// How many containers go first, one by one. If the command runs in one of them and fails, no
    /// other container is started. 1 by default; 0 for none.
    #[arg(long, value_name = "N", value_parser = values::number, allow_negative_numbers = true, help_heading = "How fast")]
    canary: Option<usize>,
    /// How many containers are patched at a time: a number, or a percentage of the matches of the
    /// first plan, rounded up. 4 by default.
    #[arg(long, value_name = "N|P%", value_parser = values::parallel, allow_negative_numbers = true, help_heading = "How fast")]
    parallel: Option<Quota>,
    /// Start no further container once more than this many have failed: a number, or a percentage
    /// of all matches, rounded down. The patches under way are finished. 100% by default, which
    /// never stops a run; 0 stops it at the first failure.
    #[arg(long, value_name = "N|P%", value_parser = values::share, allow_negative_numbers = true, help_heading = "How fast")]
    max_failures: Option<Quota>,

    /// Print what would run, where and why, and run nothing.
    #[arg(long)]
    dry_run: bool,
    /// How long to wait for another run to end, instead of giving up at once. 0s by default.
    #[arg(long, value_name = "DURATION", value_parser = values::wait, conflicts_with_all = ["history", "dry_run"])]
    wait: Option<u64>,
    /// Exit with 0 instead of 2 if nothing matches.
    #[arg(long, conflicts_with_all = ["history", "prune"])]
    none_ok: bool,
    /// Print JSON, one object in each line.
    #[arg(long)]
    json: bool,
    /// How much of each container's output is kept: a number of bytes, optionally with K, M or G.
    /// 1M by default, or the value of the earlier run.
    #[arg(long, value_name = "SIZE", value_parser = values::size, conflicts_with_all = ["resume", "history"])]
    output_limit: Option<u64>,

    /// Resume a run that was killed or asked to stop. The order is the same, and no container is
    /// patched twice. RUN is the run's ID, the beginning of the ID, or `last`. A run that was
    /// stopped by its canary or by --max-failures can only be resumed with another value for that
    /// option. A run that has ended cannot be resumed: see --only-failed.
    #[arg(long, value_name = "RUN", group = "subject", conflicts_with = "order", value_parser = values::run, help_heading = "Earlier runs")]
    resume: Option<String>,
    /// Start a new run with the order of this run, only for the containers that were not ok at its
    /// end.
    #[arg(long, value_name = "RUN", group = "subject", conflicts_with = "order", value_parser = values::run, help_heading = "Earlier runs")]
    only_failed: Option<String>,
    /// Show all runs of this node, or one run with its containers.
    #[arg(long, value_name = "RUN", group = "subject", num_args = 0..=1, value_parser = values::run, help_heading = "Earlier runs",
        conflicts_with_all = ["order", "canary", "parallel", "max_failures", "dry_run"])]
    history: Option<Option<String>>,
    /// Remove the runs that ended at least this long ago, such as 90d, and report them. Runs that
    /// are under way stay, and so do runs that were killed since the machine was booted. What a
    /// removed run patched counts as not patched. With --dry-run, only report what would be
    /// removed.
    #[arg(long, value_name = "AGE", group = "subject", value_parser = values::age, help_heading = "Earlier runs",
        conflicts_with_all = ["order", "canary", "parallel", "max_failures", "output_limit"])]
    prune: Option<u64>,
    /// For the unit that runs after `install`: run the signed patches of all bans in effect, if the
    /// settings say auto_patch = "on-install". Otherwise do nothing.
    #[arg(long, group = "subject", conflicts_with = "order")]
    auto: bool,
}

/// Parses the arguments after `exec-patch`.
///
/// # Errors
/// clap's error, which [`refused`] prints. A request for help or for the version counts as an error
/// too.
pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Options, clap::Error> {
    let named = std::iter::once(OsString::from(PROGRAM)).chain(words);
    ExecPatchArgs::try_parse_from(named)
        .map_err(advised)?
        .checked()
}

/// Replaces clap's advice. For a mistyped option, clap advises to write it after `--`. In
/// `exec-patch`, this advice would run the mistyped word as a command in every container.
fn advised(mut refusal: clap::Error) -> clap::Error {
    refusal.remove(ContextKind::Suggested);
    let is_word = matches!(refusal.get(ContextKind::InvalidArg), Some(ContextValue::String(word)) if !word.starts_with('-'));
    if refusal.kind() == ErrorKind::UnknownArgument && is_word {
        refusal.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec!["the command to run goes after '--'".to_owned().into()]),
        );
    }
    refusal
}

/// Prints clap's message, and returns the exit status.
#[must_use]
pub fn refused(refusal: &clap::Error) -> Exit {
    // A reader that stops before the end of the help is not a failure.
    drop(refusal.print());
    if refusal.use_stderr() {
        Exit::Usage
    } else {
        Exit::Clear
    }
}

/// The command line, for tests that compare it with the manual.
#[must_use]
pub fn command_line() -> clap::Command {
    ExecPatchArgs::command()
}

impl ExecPatchArgs {
    fn checked(self) -> Result<Options, clap::Error> {
        let pace = PaceOptions {
            canary: self.canary,
            parallel: self.parallel,
            max_failures: self.max_failures,
        };
        let (dry_run, json, output_limit, none_ok) =
            (self.dry_run, self.json, self.output_limit, self.none_ok);
        let wait = Duration::from_secs(self.wait.unwrap_or_default());
        Ok(Options {
            action: self.action()?,
            pace,
            dry_run,
            json,
            output_limit,
            wait,
            none_ok,
        })
    }

    fn action(mut self) -> Result<Task, clap::Error> {
        if let Some(run) = self.history.take() {
            return Ok(Task::History(run));
        }
        if let Some(run) = self.resume.take() {
            return Ok(Task::Resume(run));
        }
        if let Some(run) = self.only_failed.take() {
            return Ok(Task::OnlyFailed(run));
        }
        if let Some(age) = self.prune {
            return Ok(Task::Prune(age));
        }
        if self.auto {
            Ok(Task::Auto)
        } else {
            self.order().map(Box::new).map(Task::Start)
        }
    }

    fn order(mut self) -> Result<Order, clap::Error> {
        let source = self.source()?;
        let target = self.target(&source)?;
        Ok(Order {
            target,
            source,
            check: self.check,
            user: self.user,
            environment: self.env,
            directory: self.workdir,
            timeout: self.timeout,
            unpause: self.unpause,
            again: self.again,
        })
    }

    fn source(&mut self) -> Result<PatchSource, clap::Error> {
        let words = std::mem::take(&mut self.command);
        if let Some(file) = self.script.take() {
            return Ok(PatchSource::Script(ProgramCall {
                file,
                arguments: words,
            }));
        }
        if let Some(file) = self.program.take() {
            return Ok(PatchSource::Program(ProgramCall {
                file,
                arguments: words,
            }));
        }
        match words.first().map(String::is_empty) {
            None => Ok(PatchSource::Signed),
            Some(false) => Ok(PatchSource::Command(words)),
            Some(true) => Err(unfit(
                ErrorKind::InvalidValue,
                "the command after -- is an empty argument",
            )),
        }
    }

    fn target(&mut self, source: &PatchSource) -> Result<Targets, clap::Error> {
        let selector = match (self.base.take(), self.image.take()) {
            (Some(base), _) => Selector::Base(base),
            (None, Some(image)) => Selector::Image(image),
            (None, None) if self.all_banned => Selector::AllBanned,
            (None, None) => Selector::Bans(std::mem::take(&mut self.ban)),
        };
        if matches!(
            (&selector, source),
            (Selector::Base(_) | Selector::Image(_), PatchSource::Signed)
        ) {
            return Err(unfit(
                ErrorKind::MissingRequiredArgument,
                "what is to run is missing: -- COMMAND, --script FILE or --program FILE",
            ));
        }
        let engines = std::mem::take(&mut self.engine);
        let (namespaces, containers) = (
            std::mem::take(&mut self.namespace),
            std::mem::take(&mut self.container),
        );
        Ok(Targets {
            selector,
            engines,
            namespaces,
            containers,
        })
    }
}

/// An error in clap's form, for a rule that clap cannot check.
fn unfit(kind: ErrorKind, what: &str) -> clap::Error {
    ExecPatchArgs::command().error(kind, what)
}

#[cfg(test)]
mod manual;
#[cfg(test)]
mod tests;

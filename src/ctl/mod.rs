//! Implements the commands of `embargoctl`, and runs them.
//!
//! The commands make keys, write and sign lists, and maintain a node. In: the arguments of the
//! command line. Out: the result on standard output, or an error of one line with a hint; and an
//! exit status. Each command is a file in this directory, with its `Args` and a `run` that returns
//! the text to print. This file prints that text, and sets the exit status. No command uses the
//! network.

pub mod ban;
pub mod break_glass;
pub mod change;
pub mod check;
mod command;
pub mod completions;
pub mod configure;
pub mod consequences;
pub mod divert;
pub mod doctor;
pub mod image;
pub mod impact;
pub mod install;
pub mod keys;
pub mod keyset;
pub mod last_install;
pub mod lineage;
pub mod list;
pub mod lock;
pub mod progress;
pub mod restart_check;
pub mod settings;
pub mod signing;
pub mod status;
#[cfg(test)]
mod testing;

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::banlist::error::ListError;
use crate::node::diversions::RecordError;
use crate::node::images::ImageError;
use crate::node::patches::AskPatches;
use crate::paths::Paths;
use crate::report::{self, Exit, amount};
use crate::settings::SettingsError;
use crate::sys::file::FileError;
use crate::sys::process;
use crate::sys::replace::WriteError;

/// Author, sign and install the list of banned images.
///
/// On a laptop: `keygen` and `keyset new` make keys and a keyset; `lineage` shows an image, `ban`
/// and `except` write the source; `list lint` finds mistakes in the source, `list build` compiles
/// it, `list diff` shows what changes; `list sign` signs a list, `list attach` adds a signature
/// made elsewhere. On a node, as root: `configure` and `divert` put Embargo behind the engines;
/// `list verify`, `list preview` and `install` take a list, `keyset rotate` a keyset; `status`,
/// `doctor`, `settings check` and `restart-check` say how the node is; `break-glass` is for an
/// emergency. A list is a file. It does not matter how the file gets to a node, because its
/// signatures are checked at every container start.
#[derive(Debug, Parser)]
#[command(name = "embargoctl", version, max_term_width = 100)]
struct Cli {
    /// Work on the node whose file system is mounted at DIR, instead of this node.
    #[arg(long, global = true, value_name = "DIR", display_order = 900)]
    root: Option<PathBuf>,
    /// Says what `exec-patch` did. `None` in tests.
    #[arg(skip)]
    ask_patches: Option<AskPatches>,
    #[command(subcommand)]
    command: CtlCommand,
}

// A command without a text here has the longer text of its `Args`.
#[derive(Debug, Subcommand)]
enum CtlCommand {
    Keygen(keys::KeygenArgs),
    /// Make, sign, check and rotate keysets, which say whose signatures count, and how many are
    /// needed.
    #[command(
        subcommand,
        after_help = "\
Examples:
  embargoctl keyset new --origin bans.example.com/prod --list-key alice.pub \\
      --root-key root-1.pub --out keyset
  embargoctl keyset next --add-list-key bob.pub --out keyset-2 keyset
  embargoctl keyset sign --key root-1 keyset-2
  embargoctl keyset rotate keyset-2"
    )]
    Keyset(keyset::KeysetCommand),
    /// Print an image's layers and the chain IDs that they hash to.
    Lineage(lineage::LineageArgs),
    /// Add a ban of an image to a list's source.
    Ban(ban::BanArgs),
    /// Add an exception for an image to a ban in a list's source.
    Except(ban::ExceptArgs),
    /// Build, sign, check and show lists.
    #[command(
        subcommand,
        after_help = "\
Examples:
  embargoctl list lint
  embargoctl list build --origin bans.example.com/prod --version 412
  embargoctl list sign --key alice banlist.lst
  embargoctl list verify --keyset keyset banlist.lst"
    )]
    List(list::ListCommand),
    Install(install::InstallArgs),
    Status(status::StatusArgs),
    RestartCheck(restart_check::RestartCheckArgs),
    /// Check settings.
    #[command(
        subcommand,
        after_help = "\
Example:
  embargoctl settings check new-config.toml"
    )]
    Settings(settings::SettingsCommand),
    BreakGlass(break_glass::BreakGlassArgs),
    Configure(configure::ConfigureArgs),
    Divert(divert::DivertArgs),
    Doctor(doctor::DoctorArgs),
    Completions(completions::CompletionsArgs),
}

/// Why a command failed.
#[derive(Debug)]
pub struct CtlError {
    cause: Box<dyn Error + Send + Sync>,
    details: Vec<String>,
    hint: Option<String>,
}

impl CtlError {
    /// The same error with more lines about it.
    fn detailed(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }

    /// The same error. If access was denied because the caller is not root, the hint says to become
    /// root.
    fn for_root(self) -> Self {
        if process::takes_root(&self) {
            Self {
                hint: Some("run as root".to_owned()),
                ..self
            }
        } else {
            self
        }
    }

    /// An error with the given cause and hint.
    pub fn with_hint(cause: impl Error + Send + Sync + 'static, hint: impl Into<String>) -> Self {
        Self {
            cause: Box::new(cause),
            details: Vec::new(),
            hint: Some(hint.into()),
        }
    }

    /// The cause of the error, if it has the type `T`.
    #[must_use]
    pub fn cause<T: Error + 'static>(&self) -> Option<&T> {
        self.cause.downcast_ref()
    }

    /// What the user can do about the error, if there is a hint.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for CtlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for CtlError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

/// Implements `From` for errors without a hint, so that `?` converts them into [`CtlError`].
macro_rules! plain_errors {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for CtlError {
            fn from(cause: $error) -> Self {
                Self { cause: Box::new(cause), details: Vec::new(), hint: None }
            }
        }
    )+};
}

plain_errors!(
    FileError,
    RecordError,
    ListError,
    WriteError,
    SettingsError,
    ban::BanError,
    break_glass::BreakGlassError,
    impact::ImpactError,
    consequences::error::InstallError,
    keys::KeyError,
    keyset::KeysetError,
    list::AuthoringError,
    signing::SigningError,
    lock::LockError,
    status::stored::StoredError,
);

impl From<ImageError> for CtlError {
    fn from(cause: ImageError) -> Self {
        let hint = cause.hint().map(str::to_owned);
        Self {
            cause: Box::new(cause),
            details: Vec::new(),
            hint,
        }
    }
}

/// The output of a successful command, and its exit status.
#[derive(Debug)]
pub struct Output {
    /// The text to print.
    text: String,
    /// [`Exit::Clear`], or another status for scripts: [`Exit::Banned`] from a preview,
    /// [`Exit::CouldNotTell`] from a preview or a dry run, [`Exit::Failed`] from the linter.
    exit: Exit,
}

impl From<String> for Output {
    fn from(text: String) -> Self {
        Self {
            text,
            exit: Exit::Clear,
        }
    }
}

/// Runs the command that the arguments (the program's name first) ask for. `ask_patches` says what
/// `exec-patch` did on this node.
pub fn main(arguments: impl Iterator<Item = OsString>, ask_patches: AskPatches) -> Exit {
    let mut cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(refusal) => {
            let exit = if refusal.use_stderr() {
                Exit::Usage
            } else {
                Exit::Clear
            };
            // A closed pipe is no failure when only help is printed.
            drop(refusal.print());
            return exit;
        }
    };
    cli.ask_patches = Some(ask_patches);
    match cli.run() {
        Ok(Output { text, exit }) => match report::document(text.as_bytes()) {
            Ok(()) => exit,
            Err(error) => fail(&WriteError::new(Path::new("/dev/stdout"), error).into()),
        },
        Err(error) => fail(&error),
    }
}

fn fail(error: &CtlError) -> Exit {
    report::failure("embargoctl", error);
    for detail in &error.details {
        report::remark(detail);
    }
    error.hint().into_iter().for_each(report::hint);
    Exit::Failed
}

impl Cli {
    /// The paths of the node: below the directory of `--root`, else the paths that the gate would
    /// use for this caller.
    fn paths(&self) -> Paths {
        match &self.root {
            Some(root) => Paths::below(root),
            None => Paths::for_caller(
                std::env::var_os("EMBARGO_ROOT").as_deref(),
                process::is_privileged(),
            ),
        }
    }

    /// Runs the command, and returns the text to print and the exit status.
    fn run(&self) -> Result<Output, CtlError> {
        let paths = self.paths();
        let text = match &self.command {
            CtlCommand::Keygen(args) => keys::keygen(args),
            CtlCommand::Keyset(command) => keyset::run(command, &paths),
            CtlCommand::Lineage(args) => lineage::run(args, &paths),
            CtlCommand::Ban(args) => ban::run(args, &paths),
            CtlCommand::Except(args) => ban::run_except(args, &paths),
            CtlCommand::List(command) => return list::run(command, &paths),
            CtlCommand::Install(args) => return install::run(args, &paths, self.ask_patches),
            CtlCommand::Status(args) => return status::run(args, &paths, self.ask_patches),
            CtlCommand::RestartCheck(args) => return restart_check::run(args, &paths),
            CtlCommand::BreakGlass(args) => return break_glass::run(args, &paths),
            CtlCommand::Settings(command) => return settings::run(command, &paths),
            CtlCommand::Configure(args) => return configure::run(args, &paths),
            CtlCommand::Divert(args) => divert::run(args, &paths),
            CtlCommand::Completions(args) => Ok(completions::run(args)),
            CtlCommand::Doctor(args) => return Ok(doctor::run(args, &paths, self.root.as_deref())),
        };
        text.map(Output::from)
    }
}

#[cfg(test)]
mod tests;

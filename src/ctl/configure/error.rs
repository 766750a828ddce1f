//! Defines the errors of `configure`, and what can be done about them.

use std::path::PathBuf;

use super::super::CtlError;
use super::checker::CheckerError;
use crate::banlist::error::ListError;
use crate::node::discovery::EngineSettingsError;
use crate::report::line;
use crate::sys::file::FileError;

/// Why an engine's settings cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// `--path` is not absolute.
    #[error("cannot use {0:?}: not an absolute path")]
    Relative(PathBuf),
    /// `--path` cannot be written into settings.
    #[error("cannot use {0:?}: control characters, or not UTF-8")]
    Program(PathBuf),
    /// Embargo's program is missing.
    #[error("cannot find Embargo's program {0:?}")]
    NoProgram(PathBuf),
    /// The runtime's name cannot be used.
    #[error("cannot use {0:?} as the name of a runtime{1}")]
    Name(String, &'static str),
    /// A settings file cannot be edited.
    #[error("cannot edit {0:?}")]
    Edit(PathBuf, #[source] EditError),
    /// The settings cannot be read.
    #[error(transparent)]
    Settings(#[from] EngineSettingsError),
    /// A symbolic link leads out of the node's root directory.
    #[error("cannot follow {0:?}: it leads to {1:?}, out of the node's root directory")]
    Outside(PathBuf, PathBuf),
    /// The file says that something else manages it.
    #[error("cannot change {0:?}: it says {1:?}")]
    Managed(PathBuf, String),
    /// The file is on a read-only file system.
    #[error("cannot change {0:?}: its file system is read-only")]
    ReadOnly(PathBuf),
    /// Somebody else changed the file while the change was made ready.
    #[error("cannot change {0:?}: it was changed meanwhile")]
    Meanwhile(PathBuf),
    /// The daemon's command line sets the same.
    #[error("cannot change {path:?}: {program} is started with {flag}")]
    Flag {
        /// The settings file.
        path: PathBuf,
        /// The daemon's program.
        program: &'static str,
        /// The flag.
        flag: &'static str,
    },
    /// The engine's own checker does not accept the new text.
    #[error("cannot use the new {0:?}")]
    Invalid(PathBuf, #[source] CheckerError),
    /// Docker knows no way to configure its BuildKit.
    #[error("cannot configure buildkit: Docker before 26 always uses the runc in its PATH")]
    OldDocker,
    /// The node has no BuildKit.
    #[error("cannot configure buildkit: there is neither dockerd nor buildkitd")]
    NoBuildKit,
    /// The node has no valid list.
    #[error("cannot make Embargo the default runtime: nothing would start")]
    NoList(#[source] ListError),
    /// The list in force refuses a pause container.
    #[error(
        "cannot make Embargo the default runtime: no pod could start: the list in force refuses \
         the pause container {}",
        line::name(.0)
    )]
    Pause(String),
    /// Containers would stay down.
    #[error("cannot restart {0}: {1} would not start again, and live-restore is off")]
    Doomed(&'static str, String),
    /// Containers need the runtime's name.
    #[error("cannot remove the runtime {0:?}: {1} could not start again without it")]
    InUse(String, String),
    /// Podman does not say which runtimes its containers need.
    #[error("cannot tell whether containers need the runtime: podman says {0:?}")]
    Unasked(String),
    /// The record of a container cannot be read.
    #[error("cannot tell whether containers need the runtime")]
    Unread(#[source] FileError),
    /// It is not known whether containers would stay down.
    #[error("cannot tell whether containers of {0} would start again: {1}")]
    Unsure(&'static str, String),
    /// The engine cannot be reloaded or restarted from here.
    #[error("cannot restart an engine of a node that is mounted at {0:?}")]
    Elsewhere(PathBuf),
    /// The engine could not be reloaded or restarted.
    #[error("cannot run {0:?}")]
    Service(String, #[source] CheckerError),
    /// The record of an earlier change cannot be used.
    #[error("cannot parse the record {0:?}")]
    Record(PathBuf, #[source] serde_json::Error),
}

/// Why the text of a settings file cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text cannot be parsed.
    #[error("{0}")]
    Parse(String),
    /// A key has a value of another type than the engine expects.
    #[error("{0} has a value of the wrong type")]
    Shape(String),
    /// The entry was added, and still is not what the engine would read.
    #[error("its layout keeps the entry from being added, such as a key that occurs twice")]
    Layout,
    /// Another runtime has the name.
    #[error("the runtime {0:?} is there already and runs another program")]
    Taken(String),
    /// The file turns the CRI off.
    #[error("it turns the CRI off, so there is no handler to configure")]
    Disabled,
}

impl ConfigureError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Meanwhile(_) => "run the command again".to_owned(),
            Self::Relative(_) | Self::Program(_) | Self::NoProgram(_) => {
                "name the program as the node sees it: --path /usr/bin/embargo".to_owned()
            }
            Self::Edit(_, EditError::Taken(_)) => {
                "choose another name with --name, or remove that runtime first".to_owned()
            }
            Self::Edit(_, EditError::Disabled) => {
                "Docker does not use the CRI: embargoctl configure docker".to_owned()
            }
            Self::Managed(..) | Self::ReadOnly(_) => {
                "--print shows the new settings: put them where the file comes from".to_owned()
            }
            Self::Flag { .. } => {
                "the daemon does not start with both, or ignores the file: take the flag out of \
                 its service first"
                    .to_owned()
            }
            Self::OldDocker => "put Embargo in runc's own place: embargoctl divert".to_owned(),
            Self::Service(command, _) => format!(
                "the settings are in place, but the engine has not read them: {command}, or \
                 without systemd what reloads or restarts it there"
            ),
            Self::NoList(_) => {
                "install a list first, or begin with mode = \"audit\" in the settings".to_owned()
            }
            Self::Pause(_) => {
                "take that image out of the ban, or change the engine's pause image".to_owned()
            }
            Self::Doomed(..) => {
                "set live-restore, or replace these containers first, or add --accept-downtime"
                    .to_owned()
            }
            Self::InUse(..) => {
                "create these containers anew with another runtime, or add --accept-downtime"
                    .to_owned()
            }
            Self::Unsure(..) => "to restart all the same, add --accept-downtime".to_owned(),
            Self::Unasked(_) | Self::Unread(_) => {
                "if no container needs it, add --accept-downtime".to_owned()
            }
            Self::Name(..)
            | Self::Edit(..)
            | Self::Settings(_)
            | Self::Outside(..)
            | Self::Invalid(..)
            | Self::Elsewhere(_)
            | Self::NoBuildKit
            | Self::Record(..) => return None,
        })
    }
}

impl From<ConfigureError> for CtlError {
    fn from(error: ConfigureError) -> Self {
        let hint = error.hint();
        Self {
            cause: Box::new(error),
            details: Vec::new(),
            hint,
        }
    }
}

//! Defines what a grammar makes of a command line.

use std::ffi::OsStr;

use super::grammar::{Grammars, StartCommand};

/// The flags before the command that matter here, each as typed; the last of a kind counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Globals<'a> {
    /// `--root`: where the runtime keeps its state.
    pub root: Option<&'a OsStr>,
    /// `--log`: where it writes its messages.
    pub log: Option<&'a OsStr>,
    /// `--log-format`: `text` or `json`.
    pub log_format: Option<&'a OsStr>,
}

/// One reading of the arguments in which a container starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading<'a> {
    /// Which command starts it.
    pub command: StartCommand,
    /// The container ID as typed, which may be illegal.
    pub id: &'a OsStr,
    /// `--bundle` as typed. None, or an empty one, is the working directory.
    pub bundle: Option<&'a OsStr>,
    /// crun's `--config`: the spec file to read in place of the bundle's `config.json`, relative to
    /// the working directory.
    pub spec_file: Option<&'a OsStr>,
    /// The flags before the command.
    pub globals: Globals<'a>,
    /// The grammars with this reading.
    pub grammars: Grammars,
}

/// The container that a command names that starts nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedContainer<'a> {
    /// The container ID as typed.
    pub id: &'a OsStr,
    /// `--root` as typed.
    pub root: Option<&'a OsStr>,
}

/// How one grammar reads the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    /// A container starts.
    Starts(Reading<'a>),
    /// Some other command, and the container that it names, if any.
    Other(Option<NamedContainer<'a>>),
    /// Help or a version is shown.
    Shows,
}

/// Why a grammar finds no reading of the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop<'a> {
    /// It does not know this flag (its name without dashes).
    Unknown(&'a [u8]),
    /// The runtime ends with an error.
    Rejected,
    /// Help or the version was asked for.
    Shows,
}

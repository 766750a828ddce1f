//! Defines the result of reading a command line in one grammar.

use std::ffi::OsStr;

use super::grammar::{Grammars, StartCommand};

/// The global flags that matter here, each as typed. If a flag is repeated, the last value is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Globals<'a> {
    /// `--root`: where the runtime keeps its state.
    pub root: Option<&'a OsStr>,
    /// `--log`: where the runtime writes its messages.
    pub log: Option<&'a OsStr>,
    /// `--log-format`: `text` or `json`.
    pub log_format: Option<&'a OsStr>,
}

/// One way to read the arguments in which a container starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading<'a> {
    /// The command that starts the container.
    pub command: StartCommand,
    /// The container ID as typed; it may be invalid.
    pub id: &'a OsStr,
    /// `--bundle` as typed. If it is missing or empty, the working directory is the bundle.
    pub bundle: Option<&'a OsStr>,
    /// crun's `--config`: the spec file that is read in place of the bundle's `config.json`. The
    /// path is relative to the working directory.
    pub spec_file: Option<&'a OsStr>,
    /// The global flags.
    pub globals: Globals<'a>,
    /// The grammars that read the arguments in this way.
    pub grammars: Grammars,
}

/// The container that a command is about, for commands that start no container.
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
    /// The command starts a container.
    Starts(Reading<'a>),
    /// The command starts no container; with the container that the command is about, if any.
    Other(Option<NamedContainer<'a>>),
    /// The runtime prints its help or its version.
    Shows,
}

/// Why a grammar cannot read the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop<'a> {
    /// The grammar does not know this flag (its name, without dashes).
    Unknown(&'a [u8]),
    /// The runtime would end with an error.
    Rejected,
    /// The runtime would print its help or its version.
    Shows,
}

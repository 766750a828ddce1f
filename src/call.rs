//! Decides what a command line asks for, and whether it starts a container.
//!
//! In: the command line's arguments (hostile). Out: a [`Call`]: one of Embargo's own commands,
//! `check` and `exec-patch`, a call that starts nothing and is passed on, or every way in which the
//! arguments start a container. Pure. Not checked: whether the bundle exists or the container ID is
//! valid.
//!
//! Embargo's own commands are recognised in the very first argument only, and no runtime has a
//! command of that name. So no container, directory or flag value can be mistaken for one, and
//! every other argument belongs to the runtime.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::argv::{self, Globals, Grammars, NamedContainer, Reading};

/// What a call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call<'a> {
    /// `embargo check`, and the arguments after it.
    Check(&'a [&'a OsStr]),
    /// `embargo exec-patch`: another program gets all arguments.
    ExecPatch,
    /// It starts no container: the runtime gets it at once.
    PassOn(PassOn<'a>),
    /// It may start a container.
    Starts(Starts<'a>),
}

/// A call that starts no container in any reading. Only [`read`] makes it, so having one proves
/// that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassOn<'a> {
    named: Option<NamedContainer<'a>>,
}

impl<'a> PassOn<'a> {
    /// The container that it names, if any.
    #[must_use]
    pub const fn named(&self) -> Option<&NamedContainer<'a>> {
        self.named.as_ref()
    }
}

/// The ways in which a call may start a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starts<'a> {
    /// Each reading, all different; nearly always one. None only when the call cannot be read to
    /// its end.
    pub readings: Vec<Reading<'a>>,
    /// Whether readings may be missing because there are too many unknown flags to try: then it is
    /// not known what starts.
    pub cut_short: bool,
}

/// Where the runtime writes its log, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogTarget<'a> {
    /// `--log`: a path, or with crun also `file:PATH`, `journald:ID` or `syslog:ID`.
    pub target: &'a OsStr,
    /// `--log-format`: `text` or `json`; text when it is missing.
    pub format: Option<&'a OsStr>,
}

impl<'a> LogTarget<'a> {
    /// The target that these flags name, if any; an empty `--log` is none (runc main.go,
    /// `configLogrus`).
    #[must_use]
    pub fn of(globals: &Globals<'a>) -> Option<Self> {
        let target = globals.log.filter(|log| !log.is_empty())?;
        Some(Self {
            target,
            format: globals.log_format,
        })
    }
}

impl Starts<'_> {
    /// Keeps only the readings of the `spoken` grammars, if there are any: the runtime that gets
    /// the call is known to use these.
    pub fn settle(&mut self, spoken: Grammars) {
        if self
            .readings
            .iter()
            .any(|reading| reading.grammars.overlaps(spoken))
        {
            self.readings
                .retain(|reading| reading.grammars.overlaps(spoken));
        }
    }
}

/// Reads `args`, argv without its first element, as a call.
#[must_use]
pub fn read<'a>(args: &'a [&'a OsStr]) -> Call<'a> {
    match args.split_first() {
        Some((arg, rest)) if arg.as_bytes() == b"check" => return Call::Check(rest),
        Some((arg, _)) if arg.as_bytes() == b"exec-patch" => return Call::ExecPatch,
        Some(_) | None => {}
    }
    let scan = argv::scan(args);
    let cut_short = scan.cut_short
        && args
            .iter()
            .any(|arg| argv::StartCommand::perhaps(arg).is_some());
    if scan.readings.is_empty() && !cut_short {
        return Call::PassOn(PassOn { named: scan.named });
    }
    Call::Starts(Starts {
        readings: scan.readings,
        cut_short,
    })
}

/// Embargo's own commands.
const OWN: [&str; 2] = ["check", "exec-patch"];

/// How many letters of a command may be wrong, missing, extra or swapped.
const MOST_WRONG: usize = 2;

/// Embargo's own command that the first argument nearly matches. No runtime's command is that close
/// to one.
#[must_use]
pub fn nearly_own(args: &[&OsStr]) -> Option<&'static str> {
    let arg = args
        .first()
        .map(|arg| arg.as_bytes())
        .filter(|arg| !arg.starts_with(b"-"))?;
    OWN.into_iter().find(|own| {
        arg.len() <= own.len() + MOST_WRONG
            && (1..=MOST_WRONG).contains(&distance(arg, own.as_bytes()))
    })
}

/// How many letters must be changed, added, removed or swapped with the next to turn one into the
/// other.
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut next = vec![at + 1];
        for (column, with) in other.iter().enumerate() {
            let mut least = (row[column + 1] + 1)
                .min(next[column] + 1)
                .min(row[column] + usize::from(letter != with));
            if at > 0 && column > 0 && *letter == other[column - 1] && one[at - 1] == *with {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[other.len()]
}

#[cfg(test)]
mod tests;

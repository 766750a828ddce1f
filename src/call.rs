//! Decides which command a command line contains, and whether the command starts a container.
//!
//! In: the command line's arguments (hostile). Out: a [`Call`]: one of Embargo's own commands
//! (`check`, `exec-patch`, `hook`); or a call that starts nothing and is passed on; or all ways to
//! read the arguments in which a container starts. Pure. Not checked: whether the bundle exists or
//! the container ID is valid.
//!
//! Embargo's own commands are recognised only as the first argument, and no runtime has commands of
//! these names. So no container, directory or flag value can be mistaken for one of them. All other
//! arguments are for the runtime.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::argv::{self, Globals, Grammars, NamedContainer, Reading};

/// The command that a command line contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call<'a> {
    /// `embargo check`, and the arguments after it.
    Check(&'a [&'a OsStr]),
    /// `embargo exec-patch`: `embargoctl` gets all arguments.
    ExecPatch,
    /// `embargo hook`, which a runtime calls as an OCI hook.
    Hook,
    /// The call starts no container. The call is passed on to the runtime at once.
    PassOn(PassOn<'a>),
    /// The call may start a container.
    Starts(Starts<'a>),
}

/// A call that starts no container, however a runtime reads its arguments. Only [`read`] makes this
/// value, so a caller that has a [`PassOn`] can rely on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassOn<'a> {
    named: Option<NamedContainer<'a>>,
}

impl<'a> PassOn<'a> {
    /// The container that the call is about, if any.
    #[must_use]
    pub const fn named(&self) -> Option<&NamedContainer<'a>> {
        self.named.as_ref()
    }
}

/// The ways in which a call may start a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starts<'a> {
    /// The different ways to read the arguments; nearly always there is only one. The list is empty
    /// only if the arguments could not be read to their end.
    pub readings: Vec<Reading<'a>>,
    /// Whether ways to read the arguments may be missing, because there are too many unknown flags
    /// to guess. Then it is unknown which container starts.
    pub cut_short: bool,
}

/// Where the caller wants the runtime's log, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogTarget<'a> {
    /// `--log`: a path, or with crun also `file:PATH`, `journald:ID` or `syslog:ID`.
    pub target: &'a OsStr,
    /// `--log-format`: `text` or `json`. If the flag is missing, the format is text.
    pub format: Option<&'a OsStr>,
}

impl<'a> LogTarget<'a> {
    /// The target in these flags, if any. An empty `--log` is treated as missing (runc main.go,
    /// `configLogrus`).
    #[must_use]
    pub fn of(globals: &Globals<'a>) -> Option<Self> {
        match globals.log {
            Some(target) if !target.is_empty() => Some(Self {
                target,
                format: globals.log_format,
            }),
            Some(_) | None => None,
        }
    }
}

impl Starts<'_> {
    /// Removes the readings of other grammars if there is a reading in the `spoken` grammars. The
    /// runtime that gets the call uses one of the `spoken` grammars.
    pub fn settle(&mut self, spoken: Grammars) {
        let is_spoken = |reading: &Reading<'_>| reading.grammars.overlaps(spoken);
        if self.readings.iter().any(is_spoken) {
            self.readings.retain(is_spoken);
        }
    }
}

/// Reads `args`, which is argv without its first element.
#[must_use]
pub fn read<'a>(args: &'a [&'a OsStr]) -> Call<'a> {
    match args.split_first() {
        Some((arg, rest)) if arg.as_bytes() == b"check" => return Call::Check(rest),
        Some((arg, _)) if arg.as_bytes() == b"exec-patch" => return Call::ExecPatch,
        Some((arg, [])) if arg.as_bytes() == b"hook" => return Call::Hook,
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

/// Embargo's own commands for people.
const OWN: [&str; 2] = ["check", "exec-patch"];

/// How many letters of a mistyped command may be wrong, missing, extra or swapped.
const MOST_WRONG: usize = 2;

/// One of Embargo's own commands, if the first argument is nearly the same. No runtime's command is
/// so similar.
#[must_use]
pub fn nearly_own(args: &[&OsStr]) -> Option<&'static str> {
    let arg = args.first()?.as_bytes();
    if arg.starts_with(b"-") {
        return None;
    }
    OWN.into_iter().find(|own| {
        arg.len() <= own.len() + MOST_WRONG
            && (1..=MOST_WRONG).contains(&distance(arg, own.as_bytes()))
    })
}

/// How many letters must be changed, added, removed or swapped with their neighbours to turn `one`
/// into `other`.
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

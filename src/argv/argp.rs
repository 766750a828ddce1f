//! Reads a command line the way crun does.
//!
//! crun uses glibc's argp in order (`ARGP_IN_ORDER`). Long flags have two dashes and may be
//! shortened to a prefix. Letters have one dash and may be joined (`-db X`, `-bX`; `-b=X` means the
//! value `=X`). A flag's value is the next argument, even if that argument is `--`. The global
//! flags end at the first argument that is not a flag, which is the command. The command's flags
//! end in the same way, at the container ID. Nothing may follow the ID.

use std::ffi::OsStr;

use super::flags::{self, Flag, FlagTable, Guesses, Takes};
use super::grammar::{Grammar, StartCommand};
use super::named;
use super::reading::{Parsed, Stop};
use super::values::FlagValues;

/// How crun reads the arguments.
pub(super) fn read<'a>(args: &[&'a OsStr], guesses: &Guesses<'a>) -> Result<Parsed<'a>, Stop<'a>> {
    let mut found = FlagValues::default();
    let start = parse(args, flags::CRUN.global, guesses, &mut found)?;
    let Some((&arg, rest)) = args.get(start..).and_then(<[_]>::split_first) else {
        return Err(Stop::Rejected);
    };
    let Some(command) = StartCommand::named(arg) else {
        return Ok(named::outcome(arg, rest, &found));
    };
    let end = parse(rest, flags::CRUN.of(command), guesses, &mut found)?;
    let positional = rest.get(end..).unwrap_or_default();
    // `restore` allows a second positional argument, after the ID (src/restore.c,
    // `crun_assert_n_args`).
    let most = if command == StartCommand::Restore && positional.len() == 2 {
        1
    } else {
        positional.len()
    };
    // crun does not treat exactly this value as a file name, but reads the bundle's own
    // `config.json` (src/create.c, src/run.c).
    if found.spec_file == Some(OsStr::new("config.json")) {
        found.spec_file = None;
    }
    found.reading(command, &positional[..most], Grammar::Crun)
}

/// Reads flags from the front and returns the position where the flags end.
fn parse<'a>(
    args: &[&'a OsStr],
    table: &FlagTable,
    guesses: &Guesses<'a>,
    found: &mut FlagValues<'a>,
) -> Result<usize, Stop<'a>> {
    let mut at = 0;
    while let Some(arg) = flags::bytes_at(args, at) {
        if arg.len() < 2 || arg[0] != b'-' {
            break;
        }
        at += 1;
        if arg == b"--" {
            break;
        }
        let next = flags::bytes_at(args, at);
        let took_next = match arg.strip_prefix(b"--") {
            Some(long) => take_long(long, next, table, guesses, found)?,
            None => take_letters(&arg[1..], next, table, guesses, found)?,
        };
        at += usize::from(took_next);
    }
    Ok(at)
}

/// Reads `name` or `name=value`; returns whether the next argument is the flag's value.
fn take_long<'a>(
    arg: &'a [u8],
    next: Option<&'a [u8]>,
    table: &FlagTable,
    guesses: &Guesses<'a>,
    found: &mut FlagValues<'a>,
) -> Result<bool, Stop<'a>> {
    let (name, value) = flags::split(arg);
    let flag = long(table, guesses, name, value)?;
    match (flag.takes, value) {
        (Takes::Nothing | Takes::NextArgument, Some(_)) => Err(Stop::Rejected),
        (Takes::Nothing, None) | (Takes::Attached, _) | (Takes::Value, Some(_)) => {
            found.note(flag.purpose, value)?;
            Ok(false)
        }
        (Takes::Value | Takes::NextArgument, None) => {
            found.note(flag.purpose, Some(next.ok_or(Stop::Rejected)?))?;
            Ok(true)
        }
    }
}

/// The flag with this name, or else the first flag whose name starts with it. crun rejects a prefix
/// that fits several flags, except that 1.8.1 takes `--roo` for `--root` although there is
/// `--rootless`. If crun rejects the prefix, no container starts, so a wrong flag found here does
/// no harm.
fn long<'a>(
    table: &FlagTable,
    guesses: &Guesses<'a>,
    name: &'a [u8],
    value: Option<&[u8]>,
) -> Result<Flag, Stop<'a>> {
    let exact = flags::long(table, name).or(flags::assumed(guesses, name, None));
    if let Some(flag) = exact {
        return Ok(flag);
    }
    let prefixed = flags::all(table).find(|flag| flag.long.as_bytes().starts_with(name));
    flags::or_assumed(prefixed, guesses, name, value)
}

/// Reads letters that are joined after one dash; returns whether the next argument is the last
/// letter's value.
fn take_letters<'a>(
    letters: &'a [u8],
    next: Option<&'a [u8]>,
    table: &FlagTable,
    guesses: &Guesses<'a>,
    found: &mut FlagValues<'a>,
) -> Result<bool, Stop<'a>> {
    let mut unknown_before = false;
    for at in 0..letters.len() {
        let flag = flags::letter(table, guesses, letters, at, &mut unknown_before)?;
        let attached = &letters[at + 1..];
        match flag.takes {
            Takes::Nothing => found.note(flag.purpose, None)?,
            Takes::Attached => return Ok(false),
            Takes::Value | Takes::NextArgument if attached.is_empty() => {
                found.note(flag.purpose, Some(next.ok_or(Stop::Rejected)?))?;
                return Ok(true);
            }
            Takes::Value | Takes::NextArgument => {
                found.note(flag.purpose, Some(attached))?;
                return Ok(false);
            }
        }
    }
    Ok(false)
}

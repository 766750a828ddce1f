//! Reads a command line the way youki does.
//!
//! youki uses clap. Long flags have two dashes and are written in full. Letters have one dash and
//! may be joined (`-bX`, `-b=X` and `-b X` all mean the value `X`). A value must not look like a
//! flag. Flags and the container ID may come in any order, until `--`. Global flags come before the
//! command.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::flags::{self, Flag, FlagTable, Guesses, Takes};
use super::grammar::{Grammar, StartCommand};
use super::named;
use super::reading::{Parsed, Stop};
use super::values::FlagValues;

/// How youki reads the arguments.
pub(super) fn read<'a>(args: &[&'a OsStr], guesses: &Guesses<'a>) -> Result<Parsed<'a>, Stop<'a>> {
    let mut found = FlagValues::default();
    let (positional, start) = parse(args, flags::YOUKI.global, guesses, &mut found, 1)?;
    let Some(&arg) = positional.first() else {
        return Ok(Parsed::Shows);
    };
    let rest = args.get(start..).unwrap_or_default();
    match StartCommand::named(arg) {
        Some(command @ (StartCommand::Create | StartCommand::Run)) => {
            let (positional, _) = parse(
                rest,
                flags::YOUKI.of(command),
                guesses,
                &mut found,
                usize::MAX,
            )?;
            found.reading(command, &positional, Grammar::Youki)
        }
        // youki has no `restore`.
        Some(StartCommand::Restore) => Err(Stop::Rejected),
        None => Ok(named::outcome(arg, rest, &found)),
    }
}

/// Returns up to `most` positional arguments, and the position where the scan ended.
fn parse<'a>(
    args: &[&'a OsStr],
    table: &FlagTable,
    guesses: &Guesses<'a>,
    found: &mut FlagValues<'a>,
    most: usize,
) -> Result<(Vec<&'a OsStr>, usize), Stop<'a>> {
    let mut positional = Vec::new();
    let mut at = 0;
    while positional.len() < most
        && let Some(&arg) = args.get(at)
    {
        at += 1;
        let next = flags::bytes_at(args, at);
        match arg.as_bytes() {
            // No command may follow `--`.
            b"--" if most == 1 => return Err(Stop::Rejected),
            b"--" => {
                positional.extend_from_slice(&args[at..]);
                break;
            }
            [b'-', b'-', long @ ..] => {
                at += usize::from(take_long(long, next, table, guesses, found)?)
            }
            [b'-', letters @ ..] if !letters.is_empty() => {
                at += usize::from(take_letters(letters, next, table, guesses, found)?)
            }
            [..] => positional.push(arg),
        }
    }
    Ok((positional, at))
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
    let flag = flags::or_assumed(flags::long(table, name), guesses, name, value)?;
    take(flag, value, next, found)
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
        if flag.takes == Takes::Nothing && !attached.starts_with(b"=") {
            found.note(flag.purpose, None)?;
            continue;
        }
        let value = match attached {
            [] => None,
            [b'=', value @ ..] | value => Some(value),
        };
        return take(flag, value, next, found);
    }
    Ok(false)
}

fn take<'a>(
    flag: Flag,
    value: Option<&'a [u8]>,
    next: Option<&'a [u8]>,
    found: &mut FlagValues<'a>,
) -> Result<bool, Stop<'a>> {
    let (value, took_next) = match (flag.takes, value) {
        (Takes::Nothing, Some(_)) => return Err(Stop::Rejected),
        (Takes::Nothing, None) => (None, false),
        (Takes::Value | Takes::NextArgument | Takes::Attached, Some(value)) => (Some(value), false),
        (Takes::Value | Takes::NextArgument | Takes::Attached, None) => match next {
            None | Some([b'-', _, ..]) => return Err(Stop::Rejected),
            Some(next) => (Some(next), true),
        },
    };
    found.note(flag.purpose, value)?;
    Ok(took_next)
}

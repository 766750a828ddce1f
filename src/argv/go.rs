//! Reads a command line the way runc does.
//!
//! Up to 1.5, runc uses urfave/cli v1 over Go's `flag`. Long names have one dash or two. Long names
//! cannot be shortened, and letters cannot be joined. Flags end at the first argument that is not a
//! flag. But cli first reorders the arguments after the command: flags move to the front. So
//! `create c1 --bundle X` works, and `create --no-pivot c1 --bundle X` does not. The rules of the
//! reordering changed. [`early`] has the rules up to cli v1.22.5, with which the runc project
//! builds 1.0 and 1.1. [`late`] has the rules of later cli versions, with which distributions build
//! runc 1.0 and 1.1 (Debian's 1.1.5: v1.22.9). runc's main branch uses urfave/cli v3, which allows
//! flags anywhere, global flags too, and trims white space off the arguments (`command_parse.go`,
//! v3.10.1).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::flags::{self, Flag, FlagTable, Guesses, Takes};
use super::grammar::{Grammar, StartCommand, trim};
use super::named;
use super::reading::{Parsed, Stop};
use super::values::FlagValues;

/// How runc 1.0 and 1.1 read the arguments if the runc project itself built them.
pub(super) fn read_early<'a>(
    args: &[&'a OsStr],
    guesses: &Guesses<'a>,
) -> Result<Parsed<'a>, Stop<'a>> {
    read_ordered(args, guesses, Grammar::RuncEarly)
}

/// How runc up to 1.5 reads the arguments.
pub(super) fn read<'a>(args: &[&'a OsStr], guesses: &Guesses<'a>) -> Result<Parsed<'a>, Stop<'a>> {
    read_ordered(args, guesses, Grammar::Runc)
}

fn read_ordered<'a>(
    args: &[&'a OsStr],
    guesses: &Guesses<'a>,
    grammar: Grammar,
) -> Result<Parsed<'a>, Stop<'a>> {
    let mut found = FlagValues::default();
    let start = parse(args, flags::RUNC.global, guesses, &mut found)?;
    let Some((&arg, rest)) = args.get(start..).and_then(<[_]>::split_first) else {
        return Ok(Parsed::Shows);
    };
    let Some(command) = StartCommand::named(arg) else {
        return Ok(named::outcome(arg, rest, &found));
    };
    let table = flags::RUNC.of(command);
    let rest = match grammar {
        Grammar::RuncEarly => early(rest),
        Grammar::Runc | Grammar::RuncNext | Grammar::Crun | Grammar::Youki => {
            late(rest, table, guesses)
        }
    };
    let end = parse(&rest, table, guesses, &mut found)?;
    found.reading(command, rest.get(end..).unwrap_or_default(), grammar)
}

/// Go's `flag`: reads flags from the front and returns the position where they end.
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
        let (name, mut value) = flags::split(undashed(arg));
        if matches!(name.first(), None | Some(b'-')) {
            return Err(Stop::Rejected);
        }
        let flag = known(table, guesses, name, value)?;
        if value.is_none() && flag.takes != Takes::Nothing {
            value = Some(args.get(at).ok_or(Stop::Rejected)?.as_bytes());
            at += 1;
        }
        found.note(flag.purpose, value)?;
    }
    Ok(at)
}

/// `reorderArgs` of urfave/cli v1.22.1. The function moves all arguments with a dash to the front.
/// If an argument with a dash has no `=` and an argument without a dash follows, the following
/// argument moves too. `--` and everything after it stay where they are.
fn early<'a>(args: &[&'a OsStr]) -> Vec<&'a OsStr> {
    let (mut front, mut back) = (Vec::with_capacity(args.len()), Vec::new());
    let mut may_be_value = false;
    for (at, &arg) in args.iter().enumerate() {
        let bytes = arg.as_bytes();
        if bytes == b"--" {
            back.extend_from_slice(&args[at..]);
            break;
        }
        let is_flag = bytes != b"-" && bytes.starts_with(b"-");
        let is_value = may_be_value && !bytes.starts_with(b"-");
        may_be_value = is_flag && !bytes.contains(&b'=');
        if is_flag || is_value {
            front.push(arg)
        } else {
            back.push(arg)
        }
    }
    front.append(&mut back);
    front
}

/// `reorderArgs` of urfave/cli v1.22.6 and later. The function moves the command's own flags to the
/// front. If such a flag has no `=`, the next argument moves too, even `--`, but not another flag
/// of the command. Any other `--` comes to the end of the front part; the arguments that follow
/// that `--` stay unchanged.
fn late<'a>(args: &[&'a OsStr], table: &FlagTable, guesses: &Guesses<'a>) -> Vec<&'a OsStr> {
    let (mut front, mut back) = (Vec::with_capacity(args.len()), Vec::new());
    let mut may_be_value = false;
    for (at, &arg) in args.iter().enumerate() {
        let bytes = arg.as_bytes();
        if is_flag(bytes, table, guesses) {
            may_be_value = !bytes.contains(&b'=');
            front.push(arg);
        } else if std::mem::take(&mut may_be_value) {
            front.push(arg);
        } else if bytes == b"--" {
            front.push(arg);
            back.extend_from_slice(&args[at + 1..]);
            break;
        } else {
            back.push(arg);
        }
    }
    front.append(&mut back);
    front
}

/// urfave/cli v1's `argIsFlag`.
fn is_flag(arg: &[u8], table: &FlagTable, guesses: &Guesses<'_>) -> bool {
    if arg == b"-" || arg == b"--" || !arg.starts_with(b"-") {
        return false;
    }
    let name = undashed(arg);
    let (name, value) = flags::split(name.strip_prefix(b"-").unwrap_or(name));
    known(table, guesses, name, value).is_ok()
}

/// How runc's main branch reads the arguments.
pub(super) fn read_next<'a>(
    args: &[&'a OsStr],
    guesses: &Guesses<'a>,
) -> Result<Parsed<'a>, Stop<'a>> {
    let mut found = FlagValues::default();
    let (positional, start) = parse_next(args, flags::RUNC_NEXT.global, guesses, &mut found, 1)?;
    let Some(&arg) = positional.first() else {
        return Ok(Parsed::Shows);
    };
    let rest = args.get(start..).unwrap_or_default();
    let Some(command) = StartCommand::named(arg) else {
        return Ok(named::outcome(arg, rest, &found));
    };
    let (positional, _) = parse_next(
        rest,
        flags::RUNC_NEXT.of(command),
        guesses,
        &mut found,
        usize::MAX,
    )?;
    found.reading(command, &positional, Grammar::RuncNext)
}

/// urfave/cli v3's `parseFlags`. Returns at most `most` positional arguments (one while the command
/// is searched for), and the position where the scan ended.
fn parse_next<'a>(
    args: &[&'a OsStr],
    table: &FlagTable,
    guesses: &Guesses<'a>,
    found: &mut FlagValues<'a>,
    most: usize,
) -> Result<(Vec<&'a OsStr>, usize), Stop<'a>> {
    let mut positional = Vec::new();
    let mut at = 0;
    while positional.len() < most
        && let Some(&untrimmed) = args.get(at)
    {
        at += 1;
        let arg = trim(untrimmed.as_bytes());
        match arg {
            [] => positional.push(untrimmed),
            b"--" => {
                // Everything after `--` is positional and stays unchanged.
                positional.extend(args.iter().skip(at).take(most));
                at = at.saturating_add(most);
                break;
            }
            b"-" => {
                positional.push(OsStr::from_bytes(arg));
                break;
            }
            [b'-', b'-', ..] => at = take_next(arg, args, at, table, guesses, found)?,
            [b'-', letter, ..] if is_letter(*letter) => {
                at = take_next(arg, args, at, table, guesses, found)?
            }
            [b'-', ..] => {
                positional.extend_from_slice(&args[at - 1..]);
                break;
            }
            [..] => positional.push(OsStr::from_bytes(arg)),
        }
    }
    Ok((positional, at))
}

/// Whether a byte is a Latin-1 letter. cli asks Go's `unicode.IsLetter` about single bytes.
const fn is_letter(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | 0xaa | 0xb5 | 0xba | 0xc0..=0xd6 | 0xd8..=0xf6 | 0xf8..)
}

/// Reads the flag `arg`. If the flag needs a value, the value is the argument at `at`. Returns the
/// position of the next argument to read.
fn take_next<'a>(
    arg: &'a [u8],
    args: &[&'a OsStr],
    at: usize,
    table: &FlagTable,
    guesses: &Guesses<'a>,
    found: &mut FlagValues<'a>,
) -> Result<usize, Stop<'a>> {
    let (name, value) = flags::split(undashed(arg));
    let flag = known(table, guesses, name, value)?;
    if value.is_some() || flag.takes == Takes::Nothing {
        found.note(flag.purpose, value)?;
        return Ok(at);
    }
    let next = args.get(at).ok_or(Stop::Rejected)?;
    found.note(flag.purpose, Some(next.as_bytes()))?;
    Ok(at + 1)
}

fn known<'a>(
    table: &FlagTable,
    guesses: &Guesses<'a>,
    name: &'a [u8],
    value: Option<&[u8]>,
) -> Result<Flag, Stop<'a>> {
    flags::or_assumed(flags::find(table, name), guesses, name, value)
}

/// A flag without its one or two dashes.
fn undashed(arg: &[u8]) -> &[u8] {
    let arg = arg.strip_prefix(b"-").unwrap_or(arg);
    arg.strip_prefix(b"-").unwrap_or(arg)
}

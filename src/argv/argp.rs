//! Reads a command line the way crun does.
//!
//! crun uses glibc's argp in order (`ARGP_IN_ORDER`). Long flags have two dashes, and a prefix of
//! one is enough. One dash is for letters, which may be joined (`-db X`, `-bX`; `-b=X` means `=X`).
//! A value is the next argument, even when that is `--`. Flags end at the first argument that is
//! none, for the command and again for the container ID, after which nothing may follow.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::flags::{self, Flag, Table, Takes};
use super::{Command, Found, Grammar, Guesses, Outcome, Stop, named};

/// How crun reads the arguments.
pub(super) fn read<'a>(
    words: &[&'a OsStr],
    guesses: &Guesses<'a>,
) -> Result<Outcome<'a>, Stop<'a>> {
    let mut found = Found::default();
    let start = parse(words, flags::CRUN.global, guesses, &mut found)?;
    let Some((&word, rest)) = words.get(start..).and_then(<[_]>::split_first) else {
        return Err(Stop::Rejected);
    };
    let Some(command) = Command::named(word) else {
        return Ok(named::outcome(word, rest, &found));
    };
    let end = parse(rest, flags::CRUN.of(command), guesses, &mut found)?;
    let positional = rest.get(end..).unwrap_or_default();
    // `restore` allows one more argument after the ID (src/restore.c, `crun_assert_n_args`).
    let most = if command == Command::Restore && positional.len() == 2 {
        1
    } else {
        positional.len()
    };
    // To crun this exact value is not a file name: it reads the bundle's own then (src/create.c,
    // src/run.c).
    found.spec_file = found.spec_file.filter(|file| *file != "config.json");
    found.reading(command, &positional[..most], Grammar::Crun)
}

/// Takes flags from the front and returns where they end.
fn parse<'a>(
    words: &[&'a OsStr],
    table: &Table,
    guesses: &Guesses<'a>,
    found: &mut Found<'a>,
) -> Result<usize, Stop<'a>> {
    let mut at = 0;
    while let Some(word) = words.get(at).map(|word| word.as_bytes()) {
        if word.len() < 2 || word[0] != b'-' {
            break;
        }
        at += 1;
        if word == b"--" {
            break;
        }
        let next = words.get(at).map(|word| word.as_bytes());
        let took_next = match word.strip_prefix(b"--") {
            Some(long) => take_long(long, next, table, guesses, found)?,
            None => take_letters(&word[1..], next, table, guesses, found)?,
        };
        at += usize::from(took_next);
    }
    Ok(at)
}

/// Takes `name` or `name=value`; returns whether the next argument is its value.
fn take_long<'a>(
    word: &'a [u8],
    next: Option<&'a [u8]>,
    table: &Table,
    guesses: &Guesses<'a>,
    found: &mut Found<'a>,
) -> Result<bool, Stop<'a>> {
    let mut halves = word.splitn(2, |&byte| byte == b'=');
    let (name, value) = (halves.next().unwrap_or_default(), halves.next());
    let flag = long(table, guesses, name, value)?;
    match (flag.takes, value) {
        (Takes::Nothing | Takes::NextWord, Some(_)) => Err(Stop::Rejected),
        (Takes::Nothing, None) | (Takes::Attached, _) | (Takes::Value, Some(_)) => {
            found.note(flag.means, value).map(|()| false)
        }
        (Takes::Value | Takes::NextWord, None) => found
            .note(flag.means, Some(next.ok_or(Stop::Rejected)?))
            .map(|()| true),
    }
}

/// The flag of this name, else the first whose name starts with it. crun rejects a prefix of
/// several flags, except that 1.8.1 takes `--roo` for `--root` though it has `--rootless`. Where it
/// does reject, nothing starts, whatever is read here.
fn long<'a>(
    table: &Table,
    guesses: &Guesses<'a>,
    name: &'a [u8],
    value: Option<&[u8]>,
) -> Result<Flag, Stop<'a>> {
    let exact = flags::all(table).find(|flag| flag.long.as_bytes() == name);
    let beginning = || flags::all(table).find(|flag| flag.long.as_bytes().starts_with(name));
    let guessed = || flags::assumed(guesses, name, None);
    exact
        .or_else(guessed)
        .or_else(beginning)
        .or_else(|| flags::assumed(guesses, name, value))
        .ok_or(Stop::Unknown(name))
}

/// Takes letters joined after one dash; returns whether the next argument is the value of the last.
fn take_letters<'a>(
    letters: &'a [u8],
    next: Option<&'a [u8]>,
    table: &Table,
    guesses: &Guesses<'a>,
    found: &mut Found<'a>,
) -> Result<bool, Stop<'a>> {
    let mut unknown_before = false;
    for at in 0..letters.len() {
        let flag = flags::letter(table, guesses, letters, at, &mut unknown_before)?;
        let attached = &letters[at + 1..];
        match flag.takes {
            Takes::Nothing => found.note(flag.means, None)?,
            Takes::Attached => return Ok(false),
            Takes::Value | Takes::NextWord if attached.is_empty() => {
                return found
                    .note(flag.means, Some(next.ok_or(Stop::Rejected)?))
                    .map(|()| true);
            }
            Takes::Value | Takes::NextWord => {
                return found.note(flag.means, Some(attached)).map(|()| false);
            }
        }
    }
    Ok(false)
}

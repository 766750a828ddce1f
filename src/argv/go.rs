//! Reads a command line the way runc does.
//!
//! Up to 1.5, runc uses urfave/cli v1 over Go's `flag`: long names with one dash or two, no
//! prefixes, no joined short flags. Flags stop at the first argument that is none. The arguments
//! after the command are reordered first, flags before the rest, so that `create c1 --bundle X`
//! works and `create --no-pivot c1 --bundle X` does not. The rules of that order changed. [`early`]
//! is for cli up to v1.22.5, which runc 1.0 and 1.1 are built with. [`late`] is for later versions,
//! which distributions build them with (Debian's 1.1.5: v1.22.9). The main branch uses urfave/cli
//! v3, which takes flags anywhere, global ones included, and trims white space off the arguments
//! (`command_parse.go`, v3.10.1).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::flags::{self, Flag, Table, Takes};
use super::{Command, Found, Grammar, Guesses, Outcome, Stop, named};

/// How runc 1.0 and 1.1 read the arguments.
pub(super) fn read_early<'a>(
    words: &[&'a OsStr],
    guesses: &Guesses<'a>,
) -> Result<Outcome<'a>, Stop<'a>> {
    read_ordered(words, guesses, Grammar::RuncEarly, |words, _| early(words))
}

/// How runc up to 1.5 reads the arguments.
pub(super) fn read<'a>(
    words: &[&'a OsStr],
    guesses: &Guesses<'a>,
) -> Result<Outcome<'a>, Stop<'a>> {
    read_ordered(words, guesses, Grammar::Runc, |words, table| {
        late(words, table, guesses)
    })
}

fn read_ordered<'a>(
    words: &[&'a OsStr],
    guesses: &Guesses<'a>,
    grammar: Grammar,
    order: impl Fn(&[&'a OsStr], &Table) -> Vec<&'a OsStr>,
) -> Result<Outcome<'a>, Stop<'a>> {
    let mut found = Found::default();
    let start = parse(words, flags::RUNC.global, guesses, &mut found)?;
    let Some((&word, rest)) = words.get(start..).and_then(<[_]>::split_first) else {
        return Ok(Outcome::Shows);
    };
    let Some(command) = Command::named(word) else {
        return Ok(named::outcome(word, rest, &found));
    };
    let table = flags::RUNC.of(command);
    let rest = order(rest, table);
    let end = parse(&rest, table, guesses, &mut found)?;
    found.reading(command, rest.get(end..).unwrap_or_default(), grammar)
}

/// Go's `flag`: takes flags from the front and returns where they end.
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
        let (name, mut value) = split(undashed(word));
        if matches!(name.first(), None | Some(b'-')) {
            return Err(Stop::Rejected);
        }
        let flag = known(table, guesses, name, value)?;
        if value.is_none() && flag.takes != Takes::Nothing {
            value = Some(words.get(at).ok_or(Stop::Rejected)?.as_bytes());
            at += 1;
        }
        found.note(flag.means, value)?;
    }
    Ok(at)
}

/// `reorderArgs` of urfave/cli v1.22.1: it moves to the front all arguments with a dash, and after
/// one without `=` also a following argument without a dash. A `--` and what follows it stay where
/// they are.
fn early<'a>(words: &[&'a OsStr]) -> Vec<&'a OsStr> {
    let (mut front, mut back) = (Vec::with_capacity(words.len()), Vec::new());
    let mut may_be_value = false;
    for (at, &word) in words.iter().enumerate() {
        let bytes = word.as_bytes();
        if bytes == b"--" {
            back.extend_from_slice(&words[at..]);
            break;
        }
        let is_flag = bytes != b"-" && bytes.starts_with(b"-");
        let is_value = may_be_value && !bytes.starts_with(b"-");
        may_be_value = is_flag && !bytes.contains(&b'=');
        if is_flag || is_value {
            front.push(word)
        } else {
            back.push(word)
        }
    }
    front.append(&mut back);
    front
}

/// `reorderArgs` of urfave/cli v1.22.6 and later: it moves to the front the command's own flags,
/// and after one without `=` also any following argument that is no such flag, `--` included. Any
/// other `--` comes before everything that stays.
fn late<'a>(words: &[&'a OsStr], table: &Table, guesses: &Guesses<'a>) -> Vec<&'a OsStr> {
    let (mut front, mut back) = (Vec::with_capacity(words.len()), Vec::new());
    let mut may_be_value = false;
    for (at, &word) in words.iter().enumerate() {
        let bytes = word.as_bytes();
        if is_flag(bytes, table, guesses) {
            may_be_value = !bytes.contains(&b'=');
            front.push(word);
        } else if std::mem::take(&mut may_be_value) {
            front.push(word);
        } else if bytes == b"--" {
            front.push(word);
            back.extend_from_slice(&words[at + 1..]);
            break;
        } else {
            back.push(word);
        }
    }
    front.append(&mut back);
    front
}

/// urfave/cli v1's `argIsFlag`.
fn is_flag(word: &[u8], table: &Table, guesses: &Guesses<'_>) -> bool {
    if word == b"-" || word == b"--" || !word.starts_with(b"-") {
        return false;
    }
    let name = undashed(word);
    let (name, value) = split(name.strip_prefix(b"-").unwrap_or(name));
    known(table, guesses, name, value).is_ok()
}

/// How runc's main branch reads the arguments.
pub(super) fn read_next<'a>(
    words: &[&'a OsStr],
    guesses: &Guesses<'a>,
) -> Result<Outcome<'a>, Stop<'a>> {
    let mut found = Found::default();
    let (positional, start) =
        parse_next(words, flags::RUNC_NEXT.global, guesses, &mut found, true)?;
    let Some(&word) = positional.first() else {
        return Ok(Outcome::Shows);
    };
    let rest = words.get(start..).unwrap_or_default();
    let Some(command) = Command::named(word) else {
        return Ok(named::outcome(word, rest, &found));
    };
    let (positional, _) = parse_next(
        rest,
        flags::RUNC_NEXT.of(command),
        guesses,
        &mut found,
        false,
    )?;
    found.reading(command, &positional, Grammar::RuncNext)
}

/// urfave/cli v3's `parseFlags`: the positional arguments, and where the scan ended. The scan for a
/// command ends after the first positional argument.
fn parse_next<'a>(
    words: &[&'a OsStr],
    table: &Table,
    guesses: &Guesses<'a>,
    found: &mut Found<'a>,
    for_command: bool,
) -> Result<(Vec<&'a OsStr>, usize), Stop<'a>> {
    let mut positional = Vec::new();
    let mut at = 0;
    while let Some(&untrimmed) = words.get(at) {
        if for_command && !positional.is_empty() {
            break;
        }
        at += 1;
        let word = trim(untrimmed.as_bytes());
        match word {
            [] => positional.push(untrimmed),
            b"--" => {
                // What follows is positional, unchanged.
                let most = if for_command { 1 } else { usize::MAX };
                positional.extend(words.iter().skip(at).take(most));
                at += usize::from(for_command);
                break;
            }
            b"-" => {
                positional.push(OsStr::from_bytes(word));
                break;
            }
            [b'-', b'-', ..] => at = take_next(word, words, at, table, guesses, found)?,
            [b'-', letter, ..] if is_letter(*letter) => {
                at = take_next(word, words, at, table, guesses, found)?
            }
            [b'-', ..] => {
                positional.extend_from_slice(&words[at - 1..]);
                break;
            }
            [..] => positional.push(OsStr::from_bytes(word)),
        }
    }
    Ok((positional, at))
}

/// Whether a byte is a Latin-1 letter: Go's `unicode.IsLetter` is asked about single bytes.
const fn is_letter(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | 0xaa | 0xb5 | 0xba | 0xc0..=0xd6 | 0xd8..=0xf6 | 0xf8..)
}

/// Takes the flag `word` and, where it needs one, its value at `at`; returns where to continue.
fn take_next<'a>(
    word: &'a [u8],
    words: &[&'a OsStr],
    at: usize,
    table: &Table,
    guesses: &Guesses<'a>,
    found: &mut Found<'a>,
) -> Result<usize, Stop<'a>> {
    let (name, value) = split(undashed(word));
    let flag = known(table, guesses, name, value)?;
    if value.is_some() || flag.takes == Takes::Nothing {
        found.note(flag.means, value)?;
        return Ok(at);
    }
    let next = words.get(at).ok_or(Stop::Rejected)?;
    found.note(flag.means, Some(next.as_bytes()))?;
    Ok(at + 1)
}

fn known<'a>(
    table: &Table,
    guesses: &Guesses<'a>,
    name: &'a [u8],
    value: Option<&[u8]>,
) -> Result<Flag, Stop<'a>> {
    flags::find(table, name)
        .or_else(|| flags::assumed(guesses, name, value))
        .ok_or(Stop::Unknown(name))
}

/// A flag without its one or two dashes.
fn undashed(word: &[u8]) -> &[u8] {
    word.strip_prefix(b"--")
        .or_else(|| word.strip_prefix(b"-"))
        .unwrap_or(word)
}

/// Splits `name=value`; Go lets no name start with `=`.
fn split(word: &[u8]) -> (&[u8], Option<&[u8]>) {
    match word.iter().position(|&byte| byte == b'=') {
        Some(at) => (&word[..at], Some(&word[at + 1..])),
        None => (word, None),
    }
}

/// Go's `strings.TrimSpace`: trims Unicode white space off both ends; a byte that is not UTF-8 is
/// none.
pub(super) fn trim(word: &[u8]) -> &[u8] {
    let front = word.utf8_chunks().next().map_or(0, |chunk| {
        chunk.valid().len() - chunk.valid().trim_start().len()
    });
    let word = &word[front..];
    let back = word
        .utf8_chunks()
        .last()
        .filter(|chunk| chunk.invalid().is_empty());
    let spare = back.map_or(0, |chunk| {
        chunk.valid().len() - chunk.valid().trim_end().len()
    });
    &word[..word.len() - spare]
}

//! Reads the command line as each runtime would read it.
//!
//! In: the arguments after the program's own name; hostile, of any bytes and any length. Out: how
//! each runtime that Embargo may become would read the arguments. A *reading* is one way to read
//! the arguments. It has the command, the bundle, the spec file, the container ID, and the paths
//! for state and log. The command is found by its position, never by searching for its name. Pure:
//! nothing is read from the machine, nothing is copied out of the arguments, nothing panics.
//!
//! There are five grammars, one for each way in which a runtime reads its arguments: [`Grammar`].
//! They differ in points that matter: `-b=X` means the bundle `X` to runc, and `=X` to crun. So the
//! arguments are scanned in all grammars. The result has every reading in which a container starts.
//! A flag that no grammar knows may come from a future version. Then the arguments are scanned
//! twice: once as if the flag took a value, and once as if it took none. Not checked: whether the
//! bundle exists, and whether a value (`--log-format`, `--preserve-fds`) is valid, because a
//! runtime that rejects a value starts nothing.

mod grammar;
mod reading;
mod flags;
mod values;
mod named;
mod argp;
mod clap;
mod go;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use flags::{Guesses, Takes};
pub use grammar::{Grammar, Grammars, StartCommand};
pub use reading::{Globals, NamedContainer, Reading};
use reading::{Parsed, Stop};

/// At most this many different unknown flags are guessed. Each guessed flag doubles the number of
/// scans.
const MOST_GUESSES: usize = 5;

/// The result of scanning the arguments in all grammars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan<'a> {
    /// The different ways to read the arguments in which a container starts.
    pub readings: Vec<Reading<'a>>,
    /// If the command starts nothing: the container that the command is about. The result of the
    /// first grammar that finds a container is used.
    pub named: Option<NamedContainer<'a>>,
    /// Whether there is a grammar in which the arguments start nothing.
    pub may_start_nothing: bool,
    /// Whether there were too many unknown flags to guess. Then ways to read the arguments may be
    /// missing.
    pub cut_short: bool,
}

/// Scans `args`: argv without its first element.
#[must_use]
pub fn scan<'a>(args: &[&'a OsStr]) -> Scan<'a> {
    let mut scan = Scan {
        readings: Vec::new(),
        named: None,
        may_start_nothing: false,
        cut_short: false,
    };
    let mut understood = false;
    let may_be_long = args.iter().any(is_joined);
    let mut unsure = Vec::new();
    for grammar in Grammar::ALL {
        match read(grammar, args, &Guesses::default()) {
            Ok(outcome) => {
                // A grammar that joins letters may be wrong about this argument: the letters may be
                // a long flag with one dash, such as `-root R` of another runtime.
                understood |= !(may_be_long && grammar.joins_letters())
                    || matches!(outcome, Parsed::Starts(_));
                scan.add(outcome);
            }
            Err(Stop::Unknown(_)) => unsure.push(grammar),
            Err(Stop::Rejected | Stop::Shows) => {}
        }
    }
    if !understood {
        for grammar in unsure {
            guess(
                grammar,
                args,
                &mut Guesses {
                    attached: true,
                    made: Vec::new(),
                },
                &mut scan,
            );
        }
    }
    scan
}

/// Whether the argument has exactly one dash, followed by more than one letter.
fn is_joined(arg: &&OsStr) -> bool {
    matches!(arg.as_bytes(), [b'-', second, _, ..] if *second != b'-')
}

/// Scans in one grammar, once for each combination of assumptions about unknown flags.
fn guess<'a>(grammar: Grammar, args: &[&'a OsStr], guesses: &mut Guesses<'a>, scan: &mut Scan<'a>) {
    match read(grammar, args, guesses) {
        Ok(outcome) => scan.add(outcome),
        Err(Stop::Unknown(_)) if guesses.made.len() == MOST_GUESSES => scan.cut_short = true,
        Err(Stop::Unknown(name)) => {
            for takes in [Takes::Nothing, Takes::Value] {
                guesses.made.push((name, takes));
                guess(grammar, args, guesses, scan);
                guesses.made.pop();
            }
        }
        Err(Stop::Rejected | Stop::Shows) => {}
    }
}

fn read<'a>(
    grammar: Grammar,
    args: &[&'a OsStr],
    guesses: &Guesses<'a>,
) -> Result<Parsed<'a>, Stop<'a>> {
    let outcome = match grammar {
        Grammar::Runc => go::read(args, guesses),
        Grammar::RuncEarly => go::read_early(args, guesses),
        Grammar::RuncNext => go::read_next(args, guesses),
        Grammar::Crun => argp::read(args, guesses),
        Grammar::Youki => clap::read(args, guesses),
    };
    if outcome == Err(Stop::Shows) {
        Ok(Parsed::Shows)
    } else {
        outcome
    }
}

impl<'a> Scan<'a> {
    fn add(&mut self, outcome: Parsed<'a>) {
        match outcome {
            Parsed::Starts(reading) => self.add_reading(reading),
            Parsed::Other(named) => {
                self.may_start_nothing = true;
                self.named = self.named.or(named);
            }
            Parsed::Shows => self.may_start_nothing = true,
        }
    }

    fn add_reading(&mut self, reading: Reading<'a>) {
        for known in &mut self.readings {
            let grammars = known.grammars.or(reading.grammars);
            if (Reading { grammars, ..*known })
                == (Reading {
                    grammars,
                    ..reading
                })
            {
                known.grammars = grammars;
                return;
            }
        }
        self.readings.push(reading);
    }
}

//! Reads the command line as each runtime would read it.
//!
//! In: the arguments after the program's own name, hostile, of any bytes and any length. Out: what
//! each runtime that may run behind Embargo would make of them: the command, found by its position
//! and never by searching for its name, and with it the bundle, the spec file, the container ID and
//! the places for state and log. Pure: nothing is read from the machine, nothing is copied out of
//! the arguments, nothing panics.
//!
//! There are five grammars, one for each way in which a runtime reads its arguments: [`Grammar`].
//! They differ where it matters (`-b=X` is the bundle `X` to runc and `=X` to crun), so the
//! arguments are scanned by all of them, and every reading in which a container starts is returned.
//! A flag that none of them knows may come from a future version: the arguments are then scanned as
//! if it took a value and as if it took none. Not checked: whether the bundle exists, and whether a
//! value (`--log-format`, `--preserve-fds`) makes sense, because a runtime that rejects it starts
//! nothing.

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

/// The most different unknown flags that are guessed at: each doubles the scans.
const MOST_GUESSES: usize = 5;

/// How every grammar reads the arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan<'a> {
    /// The different readings in which a container starts.
    pub readings: Vec<Reading<'a>>,
    /// The container that some other command is about, by the first grammar that names one.
    pub named: Option<NamedContainer<'a>>,
    /// Whether some grammar reads the arguments as something that starts nothing.
    pub may_start_nothing: bool,
    /// Whether there were more unknown flags than are guessed at: readings may be missing.
    pub cut_short: bool,
}

/// Scans `args`, which is argv without its first element.
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
                // Where letters are joined, what starts nothing may be the start of a long flag
                // with one dash: `-root R` of another runtime.
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

/// Whether the argument has one dash and more than one letter.
fn is_joined(arg: &&OsStr) -> bool {
    matches!(arg.as_bytes(), [b'-', second, _, ..] if *second != b'-')
}

/// Scans in one grammar, with each assumption about its unknown flags.
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

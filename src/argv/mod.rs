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

mod argp;
mod clap;
mod flags;
mod go;
mod named;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use flags::{Means, Takes};

/// The most different unknown flags that are guessed at: each doubles the scans.
const MOST_GUESSES: usize = 5;

/// A runtime's way of reading its command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// runc up to 1.5: urfave/cli v1.22.6 or later over Go's `flag` (seen on Debian's 1.1.5 and
    /// on 1.3.6).
    Runc,
    /// runc 1.0 and 1.1 as their own project builds them: urfave/cli v1.22.1.
    RuncEarly,
    /// runc's main branch: urfave/cli v3 (v3.10.1: `command_parse.go`).
    RuncNext,
    /// crun: glibc's argp, in order (seen on 1.8.1; src/crun.c at 1.29).
    Crun,
    /// youki: clap (crates/liboci-cli).
    Youki,
}

impl Grammar {
    /// Every grammar, the most common first.
    pub const ALL: [Self; 5] = [
        Self::Runc,
        Self::RuncEarly,
        Self::RuncNext,
        Self::Crun,
        Self::Youki,
    ];

    /// Whether it reads an argument with one dash as letters, and never as one long name.
    const fn joins_letters(self) -> bool {
        match self {
            Self::Crun | Self::Youki => true,
            Self::Runc | Self::RuncEarly | Self::RuncNext => false,
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Runc => 1,
            Self::RuncNext => 2,
            Self::Crun => 4,
            Self::Youki => 8,
            Self::RuncEarly => 16,
        }
    }
}

/// A set of grammars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grammars(u8);

impl Grammars {
    /// The set of just this grammar.
    #[must_use]
    pub const fn only(grammar: Grammar) -> Self {
        Self(grammar.bit())
    }

    /// The grammars of both sets.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the sets have a grammar in common.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The commands that start a container's process from its bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// OCI `create`: the process waits for `start`.
    Create,
    /// `run`: create and start.
    Run,
    /// `restore`: from a checkpoint.
    Restore,
}

impl Command {
    /// The command that some grammar reads in this argument: runc's main branch trims white space
    /// off it.
    #[must_use]
    pub fn perhaps(word: &OsStr) -> Option<Self> {
        Self::named(OsStr::from_bytes(go::trim(word.as_bytes())))
    }

    /// The command with exactly this name.
    #[must_use]
    pub fn named(word: &OsStr) -> Option<Self> {
        match word.as_bytes() {
            b"create" => Some(Self::Create),
            b"run" => Some(Self::Run),
            b"restore" => Some(Self::Restore),
            _ => None,
        }
    }

    /// The command's name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Run => "run",
            Self::Restore => "restore",
        }
    }
}

/// The flags before the command that matter here, each as typed; the last of a kind counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Globals<'a> {
    /// `--root`: where the runtime keeps its state.
    pub root: Option<&'a OsStr>,
    /// `--log`: where it writes its messages.
    pub log: Option<&'a OsStr>,
    /// `--log-format`: `text` or `json`.
    pub log_format: Option<&'a OsStr>,
}

/// One reading of the arguments in which a container starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading<'a> {
    /// Which command starts it.
    pub command: Command,
    /// The container ID as typed, which may be illegal.
    pub id: &'a OsStr,
    /// `--bundle` as typed. None, or an empty one, is the working directory.
    pub bundle: Option<&'a OsStr>,
    /// crun's `--config`: the spec file to read in place of the bundle's `config.json`, relative to
    /// the working directory.
    pub spec_file: Option<&'a OsStr>,
    /// The flags before the command.
    pub globals: Globals<'a>,
    /// The grammars with this reading.
    pub grammars: Grammars,
}

/// The container that a command names that starts nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// The container ID as typed.
    pub id: &'a OsStr,
    /// `--root` as typed.
    pub root: Option<&'a OsStr>,
}

/// How one grammar reads the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome<'a> {
    /// A container starts.
    Starts(Reading<'a>),
    /// Some other command, and the container that it names, if any.
    Other(Option<Named<'a>>),
    /// Help or a version is shown.
    Shows,
}

/// Why a grammar finds no reading of the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop<'a> {
    /// It does not know this flag (its name without dashes).
    Unknown(&'a [u8]),
    /// The runtime ends with an error.
    Rejected,
    /// Help or the version was asked for.
    Shows,
}

/// How every grammar reads the arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan<'a> {
    /// The different readings in which a container starts.
    pub readings: Vec<Reading<'a>>,
    /// The container that some other command is about, by the first grammar that names one.
    pub named: Option<Named<'a>>,
    /// Whether some grammar reads the arguments as something that starts nothing.
    pub may_start_nothing: bool,
    /// Whether there were more unknown flags than are guessed at: readings may be missing.
    pub cut_short: bool,
}

/// Values found for the flags that matter.
#[derive(Clone, Copy, Debug, Default)]
struct Found<'a> {
    globals: Globals<'a>,
    bundle: Option<&'a OsStr>,
    spec_file: Option<&'a OsStr>,
}

impl<'a> Found<'a> {
    /// Records a flag and its value; a request for help ends the scan. (`--help=false` is none.)
    fn note(&mut self, means: Means, value: Option<&'a [u8]>) -> Result<(), Stop<'a>> {
        let value = value.map(OsStr::from_bytes);
        match means {
            Means::Bundle => self.bundle = value,
            Means::SpecFile => self.spec_file = value,
            Means::Root => self.globals.root = value,
            Means::Log => self.globals.log = value,
            Means::LogFormat => self.globals.log_format = value,
            Means::Help if value.is_none() => return Err(Stop::Shows),
            Means::Help | Means::Other => {}
        }
        Ok(())
    }

    /// The reading of `command` with exactly one positional argument, `id`.
    fn reading(
        &self,
        command: Command,
        positional: &[&'a OsStr],
        grammar: Grammar,
    ) -> Result<Outcome<'a>, Stop<'a>> {
        let &[id] = positional else {
            return Err(Stop::Rejected);
        };
        let Found {
            globals,
            bundle,
            spec_file,
        } = *self;
        Ok(Outcome::Starts(Reading {
            command,
            id,
            bundle,
            spec_file,
            globals,
            grammars: Grammars::only(grammar),
        }))
    }
}

/// What is assumed of flags that no grammar knows.
#[derive(Clone, Debug, Default)]
struct Guesses<'a> {
    /// For each that has no value attached.
    made: Vec<(&'a [u8], Takes)>,
    /// Whether one with its value attached is taken at face value.
    attached: bool,
}

/// Scans `words`, which is argv without its first element.
#[must_use]
pub fn scan<'a>(words: &[&'a OsStr]) -> Scan<'a> {
    let mut scan = Scan {
        readings: Vec::new(),
        named: None,
        may_start_nothing: false,
        cut_short: false,
    };
    let mut understood = false;
    let is_joined =
        |word: &&OsStr| matches!(word.as_bytes(), [b'-', second, _, ..] if *second != b'-');
    let may_be_long = words.iter().any(is_joined);
    let mut puzzled = [false; Grammar::ALL.len()];
    for (grammar, puzzled) in Grammar::ALL.into_iter().zip(&mut puzzled) {
        match read(grammar, words, &Guesses::default()) {
            Ok(outcome) => {
                // Where letters are joined, what starts nothing may be the start of a long flag
                // with one dash: `-root R` of another runtime.
                understood |= !(may_be_long && grammar.joins_letters())
                    || matches!(outcome, Outcome::Starts(_));
                scan.add(outcome);
            }
            Err(Stop::Unknown(_)) => *puzzled = true,
            Err(Stop::Rejected | Stop::Shows) => {}
        }
    }
    if !understood {
        for (grammar, _) in Grammar::ALL
            .into_iter()
            .zip(puzzled)
            .filter(|(_, puzzled)| *puzzled)
        {
            guess(
                grammar,
                words,
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

/// Scans in one grammar, with each assumption about its unknown flags.
fn guess<'a>(
    grammar: Grammar,
    words: &[&'a OsStr],
    guesses: &mut Guesses<'a>,
    scan: &mut Scan<'a>,
) {
    match read(grammar, words, guesses) {
        Ok(outcome) => scan.add(outcome),
        Err(Stop::Unknown(_)) if guesses.made.len() == MOST_GUESSES => scan.cut_short = true,
        Err(Stop::Unknown(name)) => {
            for takes in [Takes::Nothing, Takes::Value] {
                guesses.made.push((name, takes));
                guess(grammar, words, guesses, scan);
                guesses.made.pop();
            }
        }
        Err(Stop::Rejected | Stop::Shows) => {}
    }
}

fn read<'a>(
    grammar: Grammar,
    words: &[&'a OsStr],
    guesses: &Guesses<'a>,
) -> Result<Outcome<'a>, Stop<'a>> {
    let outcome = match grammar {
        Grammar::Runc => go::read(words, guesses),
        Grammar::RuncEarly => go::read_early(words, guesses),
        Grammar::RuncNext => go::read_next(words, guesses),
        Grammar::Crun => argp::read(words, guesses),
        Grammar::Youki => clap::read(words, guesses),
    };
    if outcome == Err(Stop::Shows) {
        Ok(Outcome::Shows)
    } else {
        outcome
    }
}

impl<'a> Scan<'a> {
    fn add(&mut self, outcome: Outcome<'a>) {
        match outcome {
            Outcome::Starts(reading) => self.add_reading(reading),
            Outcome::Other(named) => {
                self.may_start_nothing = true;
                self.named = self.named.or(named);
            }
            Outcome::Shows => self.may_start_nothing = true,
        }
    }

    fn add_reading(&mut self, reading: Reading<'a>) {
        let same = |known: &&mut Reading<'a>| {
            Reading {
                grammars: reading.grammars,
                ..**known
            } == reading
        };
        match self.readings.iter_mut().find(same) {
            Some(known) => known.grammars = known.grammars.or(reading.grammars),
            None => self.readings.push(reading),
        }
    }
}

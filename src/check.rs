//! Is a container or an image of this node banned?
//!
//! `embargo check`: the gate's verdict for what is there already, given by the gate's own evaluator. In: the words behind `check`, and the node as it
//! is: settings, list, engines' stores, runtimes' state. Out: an [`Answer`] on standard output and an exit status: 0 clear, 2 banned, 3 could not
//! tell, 4 not found. Nothing is started or stopped. As for a start, a chain that was resolved is kept for the next time, where the caller may write there, and
//! containerd is asked what its database does not tell. A user who is not root sees his own stores beside those that root lets him read.

pub mod answer;
pub mod listed;

#[cfg(test)]
#[cfg(feature = "ctl")]
mod tests;

use std::error::Error;
use std::ffi::OsStr;
use std::fmt;

use self::answer::{Answer, Found, Outcome};
use self::listed::List;
use crate::banlist::store::{self, Bans};
use crate::lineage::Origin;
use crate::lineage::image::{self, SourceLabels};
use crate::node::runtime_state::Whose;
use crate::node::subject::{FindError, Sought, Subject};
use crate::node::{Node, places};
use crate::paths::Paths;
use crate::report::{self, Exit, line};
use crate::settings::{self, Engines, Settings, SettingsError};
use crate::sys::clock::Timestamp;
use crate::sys::process;
use crate::verdict::break_glass::{self, BreakGlass};
use crate::verdict::{self, Case, Judgement, Labels};

/// The help text.
const HELP: &str = "\
Tell whether a container or an image on this node is banned.

Usage: embargo check [--json] [--container|--image] CONTAINER|IMAGE

A container is named by its ID, the beginning of its ID, or its engine's name for it; it may run or not.
An image is named by a reference or an image ID, in any engine's store on this node.

      --container  Look for a container only
      --image      Look for an image only
      --json       Print one JSON object
  -h, --help       Print this help
  -V, --version    Print the version of embargo; embargo --version is the runtime's

Exit status: 0 clear, 2 banned, 3 could not tell, 4 not found, 64 wrong usage, 1 failed.";

/// The gate's version, which `--version` alone does not tell: that is the runtime's to answer.
const VERSION: &str = concat!("embargo ", env!("CARGO_PKG_VERSION"));

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Help,
    Version,
    About { word: String, sought: Sought, json: bool },
}

/// Words that make no question.
#[derive(Debug, PartialEq, Eq)]
enum UsageError {
    Flag(String),
    NoWord,
    SecondWord(String),
    NotText,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "cannot understand {flag:?}"),
            Self::NoWord => f.write_str("cannot check nothing: a container or an image is missing"),
            Self::SecondWord(word) => write!(f, "cannot check {word:?} too: one at a time"),
            Self::NotText => f.write_str("cannot read an argument that is not UTF-8"),
        }
    }
}

impl Error for UsageError {}

/// Why there is no answer.
#[derive(Debug)]
enum CheckError {
    Settings(SettingsError),
    /// Nothing was found, and what could not be read on the way.
    Find(FindError, Vec<String>),
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error) => error.fmt(f),
            Self::Find(error, faults) => {
                error.fmt(f)?;
                match faults.len() {
                    0 => Ok(()),
                    1 => f.write_str("; one place could not be read"),
                    count => write!(f, "; {count} places could not be read"),
                }
            }
        }
    }
}

impl CheckError {
    /// What that comes to. That it is not here can only be told where everything could be read.
    fn outcome(&self) -> Outcome {
        match self {
            Self::Find(FindError::Nothing(..), faults) if faults.is_empty() => Outcome::NotFound,
            Self::Find(FindError::Nothing(..) | FindError::Several(..), _) | Self::Settings(_) => Outcome::Unknown,
        }
    }

    /// What to do about it, where something can be said.
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Find(_, faults) if !faults.is_empty() && !process::is_privileged() => {
                Some("run as root, who may read every engine's store")
            }
            Self::Find(FindError::Nothing(_, Sought::Either | Sought::Image, _), _) => {
                Some("an image is named with its tag, such as app:1")
            }
            Self::Find(FindError::Nothing(_, Sought::Container, _) | FindError::Several(..), _) | Self::Settings(_) => None,
        }
    }
}

impl Error for CheckError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Settings(error) => error.source(),
            Self::Find(error, _) => error.source(),
        }
    }
}

/// Runs `embargo check` with the words behind it.
#[must_use]
pub fn run(words: &[&OsStr], paths: &Paths) -> Exit {
    let (word, sought, json) = match asked(words) {
        Ok(Asked::Help) => return printed(HELP, Exit::Clear),
        Ok(Asked::Version) => return printed(VERSION, Exit::Clear),
        Ok(Asked::About { word, sought, json }) => (word, sought, json),
        Err(error) => {
            report::failure("embargo check", &error);
            report::hint("embargo check --help");
            return Exit::Usage;
        }
    };
    match answer(&word, sought, paths, &places::of_caller(), Timestamp::now()) {
        Ok(answer) => {
            warn(&answer.faults);
            printed(&if json { answer.json() } else { answer.text() }, answer.outcome.exit())
        }
        Err(error) => {
            if let CheckError::Find(_, faults) = &error {
                warn(faults);
            }
            report::failure("embargo check", &error);
            error.hint().into_iter().for_each(report::hint);
            let exit = error.outcome().exit();
            if json { printed(&no_answer(&word, &error), exit) } else { exit }
        }
    }
}

/// The one JSON object where there is no answer.
fn no_answer(word: &str, error: &CheckError) -> String {
    let faults: &[String] = match error {
        CheckError::Settings(_) => &[],
        CheckError::Find(_, faults) => faults,
    };
    let object = serde_json::json!({ "asked": word, "outcome": error.outcome(), "message": line::causes(error), "faults": faults });
    report::json::pretty(&object)
}

fn warn(faults: &[String]) {
    faults.iter().for_each(|fault| report::warning("embargo check", fault));
}

fn printed(text: &str, exit: Exit) -> Exit {
    match report::result(text) {
        Ok(()) => exit,
        Err(error) => {
            report::failure("embargo check", &error);
            Exit::Failed
        }
    }
}

fn asked(words: &[&OsStr]) -> Result<Asked, UsageError> {
    let (mut named, mut sought, mut json, mut flags) = (None, Sought::Either, false, true);
    for word in words {
        match word.to_str().ok_or(UsageError::NotText)? {
            "--" if flags => flags = false,
            "--help" | "-h" if flags => return Ok(Asked::Help),
            "--version" | "-V" if flags => return Ok(Asked::Version),
            "--json" if flags => json = true,
            "--container" if flags => sought = Sought::Container,
            "--image" if flags => sought = Sought::Image,
            flag if flags && flag.starts_with('-') => return Err(UsageError::Flag(flag.to_owned())),
            word if named.is_some() => return Err(UsageError::SecondWord(word.to_owned())),
            word => named = Some(word.to_owned()),
        }
    }
    named.filter(|word| !word.is_empty()).map(|word| Asked::About { word, sought, json }).ok_or(UsageError::NoWord)
}

/// What is to be said of `word`, with the stores at the `usual` places and at the settings'.
fn answer(word: &str, sought: Sought, paths: &Paths, usual: &Engines, now: Timestamp) -> Result<Answer, CheckError> {
    let stored = settings::load(paths).map_err(CheckError::Settings)?;
    let unset = Settings::unset();
    let settings = stored.as_ref().unwrap_or(&unset);
    let mut node = Node::at(paths, places::joined(usual.clone(), &settings.engines), Whose::Everybodys);
    node.open_stores();
    let mut faults = Vec::new();
    let subjects = node.find(word, sought, &mut faults);
    let faults: Vec<_> = node.faults().into_iter().chain(faults.iter().map(|fault| line::causes(fault))).collect();
    let subjects = match subjects {
        Ok(subjects) => subjects,
        Err(error) => return Err(CheckError::Find(error, faults)),
    };
    let judge = Judge { paths, settings, glass: break_glass::load(paths), now };
    let judged: Vec<_> = subjects.iter().map(|subject| judge.judge(word, subject)).collect();
    let (list, list_fault) = judged.first().map_or((None, None), |judged| List::of(&judged.bans, now));
    let notes = answer::notes(judged.iter().map(|judged| &judged.judgement), stored.as_ref(), judge.glass.as_ref(), now);
    let found: Vec<_> = subjects.iter().zip(&judged).map(|(subject, judged)| Found::new(subject, judged, stored.as_ref())).collect();
    let outcome = found.iter().map(|found| found.outcome).max().unwrap_or(Outcome::Unknown);
    Ok(Answer { asked: word.to_owned(), outcome, armed: stored.is_some(), list, list_fault, found, faults, notes })
}

/// A subject's judgement, and what it was judged by.
#[derive(Debug)]
pub struct Judged {
    /// What the list answered.
    pub bans: Bans,
    /// What follows.
    pub judgement: Judgement,
    /// What the image's author says about where it came from.
    pub labels: SourceLabels,
}

/// The gate's evaluator, with all that it needs beside a subject.
struct Judge<'a> {
    paths: &'a Paths,
    settings: &'a Settings,
    glass: Option<BreakGlass>,
    now: Timestamp,
}

impl Judge<'_> {
    fn judge(&self, word: &str, subject: &Subject) -> Judged {
        let queries = subject.origin.as_ref().map(verdict::queries).unwrap_or_default();
        let bans = store::look_up(self.paths, &self.settings.rules(), &queries);
        let labels = subject.origin.as_ref().ok().and_then(Origin::facts).and_then(image::labels).unwrap_or_default();
        let case = Case {
            container: word,
            name: None,
            engine: subject.engine,
            origin: subject.origin.as_ref(),
            labels: Labels { source: labels.source.as_deref(), revision: labels.revision.as_deref() },
            bans: &bans,
            settings: self.settings,
            break_glass: self.glass.as_ref(),
            now: self.now,
        };
        let judgement = verdict::judge(&case);
        Judged { bans, judgement, labels }
    }
}

//! Answers `embargo check`: whether a container or an image on this node is banned.
//!
//! The verdict comes from the gate's own evaluator. In: the arguments after `check`, and the node:
//! settings, list, engines' stores and runtimes' state. Out: an [`Answer`] on standard output, and
//! an exit status: 0 clear, 2 banned, 3 could not tell, 4 not found. Nothing is started or stopped.
//! As at a start, a resolved chain is cached if the caller may write the cache, and containerd is
//! queried for facts that are not in its database. A user who is not root sees the user's own
//! stores, and the stores that root lets this user read.

mod arguments;
pub mod found;
pub mod answer;

#[cfg(test)]
#[cfg(feature = "ctl")]
mod tests;

use std::error::Error;
use std::ffi::OsStr;
use std::fmt;

use self::answer::Answer;
use self::arguments::{CheckRequest, HELP, VERSION, may_be_outside, read_arguments};
pub use self::arguments::{OutputForm, OutsideImage};
use self::found::CheckOutcome;
use crate::banlist::store;
use crate::node::judged::{self, Judge};
use crate::node::runtime_state::Whose;
use crate::node::subject::{FindError, SearchFor};
use crate::node::{Node, places};
use crate::paths::Paths;
use crate::report::{self, Exit, line};
use crate::settings::{self, Engines, Settings, SettingsError};
use crate::sys::clock::Timestamp;
use crate::sys::process;
use crate::verdict::{break_glass, leniency};

/// The program's name, with which messages begin.
const PROGRAM: &str = "embargo check";

/// The result of [`run`].
#[derive(Debug)]
pub enum Ran {
    /// `embargo check` is done, with this exit status.
    Done(Exit),
    /// The request is about an image outside any engine: `embargoctl` must check it.
    Outside(OutsideImage),
}

/// Why `embargo check` has no answer.
#[derive(Debug)]
enum CheckError {
    /// The settings cannot be used. The lines say whether break-glass is open.
    Settings(SettingsError, Vec<String>),
    /// Nothing, or more than one thing, was found. The lines say what could not be read.
    Find(FindError, Vec<String>),
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error, _) => error.fmt(f),
            Self::Find(error, faults) => {
                error.fmt(f)?;
                if faults.is_empty() {
                    Ok(())
                } else {
                    write!(
                        f,
                        "; {} could not be read",
                        report::amount(faults.len(), "place")
                    )
                }
            }
        }
    }
}

impl CheckError {
    /// The text to print in place of an answer.
    fn no_answer(&self) -> NoAnswer<'_> {
        let (faults, notes): (&[_], &[_]) = match self {
            Self::Settings(_, notes) => (&[], notes),
            Self::Find(_, faults) => (faults, &[]),
        };
        NoAnswer {
            error: self,
            faults,
            hint: self.hint(),
            notes,
            outcome: self.outcome(),
        }
    }

    /// The outcome of the error. "Not found" is certain only if everything could be read.
    fn outcome(&self) -> CheckOutcome {
        match self {
            Self::Find(FindError::Nothing(..), faults) if faults.is_empty() => {
                CheckOutcome::NotFound
            }
            Self::Find(FindError::Nothing(..) | FindError::Several(..), _) | Self::Settings(..) => {
                CheckOutcome::Unknown
            }
        }
    }

    /// What the user can do about the error, if there is advice.
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Find(_, faults) if !faults.is_empty() && !process::is_privileged() => {
                Some("run as root, who may read every engine's store")
            }
            Self::Find(FindError::Nothing(_, SearchFor::Either | SearchFor::Image, _), _) => {
                Some("an image is named with its tag, such as app:1")
            }
            Self::Find(
                FindError::Nothing(_, SearchFor::Container, _) | FindError::Several(..),
                _,
            )
            | Self::Settings(..) => None,
        }
    }
}

impl Error for CheckError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Settings(error, _) => error.source(),
            Self::Find(error, _) => error.source(),
        }
    }
}

/// Runs `embargo check` with the arguments that follow `check`. Leaves the request to `embargoctl`
/// if it is about an image outside any engine, or if no engine has the image and the image may be
/// outside.
#[must_use]
pub fn run(arguments: &[&OsStr], paths: &Paths) -> Ran {
    let (name, search, form) = match read_arguments(arguments) {
        Ok(CheckRequest::Help) => return Ran::Done(printed(HELP, Exit::Clear)),
        Ok(CheckRequest::Version) => return Ran::Done(printed(VERSION, Exit::Clear)),
        Ok(CheckRequest::Outside(outside)) => return Ran::Outside(outside),
        Ok(CheckRequest::About { name, search, form }) => (name, search, form),
        Err(error) => {
            report::failure(PROGRAM, &error);
            report::hint("embargo check --help");
            return Ran::Done(Exit::Usage);
        }
    };
    Ran::Done(
        match answer(
            &name,
            search,
            paths,
            &places::of_node(paths, &Engines::default(), Whose::Everybodys),
            Timestamp::now(),
        ) {
            Ok(answer) => say(&answer, form),
            // No engine that could be read has an image with this name, so the name most likely
            // means a file that is missing. Whether or not this is so, the exit status is 3.
            Err(CheckError::Find(FindError::Nothing(..), _))
                if search != SearchFor::Container && may_be_outside(&name) =>
            {
                return Ran::Outside(OutsideImage {
                    name,
                    list: None,
                    keyset: None,
                    form,
                });
            }
            Err(error) => fail(&name, &error.no_answer(), form),
        },
    )
}

/// Prints an answer, and returns the exit status.
#[must_use]
pub fn say(answer: &Answer, form: OutputForm) -> Exit {
    warn(&answer.faults);
    let text = match form {
        OutputForm::Text => answer.text(),
        OutputForm::Json => answer.json(),
    };
    printed(&text, answer.outcome.exit())
}

/// The text to print if `embargo check` has no answer.
pub struct NoAnswer<'a> {
    /// What went wrong.
    pub error: &'a (dyn Error + 'static),
    /// What could not be read, one line each.
    pub faults: &'a [String],
    /// What the user can do about the error, if there is advice.
    pub hint: Option<&'a str>,
    /// If the settings cannot be used: lines that say whether break-glass is open.
    pub notes: &'a [String],
    /// The outcome that decides the exit status.
    pub outcome: CheckOutcome,
}

/// Prints the error in place of an answer, and returns the exit status.
#[must_use]
pub fn fail(name: &str, none: &NoAnswer<'_>, form: OutputForm) -> Exit {
    warn(none.faults);
    report::failure(PROGRAM, none.error);
    none.hint.into_iter().for_each(report::hint);
    let exit = none.outcome.exit();
    match form {
        OutputForm::Text if none.notes.is_empty() => exit,
        OutputForm::Text => printed(&answer::note_lines(none.notes).join("\n"), exit),
        OutputForm::Json => printed(&none.json(name), exit),
    }
}

impl NoAnswer<'_> {
    /// The error as one JSON object.
    fn json(&self, name: &str) -> String {
        let object = serde_json::json!({
            "asked": name,
            "outcome": self.outcome,
            "message": line::causes(self.error),
            "faults": self.faults,
        });
        report::json::pretty(&object)
    }
}

fn warn(faults: &[String]) {
    for fault in faults {
        report::warning(PROGRAM, fault);
    }
}

fn printed(text: &str, exit: Exit) -> Exit {
    match report::result(text) {
        Ok(()) => exit,
        Err(error) => {
            report::failure(PROGRAM, &error);
            Exit::Failed
        }
    }
}

/// Makes the answer about `name`. Stores are searched in the `usual` directories and in the
/// directories that the settings name.
fn answer(
    name: &str,
    search: SearchFor,
    paths: &Paths,
    usual: &Engines,
    now: Timestamp,
) -> Result<Answer, CheckError> {
    let stored = match settings::load(paths) {
        Ok(stored) => stored,
        Err(error) => {
            let notes = notes_on_broken_settings(paths, now);
            return Err(CheckError::Settings(error, notes));
        }
    };
    let unset = Settings::unset();
    let settings = stored.as_ref().unwrap_or(&unset);
    let mut node = Node::at(
        paths,
        places::joined(usual.clone(), &settings.engines),
        Whose::Everybodys,
    );
    node.open_stores();
    let mut faults = Vec::new();
    let subjects = node.find(name, search, &mut faults);
    // A name that could not be read may be the name in the request.
    let unread = faults.len() + node.stores.faults.len() + node.unread_settings.len();
    let mut lines = node.faults();
    for fault in &faults {
        lines.push(line::causes(fault));
    }
    let faults = lines;
    let subjects = match subjects {
        Ok(subjects) => subjects,
        Err(error) => return Err(CheckError::Find(error, faults)),
    };
    let glass = break_glass::load(paths);
    let judge = Judge {
        settings,
        glass: glass.as_ref(),
        now,
    };
    let mut judged = Vec::new();
    for subject in subjects {
        let bans = store::look_up(paths, &settings.rules(), &judged::queries(&subject));
        let judgement = judge.judge(name, &subject, bans);
        judged.push((subject, judgement));
    }
    let mut answer = Answer::new(name, &judged, stored.as_ref(), faults, now);
    answer.notes = answer::notes(&judged, stored.as_ref(), glass.as_ref(), now);
    // For a user other than root, the answer covers only what that user can read. For root,
    // something that could not be read makes the answer uncertain.
    if unread > 0
        && answer.outcome == CheckOutcome::Clear
        && process::is_privileged()
        && !judged.iter().any(|(subject, _)| subject.has_id(name))
    {
        answer.outcome = CheckOutcome::Unknown;
        answer.notes.push(format!(
            "cannot tell whether anything else has this name: {} could not be read",
            report::amount(unread, "place")
        ));
    }
    Ok(answer)
}

/// Lines that say whether break-glass is open, for a node whose settings cannot be used.
#[must_use]
pub fn notes_on_broken_settings(paths: &Paths, now: Timestamp) -> Vec<String> {
    leniency::of_broken_settings(break_glass::load(paths).as_ref(), now)
        .iter()
        .map(ToString::to_string)
        .collect()
}

//! Answers `embargo check`: whether a container or an image on this node is banned.
//!
//! The verdict comes from the gate's own evaluator. In: the arguments after `check`, and the node:
//! settings, list, engines' stores and runtimes' state. Out: an [`Answer`] on standard output, and
//! an exit status: 0 clear, 2 banned, 3 could not tell, 4 not found. Nothing is started or stopped.
//! As at a start, a resolved chain is cached if the caller may write the cache, and containerd is
//! asked what its database does not say. A user who is not root sees his own stores, and those that
//! root lets him read.

pub mod answer;

#[cfg(test)]
#[cfg(feature = "ctl")]
mod tests;

use std::error::Error;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use self::answer::{Answer, CheckOutcome, FoundSubject};
use crate::banlist::store;
use crate::lineage::image;
use crate::node::judged::Judge;
use crate::node::runtime_state::Whose;
use crate::node::subject::{FindError, SearchFor, Subject};
use crate::node::{Node, places};
use crate::paths::Paths;
use crate::report::{self, Exit, line};
use crate::settings::{self, Engines, Settings, SettingsError};
use crate::sys::clock::Timestamp;
use crate::sys::process;
use crate::verdict::listed::List;
use crate::verdict::{self, break_glass, leniency};

/// The program's name, with which messages begin.
const PROGRAM: &str = "embargo check";

/// The help text.
const HELP: &str = "\
Tell whether a container or an image on this node is banned.

Usage: embargo check [--json] [--container|--image] CONTAINER|IMAGE
       embargo check [--json] [--list FILE] [--keyset FILE] IMAGE

A container is named by its ID, the beginning of its ID, or its engine's name for it; it may run or not.
An image is named by a reference or an image ID, in any engine's store on this node. One outside any engine is
oci:DIRECTORY[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], or - for an image config on standard input.

      --container  Look for a container only
      --image      Look for an image only
      --list FILE  Of an image outside any engine: ask this list in place of the node's
      --keyset FILE  The keyset that this list must be signed for, in place of the node's
      --json       Print one JSON object
  -h, --help       Print this help
  -V, --version    Print the version of embargo; embargo --version is the runtime's

Exit status: 0 clear, 2 banned, 3 could not tell, 4 not found, 64 wrong usage, 1 failed.";

/// The gate's version. `embargo --version` does not print it: the real runtime answers that.
const VERSION: &str = concat!("embargo ", env!("CARGO_PKG_VERSION"));

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum CheckRequest {
    Help,
    Version,
    About {
        name: String,
        search: SearchFor,
        form: OutputForm,
    },
    Outside(OutsideImage),
}

/// A question about an image outside any engine. Only `embargoctl` can read such images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideImage {
    /// The image's place, as it was typed.
    pub name: String,
    /// The list to use. `None` for the node's own.
    pub list: Option<PathBuf>,
    /// The keyset for which the list must be signed. `None` for the node's own.
    pub keyset: Option<PathBuf>,
    /// The form of the answer.
    pub form: OutputForm,
}

/// The form in which an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputForm {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}

/// The result of [`run`].
#[derive(Debug)]
pub enum Ran {
    /// The question was answered.
    Done(Exit),
    /// The question is about an image outside any engine, and is for `embargoctl` to answer.
    Outside(OutsideImage),
}

/// The prefixes that name an image outside any engine. The name `-` stands for an image config on
/// standard input.
const OUTSIDE: [&str; 3] = ["oci:", "oci-archive:", "docker-archive:"];

/// Whether the name may mean an image outside any engine, whether that exists or not. `oci:1.0` may
/// also be an image `oci` with a tag.
fn may_be_outside(name: &str) -> bool {
    name == "-" || OUTSIDE.iter().any(|transport| name.starts_with(transport))
}

/// Whether the name certainly means an image outside any engine. If it could also be a name with a
/// tag and there is no file of that name, the engines are searched first.
fn is_outside(name: &str) -> bool {
    let is_there = || {
        name.split_once(':')
            .is_some_and(|(_, place)| Path::new(place).symlink_metadata().is_ok())
    };
    may_be_outside(name) && (!image::is_name(name) || is_there())
}

/// Why the arguments are not a valid question.
#[derive(Debug, PartialEq, Eq)]
enum UsageError {
    Flag(String),
    NoName,
    SecondName(String),
    NoFile(&'static str),
    OnlyOutside(String),
    NotText,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "cannot understand {flag:?}"),
            Self::NoName => f.write_str("cannot check without the name of a container or an image"),
            Self::SecondName(name) => write!(f, "cannot check {name:?} too: one at a time"),
            Self::NoFile(flag) => write!(f, "cannot understand {flag} without a file"),
            Self::OnlyOutside(name) => {
                write!(
                    f,
                    "cannot ask another list about {name:?}: --list and --keyset are for oci:, oci-archive:, docker-archive: and -"
                )
            }
            Self::NotText => f.write_str("cannot read an argument that is not UTF-8"),
        }
    }
}

impl Error for UsageError {}

/// Why a question has no answer.
#[derive(Debug)]
enum CheckError {
    /// The settings cannot be used. The lines say what break-glass still does.
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

/// Runs `embargo check` with the arguments after it. Leaves the question to `embargoctl` if it is
/// about an image outside any engine, or if no engine has the image and it may be outside.
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
            // No engine that could be read has an image with this name, so most likely it names a
            // file that is missing. In both cases the exit status is 3.
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

/// The text for a question that has no answer.
pub struct NoAnswer<'a> {
    /// What went wrong.
    pub error: &'a (dyn Error + 'static),
    /// What could not be read, one line each.
    pub faults: &'a [String],
    /// What the user can do about the error, if there is advice.
    pub hint: Option<&'a str>,
    /// What lets containers start on this node all the same.
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
    faults
        .iter()
        .for_each(|fault| report::warning(PROGRAM, fault));
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

fn read_arguments(arguments: &[&OsStr]) -> Result<CheckRequest, UsageError> {
    let (mut named, mut search, mut form, mut flags) =
        (None, SearchFor::Either, OutputForm::Text, true);
    let (mut list, mut keyset) = (None, None);
    let mut arguments = arguments.iter();
    while let Some(name) = arguments.next() {
        let mut file = |flag| {
            arguments
                .next()
                .map(PathBuf::from)
                .ok_or(UsageError::NoFile(flag))
        };
        match name.to_str().ok_or(UsageError::NotText)? {
            "--" if flags => flags = false,
            "--help" | "-h" if flags => return Ok(CheckRequest::Help),
            "--version" | "-V" if flags => return Ok(CheckRequest::Version),
            "--json" if flags => form = OutputForm::Json,
            "--container" if flags => search = SearchFor::Container,
            "--image" if flags => search = SearchFor::Image,
            "--list" if flags => list = Some(file("--list")?),
            "--keyset" if flags => keyset = Some(file("--keyset")?),
            flag if flags && flag != "-" && flag.starts_with('-') => {
                return Err(UsageError::Flag(flag.to_owned()));
            }
            name if named.is_some() => return Err(UsageError::SecondName(name.to_owned())),
            name => named = Some(name.to_owned()),
        }
    }
    let name = named
        .filter(|name| !name.is_empty())
        .ok_or(UsageError::NoName)?;
    let names_a_list = list.is_some() || keyset.is_some();
    match search {
        // `--list` and `--keyset` are only allowed for images outside any engine.
        SearchFor::Either | SearchFor::Image
            if is_outside(&name) || (names_a_list && may_be_outside(&name)) =>
        {
            Ok(CheckRequest::Outside(OutsideImage {
                name,
                list,
                keyset,
                form,
            }))
        }
        SearchFor::Either | SearchFor::Image | SearchFor::Container if names_a_list => {
            Err(UsageError::OnlyOutside(name))
        }
        SearchFor::Either | SearchFor::Image | SearchFor::Container => {
            Ok(CheckRequest::About { name, search, form })
        }
    }
}

/// Answers the question about `word`. Stores are searched at the `usual` places and at those in the
/// settings.
fn answer(
    name: &str,
    search: SearchFor,
    paths: &Paths,
    usual: &Engines,
    now: Timestamp,
) -> Result<Answer, CheckError> {
    let stored = settings::load(paths)
        .map_err(|error| CheckError::Settings(error, notes_on_broken_settings(paths, now)))?;
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
    // If a name could not be read, it may be the name that was asked for.
    let unread = faults.len() + node.stores.faults.len() + node.unread_settings.len();
    let faults: Vec<_> = node
        .faults()
        .into_iter()
        .chain(faults.iter().map(|fault| line::causes(fault)))
        .collect();
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
    let bans = |subject: &Subject| {
        store::look_up(
            paths,
            &settings.rules(),
            &subject
                .origin
                .as_ref()
                .map(verdict::queries)
                .unwrap_or_default(),
        )
    };
    let judged: Vec<_> = subjects
        .iter()
        .map(|subject| judge.judge(name, subject, bans(subject)))
        .collect();
    let (list, list_fault) = judged
        .first()
        .map_or((None, None), |judged| List::of(&judged.bans, now));
    let mut notes = answer::notes(
        judged.iter().map(|judged| &judged.judgement),
        stored.as_ref(),
        glass.as_ref(),
        now,
    );
    let found: Vec<_> = subjects
        .iter()
        .zip(&judged)
        .map(|(subject, judged)| FoundSubject::new(subject, judged, stored.as_ref()))
        .collect();
    let mut outcome = found
        .iter()
        .map(|found| found.outcome)
        .max()
        .unwrap_or(CheckOutcome::Unknown);
    // The question of a user is about what he can read. For root, something that could not be read
    // makes the answer uncertain.
    if unread > 0
        && outcome == CheckOutcome::Clear
        && process::is_privileged()
        && !subjects.iter().any(|subject| subject.has_id(name))
    {
        outcome = CheckOutcome::Unknown;
        notes.push(format!(
            "cannot tell whether anything else has this name: {} could not be read",
            report::amount(unread, "place")
        ));
    }
    Ok(Answer {
        asked: name.to_owned(),
        outcome,
        armed: stored.is_some(),
        list,
        list_fault,
        found,
        faults,
        notes,
    })
}

/// What break-glass still does on a node whose settings cannot be used.
#[must_use]
pub fn notes_on_broken_settings(paths: &Paths, now: Timestamp) -> Vec<String> {
    leniency::of_broken_settings(break_glass::load(paths).as_ref(), now)
        .iter()
        .map(ToString::to_string)
        .collect()
}

//! What do people and machines get to see of a run?
//!
//! In: the plan, and what happens in the order in which it happens. Out: for people a table on standard output that grows by a line with each container
//! that is through, the last lines of what failed, and a summary; on a terminal also a bar on standard error. For machines one JSON object a line,
//! each with its `event`; embargo-exec-patch(8) gives their fields, which later versions may add to. Names and output are hostile: nothing in them reaches
//! a terminal as it is. Not kept here: anything; that is the journal's.

mod people;
mod tally;

use std::io;

use serde::Serialize;

use self::people::Columns;
pub use self::people::span;
pub use self::tally::Tally;
use super::job::{Container, Done};
use super::outcome::Outcome;
use super::pace::Halt;
use super::payload::Payload;
use super::plan::{ContainerFields, Plan};
use super::select::Stranger;
use super::words::PROGRAM;
use crate::report::{self, Exit};
use people::Bar;

/// Whoever watches a run.
#[derive(Debug)]
pub struct Watcher {
    reader: Reader,
    tally: Tally,
    /// The first fault of writing it down.
    fault: Option<io::Error>,
}

/// Who reads it.
#[derive(Debug)]
enum Reader {
    People(Columns, Bar),
    Machine,
}

/// One line for machines.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Event<'a> {
    Run {
        run: &'a str,
        matches: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        list_version: Option<u64>,
    },
    Begun {
        #[serde(flatten)]
        container: ContainerFields<'a>,
        #[serde(flatten)]
        patch: PatchFields<'a>,
    },
    Ended {
        #[serde(flatten)]
        container: ContainerFields<'a>,
        #[serde(flatten)]
        patch: PatchFields<'a>,
        well: bool,
        #[serde(flatten)]
        outcome: &'a Outcome,
        #[serde(flatten)]
        done: Option<DoneFields<'a>>,
    },
    Warning {
        text: &'a str,
    },
    Finished {
        run: &'a str,
        exit: u8,
        outcomes: &'a Tally,
        #[serde(skip_serializing_if = "Option::is_none")]
        stopped: Option<Halt>,
    },
}

/// What ran, in lines for machines.
#[derive(Default, Serialize)]
struct PatchFields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ban: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

/// What a worker found, in lines for machines.
#[derive(Serialize)]
struct DoneFields<'a> {
    duration_ms: u64,
    output_bytes: u64,
    output_tail: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    background: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    zombies: &'a [String],
}

impl<'a> PatchFields<'a> {
    fn of(payload: Option<&'a Payload>) -> Self {
        payload.map_or_else(Self::default, |payload| Self { ban: payload.ban.as_deref(), digest: Some(payload.digest.to_string()) })
    }
}

impl Watcher {
    /// Begins with what is planned in the run of this ID.
    #[must_use]
    pub fn new(run: &str, plan: &Plan, json: bool) -> Self {
        let reader =
            if json { Reader::Machine } else { Reader::People(Columns::of(plan), Bar::new(plan.steps().count() + plan.bygone.len())) };
        let mut watcher = Self { reader, tally: Tally::default(), fault: None };
        let event = Event::Run { run, matches: plan.planned.len(), list_version: plan.list_version };
        watcher.write(&event, |columns| vec![columns.began(run), columns.head()]);
        plan.warnings.iter().for_each(|text| watcher.warning(text));
        plan.strangers.iter().for_each(|stranger| watcher.stranger(stranger));
        watcher
    }

    /// More is to be done.
    pub fn more(&mut self, number: usize) {
        if let Reader::People(_, bar) = &mut self.reader {
            bar.more(number);
        }
    }

    /// A worker is about to enter a container.
    pub fn begun(&mut self, container: &Container, payload: &Payload) {
        let event = Event::Begun { container: ContainerFields::of(container), patch: PatchFields::of(Some(payload)) };
        self.write(&event, |_| Vec::new());
        if let Reader::People(_, bar) = &mut self.reader {
            bar.begun(container);
        }
    }

    /// A container is through with this patch: after a worker entered it, with what that found, or without.
    pub fn ended(&mut self, container: &Container, payload: Option<&Payload>, outcome: &Outcome, done: Option<&Done>) {
        self.tally.add(container, outcome.kind());
        let done_fields = done.map(|done| DoneFields {
            duration_ms: done.took,
            output_bytes: done.written,
            output_tail: &done.tail,
            background: &done.left,
            zombies: &done.zombies,
        });
        let event = Event::Ended {
            container: ContainerFields::of(container),
            patch: PatchFields::of(payload),
            well: outcome.is_well(),
            outcome,
            done: done_fields,
        };
        if let Reader::People(_, bar) = &mut self.reader {
            bar.ended(container, done.is_some());
        }
        self.write(&event, |columns| columns.row(container, payload, outcome, done));
    }

    /// A container is there of which nothing can be told.
    pub fn stranger(&mut self, stranger: &Stranger) {
        let outcome = Outcome::NotUnderstood { why: stranger.why.clone() };
        self.tally.add_unclear(people::stranger(stranger));
        let container = ContainerFields::of_stranger(stranger);
        let event = Event::Ended { container, patch: PatchFields::default(), well: false, outcome: &outcome, done: None };
        self.write(&event, |columns| columns.stranger(stranger, &outcome));
    }

    /// Something that a person should know: one line, not escaped.
    pub fn warning(&mut self, text: &str) {
        match &self.reader {
            Reader::People(_, bar) => bar.aside(|| report::warning(PROGRAM, text)),
            Reader::Machine => self.write(&Event::Warning { text }, |_| Vec::new()),
        }
    }

    /// Time passes.
    pub fn tick(&mut self) {
        if let Reader::People(_, bar) = &mut self.reader {
            bar.tick();
        }
    }

    /// The exit status that follows from what was told, or could not be.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.fault.is_some() { Exit::Failed } else { self.tally.exit() }
    }

    /// The run is over, with this exit status, before all were through if `stopped` says why. Out: the first fault of telling all this.
    #[must_use]
    pub fn finished(mut self, run: &str, exit: Exit, stopped: Option<Halt>) -> Option<io::Error> {
        if let Reader::People(_, bar) = &mut self.reader {
            bar.clear();
        }
        let tally = std::mem::take(&mut self.tally);
        let event = Event::Finished { run, exit: exit.code(), outcomes: &tally, stopped };
        self.write(&event, |_| people::summary(run, &tally, stopped));
        self.fault
    }

    /// Writes a line for machines, or the lines for people.
    fn write(&mut self, event: &Event<'_>, people: impl FnOnce(&Columns) -> Vec<String>) {
        let written = match &self.reader {
            // Strings and numbers: nothing that could fail to be written.
            Reader::Machine => report::result(&serde_json::to_string(event).unwrap_or_default()),
            Reader::People(columns, bar) => {
                let lines = people(columns);
                if lines.is_empty() { Ok(()) } else { bar.aside(|| report::result(&lines.join("\n"))) }
            }
        };
        if let Err(error) = written {
            self.fault.get_or_insert(error);
        }
    }
}

#[cfg(test)]
mod tests;

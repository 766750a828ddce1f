//! Prints a run's progress and results, as text or as JSON.
//!
//! In: the plan, and the events of the run in order. Out: the text is a table on standard output
//! that grows by a line with each finished container, the last lines of output of failed patches,
//! and a summary. On a terminal there is also a bar on standard error. The JSON has the lines of
//! the journal; embargo-exec-patch(8) describes their fields. Names and output are hostile: they
//! are escaped before they reach a terminal. This code keeps nothing; the journal does.

mod people;
mod tally;

use std::collections::BTreeMap;
use std::io;

use self::people::Columns;
pub use self::tally::OutcomeTally;
use crate::exec_patch::job::{Container, Job, JobResult};
use crate::exec_patch::journal::halt::Halt;
use crate::exec_patch::journal::line::{
    self, Carried, Ended, Finished, Line, Planned, RunHeader, Started,
};
use crate::exec_patch::outcome::{Outcome, OutcomeKind};
use crate::exec_patch::plan::Plan;
use crate::exec_patch::request::arguments::PROGRAM;
use crate::exec_patch::request::payload::Payload;
use crate::node::unaccounted::Unaccounted;
use crate::report::{self, Exit};
use crate::sys::clock::Timestamp;
use people::Bar;

/// Shows a run to the operator.
#[derive(Debug)]
pub struct Watcher {
    audience: Audience,
    boot: String,
    tally: OutcomeTally,
    /// The first error of printing.
    fault: Option<io::Error>,
}

/// Who reads the output: people read text, machines read JSON.
#[derive(Debug)]
enum Audience {
    People(Columns, Bar),
    Machine,
}

impl Watcher {
    /// Starts with a run's plan; `boot` is the ID of this boot of the machine.
    #[must_use]
    pub fn new(header: &RunHeader, boot: &str, plan: &Plan, json: bool) -> Self {
        let audience = if json {
            Audience::Machine
        } else {
            Audience::People(
                Columns::of(plan),
                Bar::new(plan.steps().count() + plan.gone.len()),
            )
        };
        let mut watcher = Self {
            audience,
            boot: boot.to_owned(),
            tally: OutcomeTally::default(),
            fault: None,
        };
        let run = header.id.as_str();
        watcher.write(
            || Line::Run(Box::new(header.clone())),
            |columns| vec![columns.began(run), columns.head()],
        );
        plan.warnings.iter().for_each(|text| watcher.warning(text));
        plan.unidentified
            .iter()
            .for_each(|unidentified| watcher.unidentified(unidentified));
        watcher
    }

    /// Reports a further payload that runs from now on.
    pub fn carried(&mut self, carried: Carried) {
        self.write(|| Line::Carried(carried), |_| Vec::new());
    }

    /// Reports a container that will be entered.
    pub fn planned(&mut self, planned: Planned) {
        self.write(|| Line::Planned(Box::new(planned)), |_| Vec::new());
    }

    /// Adds this many patches to the progress bar.
    pub fn more(&mut self, number: usize) {
        if let Audience::People(_, bar) = &mut self.audience {
            bar.more(number);
        }
    }

    /// Reports that a worker is about to enter a container.
    pub fn started(&mut self, job: &Job) {
        let Job {
            number,
            container,
            digest,
            ban,
            ..
        } = job;
        let (number, digest, boot, worker, unpause) =
            (*number, *digest, self.boot.clone(), None, false);
        let (ban, of_container) = (ban.clone(), container.clone());
        let started = || Started {
            number,
            at: Timestamp::now(),
            boot,
            digest,
            ban,
            container: of_container,
            worker,
            unpause,
        };
        self.write(|| Line::Started(Box::new(started())), |_| Vec::new());
        if let Audience::People(_, bar) = &mut self.audience {
            bar.started(container);
        }
    }

    /// Reports a patch that a worker has finished.
    pub fn ended(&mut self, job: &Job, payload: &Payload, done: &JobResult) {
        let ended = Ended::entered(job, &self.boot, done);
        self.through(ended, Some(payload), Some(done));
    }

    /// Reports a patch that is over without anything entering the container.
    pub fn settled(&mut self, container: &Container, payload: Option<&Payload>, outcome: &Outcome) {
        let patch = (
            payload.map(|payload| payload.digest),
            payload.and_then(|payload| payload.ban.as_deref()),
        );
        self.through(
            Ended::settled(container, &self.boot, patch, outcome),
            payload,
            None,
        );
    }

    fn through(&mut self, ended: Ended, payload: Option<&Payload>, done: Option<&JobResult>) {
        let (container, outcome) = (ended.container.clone(), ended.outcome.clone());
        self.tally.add(&container, outcome.kind());
        if let Audience::People(_, bar) = &mut self.audience {
            bar.ended(&container, done.is_some());
        }
        self.write(
            || Line::Ended(Box::new(ended)),
            |columns| columns.row(&container, payload, &outcome, done),
        );
    }

    /// Reports a container that cannot be identified.
    pub fn unidentified(&mut self, unidentified: &Unaccounted) {
        self.tally.add_unclear(people::unidentified(unidentified));
        let outcome = Outcome::NotUnderstood {
            why: unidentified.why.clone(),
        };
        self.write(
            || Line::NotUnderstood(line::NotUnderstood::of(unidentified)),
            |columns| columns.unidentified(unidentified, &outcome),
        );
    }

    /// Prints a warning: one line, not escaped.
    pub fn warning(&mut self, text: &str) {
        match &self.audience {
            Audience::People(_, bar) => bar.aside(|| report::warning(PROGRAM, text)),
            Audience::Machine => self.write(
                || Line::Warning {
                    text: text.to_owned(),
                },
                |_| Vec::new(),
            ),
        }
    }

    /// Called regularly, so that the progress bar moves.
    pub fn tick(&mut self) {
        if let Audience::People(_, bar) = &mut self.audience {
            bar.tick();
        }
    }

    /// The exit status: a failure if anything could not be printed, else by the outcomes.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.fault.is_some() {
            Exit::Failed
        } else {
            self.tally.exit()
        }
    }

    /// How many patches had each outcome.
    #[must_use]
    pub fn outcomes(&self) -> BTreeMap<OutcomeKind, usize> {
        self.tally.counts().collect()
    }

    /// Reports the end of the run. `stopped` says why it ended early, if it did. `finished` has the
    /// results; `None` if they are not known. Returns the first error of printing.
    #[must_use]
    pub fn finished(
        mut self,
        run: &str,
        finished: Option<Finished>,
        stopped: Option<Halt>,
    ) -> Option<io::Error> {
        if let Audience::People(_, bar) = &mut self.audience {
            bar.clear();
        }
        let tally = std::mem::take(&mut self.tally);
        match (&self.audience, finished) {
            (Audience::Machine, None) => {}
            (Audience::Machine, Some(finished)) => {
                self.write(|| Line::Finished(finished), |_| Vec::new())
            }
            (Audience::People(..), _) => self.show(&people::summary(run, &tally, stopped)),
        }
        self.fault
    }

    /// Writes the JSON line `line`, or the text lines `people`.
    fn write(&mut self, line: impl FnOnce() -> Line, people: impl FnOnce(&Columns) -> Vec<String>) {
        let lines = match &self.audience {
            Audience::Machine => vec![report::json::line(&line())],
            Audience::People(columns, _) => people(columns),
        };
        self.show(&lines);
    }

    /// Writes these lines; the bar is hidden meanwhile.
    fn show(&mut self, lines: &[String]) {
        let print = || report::result(&lines.join("\n"));
        let written = match &self.audience {
            Audience::Machine | Audience::People(..) if lines.is_empty() => Ok(()),
            Audience::Machine => print(),
            Audience::People(_, bar) => bar.aside(print),
        };
        if let Err(error) = written {
            self.fault.get_or_insert(error);
        }
    }
}

#[cfg(test)]
mod tests;

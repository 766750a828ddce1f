//! Prints a run's progress and results, for people and for machines.
//!
//! In: the plan, and the events of the run in order. Out: for people a table on standard output
//! that grows by a line with each finished container, the last lines of what failed, and a summary;
//! on a terminal also a bar on standard error. For machines the lines of the journal;
//! embargo-exec-patch(8) gives their fields. Names and output are hostile: nothing in them reaches
//! a terminal unescaped. Keeps nothing; the journal does.

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

/// Shows a run to whoever watches it.
#[derive(Debug)]
pub struct Watcher {
    audience: Audience,
    boot: String,
    tally: OutcomeTally,
    /// The first error of printing.
    fault: Option<io::Error>,
}

/// Who reads it.
#[derive(Debug)]
enum Audience {
    People(Columns, Bar),
    Machine,
}

impl Watcher {
    /// Starts with a run's plan, in this boot of the machine.
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

    /// Also runs from now on.
    pub fn carried(&mut self, carried: Carried) {
        self.write(|| Line::Carried(carried), |_| Vec::new());
    }

    /// A container will be entered.
    pub fn planned(&mut self, planned: Planned) {
        self.write(|| Line::Planned(Box::new(planned)), |_| Vec::new());
    }

    /// There is more to do.
    pub fn more(&mut self, number: usize) {
        if let Audience::People(_, bar) = &mut self.audience {
            bar.more(number);
        }
    }

    /// A worker is about to enter a container.
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

    /// A container is done with this patch, with a worker's result.
    pub fn ended(&mut self, job: &Job, payload: &Payload, done: &JobResult) {
        let ended = Ended::entered(job, &self.boot, done);
        self.through(ended, Some(payload), Some(done));
    }

    /// A container is done with this patch, and nothing entered it.
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

    /// There is a container that cannot be identified.
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

    /// A warning for people: one line, not escaped.
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

    /// Time passes.
    pub fn tick(&mut self) {
        if let Audience::People(_, bar) = &mut self.audience {
            bar.tick();
        }
    }

    /// The exit status that follows from what was reported, or could not be.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.fault.is_some() {
            Exit::Failed
        } else {
            self.tally.exit()
        }
    }

    /// How many had each outcome.
    #[must_use]
    pub fn outcomes(&self) -> BTreeMap<OutcomeKind, usize> {
        self.tally.counts().collect()
    }

    /// The run is over, early if `stopped` says why; `finished` says how, unless that is not known.
    /// Returns the first error of printing all this.
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

    /// Writes a line for machines, or the lines for people.
    fn write(&mut self, line: impl FnOnce() -> Line, people: impl FnOnce(&Columns) -> Vec<String>) {
        let lines = match &self.audience {
            Audience::Machine => vec![report::json::line(&line())],
            Audience::People(columns, _) => people(columns),
        };
        self.show(&lines);
    }

    /// Writes these lines, with the bar out of the way.
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

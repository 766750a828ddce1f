//! Prints a run's progress and results, as text or as JSON.
//!
//! In: the plan, and the events of the run in order. Out: text or JSON. The text is a table on
//! standard output that grows by a line with each finished container, the last lines of output of
//! failed patches, and a summary. On a terminal there is also a bar on standard error. The JSON has
//! the lines of the journal; embargo-exec-patch(8) describes their fields. Names and output are
//! hostile: they are escaped before they reach a terminal. This code stores nothing; the journal
//! has everything.

mod people;
mod tally;

use std::collections::BTreeMap;
use std::io;

use self::people::Columns;
pub use self::tally::OutcomeTally;
use crate::exec_patch::job::{Container, Job, JobResult};
use crate::exec_patch::journal::halt::Halt;
use crate::exec_patch::journal::header::{Carried, RunHeader};
use crate::exec_patch::journal::line::{Ended, Finished, Line, NotUnderstood, Planned, Started};
use crate::exec_patch::outcome::{Outcome, OutcomeKind};
use crate::exec_patch::plan::Plan;
use crate::exec_patch::request::arguments::PROGRAM;
use crate::exec_patch::request::payload::Payload;
use crate::node::unaccounted::Unaccounted;
use crate::report::{self, Exit};
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
    /// Prints the start of a run with this plan; `boot` is the ID of this boot of the machine.
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
        match &watcher.audience {
            Audience::People(columns, _) => {
                let lines = [columns.began(header.id.as_str()), columns.head()];
                watcher.show(&lines);
            }
            Audience::Machine => watcher.write(&Line::Run(Box::new(header.clone()))),
        }
        for text in &plan.warnings {
            watcher.warning(text);
        }
        for unidentified in &plan.unidentified {
            watcher.unidentified(unidentified);
        }
        watcher
    }

    /// Reports a payload that the run uses from now on and that was not reported before.
    pub fn carried(&mut self, carried: Carried) {
        self.write(&Line::Carried(carried));
    }

    /// Reports a container that will be entered.
    pub fn planned(&mut self, planned: Planned) {
        self.write(&Line::Planned(Box::new(planned)));
    }

    /// Adds this many patches to the progress bar.
    pub fn more(&mut self, number: usize) {
        if let Audience::People(_, bar) = &mut self.audience {
            bar.more(number);
        }
    }

    /// Reports that a worker is about to enter a container.
    pub fn started(&mut self, job: &Job) {
        match &mut self.audience {
            Audience::People(_, bar) => bar.started(&job.container),
            Audience::Machine => {
                let started = Started::of(job, &self.boot, None, false);
                self.write(&Line::Started(Box::new(started)));
            }
        }
    }

    /// Reports a patch that a worker has finished.
    pub fn ended(&mut self, job: &Job, done: &JobResult) {
        self.end(Ended::entered(job, &self.boot, done));
    }

    /// Reports a patch that is over without anything entering the container.
    pub fn settled(&mut self, container: &Container, payload: Option<&Payload>, outcome: &Outcome) {
        self.end(Ended::settled(container, &self.boot, payload, outcome));
    }

    fn end(&mut self, ended: Ended) {
        self.tally.add(&ended.container, ended.outcome.kind());
        match &mut self.audience {
            Audience::People(columns, bar) => {
                bar.ended(&ended.container, ended.found.is_some());
                let lines = columns.row(&ended);
                self.show(&lines);
            }
            Audience::Machine => self.write(&Line::Ended(Box::new(ended))),
        }
    }

    /// Reports a container that cannot be identified.
    pub fn unidentified(&mut self, unidentified: &Unaccounted) {
        self.tally.add_unclear(people::unidentified(unidentified));
        match &self.audience {
            Audience::People(columns, _) => {
                let lines = columns.unidentified(unidentified);
                self.show(&lines);
            }
            Audience::Machine => {
                self.write(&Line::NotUnderstood(NotUnderstood::of(unidentified)));
            }
        }
    }

    /// Prints a warning: one line, not escaped.
    pub fn warning(&mut self, text: &str) {
        match &self.audience {
            Audience::People(_, bar) => bar.aside(|| report::warning(PROGRAM, text)),
            Audience::Machine => self.write(&Line::Warning {
                text: text.to_owned(),
            }),
        }
    }

    /// Called regularly, so that the progress bar moves.
    pub fn tick(&mut self) {
        if let Audience::People(_, bar) = &mut self.audience {
            bar.tick();
        }
    }

    /// The exit status: a failure if anything could not be printed; otherwise the outcomes decide.
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
        self.tally.counts()
    }

    /// Reports the end of the run. `stopped` says why the run ended early, if it did. `finished`
    /// has the results; `None` if the results are not known. Returns the first error of printing.
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
            (Audience::Machine, Some(finished)) => self.write(&Line::Finished(finished)),
            (Audience::People(..), _) => self.show(&people::summary(run, &tally, stopped)),
        }
        self.fault
    }

    /// Writes a line of JSON; the text output does not have this line.
    fn write(&mut self, line: &Line) {
        match self.audience {
            Audience::Machine => self.show(&[report::json::line(line)]),
            Audience::People(..) => {}
        }
    }

    /// Writes these lines; the bar is hidden meanwhile.
    fn show(&mut self, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        let text = lines.join("\n");
        let written = match &self.audience {
            Audience::Machine => report::result(&text),
            Audience::People(_, bar) => bar.aside(|| report::result(&text)),
        };
        if let Err(error) = written {
            self.fault.get_or_insert(error);
        }
    }
}

#[cfg(test)]
mod tests;

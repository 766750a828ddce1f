//! Records the events of a run: first in the journal, then in the output for the operator.
//!
//! In: events. Out: one line for each event in the journal, and one in the output. Lines that the
//! workers write themselves are not written again. If a line cannot be written, the run ends with
//! an error, and no further container is started.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::PathBuf;

use super::table::Watcher;
use super::{Listener, instances};
use crate::exec_patch::enter::aftermath;
use crate::exec_patch::job::{Container, Job, JobResult};
use crate::exec_patch::journal::Journal;
use crate::exec_patch::journal::error::JournalError;
use crate::exec_patch::journal::halt::Halt;
use crate::exec_patch::journal::line::Finished;
use crate::exec_patch::journal::past::RunLog;
use crate::exec_patch::outcome::{Outcome, OutcomeKind};
use crate::exec_patch::plan::{Plan, PlannedContainer};
use crate::exec_patch::request::payload::Payload;
use crate::lineage::digest::Digest;
use crate::node::unaccounted::Unaccounted;
use crate::report::Exit;

/// The journal and the output of one run.
#[derive(Debug)]
pub struct Recorder<'a> {
    journal: &'a Journal,
    watcher: Watcher,
    /// The digests of the payloads that the journal already has.
    carried: HashSet<Digest>,
    /// The unidentified containers that were already reported: ID and place.
    unidentified: HashSet<(String, PathBuf)>,
    /// Whether the first plan has been recorded.
    has_started: bool,
    fault: Option<JournalError>,
}

impl<'a> Recorder<'a> {
    /// Makes a recorder for a journal that has only its header; or, if the run `past` is resumed,
    /// the lines of that run.
    #[must_use]
    pub fn new(journal: &'a Journal, watcher: Watcher, past: Option<&RunLog>) -> Self {
        let mut carried = HashSet::new();
        if let Some(past) = past {
            for one in &past.carried {
                carried.insert(one.digest);
            }
        }
        Self {
            journal,
            watcher,
            carried,
            unidentified: HashSet::new(),
            has_started: false,
            fault: None,
        }
    }

    /// Records a plan.
    ///
    /// # Errors
    /// If the plan cannot be recorded. Then the plan must not be carried out.
    pub fn plan(&mut self, plan: &Plan) -> Result<(), JournalError> {
        let is_first = !std::mem::replace(&mut self.has_started, true);
        for carried in plan.carried() {
            // The header of a new run already has the payloads of the first plan.
            if self.carried.insert(carried.digest) && !is_first {
                self.journal.carried(carried.clone())?;
                self.watcher.carried(carried);
            }
        }
        let planned: Vec<_> = plan.planned.iter().map(PlannedContainer::line).collect();
        self.journal.planned(planned.clone())?;
        for planned in planned {
            self.watcher.planned(planned);
        }
        if !is_first {
            self.watcher.more(plan.steps().count());
        }
        for unidentified in &plan.unidentified {
            self.journal.unidentified(unidentified)?;
            self.unidentified
                .insert((unidentified.id.clone(), unidentified.place.clone()));
            if !is_first {
                self.watcher.unidentified(unidentified);
            }
        }
        Ok(())
    }

    /// Whether this unidentified container has not been reported yet.
    #[must_use]
    pub fn is_new(&self, unidentified: &Unaccounted) -> bool {
        !self
            .unidentified
            .contains(&(unidentified.id.clone(), unidentified.place.clone()))
    }

    /// Records that nothing enters the container, and its outcome.
    pub fn settle(&mut self, container: &Container, payload: Option<&Payload>, outcome: &Outcome) {
        let written = self.journal.settled(container, payload, outcome);
        self.note(written);
        self.watcher.settled(container, payload, outcome);
    }

    /// Records that the container has restarted too often for this run.
    pub fn restarting(&mut self, container: &Container) {
        self.watcher.more(1);
        self.settle(
            container,
            None,
            &Outcome::Restarting {
                starts: instances::MOST,
            },
        );
    }

    /// Reports an outcome that the journal already has: only prints the outcome.
    pub fn known(&mut self, container: &Container, payload: Option<&Payload>, outcome: &Outcome) {
        self.watcher.settled(container, payload, outcome);
    }

    /// How many patches had each outcome.
    #[must_use]
    pub fn outcomes(&self) -> BTreeMap<OutcomeKind, usize> {
        self.watcher.outcomes()
    }

    /// The exit status for everything that was recorded.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.watcher.exit()
    }

    /// The first error of writing the journal. A second call returns `None`.
    pub const fn fault(&mut self) -> Option<JournalError> {
        self.fault.take()
    }

    /// Reports the end of the run. `finished` has the results; `None` if the journal cannot be
    /// read. Returns the first error of printing.
    #[must_use]
    pub fn finish(
        self,
        run: &str,
        finished: Option<Finished>,
        stopped: Option<Halt>,
    ) -> Option<io::Error> {
        self.watcher.finished(run, finished, stopped)
    }

    fn note(&mut self, written: Result<(), JournalError>) {
        if let Err(fault) = written {
            self.fault.get_or_insert(fault);
        }
    }
}

impl Listener for Recorder<'_> {
    fn started(&mut self, job: &Job) {
        self.watcher.started(job);
    }

    fn ended(&mut self, job: &Job, done: &JobResult) {
        self.watcher.ended(job, done);
    }

    fn lost(&mut self, job: &Job) -> JobResult {
        let interrupted = |unpause| aftermath::interrupted(job, unpause);
        match self.journal.lost(job, interrupted) {
            Ok(done) => done,
            Err(fault) => {
                self.note(Err(fault));
                interrupted(false)
            }
        }
    }

    fn is_ready(&mut self) -> bool {
        if self.fault.is_none() {
            let room = self.journal.room();
            self.note(room);
        }
        self.fault.is_none()
    }

    fn settled(&mut self, container: &Container, payload: Option<&Payload>, outcome: &Outcome) {
        self.settle(container, payload, outcome);
    }

    fn remark(&mut self, text: &str) {
        self.watcher.warning(text);
    }

    fn tick(&mut self) {
        self.watcher.tick();
    }
}

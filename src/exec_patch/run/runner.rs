//! Runs `exec-patch` from the request to the summary.
//!
//! ```text
//! lock ─▶ journals ─▶ scan ─▶ plan ─▶ journal ─▶ run ⇄ scan ─▶ summary
//! ```
//!
//! In: a [`Request`] and a node. Out: the exit status; all events are written to the journal and
//! shown to the operator. A dry run takes no lock, writes nothing and ends with the plan. The lock
//! is taken before the journals are read and the containers are scanned, so that the results of the
//! run before are known. Names are hostile; the code that prints them escapes them.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use super::queue::Queue;
use super::recorder::Recorder;
use super::table::Watcher;
use super::worker::WorkerConfig;
use super::{Rescan, Run};
use crate::audit::who::Who;
use crate::exec_patch::enter::aftermath;
use crate::exec_patch::journal::Journal;
use crate::exec_patch::journal::error::JournalError;
use crate::exec_patch::journal::files::{OUTPUT, bytes_in};
use crate::exec_patch::journal::halt::Halt;
use crate::exec_patch::journal::line::Finished;
use crate::exec_patch::journal::lock::{Lock, Waiting};
use crate::exec_patch::journal::new_run::NewRun;
use crate::exec_patch::journal::past::RunLog;
use crate::exec_patch::journal::runs::Runs;
use crate::exec_patch::plan::Plan;
use crate::exec_patch::plan::error::PatchError;
use crate::exec_patch::plan::pace::Pace;
use crate::exec_patch::plan::prior_runs::PriorRuns;
use crate::exec_patch::plan::request::Request;
use crate::exec_patch::plan::signatures;
use crate::exec_patch::request::arguments::PROGRAM;
use crate::exec_patch::select::{Scanner, Selection};
use crate::paths::Paths;
use crate::report::{self, Exit};
use crate::settings::Settings;
use crate::sys::clock::Timestamp;
use crate::sys::system_log::Sockets;

/// How many bytes of all containers' output one run keeps, unless the limit for one container is
/// higher.
const MOST_OUTPUT: u64 = 256 << 20;

/// The program of every worker: the program that this process runs, even if its file was replaced.
const SELF: &str = "/proc/self/exe";

/// A node, and how a run on it is reported.
#[derive(Debug)]
pub struct Runner<'a> {
    /// The node's paths.
    pub paths: &'a Paths,
    /// The node's settings, or [`Settings::unset`].
    pub settings: &'a Settings,
    /// The arguments that were typed.
    pub argv: &'a [OsString],
    /// Whether to print JSON.
    pub json: bool,
    /// How long to wait for another run to end.
    pub patience: Duration,
}

/// Prints one message about a wait for another run, or for the workers of a killed run.
pub fn report_waiting(waiting: &Waiting) -> ControlFlow<()> {
    if waiting.is_first {
        let (holder, whom) = match &waiting.holder {
            None => ("another run is about to start".to_owned(), "it"),
            Some(holder) if holder.is_alive() => (holder.to_string(), "it"),
            Some(holder) => (holder.to_string(), "them"),
        };
        report::remark(&format!(
            "{PROGRAM}: {holder}; waiting for {whom}, at most {} s",
            waiting.at_most.as_millis().div_ceil(1_000)
        ));
    }
    ControlFlow::Continue(())
}

impl Runner<'_> {
    /// Prints the plan.
    ///
    /// # Errors
    /// [`PatchError`]. [`PatchError::NoPatch`] is returned as for a run, but only after the plan is
    /// printed.
    pub fn show(&self, request: &mut Request, runs: &Runs) -> Result<Exit, PatchError> {
        let mut scanner = self.scanner(request)?;
        let prior_runs = PriorRuns::new(runs, request)?;
        let plan = prior_runs.first_plan(self.scan(&mut scanner, request, &prior_runs)?, request);
        self.print(&plan)?;
        warn(&prior_runs.faults());
        may_start(&plan, request)?;
        Ok(plan.exit())
    }

    /// Starts a run and works until it is over.
    ///
    /// # Errors
    /// [`PatchError`]. Either nothing was done, or the journal says what was done.
    pub fn start(&self, request: &mut Request) -> Result<Exit, PatchError> {
        let mut lock = Lock::within(self.paths, self.patience, &mut report_waiting)?;
        self.take(request, &mut lock)
    }

    /// Resumes a run, after its remaining workers have ended.
    ///
    /// # Errors
    /// As [`Runner::start`].
    pub fn resume(
        &self,
        past: &RunLog,
        again: impl FnOnce(RunLog) -> Result<Request, PatchError>,
    ) -> Result<Exit, PatchError> {
        let mut lock = Lock::wait(self.paths, past, self.patience, &mut report_waiting)?;
        // The journal is read again, because the workers have recorded their outcomes meanwhile.
        let mut request = again(RunLog::read(&past.directory)?)?;
        self.take(&mut request, &mut lock)
    }

    /// The scanner for the containers. Also sets the typed script's role in the request.
    fn scanner(&self, request: &mut Request) -> Result<Scanner<'_>, PatchError> {
        let scanner = Scanner::new(&request.payloads.order().target, self.paths, self.settings)?;
        signatures::judge_script(&mut request.payloads, &scanner, self.paths, self.settings)?;
        Ok(scanner)
    }

    /// The containers that match now and that the request is about.
    fn scan(
        &self,
        scanner: &mut Scanner<'_>,
        request: &Request,
        prior_runs: &PriorRuns,
    ) -> Result<Selection, PatchError> {
        let mut selection = scanner.scan(Timestamp::now())?;
        if let Some(then) = request.list
            && selection.list != Some(then)
        {
            let now = selection.list.map(|list| list.version);
            return Err(PatchError::OtherList(then.version, now));
        }
        request.narrow(&mut selection, prior_runs.not_ok());
        signatures::check(&request.payloads, &selection, self.paths, self.settings)?;
        Ok(selection)
    }

    /// Runs the request. The caller holds the lock.
    fn take(&self, request: &mut Request, lock: &mut Lock) -> Result<Exit, PatchError> {
        warn(&aftermath::sweep(&self.paths.entered));
        let mut scanner = self.scanner(request)?;
        let prior_runs = PriorRuns::new(&Runs::load(self.paths)?, request)?;
        let ended = aftermath::end(prior_runs.interrupted());
        let selection = self.scan(&mut scanner, request, &prior_runs)?;
        let mut plan = prior_runs.first_plan(selection, request);
        plan.warnings.extend(ended);
        warn(&prior_runs.faults());
        if plan.is_nothing() && request.past().is_none() {
            // Nothing runs, so there is no run and no journal.
            self.print(&plan)?;
            return Ok(plan.exit());
        }
        may_start(&plan, request)?;
        let journal = self.journal(request, lock, &plan)?;
        let watcher = Watcher::new(journal.header(), journal.boot(), &plan, self.json);
        let mut record = Recorder::new(&journal, watcher, request.past());
        let mut queue = Queue::new(self.settings, self.paths);
        let mut pace = Pace::new(request.limits, request.matches(&plan));
        pace.have_passed(request.canaries_passed());
        for gone in &plan.gone {
            record.known(&gone.container, None, &gone.outcome);
        }
        let turns = queue.of(plan, &mut record)?;
        let config = worker_config(request, &journal, lock);
        let mut run = Run::new(config, pace).map_err(PatchError::Process)?;
        let ended = run.carry_out(turns, &mut record, |record| {
            let mut found = self.scan(&mut scanner, request, &prior_runs)?;
            queue.keep_new(&mut found, record);
            let plan = prior_runs.plan(found, request);
            let matches = plan.planned.len();
            let turns = queue.of(plan, record)?;
            Ok::<_, PatchError>(Rescan { turns, matches })
        });
        let best = if scanner.has_unfound() {
            Exit::NotAllWell
        } else {
            Exit::Clear
        };
        self.finish(record, &journal, ended, best)
    }

    /// Prints a plan that is not carried out. In JSON, the warnings are part of the plan.
    fn print(&self, plan: &Plan) -> Result<(), PatchError> {
        let text = if self.json { plan.json() } else { plan.text() };
        report::document(text.as_bytes()).map_err(PatchError::Print)?;
        if !self.json {
            warn(&plan.warnings);
        }
        Ok(())
    }

    /// The journal of this run. A new run's journal has the header with the plan's payloads.
    fn journal(
        &self,
        request: &Request,
        lock: &mut Lock,
        plan: &Plan,
    ) -> Result<Journal, PatchError> {
        let (log, by) = (Sockets::system(), Who::here(|name| std::env::var_os(name)));
        let mut argv = Vec::new();
        for word in self.argv {
            argv.push(word.to_string_lossy().into_owned());
        }
        if let Some(past) = request.past() {
            let journal = Journal::resume(log, lock, past, by, argv, request.limits)?;
            return Ok(journal);
        }
        let draft = NewRun {
            by,
            trigger: request.trigger(),
            argv,
            order: request.payloads.order().clone(),
            terms: request.terms(),
            carried: plan.carried(),
            program: request.payloads.program(),
            only_failed: request.only_failed().cloned(),
            list_version: plan.list_version,
        };
        Ok(Journal::create(log, lock, draft)?)
    }

    /// Reports the end of the run. `best` is the exit status if nothing failed.
    fn finish(
        &self,
        mut record: Recorder<'_>,
        journal: &Journal,
        ended: Result<Option<Halt>, PatchError>,
        best: Exit,
    ) -> Result<Exit, PatchError> {
        let (stopped, fault) = match ended {
            Ok(halt) => (halt, None),
            Err(PatchError::Journal(fault)) => (Some(Halt::Journal), Some(fault.into())),
            Err(fault) => (Some(Halt::Scan), Some(fault)),
        };
        let fault = fault.or_else(|| record.fault().map(PatchError::from));
        let exit = match (fault.is_some(), record.exit()) {
            (true, _) => Exit::Failed,
            (false, Exit::Clear) => best,
            (false, exit) => exit,
        };
        let (mut finished, fault) = match end(journal, &record, exit, stopped) {
            Ok((finished, written)) => (
                Some(finished),
                fault.or(written.err().map(PatchError::from)),
            ),
            Err(unread) => (None, fault.or(Some(unread.into()))),
        };
        // The recorded exit status must be the one with which this program really ends.
        if let (Some(finished), Some(_)) = (&mut finished, &fault) {
            finished.exit = Exit::Failed.code();
        }
        let exit = if fault.is_some() { Exit::Failed } else { exit };
        let unprinted = record.finish(journal.id().as_str(), finished, stopped);
        match (fault, unprinted) {
            (Some(fault), _) => Err(fault),
            (None, Some(unprinted)) => Err(PatchError::Print(unprinted)),
            (None, None) => Ok(exit),
        }
    }
}

/// Prints warnings, one line each.
fn warn(texts: &[String]) {
    for text in texts {
        report::warning(PROGRAM, text);
    }
}

/// The configuration that all workers of a run share.
fn worker_config<'a>(request: &Request, journal: &'a Journal, lock: &'a Lock) -> WorkerConfig<'a> {
    let kept = bytes_in(&journal.directory().join(OUTPUT));
    WorkerConfig {
        program: Path::new(SELF),
        lock: lock.as_fd(),
        run: journal.id().as_str(),
        journal: journal.directory(),
        output_limit: request.output_limit,
        output_room: MOST_OUTPUT.max(request.output_limit).saturating_sub(kept),
        number: request.past().map_or(1, RunLog::next_number),
    }
}

/// Checks that a run may start with this plan. A resumed run has started before.
fn may_start(plan: &Plan, request: &Request) -> Result<(), PatchError> {
    match (
        plan.no_patch(&request.payloads.order().target.selector),
        request.past(),
    ) {
        (Some(why), None) => Err(PatchError::NoPatch(why.clone())),
        (None, _) | (_, Some(_)) => Ok(()),
    }
}

/// Records the end of a run. Returns the results, and whether they could be recorded.
fn end(
    journal: &Journal,
    record: &Recorder<'_>,
    exit: Exit,
    stopped: Option<Halt>,
) -> Result<(Finished, Result<(), JournalError>), JournalError> {
    let (ok, not_ok) = RunLog::read(journal.directory())?.counts();
    let finished = Finished {
        run: journal.id().clone(),
        at: Timestamp::now(),
        exit: exit.code(),
        ok,
        not_ok,
        outcomes: record.outcomes(),
        stopped,
    };
    let written = journal.finished(finished.clone());
    Ok((finished, written))
}

//! How does a run take its course?
//!
//! ```text
//! lock ─▶ journals ─▶ scan ─▶ plan ─▶ journal ─▶ run ⇄ scan ─▶ summary
//! ```
//!
//! In: an [`Undertaking`] and a node. Out: the exit status, with everything in the journal and before the reader's eyes. A dry run takes no lock, writes
//! nothing and ends with the plan. The lock comes before the journals and the scan, so that what another run did is known by then. Names are hostile;
//! whoever shows them escapes them.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::Path;

use super::error::PatchError;
use super::journal::line::{Carried, Finished};
use super::journal::lock::{Lock, Waiting};
use super::journal::past::Past;
use super::journal::runs::Runs;
use super::journal::who::Who;
use super::journal::{Draft, Journal};
use super::outlook::Outlook;
use super::pace::{Halt, Pace};
use super::plan::{Plan, Step};
use super::record::Record;
use super::run::lives::{Lives, Novelty};
use super::run::{Crew, Run, Turn};
use super::runtimes::Runtimes;
use super::select::{Scanner, Selection};
use super::table::Watcher;
use super::undertaking::Undertaking;
use super::words::PROGRAM;
use crate::paths::Paths;
use crate::report::{self, Exit};
use crate::settings::Settings;
use crate::sys::clock::Timestamp;

/// The program that every worker is: this one, whatever has become of its file.
const SELF: &str = "/proc/self/exe";

/// A node, and how a run is told.
#[derive(Debug)]
pub struct Course<'a> {
    /// Where everything stands.
    pub paths: &'a Paths,
    /// The node's settings, or [`Settings::unset`].
    pub settings: &'a Settings,
    /// The words that were typed.
    pub argv: &'a [OsString],
    /// Whether machines read it.
    pub json: bool,
}

impl Course<'_> {
    /// Prints what would be done.
    ///
    /// # Errors
    /// [`PatchError`].
    pub fn show(&self, undertaking: &Undertaking, runs: &Runs) -> Result<Exit, PatchError> {
        let mut scanner = self.scanner(undertaking)?;
        let outlook = Outlook::new(runs, undertaking)?;
        let plan = outlook.plan(self.scan(&mut scanner, undertaking, &outlook)?, undertaking);
        let text = if self.json { plan.json() } else { plan.text() };
        report::document(text.as_bytes()).map_err(PatchError::Print)?;
        outlook.faults().iter().for_each(|fault| report::warning(PROGRAM, fault));
        Ok(plan.exit())
    }

    /// Begins a run and sees it through.
    ///
    /// # Errors
    /// [`PatchError`]; then nothing has been done, or the journal says what.
    pub fn begin(&self, undertaking: &Undertaking) -> Result<Exit, PatchError> {
        let mut lock = Lock::take(self.paths)?;
        self.take(undertaking, &mut lock)
    }

    /// Goes on with a run, once the workers that it left behind are through.
    ///
    /// # Errors
    /// As [`Course::begin`].
    pub fn resume(&self, past: &Past, again: impl FnOnce(Past) -> Result<Undertaking, PatchError>) -> Result<Exit, PatchError> {
        let mut tell = |waiting: &Waiting| {
            if waiting.is_first {
                let seconds = waiting.at_most.as_secs();
                report::remark(&format!("{PROGRAM}: the workers of that run are still at work; waiting for them, at most {seconds} s"));
            }
            ControlFlow::Continue(())
        };
        let mut lock = Lock::wait(self.paths, past, &mut tell)?;
        // They wrote down how it ended.
        let undertaking = again(Past::read(&past.folder)?)?;
        self.take(&undertaking, &mut lock)
    }

    fn scanner(&self, undertaking: &Undertaking) -> Result<Scanner<'_>, PatchError> {
        Ok(Scanner::new(&undertaking.kit.order().wanted, self.paths, self.settings)?)
    }

    /// What matches now, and is this undertaking's business.
    fn scan(&self, scanner: &mut Scanner<'_>, undertaking: &Undertaking, outlook: &Outlook) -> Result<Selection, PatchError> {
        let mut selection = scanner.scan(Timestamp::now())?;
        match (undertaking.list, selection.list_version) {
            (Some(then), now) if now != Some(then) => return Err(PatchError::OtherList(then, now)),
            (Some(_) | None, _) => {}
        }
        undertaking.narrow(&mut selection, outlook.not_well());
        Ok(selection)
    }

    /// With the lock in hand.
    fn take(&self, undertaking: &Undertaking, lock: &mut Lock) -> Result<Exit, PatchError> {
        let mut scanner = self.scanner(undertaking)?;
        let outlook = Outlook::new(&Runs::load(self.paths)?, undertaking)?;
        let selection = self.scan(&mut scanner, undertaking, &outlook)?;
        let plan = outlook.plan(selection, undertaking);
        outlook.faults().iter().for_each(|fault| report::warning(PROGRAM, fault));
        if plan.exit() == Exit::NothingMatched && undertaking.past().is_none() {
            return self.nothing(&plan);
        }
        let journal = self.journal(undertaking, lock, &plan)?;
        let watcher = Watcher::new(journal.id().as_str(), &plan, self.json);
        let mut record = Record::new(&journal, watcher, undertaking.past());
        let mut prospect = Turns { lives: Lives::default(), runtimes: Runtimes::find(self.settings), outlook: &outlook };
        let matches = undertaking.matches_before().max(plan.planned.len());
        outlook.bygone(&plan).into_iter().for_each(|entry| record.known(&entry.container, entry.outcome()));
        let turns = prospect.of(plan, &mut record)?;
        let mut pace = Pace::new(undertaking.limits, matches);
        pace.have_passed(undertaking.canaries_passed());
        let id = journal.id().to_string();
        let crew = Crew {
            program: Path::new(SELF),
            lock: lock.as_fd(),
            run: &id,
            journal: journal.folder(),
            output_limit: undertaking.output_limit,
            number: undertaking.past().map_or(1, Past::next_number),
        };
        let mut run = Run::new(crew, pace).map_err(PatchError::Process)?;
        let ended = run.carry_out(turns, &mut record, |record| {
            let mut found = self.scan(&mut scanner, undertaking, &outlook)?;
            prospect.keep_new(&mut found, record);
            prospect.of(outlook.plan(found, undertaking), record)
        });
        self.finish(record, &journal, ended)
    }

    /// Nothing matches: no run, and no journal of one.
    fn nothing(&self, plan: &Plan) -> Result<Exit, PatchError> {
        let text = if self.json { plan.json() } else { plan.text() };
        report::document(text.as_bytes()).map_err(PatchError::Print)?;
        Ok(Exit::NothingMatched)
    }

    /// The journal, which says by now what is to be done.
    fn journal(&self, undertaking: &Undertaking, lock: &mut Lock, plan: &Plan) -> Result<Journal, PatchError> {
        let by = Who::here(|name| std::env::var_os(name));
        let argv: Vec<_> = self.argv.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let journal = match undertaking.past() {
            Some(past) => Journal::resume(lock, past, by, argv)?,
            None => {
                let draft = Draft {
                    by,
                    argv,
                    order: undertaking.kit.order().clone(),
                    terms: undertaking.terms(),
                    carried: carried(plan),
                    brought: undertaking.kit.brought(),
                    only_failed: undertaking.only_failed().cloned(),
                    list_version: plan.list_version,
                };
                Journal::create(lock, draft)?
            }
        };
        Ok(journal)
    }

    /// What remains to be said when everything has ended.
    fn finish(&self, record: Record<'_>, journal: &Journal, ended: Result<Option<Halt>, PatchError>) -> Result<Exit, PatchError> {
        let (stopped, fault) = match ended {
            Ok(halt) => (halt.map(|halt| halt.to_string()), None),
            Err(fault) => (Some("it could not look for more containers".to_owned()), Some(fault)),
        };
        let (exit, unprinted, unwritten) = record.finish(journal.id().as_str(), stopped.as_deref());
        let exit = if fault.is_some() { Exit::Failed } else { exit };
        let (well, not_well) = Past::read(journal.folder())?.counts();
        journal.finished(Finished { at: Timestamp::now(), exit: exit.code(), well, not_well, stopped })?;
        match (fault, unwritten, unprinted) {
            (Some(fault), ..) => Err(fault),
            (None, Some(unwritten), _) => Err(unwritten.into()),
            (None, None, Some(unprinted)) => Err(PatchError::Print(unprinted)),
            (None, None, None) => Ok(exit),
        }
    }
}

/// What becomes of what scans find.
#[derive(Debug)]
struct Turns<'a> {
    lives: Lives,
    runtimes: Runtimes,
    outlook: &'a Outlook,
}

impl Turns<'_> {
    /// Leaves of what a later scan found what is new to the run.
    fn keep_new(&mut self, found: &mut Selection, record: &mut Record<'_>) {
        found.strangers.retain(|stranger| record.is_new(stranger));
        found.matches.retain(|found| match self.lives.meet(&found.container) {
            Novelty::New => true,
            Novelty::Known => false,
            Novelty::Restless => {
                record.restless(&found.container);
                false
            }
        });
        record.more(found.matches.len());
    }

    /// Writes a plan down and makes turns of it. What is settled without anything that runs is said at once.
    fn of(&mut self, plan: Plan, record: &mut Record<'_>) -> Result<Vec<Turn>, PatchError> {
        record.plan(&plan, &carried(&plan))?;
        let mut turns = Vec::new();
        for planned in plan.planned {
            self.lives.meet(&planned.container);
            let container = planned.container.clone();
            let (payloads, settled) = planned.split();
            settled.iter().for_each(|(payload, outcome)| record.settle(&container, payload.as_ref(), outcome));
            let payloads: Vec<_> = payloads.into_iter().filter(|payload| !record.stands(&container, payload, self.outlook)).collect();
            if payloads.is_empty() {
                continue;
            }
            match self.runtimes.of(container.kind) {
                Ok(runtime) => turns.push(Turn { runtime: runtime.to_owned(), container, payloads }),
                Err(why) => payloads.iter().for_each(|payload| record.settle(&container, Some(payload), &why)),
            }
        }
        Ok(turns)
    }
}

/// Everything that runs by a plan, each once.
fn carried(plan: &Plan) -> Vec<Carried> {
    let mut carried: Vec<Carried> = Vec::new();
    for step in plan.planned.iter().flat_map(|planned| &planned.steps) {
        let (Step::Run(payload) | Step::Before(payload, _)) = step else { continue };
        if !carried.iter().any(|known| known.digest == payload.digest) {
            let (digest, ban, told, work) = (payload.digest, payload.ban.clone(), payload.told(), payload.work.clone());
            carried.push(Carried { digest, ban, told, work });
        }
    }
    carried
}

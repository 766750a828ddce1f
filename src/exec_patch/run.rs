//! Carries out one run, from the plan to the exit status.
//!
//! In: the containers to patch, the pace, and where more containers may come from. Out: a worker
//! for each container, and each outcome for the listener. One thread and one loop, which waits for
//! workers, signals and nothing else: after SIGINT or SIGTERM nothing new starts and running
//! workers finish; a second one ends them early; SIGHUP does nothing. Names and what workers say of
//! containers are hostile; here they are passed on and not read. Nothing here survives a kill of
//! this process; the workers and the listener write the journal.

pub mod instances;
pub mod prune;
pub mod recorder;
pub mod runner;
pub mod table;
pub mod worker;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::vec;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;

use self::worker::{Worker, WorkerEnd};
use super::job::{Container, Job, JobResult};
use super::journal::halt::Halt;
use super::outcome::Outcome;
use crate::exec_patch::plan::pace::{NextStep, Pace};
use crate::exec_patch::request::payload::Payload;
use crate::report::line;
use crate::sys::{inherit, rights};

/// How long to wait at most before the progress display is updated, in milliseconds.
const TICK: u8 = 100;

/// How long a worker may take beyond its job's time limit: ending what does not end takes a worker
/// less. A container may be a user's, who can stop the processes that work for him.
const BEYOND: Duration = Duration::from_secs(60);

/// The same after it was asked to stop.
const BEYOND_ASKED: Duration = Duration::from_secs(30);

/// How much longer it may take if it resumes a container and pauses it again: the kernel may retry
/// a freeze for a while.
const BEYOND_UNPAUSED: Duration = Duration::from_secs(60);

/// How long to wait for a killed worker: one that waits for a user's file system may not end.
const BEYOND_KILLED: Duration = Duration::from_secs(5);

/// A container in the queue, and what runs in it, one after the other.
#[derive(Clone, Debug)]
pub struct QueuedContainer {
    /// The container.
    pub container: Container,
    /// The program of the runtime that owns it.
    pub runtime: PathBuf,
    /// What runs; never empty.
    pub payloads: Vec<Payload>,
}

/// What a scan found in addition to what is already known.
#[derive(Clone, Debug, Default)]
pub struct Rescan {
    /// The containers to patch.
    pub turns: Vec<QueuedContainer>,
    /// How many containers match, including those with nothing to do.
    pub matches: usize,
}

/// Receives the events of a run.
pub trait Listener {
    /// A worker is about to enter the container.
    fn started(&mut self, job: &Job);
    /// A worker has ended, with this result.
    fn ended(&mut self, job: &Job, payload: &Payload, done: &JobResult);
    /// A worker is gone without an answer; returns the result of its job.
    fn lost(&mut self, job: &Job) -> JobResult;
    /// Whether there is room to record the next container.
    fn is_ready(&mut self) -> bool;
    /// Nothing entered the container, for this reason.
    fn settled(&mut self, container: &Container, payload: Option<&Payload>, outcome: &Outcome);
    /// A remark for people: one line, not escaped.
    fn remark(&mut self, text: &str);
    /// Time passes.
    fn tick(&mut self);
}

/// What every worker of a run gets.
#[derive(Debug)]
pub struct WorkerConfig<'a> {
    /// The program that a worker is.
    pub program: &'a Path,
    /// The run's lock.
    pub lock: BorrowedFd<'a>,
    /// The run's ID.
    pub run: &'a str,
    /// The run's directory.
    pub journal: &'a Path,
    /// The most bytes of each container's output that are kept.
    pub output_limit: u64,
    /// How many bytes of all containers' output may still be kept; those under way count with their
    /// full limit.
    pub output_room: u64,
    /// The number of the next entry into a container.
    pub number: usize,
}

/// A run under way.
#[derive(Debug)]
pub struct Run<'a> {
    config: WorkerConfig<'a>,
    pace: Pace,
    signals: SignalFd,
    /// How often the end was asked for.
    asked: usize,
    /// The queue, with the positions that the pace uses. A started container has left it.
    queue: Vec<Option<QueuedContainer>>,
    under_way: Vec<UnderWay>,
    /// [`BEYOND`].
    beyond: Duration,
}

/// One container's worker.
#[derive(Debug)]
struct UnderWay {
    worker: Worker,
    job: Job,
    payload: Payload,
    later: vec::IntoIter<Payload>,
    /// Whether an earlier payload of this run patched it.
    is_patched: bool,
    /// When it must have ended; `None` if the time cannot be represented.
    until: Option<Instant>,
    is_killed: bool,
}

/// How much longer this job may take than others.
const fn unpausing(job: &Job) -> Duration {
    if job.work.unpause {
        BEYOND_UNPAUSED
    } else {
        Duration::ZERO
    }
}

impl<'a> Run<'a> {
    /// A run that has not started. From now on only the run receives signals.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn new(config: WorkerConfig<'a>, pace: Pace) -> io::Result<Self> {
        Ok(Self {
            config,
            pace,
            signals: inherit::hear()?,
            asked: 0,
            queue: Vec::new(),
            under_way: Vec::new(),
            beyond: BEYOND,
        })
    }

    /// Carries out `turns`, and then what `more` finds until it finds nothing: containers that were
    /// started meanwhile. Returns why it stopped, if it did before all were done; then the rest has
    /// not started.
    ///
    /// # Errors
    /// The errors of `more`; everything that had started has ended by then.
    pub fn carry_out<L: Listener, E>(
        &mut self,
        turns: Vec<QueuedContainer>,
        listener: &mut L,
        mut more: impl FnMut(&mut L) -> Result<Rescan, E>,
    ) -> Result<Option<Halt>, E> {
        let mut turns = turns;
        loop {
            self.pace.add(turns.len());
            self.queue.extend(turns.into_iter().map(Some));
            if let Some(halt) = self.go(listener) {
                return Ok(Some(halt));
            }
            let found = more(listener)?;
            self.pace.hold(found.matches);
            turns = found.turns;
            if turns.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Works until the queue is empty, or no further container starts.
    fn go(&mut self, listener: &mut impl Listener) -> Option<Halt> {
        loop {
            self.set_signed(listener);
            if !listener.is_ready() {
                self.pace.stop(Halt::Journal);
            }
            match self.pace.next() {
                NextStep::Start(at) => self.start(at, listener),
                NextStep::Wait => self.wait(listener),
                NextStep::Stop(halt) => {
                    self.leave(listener);
                    return Some(halt);
                }
                NextStep::Finished => return None,
            }
        }
    }

    /// Starts the container at this position.
    fn start(&mut self, at: usize, listener: &mut impl Listener) {
        let Some(QueuedContainer {
            container,
            runtime,
            payloads,
        }) = self.queue.get_mut(at).and_then(Option::take)
        else {
            return;
        };
        self.enter(container, runtime, payloads.into_iter(), false, listener);
    }

    /// Starts a worker for the next payload. If that is impossible, the container is done.
    fn enter(
        &mut self,
        container: Container,
        runtime: PathBuf,
        mut later: vec::IntoIter<Payload>,
        is_patched: bool,
        listener: &mut impl Listener,
    ) {
        let Some(payload) = later.next() else { return };
        let job = self.config.job(&container, runtime, &payload);
        match self.config.send(&job, &payload) {
            Ok(worker) => {
                listener.started(&job);
                let beyond = self.beyond + unpausing(&job);
                let until = Instant::now()
                    .checked_add(Duration::from_secs(job.work.timeout))
                    .and_then(|end| end.checked_add(beyond));
                self.under_way.push(UnderWay {
                    worker,
                    job,
                    payload,
                    later,
                    is_patched,
                    until,
                    is_killed: false,
                });
            }
            Err(error) => {
                let why = format!("no worker could be started: {}", line::causes(&error));
                let outcome = Outcome::CouldNotEnter { why };
                listener.settled(&container, Some(&payload), &outcome);
                later.for_each(|payload| {
                    listener.settled(&container, Some(&payload), &Outcome::NotStarted)
                });
                self.pace.ended(&outcome);
            }
        }
    }

    /// Waits for something to happen, no longer than a tick, and handles it.
    fn wait(&mut self, listener: &mut impl Listener) {
        let heard = std::iter::once(self.signals.as_fd());
        let said = self.under_way.iter().flat_map(|one| one.worker.polled());
        let mut polled: Vec<_> = heard
            .chain(said)
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN))
            .collect();
        if let Err(errno) = poll(&mut polled, PollTimeout::from(TICK))
            && errno != Errno::EINTR
        {
            // At worst there is no memory for it. Then the workers are checked at each tick.
            std::thread::sleep(std::time::Duration::from_millis(TICK.into()));
        }
        let mut at = 0;
        while let Some(one) = self.under_way.get_mut(at) {
            one.worker.take();
            match one.worker.ended().or_else(|| one.overdue(listener)) {
                Some(ended) => {
                    let one = self.under_way.remove(at);
                    self.ended(one, ended, listener);
                }
                None => at += 1,
            }
        }
        listener.tick();
    }

    /// Handles a worker's end: the container's next payload if this one succeeded, else another
    /// container's turn.
    fn ended(&mut self, one: UnderWay, ended: WorkerEnd, listener: &mut impl Listener) {
        let UnderWay {
            job,
            payload,
            later,
            mut is_patched,
            ..
        } = one;
        ended
            .remarks
            .iter()
            .for_each(|remark| listener.remark(remark));
        self.config.give_back(&job, ended.done.as_ref());
        let done = ended.done.unwrap_or_else(|| listener.lost(&job));
        listener.ended(&job, &payload, &done);
        let (outcome, container, runtime) = (&done.outcome, job.container, job.runtime);
        is_patched |= *outcome == Outcome::Patched;
        if later.len() > 0 && outcome.is_ok() && !self.pace.is_stopped() {
            return self.enter(container, runtime, later, is_patched, listener);
        }
        later
            .for_each(|payload| listener.settled(&container, Some(&payload), &Outcome::NotStarted));
        let is_users = !rights::is_own(container.owner);
        self.pace.ended(match outcome {
            outcome if outcome.is_ok() && is_patched => &Outcome::Patched,
            // A user controls how it ends in his container, and that must not keep the others from
            // being patched.
            outcome if outcome.is_failure() && is_users => &Outcome::Vanished,
            outcome => outcome,
        });
    }

    /// Does what signals ask for.
    fn set_signed(&mut self, listener: &mut impl Listener) {
        while let Ok(Some(heard)) = self.signals.read_signal() {
            let number = i32::try_from(heard.ssi_signo).unwrap_or_default();
            if ![Signal::SIGINT as i32, Signal::SIGTERM as i32].contains(&number) {
                continue;
            }
            self.asked += 1;
            self.pace.stop(Halt::Asked);
            if self.asked > 1 {
                listener.remark("what is under way is ended now");
                self.under_way.iter_mut().for_each(UnderWay::stop);
            } else if !self.under_way.is_empty() {
                listener.remark("nothing more is started, and what is under way is finished; once more to end it now");
            }
        }
    }

    /// Reports the containers whose turn never came.
    fn leave(&mut self, listener: &mut impl Listener) {
        for turn in self.queue.iter_mut().filter_map(Option::take) {
            let payloads = turn.payloads.iter();
            payloads.for_each(|payload| {
                listener.settled(&turn.container, Some(payload), &Outcome::NotStarted)
            });
        }
    }
}

impl UnderWay {
    /// Signals the worker that the time is up, and limits how long it may still take.
    fn stop(&mut self) {
        self.worker.stop();
        let end = Instant::now() + BEYOND_ASKED + unpausing(&self.job);
        self.until = Some(self.until.map_or(end, |until| until.min(end)));
    }

    /// Kills a worker that should have ended long ago, and gives up one that survives even that.
    fn overdue(&mut self, listener: &mut impl Listener) -> Option<WorkerEnd> {
        let now = Instant::now();
        if self.until.is_none_or(|until| now < until) {
            return None;
        }
        if self.is_killed {
            return Some(self.worker.given_up());
        }
        self.worker.kill();
        (self.is_killed, self.until) = (true, Some(now + BEYOND_KILLED));
        let id = line::name(&self.job.container.id);
        listener.remark(&format!("the worker for {id} did not end in time and was killed; what it had started there may still run"));
        None
    }
}

impl WorkerConfig<'_> {
    /// The next job.
    fn job(&mut self, container: &Container, runtime: PathBuf, payload: &Payload) -> Job {
        let number = self.number;
        self.number += 1;
        let output_limit = self.output_limit.min(self.output_room);
        self.output_room -= output_limit;
        Job {
            run: self.run.to_owned(),
            journal: self.journal.to_owned(),
            number,
            container: container.clone(),
            runtime,
            work: payload.work.clone(),
            digest: payload.digest,
            ban: payload.ban.clone(),
            severity: payload.severity,
            successor: payload.successor.clone(),
            output_limit,
        }
    }

    /// Returns the output room that a job did not use. A job without a known end may have used all
    /// of it.
    fn give_back(&mut self, job: &Job, done: Option<&JobResult>) {
        self.output_room += done.map_or(0, |done| job.output_limit.saturating_sub(done.written));
    }

    /// Starts a worker for a container.
    fn send(&self, job: &Job, payload: &Payload) -> io::Result<Worker> {
        let program = payload.copy()?;
        Worker::start(
            self.program,
            job,
            program.as_ref().map(AsFd::as_fd),
            self.lock,
        )
    }
}

#[cfg(test)]
mod tests;

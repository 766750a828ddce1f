//! Carries out one run: starts the workers and collects their outcomes.
//!
//! In: the containers to patch, the pace, and a function that finds further containers. Out: a
//! worker for each container, and each outcome for the listener. One thread runs one loop, which
//! waits only for workers and signals. After SIGINT or SIGTERM no new worker starts, and running
//! workers finish; a second signal ends them early. SIGHUP does nothing. Names and the workers'
//! answers are hostile; this code passes them on and does not read them. It writes no files: the
//! workers and the listener write the journal.

pub mod instances;
pub mod prune;
mod queue;
pub mod recorder;
pub mod runner;
pub mod table;
pub mod worker;

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::vec;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;

use self::worker::{Worker, WorkerConfig, WorkerEnd};
use super::job::{Container, Job, JobResult};
use super::journal::halt::Halt;
use super::outcome::Outcome;
use crate::exec_patch::plan::pace::{NextStep, Pace};
use crate::exec_patch::request::payload::Payload;
use crate::report::line;
use crate::sys::{inherit, rights};

/// How often the progress display is updated, in milliseconds.
const TICK: u8 = 100;

/// How long a worker may run after its job's time limit. A worker needs less than this to end the
/// patch's processes. But a container may belong to a user, who can stop processes that run as that
/// user.
const BEYOND: Duration = Duration::from_secs(60);

/// How long a worker may still run after SIGTERM.
const BEYOND_ASKED: Duration = Duration::from_secs(30);

/// How much longer a worker may run if it resumes a container and pauses it again: the kernel may
/// need several attempts to freeze the container.
const BEYOND_UNPAUSED: Duration = Duration::from_secs(60);

/// How long to wait for a killed worker to end. A worker that waits for a user's file system may
/// never end.
const BEYOND_KILLED: Duration = Duration::from_secs(5);

/// A container in the queue, and the payloads that run in it one after the other.
#[derive(Clone, Debug)]
pub struct QueuedContainer {
    /// The container that is to be patched.
    pub container: Container,
    /// The program of the container's runtime.
    pub runtime: PathBuf,
    /// The payloads; never empty.
    pub payloads: Vec<Payload>,
}

/// What a scan found in addition to the containers that were already known.
#[derive(Clone, Debug, Default)]
pub struct Rescan {
    /// The containers to patch.
    pub turns: Vec<QueuedContainer>,
    /// How many containers match, including those with nothing to do.
    pub matches: usize,
}

/// Receives the events of a run.
pub trait Listener {
    /// A worker is about to enter the container of this job.
    fn started(&mut self, job: &Job);
    /// A worker has ended, with this result.
    fn ended(&mut self, job: &Job, done: &JobResult);
    /// A worker ended without reporting a result. Returns the result of the worker's job.
    fn lost(&mut self, job: &Job) -> JobResult;
    /// Whether the journal has room to record the next container.
    fn is_ready(&mut self) -> bool;
    /// The container has this outcome, and nothing entered it.
    fn settled(&mut self, container: &Container, payload: Option<&Payload>, outcome: &Outcome);
    /// A message for the operator: one line, not escaped.
    fn remark(&mut self, text: &str);
    /// Called regularly, so that a progress display can move.
    fn tick(&mut self);
}

/// A run under way.
#[derive(Debug)]
pub struct Run<'a> {
    config: WorkerConfig<'a>,
    pace: Pace,
    signals: SignalFd,
    /// How many signals to stop the run have arrived.
    asked: usize,
    /// The containers at the queue positions that the pace uses; `None` once a container has
    /// started.
    queue: Vec<Option<QueuedContainer>>,
    under_way: Vec<UnderWay>,
    /// How long a worker may run after its time limit: [`BEYOND`], except in tests.
    beyond: Duration,
}

/// A worker under way, and its job.
#[derive(Debug)]
struct UnderWay {
    worker: Worker,
    job: Job,
    later: vec::IntoIter<Payload>,
    /// Whether an earlier payload of this run patched the container.
    is_patched: bool,
    /// When the worker must have ended; `None` if that time cannot be represented.
    until: Option<Instant>,
    is_killed: bool,
}

/// How much longer this job may take because it resumes and pauses its container.
const fn unpausing(job: &Job) -> Duration {
    if job.work.unpause {
        BEYOND_UNPAUSED
    } else {
        Duration::ZERO
    }
}

impl<'a> Run<'a> {
    /// A run that has not started. From this call on, SIGINT, SIGTERM and SIGHUP no longer end this
    /// process; only the run reads them.
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

    /// Patches the containers `turns`, and then the containers that `more` finds because they were
    /// started during the run, until `more` finds none. If the run stops early, the reason is
    /// returned, and the remaining containers have not started.
    ///
    /// # Errors
    /// The errors of `more`. When this function returns, every started worker has ended.
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

    /// Works until the queue is empty, or until no further container may start.
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

    /// Starts a worker for the container's next payload. If no worker can be started, the
    /// container's turn is over.
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
                let limit = Duration::from_secs(job.work.timeout).saturating_add(beyond);
                self.under_way.push(UnderWay {
                    worker,
                    until: Instant::now().checked_add(limit),
                    job,
                    later,
                    is_patched,
                    is_killed: false,
                });
            }
            Err(error) => {
                let why = format!("no worker could be started: {}", line::causes(&error));
                let outcome = Outcome::CouldNotEnter { why };
                listener.settled(&container, Some(&payload), &outcome);
                skip(listener, &container, later);
                self.pace.ended(&outcome);
            }
        }
    }

    /// Waits for a signal or for output or the end of a worker, at most for one tick, and handles
    /// what has happened.
    fn wait(&mut self, listener: &mut impl Listener) {
        let mut polled = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        for one in &self.under_way {
            for pipe in one.worker.polled() {
                polled.push(PollFd::new(pipe, PollFlags::POLLIN));
            }
        }
        if let Err(errno) = poll(&mut polled, PollTimeout::from(TICK))
            && errno != Errno::EINTR
        {
            // poll(2) fails only if the kernel has no memory. Then the workers are checked at each
            // tick.
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

    /// Handles a worker's end. If the payload succeeded, the container's next payload starts;
    /// otherwise the container's turn is over.
    fn ended(&mut self, one: UnderWay, ended: WorkerEnd, listener: &mut impl Listener) {
        let UnderWay {
            job,
            later,
            mut is_patched,
            ..
        } = one;
        for remark in &ended.remarks {
            listener.remark(remark);
        }
        self.config.give_back(&job, ended.done.as_ref());
        let done = match ended.done {
            Some(done) => done,
            None => listener.lost(&job),
        };
        listener.ended(&job, &done);
        let (outcome, container, runtime) = (&done.outcome, job.container, job.runtime);
        is_patched |= *outcome == Outcome::Patched;
        if later.len() > 0 && outcome.is_ok() && !self.pace.is_stopped() {
            return self.enter(container, runtime, later, is_patched, listener);
        }
        skip(listener, &container, later);
        let is_users = !rights::is_own(container.owner);
        self.pace.ended(match outcome {
            outcome if outcome.is_ok() && is_patched => &Outcome::Patched,
            // A user can make every patch fail in that user's container. Such failures must not
            // stop the patching of other containers.
            outcome if outcome.is_failure() && is_users => &Outcome::Vanished,
            outcome => outcome,
        });
    }

    /// Handles the signals that have arrived.
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
                for one in &mut self.under_way {
                    one.stop();
                }
            } else if !self.under_way.is_empty() {
                listener.remark("nothing more is started, and what is under way is finished; once more to end it now");
            }
        }
    }

    /// Reports the containers that never started.
    fn leave(&mut self, listener: &mut impl Listener) {
        for turn in self.queue.iter_mut().filter_map(Option::take) {
            skip(listener, &turn.container, turn.payloads);
        }
    }
}

/// Reports that the remaining payloads do not run in a container.
fn skip(
    listener: &mut impl Listener,
    container: &Container,
    payloads: impl IntoIterator<Item = Payload>,
) {
    for payload in payloads {
        listener.settled(container, Some(&payload), &Outcome::NotStarted);
    }
}

impl UnderWay {
    /// Tells the worker that the time is up, and limits how long the worker may still run.
    fn stop(&mut self) {
        self.worker.stop();
        let end = Instant::now() + BEYOND_ASKED + unpausing(&self.job);
        self.until = match self.until {
            Some(until) => Some(until.min(end)),
            None => Some(end),
        };
    }

    /// Kills a worker that should have ended long ago. If even then the worker does not end, gives
    /// up waiting for it.
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

#[cfg(test)]
mod tests;

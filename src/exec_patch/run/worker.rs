//! Starts a worker and reads its result.
//!
//! In: a [`Job`], the file carried with the request, and the run's lock. Out: the worker's
//! [`JobResult`], or the fact that the worker ended without a result. The worker is this program
//! again, in a session of its own, and may outlive this process. The worker's output is read as it
//! arrives, up to a limit. The worker is over when its process has ended; its pipes may stay open
//! longer. The result is trusted, because a worker is our own program. Not checked: the journal,
//! which the worker writes itself.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::exec_patch::job::{Container, Job, JobResult};
use crate::exec_patch::request::arguments::PROGRAM;
use crate::exec_patch::request::payload::Payload;
use crate::sys::{inherit, memory_file};

/// The first argument of a worker.
pub const WORKER: &str = "exec-patch-worker";

/// How many bytes are read of a worker's standard output (its result), and of its standard error.
const LONGEST_ANSWER: usize = 1 << 20;

/// A worker under way.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    answer: WorkerPipe,
    remarks: WorkerPipe,
}

/// What all workers of a run need.
#[derive(Debug)]
pub struct WorkerConfig<'a> {
    /// The program that runs as a worker.
    pub program: &'a Path,
    /// The run's lock.
    pub lock: BorrowedFd<'a>,
    /// The ID of the run.
    pub run: &'a str,
    /// The run's directory.
    pub journal: &'a Path,
    /// How many bytes of each container's output are stored.
    pub output_limit: u64,
    /// How many more bytes of output the run may store. For a worker under way, its full limit is
    /// already subtracted.
    pub output_room: u64,
    /// The number of the next job.
    pub number: usize,
}

impl WorkerConfig<'_> {
    /// Makes the next job.
    pub(super) fn job(
        &mut self,
        container: &Container,
        runtime: PathBuf,
        payload: &Payload,
    ) -> Job {
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

    /// Gives back the room for output that a job did not use. A job without a result may have used
    /// all its room.
    pub(super) fn give_back(&mut self, job: &Job, done: Option<&JobResult>) {
        if let Some(done) = done {
            self.output_room += job.output_limit.saturating_sub(done.found.output_bytes);
        }
    }

    /// Starts a worker for a container.
    pub(super) fn send(&self, job: &Job, payload: &Payload) -> io::Result<Worker> {
        let program = payload.copy()?;
        Worker::start(
            self.program,
            job,
            program.as_ref().map(AsFd::as_fd),
            self.lock,
        )
    }
}

/// The bytes that a pipe has delivered so far.
#[derive(Debug)]
struct WorkerPipe {
    pipe: Option<File>,
    bytes: Vec<u8>,
}

/// How a worker ended.
#[derive(Debug)]
pub struct WorkerEnd {
    /// The worker's result, which is also in the journal; `None` if the worker reported no result.
    pub done: Option<JobResult>,
    /// The worker's other output, line by line.
    pub remarks: Vec<String>,
}

impl Worker {
    /// Starts `program` as the worker of a job.
    ///
    /// # Errors
    /// The operating system's error. Then no worker runs.
    #[expect(
        clippy::disallowed_methods,
        reason = "exec-patch runs its workers in processes of their own"
    )]
    pub fn start(
        program: &Path,
        job: &Job,
        program_fd: Option<BorrowedFd<'_>>,
        lock: BorrowedFd<'_>,
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg0("embargo").arg(WORKER).current_dir("/");
        command
            .stdin(question(job)?)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = inherit::start(command, program_fd, lock)?;
        let answer = WorkerPipe::of(child.stdout.take().map(Into::into))?;
        let remarks = WorkerPipe::of(child.stderr.take().map(Into::into))?;
        Ok(Self {
            child,
            answer,
            remarks,
        })
    }

    /// The descriptors to poll(2) for reading.
    pub fn polled(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let pipes = [&self.answer.pipe, &self.remarks.pipe];
        pipes.into_iter().flatten().map(AsFd::as_fd)
    }

    /// Reads what the worker has written so far.
    pub fn take(&mut self) {
        self.answer.take();
        self.remarks.take();
    }

    /// How the worker ended; `None` while it runs.
    pub fn ended(&mut self) -> Option<WorkerEnd> {
        match self.child.try_wait() {
            Ok(None) => return None,
            Ok(Some(_)) => {}
            // No other code waits for the worker, so this error should not occur. If it does, the
            // worker is taken as ended when the pipe with its result is closed.
            Err(_) if self.answer.pipe.is_some() => return None,
            Err(_) => {}
        }
        self.take();
        let done = serde_json::from_slice(&self.answer.bytes).ok();
        let remarks = String::from_utf8_lossy(&self.remarks.bytes)
            .lines()
            .map(bare)
            .collect();
        Some(WorkerEnd { done, remarks })
    }

    /// The end of a worker that this process no longer waits for: there is no result.
    #[must_use]
    pub fn given_up(&self) -> WorkerEnd {
        WorkerEnd {
            done: None,
            remarks: Vec::new(),
        }
    }

    /// Kills the worker.
    pub fn kill(&mut self) {
        // A worker that has ended needs no signal.
        let _ended_already = self.child.kill();
    }

    /// Tells the worker that the time is up.
    pub fn stop(&self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // Nobody has waited for the worker yet, so the process ID is still the worker's. A
            // worker that has ended ignores the signal.
            let _ended_already = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }
}

/// A worker's line without the program's name. This process puts that name before its own lines.
fn bare(remark: &str) -> String {
    let text = match remark.strip_prefix(PROGRAM) {
        Some(rest) => rest.strip_prefix(": ").unwrap_or(remark),
        None => remark,
    };
    text.strip_prefix("warning: ").unwrap_or(text).to_owned()
}

/// The worker's standard input: a file in memory. Unlike a pipe, the file takes the whole job
/// before the worker runs, however long the job is.
fn question(job: &Job) -> io::Result<Stdio> {
    memory_file::data(c"job", &serde_json::to_vec(job)?).map(Into::into)
}

impl WorkerPipe {
    /// A non-blocking pipe.
    fn of(pipe: Option<std::os::fd::OwnedFd>) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Self {
            pipe: pipe.map(File::from),
            bytes: Vec::new(),
        })
    }

    /// Reads what the pipe holds. The pipe is closed at its end, or when it has delivered too many
    /// bytes.
    fn take(&mut self) {
        let mut piece = [0; 8 << 10];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut piece) {
                Ok(read @ 1..) if self.bytes.len() + read <= LONGEST_ANSWER => {
                    self.bytes.extend_from_slice(&piece[..read])
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => self.pipe = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::container::engine::Engine;
    use crate::container::runtime::RuntimeKind;
    use crate::exec_patch::job::{Container, Work};
    use crate::exec_patch::outcome::Outcome;
    use crate::lineage::digest::Digest;

    fn job() -> Job {
        let container = Container {
            id: "c1".into(),
            engine: Engine::Docker,
            namespace: None,
            name: None,
            image: None,
            image_id: None,
            kind: RuntimeKind::Runc,
            root: "/run/runc".into(),
            bundle: "/b".into(),
            owner: 0,
            pid: 1,
            started: 1,
        };
        let work = Work {
            check: None,
            run: vec!["x".repeat(200_000)],
            user: (0, 0),
            environment: Vec::new(),
            directory: None,
            timeout: 1,
            unpause: false,
            program: false,
        };
        let digest = Digest::parse(&format!("sha256:{}", "a".repeat(64))).unwrap();
        let (run, journal, runtime) = ("r".into(), "/j".into(), "/usr/sbin/runc".into());
        Job {
            run,
            journal,
            number: 1,
            container,
            runtime,
            work,
            digest,
            ban: None,
            severity: None,
            successor: None,
            output_limit: 1,
        }
    }

    /// How a worker ends if it is this shell script.
    fn ended(script: &str) -> (WorkerEnd, Duration) {
        let directory = tempfile::tempdir().unwrap();
        let program: PathBuf = directory.path().join("worker");
        let mut options = std::fs::OpenOptions::new();
        options
            .create_new(true)
            .write(true)
            .mode(0o755)
            .open(&program)
            .unwrap()
            .write_all(format!("#!/bin/sh\n{script}\n").as_bytes())
            .unwrap();
        let lock = tempfile::tempfile().unwrap();
        let start = Instant::now();
        let mut worker = Worker::start(&program, &job(), None, lock.as_fd()).unwrap();
        loop {
            worker.take();
            if let Some(ended) = worker.ended() {
                return (ended, start.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    const PATCHED: &str = r#"{"outcome":{"outcome":"patched"},"duration_ms":7,"output_bytes":3,"output_tail":"ok\n"}"#;

    #[test]
    fn a_worker_reads_its_job_and_its_answer_is_taken() {
        let (ended, _) = ended(&format!(
            "[ \"$1\" = {WORKER} ] && [ $(wc -c) -gt 200000 ] && printf '%s' '{PATCHED}'; echo '{PROGRAM}: warning: one' >&2; echo two >&2"
        ));
        let done = ended.done.unwrap();
        assert_eq!(
            (done.outcome, done.found.duration_ms, ended.remarks),
            (
                Outcome::Patched,
                7,
                vec!["one".to_owned(), "two".to_owned()]
            )
        );
    }

    #[test]
    fn a_worker_that_is_gone_without_a_whole_answer_has_none() {
        let half = &PATCHED[..30];
        for script in [
            "exit 0",
            "kill -9 $$",
            &format!("printf '%s' '{half}'"),
            "head -c 3000000 /dev/zero",
        ] {
            let (ended, _) = ended(script);
            assert_eq!(ended.done, None, "{script}");
        }
    }

    #[test]
    fn whoever_keeps_its_pipes_open_is_not_waited_for() {
        let (ended, took) = ended(&format!("sleep 3 & printf '%s' '{PATCHED}'"));
        assert_eq!(ended.done.unwrap().outcome, Outcome::Patched);
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

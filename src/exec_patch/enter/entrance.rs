//! Runs one command in a container, and kills it at the deadline.
//!
//! One process runs one loop. The loop waits with poll(2) for output, for children that end and for
//! SIGTERM, at most until the deadline. Between waits it records the processes that the command has
//! started. The runtime is called detached, as engines call it: the runtime exits as soon as the
//! command runs. The command then becomes this process's child (prctl(2), PR_SET_CHILD_SUBREAPER).
//! So the exit status is the command's own, and background processes do not block the worker (`runc
//! exec` in the foreground waits for every process that holds its output; seen with 1.1.5). A
//! runtime that does not exit, for instance because the container has been frozen meanwhile, is
//! killed at the deadline with all other processes.
//!
//! In: a job, the container's state and its owner. Out: an exit status, or the outcome that ends
//! the job. Hostile: what the command prints, and the process ID in the PID file that a user's
//! runtime writes.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signalfd::SignalFd;

use super::freezer;
use super::output::{Collector, Printed};
use super::owner::Owner;
use super::pinned::{Pinned, cannot, could_not_enter};
use super::process::ProcessRequest;
use super::refusal;
use super::tree::{Patience, Tree};
use super::wait_set::{LOOK, WaitSet};
use crate::exec_patch::job::{Findings, Job, PROGRAM_FD};
use crate::exec_patch::outcome::Outcome;
use crate::report::line;
use crate::sys::proc;
use crate::sys::spawn::{self, Program};

/// How long the worker still reads the output of background processes after the command has ended.
const OUTPUT_TIME: Duration = Duration::from_secs(1);

/// How long a runtime may take to pause or resume a container. The kernel may need several attempts
/// to freeze a container.
const FREEZE: Duration = Duration::from_secs(20);

/// The exit status of a command that SIGKILL ended.
const KILLED: i32 = 128 + 9;

/// The largest log of a runtime that is read, in bytes.
const LARGEST_LOG: u64 = 256 << 10;

/// The `PATH` of the runtimes: where they look for programs that they run on the node.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A container that is being patched.
#[derive(Debug)]
pub struct Entrance<'a> {
    job: &'a Job,
    owner: Owner,
    namespace: Option<OwnedFd>,
    pinned: Pinned,
    deadline: Instant,
    tree: Tree,
    watch: WaitSet,
    marker: String,
    calls: usize,
}

impl<'a> Entrance<'a> {
    /// Prepares everything for entering the container, up to the first call of its runtime. The
    /// runtime's files go to `directory`, and all output to `output`.
    ///
    /// # Errors
    /// The container's outcome if the container cannot be entered.
    pub fn open(
        job: &'a Job,
        directory: &Path,
        output: &Path,
        signals: SignalFd,
        deadline: Instant,
    ) -> Result<Self, Outcome> {
        let container = &job.container;
        let owner = Owner::of(container).map_err(could_not_enter)?;
        if owner.person().is_some() {
            // The owner must not read files that only root's groups may read. Root itself needs no
            // groups.
            nix::unistd::setgroups(&[]).map_err(could_not_enter)?;
        }
        let name = format!("{}.{}", job.run, job.number);
        let pinned = Pinned::make(
            container,
            owner,
            directory.join(format!("{name}.{}", std::process::id())),
        )?;
        let namespace = owner
            .namespace(container.pid, pinned.spec().makes_user_namespace)
            .map_err(could_not_enter)?;
        let collector = Collector::create(output, job.output_limit).map_err(could_not_enter)?;
        let marker = job.marker();
        Ok(Self {
            job,
            owner,
            namespace,
            pinned,
            deadline,
            tree: Tree::new(container, &marker),
            watch: WaitSet {
                signals,
                collector,
                ended: Vec::new(),
                is_stopped: false,
            },
            marker,
            calls: 0,
        })
    }

    /// Whether the container is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        freezer::is_paused(self.job.container.pid, Path::new(freezer::CGROUPS))
    }

    fn is_alive(&self) -> bool {
        self.job.container.is_alive()
    }

    /// Runs a command in the container and returns its exit status. If `program` is set, the
    /// command inherits the file carried with the request.
    ///
    /// # Errors
    /// The container's outcome if the command did not run, did not run to its end, or ended
    /// together with the container.
    pub fn run(&mut self, words: &[String], program: bool) -> Result<i32, Outcome> {
        self.watch.ended.clear();
        let runtime = self.call_exec(words, program)?;
        match self.wait_for(runtime)? {
            0 => {}
            status => return Err(self.refused(status)),
        }
        let payload = self.payload()?;
        let status = self.wait_for(payload)?;
        self.watch.collector.close(OUTPUT_TIME);
        self.tree.look();
        if status != 0 && self.has_ended(status) {
            Err(Outcome::Vanished)
        } else {
            Ok(status)
        }
    }

    /// Whether the container ended together with the command that returned this exit status. When a
    /// container ends, the kernel kills its other processes before its first process is gone
    /// (pid_namespaces(7)). So after a killed command, the first process gets a moment to
    /// disappear.
    fn has_ended(&mut self, status: i32) -> bool {
        let until = Instant::now()
            + if status == KILLED {
                LOOK * 6
            } else {
                Duration::ZERO
            };
        while self.is_alive() {
            if Instant::now() >= until {
                return false;
            }
            self.watch.wait(LOOK / 5);
        }
        true
    }

    /// Starts `RUNTIME exec` for the command and returns the runtime's process ID.
    fn call_exec(&mut self, words: &[String], program: bool) -> Result<u32, Outcome> {
        self.calls += 1;
        let work = &self.job.work;
        let asked = ProcessRequest {
            arguments: words,
            user: work.user,
            environment: &work.environment,
            marker: &self.marker,
            directory: work.directory.as_deref(),
        };
        let process = self.pinned.file("process", self.calls);
        let text = self.pinned.spec().process(&asked).to_string();
        self.pinned
            .put(&process, text.as_bytes(), self.owner)
            .map_err(cannot(&process))?;
        let mut call: Vec<OsString> = vec![
            "exec".into(),
            "--detach".into(),
            "--process".into(),
            process.into(),
        ];
        call.extend([
            "--pid-file".into(),
            self.pinned.file("pid", self.calls).into(),
        ]);
        if program {
            call.extend(["--preserve-fds".into(), "1".into()]);
        }
        let ends = self.watch.collector.open().map_err(could_not_enter)?;
        let keeps = program.then_some(PROGRAM_FD);
        let runtime = match self.start(call, Some((ends.output, ends.error)), keeps) {
            Ok(runtime) => runtime,
            Err(why) => return Err(Outcome::CouldNotEnter { why }),
        };
        self.tree.started(runtime, self.watch.collector.inodes());
        Ok(runtime)
    }

    /// Starts the runtime as the container's owner, with the copied state of this instance.
    fn start(
        &self,
        call: Vec<OsString>,
        prints: Option<(OwnedFd, OwnedFd)>,
        keeps: Option<i32>,
    ) -> Result<u32, String> {
        let mut words: Vec<OsString> = vec!["--root".into(), self.pinned.root().into()];
        words.extend([
            "--log".into(),
            self.pinned.file("log", self.calls).into(),
            "--log-format".into(),
            "json".into(),
        ]);
        words.extend(call);
        words.push(self.job.container.id.as_str().into());
        let mut environment = vec![("PATH", OsString::from(PATH))];
        if self.job.container.owner != 0 {
            environment.push((
                "XDG_RUNTIME_DIR",
                format!("/run/user/{}", self.job.container.owner).into(),
            ));
        }
        let path = self.job.runtime.as_path();
        let started = spawn::start(Program {
            path,
            words: &words,
            environment: &environment,
            prints,
            keeps,
            // The run may be protected from the OOM killer; what runs in a container is as much
            // protected as the container.
            oom_score: proc::oom_score(self.job.container.pid),
            // As for the engine's own `exec`: that is a child of the container's monitor, too. A
            // container whose monitor is gone has the node's first process for a parent.
            limits_of: proc::stat(self.job.container.pid)
                .map(|first| first.parent)
                .filter(|parent| *parent > 1),
            person: self.owner.person(),
            namespace: self.namespace.as_ref().map(AsFd::as_fd),
        });
        match started {
            Ok(pid) => Ok(pid),
            Err(error) => {
                let why = line::causes(&error);
                Err(format!("cannot start the runtime {path:?}: {why}"))
            }
        }
    }

    /// Waits until this child ends, and meanwhile records the processes that it starts.
    fn wait_for(&mut self, child: u32) -> Result<i32, Outcome> {
        let mut looked = Instant::now();
        loop {
            if let Some(status) = self.watch.status(child) {
                return Ok(status);
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            if self.watch.is_stopped || left.is_zero() {
                return Err(self.end());
            }
            self.watch.wait(left.min(LOOK));
            if looked.elapsed() >= LOOK {
                self.tree.look();
                looked = Instant::now();
            }
        }
    }

    /// The process ID of the command, which the runtime has started and which is now this process's
    /// child.
    fn payload(&mut self) -> Result<u32, Outcome> {
        let path = self.pinned.file("pid", self.calls);
        let written = self.pinned.left(&path, 64, self.owner);
        let pid = written.trim().parse().unwrap_or(0);
        let is_child = spawn::is_child(pid);
        if is_child {
            // An earlier child may have had the same process ID. That child's exit status is not
            // this command's.
            self.watch.ended.retain(|(ended, _)| *ended != pid);
        }
        self.tree.look();
        // The runtime compares the first process with the copied state. So if that process still
        // lives now, the runtime entered this instance.
        if !self.is_alive() {
            self.watch.end_children(Patience::USUAL.kill);
            return Err(Outcome::Vanished);
        }
        // A command that ended at once may have been reaped at the same time as the runtime.
        if !is_child && self.watch.status(pid).is_none() {
            self.watch.end_children(Patience::USUAL.kill);
            return Err(Outcome::CouldNotEnter {
                why: format!("the runtime names no process that it started: {written:?}"),
            });
        }
        Ok(pid)
    }

    /// The outcome for a runtime that exited with this status and did not start the command.
    fn refused(&mut self, status: i32) -> Outcome {
        self.watch.collector.close(Duration::ZERO);
        let why = self.reason(status);
        self.watch.end_children(Patience::USUAL.kill);
        if !self.is_alive() {
            Outcome::Vanished
        } else if refusal::is_paused(&why) {
            Outcome::Paused
        } else {
            Outcome::CouldNotEnter { why }
        }
    }

    /// Why the runtime's last call failed, with this exit status.
    fn reason(&self, status: i32) -> String {
        let path = self.pinned.file("log", self.calls);
        let log = self.pinned.left(&path, LARGEST_LOG, self.owner);
        refusal::reason(&log, "", status)
    }

    /// Ends every process that was started, because the time is up or because SIGTERM arrived.
    fn end(&mut self) -> Outcome {
        let watch = &mut self.watch;
        let found = self.tree.end(Patience::USUAL, |limit| watch.wait(limit));
        let stuck = self.watch.end_children(if found.is_empty() {
            Patience::USUAL.kill
        } else {
            LOOK * 6
        });
        let mut left: Vec<_> = found.iter().map(ToString::to_string).collect();
        for pid in stuck {
            if !found.iter().any(|process| process.pid == pid) {
                left.push(described(pid));
            }
        }
        self.watch.collector.close(Duration::ZERO);
        match (self.watch.is_stopped, left.is_empty()) {
            (true, _) => Outcome::Cancelled { left },
            (false, true) => Outcome::TimedOut,
            (false, false) => Outcome::Survived { left },
        }
    }

    /// Calls the runtime's `resume` or `pause` (`verb`) for this instance of the container.
    ///
    /// # Errors
    /// The reason, in the runtime's words, if the call failed.
    pub fn freeze(&mut self, verb: &str) -> Result<(), String> {
        self.calls += 1;
        let runtime = self.start(vec![verb.into()], None, None)?;
        let until = Instant::now() + FREEZE;
        while self.watch.status(runtime).is_none() && Instant::now() < until {
            self.watch.wait(LOOK);
        }
        match self.watch.status(runtime) {
            Some(0) => Ok(()),
            Some(status) => Err(self.reason(status)),
            None => {
                spawn::kill_child(runtime);
                Err(format!("{verb} took longer than {} s", FREEZE.as_secs()))
            }
        }
    }

    /// Ends the entrance. Returns what was printed, the started processes that still run, and the
    /// ended ones that stay as zombies in the container. The second value is the first error of
    /// writing the output to its file.
    pub fn close(mut self) -> (Findings, io::Result<()>) {
        let background = self.tree.alive().iter().map(ToString::to_string).collect();
        let mut zombies = self.tree.zombies();
        if !zombies.is_empty() {
            // The zombies' parent gets time to wait for them.
            std::thread::sleep(LOOK * 2);
            zombies = self.tree.zombies();
        }
        let (Printed { written, tail }, kept) = self.watch.collector.finish();
        let found = Findings {
            duration_ms: 0,
            output_bytes: written,
            output_tail: tail,
            background,
            zombies: zombies.iter().map(ToString::to_string).collect(),
        };
        (found, kept)
    }
}

/// Describes a process that still runs, in the same form as [`super::tree::PatchProcess`].
fn described(pid: u32) -> String {
    let name = proc::stat(pid).map(|stat| stat.name).unwrap_or_default();
    format!("{pid} {}", line::name(&name))
}

//! Finds every runtime name of the node's engines, and whether Embargo is behind the name.
//!
//! Question: by which names can a container be started on this node, and which of them lead past
//! Embargo? In: the engines' settings files with everything that they import, the flags and the
//! environment of the daemons that run, and the programs that the names lead to. Out:
//! [`Coverage`]: one [`RuntimeName`] for each name of each daemon. Facts only: the text for people
//! is the caller's. Used are only daemons of root or the caller, in the caller's mount namespace;
//! the settings files must be root's or the caller's.
//!
//! An engine is examined if its daemon runs, if its settings file exists, or if its program is in
//! one of the usual directories. A daemon that runs may have read its settings before the file
//! changed: what is reported is what the settings and the flags say, so what counts after the next
//! restart. A program counts as Embargo if it is the same file as Embargo's own program, whatever
//! links lead to it, or has the same contents: a diverted `runc` may be a copy.
//!
//! - Docker: `runtimes` and `--add-runtime`; always `runc` and `io.containerd.runc.v2`, which are
//!   `runc` from the daemon's `PATH` (moby: daemon/runtime_unix.go).
//! - BuildKit in Docker: `buildkit`, which is `DOCKER_BUILDKIT_RUNC_COMMAND` in the daemon's
//!   environment, if this Docker knows that variable (26 or newer), else `runc` from `PATH`. The
//!   default runtime does not matter.
//! - BuildKit: `worker.oci`, which is `--oci-worker-binary`, `binary` in buildkitd.toml, else
//!   `buildkit-runc` or `runc` from `PATH`.
//! - containerd: the CRI's handlers; always `io.containerd.runc.v2`, which root can choose with
//!   `ctr`.
//! - Podman: `engine.runtimes`, and the runtimes that Podman knows, if they are installed.
//! - CRI-O: `crio.runtime.runtimes`.
//!
//! Not found: other shims by name (`docker run --runtime io.containerd.kata.v2`), runtimes that
//! `podman --runtime /PATH` or `ctr --runc-binary /PATH` name, and users' own engines.

mod buildkit;
mod containerd;
mod crio;
mod docker;
mod podman;
mod program;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};

pub(crate) use self::containerd::PLUGINS;
use self::program::Programs;
use super::discovery::EngineSettingsError;
use super::processes::{self, Process, own_namespace};
use crate::container::engine::Engine;
use crate::paths::Paths;
use crate::sys::{proc, rights};

/// The runtime names of a node.
#[derive(Debug, Default)]
pub struct Coverage {
    /// All names, engine by engine, daemon by daemon. If a daemon's settings could not be read, the
    /// names in them are missing here, and `faults` says why.
    pub names: Vec<RuntimeName>,
    /// The settings files that could not be read or parsed.
    pub faults: Vec<EngineSettingsError>,
}

/// A name by which a container can be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeName {
    /// The engine.
    pub engine: Engine,
    /// The process ID of the engine's daemon; `None` if no daemon runs.
    pub pid: Option<u32>,
    /// The settings file of that daemon, whether or not it exists.
    #[serde(serialize_with = "as_text")]
    pub settings: PathBuf,
    /// The name, as a user of the engine gives it. Untrusted text: it may have any characters.
    pub name: String,
    /// The program that the name leads to, as the engine finds it; `None` if it is not known. For
    /// a missing program this is the path or the command in the settings.
    #[serde(serialize_with = "as_text_if_known")]
    pub program: Option<PathBuf>,
    /// Who can choose the name.
    pub role: RuntimeRole,
    /// Whether Embargo judges what is started by this name.
    #[serde(flatten)]
    pub covered: Covered,
}

/// Who chooses a runtime name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimeRole {
    /// The engine's default: nobody has to choose it.
    Default,
    /// Everybody who may use the engine can choose it.
    Choice,
    /// Only root can choose it, with `ctr` or nerdctl.
    Root,
}

/// Whether a runtime name leads to Embargo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "covered", content = "doubt")]
pub enum Covered {
    /// The program is Embargo.
    Yes,
    /// The program is another one, which never calls Embargo.
    No,
    /// It is not known.
    Unknown(CoverageDoubt),
}

/// Why it is not known whether a name leads to Embargo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CoverageDoubt {
    /// There is no such program, or it cannot be executed. Nothing can start by this name.
    Missing,
    /// The program cannot be examined.
    Unreadable,
    /// The program is a script or another wrapper, which may call Embargo.
    Wrapper,
    /// The program is a version of Embargo other than the one installed beside this program.
    OtherVersion,
    /// The daemon's environment, and so its `PATH`, cannot be read.
    Environment,
    /// Whether this name counts depends on how this version of containerd merges imported files.
    Merging,
}

impl RuntimeRole {
    /// The word in every output.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Choice => "choice",
            Self::Root => "root",
        }
    }
}

/// A path as JSON has it. JSON is text, and the whole document would be lost to one other byte.
fn as_text<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&path.to_string_lossy())
}

/// The same, for a path that may be unknown.
fn as_text_if_known<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    path.as_ref()
        .map(|path| path.to_string_lossy())
        .serialize(to)
}

impl fmt::Display for CoverageDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the program is missing",
            Self::Unreadable => "the program cannot be read",
            Self::Wrapper => "the program may call another runtime",
            Self::OtherVersion => "the program is another version of Embargo",
            Self::Environment => "the daemon's environment cannot be read",
            Self::Merging => "containerd's version decides how imported files are merged",
        })
    }
}

impl Coverage {
    /// The names that are an engine's default.
    pub fn defaults(&self) -> impl Iterator<Item = &RuntimeName> {
        self.names
            .iter()
            .filter(|name| name.role == RuntimeRole::Default)
    }
}

/// Finds the runtime names of all engines of this node. For a node whose file system is mounted
/// somewhere, no daemon runs, and all paths are below that directory.
#[must_use]
pub fn of_node(paths: &Paths) -> Coverage {
    of_processes(paths, &processes::of_node(paths))
}

/// The same as [`of_node`], for processes that were read already.
#[must_use]
pub fn of_processes(paths: &Paths, processes: &[Process]) -> Coverage {
    let mut search = Search {
        paths,
        programs: Programs::of(paths),
        daemons: daemons(processes),
        found: Coverage::default(),
    };
    let engines = [
        docker::add,
        buildkit::add,
        containerd::add,
        podman::add,
        crio::add,
    ];
    for add in engines {
        search.add_engine(add);
    }
    search.found
}

/// The engines' daemons among these processes: those that root or the caller started, in the
/// caller's mount namespace.
pub(crate) fn daemons(processes: &[Process]) -> Vec<&Process> {
    let own = own_namespace("mnt");
    let mut daemons = Vec::new();
    for process in processes {
        let is_daemon = DAEMONS.contains(&process.program());
        if is_daemon && rights::is_own(process.starter()) && process.is_here(own.as_deref()) {
            daemons.push(process);
        }
    }
    daemons
}

/// Whether dockerd's program at this path knows the variable that names the runtime of its own
/// BuildKit. `path` is a path on the node, or of a process in `/proc`.
pub(crate) fn knows_builder_variable(path: &Path) -> bool {
    program::contains(path, docker::BUILDKIT_VARIABLE.as_bytes()).unwrap_or(false)
}

/// The programs of the daemons.
pub(crate) const DAEMONS: [&str; 4] = ["dockerd", "containerd", "buildkitd", "crio"];

/// The search for the names of one node.
struct Search<'a> {
    paths: &'a Paths,
    programs: Programs<'a>,
    daemons: Vec<&'a Process>,
    found: Coverage,
}

/// A daemon of an engine, or the engine's program if no daemon runs.
struct Daemon<'a> {
    engine: Engine,
    process: Option<&'a Process>,
    settings: PathBuf,
    environment: Environment,
}

/// The environment of a daemon.
enum Environment {
    /// The daemon runs, and was started with these variables (`NAME=value`).
    Read(Vec<Vec<u8>>),
    /// No daemon runs: the service manager's usual environment is assumed.
    Assumed,
    /// The caller may not read the environment.
    Unreadable,
}

/// What a runtime name stands for in the settings.
enum Meaning<'s> {
    /// A path, or the name of a program in `PATH`.
    Command(&'s str),
    /// A program that is none of the OCI runtimes, such as another shim.
    Other,
}

impl<'a> Search<'a> {
    /// The daemons with this program name that run. If none runs, but the engine's program or its
    /// settings file is on the node, one [`Daemon`] that does not run.
    fn daemons(
        &self,
        engine: Engine,
        program: &str,
        settings: &str,
        settings_of: fn(&Process) -> Option<PathBuf>,
    ) -> Vec<Daemon<'a>> {
        let usual = self.paths.of_node(Path::new(settings));
        let mut daemons = Vec::new();
        for process in &self.daemons {
            if process.program() == program {
                daemons.push(Daemon {
                    engine,
                    process: Some(process),
                    settings: settings_of(process).unwrap_or_else(|| usual.clone()),
                    environment: match proc::environment(process.pid) {
                        Some(variables) => Environment::Read(variables),
                        None => Environment::Unreadable,
                    },
                });
            }
        }
        let is_here = usual.symlink_metadata().is_ok() || self.programs.usual(program).is_some();
        if daemons.is_empty() && is_here {
            daemons.push(Daemon {
                engine,
                process: None,
                settings: usual,
                environment: Environment::Assumed,
            });
        }
        daemons
    }

    /// Adds the names of an engine. Settings that cannot be read may name any default, so none of
    /// the names is known to be the default then. The runtime of BuildKit in Docker is not in them.
    fn add_engine(&mut self, add: fn(&mut Self)) {
        let (names, faults) = (self.found.names.len(), self.found.faults.len());
        add(self);
        if self.found.faults.len() == faults {
            return;
        }
        for name in &mut self.found.names[names..] {
            if name.role == RuntimeRole::Default && name.engine != Engine::BuildKit {
                name.role = RuntimeRole::Choice;
            }
        }
    }

    /// Adds a name of this daemon.
    fn add(&mut self, daemon: &Daemon<'_>, name: &str, role: RuntimeRole, meaning: &Meaning<'_>) {
        let (program, covered) = match meaning {
            Meaning::Other => (None, Covered::No),
            Meaning::Command(command) => self.look_up(daemon, command),
        };
        self.found.names.push(RuntimeName {
            engine: daemon.engine,
            pid: daemon.process.map(|process| process.pid),
            settings: daemon.settings.clone(),
            name: name.to_owned(),
            program,
            role,
            covered,
        });
    }

    /// The program that a command leads to for this daemon, and whether it is Embargo.
    fn look_up(&self, daemon: &Daemon<'_>, command: &str) -> (Option<PathBuf>, Covered) {
        let path = daemon.variable("PATH");
        let doubt = match (&daemon.environment, command.contains('/')) {
            (Environment::Unreadable, false) => {
                return (None, Covered::Unknown(CoverageDoubt::Environment));
            }
            (Environment::Unreadable | Environment::Read(_) | Environment::Assumed, _) => {
                Covered::Unknown(CoverageDoubt::Missing)
            }
        };
        match self.programs.find(command, path.as_deref()) {
            Some(program) => {
                let covered = self.programs.covered(&program);
                (Some(program), covered)
            }
            None => (Some(PathBuf::from(command)), doubt),
        }
    }
}

impl Daemon<'_> {
    /// The value of a variable in the daemon's environment, if it is known.
    fn variable(&self, name: &str) -> Option<OsString> {
        let Environment::Read(variables) = &self.environment else {
            return None;
        };
        for variable in variables {
            if let Some(rest) = variable.strip_prefix(name.as_bytes())
                && let Some(value) = rest.strip_prefix(b"=")
            {
                return Some(OsStr::from_bytes(value).to_owned());
            }
        }
        None
    }

    /// The last value of a flag on the daemon's command line, as text.
    fn flag(&self, flag: &str) -> Option<String> {
        let value = self.process?.value(flag)?;
        Some(value.to_string_lossy().into_owned())
    }
}

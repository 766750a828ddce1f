//! Refuses to write into a settings file what the daemon's command line says.
//!
//! dockerd does not start if its command line and its settings file set the same
//! (nvidia-docker#751); the other daemons ignore the file. In: the daemons that run. If none runs,
//! the unit files and the files with the variables of its service are searched, line by line. Not
//! found: flags in a file that only an unusual unit reads.

use std::path::{Path, PathBuf};

use super::ConfiguredEngine;
use super::error::ConfigureError;
use super::form::Rank;
use super::plan::ConfigurePlan;
use crate::node::processes::{self, Process};
use crate::node::{coverage, drop_ins};
use crate::paths::Paths;
use crate::sys::file::{self, Guard};

/// The directories of the files with a service's variables: Debian's, and Fedora's.
const VARIABLES: [&str; 2] = ["/etc/default", "/etc/sysconfig"];

/// The largest unit file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// A daemon, and the flags that set what the plan sets.
struct Conflict {
    program: &'static str,
    unit: &'static str,
    flags: &'static [&'static str],
}

impl Conflict {
    fn of(engine: ConfiguredEngine, rank: Rank) -> Option<Self> {
        let (program, unit, flags): (_, _, &[&str]) = match (engine, rank) {
            (ConfiguredEngine::Docker, Rank::Default) => {
                ("dockerd", "docker", &["--add-runtime", "--default-runtime"])
            }
            (ConfiguredEngine::Docker, Rank::Choice) => ("dockerd", "docker", &["--add-runtime"]),
            (ConfiguredEngine::Crio, Rank::Default) => {
                ("crio", "crio", &["--default-runtime", "--runtimes"])
            }
            (ConfiguredEngine::Crio, Rank::Choice) => ("crio", "crio", &["--runtimes"]),
            (ConfiguredEngine::Buildkit, _) => ("buildkitd", "buildkit", &["--oci-worker-binary"]),
            (ConfiguredEngine::Containerd | ConfiguredEngine::Podman, _) => return None,
        };
        Some(Self {
            program,
            unit,
            flags,
        })
    }
}

/// Refuses the plan if the daemon's command line sets the same.
pub(super) fn none(plan: &ConfigurePlan, rank: Rank, paths: &Paths) -> Result<(), ConfigureError> {
    let (Some(conflict), Some(file)) = (Conflict::of(plan.engine, rank), plan.files.first()) else {
        return Ok(());
    };
    let processes = processes::of_node(paths);
    let mut daemons = coverage::daemons(&processes).into_iter();
    let daemon = daemons.find(|daemon| daemon.program() == conflict.program);
    let texts = match daemon {
        Some(_) => Vec::new(),
        None => unit_texts(conflict.unit, paths),
    };
    for flag in conflict.flags {
        let is_set = daemon.is_some_and(|daemon: &Process| daemon.value(flag).is_some())
            || texts.iter().any(|text| names(text, flag));
        if is_set {
            return Err(ConfigureError::Flag {
                path: file.path.clone(),
                program: conflict.program,
                flag,
            });
        }
    }
    Ok(())
}

/// The texts of the files that say how a service is started.
fn unit_texts(unit: &str, paths: &Paths) -> Vec<String> {
    let mut files: Vec<PathBuf> = Vec::new();
    for directory in VARIABLES {
        files.push(paths.of_node(&Path::new(directory).join(unit)));
    }
    for directory in drop_ins::UNITS {
        let directory = paths.of_node(Path::new(directory));
        files.push(directory.join(format!("{unit}.service")));
        let drop_ins_of = directory.join(format!("{unit}.service.d"));
        files.extend(drop_ins::of(&drop_ins_of, Some("conf")));
    }
    let mut texts = Vec::new();
    for file in files {
        texts.extend(file::read_text(&file::target(&file), LARGEST, Guard::Owned));
    }
    texts
}

/// Whether a line that is no comment names the flag.
fn names(text: &str, flag: &str) -> bool {
    text.lines()
        .any(|line| !line.trim_start().starts_with(['#', ';']) && line.contains(flag))
}

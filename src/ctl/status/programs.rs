//! Finds the versions of Embargo's programs, and the runtime that the gate becomes.
//!
//! In: the program `embargo` beside this one, which is asked for its version, and the settings.
//! Out: versions and a path, or why they are not known. `PATH` is this caller's: an engine may have
//! another one. Not checked: where else on the node an `embargo` is.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::ctl::command;
use crate::delegate::{self, GATE};
use crate::report::line::causes;
use crate::settings::Settings;
use crate::sys::process::{self, Given};

/// The version of this program.
const OWN: &str = env!("CARGO_PKG_VERSION");

/// How long the gate may take to print its version.
const PATIENCE: Duration = Duration::from_secs(5);

/// Embargo's programs, and the runtime.
#[derive(Debug, Serialize)]
pub(super) struct Programs {
    /// The version of `embargoctl`.
    pub(super) ctl: &'static str,
    /// The version of the `embargo` beside it.
    pub(super) gate: Option<String>,
    /// Why that version is not known.
    pub(super) gate_fault: Option<String>,
    /// The runtime that the gate becomes.
    pub(super) runtime: Option<PathBuf>,
    /// Why there is no runtime.
    pub(super) runtime_fault: Option<String>,
}

/// Looks at the programs.
pub(super) fn of(settings: Option<&Settings>) -> Programs {
    let gate = delegate::gate_beside();
    let (version, gate_fault) = match version(&gate) {
        Ok(version) => (Some(version), None),
        Err(fault) => (None, Some(fault)),
    };
    let configured = settings.and_then(|settings| settings.runtime.clone());
    let (runtime, runtime_fault) = match runtime(&gate, configured) {
        Ok(path) => (Some(path), None),
        Err(fault) => (None, Some(fault)),
    };
    Programs {
        ctl: OWN,
        gate: version,
        gate_fault,
        runtime,
        runtime_fault,
    }
}

/// The version that the gate prints, or why it is not known.
fn version(gate: &Path) -> Result<String, String> {
    if !process::identity(gate).is_ok_and(|found| found.is_program()) {
        return Err(format!("cannot find {GATE} beside embargoctl: {gate:?}"));
    }
    let ended = match command::run(gate, &["check", "--version"], b"", PATIENCE) {
        Ok(ended) => ended,
        Err(error) => return Err(format!("cannot run {gate:?}: {}", causes(&error))),
    };
    match ended.first_line().strip_prefix("embargo ") {
        Some(version) if !version.is_empty() && !version.contains(char::is_whitespace) => {
            Ok(version.to_owned())
        }
        Some(_) | None => Err(format!("cannot tell the version of {gate:?}")),
    }
}

/// The runtime that the gate becomes, or why there is none.
fn runtime(gate: &Path, configured: Option<PathBuf>) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let variable =
        CString::new([b"PATH=".as_slice(), path.as_bytes()].concat()).unwrap_or_default();
    let given = Given {
        argv: Vec::new(),
        environment: vec![variable.as_c_str()],
    };
    match delegate::of_gate(gate, configured, &given) {
        Err(fault) => Err(causes(&fault)),
        Ok(found) if process::identity(found.path()).is_ok_and(|file| file.is_program()) => {
            Ok(found.path().to_owned())
        }
        Ok(found) => Err(format!(
            "cannot run the real runtime {:?}: it is no program",
            found.path()
        )),
    }
}

//! Checks the programs: Embargo's own, and the real runtime.
//!
//! In: an [`Examination`]. Out: what was found. Both are run with an argument that prints a
//! version. A program that other users may change is not run.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

use super::examination::Examination;
use super::files::{judged, not_this_machine};
use super::finding::Found;
use crate::container::runtime::RuntimeKind;
use crate::ctl::command::{self, Ended};
use crate::delegate::{self, DelegateError, RuntimeFamily};
use crate::report::line::{self, causes};
use crate::sys::process::{self, Identity};
use crate::sys::{directory, file};

/// What `embargo check --version` prints, if `embargo` is of the same version as this program.
const VERSION: &str = concat!("embargo ", env!("CARGO_PKG_VERSION"));

/// How long a program may take to print its version.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether every `embargo` is of the same version as this program.
pub(super) fn versions(examined: &Examination<'_>) -> Vec<Found> {
    if let Some(found) = not_this_machine(examined) {
        return vec![found];
    }
    let mut found = Vec::new();
    for (path, _) in delegate::gates(examined.paths) {
        found.push(version_of(&path));
    }
    if found.is_empty() {
        found.push(
            Found::critical("there is no embargo beside embargoctl or in the usual directories")
                .hint("install embargo and embargoctl, both of one version"),
        );
    }
    found
}

/// The finding of a program that is not run, because other users may change it.
fn unsafe_to_run(path: &Path) -> Option<Found> {
    let opened = directory::open_owned(Path::new("/"), &file::target(path));
    judged(path, opened.map(drop))
}

fn version_of(path: &Path) -> Found {
    let place = line::path(path);
    if let Some(found) = unsafe_to_run(path) {
        return found;
    }
    let together = "install embargo and embargoctl again, both of one version";
    let found = match command::run(path, &["check", "--version"], b"", PATIENCE) {
        Ok(ended) if ended.first_line() == VERSION => Found::ok(format!(
            "{place} is {VERSION}, the version of this embargoctl"
        )),
        Ok(ended) if ended.is_success => Found::warning(format!(
            "{place} is {}, and this embargoctl is of {VERSION}",
            line::name(ended.first_line())
        ))
        .hint(together),
        Ok(ended) => Found::critical(format!(
            "{place} does not print its version: {}",
            ended.ending()
        ))
        .hint(together),
        Err(error) => {
            Found::critical(format!("cannot run {place}: {}", causes(&error))).hint(together)
        }
    };
    found.about(place)
}

/// Whether the real runtime is there, is not Embargo, and prints its version.
pub(super) fn delegate(examined: &Examination<'_>) -> Vec<Found> {
    if let Some(found) = not_this_machine(examined) {
        return vec![found];
    }
    if let Err(error) = &examined.settings {
        return vec![Found::unknown(format!(
            "cannot tell the real runtime: {}",
            causes(error)
        ))];
    }
    let gates: Vec<Identity> = delegate::gates(examined.paths)
        .into_iter()
        .map(|(_, gate)| gate)
        .collect();
    let Some(path) = real_runtime(examined, &gates) else {
        let error = DelegateError::None;
        return vec![Found::critical(error.to_string()).hint(error.hint())];
    };
    vec![runtime(&path, &gates)]
}

/// The runtime in the settings, or else the one that Embargo finds.
fn real_runtime(examined: &Examination<'_>, gates: &[Identity]) -> Option<PathBuf> {
    if let Some(path) = &examined.effective.runtime {
        return Some(path.clone());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    [RuntimeKind::Runc, RuntimeKind::Crun]
        .into_iter()
        .find_map(|kind| delegate::of_kind(kind, None, &path, gates))
}

fn runtime(path: &Path, gates: &[Identity]) -> Found {
    let place = line::path(path);
    let critical = |error: &DelegateError| Found::critical(causes(error)).hint(error.hint());
    let identity = match process::identity(path) {
        Ok(identity) => identity,
        Err(Errno::ENOENT | Errno::ENOTDIR) => {
            let missing = delegate::ExecFault::Missing;
            return critical(&DelegateError::Exec(path.to_owned(), missing));
        }
        Err(errno) => {
            return Found::unknown(format!("cannot examine {place}: {}", causes(&errno)));
        }
    };
    if identity.is_any_of(gates) {
        return critical(&DelegateError::Itself(path.to_owned()));
    }
    if !identity.is_program() {
        let forbidden = delegate::ExecFault::Forbidden;
        return critical(&DelegateError::Exec(path.to_owned(), forbidden));
    }
    if let Some(found) = unsafe_to_run(path) {
        return found;
    }
    let install = "set runtime in the settings to a runtime that works";
    let answered: io::Result<Ended> = command::run(path, &["--version"], b"", PATIENCE);
    match answered {
        Ok(ended) if ended.is_success && RuntimeFamily::of(path) == RuntimeFamily::Other => {
            Found::warning(format!(
                "the real runtime {place} ({}) is none that Embargo knows",
                line::name(ended.first_line())
            ))
            .hint("use runc or crun: other runtimes are not tested")
        }
        Ok(ended) if ended.is_success => Found::ok(format!(
            "the real runtime is {place} ({})",
            line::one_line(ended.first_line())
        )),
        Ok(ended) => Found::critical(format!(
            "the real runtime {place} does not print its version: {}",
            ended.ending()
        ))
        .hint(install),
        Err(error) => Found::critical(format!(
            "cannot run the real runtime {place}: {}",
            causes(&error)
        ))
        .hint(install),
    }
}

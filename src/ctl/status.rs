//! Implements `embargoctl status`: says what state this node is in.
//!
//! In: the node, looked at once. Out: a table for people, one JSON document, metrics in
//! Prometheus's text format, or one line and an exit status for a monitor. What could not be read
//! is never shown as zero: it is said in text, absent from the metrics, and "unknown" to a monitor.
//! An ordinary user cannot read an engine's stores; what needs root comes from
//! `/run/embargo/status.json` then, with its age. Nothing on the node is changed, except for the
//! files that the options name.

mod check;
pub(super) mod containers;
mod counters;
mod coverage;
mod facts;
mod list;
mod metrics;
mod programs;
pub(super) mod stored;
mod text;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use super::{CtlError, Output};
use crate::node::patches::AskPatches;
use crate::paths::Paths;
use crate::report::Exit;
use crate::sys::clock::Timestamp;
use crate::sys::replace;
use facts::NodeStatus;

/// Show the state of this node.
///
/// Whether banned containers are refused here, which list is in force, how the last installation
/// ended, which runtime names of the engines lead past Embargo, and which containers could not start
/// again, today or from a later day on. Reading the engines takes root; an ordinary user gets that
/// part from /run/embargo/status.json, which install and a timer write. The exit status is 0,
/// except with --check: 0 when all is well, 1 for a warning, 2 when it is critical, 3 when
/// something could not be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl status
  embargoctl status --check
  embargoctl status --write --textfile /var/lib/prometheus/node-exporter/embargo.prom")]
pub struct StatusArgs {
    /// Print one JSON document.
    #[arg(long, conflicts_with = "check")]
    json: bool,
    /// Print one line for a monitor, and say by the exit status how the node is.
    #[arg(long)]
    check: bool,
    /// Write metrics for Prometheus to FILE; - is standard output.
    #[arg(long, value_name = "FILE")]
    textfile: Option<PathBuf>,
    /// Write /run/embargo/status.json, which everybody may read.
    #[arg(long)]
    write: bool,
}

/// Runs the command. Returns the text to print and the exit status.
///
/// # Errors
/// [`CtlError`] when a file cannot be written. What cannot be read is part of the result.
pub fn run(
    args: &StatusArgs,
    paths: &Paths,
    ask_patches: Option<AskPatches>,
) -> Result<Output, CtlError> {
    let status = NodeStatus::of(paths, ask_patches, Timestamp::now());
    if args.write {
        stored::write(paths, &status).map_err(|error| CtlError::from(error).for_root())?;
    }
    let mut text = String::new();
    match args.textfile.as_deref() {
        Some(file) if file == Path::new("-") => text = metrics::text(&status),
        Some(file) => {
            let bytes = metrics::text(&status).into_bytes();
            replace::replace(file, 0o644, &bytes)
                .map_err(|error| CtlError::from(error).for_root())?;
        }
        None => {}
    }
    let mut exit = Exit::Clear;
    if args.check {
        let (line, found) = check::result(&status);
        text += &line;
        exit = found;
    } else if args.json {
        text += &(crate::report::json::pretty(&status) + "\n");
    } else if args.textfile.is_none() && !args.write {
        text += &text::of(&status);
    }
    Ok(Output { text, exit })
}

/// Writes the node's state to `/run/embargo/status.json`, after the list was replaced.
///
/// # Errors
/// [`CtlError`] when the file cannot be written.
pub fn write(
    paths: &Paths,
    ask_patches: Option<AskPatches>,
    now: Timestamp,
) -> Result<(), CtlError> {
    Ok(stored::write(
        paths,
        &NodeStatus::of(paths, ask_patches, now),
    )?)
}

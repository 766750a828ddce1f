//! Implements `embargoctl doctor`: finds what is wrong with a node, and ways past Embargo.
//!
//! In: the node's files, its processes, and the engines' settings. Out: for each check at least one
//! finding, with a stable ID, a level, one sentence and a hint. Nothing is changed, except by the
//! trial, which cleans up after itself. What could not be read is `unknown`, never `ok`.

pub mod checks;
mod engines;
mod examination;
mod files;
pub mod finding;
mod list;
mod names;
mod programs;
mod settings_read;
mod trial;

#[cfg(test)]
mod tests;

use std::path::Path;

use serde::Serialize;

use self::checks::{CHECKS, DoctorCheck, TRIAL};
use self::examination::Examination;
use self::finding::{CheckLevel, DoctorFinding};
use super::{Output, amount};
use crate::paths::Paths;
use crate::report::table::table;
use crate::report::{Exit, json, line};
use crate::sys::clock::Timestamp;

/// Find what is wrong with this node, and every way past Embargo.
///
/// Each finding has a stable ID, a level (ok, warning, unknown, critical), a sentence, and a hint
/// how to close the gap. The exit status is that of the worst finding: 0 when all is ok, 1 for a
/// warning, 2 for a critical finding, and 3 when something is unknown and nothing is critical, as
/// Nagios and node-problem-detector read it. A command line that is wrong ends with 64.
/// doctor.md in the documentation lists the checks.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl doctor
  embargoctl doctor --trial
  embargoctl doctor --json --skip coverage:docker/runc --skip buildkit")]
pub struct DoctorArgs {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Leave out a check (`buildkit`) or one of its findings (`coverage:docker/runc`). May be given
    /// more than once.
    #[arg(long, value_name = "ID", value_parser = known_id)]
    skip: Vec<String>,
    /// Also start a container of a trial image through each engine: Embargo must refuse it.
    #[arg(long)]
    trial: bool,
}

/// The ID of a check, or of a finding of a check.
fn known_id(typed: &str) -> Result<String, String> {
    let check = typed.split(':').next().unwrap_or(typed);
    if CHECKS.iter().any(|known| known.id == check) {
        return Ok(typed.to_owned());
    }
    let known: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
    Err(format!(
        "there is no such check; the checks are {}",
        known.join(", ")
    ))
}

/// The answer, as JSON.
#[derive(Debug, Serialize)]
struct DoctorReport {
    /// The worst level.
    level: CheckLevel,
    /// The IDs that were left out.
    skipped: Vec<String>,
    /// What was found.
    findings: Vec<DoctorFinding>,
}

/// Examines a node. `mounted_at` is the directory at which the node's file system is mounted, if
/// this is not the machine's own.
#[must_use]
pub fn run(args: &DoctorArgs, paths: &Paths, mounted_at: Option<&Path>) -> Output {
    let examined = Examination::of(paths, mounted_at, Timestamp::now());
    let report = examine(args, &examined);
    let text = if args.json {
        json::pretty(&report) + "\n"
    } else {
        text(&report)
    };
    Output {
        text,
        exit: exit(report.level),
    }
}

const fn exit(level: CheckLevel) -> Exit {
    match level {
        CheckLevel::Ok => Exit::Clear,
        CheckLevel::Warning => Exit::Warning,
        CheckLevel::Unknown => Exit::CouldNotTell,
        CheckLevel::Critical => Exit::Critical,
    }
}

fn examine(args: &DoctorArgs, examined: &Examination<'_>) -> DoctorReport {
    let is_skipped = |id: &str| args.skip.iter().any(|skipped| skipped == id);
    let is_wanted =
        |check: &&DoctorCheck| !is_skipped(check.id) && (check.id != TRIAL || args.trial);
    let mut findings = Vec::new();
    for check in CHECKS.iter().filter(is_wanted) {
        for found in (check.examine)(examined) {
            let finding = DoctorFinding::of(check.id, found);
            if !is_skipped(&finding.id) {
                findings.push(finding);
            }
        }
    }
    DoctorReport {
        level: worst(&findings),
        skipped: args.skip.clone(),
        findings,
    }
}

fn worst(findings: &[DoctorFinding]) -> CheckLevel {
    let levels = findings.iter().map(|finding| finding.level);
    levels.max().unwrap_or(CheckLevel::Unknown)
}

/// The answer for people: a line for each finding, its hint below it, and how many there are of
/// each level.
fn text(report: &DoctorReport) -> String {
    let mut rows = Vec::new();
    for finding in &report.findings {
        rows.push([
            finding.level.word().to_owned(),
            finding.id.clone(),
            finding.message.clone(),
        ]);
        if let Some(hint) = &finding.hint {
            rows.push([String::new(), String::new(), format!("hint: {hint}")]);
        }
    }
    let mut lines = table(&rows);
    let mut counts = Vec::new();
    for level in CheckLevel::ALL {
        let of_level = |finding: &&DoctorFinding| finding.level == level;
        let number = report.findings.iter().filter(of_level).count();
        if number > 0 {
            counts.push(format!("{number} {}", level.word()));
        }
    }
    let all = amount(report.findings.len(), "finding");
    lines.push(format!("{all}: {}", counts.join(", ")));
    if !report.skipped.is_empty() {
        let skipped = line::names(&report.skipped, report.skipped.len());
        lines.push(format!("skipped: {skipped}"));
    }
    lines.join("\n") + "\n"
}

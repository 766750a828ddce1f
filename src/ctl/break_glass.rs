//! Implements `embargoctl break-glass`: lets everything start for a while, and ends that.
//!
//! In: a reason and a span, or the wish to end. Out: `/etc/embargo/break-glass`, replaced as a
//! whole, or removed; an event in the system log that names the person; and a few lines or a JSON
//! document that say what holds now. Before a file is written, the gate's own code judges it: a
//! file that the gate would ignore is not written. Not checked: the reason itself.

use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;
use toml_edit::{DocumentMut, value};

use super::{CtlError, Output};
use crate::audit::emergency::{self, Emergency, EmergencyStep};
use crate::audit::who::Who;
use crate::banlist::source::{MAX_REASON, is_reason};
use crate::banlist::store;
use crate::paths::Paths;
use crate::report::{json, line};
use crate::settings::{self, BREAK_GLASS_MAX, Settings, SettingsError};
use crate::sys::clock::Timestamp;
use crate::sys::directory;
use crate::sys::replace::{self, WriteError};
use crate::sys::system_log::Sockets;
use crate::verdict;
use crate::verdict::break_glass::{self, BreakGlass, Open, Shut};

/// Let everything start on this node for a while, in an emergency.
///
/// Until the time is over, every container starts, and every start is an event. Without options,
/// the command says whether break-glass is open. A span longer than `break_glass_max` is refused.
/// If the settings cannot be used, break-glass works all the same, and the longest span is a day.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl break-glass --reason \"INC-4711: registry down\" --for 30m
  embargoctl break-glass
  embargoctl break-glass --end")]
pub struct BreakGlassArgs {
    /// Open break-glass for this reason. The reason goes to the system log with every start.
    #[arg(long, value_name = "TEXT", value_parser = reason, requires = "span")]
    reason: Option<String>,
    /// How long everything may start.
    #[arg(
        long = "for",
        id = "span",
        value_name = "SPAN",
        value_parser = super::keys::span,
        requires = "reason"
    )]
    span: Option<u64>,
    /// Close break-glass now.
    #[arg(long, conflicts_with = "reason")]
    end: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

fn reason(text: &str) -> Result<String, String> {
    if is_reason(text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "expected one line of 1 to {MAX_REASON} characters, without spaces around it"
    ))
}

/// Why break-glass was not opened.
#[derive(Debug, thiserror::Error)]
pub enum BreakGlassError {
    /// The gate would ignore the file; with the gate's own words.
    #[error("cannot open break-glass: {0}")]
    Ignored(String),
}

/// The node, as far as break-glass depends on it.
struct Surroundings<'a> {
    paths: &'a Paths,
    settings: Result<Option<Settings>, SettingsError>,
    /// The system clock.
    clock: Timestamp,
    /// The time by which the gate judges.
    now: Timestamp,
}

impl<'a> Surroundings<'a> {
    fn of(paths: &'a Paths, clock: Timestamp) -> Self {
        let settings = settings::load(paths);
        let now = match &settings {
            Ok(Some(settings)) => {
                verdict::present(clock, &store::look_up(paths, &settings.rules(), &[]))
            }
            Ok(None) | Err(_) => clock,
        };
        Self {
            paths,
            settings,
            clock,
            now,
        }
    }

    /// How many seconds break-glass may stay open.
    fn longest(&self) -> u64 {
        match &self.settings {
            Ok(Some(settings)) => settings.break_glass_max,
            Ok(None) | Err(_) => BREAK_GLASS_MAX,
        }
    }

    /// What makes break-glass different on this node; `None` if nothing does.
    fn remark(&self) -> Option<String> {
        match &self.settings {
            Ok(Some(_)) => None,
            Ok(None) => Some(
                "this node is not armed: it has no settings, and everything starts without \
                 break-glass"
                    .to_owned(),
            ),
            Err(error) => Some(format!(
                "the settings cannot be used, so every container is refused while break-glass is \
                 shut, and it may stay open for a day at most: {}",
                line::causes(error)
            )),
        }
    }

    /// Sends an event to the system log of this machine, unless the node is mounted elsewhere.
    fn send(&self, step: EmergencyStep, emergency: &Emergency) {
        if self.paths.root == Path::new("/") {
            emergency::send(&Sockets::system(), step, emergency);
        }
    }
}

/// What the command did, or found.
struct GlassReport {
    changed: bool,
    lines: Vec<String>,
}

impl GlassReport {
    const fn unchanged() -> Self {
        Self {
            changed: false,
            lines: Vec::new(),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// [`BreakGlassError`], and errors in writing and removing the file.
pub fn run(args: &BreakGlassArgs, paths: &Paths) -> Result<Output, CtlError> {
    let node = Surroundings::of(paths, Timestamp::now());
    let done = match (&args.reason, args.span) {
        (Some(reason), Some(span)) => open(&node, reason, span),
        (Some(_) | None, Some(_) | None) if args.end => end(&node),
        (Some(_) | None, Some(_) | None) => Ok(GlassReport::unchanged()),
    };
    let mut report = done.map_err(CtlError::for_root)?;
    let glass = break_glass::load(paths);
    report.lines.push(state_line(glass.as_ref(), &node));
    report.lines.extend(node.remark());
    if args.json {
        return Ok(document(&report, glass.as_ref(), &node).into());
    }
    Ok((report.lines.join("\n") + "\n").into())
}

/// Opens break-glass, or lets it stay open until another time.
fn open(node: &Surroundings<'_>, reason: &str, span: u64) -> Result<GlassReport, CtlError> {
    let path = &node.paths.break_glass;
    let until = node.now.plus(span);
    let planned = BreakGlass::Given {
        reason: reason.to_owned(),
        until,
        written: node.clock,
    };
    if let Err(shut) = planned.state(node.now, node.longest()) {
        return Err(ignored(&shut, node));
    }
    if let Some(directory) = path.parent() {
        directory::owned(&node.paths.root, directory)?;
    }
    replace::replace(path, 0o644, text(reason, until).as_bytes())?;
    // What the gate thinks of the file now is what holds.
    if let Some(glass) = break_glass::load(node.paths)
        && let Err(shut) = glass.state(node.now, node.longest())
    {
        return Err(ignored(&shut, node));
    }
    let person = person();
    let emergency = Emergency {
        user: person.clone(),
        reason: Some(reason.to_owned()),
        until: Some(until),
    };
    node.send(EmergencyStep::Opened, &emergency);
    Ok(GlassReport {
        changed: true,
        lines: vec![format!(
            "opened by {person}: every start is an event in the system log"
        )],
    })
}

/// Closes break-glass by removing its file, whether or not the file had an effect.
fn end(node: &Surroundings<'_>) -> Result<GlassReport, CtlError> {
    let path = &node.paths.break_glass;
    let failed = |cause| WriteError::new(path, cause);
    let was = break_glass::load(node.paths);
    match fs::remove_file(path) {
        Ok(()) => replace::sync_directory(path).map_err(failed)?,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            return Ok(GlassReport::unchanged());
        }
        Err(cause) => return Err(failed(cause).into()),
    }
    let (reason, until) = match was {
        Some(BreakGlass::Given { reason, until, .. }) => (Some(reason), Some(until)),
        Some(BreakGlass::Unusable(_)) | None => (None, None),
    };
    let person = person();
    let emergency = Emergency {
        user: person.clone(),
        reason,
        until,
    };
    node.send(EmergencyStep::Ended, &emergency);
    Ok(GlassReport {
        changed: true,
        lines: vec![format!("ended by {person}: removed {}", line::path(path))],
    })
}

/// The error for a file that the gate ignores, with a hint.
fn ignored(shut: &Shut<'_>, node: &Surroundings<'_>) -> CtlError {
    let error = BreakGlassError::Ignored(shut.why());
    match shut {
        Shut::TooLong { .. } if node.clock < node.now => CtlError::with_hint(
            error,
            format!(
                "this node's clock says {}, before its list was issued: set it",
                node.clock
            ),
        ),
        Shut::TooLong { .. } => CtlError::with_hint(error, "take a shorter --for"),
        Shut::Ended(_) | Shut::Unusable(_) => error.into(),
    }
}

/// The contents of the file.
fn text(reason: &str, until: Timestamp) -> String {
    let mut document = DocumentMut::new();
    document.insert("reason", value(reason));
    document.insert("until", value(until.to_string()));
    document.to_string()
}

/// The name of the person who runs this command.
fn person() -> String {
    let variable = |name: &str| std::env::var_os(name);
    Who::here(variable).person().describe()
}

/// Says whether break-glass is open, by the gate's own rules.
fn state_line(glass: Option<&BreakGlass>, node: &Surroundings<'_>) -> String {
    match glass.map(|glass| glass.state(node.now, node.longest())) {
        None => format!(
            "break-glass is shut: there is no {}",
            line::path(&node.paths.break_glass)
        ),
        Some(Err(shut)) => shut.to_string(),
        Some(Ok(Open { reason, until })) => format!(
            "break-glass is open until {until}, for {}: {}",
            minutes(until.since(node.now)),
            line::name(reason)
        ),
    }
}

/// A span in minutes; part of a minute counts as a minute.
fn minutes(seconds: u64) -> String {
    super::amount(seconds.div_ceil(60), "more minute")
}

/// The JSON output.
#[derive(Serialize)]
struct GlassJson<'a> {
    open: bool,
    changed: bool,
    reason: Option<&'a str>,
    until: Option<Timestamp>,
    /// Why a file that exists opens nothing.
    fault: Option<String>,
    messages: &'a [String],
}

fn document(report: &GlassReport, glass: Option<&BreakGlass>, node: &Surroundings<'_>) -> String {
    let mut body = GlassJson {
        open: false,
        changed: report.changed,
        reason: None,
        until: None,
        fault: None,
        messages: &report.lines,
    };
    if let Some(BreakGlass::Given { reason, until, .. }) = glass {
        (body.reason, body.until) = (Some(reason.as_str()), Some(*until));
    }
    match glass.map(|glass| glass.state(node.now, node.longest())) {
        None => {}
        Some(Ok(_)) => body.open = true,
        Some(Err(shut)) => body.fault = Some(shut.to_string()),
    }
    json::pretty(&body) + "\n"
}

#[cfg(test)]
mod tests;

//! Formats the state of a node as text for people.
//!
//! In: a [`NodeStatus`]; names, reasons and paths in it are hostile. Out: lines of a word and a fact
//! each, and a table of the containers that could not start again. Everything is escaped.

use super::containers::{ContainerState, Containers, Doomed};
use super::facts::{BreakGlassStatus, NodeMode, NodeStatus};
use super::list::InForceStatus;
use crate::ctl::last_install::{InstallResult, LastInstall};
use crate::report::amount;
use crate::report::line::{name, one_line, path};
use crate::report::table::table;
use crate::sys::clock::Timestamp;
use crate::verdict::listed::{List, span};
use crate::verdict::short;

/// The whole text.
pub(super) fn of(status: &NodeStatus) -> String {
    let mut lines = vec![head("mode", &mode(status))];
    if let Some(glass) = &status.break_glass {
        lines.push(head("glass", &break_glass(glass)));
    }
    lines.push(head("programs", &programs(status)));
    lines.push(head("list", &list(status)));
    if let Some(list) = &status.in_force {
        lines.push(head("", &publisher(list)));
        lines.push(head("", &contents(list)));
    }
    lines.extend(trust(status));
    lines.push(head("installed", &installed(status)));
    lines.extend(coverage(status));
    lines.push(head("events", &events(status)));
    match (&status.containers, &status.containers_fault) {
        (Some(containers), _) => lines.extend(containers_of(containers, status.at)),
        (None, Some(fault)) => lines.push(head("running", &format!("unknown: {fault}"))),
        (None, None) => {}
    }
    lines.join("\n") + "\n"
}

fn head(word: &str, rest: &str) -> String {
    format!("{word:<9} {}", one_line(rest))
}

fn mode(status: &NodeStatus) -> String {
    let glass = status.break_glass.as_ref();
    let is_open = glass.is_some_and(|glass| glass.open);
    match (&status.settings_fault, status.mode, is_open) {
        (Some(fault), _, false) => format!("every start is refused: {fault}"),
        (Some(fault), _, true) => {
            format!("everything starts, because break-glass is open: {fault}")
        }
        (None, NodeMode::Off, _) => {
            "not armed: there are no settings, and everything starts".to_owned()
        }
        (None, NodeMode::Audit, _) => {
            "audit: what the list bans starts all the same, with an event".to_owned()
        }
        (None, NodeMode::Enforce, false) => "enforce: what the list bans is refused".to_owned(),
        (None, NodeMode::Enforce, true) => {
            "enforce, but everything starts, because break-glass is open".to_owned()
        }
    }
}

fn programs(status: &NodeStatus) -> String {
    let programs = &status.programs;
    let gate = match (&programs.gate, &programs.gate_fault) {
        (Some(version), _) => format!("embargo {version}"),
        (None, fault) => format!("embargo unknown ({})", fault.as_deref().unwrap_or_default()),
    };
    let runtime = match (&programs.runtime, &programs.runtime_fault) {
        (Some(runtime), _) => path(runtime),
        (None, fault) => format!("NONE ({})", fault.as_deref().unwrap_or_default()),
    };
    format!(
        "{gate}, embargoctl {}, real runtime {runtime}",
        programs.ctl
    )
}

fn list(status: &NodeStatus) -> String {
    let fault = status.in_force_fault.as_deref();
    match &status.in_force {
        Some(list) if fault.is_none() => list.text.clone(),
        Some(list) => format!("{} ({})", list.text, fault.unwrap_or_default()),
        None => List::line(None, fault),
    }
}

fn publisher(list: &InForceStatus) -> String {
    format!(
        "for {}, keyset {}, head {}",
        name(&list.origin),
        list.keyset,
        list.head
    )
}

/// How many bans and digests the list has.
fn contents(list: &InForceStatus) -> String {
    let mut parts = Vec::new();
    match (&list.bans, &list.bans_fault) {
        (Some(counts), _) => {
            for count in counts {
                let bans = amount(count.bans, "ban");
                parts.push(format!("{bans} ({}, {})", count.action, count.standing));
            }
        }
        (None, fault) => parts.push(format!(
            "bans unknown ({})",
            fault.as_deref().unwrap_or_default()
        )),
    }
    if parts.is_empty() {
        parts.push("no bans".to_owned());
    }
    let digests = &list.digests;
    format!(
        "{}; {} ({} base, {} image, {} layer)",
        parts.join(", "),
        amount(digests.all, "digest"),
        digests.base,
        digests.image,
        digests.layer
    )
}

/// The floor and the keyset.
fn trust(status: &NodeStatus) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(floor) = &status.floor {
        let text = format!("version {} (keyset {})", floor.version, floor.keyset);
        lines.push(head("floor", &text));
    }
    if let Some(keyset) = &status.keyset {
        let text = format!("{}, to be renewed by {}", keyset.keyset, keyset.expires);
        lines.push(head("keyset", &text));
        if let Some(renewal) = &keyset.renewal {
            lines.push(head("", renewal));
        }
    }
    if let Some(fault) = &status.trust_fault {
        lines.push(head("keyset", &format!("unknown: {fault}")));
    }
    lines
}

fn installed(status: &NodeStatus) -> String {
    match (&status.last_install, &status.last_install_fault) {
        (Some(last), _) => attempt(last),
        (None, Some(fault)) => format!("unknown: {fault}"),
        (None, None) => "nothing on record".to_owned(),
    }
}

fn attempt(last: &LastInstall) -> String {
    let version = last
        .list_version
        .map_or_else(String::new, |version| format!("version {version} "));
    if last.result == InstallResult::Ok {
        return format!("{version}at {}", last.at);
    }
    let success = match last.success {
        Some(success) => format!("last success at {success}"),
        None => "no success yet".to_owned(),
    };
    format!(
        "{version}REFUSED at {} ({}): {}; {success}",
        last.at,
        last.result.word(),
        last.reason.as_deref().unwrap_or_default()
    )
}

fn break_glass(glass: &BreakGlassStatus) -> String {
    match (&glass.fault, glass.until, &glass.reason) {
        (Some(fault), ..) => fault.clone(),
        (None, Some(until), Some(reason)) => {
            format!("OPEN until {until}, everything starts: {}", name(reason))
        }
        (None, ..) => "OPEN, everything starts".to_owned(),
    }
}

/// Which runtime names lead to Embargo.
fn coverage(status: &NodeStatus) -> Vec<String> {
    let Some(runtimes) = &status.runtimes else {
        let fault = status.runtimes_fault.as_deref().unwrap_or_default();
        return vec![head("coverage", &format!("unknown: {fault}"))];
    };
    let mut lines = vec![head("coverage", &runtimes.text())];
    for fault in &runtimes.faults {
        lines.push(head("", &format!("could not be read: {fault}")));
    }
    if runtimes.open().chain(runtimes.doubtful()).next().is_some() {
        lines.push(head("", "embargoctl doctor says how to close it"));
    }
    lines
}

/// What happened since the node was booted.
fn events(status: &NodeStatus) -> String {
    let Some(counts) = &status.counts else {
        let fault = status.counts_fault.as_deref().unwrap_or_default();
        return format!("unknown: {fault}");
    };
    let mut parts = Vec::new();
    for (event, count) in counts.by_event() {
        parts.push(format!("{count} {event}"));
    }
    if parts.is_empty() {
        parts.push("none".to_owned());
    }
    format!("{} since the node was booted", parts.join(", "))
}

/// The containers, and those that could not start again.
fn containers_of(containers: &Containers, now: Timestamp) -> Vec<String> {
    let mut lines = vec![head("running", &counts(containers))];
    let age = now.since(containers.at);
    if age > 0 {
        lines.push(head(
            "",
            &format!("as of {}, {} ago", containers.at, span(age)),
        ));
    }
    for fault in &containers.faults {
        lines.push(head("", &format!("could not be read: {fault}")));
    }
    lines.push(head("doomed", &doomed(containers)));
    for ahead in containers.ahead(|_| true) {
        lines.push(head("", &ahead.text()));
    }
    lines.extend(patches(containers));
    lines.extend(rows(containers));
    lines
}

/// Which patches are missing, and the newest run of `exec-patch`.
fn patches(containers: &Containers) -> Vec<String> {
    let mut lines = Vec::new();
    for one in containers.unpatched.iter().flatten() {
        let text = format!(
            "{} of {} without the patch of {} ({})",
            amount(one.containers, "container"),
            one.engine,
            name(&one.ban),
            one.severity.word()
        );
        lines.push(head("unpatched", &text));
    }
    if let Some(run) = containers
        .patches
        .as_ref()
        .and_then(|patches| patches.last_run.as_ref())
    {
        let ended = match run.ended {
            Some(ended) => format!("ended {ended}"),
            None => "not ended".to_owned(),
        };
        let mut outcomes = Vec::new();
        for one in &run.outcomes {
            outcomes.push(format!("{} {}", one.patches, one.outcome));
        }
        let text = format!(
            "last run {}, started {}, {ended}: {}",
            name(&run.run),
            run.started,
            outcomes.join(", ")
        );
        lines.push(head("patches", &text));
    }
    lines
}

fn counts(containers: &Containers) -> String {
    let (running, stopped, unknown) = containers.totals();
    let mut engines = Vec::new();
    for engine in &containers.engines {
        if engine.running > 0 {
            engines.push(format!("{} {}", engine.engine, engine.running));
        }
    }
    let mut text = amount(running, "container");
    if !engines.is_empty() {
        text += &format!(" ({})", engines.join(", "));
    }
    if unknown > 0 {
        text += &format!(", {unknown} could not be identified");
    }
    if stopped > 0 {
        text += &format!("; {stopped} stopped");
    }
    text
}

/// How many containers could not start again. If something could not be read, the number is only
/// that of the containers that could be read.
fn doomed(containers: &Containers) -> String {
    let (_, _, unknown) = containers.totals();
    let is_whole = containers.faults.is_empty() && unknown == 0;
    match (containers.doomed.len(), is_whole) {
        (0, true) => "no container: each of them could start again".to_owned(),
        (0, false) => "unknown: no container of those that could be read".to_owned(),
        (doomed, true) => format!("{} could not start again", amount(doomed, "container")),
        (doomed, false) => format!(
            "at least {} could not start again",
            amount(doomed, "container")
        ),
    }
}

/// The table of the containers that could not start again.
fn rows(containers: &Containers) -> Vec<String> {
    if containers.doomed.is_empty() {
        return Vec::new();
    }
    let heads = [
        "CONTAINER",
        "ENGINE",
        "MADE FROM",
        "BAN",
        "SEVERITY",
        "RESTARTS",
        "",
    ];
    let mut rows = vec![heads.map(str::to_owned)];
    for one in &containers.doomed {
        rows.push(row(one));
    }
    let mut lines = table(&rows);
    lines.insert(0, String::new());
    lines
}

fn row(one: &Doomed) -> [String; 7] {
    let called = match one.names.first() {
        Some(called) => name(called),
        None => name(short(&one.id)),
    };
    let mut remarks = Vec::new();
    match one.state {
        ContainerState::Running => {}
        ContainerState::Stopped => remarks.push("stopped"),
    }
    if one.pause {
        remarks.push("PAUSE CONTAINER");
    }
    let ban = match &one.ban {
        Some(ban) => name(ban),
        None => one.grounds.word().to_owned(),
    };
    [
        called,
        one.engine.in_namespace(one.namespace.as_deref()),
        one.image.as_deref().map_or_else(dash, name),
        ban,
        one.severity
            .map_or_else(dash, |severity| severity.word().to_owned()),
        one.restart.word().to_owned(),
        remarks.join(", "),
    ]
}

fn dash() -> String {
    "-".to_owned()
}

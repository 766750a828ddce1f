//! Formats the state of a node as metrics, in Prometheus's text format (version 0.0.4).
//!
//! In: the state of a node; names in it are hostile. Out: text for the textfile collector of
//! node_exporter. A value that is not known has no line, and `embargo_collector_success` is 0 then.
//! The names and IDs of containers are never labels: their number has no bound. `docs/status.md`
//! has a table of the metrics.

mod containers;
mod format;

use std::collections::BTreeMap;

use self::format::Metrics;
use super::counters::Counters;
use super::coverage::RuntimeNames;
use super::facts::{NodeMode, NodeStatus};
use super::list::InForceStatus;
use crate::ctl::last_install::InstallResult;

/// The metrics of a node.
pub(super) fn text(status: &NodeStatus) -> String {
    let mut to = Metrics::default();
    collector(status, &mut to);
    programs(status, &mut to);
    settings(status, &mut to);
    list(status, &mut to);
    trust(status, &mut to);
    last_install(status, &mut to);
    if let Some(counts) = &status.counts {
        counters(counts, &mut to);
    }
    if let Some(runtimes) = &status.runtimes {
        coverage(runtimes, &mut to);
    }
    if let Some(containers) = &status.containers {
        containers::add(containers, &mut to);
    }
    to.0
}

/// Whether everything could be read.
fn is_whole(status: &NodeStatus) -> bool {
    let read = [
        &status.trust_fault,
        &status.last_install_fault,
        &status.containers_fault,
        &status.runtimes_fault,
        &status.counts_fault,
        &status.programs.gate_fault,
    ];
    let bans = status
        .in_force
        .as_ref()
        .and_then(|list| list.bans_fault.as_ref());
    let containers = status.containers.as_ref();
    let runtimes = status.runtimes.as_ref();
    read.into_iter().all(Option::is_none)
        && bans.is_none()
        && containers.is_some_and(|found| found.faults.is_empty())
        && runtimes.is_some_and(|found| found.faults.is_empty())
}

fn collector(status: &NodeStatus, to: &mut Metrics) {
    to.one(
        "embargo_collector_success",
        "Whether everything about this node could be read.",
        Some(u8::from(is_whole(status))),
    );
    to.one(
        "embargo_collector_duration_seconds",
        "How long reading took.",
        Some(format!(
            "{}.{:03}",
            status.duration_ms / 1_000,
            status.duration_ms % 1_000
        )),
    );
}

fn programs(status: &NodeStatus, to: &mut Metrics) {
    let (name, programs) = ("embargo_build_info", &status.programs);
    to.gauge(
        name,
        "The versions of Embargo's programs, and the runtime that embargo becomes.",
    );
    let runtime = programs
        .runtime
        .as_deref()
        .unwrap_or("".as_ref())
        .to_string_lossy();
    if let Some(gate) = &programs.gate {
        let labels = [
            ("component", "gate"),
            ("version", gate.as_str()),
            ("runtime", &*runtime),
        ];
        to.value(name, &labels, 1);
    }
    let labels = [
        ("component", "ctl"),
        ("version", programs.ctl),
        ("runtime", &*runtime),
    ];
    to.value(name, &labels, 1);
}

fn settings(status: &NodeStatus, to: &mut Metrics) {
    to.choice(
        "embargo_mode",
        "What happens to a banned container: everything starts (off), starts with an event (audit), is refused (enforce).",
        "mode",
        &NodeMode::ALL.map(NodeMode::word),
        status.mode.word(),
    );
    to.one(
        "embargo_settings_valid",
        "Whether the settings can be used; with settings that cannot, every start is refused.",
        status
            .armed
            .then(|| u8::from(status.settings_fault.is_none())),
    );
    let open = status.break_glass.as_ref().filter(|glass| glass.open);
    to.time(
        "embargo_break_glass_until_timestamp_seconds",
        "Until when break-glass suspends refusals.",
        open.and_then(|glass| glass.until),
    );
}

fn list(status: &NodeStatus, to: &mut Metrics) {
    let info = "embargo_list_info";
    to.gauge(
        info,
        "Which copy of the list answers: current, copy, or none.",
    );
    let Some(list) = &status.in_force else {
        to.value(info, &[("origin", ""), ("head", ""), ("slot", "none")], 1);
        return;
    };
    let labels = [
        ("origin", list.origin.as_str()),
        ("head", list.head.as_str()),
        ("slot", list.slot),
    ];
    to.value(info, &labels, 1);
    to.one(
        "embargo_list_version",
        "The version of the list in force.",
        Some(list.version),
    );
    to.one(
        "embargo_list_keyset",
        "The number of the keyset that the list was made for.",
        Some(list.keyset),
    );
    for (name, help, time) in [
        (
            "embargo_list_issued_timestamp_seconds",
            "When the list was issued.",
            Some(list.issued),
        ),
        (
            "embargo_list_installed_timestamp_seconds",
            "When the list was installed.",
            list.installed,
        ),
        (
            "embargo_list_expires_timestamp_seconds",
            "When a newer list should have replaced the list.",
            Some(list.expires),
        ),
    ] {
        to.time(name, help, time);
    }
    contents(list, to);
}

fn contents(list: &InForceStatus, to: &mut Metrics) {
    let digests = "embargo_list_digests";
    to.gauge(
        digests,
        "The digests of the list, by kind; a digest may have several kinds.",
    );
    for (kind, count) in [
        ("base", list.digests.base),
        ("image", list.digests.image),
        ("layer", list.digests.layer),
    ] {
        to.value(digests, &[("kind", kind)], count);
    }
    if let Some(counts) = &list.bans {
        let bans = "embargo_list_bans";
        to.gauge(bans, "The bans of the list, by action and standing.");
        for action in ["refuse", "warn"] {
            for standing in ["in-effect", "ahead", "lapsed"] {
                let same = counts
                    .iter()
                    .find(|count| (count.action, count.standing) == (action, standing));
                let labels = [("action", action), ("standing", standing)];
                to.value(bans, &labels, same.map_or(0, |count| count.bans));
            }
        }
    }
    if !list.ahead.is_empty() {
        let effective = "embargo_ban_effective_timestamp_seconds";
        to.gauge(
            effective,
            "When each ban that is not yet in effect takes effect.",
        );
        for ban in &list.ahead {
            to.value(
                effective,
                &[("ban", ban.ban.as_str())],
                ban.effective.seconds(),
            );
        }
    }
}

fn trust(status: &NodeStatus, to: &mut Metrics) {
    to.one(
        "embargo_floor_version",
        "The version of the newest list that this node has had.",
        status.floor.as_ref().map(|floor| floor.version),
    );
    to.one(
        "embargo_keyset_number",
        "The number of this node's keyset.",
        status.keyset.as_ref().map(|keyset| keyset.keyset),
    );
    to.time(
        "embargo_keyset_expires_timestamp_seconds",
        "When a newer keyset should have replaced this node's keyset.",
        status.keyset.as_ref().map(|keyset| keyset.expires),
    );
}

fn last_install(status: &NodeStatus, to: &mut Metrics) {
    let Some(last) = &status.last_install else {
        return;
    };
    to.time(
        "embargo_install_last_attempt_timestamp_seconds",
        "When the last installation of a list ended.",
        Some(last.at),
    );
    to.time(
        "embargo_install_last_success_timestamp_seconds",
        "When the last installation that succeeded ended.",
        last.success,
    );
    to.choice(
        "embargo_install_last_result",
        "How the last installation ended.",
        "result",
        &InstallResult::ALL.map(InstallResult::word),
        last.result.word(),
    );
}

/// The events since the node was booted: the only metrics that are counters.
fn counters(counts: &Counters, to: &mut Metrics) {
    let decisions = "embargo_decisions_total";
    to.counter(
        decisions,
        "The events of container starts since the node was booted.",
    );
    for one in &counts.events {
        let labels = [
            ("event", one.event),
            ("grounds", one.grounds.unwrap_or_default()),
            ("engine", one.engine),
        ];
        to.value(decisions, &labels, one.count);
    }
    let refused = "embargo_refused_total";
    to.counter(
        refused,
        "The containers that each ban refused since the node was booted.",
    );
    for one in &counts.refusals {
        let labels = [("ban", one.ban.as_str()), ("severity", one.severity)];
        to.value(refused, &labels, one.count);
    }
}

/// Which runtime names lead to Embargo. Two daemons of an engine may have the same name: it is
/// covered if it is for both, and Prometheus takes a value only once.
fn coverage(found: &RuntimeNames, to: &mut Metrics) {
    let covered = "embargo_runtime_covered";
    to.gauge(
        covered,
        "Whether a runtime name of an engine leads to Embargo, by who can choose the name.",
    );
    let mut values: BTreeMap<[&str; 3], bool> = BTreeMap::new();
    for (name, is_covered) in found.known() {
        let labels = [name.engine.word(), name.name.as_str(), name.role.word()];
        *values.entry(labels).or_insert(true) &= is_covered;
    }
    for ([engine, runtime, role], is_covered) in values {
        let labels = [("engine", engine), ("runtime", runtime), ("role", role)];
        to.value(covered, &labels, u8::from(is_covered));
    }
    let unknown = "embargo_runtimes_unknown";
    to.one(
        unknown,
        "How many runtime names may or may not lead to Embargo.",
        Some(found.doubtful().count()),
    );
}

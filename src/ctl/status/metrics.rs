//! Formats the state of a node as metrics, in Prometheus's text format (version 0.0.4).
//!
//! In: the state of a node; names in it are hostile. Out: text for the textfile collector of
//! node_exporter. A value that is not known has no line, and `embargo_collector_success` is 0 then.
//! The names and IDs of containers are never labels: their number has no bound. `docs/status.md`
//! has a table of the metrics.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use super::containers::{Containers, Doomed};
use super::counters::Counters;
use super::facts::{NodeMode, NodeStatus};
use super::list::InForceStatus;
use crate::ctl::last_install::InstallResult;
use crate::sys::clock::Timestamp;

/// The metrics as they are written.
#[derive(Default)]
struct Metrics(String);

/// A label's name and its value.
type Label<'a> = (&'a str, &'a str);

impl Metrics {
    /// Starts a metric: all its values follow this line.
    fn gauge(&mut self, metric: &str, help: &str) {
        self.0 += &format!("# HELP {metric} {help}\n# TYPE {metric} gauge\n");
    }

    /// The same, for a metric that only grows until the node is booted.
    fn counter(&mut self, metric: &str, help: &str) {
        self.0 += &format!("# HELP {metric} {help}\n# TYPE {metric} counter\n");
    }

    /// A value of the metric that was started last.
    fn value(&mut self, metric: &str, labels: &[Label<'_>], value: impl Display) {
        self.0 += metric;
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            self.0 += &format!("{before}{label}=\"{}\"", escaped(text));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        // Writing to a string cannot fail.
        writeln!(self.0, " {value}").ok();
    }

    /// A metric with one value; nothing if the value is not known.
    fn one(&mut self, metric: &str, help: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.gauge(metric, help);
            self.value(metric, &[], value);
        }
    }

    fn time(&mut self, metric: &str, help: &str, time: Option<Timestamp>) {
        self.one(metric, help, time.map(Timestamp::seconds));
    }

    /// A metric that is 1 for the present value of a label, and 0 for each other value.
    fn choice(&mut self, metric: &str, help: &str, label: &str, all: &[&str], present: &str) {
        self.gauge(metric, help);
        for word in all {
            self.value(metric, &[(label, *word)], u8::from(*word == present));
        }
    }
}

/// A label's value: a backslash, a quote and a line feed are escaped.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    text.replace('\n', "\\n")
}

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
    if let Some(containers) = &status.containers {
        of_containers(containers, &mut to);
    }
    to.0
}

/// Whether everything could be read.
fn is_whole(status: &NodeStatus) -> bool {
    let read = [
        &status.trust_fault,
        &status.last_install_fault,
        &status.containers_fault,
        &status.counts_fault,
        &status.programs.gate_fault,
    ];
    let bans = status
        .in_force
        .as_ref()
        .and_then(|list| list.bans_fault.as_ref());
    read.into_iter().all(Option::is_none)
        && bans.is_none()
        && status
            .containers
            .as_ref()
            .is_some_and(|found| found.faults.is_empty())
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

fn of_containers(found: &Containers, to: &mut Metrics) {
    let containers = "embargo_containers";
    to.gauge(
        containers,
        "The containers, by engine; those of users' own engines are left out.",
    );
    for one in &found.engines {
        let engine = one.engine.word();
        to.value(
            containers,
            &[("engine", engine), ("state", "running")],
            one.running,
        );
        to.value(
            containers,
            &[("engine", engine), ("state", "stopped")],
            one.stopped,
        );
    }
    let unknown = "embargo_containers_unknown";
    to.gauge(
        unknown,
        "The running containers that could not be identified.",
    );
    for one in &found.engines {
        to.value(unknown, &[("engine", one.engine.word())], one.unknown);
    }
    to.one(
        "embargo_store_faults",
        "How many places of engines and runtimes could not be read.",
        Some(found.faults.len()),
    );
    to.time(
        "embargo_containers_seen_timestamp_seconds",
        "When the containers were looked at.",
        Some(found.at),
    );
    doomed(found, to);
    patches(found, to);
}

fn patches(found: &Containers, to: &mut Metrics) {
    if let Some(counts) = &found.unpatched {
        let unpatched = "embargo_unpatched_containers";
        to.gauge(
            unpatched,
            "The running containers in which a ban's patch is not on record as done.",
        );
        for one in counts {
            let labels = [
                ("ban", one.ban.as_str()),
                ("severity", one.severity.word()),
                ("engine", one.engine.word()),
            ];
            to.value(unpatched, &labels, one.containers);
        }
    }
    let Some(patches) = &found.patches else {
        return;
    };
    to.one(
        "embargo_patch_journal_bytes",
        "How many bytes the journals of exec-patch have.",
        Some(patches.journal_bytes),
    );
    let Some(run) = &patches.last_run else {
        return;
    };
    to.time(
        "embargo_patch_last_run_started_timestamp_seconds",
        "When the newest run of exec-patch started.",
        Some(run.started),
    );
    to.time(
        "embargo_patch_last_run_ended_timestamp_seconds",
        "When the newest run of exec-patch ended.",
        run.ended,
    );
    let outcomes = "embargo_patch_last_run_outcomes";
    to.gauge(
        outcomes,
        "The patches of containers in the newest run of exec-patch.",
    );
    for one in &run.outcomes {
        to.value(outcomes, &[("outcome", one.outcome.as_str())], one.patches);
    }
}

fn doomed(found: &Containers, to: &mut Metrics) {
    let name = "embargo_doomed_containers";
    to.gauge(
        name,
        "The containers that the list in force would refuse at their next start.",
    );
    let mut counts: BTreeMap<[&str; 5], usize> = BTreeMap::new();
    for one in &found.doomed {
        *counts.entry(labels_of(one)).or_default() += 1;
    }
    for ([ban, severity, engine, restart, grounds], count) in counts {
        let labels = [
            ("ban", ban),
            ("severity", severity),
            ("engine", engine),
            ("restart", restart),
            ("grounds", grounds),
        ];
        to.value(name, &labels, count);
    }
    let ahead = "embargo_doomed_ahead_containers";
    to.gauge(
        ahead,
        "The running containers that a ban refuses from a later time on.",
    );
    let mut counts: BTreeMap<[&str; 2], usize> = BTreeMap::new();
    for one in &found.doomed_ahead {
        *counts
            .entry([one.ban.as_str(), one.engine.word()])
            .or_default() += one.containers;
    }
    for ([ban, engine], count) in counts {
        to.value(ahead, &[("ban", ban), ("engine", engine)], count);
    }
}

fn labels_of(one: &Doomed) -> [&str; 5] {
    [
        one.ban.as_deref().unwrap_or_default(),
        one.severity.map_or("", |severity| severity.word()),
        one.engine.word(),
        one.restart.word(),
        one.grounds.word(),
    ]
}

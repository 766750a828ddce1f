//! Formats what is known of a node's containers as metrics.
//!
//! In: the containers; names in them are hostile. Out: counts by engine, ban and outcome. The names
//! and IDs of containers are never labels.

use std::collections::BTreeMap;

use super::super::containers::{Containers, Doomed};
use super::format::Metrics;

/// Adds what is known of the containers.
pub(super) fn add(found: &Containers, to: &mut Metrics) {
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

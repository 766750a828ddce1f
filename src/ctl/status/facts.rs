//! Gathers the facts that the state of a node consists of.
//!
//! In: the node's files and engines. Out: a [`NodeStatus`], whose fields are those of the JSON
//! document. A part that could not be read is missing, and the field beside it says why.

use std::error::Error;
use std::time::Instant;

use serde::Serialize;

use super::containers::Containers;
use super::counters::Counters;
use super::coverage::RuntimeNames;
use super::list::InForceStatus;
use super::programs::Programs;
use super::{containers, coverage, list, programs};
use crate::audit::counts;
use crate::banlist::floor::Floor;
use crate::banlist::keyset::Keyset;
use crate::banlist::store::Trust;
use crate::ctl::keyset::renewal;
use crate::ctl::last_install::{self, LastInstall};
use crate::lineage::digest::Digest;
use crate::node::patches::AskPatches;
use crate::paths::Paths;
use crate::report::line::causes;
use crate::settings::{self, BREAK_GLASS_MAX, Mode, Settings, SettingsError};
use crate::sys::clock::Timestamp;
use crate::verdict::break_glass::{self, BreakGlass};

/// The state of a node.
#[derive(Debug, Serialize)]
pub(super) struct NodeStatus {
    /// When the node was looked at.
    pub(super) at: Timestamp,
    /// How long looking took, in milliseconds.
    pub(super) duration_ms: u64,
    /// The programs: gate, runtime, and this one.
    pub(super) programs: Programs,
    /// Whether there is a settings file.
    pub(super) armed: bool,
    /// What happens to a banned container.
    pub(super) mode: NodeMode,
    /// Why the settings cannot be used. Every container is refused then.
    pub(super) settings_fault: Option<String>,
    /// The break-glass file, if there is one.
    pub(super) break_glass: Option<BreakGlassStatus>,
    /// The list in force. `None` when there is no authentic list.
    pub(super) in_force: Option<InForceStatus>,
    /// Why there is no list, or why its first copy is not used.
    pub(super) in_force_fault: Option<String>,
    /// The newest list that the node has ever had.
    pub(super) floor: Option<FloorStatus>,
    /// The keyset.
    pub(super) keyset: Option<KeysetStatus>,
    /// Why the keyset or the floor cannot be used.
    pub(super) trust_fault: Option<String>,
    /// The last installation. `None` if none is on record.
    pub(super) last_install: Option<LastInstall>,
    /// Why the record of the last installation cannot be used.
    pub(super) last_install_fault: Option<String>,
    /// How often each event happened since the node was booted.
    pub(super) counts: Option<Counters>,
    /// Why the counts cannot be read.
    pub(super) counts_fault: Option<String>,
    /// The engines' runtime names. `None` if they could not be looked for.
    pub(super) runtimes: Option<RuntimeNames>,
    /// Why the runtime names could not be looked for.
    pub(super) runtimes_fault: Option<String>,
    /// The containers. `None` if they could not be looked at.
    pub(super) containers: Option<Containers>,
    /// Why the containers could not be looked at.
    pub(super) containers_fault: Option<String>,
}

/// What happens on this node to a container that the list bans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum NodeMode {
    /// The node is not armed: everything starts.
    Off,
    /// The container starts, with an event.
    Audit,
    /// The container is refused.
    Enforce,
}

impl NodeMode {
    /// Every mode.
    pub(super) const ALL: [Self; 3] = [Self::Off, Self::Audit, Self::Enforce];

    /// The name of the mode in every output.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Audit => "audit",
            Self::Enforce => "enforce",
        }
    }
}

/// The break-glass file.
#[derive(Debug, Serialize)]
pub(super) struct BreakGlassStatus {
    /// Whether refusals are suspended now.
    pub(super) open: bool,
    /// The limit in the file.
    pub(super) until: Option<Timestamp>,
    /// The reason in the file.
    pub(super) reason: Option<String>,
    /// Why the file opens nothing.
    pub(super) fault: Option<String>,
}

/// The floor.
#[derive(Debug, Serialize)]
pub(super) struct FloorStatus {
    /// The number of the keyset of the newest list.
    pub(super) keyset: u64,
    /// The version of the newest list.
    pub(super) version: u64,
    /// The SHA-256 of its head.
    pub(super) head: Digest,
    /// When it was issued.
    pub(super) issued: Timestamp,
}

/// The keyset.
#[derive(Debug, Serialize)]
pub(super) struct KeysetStatus {
    /// The origin of the lists that its keys sign.
    pub(super) origin: String,
    /// The number of the keyset.
    pub(super) keyset: u64,
    /// When a newer keyset should have replaced it.
    pub(super) expires: Timestamp,
    /// A warning that the keyset ends soon, or has ended.
    pub(super) renewal: Option<String>,
}

impl NodeStatus {
    /// Looks at the node.
    pub(super) fn of(paths: &Paths, ask_patches: Option<AskPatches>, now: Timestamp) -> Self {
        let start = Instant::now();
        let loaded = settings::load(paths);
        let (stored, settings_fault) = match &loaded {
            Ok(stored) => (stored.as_ref(), None),
            Err(fault) => (None, Some(causes(fault))),
        };
        let rules = stored.map(Settings::rules).unwrap_or_default();
        let (trust, trust_fault) = fact_or_fault(Trust::load(paths, &rules));
        let (last_install, last_install_fault) = fact_or_fault(last_install::read(paths));
        let last_install = last_install.flatten();
        let (in_force, in_force_fault) = list::of(paths, stored, last_install.as_ref(), now);
        let (containers, containers_fault) =
            fact_or_fault(containers::seen(paths, stored, ask_patches, now));
        let (runtimes, runtimes_fault) = fact_or_fault(coverage::seen(paths, now));
        let (counts, counts_fault) = fact_or_fault(counts::read(paths).map(Counters::of));
        let glass = break_glass::load(paths);
        let programs = programs::of(stored);
        Self {
            at: now,
            duration_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
            programs,
            armed: stored.is_some() || settings_fault.is_some(),
            mode: NodeMode::of(&loaded),
            settings_fault,
            break_glass: glass.map(|glass| BreakGlassStatus::of(&glass, stored, now)),
            in_force,
            in_force_fault,
            floor: trust
                .as_ref()
                .and_then(|trust| trust.floor)
                .map(FloorStatus::of),
            keyset: trust.map(|trust| KeysetStatus::of(&trust.keyset, now)),
            trust_fault,
            last_install,
            last_install_fault,
            counts,
            counts_fault,
            runtimes,
            runtimes_fault,
            containers,
            containers_fault,
        }
    }
}

/// A fact, or why it could not be read.
fn fact_or_fault<T, E: Error + 'static>(read: Result<T, E>) -> (Option<T>, Option<String>) {
    match read {
        Ok(fact) => (Some(fact), None),
        Err(fault) => (None, Some(causes(&fault))),
    }
}

impl NodeMode {
    fn of(settings: &Result<Option<Settings>, SettingsError>) -> Self {
        match settings {
            Ok(None) => Self::Off,
            Ok(Some(settings)) => match settings.mode {
                Mode::Audit => Self::Audit,
                Mode::Enforce => Self::Enforce,
            },
            // With settings that cannot be used, the gate refuses everything.
            Err(_) => Self::Enforce,
        }
    }
}

impl BreakGlassStatus {
    fn of(glass: &BreakGlass, settings: Option<&Settings>, now: Timestamp) -> Self {
        let longest = match settings {
            Some(settings) => settings.break_glass_max,
            None => BREAK_GLASS_MAX,
        };
        let (until, reason) = match glass {
            BreakGlass::Given { until, reason, .. } => (Some(*until), Some(reason.clone())),
            BreakGlass::Unusable(_) => (None, None),
        };
        let fault = glass.state(now, longest).err().map(|shut| shut.to_string());
        Self {
            open: fault.is_none(),
            until,
            reason,
            fault,
        }
    }
}

impl FloorStatus {
    const fn of(floor: Floor) -> Self {
        Self {
            keyset: floor.edition.keyset,
            version: floor.edition.version,
            head: floor.head,
            issued: floor.issued,
        }
    }
}

impl KeysetStatus {
    fn of(keyset: &Keyset, now: Timestamp) -> Self {
        Self {
            origin: keyset.origin.clone(),
            keyset: keyset.number,
            expires: keyset.expires,
            renewal: renewal(keyset, now),
        }
    }
}

//! Decides whether a container may start.
//!
//! This is the only code that decides whether a container may start, for the gate, `embargo check`,
//! `exec-patch` and `embargoctl`. Pure. In: a [`Case`], which has the container's lineage, the
//! list's matches, the settings and the time. Out: admit or refuse, with the evidence. The rules
//! are those of embargo(8), OUTCOMES; each rule has at least one test. All input was checked where
//! it was read. Names and labels are still hostile text, and are quoted here. Not judged here:
//! whether a list is authentic, and whether a lineage is true.
//!
//! Only this module makes an [`Admission`], and only an admission lets `delegate` run the real
//! runtime: code that skips the check does not compile.

pub mod break_glass;
pub mod event;
pub mod leniency;
pub mod listed;
pub mod moment;
pub mod standing;
mod sentence;
mod obstacle;
mod conclusion;

#[cfg(test)]
mod tests;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::banlist::ban::MatchKind;
use crate::banlist::store::{Bans, Query};
use crate::call::{PassOn, Starts};
use crate::container::engine::Engine;
use crate::lineage::{LineageError, Origin};
use crate::report::line;
use crate::settings::{ADMITS, BREAK_GLASS_MAX, Mode, REFUSES, Settings, SettingsError};
use crate::sys::clock::Timestamp;

use break_glass::BreakGlass;
use conclusion::{Conclusion, conclude, remarks};
use event::{Event, EventKind, Subject, parts};
use moment::Moment;
use obstacle::obstacle;
pub use obstacle::pull_doubt;
pub use standing::{Finding, Standing};

/// Everything on which the verdict on one container depends.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The container's ID, or the name given to `check`.
    pub container: &'a str,
    /// The name that the engine gives the container, such as `web-1`; only for messages. Anybody
    /// may have chosen the name, and no decision depends on it.
    pub name: Option<&'a str>,
    /// The container's engine, for the audit event.
    pub engine: Engine,
    /// What the container is made of.
    pub origin: Result<&'a Origin, &'a LineageError>,
    /// The labels of the container's image. The labels change no decision, and reading them takes
    /// time. So judge without labels first, and again with labels if there are events.
    pub labels: Labels<'a>,
    /// The result of looking up the origin's [`queries`] in the list.
    pub bans: &'a Bans,
    /// The operator's decisions.
    pub settings: &'a Settings,
    /// The break-glass file, if there is one.
    pub break_glass: Option<&'a BreakGlass>,
    /// When the engine made the container, by the engine's own record. Reading it takes time, and
    /// only few bans depend on it. So judge without it first, and again with it if
    /// [`Judgement::depends_on_creation`]. Without it, the container is taken to be new.
    pub created: Option<Timestamp>,
    /// The system clock.
    pub now: Timestamp,
}

/// Labels in which an image's author states the image's origin. They are shown, but never trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Labels<'a> {
    /// `org.opencontainers.image.source`.
    pub source: Option<&'a str>,
    /// `org.opencontainers.image.revision`.
    pub revision: Option<&'a str>,
}

impl Case<'_> {
    /// The container's name for messages, or else its ID.
    fn called(&self) -> &str {
        match self.name {
            Some(name) => name,
            None => short(self.container),
        }
    }

    const fn list_version(&self) -> Option<u64> {
        match self.bans {
            Bans::Known(known) => Some(known.version),
            Bans::Missing(_) => None,
        }
    }
}

/// The judgement on one container.
#[derive(Debug)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The refusal that was not carried out, because of audit mode or break-glass.
    pub withheld: Option<Refusal>,
    /// Events for the system log; empty if the container is admitted and nothing must be reported.
    pub events: Vec<Event>,
    /// Every match with the list, the most severe first, including matches that change nothing.
    pub findings: Vec<Finding>,
}

impl Judgement {
    /// Whether a ban refuses the container only if it is new: the ban lets containers that existed
    /// before start again until some day.
    #[must_use]
    pub fn depends_on_creation(&self) -> bool {
        self.findings.iter().any(|finding| {
            finding.standing.is_in_effect() && finding.hit.ban.existing_until.is_some()
        })
    }
}

/// The ID in the short form of the engines: the first 12 of its 64 digits. An ID of another form
/// was chosen by somebody, and is not cut.
#[must_use]
pub fn short(id: &str) -> &str {
    let is_long = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_long { &id[..12] } else { id }
}

/// Whether the container may start. In memory, the number of one variant is the complement of the
/// other's: see [`ADMITS`].
#[derive(Debug)]
#[repr(u32)]
pub enum Verdict {
    /// The runtime may run.
    Admit(Admission) = ADMITS,
    /// The runtime must not run.
    Refuse(Refusal) = REFUSES,
}

/// Permission to run the real runtime. Only this module makes it.
#[derive(Debug)]
pub struct Admission(());

/// A refusal: its grounds, and the line that engines show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    grounds: Grounds,
    line: String,
}

impl Refusal {
    /// A refusal for the reason `because`. `help` is the operator's own page, if there is one.
    fn new(grounds: Grounds, container: &str, because: &str, help: Option<&str>) -> Self {
        let text = format!("embargo: refused {}: {because}", line::name(container));
        let line = match help {
            Some(url) => line::for_engine_with_page(&text, url),
            None => line::for_engine(&text),
        };
        Self { grounds, line }
    }

    /// Why the container is refused.
    #[must_use]
    pub const fn grounds(&self) -> Grounds {
        self.grounds
    }

    /// The whole refusal on one line, in a form that engines can show.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }
}

/// Why a container is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grounds {
    /// A ban in effect matches the container.
    Banned,
    /// The engine's store is corrupt or disagrees with the mount.
    CorruptStore,
    /// There is no authentic list.
    MissingList,
    /// The container's lineage is unknown, or is only claimed by the image's author.
    UnknownImage,
    /// The container was made from no image.
    NoImage,
    /// The list is past its grace period.
    OverdueList,
    /// The settings cannot be used.
    Settings,
}

impl Grounds {
    /// Every kind of grounds.
    #[cfg(test)]
    pub const ALL: [Self; 7] = [
        Self::Banned,
        Self::CorruptStore,
        Self::MissingList,
        Self::UnknownImage,
        Self::NoImage,
        Self::OverdueList,
        Self::Settings,
    ];

    /// The name of these grounds in audit events and reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Banned => "banned",
            Self::CorruptStore => "corrupt-store",
            Self::MissingList => "missing-list",
            Self::UnknownImage => "unknown-image",
            Self::NoImage => "no-image",
            Self::OverdueList => "overdue-list",
            Self::Settings => "settings",
        }
    }
}

/// Permission for a call that starts no container. A [`PassOn`] exists only if no grammar reads the
/// arguments as the start of a container.
#[must_use]
pub const fn nothing_starts(_call: &PassOn<'_>) -> Admission {
    Admission(())
}

/// Permission for a call, if it starts no container: `starts` has no readings, and none may be
/// missing. Else `None`.
#[must_use]
pub const fn no_start(starts: &Starts<'_>) -> Option<Admission> {
    if starts.readings.is_empty() && !starts.cut_short {
        Some(Admission(()))
    } else {
        None
    }
}

/// The judgement when there is no settings file: everything starts, and the system log records that
/// the node is not armed.
#[must_use]
pub fn not_armed(container: &str, engine: Engine, settings: &Path) -> Judgement {
    let subject = Subject {
        container: container.to_owned(),
        engine,
        ..Subject::default()
    };
    let message = format!(
        "embargo: admitted {}, as every container: not armed, because there is no {settings:?}",
        line::name(short(container))
    );
    let events = vec![Event::new(EventKind::NotArmed, &subject, &[], &message)];
    Judgement {
        verdict: Verdict::Admit(Admission(())),
        withheld: None,
        events,
        findings: Vec::new(),
    }
}

/// The judgement when the settings cannot be used: a refusal that names the file and the line,
/// unless break-glass is open.
#[must_use]
pub fn settings_unreadable(
    container: &str,
    engine: Engine,
    error: &SettingsError,
    glass: Option<&BreakGlass>,
    now: Timestamp,
) -> Judgement {
    let subject = Subject {
        container: container.to_owned(),
        engine,
        ..Subject::default()
    };
    let because = line::causes(error);
    let refusal = Refusal::new(Grounds::Settings, short(container), &because, None);
    conclude(Conclusion {
        subject,
        obstacle: Some(refusal),
        mode: Mode::Enforce,
        glass,
        now,
        break_glass_max: BREAK_GLASS_MAX,
        findings: Vec::new(),
        events: Vec::new(),
    })
}

/// The queries for the list: every chain ID as a base, every digest of the image as an image, and
/// every diff ID as a layer.
#[must_use]
pub fn queries(origin: &Origin) -> Vec<Query> {
    let (chain, facts, _) = parts(Some(origin));
    let mut queries = Vec::new();
    if let Some(chain) = chain {
        for id in chain.chain_ids() {
            queries.push(Query {
                digest: id.0,
                kind: MatchKind::Base,
            });
        }
    }
    if let Some(facts) = facts {
        if let Some(id) = facts.image_id {
            queries.push(Query {
                digest: id.0,
                kind: MatchKind::Image,
            });
        }
        for manifest in &facts.manifests {
            queries.push(Query {
                digest: *manifest,
                kind: MatchKind::Image,
            });
        }
    }
    if let Some(chain) = chain {
        for id in chain.diff_ids() {
            queries.push(Query {
                digest: id.0,
                kind: MatchKind::Layer,
            });
        }
    }
    queries
}

/// The time by which containers are judged when the system clock shows this time: see `moment`.
#[cfg(feature = "ctl")]
#[must_use]
pub fn present(clock: Timestamp, bans: &Bans) -> Timestamp {
    Moment::of(clock, bans, 0).now
}

/// Judges one [`Case`].
#[must_use]
pub fn judge(case: &Case<'_>) -> Judgement {
    let moment = Moment::of(case.now, case.bans, case.settings.grace);
    let findings = match (case.origin, case.bans) {
        (Ok(origin), Bans::Known(known)) => {
            standing::findings(&known.hits, origin, case.created, moment.now)
        }
        (Ok(_), Bans::Missing(_)) | (Err(_), Bans::Known(_) | Bans::Missing(_)) => Vec::new(),
    };
    let subject = Subject::of(case);
    let obstacle = obstacle(case, &findings, &moment);
    let mut events = moment::events(case, &moment, &subject);
    if obstacle.is_none() {
        events.extend(remarks(case, &findings, &subject));
    }
    conclude(Conclusion {
        subject,
        obstacle,
        mode: case.settings.mode,
        glass: case.break_glass,
        now: moment.now,
        break_glass_max: case.settings.break_glass_max,
        findings,
        events,
    })
}

//! Decides whether a container may start.
//!
//! This is the only code that decides, for the gate, `embargo check`, `exec-patch` and
//! `embargoctl`. Pure. In: lineage, look-ups, settings and time. Out: admit or refuse, with the
//! evidence. The rules are those of embargo(8), OUTCOMES; each rule has at least one test. All
//! input was checked where it was read. Names and labels are still hostile text, and are quoted
//! here. Not judged here: whether a list is authentic, and whether a lineage is true.
//!
//! Only this module makes an [`Admission`], and only an admission lets `delegate` run the real
//! runtime: code that skips the check does not compile.

pub mod break_glass;
pub mod event;
pub mod leniency;
pub mod listed;
mod moment;
pub mod standing;
mod words;

#[cfg(test)]
mod tests;

use std::path::Path;

use crate::banlist::error::ListError;
use crate::banlist::record::MatchKind;
use crate::banlist::store::{Bans, Query};
use crate::call::{PassOn, Starts};
use crate::container::engine::Engine;
use crate::lineage::{Evidence, LineageError, Origin};
use crate::report::line;
use crate::settings::{
    BREAK_GLASS_MAX, Mode, OnMissingList, OnNoImage, OnOverdueList, OnUnknownImage, Settings,
    SettingsError,
};
use crate::sys::clock::Timestamp;

use break_glass::{BreakGlass, Open, Shut};
use event::{Event, EventKind, Subject, parts};
use moment::{Freshness, Moment};
pub use standing::{Finding, Standing};

/// Everything on which a verdict depends.
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
    /// The labels of the container's image. They change no decision, and reading them takes time.
    /// So judge without them first, and again with them if there are events.
    pub labels: Labels<'a>,
    /// The list's answer to the origin's [`queries`].
    pub bans: &'a Bans,
    /// The operator's decisions.
    pub settings: &'a Settings,
    /// The break-glass file, if there is one.
    pub break_glass: Option<&'a BreakGlass>,
    /// The system clock.
    pub now: Timestamp,
}

/// What an image's author says about the origin of the image. It is shown, but never believed.
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
        self.name.unwrap_or_else(|| short(self.container))
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

/// The ID in the short form of the engines: the first 12 of its 64 digits.
fn short(id: &str) -> &str {
    let is_long = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_long { &id[..12] } else { id }
}

/// Whether the container may start.
#[derive(Debug)]
pub enum Verdict {
    /// The runtime may run.
    Admit(Admission),
    /// The runtime may not run.
    Refuse(Refusal),
}

/// Permission to run the real runtime. Only this module makes it.
#[derive(Debug)]
pub struct Admission(());

/// A refusal: its grounds, and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    grounds: Grounds,
    line: String,
}

impl Refusal {
    fn new(grounds: Grounds, container: &str, because: &str) -> Self {
        Self {
            grounds,
            line: line::for_engine(&format!(
                "embargo: refused {}: {because}",
                line::name(container)
            )),
        }
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Permission for a call that starts no container. A [`PassOn`] exists only if no reading of the
/// arguments starts one.
#[must_use]
pub const fn nothing_starts(_call: &PassOn<'_>) -> Admission {
    Admission(())
}

/// Permission for a call if no reading is left in which it starts a container; else `None`.
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
    let refusal = Refusal::new(Grounds::Settings, short(container), &line::causes(error));
    let glass = glass.map(|glass| glass.state(now, BREAK_GLASS_MAX));
    conclude(Conclusion {
        subject,
        obstacle: Some(refusal),
        mode: Mode::Enforce,
        glass,
        findings: Vec::new(),
        events: Vec::new(),
    })
}

/// The queries for the list: every chain ID as a base, every digest of the image as an image, and
/// every diff ID as a layer.
#[must_use]
pub fn queries(origin: &Origin) -> Vec<Query> {
    let (chain, facts, _) = parts(Some(origin));
    let of = |kind| move |digest| Query { digest, kind };
    let bases = chain
        .into_iter()
        .flat_map(|chain| chain.chain_ids())
        .map(|id| id.0)
        .map(of(MatchKind::Base));
    let images = facts.into_iter().flat_map(|facts| {
        facts
            .image_id
            .map(|id| id.0)
            .into_iter()
            .chain(facts.manifests.iter().copied())
    });
    let layers = chain
        .into_iter()
        .flat_map(|chain| chain.diff_ids())
        .map(|id| id.0)
        .map(of(MatchKind::Layer));
    bases
        .chain(images.map(of(MatchKind::Image)))
        .chain(layers)
        .collect()
}

/// Judges one case.
#[must_use]
pub fn judge(case: &Case<'_>) -> Judgement {
    let moment = Moment::of(case.now, case.bans, case.settings.grace);
    let findings = match (case.origin, case.bans) {
        (Ok(origin), Bans::Known(known)) => standing::findings(&known.hits, origin, moment.now),
        (Ok(_), Bans::Missing(_)) | (Err(_), Bans::Known(_) | Bans::Missing(_)) => Vec::new(),
    };
    let subject = Subject::of(case);
    let obstacle = obstacle(case, &findings, &moment);
    let mut events = moment::events(case, &moment, &subject);
    if obstacle.is_none() {
        events.extend(remarks(case, &findings, &subject));
    }
    let glass = case
        .break_glass
        .map(|glass| glass.state(moment.now, case.settings.break_glass_max));
    conclude(Conclusion {
        subject,
        obstacle,
        mode: case.settings.mode,
        glass,
        findings,
        events,
    })
}

/// The first reason, in order of precedence, not to start the container. A ban that matches comes
/// first; reasons that rest on missing knowledge come later.
fn obstacle(case: &Case<'_>, findings: &[Finding], moment: &Moment) -> Option<Refusal> {
    let refusal = |grounds, because: String| {
        Some(Refusal::new(
            grounds,
            case.called(),
            &format!("{because}{}", words::tail(case)),
        ))
    };
    if let Some(finding) = findings
        .iter()
        .find(|finding| finding.standing.is_in_effect())
    {
        return refusal(Grounds::Banned, words::finding(finding, case.origin.ok()));
    }
    if let Err(error @ LineageError::Corrupt(_)) = case.origin {
        return refusal(
            Grounds::CorruptStore,
            format!("cannot trust its engine's store: {}", line::causes(error)),
        );
    }
    // This is a ban, though an unreadable one. The settings decide only what happens without a
    // list.
    if let Bans::Missing(error @ ListError::Unread(..)) = case.bans {
        return Some(Refusal::new(
            Grounds::Banned,
            case.called(),
            &words::unread(error, case.labels),
        ));
    }
    if let (Bans::Missing(error), OnMissingList::Refuse) =
        (case.bans, case.settings.on_missing_list)
    {
        return Some(Refusal::new(
            Grounds::MissingList,
            case.called(),
            &words::no_list(error, case.labels),
        ));
    }
    if let (Some(doubt), OnUnknownImage::Refuse) = (doubt(case), case.settings.on_unknown_image) {
        return refusal(Grounds::UnknownImage, doubt);
    }
    if let (Ok(Origin::NoImage), OnNoImage::Refuse) = (case.origin, case.settings.on_no_image) {
        return refusal(Grounds::NoImage, "it is made from no image".to_owned());
    }
    if let (Freshness::Overdue(since), OnOverdueList::Refuse) =
        (moment.freshness, case.settings.on_overdue_list)
    {
        return refusal(
            Grounds::OverdueList,
            format!("the ban list is overdue since {}", since.date()),
        );
    }
    None
}

/// Why it is unknown what the container is made of; `None` if it is known.
fn doubt(case: &Case<'_>) -> Option<String> {
    match case.origin {
        Err(error @ LineageError::Unknown(_)) => Some(words::unknown(error)),
        Ok(Origin::Image(image)) => match image.evidence {
            // The chain IDs are known, so a banned base is found. A banned layer is not.
            Evidence::Claimed if image.chain.diff_ids().is_empty() => {
                Some("cannot tell what it is made of: its image is gone, and only the names of its layers' stacks are left".to_owned())
            }
            Evidence::Claimed => Some("cannot tell what it is made of: its layers are only claimed by the image's author".to_owned()),
            Evidence::Metadata | Evidence::Mount => None,
        },
        Ok(Origin::NoLayers(_) | Origin::NoImage) | Err(LineageError::Corrupt(_)) => None,
    }
}

/// Why a ban of the container's image may have been missed: the list bans images by digest, and not
/// every digest of this image is known. `None` if there is no such doubt. A container is not
/// refused for that: bans by base, by layer and by image ID are still found.
#[must_use]
pub fn pull_doubt(origin: Option<&Origin>, bans: &Bans) -> Option<String> {
    let fault = origin?.facts()?.pull_fault.as_ref()?;
    match bans {
        Bans::Known(list) if list.image_digests > 0 => Some(format!(
            "cannot tell by which digests its image was pulled: {fault}"
        )),
        Bans::Known(_) | Bans::Missing(_) => None,
    }
}

/// The events when the container is admitted.
fn remarks(case: &Case<'_>, findings: &[Finding], subject: &Subject) -> Vec<Event> {
    let admitted = |because: &str| {
        format!(
            "embargo: admitted {}: {because}{}",
            line::name(case.called()),
            words::tail(case)
        )
    };
    let mut events: Vec<Event> = Vec::new();
    let mut told = Vec::new();
    for finding in findings {
        let kind = match finding.standing {
            Standing::Ahead { .. } => EventKind::BanAhead,
            Standing::Warns => EventKind::Warned,
            Standing::Excepted(_) => EventKind::Excepted,
            Standing::Cured(_) => EventKind::Cured,
            Standing::InEffect | Standing::Lapsed => continue,
        };
        // A ban that matches many layers is reported once.
        if told.contains(&(kind, &finding.hit.ban.id)) {
            continue;
        }
        told.push((kind, &finding.hit.ban.id));
        let message = admitted(&words::finding(finding, case.origin.ok()));
        events.push(Event::new(kind, subject, &[finding], &message));
    }
    if let Ok(Origin::NoImage) = case.origin {
        events.push(Event::new(
            EventKind::NoImage,
            subject,
            &[],
            &admitted("it is made from no image"),
        ));
    }
    if let Some(doubt) = doubt(case).or_else(|| pull_doubt(case.origin.ok(), case.bans)) {
        events.push(Event::new(
            EventKind::UnknownImage,
            subject,
            &[],
            &admitted(&doubt),
        ));
    }
    if let Bans::Missing(error) = case.bans {
        let message = format!(
            "embargo: admitted {}: {}",
            line::name(case.called()),
            words::no_list(error, case.labels)
        );
        events.push(Event::new(EventKind::ListMissing, subject, &[], &message));
    }
    events
}

/// What the final decision needs, once the obstacle is known.
struct Conclusion<'a> {
    subject: Subject,
    obstacle: Option<Refusal>,
    mode: Mode,
    glass: Option<Result<Open<'a>, Shut<'a>>>,
    findings: Vec<Finding>,
    events: Vec<Event>,
}

/// Decides whether the obstacle refuses the container. It becomes an event only, if break-glass is
/// open or the mode is `audit`.
fn conclude(conclusion: Conclusion<'_>) -> Judgement {
    let Conclusion {
        subject,
        obstacle,
        mode,
        glass,
        findings,
        mut events,
    } = conclusion;
    let concerned: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.standing.is_in_effect())
        .collect();
    let mut event = |kind, refusal: Option<&Refusal>, message: &str| {
        events.push(Event {
            grounds: refusal.map(Refusal::grounds),
            ..Event::new(kind, &subject, &concerned, message)
        });
    };
    let open = match glass {
        Some(Ok(open)) => Some(open),
        Some(Err(shut)) => {
            event(
                EventKind::BreakGlassIgnored,
                None,
                &format!("embargo: {shut}"),
            );
            None
        }
        None => None,
    };
    let container = line::name(
        subject
            .name
            .as_deref()
            .unwrap_or_else(|| short(&subject.container)),
    );
    match (&obstacle, open, mode) {
        (None, None, Mode::Enforce | Mode::Audit) => {}
        (None, Some(open), Mode::Enforce | Mode::Audit) => {
            event(
                EventKind::BreakGlass,
                None,
                &format!("embargo: admitted {container} under {open}"),
            );
        }
        (Some(refusal), Some(open), Mode::Enforce | Mode::Audit) => {
            let message = format!(
                "embargo: admitted {container} under {open} instead of: {}",
                refusal.line
            );
            event(EventKind::BreakGlassOverride, Some(refusal), &message);
        }
        (Some(refusal), None, Mode::Audit) => event(
            EventKind::WouldRefuse,
            Some(refusal),
            &format!("embargo: mode audit: {}", refusal.line),
        ),
        (Some(refusal), None, Mode::Enforce) => {
            event(EventKind::Refused, Some(refusal), &refusal.line);
            return Judgement {
                verdict: Verdict::Refuse(refusal.clone()),
                withheld: None,
                events,
                findings,
            };
        }
    }
    Judgement {
        verdict: Verdict::Admit(Admission(())),
        withheld: obstacle,
        events,
        findings,
    }
}

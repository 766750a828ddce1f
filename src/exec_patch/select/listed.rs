//! Finds the bans that apply to each container.
//!
//! In: what every container is made of, and the list in force. Out: for each container, whether it
//! matches, decided by the same code that judges starts. The list is opened and queried once, with
//! all digests together. Mode and break-glass do not matter: they decide what may start, and these
//! containers run already.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::comparison::Comparison;
use super::error::SelectError;
use crate::banlist::answers::Answers;
use crate::banlist::bytes::Reader;
use crate::banlist::error::ListError;
use crate::banlist::record::{self, Ban};
use crate::banlist::section;
use crate::banlist::store::{self, Bans, ListAnswer, ListId, Query, Slot};
use crate::container::engine::Engine;
use crate::lineage::digest::Digest;
use crate::lineage::{Evidence, Origin};
use crate::paths::Paths;
use crate::report::line;
use crate::settings::Settings;
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};
use crate::verdict::{self, Case, Finding, Labels, Standing};

/// Which matches in the list count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BanFilter<'a> {
    /// Matches with these bans, unless the container is cured or excepted, or the ban has lapsed.
    Bans(&'a [String]),
    /// Matches with any ban that is in effect, including bans that only warn.
    Effect,
}

/// The list in force, and its answers about many containers.
pub(super) struct Listed<'a> {
    paths: &'a Paths,
    settings: &'a Settings,
    now: Timestamp,
    /// The identity of the list.
    pub(super) id: ListId,
    /// The answers; `None` if some digest in the query is banned and the ban's record cannot be
    /// read. Then each container is queried alone.
    known: Option<(ListAnswer, Answers)>,
}

impl<'a> Listed<'a> {
    /// Queries the list in force about all `origins`.
    ///
    /// # Errors
    /// [`SelectError::List`] when there is no list to ask.
    pub(super) fn ask<'o>(
        origins: impl Iterator<Item = &'o Origin>,
        paths: &'a Paths,
        settings: &'a Settings,
        now: Timestamp,
    ) -> Result<Self, SelectError> {
        let mut queries: Vec<Query> = origins.flat_map(verdict::queries).collect();
        queries.sort_unstable();
        queries.dedup();
        let rules = settings.rules();
        let (id, known) = match store::survey(paths, &rules, &queries) {
            Bans::Known(known) => {
                let answers = Answers::of(&known.hits);
                (known.id(), Some((known, answers)))
            }
            Bans::Missing(ListError::Unread(..)) => match store::look_up(paths, &rules, &[]) {
                Bans::Known(known) => (known.id(), None),
                Bans::Missing(fault) => return Err(fault.into()),
            },
            Bans::Missing(fault) => return Err(fault.into()),
        };
        Ok(Self {
            paths,
            settings,
            now,
            id,
            known,
        })
    }

    /// Warnings about the list.
    #[must_use]
    pub(super) fn warnings(&self) -> Vec<String> {
        let Some((known, _)) = &self.known else {
            return Vec::new();
        };
        let fault = known.fault.as_ref().map(|fault| {
            format!(
                "the second copy of list {} answers: {}",
                known.version,
                line::causes(fault)
            )
        });
        let expired = (known.expires <= self.now)
            .then(|| format!("list {} expired on {}", known.version, known.expires.date()));
        fault.into_iter().chain(expired).collect()
    }

    /// The result for one container.
    #[must_use]
    pub(super) fn says(&self, of: BanFilter<'_>, origin: &Origin) -> Comparison {
        let queries = verdict::queries(origin);
        let bans = match &self.known {
            Some((known, answers)) => Bans::Known(answers.to(&queries, known)),
            None => store::look_up(self.paths, &self.settings.rules(), &queries),
        };
        match &bans {
            Bans::Known(known) if known.id() != self.id => {
                Comparison::Unclear("another list came into force meanwhile".to_owned())
            }
            Bans::Known(_) => said(of, &self.findings(origin, &bans), origin),
            Bans::Missing(fault) => Comparison::Unclear(format!(
                "it is banned, and no more is known: {}",
                line::causes(fault)
            )),
        }
    }

    /// Every match of a container with the list, the most severe first.
    fn findings(&self, origin: &Origin, bans: &Bans) -> Vec<Finding> {
        let case = Case {
            container: "",
            name: None,
            engine: Engine::Unknown,
            origin: Ok(origin),
            labels: Labels::default(),
            bans,
            settings: self.settings,
            break_glass: None,
            now: self.now,
        };
        verdict::judge(&case).findings
    }

    /// The first of these ban IDs that the list does not have, and the list's version.
    #[must_use]
    pub(super) fn lacks<'b>(&self, ids: &'b [String]) -> Option<(&'b String, u64)> {
        let (known, _) = self.known.as_ref()?;
        let is_silent = |id: &&String| !known.hits.iter().any(|hit| hit.ban.id == **id);
        let silent: Vec<_> = ids.iter().filter(is_silent).collect();
        if silent.is_empty() {
            return None;
        }
        // Reads the bans without checking them again: the list was authenticated a moment ago, and
        // the answer is only advice.
        let mut has = Vec::new();
        each_ban(place(self.paths, known.slot), |ban| has.push(ban.id)).ok()?;
        silent
            .into_iter()
            .find(|id| !has.contains(id))
            .map(|id| (id, known.version))
    }
}

/// Whether one of these bans (any ban, if `ids` is `None`) signs this script, according to the list
/// in force. The ban need not match any container. If somebody changed the list's lines after it
/// was authenticated, that makes nothing run: each patch is proved again on its own.
///
/// # Errors
/// [`SelectError::List`] when there is no list to ask.
pub(super) fn signs(
    script: Digest,
    ids: Option<&[String]>,
    paths: &Paths,
    settings: &Settings,
) -> Result<bool, SelectError> {
    let slot = match store::look_up(paths, &settings.rules(), &[]) {
        Bans::Known(known) => known.slot,
        Bans::Missing(fault) => return Err(fault.into()),
    };
    let mut is_signed = false;
    each_ban(place(paths, slot), |ban| {
        let is_asked = ids.is_none_or(|ids| ids.contains(&ban.id));
        is_signed |= is_asked && ban.patch.is_some_and(|patch| patch.script == Some(script));
    })?;
    Ok(is_signed)
}

const fn place(paths: &Paths, slot: Slot) -> &PathBuf {
    match slot {
        Slot::Current => &paths.list,
        Slot::Copy => &paths.copy,
    }
}

/// Reads a list's bans. Their lines come before all others.
fn each_ban(path: &Path, mut take: impl FnMut(Ban)) -> Result<(), ListError> {
    let (file, size) = file::open(path, Guard::NoLink)?;
    let list = Reader { path, bytes: &file };
    let head = store::claim(&list, size)?.head;
    let mut is_through = false;
    let read = section::each_line(&list, &head, |offset, bytes| {
        match record::parse::<Ban>(bytes) {
            Some(ban) => {
                take(ban);
                Ok(())
            }
            None => {
                is_through = true;
                Err(ListError::Record(path.to_owned(), offset))
            }
        }
    });
    if is_through { Ok(()) } else { read }
}

/// The result for a container with these findings.
fn said(of: BanFilter<'_>, findings: &[Finding], origin: &Origin) -> Comparison {
    let concerned = findings.iter().filter(|finding| match of {
        BanFilter::Bans(ids) => ids.contains(&finding.hit.ban.id),
        BanFilter::Effect => true,
    });
    let (matching, others): (Vec<_>, Vec<_>) =
        concerned.partition(|finding| is_wanted(of, &finding.standing));
    let sentences = |findings: &[&Finding]| {
        findings
            .iter()
            .map(|finding| finding.sentence(Some(origin)))
            .collect()
    };
    if !matching.is_empty() {
        return Comparison::Matches {
            reasons: sentences(&matching),
            bans: bans(&matching),
        };
    }
    match origin {
        // Only the image's author says what the layers are, so a ban may have been missed.
        Origin::Image(image) if image.evidence == Evidence::Claimed => Comparison::claimed(),
        Origin::Image(_) | Origin::NoLayers(_) | Origin::NoImage if others.is_empty() => {
            Comparison::Nothing
        }
        Origin::Image(_) | Origin::NoLayers(_) | Origin::NoImage => {
            Comparison::LeftOut(sentences(&others))
        }
    }
}

/// Whether a finding with this standing counts as a match.
const fn is_wanted(of: BanFilter<'_>, standing: &Standing) -> bool {
    match (of, standing) {
        (BanFilter::Bans(_) | BanFilter::Effect, Standing::InEffect | Standing::Warns)
        | (BanFilter::Bans(_), Standing::Ahead { .. }) => true,
        (BanFilter::Effect, Standing::Ahead { .. })
        | (
            BanFilter::Bans(_) | BanFilter::Effect,
            Standing::Lapsed | Standing::Excepted(_) | Standing::Cured(_),
        ) => false,
    }
}

/// The bans of the findings, each once.
fn bans(findings: &[&Finding]) -> Vec<Arc<Ban>> {
    let mut bans: Vec<Arc<Ban>> = Vec::new();
    for finding in findings {
        if !bans.iter().any(|ban| ban.id == finding.hit.ban.id) {
            bans.push(Arc::clone(&finding.hit.ban));
        }
    }
    bans
}

//! Finds the bans that apply to each container.
//!
//! In: what every container is made of, and the list in force. Out: for each container, whether it
//! matches, decided by the same code that judges starts. The list is opened and queried once, with
//! all digests together. The mode and break-glass are not used: they decide whether a container may
//! start, and these containers already run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::SelectError;
use super::match_result::MatchResult;
use crate::banlist::answers::Answers;
use crate::banlist::ban::{self, Ban};
use crate::banlist::bytes::Reader;
use crate::banlist::error::ListError;
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

/// Which bans a container must match to be selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BanFilter<'a> {
    /// One of these bans, unless the container is cured or excepted, or the ban has lapsed.
    Bans(&'a [String]),
    /// Any ban that is in effect, including bans that only warn.
    Effect,
}

/// Whether one of the wanted bans signs the script that was typed, or another script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedScript {
    /// None of the wanted bans signs a script.
    None,
    /// One of the wanted bans signs the typed script.
    Same,
    /// None of the wanted bans signs the typed script, but one signs another script; with the list
    /// that has these bans.
    Another(ListId),
}

/// The list in force, and its matches for many containers.
pub(super) struct Listed<'a> {
    paths: &'a Paths,
    settings: &'a Settings,
    now: Timestamp,
    /// The identity of the list.
    pub(super) id: ListId,
    /// The matches for all containers; `None` if some digest in the query is banned and the ban's
    /// record cannot be read. Then each container is queried alone.
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
        let (id, known) = match store::survey(paths, &settings.rules(), &queries) {
            Bans::Known(known) => {
                let answers = Answers::of(&known.hits);
                (known.id(), Some((known, answers)))
            }
            Bans::Missing(ListError::Unread(..)) => (in_force(paths, settings)?.id(), None),
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
        let (version, mut warnings) = (known.version, Vec::new());
        if let Some(fault) = &known.fault {
            let why = line::causes(fault);
            warnings.push(format!("the second copy of list {version} answers: {why}"));
        }
        if known.expires <= self.now {
            let day = known.expires.date();
            warnings.push(format!("list {version} expired on {day}"));
        }
        warnings
    }

    /// The result for one container.
    #[must_use]
    pub(super) fn says(&self, of: BanFilter<'_>, origin: &Origin) -> MatchResult {
        let queries = verdict::queries(origin);
        let bans = match &self.known {
            Some((known, answers)) => Bans::Known(answers.to(&queries, known)),
            None => store::look_up(self.paths, &self.settings.rules(), &queries),
        };
        match &bans {
            Bans::Known(known) if known.id() != self.id => {
                MatchResult::Unclear("another list came into force meanwhile".to_owned())
            }
            Bans::Known(_) => said(of, &self.findings(origin, &bans), origin),
            Bans::Missing(fault) => MatchResult::Unclear(format!(
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
            // The ban concerns the container, whether it may start again for some days or not.
            created: None,
            now: self.now,
        };
        verdict::judge(&case).findings
    }

    /// The first of these ban IDs that the list does not have, and the list's version.
    #[must_use]
    pub(super) fn lacks<'b>(&self, ids: &'b [String]) -> Option<(&'b String, u64)> {
        let (known, _) = self.known.as_ref()?;
        let mut silent: Vec<_> = ids.iter().collect();
        silent.retain(|id| !known.hits.iter().any(|hit| hit.ban.id == **id));
        if silent.is_empty() {
            return None;
        }
        // Reads the bans without checking them again: the list was authenticated a moment ago, and
        // the result is only used for an error message.
        for ban in all_bans(place(self.paths, known.slot)).ok()? {
            silent.retain(|id| **id != ban.id);
        }
        Some((silent.first()?, known.version))
    }
}

/// Whether one of these bans in the list in force signs this script, or another script. `None` for
/// `ids` stands for all bans. The bans need not match any container. If the list's lines were
/// changed after it was authenticated, no changed patch can run: each patch has its own proof.
///
/// # Errors
/// [`SelectError::List`] when there is no list to ask.
pub(super) fn script(
    script: Digest,
    ids: Option<&[String]>,
    paths: &Paths,
    settings: &Settings,
) -> Result<ListedScript, SelectError> {
    let list = in_force(paths, settings)?;
    let mut listed = ListedScript::None;
    for ban in all_bans(place(paths, list.slot))? {
        if ids.is_some_and(|ids| !ids.contains(&ban.id)) {
            continue;
        }
        match ban.patch.and_then(|patch| patch.script) {
            Some(signed) if signed == script => return Ok(ListedScript::Same),
            Some(_) => listed = ListedScript::Another(list.id()),
            None => {}
        }
    }
    Ok(listed)
}

/// The list in force.
fn in_force(paths: &Paths, settings: &Settings) -> Result<ListAnswer, SelectError> {
    match store::look_up(paths, &settings.rules(), &[]) {
        Bans::Known(known) => Ok(known),
        Bans::Missing(fault) => Err(fault.into()),
    }
}

const fn place(paths: &Paths, slot: Slot) -> &PathBuf {
    match slot {
        Slot::Current => &paths.list,
        Slot::Copy => &paths.copy,
    }
}

/// Reads a list's bans. In the file, their lines come before all other lines.
fn all_bans(path: &Path) -> Result<Vec<Ban>, ListError> {
    let (file, size) = file::open(path, Guard::NoLink)?;
    let list = Reader { path, bytes: &file };
    let head = store::claim(&list, size)?.head;
    let (mut bans, mut is_through) = (Vec::new(), false);
    let read = section::each_line(&list, &head, |offset, bytes| {
        match ban::parse::<Ban>(bytes) {
            Some(ban) => {
                bans.push(ban);
                Ok(())
            }
            None => {
                is_through = true;
                Err(ListError::Record(path.to_owned(), offset))
            }
        }
    });
    if !is_through {
        read?;
    }
    Ok(bans)
}

/// The result for a container with these findings.
fn said(of: BanFilter<'_>, findings: &[Finding], origin: &Origin) -> MatchResult {
    let (mut reasons, mut bans, mut others): (Vec<_>, Vec<Arc<Ban>>, Vec<_>) = Default::default();
    for finding in findings {
        let ban = &finding.hit.ban;
        let is_concerned = match of {
            BanFilter::Bans(ids) => ids.contains(&ban.id),
            BanFilter::Effect => true,
        };
        if !is_concerned {
            continue;
        }
        let sentence = finding.sentence(Some(origin));
        if !is_wanted(of, &finding.standing) {
            others.push(sentence);
            continue;
        }
        reasons.push(sentence);
        if !bans.iter().any(|known| known.id == ban.id) {
            bans.push(Arc::clone(ban));
        }
    }
    if !reasons.is_empty() {
        return MatchResult::Matches { reasons, bans };
    }
    match origin {
        // Only the image's author says what the layers are, so a matching ban may have been missed.
        Origin::Image(image) if image.evidence == Evidence::Claimed => MatchResult::claimed(),
        Origin::Image(_) | Origin::NoLayers(_) | Origin::NoImage if others.is_empty() => {
            MatchResult::Nothing
        }
        Origin::Image(_) | Origin::NoLayers(_) | Origin::NoImage => MatchResult::LeftOut(others),
    }
}

/// Whether the ban of a finding with this standing selects the container.
const fn is_wanted(of: BanFilter<'_>, standing: &Standing) -> bool {
    match (of, standing) {
        (
            BanFilter::Bans(_) | BanFilter::Effect,
            Standing::InEffect | Standing::Existing { .. } | Standing::Warns,
        )
        | (BanFilter::Bans(_), Standing::Ahead { .. }) => true,
        (BanFilter::Effect, Standing::Ahead { .. })
        | (
            BanFilter::Bans(_) | BanFilter::Effect,
            Standing::Lapsed | Standing::Excepted(_) | Standing::Cured(_),
        ) => false,
    }
}

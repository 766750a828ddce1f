//! Selects the running containers that a request is about.
//!
//! In: the wanted bans or image, the list in force, and the [`Node`]. Out: a [`Selection`]: the
//! containers that match and the reasons; the containers that cannot be identified; and the
//! containers that are left out although a ban matches. Names, and all files that a user wrote, are
//! hostile. A container that was never started, has ended, or is just starting or stopping is not
//! in the selection. Not checked: whether a container can be entered.

mod error;
mod listed;
mod named;
mod narrowing;
mod match_result;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::job::Container;
use crate::banlist::ban::Ban;
use crate::banlist::store::ListId;
use crate::exec_patch::request::target::{Selector, Targets};
use crate::lineage::Origin;
use crate::lineage::digest::Digest;
use crate::node::Node;
use crate::node::running::{self, Instance, Resolved};
use crate::node::runtime_state::Whose;
use crate::node::unaccounted::Unaccounted;
use crate::paths::Paths;
use crate::settings::Settings;
use crate::sys::clock::Timestamp;
use crate::sys::process;
pub use error::SelectError;
pub use listed::ListedScript;
use listed::{BanFilter, Listed};
use match_result::MatchResult;
use named::{BaseImage, NamedImage};
use narrowing::Narrowing;

/// The wanted containers, and other containers that must be reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The containers that match. Containers of root and of the caller come first, then containers
    /// of other users; within each group, they are sorted by engine and ID.
    pub matches: Vec<MatchingContainer>,
    /// The containers that run, or may run, and cannot be identified.
    pub unidentified: Vec<Unaccounted>,
    /// The containers that a ban matches, but that are left out: they are cured or excepted, or the
    /// ban has lapsed.
    pub left_out: Vec<LeftOut>,
    /// The list that was used, if any.
    pub list: Option<ListId>,
    /// Warnings, one line each. A later scan may repeat them.
    pub warnings: Vec<String>,
    /// The named containers that no scan has found so far.
    pub unfound: BTreeSet<String>,
}

/// A container that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchingContainer {
    /// The container that is to be patched.
    pub container: Container,
    /// The reasons, one sentence for each finding, the most severe first: `built on debian:12.4,
    /// banned by …`.
    pub reasons: Vec<String>,
    /// The bans that match, each once, the most severe first; none if an image was named.
    pub bans: Vec<Arc<Ban>>,
}

/// A container that a ban names and that is left out, as the line of a dry run has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The container that is to be patched.
    #[serde(flatten)]
    pub container: Container,
    /// The reasons, one sentence for each finding: `built on debian:12.4, banned by …, excepted by
    /// OPS-1 until …`.
    pub reasons: Vec<String>,
}

/// The container in the form that a run and its journal use.
fn container(living: &Instance, origin: &Origin) -> Container {
    let facts = origin.facts();
    Container {
        id: living.id().to_owned(),
        engine: living.engine(),
        namespace: living.namespace(),
        name: living.name.clone(),
        image: facts.and_then(|facts| facts.name.clone()),
        image_id: facts
            .and_then(|facts| facts.image_id.as_ref())
            .map(ToString::to_string),
        kind: living.running.kind,
        root: living.running.root.clone(),
        bundle: living.running.bundle.clone(),
        owner: living.running.owner,
        pid: living.running.process.pid,
        started: living.started,
    }
}

/// The sort key of a container in a selection.
fn rank(living: &Instance) -> (bool, &str, &str) {
    (
        !living.running.is_trusted(),
        living.place.family().word(),
        living.id(),
    )
}

impl Selection {
    /// Adds a container, with the result of the comparison. A container that does not match is
    /// returned.
    fn add(
        &mut self,
        mut living: Instance,
        origin: &Origin,
        result: MatchResult,
    ) -> Option<Instance> {
        if result == MatchResult::Nothing {
            return Some(living);
        }
        running::name(&mut living);
        match result {
            MatchResult::Matches { reasons, bans } => self.matches.push(MatchingContainer {
                container: container(&living, origin),
                reasons,
                bans,
            }),
            MatchResult::LeftOut(reasons) => self.left_out.push(LeftOut {
                container: container(&living, origin),
                reasons,
            }),
            MatchResult::Unclear(why) => self.unidentified.push(living.unaccounted(why)),
            MatchResult::Nothing => {}
        }
        None
    }
}

/// The wanted bans or image, with which every container is compared.
#[derive(Clone, Debug)]
enum Criterion {
    Bans(Vec<String>),
    AllBanned,
    Base(BaseImage),
    Image(NamedImage),
}

/// A running container, and what it is made of, or why that is unknown.
type ResolvedInstance = (Instance, Result<Arc<Origin>, String>);

/// Scans a node, once or several times. Named images are looked up only once, so a tag that moves
/// during a run changes nothing.
#[derive(Debug)]
pub struct Scanner<'a> {
    target: Narrowing,
    criterion: Criterion,
    paths: &'a Paths,
    settings: Settings,
    resolved: Resolved,
    /// Whether a scan has found the named bans in the list. A ban that is lifted after that scan
    /// has no more matches, which is not an error.
    has_bans: bool,
    /// Whether a scan has found a container that matches.
    has_matched: bool,
    /// The named containers that no scan has found yet; `None` before the first scan.
    unfound: Option<BTreeSet<String>>,
}

impl<'a> Scanner<'a> {
    /// Prepares to scan for `target`: looks up the image that it names. `settings` are the node's,
    /// or [`Settings::unset`].
    ///
    /// # Errors
    /// [`SelectError::Image`] and [`SelectError::NoLayers`] for the named image.
    pub fn new(
        target: &Targets,
        paths: &'a Paths,
        settings: &Settings,
    ) -> Result<Self, SelectError> {
        let criterion = match &target.selector {
            Selector::Bans(ids) => Criterion::Bans(ids.clone()),
            Selector::AllBanned => Criterion::AllBanned,
            Selector::Base(word) => Criterion::Base(BaseImage::find(word, paths, settings)?),
            Selector::Image(word) => Criterion::Image(NamedImage::find(word, paths, settings)?),
        };
        Ok(Self {
            target: Narrowing::new(target.clone()),
            criterion,
            paths,
            settings: settings.clone(),
            resolved: Resolved::default(),
            has_bans: false,
            has_matched: false,
            unfound: None,
        })
    }

    /// Whether one of the wanted bans signs the script with this digest, or another script. If an
    /// image was named, there are no wanted bans.
    ///
    /// # Errors
    /// [`SelectError::List`] when there is no usable list.
    pub fn script(&self, script: Digest) -> Result<ListedScript, SelectError> {
        let ids = match &self.criterion {
            Criterion::Bans(ids) => Some(&ids[..]),
            Criterion::AllBanned => None,
            Criterion::Base(_) | Criterion::Image(_) => return Ok(ListedScript::None),
        };
        listed::script(script, ids, self.paths, &self.settings)
    }

    /// The containers that match now. Root sees all users' containers, a user only that user's own.
    /// The lineage that an earlier scan found for a container is used again.
    ///
    /// # Errors
    /// [`SelectError::List`] if there is no list, [`SelectError::NoBan`] if the list has no ban
    /// with a named ID.
    pub fn scan(&mut self, now: Timestamp) -> Result<Selection, SelectError> {
        let whose = if process::is_privileged() {
            Whose::Everybodys
        } else {
            Whose::Own
        };
        let mut node = Node::running(self.paths, &self.settings.engines, whose);
        let mut living = running::living(&node.running, &node.alive);
        self.target.look_up_names(&mut living);
        self.target.note_exact(&living);
        let (chosen, mut others): (Vec<_>, Vec<_>) = living
            .into_iter()
            .partition(|living| self.target.is_about(living));
        let mut unidentified = running::unclear(&node);
        unidentified.extend(self.target.of_one_of_several(&others));
        unidentified.retain(|unidentified| self.target.may_be_about(unidentified));
        unidentified.extend(self.target.of_unknown_name(&others));
        let resolved = running::resolve(chosen, &mut node, &mut self.resolved);
        unidentified.extend(running::in_unread_stores(&node));
        let mut warnings = Vec::new();
        if whose == Whose::Own && self.paths.root == Path::new("/") {
            warnings
                .push("only your own containers are looked for: root sees everybody's".to_owned());
        }
        let mut selection = Selection {
            unidentified,
            warnings,
            ..Selection::default()
        };
        others.extend(self.judge(resolved, now, &mut selection)?);
        self.has_bans = true;
        self.has_matched |= !selection.matches.is_empty();
        // An ordinary user may patch only his own containers. But "no container matches" would
        // be untrue while other users' containers cannot be seen.
        if !self.has_matched {
            let mut hidden = running::hidden(&node);
            hidden.retain(|hidden| self.target.may_be_about(hidden));
            selection.unidentified.extend(hidden);
        }
        let missed = self.target.missed(&selection, &others);
        selection.warnings.extend(missed);
        selection.unfound = self.target.unfound(&selection, &others);
        // A container that an earlier scan found stays found, even if it has ended meanwhile.
        if let Some(before) = &self.unfound {
            selection.unfound.retain(|word| before.contains(word));
        }
        self.unfound = Some(selection.unfound.clone());
        Ok(selection)
    }

    /// Whether there is a named container that no scan has found.
    #[must_use]
    pub fn has_unfound(&self) -> bool {
        match &self.unfound {
            Some(unfound) => !unfound.is_empty(),
            None => false,
        }
    }

    /// Compares every container with the wanted bans or image. Returns the containers that do not
    /// match.
    fn judge(
        &self,
        mut resolved: Vec<ResolvedInstance>,
        now: Timestamp,
        selection: &mut Selection,
    ) -> Result<Vec<Instance>, SelectError> {
        // Users' containers come last, so that a canary is a container whose result can be trusted.
        resolved.sort_by(|(one, _), (other, _)| rank(one).cmp(&rank(other)));
        let listed = match &self.criterion {
            Criterion::Bans(_) | Criterion::AllBanned => {
                let origins = resolved.iter().flat_map(|(_, origin)| origin.as_deref());
                Some(Listed::ask(origins, self.paths, &self.settings, now)?)
            }
            Criterion::Base(_) | Criterion::Image(_) => None,
        };
        let mut others = Vec::new();
        for (living, origin) in resolved {
            match origin {
                Ok(origin) => {
                    let result = self.says(listed.as_ref(), &origin);
                    others.extend(selection.add(living, &origin, result));
                }
                Err(why) => selection.unidentified.push(living.unaccounted(why)),
            }
        }
        if let Some(listed) = listed {
            selection.list = Some(listed.id);
            selection.warnings.extend(listed.warnings());
            if let (Criterion::Bans(ids), false) = (&self.criterion, self.has_bans)
                && let Some((id, version)) = listed.lacks(ids)
            {
                return Err(SelectError::NoBan(id.clone(), version));
            }
        }
        Ok(others)
    }

    fn says(&self, listed: Option<&Listed<'_>>, origin: &Origin) -> MatchResult {
        match (&self.criterion, listed) {
            (Criterion::Bans(ids), Some(listed)) => listed.says(BanFilter::Bans(ids), origin),
            (Criterion::AllBanned, Some(listed)) => listed.says(BanFilter::Effect, origin),
            (Criterion::Base(base), _) => base.says(origin),
            (Criterion::Image(image), _) => image.says(origin),
            (Criterion::Bans(_) | Criterion::AllBanned, None) => MatchResult::Nothing,
        }
    }
}

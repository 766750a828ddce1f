//! Checks a staged list, and plans what an installation of it would do.
//!
//! In: the staged file (hostile), and the node. Out: the authentic head, its signers, and an
//! [`Assessment`]; or why the list is refused. Nothing is changed.

use std::fs::File;
use std::path::Path;

use super::super::CtlError;
use super::super::consequences::compare::New;
use super::super::consequences::node::{self, NodeState};
use super::super::consequences::plan::{self, InstallPlan};
use super::super::consequences::{self, error};
use super::super::impact::{self, Survey};
use super::super::keyset::signer;
use super::super::progress::Progress;
use crate::audit::installation::Installation;
use crate::banlist::bytes::Reader;
use crate::banlist::keyset::{Keyset, Role};
use crate::banlist::note::Enough;
use crate::banlist::store::{self, Authentic, Placement, Trust};
use crate::settings::MAX_IMPACT;
use crate::sys::file::{self, Guard};

/// Notes what an authentic list says of itself.
pub(super) fn describe(event: &mut Installation, found: &Authentic) {
    event.edition = Some(found.head.edition);
    event.head = Some(found.digest);
    event.digests = Some(found.head.entries.all);
    event.impact = Some(found.head.impact);
    event.bad_signatures = found.tally.bad;
}

/// A plan, and the survey of the running containers. No survey is made for a list that the node
/// already knows.
pub(super) struct Assessment {
    pub(super) plan: InstallPlan,
    pub(super) survey: Option<Survey>,
}

/// Makes the plan. Fails if the list would refuse too many of the running containers.
pub(super) fn judge(
    new: New<'_>,
    node: &NodeState<'_>,
    trust: &Trust,
    event: &mut Installation,
) -> Result<Assessment, CtlError> {
    let head = new.head;
    let progress = Progress::start("checking", head.shape().bytes());
    let drawn = plan::draw(new, node, trust, &progress, &mut event.lifted);
    drop(progress);
    let plan = drawn?;
    event.bans = Some(plan.bans.len());
    // No survey is needed for a list that is only restored or only gets more signatures: such a
    // list refuses nothing new.
    if plan.is_known || !plan.puts() {
        return Ok(Assessment { plan, survey: None });
    }
    let survey = impact::survey(new.list, head, node.paths, node.settings, node.now)
        .map_err(error::of_list)?;
    event.newly_refused = Some(survey.newly_refused().count());
    event.running = Some(survey.counted().count());
    let limit = match node.settings {
        Some(settings) => settings.max_impact,
        None => MAX_IMPACT,
    };
    match survey.objection(limit, consequences::acknowledged(new, trust)) {
        Some(objection) => Err(error::of_impact(objection, &survey)),
        None => Ok(Assessment {
            plan,
            survey: Some(survey),
        }),
    }
}

/// Opens a staged list. The staged file must be a regular file, not a symbolic link; a FIFO is
/// refused without waiting. A hard link is accepted: the file is copied before it is checked, so
/// whoever holds the other name can no longer change what is installed.
pub(super) fn open(staged: &Path) -> Result<(File, u64), CtlError> {
    Ok(file::open(staged, Guard::NoLink)?)
}

/// Checks the head of the new list, its signatures and its time of issue.
pub(super) fn authenticate(
    staged: &Path,
    file: &File,
    size: u64,
    node: &NodeState<'_>,
    trust: &Trust,
) -> Result<Authentic, CtlError> {
    let list = Reader {
        path: staged,
        bytes: file,
    };
    let found = trust
        .authenticate(&list, size, Placement::Staged, Enough::All)
        .map_err(error::of_list)?;
    node::not_ahead(staged, &found.head, trust, node.now)?;
    Ok(found)
}

/// The names, from the keyset, of the keys that signed the list.
pub(super) fn signers(
    list: &Reader<'_, File>,
    size: u64,
    keyset: &Keyset,
) -> Result<Vec<String>, CtlError> {
    let claim = store::claim(list, size).map_err(error::of_list)?;
    let mut behind = Vec::new();
    for signature in &claim.signatures {
        behind.extend(signer(keyset, Role::List, &claim.text, signature));
    }
    let mut names = Vec::new();
    for key in keyset.keys_of(Role::List) {
        if behind.contains(&key) {
            names.push(key.name.clone());
        }
    }
    Ok(names)
}

//! Implements `embargoctl install`: checks a list and puts it in force on this node.
//!
//! In: a staged file (hostile: it may be forged, cut, swapped while it is read, a link or a FIFO).
//! It is copied first, and the copy is checked, so that what was checked is what is installed. That
//! is also why a hard link to the file in somebody else's hands does no harm. Then a plan is made
//! (`plan`): every byte is checked, the list is compared with the one in force, and its effect on
//! the running containers is predicted. Then the plan is carried out (`carry_out`), or printed. A
//! second run finds what is done and does the rest. Nothing here arms a node: without settings the
//! gate still passes everything.

mod carry_out;
mod outcome;

use std::fs::File;
use std::path::{Path, PathBuf};

use super::consequences::compare::New;
use super::consequences::node::{self, NodeState};
use super::consequences::plan::{self, Plan};
use super::consequences::{self, error};
use super::impact::{self, Survey};
use super::keyset::signer;
use super::progress::Progress;
use super::{CtlError, Told, lock};
use crate::audit::Ending;
use crate::audit::installation::{self, Installation};
use crate::banlist::bytes::Reader;
use crate::banlist::keyset::{Keyset, Role};
use crate::banlist::note::Enough;
use crate::banlist::store::{self, Authentic, Placement, Trust};
use crate::paths::Paths;
use crate::report::{Exit, line};
use crate::settings::{self, MAX_IMPACT, Settings};
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};
use crate::sys::system_log::Sockets;

/// Check a list and put it in force on this node.
///
/// Every byte and every signature is checked against the node's keyset, settings and floor. A list
/// that lifts a ban needs the signatures of the keyset's lift threshold; one that would keep too
/// many of the running containers from starting again is refused, unless it was built
/// with --acknowledge-impact and has as many. Readers see the old list or the new one, whole. The
/// list is kept twice, and either copy stands in if the other breaks; an older list never does.
/// Installing the same list again changes nothing. Exit status 0 when the list is in force, 1 when
/// it is not; 3 when a dry run cannot tell what it would refuse.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl install --dry-run banlist.lst
  embargoctl install banlist.lst")]
pub struct Args {
    /// Check everything and print what would be done, step by step; do nothing.
    #[arg(long)]
    dry_run: bool,
    /// The list.
    file: PathBuf,
}

/// Installs a list, and reports it, or why it was not installed, to the system log.
///
/// # Errors
/// Everything that is wrong with the list, the keyset, the floor or the settings, and errors in
/// writing.
pub fn run(args: &Args, paths: &Paths) -> Result<Told, CtlError> {
    let settings = settings::load(paths)?;
    let rules = settings.as_ref().map(Settings::rules).unwrap_or_default();
    let node = NodeState {
        paths,
        settings: settings.as_ref(),
        rules,
        now: Timestamp::now(),
    };
    // This machine's system log gets reports of this machine's list only.
    let sockets = (paths.root == Path::new("/")).then(Sockets::system);
    let done = if args.dry_run {
        dry_run(&args.file, &node)
    } else {
        install(&args.file, &node, sockets.as_ref()).map(Told::from)
    };
    done.map_err(CtlError::for_root)
}

/// Installs the list `staged`, reports it to the system log that listens on `sockets`, and returns
/// what to print.
///
/// # Errors
/// As [`run`].
pub fn install(
    staged: &Path,
    node: &NodeState<'_>,
    sockets: Option<&Sockets>,
) -> Result<String, CtlError> {
    // A caller that may not take the lock installs nothing, and nothing is logged.
    let _lock = lock::take(&node.paths.state)?;
    let mut event = Installation::default();
    let done = put_in_force(staged, node, &mut event);
    if let Some(sockets) = sockets {
        match &done {
            Ok(outcome) if outcome.is_new => {
                installation::send(sockets, Ending::Done, &event, &outcome.title)
            }
            // The same list once more, as configuration management installs it every hour.
            Ok(_) => {}
            Err(fault) => {
                installation::send(sockets, Ending::Refused, &event, &line::causes(fault))
            }
        }
    }
    done.map(|outcome| outcome.text)
}

/// What an installation reports.
struct Outcome {
    /// The first line.
    title: String,
    /// The whole text.
    text: String,
    /// Whether anything was done.
    is_new: bool,
}

fn put_in_force(
    staged: &Path,
    node: &NodeState<'_>,
    event: &mut Installation,
) -> Result<Outcome, CtlError> {
    let trust = Trust::load(node.paths, &node.rules).map_err(error::of_trust)?;
    let (file, size) = open(staged)?;
    // The head first: what is not signed is not copied.
    let claimed = authenticate(staged, &file, size, node, &trust)?;
    let size = claimed.head.file_size();
    let draft = carry_out::copy(&file, size, node.paths)?;
    let list = Reader {
        path: staged,
        bytes: draft.file(),
    };
    let found = authenticate(staged, draft.file(), size, node, &trust)?;
    event.edition = Some(found.head.edition);
    event.head = Some(found.digest);
    event.digests = Some(found.head.entries.all);
    event.impact = Some(found.head.impact);
    event.signers = signers(&list, size, &trust.keyset)?;
    event.bad_signatures = found.tally.bad;
    let judged = judge(New::of(&list, &found), node, &trust, event)?;
    if let Some(head) = &judged.plan.head {
        carry_out::sign(&draft, head, node.paths)?;
    }
    carry_out::carry_out(&judged.plan.steps, draft, size, node)?;
    let words = outcome::installed(&found, &judged, &trust, node);
    let is_new = !judged.plan.steps.is_empty();
    Ok(Outcome {
        title: words.first().cloned().unwrap_or_default(),
        text: words.join("\n") + "\n",
        is_new,
    })
}

/// Checks everything, as an installation would, and says what it would do. Reads the staged file
/// itself, and takes no lock: nothing is created anywhere.
///
/// # Errors
/// As [`run`].
pub fn dry_run(staged: &Path, node: &NodeState<'_>) -> Result<Told, CtlError> {
    let trust = Trust::load(node.paths, &node.rules).map_err(error::of_trust)?;
    let (file, size) = open(staged)?;
    let found = authenticate(staged, &file, size, node, &trust)?;
    let list = Reader {
        path: staged,
        bytes: &file,
    };
    let judged = judge(
        New::of(&list, &found),
        node,
        &trust,
        &mut Installation::default(),
    )?;
    let is_told = judged
        .survey
        .as_ref()
        .is_none_or(|survey| survey.faults.is_empty() && survey.unknown() == 0);
    let text = outcome::planned(&found, &judged, &trust, node).join("\n") + "\n";
    Ok(Told {
        text,
        exit: if is_told {
            Exit::Clear
        } else {
            Exit::CouldNotTell
        },
    })
}

/// A plan, and what it would do to the running containers where the list is new here.
struct Assessment {
    plan: Plan,
    survey: Option<Survey>,
}

/// Makes the plan, and refuses one that too many running containers would not survive.
fn judge(
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
    // A list that is restored, or gets another signature, changes nothing for anybody.
    if plan.is_known || !plan.puts() {
        return Ok(Assessment { plan, survey: None });
    }
    let survey = impact::survey(new.list, head, node.paths, node.settings, node.now)
        .map_err(error::of_list)?;
    event.newly_refused = Some(survey.newly_refused().count());
    event.running = Some(survey.counted().count());
    let limit = node
        .settings
        .map_or(MAX_IMPACT, |settings| settings.max_impact);
    match survey.objection(limit, consequences::acknowledged(new, trust)) {
        Some(objection) => Err(error::of_impact(objection, &survey)),
        None => Ok(Assessment {
            plan,
            survey: Some(survey),
        }),
    }
}

/// Opens a staged list: a regular file and no link, or nothing. It does not wait for a FIFO. A hard
/// link passes: the file is copied before it is checked, so whoever has it under another name can
/// no longer change it.
fn open(staged: &Path) -> Result<(File, u64), CtlError> {
    Ok(file::open(staged, Guard::NoLink)?)
}

/// Checks the head of the new list.
fn authenticate(
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

/// The names that the keyset has for the keys that signed the list.
fn signers(list: &Reader<'_, File>, size: u64, keyset: &Keyset) -> Result<Vec<String>, CtlError> {
    let claim = store::claim(list, size).map_err(error::of_list)?;
    let behind: Vec<_> = claim
        .signatures
        .iter()
        .filter_map(|signature| signer(keyset, Role::List, &claim.text, signature))
        .collect();
    Ok(keyset
        .keys_of(Role::List)
        .filter(|key| behind.contains(key))
        .map(|key| key.name.clone())
        .collect())
}

#[cfg(test)]
mod tests;

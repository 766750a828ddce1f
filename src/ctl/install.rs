//! `embargoctl install`: is this list fit to be in force on this node, and how does it get there?
//!
//! In: a staged file (hostile: it may be forged, cut, swapped while it is read, a link or a FIFO). It is copied first, and the copy is checked, so that
//! what was checked is what is installed. Then, each step whole before the next: the list in force becomes the previous one, the new one takes its
//! place, and only then the floor rises; the other way round a crash would leave a node that refuses the only list it has. A second run finds what is
//! done and does the rest. Nothing here arms a node: without settings the gate goes on passing everything.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::{CtlError, amount, lock};
use crate::banlist::bytes::{ReadAt, Reader};
use crate::banlist::error::{Edition, ListError};
use crate::banlist::floor::Floor;
use crate::banlist::head::HEAD_SIZE;
use crate::banlist::note::Enough;
use crate::banlist::store::{Authentic, Rules, Standing, Trust};
use crate::banlist::whole::{self, Counted};
use crate::paths::Paths;
use crate::report::line;
use crate::settings::{self, Settings};
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};
use crate::sys::replace::{self, Draft, WriteError};

/// Check a list and put it in force on this node.
///
/// Every byte and every signature is checked against the node's keyset, settings and floor. Readers see the old list or the new one, whole; the old one is
/// kept and stands in if the new one breaks. Installing the same list again changes nothing. Exit status 0 when the list is in force, 1 when it is not.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// The list.
    file: PathBuf,
}

/// Why a list was not installed, beside its own faults.
#[derive(Debug)]
pub enum InstallError {
    /// It says that it is issued in the future.
    Future(PathBuf, Timestamp),
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Future(path, issued) => write!(f, "cannot install {path:?}: it is issued at {issued}, more than a day from now"),
        }
    }
}

impl std::error::Error for InstallError {}

/// A day: how far a list may be ahead of the clock.
const AHEAD: u64 = 86_400;

/// 2026-11-01: a clock before it was never set, and nothing is judged by it.
const CLOCK_SET: Timestamp = Timestamp::from_seconds(1_793_491_200);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    /// Whether the list in force becomes the previous one; otherwise the previous one stays.
    keep: bool,
    /// Whether the new list is put in place; otherwise it is there already, byte for byte.
    put: bool,
}

/// Installs a list.
///
/// # Errors
/// Everything that is wrong with the list, the keyset, the floor or the settings, and errors in writing.
pub fn run(args: &Args, paths: &Paths) -> Result<String, CtlError> {
    let settings = settings::load(paths)?;
    let rules = settings.as_ref().map(Settings::rules).unwrap_or_default();
    install(&args.file, args.dry_run, paths, &rules, Timestamp::now()).map_err(CtlError::for_root)
}

/// Installs the list `staged` at the time `now`, or says what would be done.
///
/// # Errors
/// As [`run`].
pub fn install(staged: &Path, dry_run: bool, paths: &Paths, rules: &Rules, now: Timestamp) -> Result<String, CtlError> {
    let lock = if dry_run { None } else { Some(lock::take(&paths.state)?) };
    let trust = load(paths, rules)?;
    let (file, size) = file::open(staged, Guard::NoLink)?;
    let list = Reader { path: staged, bytes: &file };
    // The head first: what is not signed is not copied.
    let claimed = trust.authenticate(&list, size, Standing::Staged, Enough::All).map_err(explained)?;
    not_ahead(staged, &claimed, &trust, now)?;
    let draft = match &lock {
        Some(_) => Some(copy(&file, claimed.head.file_size(), paths)?),
        None => None,
    };
    let list = Reader { path: staged, bytes: draft.as_ref().map_or(&file, Draft::file) };
    let found = trust.authenticate(&list, size, Standing::Staged, Enough::All).map_err(explained)?;
    let bans = whole::check(&list, &found.head, |_, _| {})?;
    let plan = plan(&list, &found, paths, &trust)?;
    if let Some(draft) = draft {
        carry_out(plan, draft, &found, paths, &trust)?;
    }
    Ok(outcome(plan, dry_run, &found, &bans, &trust, now))
}

fn load(paths: &Paths, rules: &Rules) -> Result<Trust, CtlError> {
    Trust::load(paths, rules).map_err(|error| {
        if error.is_absent() {
            CtlError::with_hint(error, "put the keyset of your list there: embargoctl keyset new")
        } else if matches!(error, ListError::Floor(..)) {
            CtlError::with_hint(error, "remove it only if you know which list this node had last")
        } else {
            error.into()
        }
    })
}

/// A list's fault, with what to do about it.
fn explained(error: ListError) -> CtlError {
    if let ListError::Signatures(path, tally) = &error
        && tally.is_empty()
    {
        let hint = super::list::signing(path);
        return CtlError::with_hint(error, hint);
    }
    let hint = if matches!(error, ListError::Rollback(..) | ListError::TooOld(..)) {
        "build the list again with a higher --version"
    } else if matches!(error, ListError::Equivocation(..)) {
        "each list that is published needs a version of its own"
    } else if matches!(error, ListError::Signatures(..)) {
        "embargoctl list verify shows what became of each signature"
    } else if matches!(error, ListError::NewerKeyset(..)) {
        "bring the newer keyset to this node first"
    } else {
        return error.into();
    };
    CtlError::with_hint(error, hint)
}

/// Refuses a list from the future: it would move the node's idea of the time. Not judged by a clock that was never set, or is behind the floor.
fn not_ahead(path: &Path, found: &Authentic, trust: &Trust, now: Timestamp) -> Result<(), CtlError> {
    let behind = trust.floor.is_some_and(|floor| floor.issued > now.plus(AHEAD));
    if behind || now < CLOCK_SET || found.head.issued <= now.plus(AHEAD) {
        return Ok(());
    }
    Err(CtlError::with_hint(InstallError::Future(path.to_owned(), found.head.issued), format!("this node's clock says {now}")))
}

/// Copies exactly `size` bytes of the staged list to where it will be renamed from, and clears away what killed installations left.
fn copy(mut staged: &File, size: u64, paths: &Paths) -> Result<Draft, WriteError> {
    for path in [&paths.list, &paths.previous, &paths.floor] {
        replace::sweep(path)?;
    }
    let draft = Draft::open(&paths.list, 0o644)?;
    let copied = staged.seek(SeekFrom::Start(0)).and_then(|_| io::copy(&mut staged.take(size), &mut draft.file()));
    copied.map_err(|error| WriteError::new(&paths.list, error))?;
    Ok(draft)
}

/// What is to be done: compares the new list with the one in force.
fn plan(new: &Reader<'_, File>, found: &Authentic, paths: &Paths, trust: &Trust) -> Result<Plan, CtlError> {
    let (file, size) = match file::open(&paths.list, Guard::NoLink) {
        Ok(opened) => opened,
        Err(error) if error.is_absent() => return Ok(Plan { keep: false, put: true }),
        Err(error) => return Err(CtlError::with_hint(error, "remove it: the list in force is a regular file")),
    };
    let list = Reader { path: &paths.list, bytes: &file };
    // A broken list is not worth keeping, and must not take the place of a previous one that is whole.
    let in_force = trust.authenticate(&list, size, Standing::Current, Enough::Threshold).and_then(|in_force| {
        whole::check(&list, &in_force.head, |_, _| {})?;
        Ok(in_force)
    });
    let Ok(in_force) = in_force else { return Ok(Plan { keep: false, put: true }) };
    if in_force.digest != found.digest {
        return Ok(Plan { keep: true, put: true });
    }
    // The same list; it may have other signatures.
    Ok(Plan { keep: false, put: head_block(&list)? != head_block(new)? })
}

fn head_block<R: ReadAt>(list: &Reader<'_, R>) -> Result<[u8; HEAD_SIZE], ListError> {
    let mut block = [0; HEAD_SIZE];
    list.read_into(&mut block, 0)?;
    Ok(block)
}

fn carry_out(plan: Plan, draft: Draft, found: &Authentic, paths: &Paths, trust: &Trust) -> Result<(), CtlError> {
    if plan.keep {
        replace::link(&paths.list, &paths.previous)?;
    }
    if plan.put {
        draft.replace()?;
    }
    let floor = Floor {
        edition: found.head.edition,
        head: found.digest,
        issued: trust.floor.map_or(found.head.issued, |floor| floor.issued.max(found.head.issued)),
        previous: previous(paths, trust, found),
        next: None,
    };
    if trust.floor != Some(floor) {
        replace::replace(&paths.floor, 0o644, floor.text().as_bytes())?;
    }
    Ok(())
}

/// The digest of the previous list's head, when there is one that this node may fall back to: judged by the floor before this installation, so that
/// the list that was in force until now passes, and so does the one that an installation cut short has already kept.
fn previous(paths: &Paths, trust: &Trust, found: &Authentic) -> Option<crate::lineage::digest::Digest> {
    let (file, size) = file::open(&paths.previous, Guard::NoLink).ok()?;
    let list = Reader { path: &paths.previous, bytes: &file };
    let digest = trust.authenticate(&list, size, Standing::Previous, Enough::Threshold).ok()?.digest;
    (digest != found.digest).then_some(digest)
}

fn outcome(plan: Plan, dry_run: bool, found: &Authentic, bans: &[Counted], trust: &Trust, now: Timestamp) -> String {
    let head = &found.head;
    let Edition { version, .. } = head.edition;
    let said = match (plan.put, dry_run) {
        (true, false) => "installed",
        (true, true) => "would install",
        (false, _) => "already in force:",
    };
    let origin = line::name(&head.origin);
    let mut text =
        format!("{said} version {version} for {origin}: {}, {}\n", amount(bans.len(), "ban"), amount(head.entries.all, "digest"));
    if let (true, Some(floor)) = (plan.keep, trust.floor) {
        let keeps = if dry_run { "would keep" } else { "kept" };
        text += &format!("{keeps} version {} as the previous list\n", floor.edition.version);
    }
    if found.tally.bad > 0 {
        text +=
            &format!("beside {} good signatures {} do not verify: embargoctl list verify says which\n", found.tally.good, found.tally.bad);
    }
    if head.expires <= now && now >= CLOCK_SET {
        text += &format!("it expired at {}: it is enforced all the same, and reported as stale\n", head.expires);
    }
    text
}

#[cfg(test)]
mod tests;

//! Implements `embargoctl install`: checks a list and puts it in force on this node.
//!
//! In: a staged file (hostile: it may be forged, cut short, replaced while it is read, a link or a
//! FIFO). The file is copied first, and the copy is checked, so that exactly the checked bytes are
//! installed. For the same reason a hard link to the file, which somebody else may hold, does no
//! harm. Then a plan is made (`plan`): every byte is checked, the list is compared with the one in
//! force, and its effect on the running containers is predicted. Then the plan is carried out
//! (`carry_out`), or only printed. After an interruption, a second run does the remaining steps. An
//! installation does not arm a node: without settings the gate still admits everything.

mod assessment;
mod carry_out;
mod document;
mod outcome;

use std::path::{Path, PathBuf};

use self::assessment::{authenticate, describe, judge, open, signers};
use super::consequences::compare::New;
use super::consequences::error;
use super::consequences::node::NodeState;
use super::consequences::plan::InstallPlan;
use super::{CtlError, Output, last_install, lock, status};
use crate::audit::Ending;
use crate::audit::installation::{self, Installation};
use crate::banlist::bytes::Reader;
use crate::banlist::store::Trust;
use crate::node::patches::AskPatches;
use crate::paths::Paths;
use crate::report::{self, Exit, line};
use crate::settings::{self, AutoPatch, Settings};
use crate::sys::clock::Timestamp;
use crate::sys::file;
use crate::sys::system_log::Sockets;

/// Check a list and put it in force on this node.
///
/// Every byte and every signature is checked against the node's keyset, settings and floor. A list
/// that lifts a ban needs more signatures, as the keyset's lift threshold says. A list that would
/// keep too many of the running containers from starting again is refused, unless it was built with
/// --acknowledge-impact and also has that many signatures. Container starts use either the old list
/// or the new one, complete. The node keeps two copies of the list, and uses one copy if the other
/// is damaged; it never uses an older list. Installing the same list again changes nothing. The
/// exit status is 0 when the list is in force, 1 when it is not, and 3 when a dry run cannot tell
/// what the list would refuse.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl install --dry-run banlist.lst
  embargoctl install --json banlist.lst
  embargoctl install banlist.lst")]
pub struct InstallArgs {
    /// Check everything and print every step, but change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document, also if the list is refused.
    #[arg(long)]
    json: bool,
    /// The list.
    file: PathBuf,
}

/// Installs a list, and reports the result to the system log.
///
/// # Errors
/// [`CtlError`]: a fault of the list, the keyset, the floor or the settings, or a write error.
pub fn run(
    args: &InstallArgs,
    paths: &Paths,
    ask_patches: Option<AskPatches>,
) -> Result<Output, CtlError> {
    let mut event = Installation::default();
    let done = attempt(args, paths, ask_patches, &mut event).map_err(CtlError::for_root);
    if args.json {
        return Ok(document::of(&event, &done));
    }
    done.map(Output::from)
}

/// Installs a list, or says what an installation would do.
fn attempt(
    args: &InstallArgs,
    paths: &Paths,
    ask_patches: Option<AskPatches>,
    event: &mut Installation,
) -> Result<Installed, CtlError> {
    let settings = match settings::load(paths) {
        Ok(settings) => settings,
        Err(fault) => {
            let fault = CtlError::from(fault);
            if !args.dry_run {
                record(paths, Some(&fault), None);
            }
            return Err(fault);
        }
    };
    let rules = settings.as_ref().map(Settings::rules).unwrap_or_default();
    let node = NodeState {
        paths,
        settings: settings.as_ref(),
        rules,
        now: Timestamp::now(),
    };
    // For a node mounted below another root directory, nothing is sent to the system log of this
    // machine.
    let sockets = (paths.root == Path::new("/")).then(Sockets::system);
    if args.dry_run {
        foresee(&args.file, &node, event)
    } else {
        let done = put(&args.file, &node, sockets.as_ref(), event);
        show_status(&node, ask_patches, done.as_ref().err());
        done
    }
}

/// Installs the list `staged`, reports the result to the system log that listens on `sockets`, and
/// returns the text to print.
///
/// # Errors
/// The same as [`run`].
pub fn install(
    staged: &Path,
    node: &NodeState<'_>,
    sockets: Option<&Sockets>,
) -> Result<String, CtlError> {
    let done = put(staged, node, sockets, &mut Installation::default())?;
    Ok(done.text())
}

/// Installs a list. `event` gets the results, as far as the installation got.
fn put(
    staged: &Path,
    node: &NodeState<'_>,
    sockets: Option<&Sockets>,
    event: &mut Installation,
) -> Result<Installed, CtlError> {
    // Without permission to take the lock, the caller can install nothing, so nothing is logged.
    let _lock = lock::take(&node.paths.state)?;
    let done = put_in_force(staged, node, event);
    if let Ok(installed) = &done
        && installed.has_changed
    {
        want_patches(node);
    }
    let version = event.edition.map(|edition| edition.version);
    record(node.paths, done.as_ref().err(), version);
    if let Some(sockets) = sockets {
        match &done {
            Ok(installed) if installed.has_changed => {
                installation::send(sockets, Ending::Done, event, installed.title())
            }
            // The list was already in force. Configuration management may install the same list
            // every hour.
            Ok(_) => {}
            Err(fault) => installation::send(sockets, Ending::Refused, event, &line::causes(fault)),
        }
    }
    done
}

/// Tells the unit that runs signed patches that there is a new list, if the settings want that. A
/// file, and not a change of the list, tells the unit: so a list that is installed while patches
/// run is not missed.
fn want_patches(node: &NodeState<'_>) {
    let Some(settings) = node.settings else {
        return;
    };
    match settings.auto_patch {
        AutoPatch::OnInstall => {
            // It does not matter whether the file was there already.
            let _is_first = file::mark(&node.paths.patch_wanted);
        }
        AutoPatch::Off => {}
    }
}

/// Records how an installation ended. A record that cannot be written changes nothing about the
/// installation. If the list was refused, the caller must know that reason, and nothing else.
fn record(paths: &Paths, refused: Option<&CtlError>, list_version: Option<u64>) {
    let written = last_install::record(paths, Timestamp::now(), refused, list_version);
    if let Err(error) = written
        && refused.is_none()
    {
        report::warning("embargoctl", &line::causes(&error));
    }
}

/// Writes the node's new state for everybody to read. A state that cannot be written changes
/// nothing about the installation; its readers see its age.
fn show_status(node: &NodeState<'_>, ask_patches: Option<AskPatches>, refused: Option<&CtlError>) {
    if let Err(error) = status::write(node.paths, ask_patches, Timestamp::now())
        && refused.is_none()
    {
        report::warning("embargoctl", &line::causes(&error));
    }
}

/// What an installation did, or would do.
struct Installed {
    outcome: InstallOutcome,
    /// The text to print. The system log gets the first line.
    lines: Vec<String>,
    /// Whether the installation changed anything, or would.
    has_changed: bool,
    /// Whether everything could be read that a dry run has to know.
    exit: Exit,
}

/// What becomes of a list that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InstallOutcome {
    /// The list was put in force.
    Installed,
    /// A dry run found that the list would be put in force.
    WouldInstall,
    /// The list was in force before.
    AlreadyInForce,
}

impl Installed {
    fn title(&self) -> &str {
        self.lines.first().map_or("", String::as_str)
    }

    fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }
}

impl From<Installed> for Output {
    fn from(installed: Installed) -> Self {
        Self {
            text: installed.text(),
            exit: installed.exit,
        }
    }
}

fn put_in_force(
    staged: &Path,
    node: &NodeState<'_>,
    event: &mut Installation,
) -> Result<Installed, CtlError> {
    let trust = Trust::load(node.paths, &node.rules).map_err(error::of_trust)?;
    let (file, size) = open(staged)?;
    // The head is checked before the copy: a list without enough signatures is not copied.
    let claimed = authenticate(staged, &file, size, node, &trust)?;
    let size = claimed.head.file_size();
    let draft = carry_out::copy(&file, size, node.paths)?;
    let list = Reader {
        path: staged,
        bytes: draft.file(),
    };
    let found = authenticate(staged, draft.file(), size, node, &trust)?;
    describe(event, &found);
    event.signers = signers(&list, size, &trust.keyset)?;
    let judged = judge(New::of(&list, &found), node, &trust, event)?;
    if let Some(head) = &judged.plan.head {
        carry_out::sign(&draft, head, node.paths)?;
    }
    carry_out::carry_out(&judged.plan.steps, draft, size, node)?;
    Ok(Installed {
        outcome: judged.plan.outcome(InstallOutcome::Installed),
        lines: outcome::installed(&found, &judged, &trust, node),
        has_changed: !judged.plan.steps.is_empty(),
        exit: Exit::Clear,
    })
}

impl InstallPlan {
    /// What becomes of the list: `put` if this plan puts it in force.
    fn outcome(&self, put: InstallOutcome) -> InstallOutcome {
        if self.puts() {
            put
        } else {
            InstallOutcome::AlreadyInForce
        }
    }
}

/// Checks everything as an installation would, and says what an installation would do. The staged
/// file is read directly, without a copy, and no lock is taken: no file is created anywhere.
///
/// # Errors
/// The same as [`run`].
pub fn dry_run(staged: &Path, node: &NodeState<'_>) -> Result<Output, CtlError> {
    foresee(staged, node, &mut Installation::default()).map(Output::from)
}

/// Checks everything as an installation would. `event` gets the results.
fn foresee(
    staged: &Path,
    node: &NodeState<'_>,
    event: &mut Installation,
) -> Result<Installed, CtlError> {
    let trust = Trust::load(node.paths, &node.rules).map_err(error::of_trust)?;
    let (file, size) = open(staged)?;
    let found = authenticate(staged, &file, size, node, &trust)?;
    let list = Reader {
        path: staged,
        bytes: &file,
    };
    describe(event, &found);
    event.signers = signers(&list, size, &trust.keyset)?;
    let judged = judge(New::of(&list, &found), node, &trust, event)?;
    let is_certain = match &judged.survey {
        Some(survey) => survey.faults.is_empty() && survey.unknown() == 0,
        None => true,
    };
    Ok(Installed {
        outcome: judged.plan.outcome(InstallOutcome::WouldInstall),
        lines: outcome::planned(&found, &judged, &trust, node),
        has_changed: !judged.plan.steps.is_empty(),
        exit: if is_certain {
            Exit::Clear
        } else {
            Exit::CouldNotTell
        },
    })
}

#[cfg(test)]
mod tests;

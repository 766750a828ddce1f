//! Implements `embargoctl keyset rotate`: replaces this node's keyset by a later keyset.
//!
//! In: keysets in files (hostile), in the order of their numbers. Out: the node's keyset, replaced
//! by each of these in turn, as long as each follows the one before it (TUF 1.0.34, section 5.3).
//! Each step is written to the disk before the next file is read. So the node has one complete
//! keyset, the old one or a later one, whatever interrupts the command. A second run skips the
//! steps that were done already. A keyset under which the list in force would no longer be trusted
//! is refused, because the node would then have no list. The keyset on the node is trusted without
//! a check.

use std::path::{Path, PathBuf};

use super::super::{CtlError, amount, lock};
use super::{KeysetError, changes, place, renewal, signers, verify};
use crate::audit::Ending;
use crate::audit::rotation::{RotationStep, send};
use crate::banlist::bytes::Reader;
use crate::banlist::error::ListError;
use crate::banlist::keyset::{Keyset, MAX_KEYSET, SignedKeyset};
use crate::banlist::note::Enough;
use crate::banlist::rotation::{self, RotationError, Signers};
use crate::banlist::store::{Placement, Trust};
use crate::paths::Paths;
use crate::report::line;
use crate::settings::{self, Settings};
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};
use crate::sys::replace;
use crate::sys::system_log::Sockets;

/// The most keysets that one command accepts (TUF, section 5.3.3, "e.g. 2^10").
pub const MAX_HOPS: usize = 1_024;

/// Bring this node from its keyset to a later one.
///
/// Each keyset must have the next number. Enough root keys of the keyset before must have signed
/// it, and enough of its own root keys. Keysets that are not newer than the node's are skipped. The
/// exit status is 0 when the last keyset is in force, and 1 when it is not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl keyset rotate --dry-run keyset-2
  embargoctl keyset rotate keyset-2 keyset-3")]
pub struct RotateArgs {
    /// Only print what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Rotate even if the list in force is then no longer trusted. The node has no list until the
    /// next one is installed, and that list needs as many signatures as a list that lifts a ban.
    #[arg(long)]
    without_list: bool,
    /// The keysets, in the order of their numbers.
    #[arg(required = true, value_name = "KEYSET")]
    files: Vec<PathBuf>,
}

/// Rotates, and reports to the system log on `sockets`, unless the node is mounted below another
/// root.
pub(super) fn run(
    args: &RotateArgs,
    paths: &Paths,
    now: Timestamp,
    sockets: &Sockets,
) -> Result<String, CtlError> {
    let mut steps = Vec::new();
    let text = rotate(args, paths, now, &mut steps);
    if !args.dry_run && paths.root == Path::new("/") {
        send(sockets, &steps);
    }
    text.map_err(CtlError::for_root)
}

/// Rotates. `steps` receives what was done, and what was refused.
pub(super) fn rotate(
    args: &RotateArgs,
    paths: &Paths,
    now: Timestamp,
    steps: &mut Vec<RotationStep>,
) -> Result<String, CtlError> {
    if args.files.len() > MAX_HOPS {
        return Err(KeysetError::TooMany(args.files.len()).into());
    }
    let _lock = if args.dry_run {
        None
    } else {
        Some(lock::take(&paths.state)?)
    };
    if !args.dry_run {
        replace::sweep(&paths.keyset)?;
    }
    let mut trust = load(paths)?;
    let mut text = String::new();
    for path in &args.files {
        match hop(path, &trust, paths, args) {
            Ok(None) => {}
            Ok(Some(hop)) => {
                text += &taken(&hop, &trust, args.dry_run, steps);
                trust.keyset = hop.new.keyset;
            }
            Err(error) => {
                steps.push(RotationStep {
                    ending: Ending::Refused,
                    keyset: trust.keyset.number,
                    signers: Vec::new(),
                    message: line::causes(&error),
                });
                let mut details: Vec<_> = text.lines().map(str::to_owned).collect();
                details.extend(error.details);
                return Err(CtlError { details, ..error });
            }
        }
    }
    if text.is_empty() {
        text = format!(
            "already in force: keyset {} of {}\n",
            trust.keyset.number,
            line::name(&trust.keyset.origin)
        );
    }
    if let Some(line) = renewal(&trust.keyset, now) {
        text += &format!("{line}\n");
    }
    Ok(text)
}

/// Notes a step that was taken from the keyset of `trust`, and returns what to print.
fn taken(hop: &Hop, trust: &Trust, dry_run: bool, steps: &mut Vec<RotationStep>) -> String {
    let (old, new) = (&trust.keyset, &hop.new);
    let (title, mut rest) = describe(old, new, dry_run);
    if hop.is_stranded {
        rest.push(without_list(trust, &new.keyset, dry_run));
    }
    let mut text = format!("{title}\n");
    let mut message = title;
    for line in rest {
        text += &format!("  {line}\n");
        message += &format!("; {line}");
    }
    steps.push(RotationStep {
        ending: Ending::Done,
        keyset: new.keyset.number,
        signers: signers(&[old, &new.keyset], new),
        message,
    });
    text
}

fn load(paths: &Paths) -> Result<Trust, CtlError> {
    let rules = settings::load(paths)?
        .as_ref()
        .map(Settings::rules)
        .unwrap_or_default();
    Trust::load(paths, &rules).map_err(|error| match place::remedy_of(&error) {
        _ if error.is_absent() => {
            CtlError::with_hint(error, "the first keyset is put there by hand")
        }
        Some(remedy) => CtlError::with_hint(error, remedy),
        None => error.into(),
    })
}

/// One step of a rotation: the keyset that it put in force.
struct Hop {
    new: SignedKeyset,
    /// Whether the step left the node without a trusted list.
    is_stranded: bool,
}

/// Takes one step: the keyset in `path` becomes the node's. Does nothing if the node has this
/// keyset or a later one already.
fn hop(
    path: &Path,
    trust: &Trust,
    paths: &Paths,
    args: &RotateArgs,
) -> Result<Option<Hop>, CtlError> {
    let bytes = file::read(path, MAX_KEYSET, Guard::NoLink)?;
    let claimed = match SignedKeyset::parse(&bytes) {
        Ok(claimed) => claimed,
        Err(fault) => {
            let fault = RotationError::Malformed(fault);
            return Err(KeysetError::Follow(path.to_owned(), fault).into());
        }
    };
    let ours = &trust.keyset;
    if claimed.keyset.origin == ours.origin && claimed.keyset.number <= ours.number {
        return match claimed.keyset.number == ours.number && claimed.keyset != *ours {
            true => Err(KeysetError::Other(path.to_owned(), ours.number).into()),
            false => Ok(None),
        };
    }
    let new = rotation::next(ours, &bytes)
        .map_err(|fault| verify::explained(path, Some(ours), &bytes, fault))?;
    let stranded = loses_list(path, trust, &new.keyset, paths)?;
    let is_stranded = match stranded {
        Some(refusal) if !args.without_list => return Err(refusal),
        stranded => stranded.is_some(),
    };
    if !args.dry_run {
        replace::replace(&paths.keyset, 0o644, &bytes)?;
    }
    Ok(Some(Hop { new, is_stranded }))
}

/// The error when this node's list in force would not be trusted under the keyset `new`; `None`
/// when the list would be trusted, or when the node has no list.
fn loses_list(
    path: &Path,
    trust: &Trust,
    new: &Keyset,
    paths: &Paths,
) -> Result<Option<CtlError>, CtlError> {
    let after = Trust {
        keyset: new.clone(),
        ..trust.clone()
    };
    let mut lost = None;
    for list in [&paths.list, &paths.copy] {
        match is_trusted(trust, list) {
            Ok(()) => match is_trusted(&after, list) {
                // One trusted copy of the list is enough.
                Ok(()) => return Ok(None),
                Err(_) if lost.is_some() => {}
                Err(fault) => lost = Some(stranded(path, new.number, list, fault)),
            },
            Err(fault) if fault.is_of_the_system() => return Err(fault.into()),
            Err(_) => {}
        }
    }
    Ok(lost)
}

fn is_trusted(trust: &Trust, path: &Path) -> Result<(), ListError> {
    let (file, size) = file::open(path, Guard::NoLink)?;
    let list = Reader { path, bytes: &file };
    trust.authenticate(&list, size, Placement::Current, Enough::Threshold)?;
    Ok(())
}

/// The error for a keyset under which the list in force would not be trusted. The hint of this
/// error: first install the same list with more signatures.
fn stranded(path: &Path, number: u64, list: &Path, fault: ListError) -> CtlError {
    let hint = format!(
        "with keys of keyset {number}: cp {} signed.lst && embargoctl list sign --key KEY signed.lst && embargoctl install signed.lst; \
         then rotate; a node that was away: embargo-banlist(5), ROTATION",
        line::path(list)
    );
    CtlError::with_hint(KeysetError::Stranded(path.to_owned(), fault), hint)
}

/// Warns that a step leaves the node without a list, and says how many signatures the next list
/// needs.
fn without_list(trust: &Trust, new: &Keyset, dry_run: bool) -> String {
    // With a floor but no list to compare with, an installation needs as many signatures as for
    // lifting a ban.
    let needs = match trust.floor {
        Some(_) => format!(
            "{} (the lift threshold)",
            amount(new.lift_threshold, "signature")
        ),
        None => amount(new.list_threshold, "signature"),
    };
    let is = if dry_run {
        "would be trusted then"
    } else {
        "is trusted now"
    };
    format!(
        "no list {is}: with mode = \"enforce\" every start is refused until a list is installed; that list needs {needs} of keyset {}",
        new.number
    )
}

/// The headline about a step, and lines about the changes that the step makes.
fn describe(old: &Keyset, new: &SignedKeyset, dry_run: bool) -> (String, Vec<String>) {
    let by = signers(&[old, &new.keyset], new).join(", ");
    let number = new.keyset.number;
    let title = if dry_run {
        format!("would follow keyset {number}, signed by {by}")
    } else {
        format!("keyset {number} is in force, signed by {by}")
    };
    let mut rest = changes(old, &new.keyset);
    let Signers { bad, .. } = Signers::of(old, new);
    if bad > 0 {
        rest.push(format!(
            "{} passed over: embargoctl keyset verify says which",
            amount(bad, "bad signature")
        ));
    }
    (title, rest)
}

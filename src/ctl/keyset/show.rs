//! Implements `embargoctl keyset show`: prints the keys, thresholds and expiry of a keyset.
//!
//! In: a keyset, this node's by default. Out: its keys and thresholds, and which of its own root
//! keys signed it. Not checked: whether the keyset follows another one; `keyset verify` checks
//! that.

use std::path::PathBuf;

use super::super::{CtlError, amount};
use super::{place, renewal, signers};
use crate::banlist::keyset::{Key, Keyset, SignedKeyset};
use crate::banlist::store;
use crate::paths::Paths;
use crate::report::line::causes;
use crate::sys::clock::Timestamp;
use crate::sys::directory;
use crate::sys::file::Guard;

/// Show the keys and thresholds of a keyset.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl keyset show
  embargoctl keyset show keyset-2")]
pub struct KeysetShowArgs {
    /// The keyset. Default: this node's keyset.
    file: Option<PathBuf>,
}

/// Shows a keyset.
pub(super) fn run(
    args: &KeysetShowArgs,
    paths: &Paths,
    now: Timestamp,
) -> Result<String, CtlError> {
    let signed = store::keyset(args.file.as_ref().unwrap_or(&paths.keyset), Guard::Any)?;
    let Keyset {
        origin,
        number,
        issued,
        expires,
        root_threshold,
        list_threshold,
        lift_threshold,
        keys,
    } = &signed.keyset;
    let mut text =
        format!("keyset {number} of {origin}, issued {issued}, to be renewed by {expires}\n");
    let (list_keys, root_keys) = (
        amount(*list_threshold, "list key"),
        amount(*root_threshold, "root key"),
    );
    text += &format!(
        "a list needs {list_keys}, one that lifts a ban {lift_threshold}, the next keyset {root_keys}\n"
    );
    for Key { role, name, public } in keys {
        text += &format!("  {} {name} {}\n", role.word(), public.algorithm().word());
    }
    text += &signatures(&signed);
    if let Some(line) = renewal(&signed.keyset, now) {
        text += &format!("{line}\n");
    }
    if args.file.is_none()
        && let Err(fault) = directory::open_owned(&paths.root, &paths.keyset)
    {
        text += &format!("no start takes it: {}", causes(&fault));
        if let Some(remedy) = place::remedy(&fault) {
            text += &format!("; {remedy}");
        }
        text.push('\n');
    }
    Ok(text)
}

/// Says which of the keyset's own root keys signed it. Other signatures on the keyset may be by
/// root keys of the previous keyset.
fn signatures(signed: &SignedKeyset) -> String {
    let own = signers(&[&signed.keyset], signed);
    let others = signed
        .signatures
        .iter()
        .filter(|signature| !own.contains(&signature.name))
        .count();
    match (own.as_slice(), others) {
        ([], 0) => String::new(),
        ([], _) => format!(
            "{}, none by its own root keys\n",
            amount(others, "signature")
        ),
        (own, 0) => format!("signed by {}\n", own.join(", ")),
        (own, _) => format!(
            "signed by {}; {} by none of its own root keys\n",
            own.join(", "),
            amount(others, "signature")
        ),
    }
}

//! Implements `embargoctl list verify`: checks a list's bytes and signatures.
//!
//! In: a list (hostile), and a keyset, a source or both. Out: what was checked, and a line for each
//! signature. With `--source` it also checks that the list was made from that source.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::super::keyset::{signature_line, signer};
use super::super::{CtlError, signing};
use super::show::{check, contents, form, title, unchecked};
use super::{open, rebuild, wanting};
use crate::banlist::bytes::Reader;
use crate::banlist::error::ListError;
use crate::banlist::head::Claim;
use crate::banlist::keyset::{Keyset, Role};
use crate::banlist::note::{Enough, Signature};
use crate::banlist::store::{self, Authentic, Placement, Rules, Trust};
use crate::paths::Paths;
use crate::sys::file::Guard;

/// Check every byte and every signature of a list, or whether it was made from a source.
///
/// With --source, the source is compiled again, with the origin, edition, times and impact from the
/// list's head. The result must be the same list, signed or not. Then the signatures are only
/// checked if --keyset is given, or if this node has a keyset.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl list verify --keyset keyset banlist.lst
  embargoctl list verify --source bans.toml banlist.lst")]
pub struct ListVerifyArgs {
    /// The keyset to check with. Default: this node's keyset.
    #[arg(long, value_name = "FILE")]
    keyset: Option<PathBuf>,
    /// The bans.toml from which the list must have been made.
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,
    /// The list.
    list: PathBuf,
}

/// Runs the command.
pub(super) fn run(args: &ListVerifyArgs, paths: &Paths) -> Result<String, CtlError> {
    let keyset = match (&args.keyset, &args.source) {
        (Some(path), _) => Some(keyset(path)?),
        (None, None) => Some(keyset(&paths.keyset)?),
        // An unsigned draft can be compared with its source on any machine, without a keyset.
        (None, Some(_)) if open(&args.list)?.2.signatures.is_empty() => None,
        (None, Some(_)) => match store::keyset(&paths.keyset, Guard::Any) {
            Err(error) if error.is_absent() => None,
            Ok(_) | Err(_) => Some(keyset(&paths.keyset)?),
        },
    };
    let (file, size, claim) = open(&args.list)?;
    let list = Reader {
        path: &args.list,
        bytes: &file,
    };
    let signatures = match keyset {
        Some(keyset) => signatures(keyset, &list, size, &claim)?,
        None => unchecked(&claim),
    };
    let checked = check(&list, &claim.head, size)?;
    let mut text = title(&args.list, &claim.head);
    text += &format!(
        "every byte is what the head says: {}\n",
        contents(&claim.head, &checked)
    );
    if let Some(source) = &args.source {
        text += &rebuild::compare(source, &list, &claim.head)?;
    }
    Ok(text + &signatures)
}

fn keyset(path: &Path) -> Result<Keyset, CtlError> {
    match store::keyset(path, Guard::Any) {
        Ok(found) => Ok(found.keyset),
        Err(error) if error.is_absent() => Err(CtlError::with_hint(
            error,
            "name a keyset with --keyset, or put one there: embargoctl keyset new",
        )),
        Err(error) => Err(error.into()),
    }
}

/// Checks the signatures with a keyset, and returns a line about each.
fn signatures(
    keyset: Keyset,
    list: &Reader<'_, File>,
    size: u64,
    claim: &Claim,
) -> Result<String, CtlError> {
    let trust = Trust {
        keyset,
        floor: None,
        rules: Rules::default(),
    };
    let mut lines = Vec::new();
    for signature in &claim.signatures {
        let key = signer(&trust.keyset, Role::List, &claim.text, signature);
        let verdict = verdict(&trust.keyset, claim, signature);
        lines.push(signature_line(signature, key, &verdict));
    }
    match trust.authenticate(list, size, Placement::Staged, Enough::All) {
        Ok(Authentic { tally, .. }) => {
            lines.insert(
                0,
                format!("signatures: {} good, {} needed", tally.good, tally.needed),
            );
            Ok(lines.join("\n") + "\n")
        }
        Err(error) if matches!(&error, ListError::Signatures(_, tally) if tally.is_empty()) => {
            Err(CtlError::with_hint(error, signing::sign_command(list.path)))
        }
        Err(error) => {
            lines.insert(0, title(list.path, &claim.head).trim_end().to_owned());
            let hint = wanting(&trust.keyset, &error);
            let error = CtlError {
                hint,
                ..error.into()
            };
            Err(error.detailed(lines))
        }
    }
}

/// The result of one signature.
fn verdict(keyset: &Keyset, claim: &Claim, signature: &Signature) -> String {
    let tally = keyset.tally(&claim.text, std::slice::from_ref(signature), 1, Enough::All);
    let form = form(signature.form());
    match (tally.good, tally.unknown) {
        (1, _) => format!("good ({form})"),
        (_, 1) => format!("by a key that the keyset does not have ({form})"),
        _ => format!("bad ({form})"),
    }
}

//! Implements `embargoctl keyset verify`: checks that each keyset follows the one before it.
//!
//! In: keysets (hostile), and a trusted keyset. Out: one line for each keyset, or an error about
//! the first keyset that does not follow, with the result of each signature of that keyset. The
//! checks are those of `keyset rotate`, but no node is needed: an author can run them on a laptop.

use std::path::{Path, PathBuf};

use super::super::CtlError;
use super::{KeysetError, changes, root_signer, signature_line, signers};
use crate::banlist::keyset::{Keyset, MAX_KEYSET, SignedKeyset};
use crate::banlist::note::Signature;
use crate::banlist::rotation::{self, RotationError, Signers};
use crate::banlist::store;
use crate::report::line;
use crate::sys::file::{self, Guard};

/// Check that keysets follow one another.
///
/// Without --after, the first keyset is checked with its own root keys only. Then you can trust it
/// only as far as you trust the source from which you got it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl keyset verify keyset
  embargoctl keyset verify --after keyset keyset-2")]
pub struct KeysetVerifyArgs {
    /// A keyset that you trust, and that the first keyset must follow.
    #[arg(long, value_name = "OLD")]
    after: Option<PathBuf>,
    /// The keysets, in the order of their numbers.
    #[arg(required = true, value_name = "KEYSET")]
    files: Vec<PathBuf>,
}

/// Checks keysets.
pub(super) fn run(args: &KeysetVerifyArgs) -> Result<String, CtlError> {
    let mut old = match &args.after {
        Some(path) => Some(store::keyset(path, Guard::Any)?.keyset),
        None => None,
    };
    let mut text = String::new();
    for path in &args.files {
        let bytes = file::read(path, MAX_KEYSET, Guard::Any)?;
        let checked = match &old {
            Some(old) => rotation::next(old, &bytes),
            None => rotation::first(&bytes),
        };
        let new = match checked {
            Ok(new) => new,
            Err(fault) => return Err(explained(path, old.as_ref(), &bytes, fault)),
        };
        text += &describe(path, old.as_ref(), &new);
        old = Some(new.keyset);
    }
    Ok(text)
}

/// The text about a keyset that follows.
fn describe(path: &Path, old: Option<&Keyset>, new: &SignedKeyset) -> String {
    let (file, keyset) = (line::path(path), &new.keyset);
    let title = format!(
        "{file}: keyset {} of {}",
        keyset.number,
        line::name(&keyset.origin)
    );
    let Some(old) = old else {
        let by = signers(&[keyset], new);
        let by = if by.is_empty() {
            "it has no root keys".to_owned()
        } else {
            format!("signed by {}", by.join(", "))
        };
        return format!("{title}, {by}; what it follows was not checked\n");
    };
    let mut text = format!(
        "{title} follows keyset {}, signed by {}\n",
        old.number,
        signers(&[old, keyset], new).join(", ")
    );
    for change in changes(old, keyset) {
        text += &format!("  {change}\n");
    }
    let Signers { bad, .. } = Signers::of(old, new);
    if bad > 0 {
        for verdict in verdicts(Some(old), new) {
            text += &format!("{verdict}\n");
        }
    }
    text
}

/// The error for a keyset that does not follow. If signatures are the reason, the error lists the
/// result of each signature.
pub(super) fn explained(
    path: &Path,
    old: Option<&Keyset>,
    bytes: &[u8],
    fault: RotationError,
) -> CtlError {
    let (hint, signed) = match &fault {
        RotationError::Malformed(_) | RotationError::Origin(..) => (None, None),
        RotationError::ByHand(_) => (
            Some("put it in place of the old one by hand, on every node"),
            None,
        ),
        RotationError::Number(..) => (
            Some("name every keyset in between, in the order of their numbers"),
            None,
        ),
        RotationError::Old(_, tally) | RotationError::New(_, tally) => {
            let hint = match tally.bad {
                0 => "embargoctl keyset sign --key KEY KEYSET",
                _ => "it was changed after it was signed: do not sign it, get it anew",
            };
            (Some(hint), SignedKeyset::parse(bytes).ok())
        }
    };
    let verdicts = match signed {
        Some(signed) => verdicts(old, &signed),
        None => Vec::new(),
    };
    let error = match old {
        Some(_) => KeysetError::Follow(path.to_owned(), fault),
        None => KeysetError::Unsigned(path.to_owned(), fault),
    };
    match hint {
        Some(hint) => CtlError::with_hint(error, hint).detailed(verdicts),
        None => error.into(),
    }
}

/// The result of each signature, one line each.
fn verdicts(old: Option<&Keyset>, new: &SignedKeyset) -> Vec<String> {
    let mut keysets: Vec<_> = old.into_iter().collect();
    keysets.push(&new.keyset);
    let mut lines = Vec::new();
    for signature in &new.signatures {
        let key = root_signer(&keysets, &new.text, signature);
        lines.push(signature_line(
            signature,
            key,
            &verdict(&keysets, new, signature),
        ));
    }
    lines
}

/// The result for one signature.
fn verdict(keysets: &[&Keyset], new: &SignedKeyset, signature: &Signature) -> String {
    let (mut good, mut is_bad) = (Vec::new(), false);
    for keyset in keysets {
        let tally = rotation::tally(keyset, new, std::slice::from_ref(signature));
        if tally.good == 1 {
            good.push(format!("keyset {}", keyset.number));
        }
        is_bad |= tally.bad == 1;
    }
    if !good.is_empty() {
        format!("good ({})", good.join(", "))
    } else if is_bad {
        "bad".to_owned()
    } else {
        "by no root key of these keysets".to_owned()
    }
}

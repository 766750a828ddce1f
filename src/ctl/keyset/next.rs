//! Implements `embargoctl keyset next`: makes the keyset that follows a given one.
//!
//! In: a keyset, and the keys to add and to remove. Out: the next keyset, still unsigned, and a
//! text that says which keys have to sign this keyset. The signatures of the old keyset are not
//! checked here: whoever signs the new keyset should have read both.

use std::path::PathBuf;

use super::super::keys::{span, time};
use super::super::{CtlError, amount};
use super::{KeysetError, changes, draft, names_of};
use crate::banlist::keyset::{Key, Keyset, Role, SignedKeyset};
use crate::banlist::store;
use crate::report::{self, line};
use crate::sys::clock::Timestamp;
use crate::sys::file::Guard;

/// Make the keyset that follows another.
///
/// The next keyset has the next number, and the same keys and thresholds except for the changes
/// given here. As many root keys must sign it as the old keyset requires, and as many as it
/// requires itself. Then `keyset rotate` puts it in force on a node.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  embargoctl keyset next --add-list-key carol.pub --remove-list-key alice \\
      --out keyset-2 keyset")]
pub struct NextArgs {
    /// A key that signs lists from now on: a FILE.pub of keygen, ssh-keygen, minisign or signify,
    /// or a public key in PEM. Repeat it for more keys.
    #[arg(long = "add-list-key", value_name = "PUB")]
    add_list_keys: Vec<PathBuf>,
    /// The name of a key that no longer signs lists. Repeat it for more keys.
    #[arg(long = "remove-list-key", value_name = "NAME")]
    remove_list_keys: Vec<String>,
    /// A key that signs keysets from now on. Repeat it for more keys.
    #[arg(long = "add-root-key", value_name = "PUB")]
    add_root_keys: Vec<PathBuf>,
    /// The name of a key that no longer signs keysets. Repeat it for more keys.
    #[arg(long = "remove-root-key", value_name = "NAME")]
    remove_root_keys: Vec<String>,
    /// How many list keys must sign a list. Default: as before.
    #[arg(long, value_name = "N")]
    threshold: Option<usize>,
    /// How many list keys must sign a list that lifts a ban. Default: as before.
    #[arg(long, value_name = "N")]
    lift_threshold: Option<usize>,
    /// How many root keys must sign the keyset after this one. Default: as before.
    #[arg(long, value_name = "N")]
    root_threshold: Option<usize>,
    /// The keyset's time of issue, YYYY-MM-DDThh:mm:ssZ. Default: now.
    #[arg(long, value_name = "TIME", value_parser = time)]
    issued: Option<Timestamp>,
    /// How long the keyset should be used before the next one replaces it.
    #[arg(long, value_name = "SPAN", default_value = "730d", value_parser = span)]
    valid: u64,
    /// The output file. Default: standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The old keyset, which the new one follows.
    old: PathBuf,
}

/// Makes the next keyset.
pub(super) fn run(args: &NextArgs, now: Timestamp) -> Result<String, CtlError> {
    let SignedKeyset { keyset: old, .. } = store::keyset(&args.old, Guard::Any)?;
    let new = keyset(args, &old, now)?;
    let text = draft::text(&new)?;
    for doubt in doubts(&old, &new) {
        report::warning("embargoctl", &doubt);
    }
    let Some(out) = &args.out else {
        return Ok(text);
    };
    draft::write(out, &text)?;
    let mut text = format!(
        "keyset {}: {}\n",
        new.number,
        line::one_line(&out.to_string_lossy())
    );
    for change in changes(&old, &new) {
        text += &format!("  {change}\n");
    }
    Ok(text + &needs(&old, &new))
}

fn keyset(args: &NextArgs, old: &Keyset, now: Timestamp) -> Result<Keyset, CtlError> {
    let Some(number) = old.number.checked_add(1) else {
        let fault = format!("no number follows {}", old.number);
        return Err(KeysetError::Terms(fault).into());
    };
    let issued = args.issued.unwrap_or(now);
    let mut keys = keys(old, Role::Root, &args.remove_root_keys, &args.add_root_keys)?;
    keys.extend(self::keys(
        old,
        Role::List,
        &args.remove_list_keys,
        &args.add_list_keys,
    )?);
    // When the first root keys are added or the last root key is removed, the old threshold does
    // not fit: then the threshold becomes 1 or 0, as in a new keyset.
    let has_roots = keys.iter().any(|key| key.role == Role::Root);
    let root_threshold = if has_roots {
        old.root_threshold.max(1)
    } else {
        0
    };
    Ok(Keyset {
        origin: old.origin.clone(),
        number,
        issued,
        expires: issued.plus(args.valid),
        root_threshold: args.root_threshold.unwrap_or(root_threshold),
        list_threshold: args.threshold.unwrap_or(old.list_threshold),
        lift_threshold: match (args.lift_threshold, args.threshold) {
            (Some(threshold), _) => threshold,
            (None, threshold) => old.lift_threshold.max(threshold.unwrap_or(0)),
        },
        keys,
    })
}

/// The keys with this role in the next keyset: first the old keys that stay, then the added ones.
fn keys(
    old: &Keyset,
    role: Role,
    removed: &[String],
    added: &[PathBuf],
) -> Result<Vec<Key>, CtlError> {
    for name in removed {
        if !old.keys_of(role).any(|key| key.name == *name) {
            let fault = format!(
                "keyset {} has no {} key called {name:?}",
                old.number,
                role.word()
            );
            let hint = format!("its {} keys: {}", role.word(), names_of(old, role));
            return Err(CtlError::with_hint(KeysetError::Terms(fault), hint));
        }
    }
    let mut keys: Vec<_> = old.keys_of(role).cloned().collect();
    keys.retain(|key| !removed.contains(&key.name));
    keys.extend(draft::read(role, added)?);
    Ok(keys)
}

/// Warnings about the next keyset.
fn doubts(old: &Keyset, new: &Keyset) -> Vec<String> {
    let mut doubts = draft::both(new);
    if old.root_threshold > 0 && new.root_threshold == 0 {
        doubts.push(format!(
            "keyset {} has no root keys: no keyset follows it by signature, each later one goes to every node by hand",
            new.number
        ));
    }
    doubts
}

/// Says how many root keys have to sign a keyset, and names these keys.
fn needs_of(keyset: &Keyset) -> String {
    format!(
        "{} of {} (keyset {})",
        amount(keyset.root_threshold, "signature"),
        names_of(keyset, Role::Root),
        keyset.number
    )
}

/// Says how many signatures the next keyset needs, by which keys.
fn needs(old: &Keyset, new: &Keyset) -> String {
    if old.root_threshold == 0 {
        return format!(
            "keyset {} has no root keys: put this one in place of it by hand, on every node\n",
            old.number
        );
    }
    match new.root_threshold {
        0 => format!(
            "needs {}; it has no root keys, so the one after it is put in place by hand\n",
            needs_of(old)
        ),
        _ => format!("needs {} and {}\n", needs_of(old), needs_of(new)),
    }
}

//! Implements `embargoctl keyset next`: makes the keyset that follows a given one.
//!
//! In: a keyset, and the keys to add and to remove. Out: the next keyset, still unsigned, and whose
//! signatures it needs. The signatures of the old keyset are not checked here: whoever signs the
//! new keyset should have read both.

use std::path::PathBuf;

use super::super::keys::{span, time};
use super::super::{CtlError, amount};
use super::{KeysetError, changes, draft};
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
    doubts(&old, &new)
        .iter()
        .for_each(|doubt| report::warning("embargoctl", doubt));
    let Some(out) = &args.out else {
        return Ok(text);
    };
    draft::write(out, &text)?;
    let mut text = format!(
        "keyset {}: {}\n",
        new.number,
        line::one_line(&out.to_string_lossy())
    );
    text.extend(
        changes(&old, &new)
            .iter()
            .map(|change| format!("  {change}\n")),
    );
    Ok(text + &needs(&old, &new))
}

fn keyset(args: &NextArgs, old: &Keyset, now: Timestamp) -> Result<Keyset, CtlError> {
    let number = old
        .number
        .checked_add(1)
        .ok_or_else(|| KeysetError::Terms(format!("no number follows {}", old.number)))?;
    let issued = args.issued.unwrap_or(now);
    let mut keys = keys(old, Role::Root, &args.remove_root_keys, &args.add_root_keys)?;
    keys.extend(self::keys(
        old,
        Role::List,
        &args.remove_list_keys,
        &args.add_list_keys,
    )?);
    // When the first root keys are added or the last one is removed, the old threshold does not
    // fit: then it becomes 1 or 0, as in a new keyset.
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
        lift_threshold: args
            .lift_threshold
            .unwrap_or_else(|| old.lift_threshold.max(args.threshold.unwrap_or(0))),
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
    if let Some(name) = removed
        .iter()
        .find(|name| !old.keys_of(role).any(|key| key.name == **name))
    {
        let fault = KeysetError::Terms(format!(
            "keyset {} has no {} key called {name:?}",
            old.number,
            role.word()
        ));
        let names: Vec<_> = old.keys_of(role).map(|key| key.name.as_str()).collect();
        return Err(CtlError::with_hint(
            fault,
            format!("its {} keys: {}", role.word(), names.join(", ")),
        ));
    }
    let mut keys: Vec<_> = old
        .keys_of(role)
        .filter(|key| !removed.contains(&key.name))
        .cloned()
        .collect();
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

/// Says whose signatures the next keyset needs.
fn needs(old: &Keyset, new: &Keyset) -> String {
    if old.root_threshold == 0 {
        return format!(
            "keyset {} has no root keys: put this one in place of it by hand, on every node\n",
            old.number
        );
    }
    let of = |keyset: &Keyset| {
        let names: Vec<_> = keyset
            .keys_of(Role::Root)
            .map(|key| key.name.as_str())
            .collect();
        format!(
            "{} of {} (keyset {})",
            amount(keyset.root_threshold, "signature"),
            names.join(", "),
            keyset.number
        )
    };
    match new.root_threshold {
        0 => format!(
            "needs {}; it has no root keys, so the one after it is put in place by hand\n",
            of(old)
        ),
        _ => format!("needs {} and {}\n", of(old), of(new)),
    }
}

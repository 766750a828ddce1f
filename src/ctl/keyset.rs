//! Makes, signs, checks, shows and rotates keysets. A keyset says whose signatures count.
//!
//! `new` and `next` make a keyset; `sign`, `head` and `attach` add signatures of root keys;
//! `verify` checks keysets, `show` describes one, and `rotate` replaces a node's keyset by a later
//! one. The keyset on a node is trusted there. Every other keyset is hostile until its signatures
//! show that it follows a trusted one. Not done here: bringing a keyset to a node.

pub mod draft;
pub mod next;
pub mod place;
pub mod rotate;
pub mod show;
pub mod sign;
pub mod verify;

use std::path::PathBuf;

use clap::Subcommand;

use super::{CtlError, amount};
use crate::banlist::error::ListError;
use crate::banlist::keyset::{Key, Keyset, Role, SignedKeyset};
use crate::banlist::note::{self, Enough, Signature};
use crate::banlist::rotation::RotationError;
use crate::paths::Paths;
use crate::sys::clock::Timestamp;
use crate::sys::system_log::Sockets;

/// How long before its expiry a keyset is reported as expiring soon, in seconds: 90 days.
const NOTICE: u64 = 90 * 86_400;

/// Commands on keysets.
#[derive(Debug, Subcommand)]
#[expect(
    missing_docs,
    reason = "each shows the text of its `Args`, which is longer"
)]
pub enum KeysetCommand {
    New(Box<draft::NewArgs>),
    Next(Box<next::NextArgs>),
    Show(show::KeysetShowArgs),
    Sign(sign::KeysetSignArgs),
    Head(sign::KeysetHeadArgs),
    Attach(sign::KeysetAttachArgs),
    Verify(verify::KeysetVerifyArgs),
    Rotate(rotate::RotateArgs),
}

/// Why a keyset cannot be made or accepted.
#[derive(Debug, thiserror::Error)]
pub enum KeysetError {
    /// The keys and thresholds do not make a valid keyset: the reason.
    #[error("cannot make the keyset: {0}")]
    Terms(String),
    /// The file exists already.
    #[error("cannot overwrite {0:?}: it exists")]
    Exists(PathBuf),
    /// The keyset does not follow the previous keyset.
    #[error("cannot trust keyset {0:?}")]
    Follow(PathBuf, #[source] RotationError),
    /// The keyset is the first keyset of the command, and has too few signatures of its own root
    /// keys.
    #[error("cannot vouch for keyset {0:?}")]
    Unsigned(PathBuf, #[source] RotationError),
    /// This node has a different keyset with the same number: the file, the number.
    #[error("cannot trust keyset {0:?}: this node has another keyset {1}")]
    Other(PathBuf, u64),
    /// The node would no longer trust its list in force: the file of the keyset, the reason.
    #[error("cannot rotate to {0:?}: the list in force would no longer be trusted")]
    Stranded(PathBuf, #[source] ListError),
    /// More keysets were named than one rotation accepts.
    #[error(
        "cannot rotate through {0} keysets at once: at most {most}", most = rotate::MAX_HOPS
    )]
    TooMany(usize),
}

/// Runs a keyset command.
///
/// # Errors
/// [`KeysetError`], and errors in reading and writing the files.
pub fn run(command: &KeysetCommand, paths: &Paths) -> Result<String, CtlError> {
    let now = Timestamp::now();
    match command {
        KeysetCommand::New(args) => draft::new(args, now),
        KeysetCommand::Next(args) => next::run(args, now),
        KeysetCommand::Sign(args) => sign::sign(args),
        KeysetCommand::Head(args) => sign::head(args),
        KeysetCommand::Attach(args) => sign::attach(args),
        KeysetCommand::Verify(args) => verify::run(args),
        KeysetCommand::Show(args) => show::run(args, paths, now),
        KeysetCommand::Rotate(args) => rotate::run(args, paths, now, &Sockets::system()),
    }
}

/// A warning about a keyset that expires soon or has expired. The keyset stays in force either way.
#[must_use]
pub fn renewal(keyset: &Keyset, now: Timestamp) -> Option<String> {
    let Keyset {
        number, expires, ..
    } = keyset;
    let what = "it stays in force; make the next one: embargoctl keyset next";
    if now >= *expires {
        return Some(format!(
            "keyset {number} expired at {expires}, {} ago: {what}",
            amount(now.since(*expires) / 86_400, "day")
        ));
    }
    let left = expires.since(now);
    if left > NOTICE {
        return None;
    }
    let days = amount(left / 86_400, "day");
    Some(format!(
        "keyset {number} expires at {expires}, in {days}: {what}"
    ))
}

/// The changes from the keyset `old` to `new`: a short text for each key and threshold.
#[must_use]
fn changes(old: &Keyset, new: &Keyset) -> Vec<String> {
    let mut changes = Vec::new();
    for role in [Role::Root, Role::List] {
        for (verb, here, there) in [("removes", old, new), ("adds", new, old)] {
            for key in here.keys_of(role) {
                if same_key(there, role, key).is_none() {
                    changes.push(format!("{verb} {} key {}", role.word(), key.name));
                }
            }
        }
    }
    for (word, old, new) in [
        ("root", old.root_threshold, new.root_threshold),
        ("list", old.list_threshold, new.list_threshold),
        ("lift", old.lift_threshold, new.lift_threshold),
    ] {
        if old != new {
            changes.push(format!("{word} threshold {new} instead of {old}"));
        }
    }
    changes
}

/// The key of this role with the same identity as `key`, in any format and under any name.
pub(super) fn same_key<'a>(keyset: &'a Keyset, role: Role, key: &Key) -> Option<&'a Key> {
    keyset
        .keys_of(role)
        .find(|other| other.public.identity() == key.public.identity())
}

/// The names of a keyset's keys of this role.
fn names_of(keyset: &Keyset, role: Role) -> String {
    let mut names = Vec::new();
    for key in keyset.keys_of(role) {
        names.push(key.name.as_str());
    }
    names.join(", ")
}

/// The names of the root keys in `keysets` that signed the keyset `signed`, each name once. If a
/// key is in several of the keysets, its name in the first of them is used.
#[must_use]
fn signers(keysets: &[&Keyset], signed: &SignedKeyset) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for signature in &signed.signatures {
        if let Some(key) = root_signer(keysets, &signed.text, signature)
            && !names.contains(&key.name)
        {
            names.push(key.name.clone());
        }
    }
    names
}

/// The root key of one of these keysets that made a signature.
fn root_signer<'a>(keysets: &[&'a Keyset], text: &str, signature: &Signature) -> Option<&'a Key> {
    keysets
        .iter()
        .find_map(|keyset| signer(keyset, Role::Root, text, signature))
}

/// The key with this role that made a signature; `None` if no key of the keyset did. The signature
/// is checked with the key's name in the keyset. The name in the signature line is not signed:
/// anybody who transports the file may change the name.
#[must_use]
pub fn signer<'a>(
    keyset: &'a Keyset,
    role: Role,
    text: &str,
    signature: &Signature,
) -> Option<&'a Key> {
    keyset
        .keys_of(role)
        .find(|key| has_made(key, text, signature))
}

fn has_made(key: &Key, text: &str, signature: &Signature) -> bool {
    let keys = [(key.name.as_str(), &key.public)];
    note::tally(
        text,
        std::slice::from_ref(signature),
        &keys,
        1,
        Enough::Threshold,
    )
    .good
        > 0
}

/// A line that describes one signature, made by `key` or by an unknown key. The line uses the key's
/// name in the keyset, and reports a different name in the signature line.
#[must_use]
pub fn signature_line(signature: &Signature, key: Option<&Key>, verdict: &str) -> String {
    match key.filter(|key| key.name != signature.name) {
        Some(key) => format!(
            "  {}: {verdict}; {} in the line is not the key's name",
            key.name, signature.name
        ),
        None => format!("  {}: {verdict}", signature.name),
    }
}

#[cfg(test)]
mod tests;

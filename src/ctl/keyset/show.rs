//! Implements `embargoctl keyset show`: prints the keys, thresholds and expiry of a keyset.
//!
//! In: a keyset, this node's by default. Out, as text or JSON: its keys and thresholds, and which
//! of its own root keys signed it. Not checked: whether the keyset follows another one; `keyset
//! verify` checks that.

use std::path::PathBuf;

use serde::Serialize;

use super::super::{CtlError, amount};
use super::{place, renewal, signers};
use crate::banlist::keyset::{Key, Keyset, SignedKeyset};
use crate::banlist::store;
use crate::paths::Paths;
use crate::report::json;
use crate::report::line::causes;
use crate::sys::clock::Timestamp;
use crate::sys::directory;
use crate::sys::file::{FileError, Guard};

/// Show the keys and thresholds of a keyset.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl keyset show
  embargoctl keyset show --json keyset-2")]
pub struct KeysetShowArgs {
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// The keyset. Default: this node's keyset.
    file: Option<PathBuf>,
}

/// The JSON output.
#[derive(Serialize)]
struct KeysetJson<'a> {
    origin: &'a str,
    keyset: u64,
    issued: Timestamp,
    expires: Timestamp,
    thresholds: ThresholdsJson,
    keys: Vec<KeyJson<'a>>,
    /// The keyset's own root keys that signed it.
    signers: Vec<String>,
    /// How many signatures are by none of its own root keys.
    other_signatures: usize,
    /// Why no start of a container accepts this node's keyset.
    fault: Option<String>,
}

#[derive(Serialize)]
struct ThresholdsJson {
    root: usize,
    list: usize,
    lift: usize,
}

#[derive(Serialize)]
struct KeyJson<'a> {
    name: &'a str,
    role: &'static str,
    form: &'static str,
}

/// Shows a keyset.
pub(super) fn run(
    args: &KeysetShowArgs,
    paths: &Paths,
    now: Timestamp,
) -> Result<String, CtlError> {
    let signed = store::keyset(args.file.as_ref().unwrap_or(&paths.keyset), Guard::Any)?;
    let fault = match &args.file {
        None => directory::open_owned(&paths.root, &paths.keyset).err(),
        Some(_) => None,
    };
    if args.json {
        return Ok(json::pretty(&as_json(&signed, fault.as_ref())) + "\n");
    }
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
    if let Some(fault) = fault {
        text += &format!("no start takes it: {}", causes(&fault));
        if let Some(remedy) = place::remedy(&fault) {
            text += &format!("; {remedy}");
        }
        text.push('\n');
    }
    Ok(text)
}

fn as_json<'a>(signed: &'a SignedKeyset, fault: Option<&FileError>) -> KeysetJson<'a> {
    let keyset = &signed.keyset;
    let mut keys = Vec::new();
    for Key { role, name, public } in &keyset.keys {
        keys.push(KeyJson {
            name,
            role: role.word(),
            form: public.algorithm().word(),
        });
    }
    let (signers, other_signatures) = signed_by(signed);
    KeysetJson {
        origin: &keyset.origin,
        keyset: keyset.number,
        issued: keyset.issued,
        expires: keyset.expires,
        thresholds: ThresholdsJson {
            root: keyset.root_threshold,
            list: keyset.list_threshold,
            lift: keyset.lift_threshold,
        },
        keys,
        signers,
        other_signatures,
        fault: fault.map(|fault| causes(fault)),
    }
}

/// The keyset's own root keys that signed it, and how many other signatures it has. These may be by
/// root keys of the previous keyset.
fn signed_by(signed: &SignedKeyset) -> (Vec<String>, usize) {
    let own = signers(&[&signed.keyset], signed);
    let others = signed
        .signatures
        .iter()
        .filter(|signature| !own.contains(&signature.name))
        .count();
    (own, others)
}

/// Says who signed the keyset.
fn signatures(signed: &SignedKeyset) -> String {
    let (own, others) = signed_by(signed);
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

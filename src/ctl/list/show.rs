//! Implements `embargoctl list verify` and `list show`: checks a list, and prints what it says.
//!
//! In: a list (hostile). `verify` checks its signatures against a keyset, then every byte, and with
//! `--source` that the list was made from it; `show` checks every byte against the head and says
//! that the signatures were not checked. Out: a few lines for people, or JSON.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::keyset::{signature_line, signer};
use super::super::progress::Progress;
use super::super::{CtlError, amount};
use super::{open, rebuild, signing, wanting};
use crate::banlist::bytes::Reader;
use crate::banlist::error::ListError;
use crate::banlist::head::{Claim, Head};
use crate::banlist::keyset::{Keyset, Role};
use crate::banlist::note::{Enough, Form, Signature};
use crate::banlist::record::{Action, Ban, Patch, Severity};
use crate::banlist::store::{self, Rules, Standing, Trust};
use crate::banlist::whole::{Counted, Whole};
use crate::lineage::digest::Digest;
use crate::paths::Paths;
use crate::report::line;
use crate::sys::clock::Timestamp;
use crate::sys::file::Guard;

/// Check every byte and every signature of a list, or whether it was made from a source.
///
/// With --source the source is compiled once more, with what the list's head says of origin,
/// edition, times and impact, and must make the same list, signed or not. The signatures are then
/// checked where --keyset names the keys, or this node has a keyset.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl list verify --keyset keyset banlist.lst
  embargoctl list verify --source bans.toml banlist.lst")]
pub struct VerifyArgs {
    /// The keyset to check against; this node's when left out.
    #[arg(long, value_name = "FILE")]
    keyset: Option<PathBuf>,
    /// The source that the list must have been made from: its bans.toml.
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,
    /// The list.
    list: PathBuf,
}

/// Show what a list says and bans. Its signatures are not checked; `list verify` does that.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  embargoctl list show banlist.lst")]
pub struct ShowArgs {
    /// As one JSON document.
    #[arg(long)]
    json: bool,
    /// The list.
    list: PathBuf,
}

/// Checks a list against a keyset, a source, or both.
pub(super) fn verify(args: &VerifyArgs, paths: &Paths) -> Result<String, CtlError> {
    let keyset = match (&args.keyset, &args.source) {
        (Some(path), _) => Some(keyset(path)?),
        (None, None) => Some(keyset(&paths.keyset)?),
        // A draft may be compared with its source anywhere, and before anybody signs.
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
    let bans = check(&list, &claim.head, size)?;
    let mut text = title(&args.list, &claim.head);
    text += &format!(
        "every byte is what the head says: {}\n",
        contents(&claim.head, bans.len())
    );
    if let Some(source) = &args.source {
        text += &rebuild::compare(source, &list, &claim.head)?;
    }
    Ok(text + &signatures)
}

/// Checks every byte behind the head.
fn check(list: &Reader<'_, File>, head: &Head, size: u64) -> Result<Vec<Counted>, CtlError> {
    let progress = Progress::start("checking", size);
    Ok(Whole::open(list, head)?.watched(&progress).finish()?.bans)
}

fn keyset(path: &Path) -> Result<Keyset, CtlError> {
    let found = store::keyset(path, Guard::Any).map_err(|error| match error.is_absent() {
        true => CtlError::with_hint(
            error,
            "name a keyset with --keyset, or put one there: embargoctl keyset new",
        ),
        false => error.into(),
    })?;
    Ok(found.keyset)
}

/// Checks the signatures against a keyset, and returns a line about each.
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
    let told = |signature: &Signature| {
        let key = signer(&trust.keyset, Role::List, &claim.text, signature);
        signature_line(signature, key, &verdict(&trust.keyset, claim, signature))
    };
    let signatures: Vec<_> = claim.signatures.iter().map(told).collect();
    let found = trust
        .authenticate(list, size, Standing::Staged, Enough::All)
        .map_err(|error| {
            if matches!(&error, ListError::Signatures(_, tally) if tally.is_empty()) {
                return CtlError::with_hint(error, signing(list.path));
            }
            let title = title(list.path, &claim.head).trim_end().to_owned();
            let hint = wanting(&trust.keyset, &error);
            CtlError {
                hint,
                ..error.into()
            }
            .detailed([vec![title], signatures.clone()].concat())
        })?;
    let lines: String = signatures
        .iter()
        .map(|signature| format!("{signature}\n"))
        .collect();
    Ok(format!(
        "signatures: {} good, {} needed\n{lines}",
        found.tally.good, found.tally.wanted
    ))
}

/// Who signed a list, according to itself.
fn unchecked(claim: &Claim) -> String {
    let names: Vec<_> = claim
        .signatures
        .iter()
        .map(|signature| format!("{} ({})", signature.name, form(signature.form())))
        .collect();
    match names.as_slice() {
        [] => "not signed\n".to_owned(),
        names => format!("signatures, not checked here: {}\n", names.join(", ")),
    }
}

fn title(path: &Path, head: &Head) -> String {
    let Head {
        origin,
        edition,
        issued,
        expires,
        ..
    } = head;
    let (list, version) = (line::name(&path.to_string_lossy()), edition.version);
    format!(
        "{list}: version {version} for {origin} (keyset {}), issued {issued}, expires {expires}\n",
        edition.keyset
    )
}

fn contents(head: &Head, bans: usize) -> String {
    let entries = head.entries;
    format!(
        "{}, {} ({} base, {} image, {} layer)",
        amount(bans, "ban"),
        amount(entries.all, "digest"),
        entries.base,
        entries.image,
        entries.layer
    )
}

/// The result for one signature.
fn verdict(keyset: &Keyset, claim: &Claim, signature: &Signature) -> String {
    let tally = keyset.tally(&claim.text, std::slice::from_ref(signature), 1, Enough::All);
    let form = form(signature.form());
    match (tally.good, tally.unknown) {
        (1, _) => format!("good ({form})"),
        (_, 1) => format!("by a key that the keyset does not have ({form})"),
        _ => format!("bad ({form})"),
    }
}

const fn form(form: Form) -> &'static str {
    match form {
        Form::Ed25519 => "ed25519",
        Form::EcdsaDer => "p256",
        Form::Sshsig => "sshsig",
        Form::Minisign => "minisign",
        Form::Other => "unknown kind",
    }
}

/// A list as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    origin: &'a str,
    keyset: u64,
    version: u64,
    issued: Timestamp,
    expires: Timestamp,
    impact: &'static str,
    entries: Counts,
    tree_root: Digest,
    source: Digest,
    signatures: Vec<ShownSignature<'a>>,
    bans: Vec<ShownBan<'a>>,
}

#[derive(Serialize)]
struct Counts {
    all: u64,
    base: u64,
    image: u64,
    layer: u64,
}

#[derive(Serialize)]
struct ShownSignature<'a> {
    name: &'a str,
    form: &'static str,
}

#[derive(Serialize)]
struct ShownBan<'a> {
    #[serde(flatten)]
    ban: &'a Ban,
    entries: Counts,
    names: &'a [String],
}

impl From<crate::banlist::head::Entries> for Counts {
    fn from(entries: crate::banlist::head::Entries) -> Self {
        Self {
            all: entries.all,
            base: entries.base,
            image: entries.image,
            layer: entries.layer,
        }
    }
}

/// Shows a list.
pub(super) fn show(args: &ShowArgs) -> Result<String, CtlError> {
    let (file, size, claim) = open(&args.list)?;
    let bans = check(
        &Reader {
            path: &args.list,
            bytes: &file,
        },
        &claim.head,
        size,
    )?;
    if args.json {
        return Ok(crate::report::json::pretty(&as_json(&claim, &bans)) + "\n");
    }
    let mut text = title(&args.list, &claim.head) + &contents(&claim.head, bans.len()) + "\n";
    text += &unchecked(&claim);
    text.extend(bans.iter().map(describe));
    Ok(text)
}

fn as_json<'a>(claim: &'a Claim, bans: &'a [Counted]) -> Shown<'a> {
    let Claim {
        head, signatures, ..
    } = claim;
    Shown {
        origin: &head.origin,
        keyset: head.edition.keyset,
        version: head.edition.version,
        issued: head.issued,
        expires: head.expires,
        impact: head.impact.word(),
        entries: head.entries.into(),
        tree_root: head.tree_root,
        source: head.source,
        signatures: signatures
            .iter()
            .map(|signature| ShownSignature {
                name: &signature.name,
                form: form(signature.form()),
            })
            .collect(),
        bans: bans
            .iter()
            .map(
                |Counted {
                     ban,
                     entries,
                     names,
                 }| ShownBan {
                    ban,
                    entries: (*entries).into(),
                    names,
                },
            )
            .collect(),
    }
}

/// A ban in a few lines.
fn describe(counted: &Counted) -> String {
    let Counted {
        ban,
        entries,
        names,
    } = counted;
    let severity = match ban.severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    };
    let action = match ban.action {
        Action::Refuse => "refuses",
        Action::Warn => "warns of",
    };
    let mut lines = vec![
        [std::slice::from_ref(&ban.reason), ban.advisories.as_slice()]
            .concat()
            .join(", "),
    ];
    if !names.is_empty() {
        lines.push(format!("matches {}", names.join(", ")));
    }
    lines.extend(ban.lapses.map(|lapses| format!("lapses {lapses}")));
    lines.extend(
        ban.successor
            .as_ref()
            .map(|successor| format!("use {successor}")),
    );
    lines.extend(ban.except.iter().map(|except| {
        format!(
            "not for {} until {}: {}",
            except.digest, except.until, except.reason
        )
    }));
    lines.extend(
        ban.cure
            .iter()
            .map(|layer| format!("cured by layer {layer}")),
    );
    lines.extend(ban.patch.iter().flat_map(Patch::lines));
    let title = format!(
        "\n{} {severity}, {action} {} from {}\n",
        line::name(&ban.id),
        amount(entries.all, "digest"),
        ban.effective
    );
    title
        + &lines
            .iter()
            .map(|words| format!("  {}\n", line::one_line(words)))
            .collect::<String>()
}

//! Implements `embargoctl list show`: prints the head and the bans of a list.
//!
//! In: a list (hostile). Every byte is checked against the head. The signatures are not checked,
//! and the output says so. Out: a few lines of text, or JSON.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::progress::Progress;
use super::super::{CtlError, amount};
use super::open;
use crate::banlist::ban::{Action, Ban, Patch};
use crate::banlist::bytes::Reader;
use crate::banlist::head::{Claim, Head};
use crate::banlist::note::SignatureForm;
use crate::banlist::whole::{CountedBan, WholeList};
use crate::lineage::digest::Digest;
use crate::report::line;
use crate::sys::clock::Timestamp;

/// Show what a list says and bans. Its signatures are not checked; `list verify` checks them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  embargoctl list show banlist.lst")]
pub struct ListShowArgs {
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// The list.
    list: PathBuf,
}

/// Checks every byte behind the head against the head.
pub(super) fn check(
    list: &Reader<'_, File>,
    head: &Head,
    size: u64,
) -> Result<Vec<CountedBan>, CtlError> {
    let progress = Progress::start("checking", size);
    Ok(WholeList::open(list, head)?
        .watched(&progress)
        .finish()?
        .bans)
}

/// Names the keys that are said to have signed a list. The signatures are not checked.
pub(super) fn unchecked(claim: &Claim) -> String {
    let mut names = Vec::new();
    for signature in &claim.signatures {
        names.push(format!("{} ({})", signature.name, form(signature.form())));
    }
    match names.as_slice() {
        [] => "not signed\n".to_owned(),
        names => format!("signatures, not checked here: {}\n", names.join(", ")),
    }
}

pub(super) fn title(path: &Path, head: &Head) -> String {
    let Head {
        origin,
        edition,
        issued,
        expires,
        ..
    } = head;
    let (list, version) = (line::path(path), edition.version);
    format!(
        "{list}: version {version} for {origin} (keyset {}), issued {issued}, expires {expires}\n",
        edition.keyset
    )
}

pub(super) fn contents(head: &Head, bans: usize) -> String {
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

pub(super) const fn form(form: SignatureForm) -> &'static str {
    match form {
        SignatureForm::Ed25519 => "ed25519",
        SignatureForm::EcdsaDer => "p256",
        SignatureForm::Sshsig => "sshsig",
        SignatureForm::Minisign => "minisign",
        SignatureForm::Other => "unknown kind",
    }
}

/// The JSON output.
#[derive(Serialize)]
struct ListJson<'a> {
    origin: &'a str,
    keyset: u64,
    version: u64,
    issued: Timestamp,
    expires: Timestamp,
    impact: &'static str,
    entries: EntryCounts,
    tree_root: Digest,
    source: Digest,
    signatures: Vec<SignatureJson<'a>>,
    bans: Vec<BanJson<'a>>,
}

#[derive(Serialize)]
struct EntryCounts {
    all: u64,
    base: u64,
    image: u64,
    layer: u64,
}

#[derive(Serialize)]
struct SignatureJson<'a> {
    name: &'a str,
    form: &'static str,
}

#[derive(Serialize)]
struct BanJson<'a> {
    #[serde(flatten)]
    ban: &'a Ban,
    entries: EntryCounts,
    names: &'a [String],
}

impl From<crate::banlist::head::Entries> for EntryCounts {
    fn from(entries: crate::banlist::head::Entries) -> Self {
        Self {
            all: entries.all,
            base: entries.base,
            image: entries.image,
            layer: entries.layer,
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &ListShowArgs) -> Result<String, CtlError> {
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

fn as_json<'a>(claim: &'a Claim, bans: &'a [CountedBan]) -> ListJson<'a> {
    let Claim {
        head, signatures, ..
    } = claim;
    let mut signatures_json = Vec::new();
    for signature in signatures {
        signatures_json.push(SignatureJson {
            name: &signature.name,
            form: form(signature.form()),
        });
    }
    let mut bans_json = Vec::new();
    for counted in bans {
        bans_json.push(BanJson {
            ban: &counted.ban,
            entries: counted.entries.into(),
            names: &counted.names,
        });
    }
    ListJson {
        origin: &head.origin,
        keyset: head.edition.keyset,
        version: head.edition.version,
        issued: head.issued,
        expires: head.expires,
        impact: head.impact.word(),
        entries: head.entries.into(),
        tree_root: head.tree_root,
        source: head.source,
        signatures: signatures_json,
        bans: bans_json,
    }
}

/// Describes a ban in a few lines.
fn describe(counted: &CountedBan) -> String {
    let CountedBan {
        ban,
        entries,
        names,
    } = counted;
    let severity = ban.severity.word();
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
    if let Some(lapses) = ban.lapses {
        lines.push(format!("lapses {lapses}"));
    }
    if let Some(successor) = &ban.successor {
        lines.push(format!("use {successor}"));
    }
    for except in &ban.except {
        lines.push(format!(
            "not for {} until {}: {}",
            except.digest, except.until, except.reason
        ));
    }
    for layer in &ban.cure {
        lines.push(format!("cured by layer {layer}"));
    }
    lines.extend(ban.patch.iter().flat_map(Patch::lines));
    let mut text = format!(
        "\n{} {severity}, {action} {} from {}\n",
        line::name(&ban.id),
        amount(entries.all, "digest"),
        ban.effective
    );
    for line in &lines {
        text += &format!("  {}\n", line::one_line(line));
    }
    text
}

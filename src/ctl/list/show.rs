//! Implements `embargoctl list show`: prints what a list says and bans.
//!
//! In: a list (hostile). Every byte is checked against the head. The signatures are not checked,
//! and the output says so. Out: a few lines of text, or JSON.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::progress::Progress;
use super::super::{CtlError, amount};
use super::open;
use crate::banlist::bytes::Reader;
use crate::banlist::head::{Claim, Head};
use crate::banlist::note::SignatureForm;
use crate::banlist::record::{Action, Ban, Patch, Severity};
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

pub(super) fn title(path: &Path, head: &Head) -> String {
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
        signatures: signatures
            .iter()
            .map(|signature| SignatureJson {
                name: &signature.name,
                form: form(signature.form()),
            })
            .collect(),
        bans: bans
            .iter()
            .map(
                |CountedBan {
                     ban,
                     entries,
                     names,
                 }| BanJson {
                    ban,
                    entries: (*entries).into(),
                    names,
                },
            )
            .collect(),
    }
}

/// Describes a ban in a few lines.
fn describe(counted: &CountedBan) -> String {
    let CountedBan {
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
            .map(|line| format!("  {}\n", line::one_line(line)))
            .collect::<String>()
}

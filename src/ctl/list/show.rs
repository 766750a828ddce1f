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
use crate::banlist::catalogue::CatalogueBase;
use crate::banlist::head::{Claim, Head};
use crate::banlist::note::SignatureForm;
use crate::banlist::whole::{Checked, CountedBan, CountedBase, WholeList};
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

#[cfg(test)]
impl ListShowArgs {
    /// The arguments for a list, as text.
    pub(super) const fn of(list: PathBuf) -> Self {
        Self { json: false, list }
    }
}

/// Checks every byte behind the head against the head.
pub(super) fn check(list: &Reader<'_, File>, head: &Head, size: u64) -> Result<Checked, CtlError> {
    let progress = Progress::start("checking", size);
    Ok(WholeList::open(list, head)?.watched(&progress).finish()?)
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
        "{list}: version {version} for {origin} (keyset {}), issued {issued}, expires \
         {expires}{}\n",
        edition.keyset,
        urgent(head)
    )
}

/// Says that a list is urgent, if it is.
pub(super) const fn urgent(head: &Head) -> &'static str {
    if head.urgency.is_urgent() {
        ", urgent"
    } else {
        ""
    }
}

pub(super) fn contents(head: &Head, checked: &Checked) -> String {
    let entries = head.entries;
    let mut bans = amount(checked.bans.len(), "ban");
    let mut kinds = format!(
        "{} base, {} image, {} layer",
        entries.base, entries.image, entries.layer
    );
    if !checked.bases.is_empty() {
        bans += &format!(", {} of the catalogue", amount(checked.bases.len(), "base"));
        kinds += &format!(", {} catalogue", entries.catalogue);
    }
    format!("{bans}, {} ({kinds})", amount(entries.all, "digest"))
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
    urgent: bool,
    entries: EntryCounts,
    tree_root: Digest,
    source: Digest,
    signatures: Vec<SignatureJson<'a>>,
    bans: Vec<BanJson<'a>>,
    catalogue: Vec<BaseJson<'a>>,
}

#[derive(Serialize)]
struct EntryCounts {
    all: u64,
    base: u64,
    image: u64,
    layer: u64,
    catalogue: u64,
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

#[derive(Serialize)]
struct BaseJson<'a> {
    #[serde(flatten)]
    base: &'a CatalogueBase,
    digests: u64,
}

impl From<crate::banlist::head::Entries> for EntryCounts {
    fn from(entries: crate::banlist::head::Entries) -> Self {
        Self {
            all: entries.all,
            base: entries.base,
            image: entries.image,
            layer: entries.layer,
            catalogue: entries.catalogue,
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &ListShowArgs) -> Result<String, CtlError> {
    let (file, size, claim) = open(&args.list)?;
    let checked = check(
        &Reader {
            path: &args.list,
            bytes: &file,
        },
        &claim.head,
        size,
    )?;
    if args.json {
        return Ok(crate::report::json::pretty(&as_json(&claim, &checked)) + "\n");
    }
    let mut text = title(&args.list, &claim.head) + &contents(&claim.head, &checked) + "\n";
    text += &unchecked(&claim);
    text.extend(checked.bans.iter().map(describe));
    text.extend(checked.bases.iter().map(describe_base));
    Ok(text)
}

fn as_json<'a>(claim: &'a Claim, checked: &'a Checked) -> ListJson<'a> {
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
    for counted in &checked.bans {
        bans_json.push(BanJson {
            ban: &counted.ban,
            entries: counted.entries.into(),
            names: &counted.names,
        });
    }
    let mut bases_json = Vec::new();
    for CountedBase { base, digests } in &checked.bases {
        bases_json.push(BaseJson {
            base,
            digests: *digests,
        });
    }
    ListJson {
        origin: &head.origin,
        keyset: head.edition.keyset,
        version: head.edition.version,
        issued: head.issued,
        expires: head.expires,
        impact: head.impact.word(),
        urgent: head.urgency.is_urgent(),
        entries: head.entries.into(),
        tree_root: head.tree_root,
        source: head.source,
        signatures: signatures_json,
        bans: bans_json,
        catalogue: bases_json,
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
    if let Some(until) = ban.existing_until {
        lines.push(format!(
            "until {until}, containers that were made before it took effect may start"
        ));
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

/// Describes a base of the catalogue in a few lines.
fn describe_base(counted: &CountedBase) -> String {
    let CountedBase { base, digests } = counted;
    let mut lines = Vec::new();
    if !base.names.is_empty() {
        lines.push(format!("named {}", base.names.join(", ")));
    }
    if let Some(until) = base.support_until {
        lines.push(format!("supported until {until}"));
    }
    if let Some(successor) = &base.successor {
        lines.push(format!("then use {successor}"));
    }
    if !base.only_for.is_empty() {
        lines.push(format!("only for {}", base.only_for.join(", ")));
    }
    let (id, digests) = (line::name(&base.id), amount(*digests, "digest"));
    let mut text = format!("\n{id} in the catalogue, {digests}\n");
    for line in &lines {
        text += &format!("  {}\n", line::one_line(line));
    }
    text
}

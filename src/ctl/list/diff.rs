//! Implements `embargoctl list diff`: compares the bans of two lists.
//!
//! In: two lists (hostile), signed or not. The reader is somebody who reviews a draft before
//! signing it. Every byte of both lists is checked against the list's head. Out: the changes to
//! each ban, as text or as JSON, and how many signatures the new list needs to replace the old list
//! on a node. If a keyset is known, the good signatures of the new list are counted. The signatures
//! of the old list are not checked.

use std::path::PathBuf;

use serde::Serialize;

use super::super::change::{self as wording, Needed};
use super::super::progress::Progress;
use super::super::{CtlError, amount};
use super::open;
use crate::banlist::ban::Patch;
use crate::banlist::bytes::Reader;
use crate::banlist::change::{
    self, Alteration, BanChange, BanStatus, BaseChange, CatalogueChange, Change, How,
};
use crate::banlist::error::ListError;
use crate::banlist::head::Head;
use crate::banlist::keyset::Keyset;
use crate::banlist::store;
use crate::banlist::whole::WholeList;
use crate::paths::Paths;
use crate::report::line;
use crate::sys::clock::Timestamp;
use crate::sys::file::Guard;

/// Show what a new list bans or lifts, compared with an old one, and how many signatures it needs.
///
/// Bans are compared by what they do, not by their IDs. A ban that is renamed, split or merged
/// lifts nothing; a ban that is weakened does. The lists may be unsigned. The exit status is 0,
/// whatever the difference.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  embargoctl list diff /var/lib/embargo/banlist.lst banlist.lst")]
pub struct DiffArgs {
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// The keyset that says how many signatures are needed. Default: this node's keyset, if it is
    /// for the same origin.
    #[arg(long, value_name = "FILE")]
    keyset: Option<PathBuf>,
    /// The old list.
    old: PathBuf,
    /// The new list.
    new: PathBuf,
}

/// Runs the command.
pub(super) fn run(args: &DiffArgs, paths: &Paths) -> Result<String, CtlError> {
    compare_at(args, paths, Timestamp::now())
}

/// Compares the lists as an installation at the time `clock` would, and returns the text to print.
fn compare_at(args: &DiffArgs, paths: &Paths, clock: Timestamp) -> Result<String, CtlError> {
    let (old_file, old_size, old) = open(&args.old)?;
    let (new_file, new_size, new) = open(&args.new)?;
    let keyset = keyset(args, paths, &new.head)?;
    let progress = Progress::start("comparing", old_size + new_size);
    let one = Reader {
        path: &args.old,
        bytes: &old_file,
    };
    let other = Reader {
        path: &args.new,
        bytes: &new_file,
    };
    let whole = WholeList::open(&one, &old.head)?.watched(&progress);
    let moment = change::moment(&new.head, clock);
    let change = change::compare(
        whole,
        WholeList::open(&other, &new.head)?.watched(&progress),
        moment,
    )?;
    drop(progress);
    let needed = keyset
        .as_ref()
        .map(|keyset| Needed::of(keyset, &new, &change));
    if args.json {
        return Ok(
            crate::report::json::pretty(&as_json(&old.head, &new.head, &change, needed)) + "\n",
        );
    }
    let mut text = title(&old.head, &new.head);
    for line in wording::lines(&change) {
        text += &format!("{line}\n");
    }
    text += &format!(
        "{} added, {} lifted\n",
        amount(change.digests_added, "digest"),
        change.digests_lifted
    );
    if !change.catalogue.bases.is_empty() {
        text += &format!(
            "catalogue: {} permitted, {} withdrawn\n",
            amount(change.catalogue.permitted, "digest"),
            change.catalogue.withdrawn
        );
    }
    text += &wording::sentence(Some(&change), new.head.edition.keyset, needed);
    text += "\n";
    if let (Some(keyset), Some(needed)) = (&keyset, needed)
        && let Some(withheld) = wording::withheld(keyset, needed.good, &change.bans)
    {
        text += &format!("{withheld}\n");
    }
    Ok(text)
}

/// The keyset that was named, or else the node's keyset if it has the origin of the new list.
fn keyset(args: &DiffArgs, paths: &Paths, head: &Head) -> Result<Option<Keyset>, CtlError> {
    let path = args.keyset.as_ref().unwrap_or(&paths.keyset);
    match store::keyset(path, Guard::Any) {
        Ok(found) if found.keyset.origin == head.origin => Ok(Some(found.keyset)),
        Ok(found) if args.keyset.is_some() => {
            Err(
                ListError::Origin(args.new.clone(), head.origin.clone(), found.keyset.origin)
                    .into(),
            )
        }
        Err(error) if args.keyset.is_some() || !error.is_absent() => Err(error.into()),
        Ok(_) | Err(_) => Ok(None),
    }
}

fn title(old: &Head, new: &Head) -> String {
    let origin = format!(" of {}", line::name(&new.origin));
    let old_origin = if old.origin == new.origin {
        String::new()
    } else {
        format!(" of {}", line::name(&old.origin))
    };
    let mut text = format!(
        "version {}{old_origin} (keyset {}) -> version {}{origin} (keyset {})\n",
        old.edition.version, old.edition.keyset, new.edition.version, new.edition.keyset
    );
    if old.impact != new.impact {
        text += &format!("impact {} -> {}\n", old.impact.word(), new.impact.word());
    }
    if new.urgency.is_urgent() {
        text += "urgent\n";
    }
    text
}

/// The JSON output.
#[derive(Serialize)]
struct DiffJson<'a> {
    old: HeadJson<'a>,
    new: HeadJson<'a>,
    lifts: bool,
    digests: DigestsJson,
    needed: Option<Needed>,
    lifted: Vec<BanChangeJson<'a>>,
    added: Vec<BanChangeJson<'a>>,
    changed: Vec<BanChangeJson<'a>>,
    catalogue: CatalogueJson<'a>,
}

#[derive(Serialize)]
struct CatalogueJson<'a> {
    permitted: u64,
    withdrawn: u64,
    ended: bool,
    bases: Vec<BaseChangeJson<'a>>,
}

#[derive(Serialize)]
struct BaseChangeJson<'a> {
    id: &'a str,
    status: &'static str,
    added: u64,
    removed: u64,
    alterations: Vec<AlterationJson<'a>>,
}

#[derive(Serialize)]
struct HeadJson<'a> {
    origin: &'a str,
    keyset: u64,
    version: u64,
    issued: Timestamp,
    impact: &'static str,
    urgent: bool,
}

#[derive(Serialize)]
struct DigestsJson {
    added: u64,
    lifted: u64,
}

#[derive(Serialize)]
struct BanChangeJson<'a> {
    id: &'a str,
    status: &'static str,
    digests: BanDigestsJson,
    banned_by: &'a [String],
    alterations: Vec<AlterationJson<'a>>,
    /// The ban's successor, if the new list adds or changes the successor.
    #[serde(skip_serializing_if = "Option::is_none")]
    successor: Option<&'a str>,
    /// The ban's patch, if the new list adds or changes the patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<&'a Patch>,
}

#[derive(Serialize)]
struct BanDigestsJson {
    added: u64,
    removed: u64,
    lifted: u64,
}

#[derive(Serialize)]
struct AlterationJson<'a> {
    what: &'a str,
    how: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    weakens: bool,
}

fn as_json<'a>(
    old: &'a Head,
    new: &'a Head,
    change: &'a Change,
    needed: Option<Needed>,
) -> DiffJson<'a> {
    DiffJson {
        old: head_as_json(old),
        new: head_as_json(new),
        lifts: change.is_lift(),
        digests: DigestsJson {
            added: change.digests_added,
            lifted: change.digests_lifted,
        },
        needed,
        lifted: bans_as_json(&change.lifted),
        added: bans_as_json(&change.added),
        changed: bans_as_json(&change.changed),
        catalogue: catalogue_as_json(&change.catalogue),
    }
}

fn catalogue_as_json(change: &CatalogueChange) -> CatalogueJson<'_> {
    CatalogueJson {
        permitted: change.permitted,
        withdrawn: change.withdrawn,
        ended: change.has_ended,
        bases: change.bases.iter().map(base_as_json).collect(),
    }
}

fn base_as_json(change: &BaseChange) -> BaseChangeJson<'_> {
    BaseChangeJson {
        id: &change.base.id,
        status: change.status.word(),
        added: change.added,
        removed: change.dropped,
        alterations: change.alterations.iter().map(alteration_as_json).collect(),
    }
}

fn alteration_as_json(Alteration { what, how, weakens }: &Alteration) -> AlterationJson<'_> {
    let (how, from, to) = match how {
        How::Added => ("added", None, None),
        How::Dropped => ("dropped", None, None),
        How::Moved(from, to) => ("moved", Some(from.as_str()), Some(to.as_str())),
        How::Rewritten => ("rewritten", None, None),
        How::Early => ("early", None, None),
    };
    AlterationJson {
        what,
        how,
        from,
        to,
        weakens: *weakens,
    }
}

fn head_as_json(head: &Head) -> HeadJson<'_> {
    HeadJson {
        origin: &head.origin,
        keyset: head.edition.keyset,
        version: head.edition.version,
        issued: head.issued,
        impact: head.impact.word(),
        urgent: head.urgency.is_urgent(),
    }
}

fn bans_as_json(changes: &[BanChange]) -> Vec<BanChangeJson<'_>> {
    changes.iter().map(ban_as_json).collect()
}

fn ban_as_json(change: &BanChange) -> BanChangeJson<'_> {
    let status = match change.status {
        BanStatus::Added => "added",
        BanStatus::Kept => "kept",
        BanStatus::Removed => "removed",
        BanStatus::Expired => "lapsed",
    };
    BanChangeJson {
        id: &change.ban.id,
        status,
        digests: BanDigestsJson {
            added: change.added.all,
            removed: change.dropped.all,
            lifted: change.lifted.all,
        },
        banned_by: &change.heirs,
        alterations: change.alterations.iter().map(alteration_as_json).collect(),
        successor: wording::new_successor(change).map(String::as_str),
        patch: wording::new_patch(change),
    }
}

#[cfg(test)]
mod tests;

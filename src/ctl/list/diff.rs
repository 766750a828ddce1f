//! Implements `embargoctl list diff`: compares what two lists ban.
//!
//! In: two lists (hostile), signed or not: it is for whoever reviews a draft before signing it.
//! Every byte of both is checked against its head. Out: what happened to each ban, as text or as
//! JSON, and how many signatures an installation over the old list will ask for. The signatures of
//! the new list are counted where a keyset is known, and not described further. Those of the old
//! list are not looked at.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::progress::Progress;
use super::super::{CtlError, amount};
use super::open;
use crate::banlist::bytes::Reader;
use crate::banlist::change::{self, Alteration, BanChange, Change, Fate, How};
use crate::banlist::error::{ListError, Tally};
use crate::banlist::floor::Edition;
use crate::banlist::head::{Claim, Entries, Head};
use crate::banlist::keyset::Keyset;
use crate::banlist::note::Enough;
use crate::banlist::record::{Action, Patch};
use crate::banlist::store;
use crate::banlist::whole::Whole;
use crate::paths::Paths;
use crate::report::line;
use crate::sys::clock::Timestamp;
use crate::sys::file::Guard;

/// Show what a list bans and lets go that another does not, and how many signatures that takes.
///
/// Bans are compared by what they do, not by their names: one that is renamed, split or merged
/// lifts nothing, one that is weakened does. Unsigned drafts will do. Exit status 0 whatever the
/// difference.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  embargoctl list diff /var/lib/embargo/banlist.lst banlist.lst")]
pub struct Args {
    /// As one JSON document.
    #[arg(long)]
    json: bool,
    /// The keyset that tells how many signatures are needed; this node's when left out, if it is
    /// for the same origin.
    #[arg(long, value_name = "FILE")]
    keyset: Option<PathBuf>,
    /// The list before.
    old: PathBuf,
    /// The list after.
    new: PathBuf,
}

/// How many signatures a list needs, and has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(in crate::ctl) struct Needed {
    /// Number of the keyset.
    pub(in crate::ctl) keyset: u64,
    /// How many of its list keys have to sign.
    pub(in crate::ctl) needed: usize,
    /// How many have.
    pub(in crate::ctl) good: usize,
}

impl Needed {
    /// What a list of this text needs under a keyset, for this change.
    fn of(keyset: &Keyset, claim: &Claim, change: &Change) -> Self {
        let needed = if change.is_lift() {
            keyset.lift_threshold
        } else {
            keyset.list_threshold
        };
        let Tally { good, .. } = keyset.tally(&claim.text, &claim.signatures, needed, Enough::All);
        Self {
            keyset: keyset.number,
            needed,
            good,
        }
    }
}

/// Compares two lists.
pub(super) fn run(args: &Args, paths: &Paths) -> Result<String, CtlError> {
    told(args, paths, Timestamp::now())
}

/// The text by this clock: as an installation that replaces the old list with the new one now would
/// report it.
fn told(args: &Args, paths: &Paths, clock: Timestamp) -> Result<String, CtlError> {
    let (old_file, old_size, old) = open(&args.old)?;
    let (new_file, new_size, new) = open(&args.new)?;
    let keyset = keyset(args, paths, &new.head)?;
    let progress = Progress::start("comparing", old_size + new_size);
    let (one, other) = (reader(&args.old, &old_file), reader(&args.new, &new_file));
    let whole = Whole::open(&one, &old.head)?.watched(&progress);
    let moment = change::moment(&new.head, clock);
    let change = change::compare(
        whole,
        Whole::open(&other, &new.head)?.watched(&progress),
        moment,
    )?;
    drop(progress);
    let needed = keyset.map(|keyset| Needed::of(&keyset, &new, &change));
    if args.json {
        return Ok(
            crate::report::json::pretty(&as_json(&old.head, &new.head, &change, needed)) + "\n",
        );
    }
    let mut text = title(&old.head, &new.head);
    lines(&change)
        .iter()
        .for_each(|line| text.extend([line, "\n"]));
    text += &format!(
        "{}, {} lifted\n",
        digests_added(&change),
        change.digests_lifted
    );
    Ok(text + &sentence(Some(&change), new.head.edition.keyset, needed) + "\n")
}

const fn reader<'a>(path: &'a Path, file: &'a File) -> Reader<'a, File> {
    Reader { path, bytes: file }
}

/// The keyset that was named, else the node's where it is for such a list.
fn keyset(args: &Args, paths: &Paths, head: &Head) -> Result<Option<Keyset>, CtlError> {
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
    let named = |head: &Head, origin: bool| {
        let Edition { keyset, version } = head.edition;
        let origin = if origin {
            format!(" of {}", line::name(&head.origin))
        } else {
            String::new()
        };
        format!("version {version}{origin} (keyset {keyset})")
    };
    let mut text = format!(
        "{} -> {}\n",
        named(old, old.origin != new.origin),
        named(new, true)
    );
    if old.impact != new.impact {
        text += &format!("impact {} -> {}\n", old.impact.word(), new.impact.word());
    }
    text
}

fn digests_added(change: &Change) -> String {
    format!("{} added", amount(change.digests_added, "digest"))
}

/// How many signatures the change takes: `lifts 2 bans: 2 signatures of keyset 3 needed, 1 there`.
/// `None` where there is nothing to compare with.
pub(in crate::ctl) fn sentence(
    change: Option<&Change>,
    keyset: u64,
    needed: Option<Needed>,
) -> String {
    let is_lift = change.is_some_and(Change::is_lift);
    let lifts = match change {
        Some(change) if is_lift => format!("lifts {}", amount(change.lifted.len(), "ban")),
        Some(_) => "lifts nothing".to_owned(),
        None => "no list to compare it with".to_owned(),
    };
    match needed {
        Some(Needed {
            keyset,
            needed,
            good,
        }) => {
            format!(
                "{lifts}: {} of keyset {keyset} needed, {good} there",
                amount(needed, "signature")
            )
        }
        None if is_lift => format!("{lifts}: it takes the lift threshold of keyset {keyset}"),
        None => format!("{lifts}: it takes the list threshold of keyset {keyset}"),
    }
}

/// What happened to each ban: a line, and indented lines with details.
pub(super) fn lines(change: &Change) -> Vec<String> {
    let mut lines = Vec::new();
    for change in change
        .lifted
        .iter()
        .chain(&change.added)
        .chain(&change.changed)
    {
        lines.push(headline(change));
        lines.extend(
            details(change)
                .into_iter()
                .map(|detail| format!("  {detail}")),
        );
    }
    lines
}

/// What happened to a ban, in a line.
pub(in crate::ctl) fn headline(change: &BanChange) -> String {
    let BanChange {
        ban,
        fate,
        added,
        lifted,
        ..
    } = change;
    let named = format!("{} ({})", line::name(&ban.id), ban.severity.word());
    if lifted.all > 0 {
        return format!("lifts {named}: {}", digests(lifted));
    }
    let does = match ban.action {
        Action::Refuse => "refuses",
        Action::Warn => "warns of",
    };
    match fate {
        Fate::Added => format!(
            "adds {named}: {does} {} from {}",
            digests(added),
            ban.effective
        ),
        Fate::Kept | Fate::Removed | Fate::Expired => format!("changes {named}"),
    }
}

/// The details of a ban.
fn details(change: &BanChange) -> Vec<String> {
    let BanChange {
        fate,
        alterations,
        added,
        dropped,
        heirs,
        ..
    } = change;
    let weaker = |alteration: &Alteration| if alteration.weakens { "weaker: " } else { "" };
    let mut details: Vec<_> = alterations
        .iter()
        .map(|one| line::one_line(&format!("{}{one}", weaker(one))))
        .collect();
    match fate {
        // The headline says everything.
        Fate::Added => {}
        Fate::Kept => {
            details.extend(
                (dropped.all > 0)
                    .then(|| format!("{} removed{}", digests(dropped), banned_by(heirs))),
            );
            details.extend((added.all > 0).then(|| format!("{} added", digests(added))));
        }
        Fate::Removed => details.push(format!("removed{}", banned_by(heirs))),
        Fate::Expired => details.push("removed: it had lapsed".to_owned()),
    }
    details.extend(
        new_successor(change)
            .filter(|_| *fate == Fate::Added)
            .map(|successor| format!("successor {}", line::name(successor))),
    );
    details.extend(
        new_patch(change)
            .into_iter()
            .flat_map(Patch::lines)
            .map(|text| line::one_line(&text)),
    );
    details
}

/// What a list adds for people to run or to use: each patch and successor that is new or changed,
/// in lines that begin with their ban. They make a list refuse neither more nor less, so nobody
/// would look for them.
pub(in crate::ctl) fn brought(change: &Change) -> Vec<String> {
    let mut lines = Vec::new();
    for change in change
        .lifted
        .iter()
        .chain(&change.added)
        .chain(&change.changed)
    {
        let is_gone = |what: &str| {
            change.fate == Fate::Kept
                && change
                    .alterations
                    .iter()
                    .any(|alteration| alteration.what == what)
        };
        let successor = new_successor(change).cloned();
        let successor = successor.or_else(|| {
            (change.ban.successor.is_none() && is_gone("successor")).then(|| "none".to_owned())
        });
        lines.extend(brought_by(
            &change.ban.id,
            successor.as_deref(),
            new_patch(change),
        ));
        if change.ban.patch.is_none() && is_gone("patch") {
            lines.push(format!("{}: patch: none", line::name(&change.ban.id)));
        }
    }
    lines
}

/// What one ban adds: its successor and its patch.
pub(in crate::ctl) fn brought_by(
    id: &str,
    successor: Option<&str>,
    patch: Option<&Patch>,
) -> Vec<String> {
    let successor = successor.map(|successor| format!("successor: {}", line::name(successor)));
    let all = successor
        .into_iter()
        .chain(patch.into_iter().flat_map(Patch::lines));
    all.map(|text| line::one_line(&format!("{}: {text}", line::name(id))))
        .collect()
}

/// The successor that the new list adds.
fn new_successor(change: &BanChange) -> Option<&String> {
    change
        .ban
        .successor
        .as_ref()
        .filter(|_| is_new(change, "successor"))
}

/// Whether only the new list gives this to the ban.
fn is_new(change: &BanChange, what: &str) -> bool {
    match change.fate {
        Fate::Added => true,
        Fate::Kept => change
            .alterations
            .iter()
            .any(|alteration| alteration.what == what),
        Fate::Removed | Fate::Expired => false,
    }
}

/// The patch that the new list adds: it is code, and who signs the list signs it.
fn new_patch(change: &BanChange) -> Option<&Patch> {
    change
        .ban
        .patch
        .as_ref()
        .filter(|_| is_new(change, "patch"))
}

/// The most IDs that a line names.
const MOST_NAMED: usize = 4;

fn banned_by(heirs: &[String]) -> String {
    if heirs.is_empty() {
        String::new()
    } else {
        format!(": banned by {}", named(heirs))
    }
}

/// The first few of the IDs.
pub(in crate::ctl) fn named<S: AsRef<str>>(ids: &[S]) -> String {
    let names: Vec<_> = ids
        .iter()
        .take(MOST_NAMED)
        .map(|id| line::name(id.as_ref()))
        .collect();
    let more = ids.len() - names.len();
    names.join(", ")
        + &if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        }
}

/// A number of digests, with the kinds where there are others than bases.
fn digests(entries: &Entries) -> String {
    let Entries {
        all,
        base,
        image,
        layer,
    } = *entries;
    let kinds = [(base, "base"), (image, "image"), (layer, "layer")]
        .into_iter()
        .filter(|(number, _)| *number > 0);
    let kinds: Vec<_> = kinds
        .map(|(number, kind)| format!("{number} {kind}"))
        .collect();
    if base == all && kinds.len() == 1 {
        amount(all, "digest")
    } else {
        format!("{} ({})", amount(all, "digest"), kinds.join(", "))
    }
}

/// A comparison as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    old: ShownHead<'a>,
    new: ShownHead<'a>,
    lifts: bool,
    digests: ShownDigests,
    needed: Option<Needed>,
    lifted: Vec<ShownBan<'a>>,
    added: Vec<ShownBan<'a>>,
    changed: Vec<ShownBan<'a>>,
}

#[derive(Serialize)]
struct ShownHead<'a> {
    origin: &'a str,
    keyset: u64,
    version: u64,
    issued: Timestamp,
    impact: &'static str,
}

#[derive(Serialize)]
struct ShownDigests {
    added: u64,
    lifted: u64,
}

#[derive(Serialize)]
struct ShownBan<'a> {
    id: &'a str,
    status: &'static str,
    digests: ShownBanDigests,
    banned_by: &'a [String],
    alterations: Vec<ShownAlteration<'a>>,
    /// The successor, where it is new or changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    successor: Option<&'a str>,
    /// The patch, where it is new or changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<&'a Patch>,
}

#[derive(Serialize)]
struct ShownBanDigests {
    added: u64,
    removed: u64,
    lifted: u64,
}

#[derive(Serialize)]
struct ShownAlteration<'a> {
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
) -> Shown<'a> {
    let head = |head: &'a Head| ShownHead {
        origin: &head.origin,
        keyset: head.edition.keyset,
        version: head.edition.version,
        issued: head.issued,
        impact: head.impact.word(),
    };
    let bans = |changes: &'a [BanChange]| changes.iter().map(ban_as_json).collect();
    Shown {
        old: head(old),
        new: head(new),
        lifts: change.is_lift(),
        digests: ShownDigests {
            added: change.digests_added,
            lifted: change.digests_lifted,
        },
        needed,
        lifted: bans(&change.lifted),
        added: bans(&change.added),
        changed: bans(&change.changed),
    }
}

fn ban_as_json(change: &BanChange) -> ShownBan<'_> {
    let status = match change.fate {
        Fate::Added => "added",
        Fate::Kept => "kept",
        Fate::Removed => "removed",
        Fate::Expired => "lapsed",
    };
    fn alteration(Alteration { what, how, weakens }: &Alteration) -> ShownAlteration<'_> {
        let (how, from, to) = match how {
            How::Added => ("added", None, None),
            How::Dropped => ("dropped", None, None),
            How::Moved(from, to) => ("moved", Some(from.as_str()), Some(to.as_str())),
            How::Rewritten => ("rewritten", None, None),
            How::Early => ("early", None, None),
        };
        ShownAlteration {
            what,
            how,
            from,
            to,
            weakens: *weakens,
        }
    }
    ShownBan {
        id: &change.ban.id,
        status,
        digests: ShownBanDigests {
            added: change.added.all,
            removed: change.dropped.all,
            lifted: change.lifted.all,
        },
        banned_by: &change.heirs,
        alterations: change.alterations.iter().map(alteration).collect(),
        successor: new_successor(change).map(String::as_str),
        patch: new_patch(change),
    }
}

#[cfg(test)]
mod tests;

//! Describes the change from one list to another.
//!
//! In: a comparison; IDs and texts in it come from others and are quoted. Out: lines for people, and
//! how many signatures the change takes.

use serde::Serialize;

use super::amount;
use crate::banlist::change::{Alteration, BanChange, BanStatus, Change};
use crate::banlist::error::SignatureTally;
use crate::banlist::head::{Claim, Entries};
use crate::banlist::keyset::Keyset;
use crate::banlist::note::Enough;
use crate::banlist::record::{Action, Patch};
use crate::report::line;

/// How many signatures a list needs, and has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Needed {
    /// Number of the keyset.
    pub keyset: u64,
    /// How many of its list keys have to sign.
    pub needed: usize,
    /// How many have.
    pub good: usize,
}

impl Needed {
    /// What a list of this text needs under a keyset, for this change.
    pub fn of(keyset: &Keyset, claim: &Claim, change: &Change) -> Self {
        let needed = if change.is_lift() {
            keyset.lift_threshold
        } else {
            keyset.list_threshold
        };
        let SignatureTally { good, .. } =
            keyset.tally(&claim.text, &claim.signatures, needed, Enough::All);
        Self {
            keyset: keyset.number,
            needed,
            good,
        }
    }
}

/// How many signatures the change takes: `lifts 2 bans: 2 signatures of keyset 3 needed, 1 there`.
/// `None` where there is nothing to compare with.
pub fn sentence(change: Option<&Change>, keyset: u64, needed: Option<Needed>) -> String {
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
pub fn lines(change: &Change) -> Vec<String> {
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
pub fn headline(change: &BanChange) -> String {
    let BanChange {
        ban,
        status,
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
    match status {
        BanStatus::Added => format!(
            "adds {named}: {does} {} from {}",
            digests(added),
            ban.effective
        ),
        BanStatus::Kept | BanStatus::Removed | BanStatus::Expired => format!("changes {named}"),
    }
}

/// The details of a ban.
fn details(change: &BanChange) -> Vec<String> {
    let BanChange {
        status,
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
    match status {
        // The headline says everything.
        BanStatus::Added => {}
        BanStatus::Kept => {
            details.extend(
                (dropped.all > 0)
                    .then(|| format!("{} removed{}", digests(dropped), banned_by(heirs))),
            );
            details.extend((added.all > 0).then(|| format!("{} added", digests(added))));
        }
        BanStatus::Removed => details.push(format!("removed{}", banned_by(heirs))),
        BanStatus::Expired => details.push("removed: it had lapsed".to_owned()),
    }
    details.extend(
        new_successor(change)
            .filter(|_| *status == BanStatus::Added)
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
pub fn brought(change: &Change) -> Vec<String> {
    let mut lines = Vec::new();
    for change in change
        .lifted
        .iter()
        .chain(&change.added)
        .chain(&change.changed)
    {
        let is_gone = |what: &str| {
            change.status == BanStatus::Kept
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
pub fn brought_by(id: &str, successor: Option<&str>, patch: Option<&Patch>) -> Vec<String> {
    let successor = successor.map(|successor| format!("successor: {}", line::name(successor)));
    let all = successor
        .into_iter()
        .chain(patch.into_iter().flat_map(Patch::lines));
    all.map(|text| line::one_line(&format!("{}: {text}", line::name(id))))
        .collect()
}

/// The successor that the new list adds.
pub fn new_successor(change: &BanChange) -> Option<&String> {
    change
        .ban
        .successor
        .as_ref()
        .filter(|_| is_new(change, "successor"))
}

/// Whether only the new list gives this to the ban.
fn is_new(change: &BanChange, what: &str) -> bool {
    match change.status {
        BanStatus::Added => true,
        BanStatus::Kept => change
            .alterations
            .iter()
            .any(|alteration| alteration.what == what),
        BanStatus::Removed | BanStatus::Expired => false,
    }
}

/// The patch that the new list adds: it is code, and who signs the list signs it.
pub fn new_patch(change: &BanChange) -> Option<&Patch> {
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
pub fn named<S: AsRef<str>>(ids: &[S]) -> String {
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

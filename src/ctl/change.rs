//! Describes the change from one list to another, for `install`, `list diff` and `list preview`.
//!
//! In: a comparison of two lists. The IDs and texts in it are untrusted, and are quoted. Out: lines
//! of text, and how many signatures the new list needs.

use serde::Serialize;

use super::amount;
use crate::banlist::change::{Alteration, BanChange, BanStatus, Change};
use crate::banlist::error::SignatureTally;
use crate::banlist::head::{Claim, Entries};
use crate::banlist::keyset::Keyset;
use crate::banlist::note::Enough;
use crate::banlist::record::{Action, Patch};
use crate::report::line;

/// How many signatures a list needs, and how many it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Needed {
    /// The number of the keyset.
    pub keyset: u64,
    /// How many of the keyset's list keys must sign the list.
    pub needed: usize,
    /// How many of them have signed it.
    pub good: usize,
}

impl Needed {
    /// How many signatures a list with the head `claim` needs under a keyset, given what it
    /// changes.
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

/// Says how many signatures the change needs, for instance
/// `lifts 2 bans: 2 signatures of keyset 3 needed, 1 there`. `None` without a list to compare with.
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

/// Describes each ban that changed: a headline, then indented lines with details.
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

/// The headline about one ban.
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

/// The lines of detail about one ban.
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
        // A new ban needs no details: the headline names its digests.
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

/// What a list adds that people may run or use: each new or changed patch and successor, in lines
/// that begin with the ban's ID. A patch or successor does not change what a list refuses, so a
/// reviewer of the refusals alone would miss it.
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

/// Describes one ban's successor and patch, in lines that begin with the ban's ID.
pub fn brought_by(id: &str, successor: Option<&str>, patch: Option<&Patch>) -> Vec<String> {
    let successor = successor.map(|successor| format!("successor: {}", line::name(successor)));
    let all = successor
        .into_iter()
        .chain(patch.into_iter().flat_map(Patch::lines));
    all.map(|text| line::one_line(&format!("{}: {text}", line::name(id))))
        .collect()
}

/// The ban's successor, if the new list adds or changes it.
pub fn new_successor(change: &BanChange) -> Option<&String> {
    change
        .ban
        .successor
        .as_ref()
        .filter(|_| is_new(change, "successor"))
}

/// Whether the new list adds or changes this field (`what`) of the ban.
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

/// The ban's patch, if the new list adds or changes it. A patch is code: whoever signs the list
/// signs the patch too.
pub fn new_patch(change: &BanChange) -> Option<&Patch> {
    change
        .ban
        .patch
        .as_ref()
        .filter(|_| is_new(change, "patch"))
}

/// The most IDs that one line names.
const MOST_NAMED: usize = 4;

fn banned_by(heirs: &[String]) -> String {
    if heirs.is_empty() {
        String::new()
    } else {
        format!(": banned by {}", named(heirs))
    }
}

/// Joins the first few IDs into text, then "and N more".
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

/// A number of digests; by kind as well, unless all of them are bases.
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

//! Describes the change from one list to another, for `install`, `list diff` and `list preview`.
//!
//! In: a comparison of two lists. The IDs and texts in it are untrusted, and are quoted. Out: lines
//! of text, and how many signatures the new list needs.

use serde::Serialize;

use super::amount;
use crate::banlist::change::{BanChange, BanStatus, Change};
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
    /// How many of the keyset's list keys have signed the list.
    pub good: usize,
}

impl Needed {
    /// How many signatures a list with the head `claim` needs under a keyset, for the changes in
    /// `change`.
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

/// Says how many signatures the change needs, for instance `lifts 2 bans: 2 signatures of keyset 3
/// needed, 1 there`. Without a list to compare with, `change` is `None`.
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
    for change in all(change) {
        lines.push(headline(change));
        for detail in details(change) {
            lines.push(format!("  {detail}"));
        }
    }
    lines
}

/// Every ban that differs between the two lists.
pub fn all(change: &Change) -> impl Iterator<Item = &BanChange> {
    let Change {
        lifted,
        added,
        changed,
        ..
    } = change;
    lifted.iter().chain(added).chain(changed)
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
    let mut details = Vec::new();
    for one in alterations {
        let weaker = if one.weakens { "weaker: " } else { "" };
        details.push(line::one_line(&format!("{weaker}{one}")));
    }
    match status {
        // The headline names the digests of an added ban.
        BanStatus::Added => {
            if let Some(successor) = new_successor(change) {
                details.push(format!("successor {}", line::name(successor)));
            }
        }
        BanStatus::Kept => {
            if dropped.all > 0 {
                details.push(format!("{} removed{}", digests(dropped), banned_by(heirs)));
            }
            if added.all > 0 {
                details.push(format!("{} added", digests(added)));
            }
        }
        BanStatus::Removed => details.push(format!("removed{}", banned_by(heirs))),
        BanStatus::Expired => details.push("removed: it had lapsed".to_owned()),
    }
    for text in new_patch(change).into_iter().flat_map(Patch::lines) {
        details.push(line::one_line(&text));
    }
    details
}

/// What a list adds that users may run: each new or changed patch and successor, in lines that
/// begin with the ban's ID. A patch or successor does not change what a list refuses, so a reviewer
/// of the refusals alone would miss the addition.
pub fn brought(change: &Change) -> Vec<String> {
    let mut lines = Vec::new();
    for change in all(change) {
        let ban = &change.ban;
        let is_kept = change.status == BanStatus::Kept;
        let is_gone = is_kept && ban.successor.is_none() && is_new(change, "successor");
        let successor = match new_successor(change) {
            None if is_gone => Some("none"),
            successor => successor.map(String::as_str),
        };
        lines.extend(brought_by(&ban.id, successor, new_patch(change)));
        if is_kept && ban.patch.is_none() && is_new(change, "patch") {
            lines.push(format!("{}: patch: none", line::name(&ban.id)));
        }
    }
    lines
}

/// Describes one ban's successor and patch, in lines that begin with the ban's ID.
pub fn brought_by(id: &str, successor: Option<&str>, patch: Option<&Patch>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(successor) = successor {
        lines.push(format!("successor: {}", line::name(successor)));
    }
    lines.extend(patch.into_iter().flat_map(Patch::lines));
    for line in &mut lines {
        *line = line::one_line(&format!("{}: {line}", line::name(id)));
    }
    lines
}

/// The ban's successor, if the new list adds or changes it.
pub fn new_successor(change: &BanChange) -> Option<&String> {
    if is_new(change, "successor") {
        change.ban.successor.as_ref()
    } else {
        None
    }
}

/// Whether the new list adds or changes the field of the ban that `what` names.
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
    if is_new(change, "patch") {
        change.ban.patch.as_ref()
    } else {
        None
    }
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
    line::names(&ids[..ids.len().min(MOST_NAMED)], ids.len())
}

/// A number of digests as text. The text also has the numbers for each kind, unless all digests are
/// banned as bases.
fn digests(entries: &Entries) -> String {
    let Entries {
        all,
        base,
        image,
        layer,
    } = *entries;
    let mut kinds = Vec::new();
    for (number, kind) in [(base, "base"), (image, "image"), (layer, "layer")] {
        if number > 0 {
            kinds.push(format!("{number} {kind}"));
        }
    }
    if base == all && kinds.len() == 1 {
        amount(all, "digest")
    } else {
        format!("{} ({})", amount(all, "digest"), kinds.join(", "))
    }
}

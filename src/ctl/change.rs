//! Describes the change from one list to another, for `install`, `list diff` and `list preview`.
//!
//! In: a comparison of two lists. The IDs and texts in it are untrusted, and are quoted. Out: lines
//! of text, and how many signatures the new list needs.

use serde::Serialize;

use super::amount;
use crate::banlist::ban::{Action, Ban, Patch};
use crate::banlist::change::{
    Alteration, BanChange, BanStatus, BaseChange, BaseStatus, Change, How, NONE, PATCH,
};
use crate::banlist::error::SignatureTally;
use crate::banlist::head::{Claim, Entries};
use crate::banlist::keyset::Keyset;
use crate::banlist::note::Enough;
use crate::banlist::whole::CountedBan;
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
        Some(change) if is_lift => match (change.lifted.len(), change.catalogue.is_lift()) {
            (0, _) => "widens the catalogue".to_owned(),
            (bans, false) => format!("lifts {}", amount(bans, "ban")),
            (bans, true) => format!("lifts {} and widens the catalogue", amount(bans, "ban")),
        },
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
    lines.extend(catalogue(change));
    lines
}

/// Describes what becomes of the catalogue: each base that differs, with details.
pub fn catalogue(change: &Change) -> Vec<String> {
    let mut lines = Vec::new();
    for base in &change.catalogue.bases {
        lines.extend(base_lines(base));
    }
    if change.catalogue.has_ended {
        lines.push("weaker: the list has no catalogue any more".to_owned());
    }
    lines
}

/// Describes a base of the catalogue that was added, changed or removed.
fn base_lines(change: &BaseChange) -> Vec<String> {
    let BaseChange {
        base,
        status,
        alterations,
        added,
        dropped,
    } = change;
    let id = line::name(&base.id);
    let for_whom = if base.only_for.is_empty() {
        String::new()
    } else {
        format!(", only for {}", named(&base.only_for))
    };
    let mut lines = vec![match status {
        BaseStatus::Added => {
            format!(
                "adds {id} to the catalogue: {}{for_whom}",
                amount(*added, "digest")
            )
        }
        BaseStatus::Kept => format!("changes {id} in the catalogue"),
        BaseStatus::Removed => {
            format!(
                "removes {id} from the catalogue: {}",
                amount(*dropped, "digest")
            )
        }
    }];
    for one in alterations {
        let weaker = if one.weakens { "weaker: " } else { "" };
        lines.push(format!("  {}", line::one_line(&format!("{weaker}{one}"))));
    }
    if *status == BaseStatus::Kept {
        if *dropped > 0 {
            lines.push(format!("  {} removed", amount(*dropped, "digest")));
        }
        if *added > 0 {
            lines.push(format!("  weaker: {} added", amount(*added, "digest")));
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
        ban,
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
            if let Some(successor) = &ban.successor {
                details.push(format!("successor {}", line::name(successor)));
            }
            for text in ban.patch.iter().flat_map(Patch::lines) {
                details.push(line::one_line(&text));
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
    details
}

/// What a list does to something that people act on: a patch, a successor, a severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Only the new list has it.
    Adds,
    /// It has another value.
    Changes,
    /// Only the old list has it.
    Removes,
}

impl Does {
    /// The heading of its line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Adds => "adds",
            Self::Changes => "changes",
            Self::Removes => "removes",
        }
    }
}

/// What the list does to one patch, successor or severity, in a line that begins with the ban's ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brought {
    /// What it does.
    pub does: Does,
    /// The line: the new value or, of what differs, `old -> new`.
    pub line: String,
}

/// What a list does to patches, successors and severities. They do not change what a list refuses,
/// so somebody who reviews only the refusals would not see such a change. The severity of a new ban
/// is in its headline.
pub fn brought(change: &Change) -> Vec<Brought> {
    let mut brought = Vec::new();
    for change in all(change) {
        let ban = &change.ban;
        if change.status == BanStatus::Added {
            brought.extend(brought_by(ban));
        }
        for one in &change.alterations {
            if let Some(does) = does(one) {
                brought.push(Brought {
                    does,
                    line: line_of(ban, &one.to_string()),
                });
            }
        }
    }
    brought
}

/// What a difference does, if it is one of a patch, a successor or a severity.
fn does(one: &Alteration) -> Option<Does> {
    let what = one.what.as_str();
    let How::Moved(from, to) = &one.how else {
        return None;
    };
    if what != "severity" && what != "successor" && !PATCH.contains(&what) {
        return None;
    }
    Some(match (from.as_str(), to.as_str()) {
        (NONE, _) => Does::Adds,
        (_, NONE) => Does::Removes,
        (_, _) => Does::Changes,
    })
}

/// Describes the successor and the patch of a ban that is new.
pub fn brought_by(ban: &Ban) -> Vec<Brought> {
    let mut texts = Vec::new();
    if let Some(successor) = &ban.successor {
        texts.push(format!("successor: {}", line::name(successor)));
    }
    texts.extend(ban.patch.iter().flat_map(Patch::lines));
    let mut brought = Vec::new();
    for text in texts {
        brought.push(Brought {
            does: Does::Adds,
            line: line_of(ban, &text),
        });
    }
    brought
}

fn line_of(ban: &Ban, text: &str) -> String {
    line::one_line(&format!("{}: {text}", line::name(&ban.id)))
}

/// Says that no patch of a list runs, if `good` signatures are enough to install the list and too
/// few for its patches.
pub fn withheld(keyset: &Keyset, good: usize, bans: &[CountedBan]) -> Option<String> {
    let needed = keyset.lift_threshold;
    let has_patch = bans.iter().any(|counted| counted.ban.patch.is_some());
    (has_patch && (keyset.list_threshold..needed).contains(&good)).then(|| {
        format!(
            "exec-patch prints this list's patches and runs none: {good} signed it, and the lift threshold is {needed}"
        )
    })
}

/// The ban's successor, if the new list adds or changes it.
pub fn new_successor(change: &BanChange) -> Option<&String> {
    if is_new(change, &["successor"]) {
        change.ban.successor.as_ref()
    } else {
        None
    }
}

/// Whether the new list adds or changes one of these fields (`what`) of the ban.
fn is_new(change: &BanChange, what: &[&str]) -> bool {
    match change.status {
        BanStatus::Added => true,
        BanStatus::Kept => change
            .alterations
            .iter()
            .any(|alteration| what.contains(&alteration.what.as_str())),
        BanStatus::Removed | BanStatus::Expired => false,
    }
}

/// The ban's patch, if the new list adds or changes it. A patch is code: whoever signs the list
/// signs the patch too.
pub fn new_patch(change: &BanChange) -> Option<&Patch> {
    if is_new(change, &PATCH) {
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
        catalogue: _,
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

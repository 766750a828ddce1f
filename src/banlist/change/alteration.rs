//! Describes how a ban's record has changed.
//!
//! In: two records of the same ban. Out: one [`Alteration`] for each difference, with text for a
//! report, and whether it makes the ban less strict. The same comparisons decide whether a digest
//! is lifted. Other people wrote the strings in the records, so these strings are quoted.

use std::fmt;

use crate::banlist::ban::{Ban, Exception, MatchKind, Patch};
use crate::banlist::whole::CountedBan;
use crate::lineage::digest::Digest;
use crate::sys::clock::Timestamp;

use super::strictness::{
    Times, acts_as_hard, ends_as_late, ends_early, is_covered, spares_as_shortly, starts_as_early,
};

/// One difference between two records of a ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alteration {
    /// What differs, such as `action` or `exception for image sha256:…`.
    pub what: String,
    /// How this part differs.
    pub how: How,
    /// Whether the difference makes the ban less strict.
    pub weakens: bool,
}

/// How a part of a ban's record differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// Only the new record has this part.
    Added,
    /// Only the old record has this part.
    Dropped,
    /// The part has another value: the old value, the new value.
    Moved(String, String),
    /// It differs, and is not shown.
    Rewritten,
    /// The ban ends when the new list is issued, before a gate's clock would end it.
    Early,
}

impl fmt::Display for Alteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = &self.what;
        match &self.how {
            How::Added => write!(f, "{what} added"),
            How::Dropped => write!(f, "{what} dropped"),
            How::Moved(from, to) => write!(f, "{what} {from} -> {to}"),
            How::Rewritten => write!(f, "{what} changed"),
            How::Early => write!(f, "{what} early: the list is issued after it lapses"),
        }
    }
}

/// The differences between two records of a ban. `times.at` is the time from which a difference
/// makes the ban less strict.
pub(super) fn between(old: &CountedBan, new: &CountedBan, times: Times) -> Vec<Alteration> {
    let (old_names, new_names) = (&old.names, &new.names);
    let (old, new) = (&old.ban, &new.ban);
    let mut found = Vec::new();
    add_moved(&mut found, strictness(old, new, times.at));
    if ends_early(new, old, times) {
        found.push(Alteration {
            what: "ends".to_owned(),
            how: How::Early,
            weakens: true,
        });
    }
    exceptions(old, new, times.at, &mut found);
    cures(old, new, &mut found);
    add_moved(&mut found, texts(old, new));
    if old_names != new_names {
        found.push(Alteration {
            what: "names".to_owned(),
            how: How::Rewritten,
            weakens: false,
        });
    }
    found.extend(patches(old.patch.as_ref(), new.patch.as_ref()));
    found
}

/// One value of a ban: its name, the old text, the new text, and whether a difference between the
/// texts makes the ban less strict.
type Value = (&'static str, String, String, bool);

/// The values that decide how strict a ban is.
fn strictness(old: &Ban, new: &Ban, at: Timestamp) -> [Value; 4] {
    [
        (
            "action",
            old.action.word().to_owned(),
            new.action.word().to_owned(),
            !acts_as_hard(new, old),
        ),
        (
            "effective",
            old.effective.to_string(),
            new.effective.to_string(),
            !starts_as_early(new, old, at),
        ),
        (
            "lapses",
            end(old.lapses),
            end(new.lapses),
            !ends_as_late(new, old),
        ),
        (
            "existing_until",
            spared(old.existing_until),
            spared(new.existing_until),
            !spares_as_shortly(new, old, at),
        ),
    ]
}

/// The values that are only shown.
fn texts(old: &Ban, new: &Ban) -> [Value; 4] {
    let (severity, new_severity) = (old.severity.word(), new.severity.word());
    let (reason, new_reason) = (&old.reason, &new.reason);
    let (advisories, new_advisories) = (listed(&old.advisories), listed(&new.advisories));
    [
        (
            "severity",
            severity.to_owned(),
            new_severity.to_owned(),
            false,
        ),
        (
            "reason",
            format!("{reason:?}"),
            format!("{new_reason:?}"),
            false,
        ),
        ("advisories", advisories, new_advisories, false),
        ("successor", successor(old), successor(new), false),
    ]
}

/// Adds the values that differ.
fn add_moved(found: &mut Vec<Alteration>, values: impl IntoIterator<Item = Value>) {
    for (what, from, to, weakens) in values {
        if from != to {
            found.push(Alteration {
                what: what.to_owned(),
                how: How::Moved(from, to),
                weakens,
            });
        }
    }
}

fn successor(ban: &Ban) -> String {
    match &ban.successor {
        Some(successor) => format!("{successor:?}"),
        None => NONE.to_owned(),
    }
}

/// What is shown for a value that a record does not have.
pub const NONE: &str = "none";

/// The parts of a patch, each of them a value: what it runs, its check, its user and time. For a
/// patch that only the old record has, the command alone.
pub const PATCH: [&str; 3] = ["patch", "patch check", "patch runs"];

/// The parts of a patch that differ.
fn patches(old: Option<&Patch>, new: Option<&Patch>) -> Vec<Alteration> {
    let parts = |patch: Option<&Patch>| match patch {
        Some(patch) => [
            Some(patch.command()),
            patch.typed_check(),
            Some(patch.terms()),
        ],
        None => [None, None, None],
    };
    let shown = match new {
        Some(_) => PATCH.len(),
        None => 1,
    };
    let mut found = Vec::new();
    for ((what, from), to) in PATCH
        .into_iter()
        .zip(parts(old))
        .zip(parts(new))
        .take(shown)
    {
        // A command may be the word that stands for no command.
        if from != to {
            let [from, to] = [from, to].map(|part| part.unwrap_or_else(|| NONE.to_owned()));
            found.push(Alteration {
                what: what.to_owned(),
                how: How::Moved(from, to),
                weakens: false,
            });
        }
    }
    found
}

/// What is lost with a ban that only the old list has: its successor and its patch.
pub(super) fn gone(old: &Ban) -> Vec<Alteration> {
    let mut found = Vec::new();
    add_moved(
        &mut found,
        [("successor", successor(old), NONE.to_owned(), false)],
    );
    found.extend(patches(old.patch.as_ref(), None));
    found
}

fn end(lapses: Option<Timestamp>) -> String {
    match lapses {
        Some(lapses) => lapses.to_string(),
        None => "never".to_owned(),
    }
}

fn spared(until: Option<Timestamp>) -> String {
    match until {
        Some(until) => until.to_string(),
        None => NONE.to_owned(),
    }
}

fn listed(text: &[String]) -> String {
    if text.is_empty() {
        "none".to_owned()
    } else {
        format!("{:?}", text.join(", "))
    }
}

/// The exceptions of a ban. Of several exceptions for the same digest, only the one that ends last.
fn longest(ban: &Ban) -> Vec<&Exception> {
    let mut longest: Vec<&Exception> = Vec::new();
    for except in &ban.except {
        match longest.iter_mut().find(|known| is_same(known, except)) {
            Some(known) if known.until < except.until => *known = except,
            Some(_) => {}
            None => longest.push(except),
        }
    }
    longest
}

fn is_same(one: &Exception, other: &Exception) -> bool {
    (one.kind, one.digest) == (other.kind, other.digest)
}

fn exceptions(old: &Ban, new: &Ban, at: Timestamp, found: &mut Vec<Alteration>) {
    let (before, after) = (longest(old), longest(new));
    for except in &after {
        let what = excepted(except.kind, except.digest);
        let weakens = !is_covered(except, old, at);
        match before.iter().find(|known| is_same(known, except)) {
            None => found.push(Alteration {
                what: format!("{what} until {}", except.until),
                how: How::Added,
                weakens,
            }),
            Some(known) if known.until != except.until => {
                let how = How::Moved(known.until.to_string(), except.until.to_string());
                found.push(Alteration {
                    what: format!("{what} until"),
                    how,
                    weakens,
                });
            }
            Some(known) if known != except => {
                found.push(Alteration {
                    what: format!("reason or ticket of the {what}"),
                    how: How::Rewritten,
                    weakens,
                });
            }
            Some(_) => {}
        }
    }
    for known in before {
        if !after.iter().any(|except| is_same(known, except)) {
            found.push(Alteration {
                what: excepted(known.kind, known.digest),
                how: How::Dropped,
                weakens: false,
            });
        }
    }
}

fn excepted(kind: MatchKind, digest: Digest) -> String {
    format!("exception for {} {digest}", kind.word())
}

fn cures(old: &Ban, new: &Ban, found: &mut Vec<Alteration>) {
    for (ban, other, how, weakens) in [
        (new, old, How::Added, true),
        (old, new, How::Dropped, false),
    ] {
        for layer in &ban.cure {
            if !other.cure.contains(layer) {
                found.push(Alteration {
                    what: format!("cure {layer}"),
                    how: how.clone(),
                    weakens,
                });
            }
        }
    }
}

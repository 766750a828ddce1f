//! Counts what a new list adds to the catalogue and takes from it.
//!
//! In: two checked lists, and how many digests have each pair of entry lines. Out:
//! [`CatalogueChange`]. Pure. The catalogue permits, so what is added to it is a lift, and what is
//! removed is a restriction.

use std::collections::{BTreeSet, HashMap};

use super::comparison::line_at;
use super::{Alteration, How, NONE};
use crate::banlist::catalogue::CatalogueBase;
use crate::banlist::kinds::CatalogueScope;
use crate::banlist::whole::{Checked, EntryLine};
use crate::sys::clock::Timestamp;

/// What became of the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogueChange {
    /// How many digests the new list has in the catalogue for somebody who could not use them
    /// before.
    pub permitted: u64,
    /// How many digests the old list has in the catalogue for somebody who can no longer use them.
    pub withdrawn: u64,
    /// Whether the old list has a catalogue and the new list has none. Without a catalogue, nothing
    /// is required of a base.
    pub has_ended: bool,
    /// The bases that were added, changed or removed.
    pub bases: Vec<BaseChange>,
}

impl CatalogueChange {
    /// Whether the new list permits something that the old list does not.
    #[must_use]
    pub const fn is_lift(&self) -> bool {
        self.permitted > 0 || self.has_ended
    }
}

/// How one base differs between the two lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseChange {
    /// The base as it is in the new list; for a removed base, as it was in the old list.
    pub base: CatalogueBase,
    /// Whether the base was added, kept or removed.
    pub status: BaseStatus,
    /// What differs in the base's record.
    pub alterations: Vec<Alteration>,
    /// How many digests the base has in the new list and not in the old one.
    pub added: u64,
    /// How many digests the base has in the old list and not in the new one.
    pub dropped: u64,
}

/// Whether a base was added, kept or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseStatus {
    /// Only the new list has the base.
    Added,
    /// Both lists have the base.
    Kept,
    /// Only the old list has the base.
    Removed,
}

impl BaseStatus {
    /// The name in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Kept => "kept",
            Self::Removed => "removed",
        }
    }
}

/// Who may use a digest.
#[derive(PartialEq, Eq)]
enum Audience<'a> {
    Projects(BTreeSet<&'a str>),
    Everybody,
}

impl<'a> Audience<'a> {
    fn of(list: &'a Checked, line: &EntryLine) -> Self {
        let mut projects = BTreeSet::new();
        for base in &line.bases {
            let base = &list.bases[*base].base;
            match base.scope() {
                CatalogueScope::Everybody => return Self::Everybody,
                CatalogueScope::SomeProjects => {
                    projects.extend(base.only_for.iter().map(String::as_str));
                }
            }
        }
        Self::Projects(projects)
    }

    /// Whether everybody of `other` is in this audience.
    fn has_all_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everybody, _) => true,
            (Self::Projects(_), Self::Everybody) => false,
            (Self::Projects(own), Self::Projects(other)) => other.is_subset(own),
        }
    }
}

/// What is known so far from comparing two catalogues.
pub(super) struct CatalogueComparison<'a> {
    old: &'a Checked,
    new: &'a Checked,
    /// The digests that the base with this ID gains and loses.
    moved: HashMap<&'a str, (u64, u64)>,
    change: CatalogueChange,
}

impl<'a> CatalogueComparison<'a> {
    pub(super) fn new(old: &'a Checked, new: &'a Checked) -> Self {
        Self {
            old,
            new,
            moved: HashMap::new(),
            change: CatalogueChange {
                has_ended: !old.bases.is_empty() && new.bases.is_empty(),
                ..CatalogueChange::default()
            },
        }
    }

    /// Counts `number` digests whose entry line is `from` in the old list and `to` in the new list.
    pub(super) fn count(&mut self, from: Option<usize>, to: Option<usize>, number: u64) {
        let (from, to) = (line_at(self.old, from), line_at(self.new, to));
        if from.bases.is_empty() && to.bases.is_empty() {
            return;
        }
        let (before, after) = (Audience::of(self.old, from), Audience::of(self.new, to));
        if !before.has_all_of(&after) {
            self.change.permitted += number;
        }
        if !after.has_all_of(&before) {
            self.change.withdrawn += number;
        }
        let (before, after) = (ids(self.old, from), ids(self.new, to));
        for id in after.difference(&before) {
            self.moved.entry(id).or_default().0 += number;
        }
        for id in before.difference(&after) {
            self.moved.entry(id).or_default().1 += number;
        }
    }

    /// The result, with the bases that differ: first those of the new list, in its order, then
    /// those that were removed.
    pub(super) fn finish(self) -> CatalogueChange {
        let Self {
            old,
            new,
            moved,
            mut change,
        } = self;
        for counted in &new.bases {
            let before = of_id(old, &counted.base.id);
            let (added, dropped) = moved
                .get(counted.base.id.as_str())
                .copied()
                .unwrap_or_default();
            let (status, alterations) = match before {
                None => (BaseStatus::Added, Vec::new()),
                Some(before) => (BaseStatus::Kept, between(before, &counted.base)),
            };
            if status == BaseStatus::Kept && alterations.is_empty() && added == 0 && dropped == 0 {
                continue;
            }
            change.bases.push(BaseChange {
                base: counted.base.clone(),
                status,
                alterations,
                added,
                dropped,
            });
        }
        for counted in &old.bases {
            if of_id(new, &counted.base.id).is_none() {
                change.bases.push(BaseChange {
                    base: counted.base.clone(),
                    status: BaseStatus::Removed,
                    alterations: Vec::new(),
                    added: 0,
                    dropped: counted.digests,
                });
            }
        }
        change
    }
}

/// The IDs of a line's bases.
fn ids<'a>(list: &'a Checked, line: &EntryLine) -> BTreeSet<&'a str> {
    let mut ids = BTreeSet::new();
    for base in &line.bases {
        ids.insert(list.bases[*base].base.id.as_str());
    }
    ids
}

fn of_id<'a>(list: &'a Checked, id: &str) -> Option<&'a CatalogueBase> {
    let mut bases = list.bases.iter().map(|counted| &counted.base);
    bases.find(|base| base.id == id)
}

/// The differences between two records of a base.
fn between(old: &CatalogueBase, new: &CatalogueBase) -> Vec<Alteration> {
    let is_wider = match (old.scope(), new.scope()) {
        (CatalogueScope::Everybody, _) => false,
        (CatalogueScope::SomeProjects, CatalogueScope::Everybody) => true,
        (CatalogueScope::SomeProjects, CatalogueScope::SomeProjects) => !new
            .only_for
            .iter()
            .all(|project| old.only_for.contains(project)),
    };
    let mut found = Vec::new();
    for (what, from, to, weakens) in [
        ("names", listed(&old.names), listed(&new.names), false),
        (
            "support_until",
            time(old.support_until),
            time(new.support_until),
            false,
        ),
        (
            "successor",
            text(old.successor.as_ref()),
            text(new.successor.as_ref()),
            false,
        ),
        ("only_for", projects(old), projects(new), is_wider),
    ] {
        if from != to {
            found.push(Alteration {
                what: what.to_owned(),
                how: How::Moved(from, to),
                weakens,
            });
        }
    }
    found
}

fn listed(texts: &[String]) -> String {
    match texts {
        [] => NONE.to_owned(),
        texts => format!("{:?}", texts.join(", ")),
    }
}

fn projects(base: &CatalogueBase) -> String {
    match base.scope() {
        CatalogueScope::Everybody => "everybody".to_owned(),
        CatalogueScope::SomeProjects => listed(&base.only_for),
    }
}

fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| NONE.to_owned(), |time| time.to_string())
}

fn text(text: Option<&String>) -> String {
    text.map_or_else(|| NONE.to_owned(), |text| format!("{text:?}"))
}

//! How many ended how?
//!
//! In: outcomes. Out: their numbers by the words of the JSON lines, who was not well, and the exit status that follows. Pure.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::exec_patch::outcome::Outcome;
use crate::report::Exit;

/// The outcomes in the order in which a summary has them: first what is well.
const WORDS: [&str; 13] = [
    "patched",
    "already fine",
    "patched before",
    "failed",
    "timed out",
    "timed out, survived",
    "left awake",
    "paused",
    "vanished",
    "could not enter",
    "not understood",
    "not begun",
    "interrupted",
];

/// How many ended how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: [usize; WORDS.len()],
    unwell: Vec<(String, &'static str)>,
}

impl Tally {
    /// Counts an outcome of the container that people call `told`. One that vanished and is met again was started anew: its later life counts.
    pub fn add(&mut self, told: String, outcome: &Outcome) {
        let word = outcome.word();
        let vanished = Outcome::Vanished.word();
        let before = self.unwell.len();
        self.unwell.retain(|(other, word)| *word != vanished || *other != told);
        if let Some(at) = WORDS.iter().position(|known| *known == vanished) {
            self.counts[at] -= before - self.unwell.len();
        }
        if let Some(at) = WORDS.iter().position(|known| *known == word) {
            self.counts[at] += 1;
        }
        if !outcome.is_well() {
            self.unwell.push((told, word));
        }
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Each outcome that there is, and how many of it.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, usize)> {
        WORDS.iter().copied().zip(self.counts).filter(|(_, count)| *count > 0)
    }

    /// Those that are not well, and how they ended.
    #[must_use]
    pub fn unwell(&self) -> &[(String, &'static str)] {
        &self.unwell
    }

    /// How the program ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match (self.total(), self.unwell.is_empty()) {
            (0, _) => Exit::NothingMatched,
            (_, true) => Exit::Clear,
            (_, false) => Exit::NotAllWell,
        }
    }
}

/// An object with the outcomes' words as JSON lines have them: `{"patched":3,"could-not-enter":1}`.
impl Serialize for Tally {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for (word, count) in self.counts() {
            let word = if word == "timed out, survived" { "survived".to_owned() } else { word.replace(' ', "-") };
            map.serialize_entry(&word, &count)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_was_started_anew_counts_by_its_later_life() {
        let mut tally = Tally::default();
        for (told, outcome) in [
            ("one", Outcome::Vanished),
            ("two", Outcome::Vanished),
            ("one", Outcome::Patched),
            ("three", Outcome::Patched),
            ("three", Outcome::Vanished),
            ("three", Outcome::Vanished),
        ] {
            tally.add(told.into(), &outcome);
        }
        assert_eq!(tally.counts().collect::<Vec<_>>(), [("patched", 2), ("vanished", 2)]);
        assert_eq!(tally.unwell(), [("two".to_owned(), "vanished"), ("three".to_owned(), "vanished")]);
        assert_eq!(tally.exit(), Exit::NotAllWell);
    }
}

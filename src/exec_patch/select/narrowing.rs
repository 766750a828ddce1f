//! Which containers is an order about, whatever they are made of?
//!
//! In: engines, namespaces, and containers that were named. Out: whether one is among them, and what a person should know who named one that is not
//! found. Pure. A container whose engine cannot be told may be of any engine, so only its ID narrows it away: nothing is left out in silence.

use super::{Selection, Stranger, Wanted};
use crate::container::engine::Engine;
use crate::node::names::is_called;
use crate::node::running::Instance;
use crate::report::line;

impl Wanted {
    /// Whether a container that runs is among them.
    #[must_use]
    pub(super) fn is_about(&self, living: &Instance) -> bool {
        let namespace = living.namespace();
        let is_there = (self.engines.is_empty() || self.engines.contains(&living.engine()))
            && (self.namespaces.is_empty() || namespace.is_some_and(|own| self.namespaces.contains(&own)));
        is_there && self.names(living.id(), living.name.as_deref())
    }

    /// Those of `others` of which it cannot be told whether an engine that was asked for made them.
    #[must_use]
    pub(super) fn of_one_of_several(&self, others: &[Instance]) -> Vec<Stranger> {
        let why = "it cannot be told whether it is Podman's or CRI-O's: the store has no record of it that says so";
        let may_be = |living: &&Instance| {
            let engine = living.engine();
            engine == Engine::ContainersStorage && self.engines.iter().any(|asked| engine.may_be(*asked))
        };
        if self.engines.is_empty() {
            return Vec::new();
        }
        others.iter().filter(may_be).map(|living| living.unaccounted(why.to_owned())).collect()
    }

    /// Whether a container of which little is known may be among them.
    #[must_use]
    pub(super) fn may_be_about(&self, stranger: &Stranger) -> bool {
        let may_be = self.engines.is_empty() || self.engines.iter().any(|asked| stranger.engine.may_be(*asked));
        let is_there = stranger.engine == Engine::Unknown
            || may_be && (self.namespaces.is_empty() || stranger.namespace.as_ref().is_some_and(|own| self.namespaces.contains(own)));
        // Without an ID it is a whole folder of containers.
        is_there && (stranger.id.is_empty() || self.names(&stranger.id, stranger.name.as_deref()))
    }

    /// What to know of those that were named and are not among the matches: `others` are the containers that run and are no match.
    #[must_use]
    pub(super) fn missed<'a>(&self, selection: &Selection, others: impl Iterator<Item = &'a Instance> + Clone) -> Vec<String> {
        let said = |word: &String| {
            let matches = selection.matches.iter().map(|found| (&found.container.id, &found.container.name));
            let strangers = selection.strangers.iter().map(|found| (&found.id, &found.name));
            let left_out = selection.left_out.iter().map(|found| (&found.container.id, &found.container.name));
            let is_found = matches.chain(strangers).chain(left_out).any(|(id, name)| is_called(word, id, name.as_deref()));
            let runs = || others.clone().any(|living| is_called(word, living.id(), living.name.as_deref()));
            match (is_found, line::name(word)) {
                (true, _) => None,
                (false, word) if runs() => Some(format!("container {word} runs, and is no match")),
                (false, word) => Some(format!("cannot find a running container whose name is {word}, or whose ID begins so")),
            }
        };
        self.containers.iter().filter_map(said).collect()
    }

    fn names(&self, id: &str, name: Option<&str>) -> bool {
        self.containers.is_empty() || self.containers.iter().any(|word| is_called(word, id, name))
    }
}

//! Narrows a request to certain engines, namespaces and containers.
//!
//! In: engines, namespaces, and named containers. Out: whether a container is among them, and what
//! to report about a named one that is not found. Pure. A container whose engine is unknown may be
//! of any engine, so only its ID can exclude it: nothing is left out silently.

use std::collections::BTreeSet;

use super::Selection;
use crate::container::engine::Engine;
use crate::exec_patch::request::target::Target;
use crate::node::names::is_called;
use crate::node::running::Instance;
use crate::node::unaccounted::Unaccounted;
use crate::report::line;

impl Target {
    /// Whether a running container is among them.
    #[must_use]
    pub(super) fn is_about(&self, living: &Instance) -> bool {
        self.is_there(living) && self.names(living.id(), living.name.as_deref())
    }

    /// Whether it is of an engine and in a namespace that was asked for.
    fn is_there(&self, living: &Instance) -> bool {
        let namespace = living.namespace();
        (self.engines.is_empty() || self.engines.contains(&living.engine()))
            && (self.namespaces.is_empty()
                || namespace.is_some_and(|own| self.namespaces.contains(&own)))
    }

    /// Those of `others` that a requested engine may have made.
    #[must_use]
    pub(super) fn of_one_of_several(&self, others: &[Instance]) -> Vec<Unaccounted> {
        let why = "it is not known whether it is Podman's or CRI-O's: the store has no record of it that says so";
        let may_be = |living: &&Instance| {
            let engine = living.engine();
            engine == Engine::ContainersStorage
                && self.engines.iter().any(|asked| engine.may_be(*asked))
        };
        if self.engines.is_empty() {
            return Vec::new();
        }
        others
            .iter()
            .filter(may_be)
            .map(|living| living.unaccounted(why.to_owned()))
            .collect()
    }

    /// Those of `others` that may have a requested name.
    #[must_use]
    pub(super) fn of_unknown_name(&self, others: &[Instance]) -> Vec<Unaccounted> {
        let nameless = |living: &Instance| {
            let why = living.nameless.as_ref().filter(|_| self.is_there(living))?;
            Some(living.unaccounted(format!("its name is not known: {why}")))
        };
        if self.containers.is_empty() {
            Vec::new()
        } else {
            others.iter().filter_map(nameless).collect()
        }
    }

    /// Whether a container that cannot be identified may be among them.
    #[must_use]
    pub(super) fn may_be_about(&self, unidentified: &Unaccounted) -> bool {
        let may_be = self.engines.is_empty()
            || self
                .engines
                .iter()
                .any(|asked| unidentified.engine.may_be(*asked));
        let is_there = unidentified.engine == Engine::Unknown
            || may_be
                && (self.namespaces.is_empty()
                    || unidentified
                        .namespace
                        .as_ref()
                        .is_some_and(|own| self.namespaces.contains(own)));
        // Without an ID it stands for a whole directory of containers.
        is_there
            && (unidentified.id.is_empty()
                || self.names(&unidentified.id, unidentified.name.as_deref()))
    }

    /// Warnings about names that are not among the matches: `others` are the running containers
    /// that do not match.
    #[must_use]
    pub(super) fn missed<'a>(
        &self,
        selection: &Selection,
        others: impl Iterator<Item = &'a Instance> + Clone,
    ) -> Vec<String> {
        let unfound = self.unfound(selection, others.clone());
        let said = |word: &String| {
            let name = line::name(word);
            let runs = others
                .clone()
                .any(|living| is_called(word, living.id(), living.name.as_deref()));
            match (unfound.contains(word), runs && !selection.has(word)) {
                (true, _) => Some(format!(
                    "cannot find a running container whose name is {name}, or whose ID begins with it"
                )),
                (false, true) => Some(format!("container {name} runs, and is no match")),
                (false, false) => None,
            }
        };
        let mut warnings: Vec<String> = self.containers.iter().filter_map(said).collect();
        let (matches, unidentified) = (&selection.matches, &selection.unidentified);
        for engine in &self.engines {
            let is_there = matches
                .iter()
                .any(|found| found.container.engine == *engine)
                || unidentified
                    .iter()
                    .any(|found| found.engine.may_be(*engine))
                || others.clone().any(|living| living.engine().may_be(*engine));
            warnings.extend((!is_there).then(|| format!("no container of {engine} runs here")));
        }
        for namespace in &self.namespaces {
            let is_it = |own: Option<&String>| own == Some(namespace);
            let is_there = matches
                .iter()
                .any(|found| is_it(found.container.namespace.as_ref()))
                || unidentified
                    .iter()
                    .any(|found| is_it(found.namespace.as_ref()))
                || others
                    .clone()
                    .any(|living| is_it(living.namespace().as_ref()));
            warnings.extend((!is_there).then(|| {
                format!(
                    "no container runs in the namespace {}",
                    line::name(namespace)
                )
            }));
        }
        warnings
    }

    /// The named containers that do not run.
    #[must_use]
    pub(super) fn unfound<'a>(
        &self,
        selection: &Selection,
        others: impl Iterator<Item = &'a Instance> + Clone,
    ) -> BTreeSet<String> {
        let runs = |word: &String| {
            others
                .clone()
                .any(|living| is_called(word, living.id(), living.name.as_deref()))
        };
        self.containers
            .iter()
            .filter(|word| !selection.has(word) && !runs(word))
            .cloned()
            .collect()
    }

    fn names(&self, id: &str, name: Option<&str>) -> bool {
        self.containers.is_empty() || self.containers.iter().any(|word| is_called(word, id, name))
    }
}

impl Selection {
    /// Whether a container with that name is in it.
    fn has(&self, word: &str) -> bool {
        let matches = self
            .matches
            .iter()
            .map(|found| (&found.container.id, &found.container.name));
        let unidentified = self
            .unidentified
            .iter()
            .map(|found| (&found.id, &found.name));
        let left_out = self
            .left_out
            .iter()
            .map(|found| (&found.container.id, &found.container.name));
        matches
            .chain(unidentified)
            .chain(left_out)
            .any(|(id, name)| is_called(word, id, name.as_deref()))
    }
}

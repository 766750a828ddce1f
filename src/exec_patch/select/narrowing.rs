//! Narrows a request to the engines, namespaces and containers that were named.
//!
//! In: the named engines, namespaces and containers. Out: whether a container is meant, and
//! warnings about named containers that are not found. Pure. A container whose engine is unknown
//! may belong to any engine, so only its ID can exclude it: nothing is left out silently.

use std::collections::BTreeSet;

use super::Selection;
use crate::container::engine::Engine;
use crate::exec_patch::request::target::Target;
use crate::node::names::is_called;
use crate::node::running::Instance;
use crate::node::unaccounted::Unaccounted;
use crate::report::line;

impl Target {
    /// Whether this running container is meant.
    #[must_use]
    pub(super) fn is_about(&self, living: &Instance) -> bool {
        self.is_there(living) && self.names(living.id(), living.name.as_deref())
    }

    /// Whether the container's engine and namespace are meant.
    fn is_there(&self, living: &Instance) -> bool {
        let namespace = living.namespace();
        (self.engines.is_empty() || self.engines.contains(&living.engine()))
            && (self.namespaces.is_empty()
                || namespace.is_some_and(|own| self.namespaces.contains(&own)))
    }

    /// The containers in `others` of which it is unknown whether a named engine made them.
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

    /// The containers in `others` whose names are unknown, so that they may have a named one.
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

    /// Whether this unidentified container may be meant.
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
        // An entry without an ID stands for a whole directory of containers.
        is_there
            && (unidentified.id.is_empty()
                || self.names(&unidentified.id, unidentified.name.as_deref()))
    }

    /// Warnings about named containers that are not in the selection. `others` are the running
    /// containers that do not match.
    #[must_use]
    pub(super) fn missed<'a>(
        &self,
        selection: &Selection,
        others: impl Iterator<Item = &'a Instance> + Clone,
    ) -> Vec<String> {
        let mut warnings = Vec::new();
        for word in self.containers.iter().filter(|word| !selection.has(word)) {
            let name = line::name(word);
            warnings.push(if runs(word, others.clone()) {
                format!("container {name} runs, and is no match")
            } else {
                format!(
                    "cannot find a running container whose name is {name}, or whose ID begins with it"
                )
            });
        }
        let (mut engines, mut namespaces) = (Vec::new(), BTreeSet::new());
        for found in &selection.matches {
            namespaces.extend(found.container.namespace.clone());
        }
        for found in &selection.unidentified {
            engines.push(found.engine);
            namespaces.extend(found.namespace.clone());
        }
        for other in others {
            engines.push(other.engine());
            namespaces.extend(other.namespace());
        }
        for engine in &self.engines {
            let is_matched = selection
                .matches
                .iter()
                .any(|found| found.container.engine == *engine);
            if !is_matched && !engines.iter().any(|there| there.may_be(*engine)) {
                warnings.push(format!("no container of {engine} runs here"));
            }
        }
        for namespace in self
            .namespaces
            .iter()
            .filter(|name| !namespaces.contains(*name))
        {
            let name = line::name(namespace);
            warnings.push(format!("no container runs in the namespace {name}"));
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
        self.containers
            .iter()
            .filter(|word| !selection.has(word) && !runs(word, others.clone()))
            .cloned()
            .collect()
    }

    fn names(&self, id: &str, name: Option<&str>) -> bool {
        self.containers.is_empty() || self.containers.iter().any(|word| is_called(word, id, name))
    }
}

/// Whether one of these containers has that name or ID.
fn runs<'a>(word: &str, mut others: impl Iterator<Item = &'a Instance>) -> bool {
    others.any(|living| is_called(word, living.id(), living.name.as_deref()))
}

impl Selection {
    /// Whether a container with that name or ID is in the selection.
    fn has(&self, word: &str) -> bool {
        let matches = self.matches.iter().map(|found| &found.container);
        let mut containers = matches.chain(self.left_out.iter().map(|found| &found.container));
        containers.any(|container| is_called(word, &container.id, container.name.as_deref()))
            || self
                .unidentified
                .iter()
                .any(|found| is_called(word, &found.id, found.name.as_deref()))
    }
}

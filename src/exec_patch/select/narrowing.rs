//! Narrows a request to the engines, namespaces and containers that the operator named.
//!
//! In: the named engines, namespaces and containers. Out: whether a container is meant, and
//! warnings about named containers that are not found. A bundle is read only where it is needed:
//! for a container's name, or to distinguish the engines that share containers/storage. A container
//! whose engine is unknown may belong to any engine, so only its ID can exclude it: nothing is left
//! out silently. A whole ID or name wins over the beginning of another container's ID, as in
//! Docker. A user's container wins only over that user's own containers: a user could give it any
//! name.

use std::collections::BTreeSet;

use super::Selection;
use crate::container::engine::Engine;
use crate::exec_patch::request::target::Targets;
use crate::node::names;
use crate::node::running::{self, Instance};
use crate::node::unaccounted::Unaccounted;
use crate::report::line;
use crate::sys::rights;

/// Which containers a scan is about.
#[derive(Debug)]
pub(super) struct Narrowing {
    /// The engines, namespaces and containers that were named.
    targets: Targets,
    /// The words that are exactly the ID or name of a container that a scan has found, each with
    /// the user who controls that container; `None` for root and the caller. A word stays after the
    /// container has ended: otherwise the word could mean another container in a later scan.
    exact: BTreeSet<(String, Option<u32>)>,
}

/// The user who controls a container of this owner; `None` for root and the caller.
fn user(owner: u32) -> Option<u32> {
    (!rights::is_own(owner)).then_some(owner)
}

impl Narrowing {
    /// Narrows to these targets.
    #[must_use]
    pub(super) const fn new(targets: Targets) -> Self {
        Self {
            targets,
            exact: BTreeSet::new(),
        }
    }

    /// Whether containers were named.
    #[must_use]
    pub(super) const fn has_names(&self) -> bool {
        !self.targets.containers.is_empty()
    }

    /// Notes which of the named containers run under exactly that ID or name.
    pub(super) fn note_exact(&mut self, living: &[Instance]) {
        let mut exact = Vec::new();
        for living in living {
            for word in &self.targets.containers {
                if names::is_exactly(word, living.id(), living.name.as_deref())
                    && self.is_there(living)
                {
                    exact.push((word.clone(), user(living.running.owner)));
                }
            }
        }
        self.exact.extend(exact);
    }

    /// Whether `word` means this container, which `user` controls: it is the container's ID or
    /// name, or the beginning of its ID and no other container's ID or name.
    fn is_called(&self, word: &str, id: &str, name: Option<&str>, user: Option<u32>) -> bool {
        if names::is_exactly(word, id, name) {
            return true;
        }
        let is_beginning = !word.is_empty() && id.starts_with(word);
        is_beginning
            && !self.exact.contains(&(word.to_owned(), None))
            && !self.exact.contains(&(word.to_owned(), user))
    }

    /// Whether this running container is meant.
    #[must_use]
    pub(super) fn is_about(&self, living: &Instance) -> bool {
        self.is_there(living)
            && self.names(
                living.id(),
                living.name.as_deref(),
                user(living.running.owner),
            )
    }

    /// Whether the request includes the container's engine and namespace.
    fn is_there(&self, living: &Instance) -> bool {
        (self.targets.engines.is_empty()
            || self.may_have_made(living) && self.targets.engines.contains(&living.engine()))
            && self.is_of_namespace(living.namespace().as_ref())
    }

    fn is_of_namespace(&self, own: Option<&String>) -> bool {
        self.targets.namespaces.is_empty()
            || own.is_some_and(|own| self.targets.namespaces.contains(own))
    }

    /// Whether containers of this engine may belong to a requested engine.
    fn may_be_of(&self, engine: Engine) -> bool {
        self.targets
            .engines
            .iter()
            .any(|asked| engine.may_be(*asked))
    }

    /// Whether a requested engine may have made a container, judged only by the path of the
    /// container's state. Several engines share containers/storage, and only the bundle shows which
    /// of them made it.
    fn may_have_made(&self, living: &Instance) -> bool {
        let family = living.place.family();
        family != Engine::ContainersStorage || self.may_be_of(family)
    }

    /// Looks up the names of containers that may have a requested name. The names of the other
    /// engines' and namespaces' containers are looked up only if a requested word is exactly the
    /// name or ID of none of the requested ones.
    pub(super) fn look_up_names(&self, living: &mut [Instance]) {
        if !self.has_names() {
            return;
        }
        for one in &mut *living {
            if self.is_there(one) {
                running::name(one);
            }
        }
        let mut words = self.targets.containers.iter();
        if !words.all(|word| self.is_exactly_one_there(word, living)) {
            living.iter_mut().for_each(running::name);
        }
    }

    fn is_exactly_one_there(&self, word: &str, living: &[Instance]) -> bool {
        for one in living {
            if names::is_exactly(word, one.id(), one.name.as_deref()) && self.is_there(one) {
                return true;
            }
        }
        false
    }

    /// The containers in `others` of which it is unknown whether a named engine made them.
    #[must_use]
    pub(super) fn of_one_of_several(&self, others: &[Instance]) -> Vec<Unaccounted> {
        let why = "it is not known whether it is Podman's or CRI-O's: the store has no record of it that says so";
        let mut unclear = Vec::new();
        for living in others {
            let family = living.place.family();
            if family == Engine::ContainersStorage
                && self.may_be_of(family)
                && living.engine() == family
            {
                unclear.push(living.unaccounted(why.to_owned()));
            }
        }
        unclear
    }

    /// The containers in `others` whose names are unknown, so that each may have a requested name.
    #[must_use]
    pub(super) fn of_unknown_name(&self, others: &[Instance]) -> Vec<Unaccounted> {
        let mut nameless = Vec::new();
        if !self.has_names() {
            return nameless;
        }
        for living in others {
            if let Some(why) = &living.nameless
                && self.is_there(living)
            {
                nameless.push(living.unaccounted(format!("its name is not known: {why}")));
            }
        }
        nameless
    }

    /// Whether the request may include this unidentified container.
    #[must_use]
    pub(super) fn may_be_about(&self, unidentified: &Unaccounted) -> bool {
        let may_be = self.targets.engines.is_empty() || self.may_be_of(unidentified.engine);
        let is_there = unidentified.engine == Engine::Unknown
            || may_be && self.is_of_namespace(unidentified.namespace.as_ref());
        // An entry without an ID stands for a whole directory of containers.
        is_there
            && (unidentified.id.is_empty()
                || self.names(&unidentified.id, unidentified.name.as_deref(), None))
    }

    /// Warnings about named containers that are not in the selection. `others` are the running
    /// containers that do not match.
    #[must_use]
    pub(super) fn missed(&self, selection: &Selection, others: &[Instance]) -> Vec<String> {
        let mut warnings = Vec::new();
        for word in &self.targets.containers {
            if self.has(selection, word) {
                continue;
            }
            let name = line::name(word);
            warnings.push(if self.runs(word, others) {
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
            // Perhaps only the container's bundle shows its engine.
            if !self.targets.engines.is_empty() {
                engines.push(other.engine());
            }
            namespaces.extend(other.namespace());
        }
        for engine in &self.targets.engines {
            let mut matches = selection.matches.iter();
            let is_matched = matches.any(|found| found.container.engine == *engine);
            if !is_matched && !engines.iter().any(|there| there.may_be(*engine)) {
                warnings.push(format!("no container of {engine} runs here"));
            }
        }
        for namespace in &self.targets.namespaces {
            if !namespaces.contains(namespace) {
                let name = line::name(namespace);
                warnings.push(format!("no container runs in the namespace {name}"));
            }
        }
        warnings
    }

    /// The named containers that do not run.
    #[must_use]
    pub(super) fn unfound(&self, selection: &Selection, others: &[Instance]) -> BTreeSet<String> {
        let mut unfound = BTreeSet::new();
        for word in &self.targets.containers {
            if !self.has(selection, word) && !self.runs(word, others) {
                unfound.insert(word.clone());
            }
        }
        unfound
    }

    fn names(&self, id: &str, name: Option<&str>, user: Option<u32>) -> bool {
        let mut words = self.targets.containers.iter();
        !self.has_names() || words.any(|word| self.is_called(word, id, name, user))
    }

    /// Whether one of these containers has that name or ID.
    fn runs(&self, word: &str, others: &[Instance]) -> bool {
        for living in others {
            let (name, user) = (living.name.as_deref(), user(living.running.owner));
            if self.is_called(word, living.id(), name, user) {
                return true;
            }
        }
        false
    }

    /// Whether a container with that name or ID is in the selection.
    fn has(&self, selection: &Selection, word: &str) -> bool {
        let matches = selection.matches.iter().map(|found| &found.container);
        let left_out = selection.left_out.iter().map(|found| &found.container);
        for container in matches.chain(left_out) {
            let (name, user) = (container.name.as_deref(), user(container.owner));
            if self.is_called(word, &container.id, name, user) {
                return true;
            }
        }
        let mut unidentified = selection.unidentified.iter();
        unidentified.any(|found| self.is_called(word, &found.id, found.name.as_deref(), None))
    }
}

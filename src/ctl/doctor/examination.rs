//! Reads once what several checks of `doctor` need.
//!
//! In: the node's paths. Out: its settings, keyset, floor and list, as a container start finds
//! them; and, only if a check asks for them, its processes, the engines' runtime names, and the
//! containers that the list refuses.

use std::cell::OnceCell;
use std::path::Path;

use super::super::impact;
use super::super::impact::in_force::{self, InForce};
use crate::banlist::error::ListError;
use crate::banlist::store::{self, Bans, Rules, Trust};
use crate::container::engine::Engine;
use crate::node::Node;
use crate::node::coverage::{self, Coverage};
use crate::node::processes::{self, Process};
use crate::node::runtime_state::Whose;
use crate::paths::Paths;
use crate::settings::{self, Settings, SettingsError};
use crate::sys::clock::Timestamp;

/// A node that is being examined.
pub(super) struct Examination<'a> {
    /// The paths of the node's files.
    pub(super) paths: &'a Paths,
    /// Where the node's file system is mounted, if it is not that of this machine.
    pub(super) mounted_at: Option<&'a Path>,
    /// The present time.
    pub(super) now: Timestamp,
    /// The settings; `None` if there are none.
    pub(super) settings: Result<Option<Settings>, SettingsError>,
    /// The settings that apply: every default where there are none.
    pub(super) effective: Settings,
    /// The keyset and the floor.
    pub(super) trust: Result<Trust, ListError>,
    /// The list in force.
    pub(super) bans: Bans,
    processes: OnceCell<Vec<Process>>,
    coverage: OnceCell<Coverage>,
    doomed: OnceCell<DoomedEngines>,
}

/// The running containers that the list in force would not let start again.
#[derive(Debug, Default)]
pub(super) struct DoomedEngines {
    /// The engine of each container.
    pub(super) engines: Vec<Engine>,
    /// What could not be read, one line each.
    pub(super) faults: Vec<String>,
}

impl<'a> Examination<'a> {
    /// Reads the settings, the keyset, the floor and the list.
    pub(super) fn of(paths: &'a Paths, mounted_at: Option<&'a Path>, now: Timestamp) -> Self {
        let settings = settings::load(paths);
        let effective = match &settings {
            Ok(Some(settings)) => settings.clone(),
            Ok(None) | Err(_) => Settings::unset(),
        };
        let rules: Rules = effective.rules();
        Self {
            paths,
            mounted_at,
            now,
            settings,
            trust: Trust::load(paths, &rules),
            bans: store::look_up(paths, &rules, &[]),
            effective,
            processes: OnceCell::new(),
            coverage: OnceCell::new(),
            doomed: OnceCell::new(),
        }
    }

    /// The processes of this machine.
    pub(super) fn processes(&self) -> &[Process] {
        self.processes
            .get_or_init(|| processes::of_node(self.paths))
    }

    /// The runtime names of the engines.
    pub(super) fn coverage(&self) -> &Coverage {
        self.coverage
            .get_or_init(|| coverage::of_processes(self.paths, self.processes()))
    }

    /// The running containers that the list in force refuses.
    pub(super) fn doomed(&self) -> &DoomedEngines {
        self.doomed.get_or_init(|| self.find_doomed())
    }

    fn find_doomed(&self) -> DoomedEngines {
        let mut node = Node::running(self.paths, &self.effective.engines, Whose::Own);
        // For a container without runtime state, the engine's store may still have a record.
        if !node.unexplained.is_empty() {
            node.open_stores();
        }
        let mut unread = Vec::new();
        let subjects = impact::running_subjects(&node.containers(&mut unread), &node);
        let queries = in_force::queries(subjects.iter().map(|one| &one.subject));
        let list = InForce::ask(self.paths, Some(&self.effective), &queries, self.now);
        let mut engines = Vec::new();
        for one in &subjects {
            if impact::refused_by_list(&list.judge(&one.subject)).is_some() {
                engines.push(one.subject.engine);
            }
        }
        DoomedEngines {
            engines,
            faults: impact::lines_of(node.faults(), &unread),
        }
    }
}

//! Looks at a node once: its engines' stores, its containers, and what could not be read.
//!
//! In: the node's paths, the directories of its engines, and whose containers to search for. Out: a
//! [`Node`]. Every command uses a [`Node`], so all commands find the same containers. If the node's
//! file system is mounted somewhere, every path is below that mount point. The homes of all users
//! are searched only if everybody's containers are wanted. Hostile: whatever a user wrote. A user's
//! file systems may hang, too. So a copy of this process reads whatever a user controls. If the
//! copy is late, this process does not wait any longer ([`sys::copy`](crate::sys::copy)), and
//! reports the place as unreadable.

mod wire;
pub mod places;
pub mod stores;
#[cfg(feature = "ctl")]
pub mod images;
pub mod allowance;
pub mod runtime_state;
pub mod names;
mod prefix;
pub mod subject;
pub mod unaccounted;
pub mod processes;
pub mod monitors;
pub mod discovery;
#[cfg(feature = "ctl")]
pub(crate) mod drop_ins;
#[cfg(feature = "ctl")]
pub mod coverage;
#[cfg(feature = "ctl")]
pub mod diversions;
#[cfg(feature = "ctl")]
pub mod live_restore;
#[cfg(feature = "ctl")]
pub mod podman_restart;
pub mod unexplained;
pub mod running;
pub mod judged;
#[cfg(feature = "ctl")]
pub mod patches;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::paths::Paths;
use crate::report::line;
use crate::settings::Engines;
use discovery::EngineSettingsError;
use runtime_state::{Alive, RunningContainer, Seen, StateError, Whose};
use stores::Stores;
use unaccounted::ContainerDirectory;
use unexplained::{Claim, Unexplained};

/// How long to wait between the first and the second scan, when a container without state was
/// found.
const SECOND_LOOK: Duration = Duration::from_millis(100);

/// A node, as a scan found it.
pub struct Node<'a> {
    /// Embargo's paths on the node. The path of the cache of resolved chains is among these paths.
    pub paths: &'a Paths,
    /// The stores of the node's engines; empty if the scan covers only the running containers.
    pub stores: Stores,
    /// The containers for which a runtime has state.
    pub running: Vec<RunningContainer>,
    /// The first processes of those containers that run.
    pub alive: Alive,
    /// The runtime state that could not be read.
    pub unread: Vec<StateError>,
    /// The settings of engines that could not be read.
    pub unread_settings: Vec<EngineSettingsError>,
    /// Running containers for which no state was found.
    pub unexplained: Vec<Unexplained>,
    /// The directories of the node's engines.
    pub places: Engines,
}

impl<'a> Node<'a> {
    /// Looks at the node's runtimes only, and opens no store: for a running container, the bundle
    /// is enough. `engines` are the directories in the settings.
    #[must_use]
    pub fn running(paths: &'a Paths, engines: &Engines, whose: Whose) -> Self {
        Self::at(paths, places::of_node(paths, engines, whose), whose)
    }

    /// Looks at the whole node: its runtimes and every engine's store.
    #[must_use]
    pub fn whole(paths: &'a Paths, engines: &Engines) -> Self {
        let mut node = Self::running(paths, engines, Whose::Everybodys);
        node.open_stores();
        node
    }

    /// The same as [`Node::running`], but searches only `places` and the directories that processes
    /// name.
    #[must_use]
    pub fn at(paths: &'a Paths, places: Engines, whose: Whose) -> Self {
        let node = Self::glance(paths, places.clone(), whose);
        if node.unexplained.is_empty() {
            return node;
        }
        // A container that is just starting has no state yet, and a container that is just stopping
        // has no state any more. Only what both scans find is reported.
        std::thread::sleep(SECOND_LOOK);
        let mut again = Self::glance(paths, places, whose);
        again
            .unexplained
            .retain(|one| node.unexplained.contains(one));
        again
    }

    /// Scans once. Processes and directories are read before the state: every container found by
    /// then has its state by the time the state is read.
    fn glance(paths: &'a Paths, places: Engines, whose: Whose) -> Self {
        let processes = processes::of_node(paths);
        let mut unread_settings = Vec::new();
        let places = discovery::with_found(places, &processes, paths, &mut unread_settings);
        let mut by_user = places::by_user(paths, &places, whose);
        let (mut own, mut seen) = (Look::default(), Seen::new());
        let own_places = by_user.remove(&0).unwrap_or_default();
        let directories = own.look(&own_places, &mut seen);
        let mut users = Vec::new();
        for (user, places) in by_user {
            let look = Look::of_user(user, &places, &seen);
            users.extend(look.directories.into_iter().filter_map(unaccounted::of));
            own.running.extend(look.running);
            own.unread.extend(look.unread);
        }
        let Look {
            running, unread, ..
        } = own;
        let alive = runtime_state::alive(&running);
        let mut node = Self {
            paths,
            stores: Stores::default(),
            unexplained: unexplained::containers(&processes, &running, &alive, whose),
            running,
            alive,
            unread,
            unread_settings,
            places,
        };
        node.add_directories(directories, users);
        node
    }

    /// Adds the containers that have a directory and no state. A container that root or the same
    /// user has already reported is not reported again.
    fn add_directories(
        &mut self,
        directories: Vec<ContainerDirectory>,
        users: Vec<ContainerDirectory>,
    ) {
        let mut named = Vec::new();
        for fault in &self.unread {
            if let Some(directory) = fault.path().parent()
                && let Some(id) = directory.file_name()
            {
                named.push((id.to_owned(), unaccounted::owner(directory)));
            }
        }
        let mut found = Vec::new();
        for container in unaccounted::without_state(directories, users, &self.running, &self.unread)
        {
            let owner = unaccounted::owner(&container.place);
            named.push((container.id.clone().into(), owner));
            found.push(Unexplained {
                owner,
                claim: Claim::Proved,
                container,
            });
        }
        self.unexplained.retain(|one| {
            let is_same = |(id, owner): &(OsString, u32)| {
                *id == *one.container.id && (*owner == 0 || *owner == one.owner)
            };
            !named.iter().any(is_same)
        });
        self.unexplained.extend(found);
    }

    /// Opens the engines' stores.
    pub fn open_stores(&mut self) {
        self.stores = Stores::open(&self.places, self.paths);
    }

    /// Everything that could not be read, one line each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for fault in &self.unread_settings {
            faults.push(line::causes(fault));
        }
        for fault in &self.stores.faults {
            faults.push(line::causes(fault));
        }
        for fault in &self.unread {
            faults.push(line::causes(fault));
        }
        for Unexplained { container, .. } in &self.unexplained {
            let (id, why) = (line::name(&container.id), line::one_line(&container.why));
            faults.push(format!(
                "cannot tell what runs in container {id} ({}): {why}",
                container.engine
            ));
        }
        faults
    }
}

/// What was found in the state directories of one user's engines and runtimes, or in those of root
/// and the caller.
#[derive(Default, Serialize, Deserialize)]
struct Look {
    /// The directories of the user's running containers.
    directories: Vec<PathBuf>,
    running: Vec<RunningContainer>,
    unread: Vec<StateError>,
}

impl Look {
    /// Reads the state at `places`, except in directories that were `seen` before, and returns the
    /// directories of containers.
    fn look(&mut self, places: &Engines, seen: &mut Seen) -> Vec<ContainerDirectory> {
        let directories = unaccounted::directories(places, &mut self.unread);
        for found in runtime_state::containers_beyond(&places.runtime_roots, seen) {
            match found {
                Ok(container) => self.running.push(container),
                Err(fault) => self.unread.push(fault),
            }
        }
        directories
    }

    /// Reads the state at the places of a user. If reading does not end in time, the result
    /// contains only that error.
    fn of_user(user: u32, places: &Engines, seen: &Seen) -> Self {
        let answer = wire::ask(user, || {
            let mut look = Self::default();
            let directories = look.look(places, &mut seen.clone());
            for directory in unaccounted::those_that_run(directories, user) {
                look.directories.push(directory.into_path());
            }
            look
        });
        answer.unwrap_or_else(|error| {
            let place = places.runtime_roots.first().cloned();
            let place = place.unwrap_or(PathBuf::from("/run/user"));
            Self {
                unread: vec![StateError::Directory(place, error)],
                ..Self::default()
            }
        })
    }
}

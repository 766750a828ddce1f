//! Finds running containers that no known state explains, from their processes alone.
//!
//! In: processes, and the containers that are known from state. Out: the other running containers,
//! with the best name that can be found. The monitor of an engine, a shim or conmon, is the parent
//! of its containers' first processes. `runc run -d` leaves no monitor behind; there, only the
//! process itself can show that a container runs.
//!
//! | a container is | because |
//! |---|---|
//! | each child of a monitor that is the first process of its PID namespace | a monitor starts no other process in a new PID namespace |
//! | what a monitor monitors, if it has no such child, but a child in another mount namespace than its own | a container may share the host's PID namespace; a runtime that works for the monitor shares the monitor's mount namespace |
//! | the first process of a PID namespace, in a mount namespace of its own and in the caller's user namespace, that has the mounts of OCI runtimes | see [`has_oci_mounts`]; so the sandbox of a systemd unit, of a browser or of a build does not count |
//!
//! Hostile: a process chooses its own arguments. So a monitor's arguments can name a container, but
//! cannot hide one. Only state can hide a container, and the state of one user explains no process
//! whose monitor belongs to another. Not found: virtual machines whose monitor is in another place;
//! and containers of `runc run -d` whose state is in no known directory, if they have a user
//! namespace of their own, share the host's PID namespace, or lack the usual mounts.
//!
//! Seen with Docker 20.10.24, containerd 1.6.20, Podman 4.3.1, runc 1.1.5.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::monitors::{Kind, Monitor};
use super::names::engine_by_place;
use super::processes::{Process, own_namespace};
use super::runtime_state::{RunningContainer, Whose};
use super::stores::Store;
use super::unaccounted::Unaccounted;
use crate::container::ContainerId;
use crate::container::engine::{self, Engine};
use crate::sys::{proc, rights};

/// A running container that no state explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unexplained {
    /// What is known about the container.
    pub container: Unaccounted,
    /// The user who claims that the container runs. Root, if the kernel or one of root's processes
    /// says so.
    pub owner: u32,
    /// How much the claim proves.
    pub claim: Claim,
}

/// How much a claim that a container runs proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The claim comes from the kernel, from an engine's directory, or from a process outside any
    /// container whose program is the one in its arguments.
    Proved,
    /// The claim comes from a process in a container, or from a process whose program is not the
    /// one in its arguments. Whoever started the process can claim anything.
    Unproved,
}

impl Unexplained {
    /// Whether this is the container with this ID in a store. A user, or root in a container,
    /// cannot mark another user's container as running.
    #[must_use]
    pub fn is_of(&self, id: &ContainerId, store: &Store) -> bool {
        let container = &self.container;
        let is_there = store.engine.may_be(container.engine);
        let is_named = store.namespace.is_none()
            || container.namespace.is_none()
            || store.namespace == container.namespace;
        self.is_trusted()
            && self.claim == Claim::Proved
            && is_there
            && is_named
            && container.id == id.as_str()
    }

    /// Whether root or the caller makes the claim.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        rights::is_own(self.owner)
    }
}

/// The running containers that are not in `known`, the containers whose state could be read.
#[must_use]
pub fn containers(
    processes: &[Process],
    known: &[RunningContainer],
    whose: Whose,
) -> Vec<Unexplained> {
    let node = Processes::new(processes, known);
    let caller = nix::unistd::geteuid().as_raw();
    let is_wanted = |process: &&Process| whose == Whose::Everybodys || process.user == caller;
    let monitors: Vec<(&Process, Monitor)> = processes
        .iter()
        .filter(is_wanted)
        .filter_map(|process| Some((process, Monitor::of(process)?)))
        .collect();
    let mounts = own_namespace("mnt");
    let of_monitor = |(process, monitor): &(&Process, Monitor)| {
        // Anybody may have started a set-user-ID program and chosen its arguments.
        let owner = if process.is_of_one_user {
            process.user
        } else {
            u32::MAX
        };
        // A monitor in a container may share the host's PID namespace. It still counts as in a
        // container, by its mount namespace.
        let claim = || match process.is_here(mounts.as_deref()) {
            true => Claim::Proved,
            false => Claim::Unproved,
        };
        let unknown = node.unknown_of(process, monitor).into_iter();
        unknown
            .map(|container| Unexplained {
                container,
                owner,
                claim: claim(),
            })
            .collect::<Vec<_>>()
    };
    let mut found: Vec<Unexplained> = monitors.iter().flat_map(of_monitor).collect();
    let watched: HashSet<u32> = monitors.iter().map(|(process, _)| process.pid).collect();
    let own = (caller == 0).then(Own::new).flatten();
    let alone = processes
        .iter()
        .filter(|process| process.is_first && !watched.contains(&process.parent));
    let alone = alone.filter(|process| {
        !node.is_known(process, 0) && own.as_ref().is_some_and(|own| own.is_container(process))
    });
    found.extend(alone.map(|process| Unexplained {
        container: node.bare(process),
        owner: 0,
        claim: Claim::Proved,
    }));
    found
}

/// The engine of a monitor's containers. In any namespace, a shim may work for Docker; if the
/// bundle can be read from here, it shows the engine.
fn engine_of(process: &Process, monitor: &Monitor) -> Engine {
    let owner = if process.is_of_one_user {
        process.user
    } else {
        u32::MAX
    };
    match (monitor.engine(), &monitor.bundle) {
        (Engine::Containerd, Some(bundle)) if process.depth == 0 => engine_by_place(
            bundle,
            &monitor.id,
            &engine::place_of(bundle, &monitor.id),
            owner,
        ),
        (engine, _) => engine,
    }
}

/// The processes of a node, indexed by ID and by parent.
struct Processes<'a> {
    by_id: HashMap<u32, &'a Process>,
    children: HashMap<u32, Vec<&'a Process>>,
    /// For each process ID, the known containers whose first process it is.
    known: HashMap<u32, Vec<&'a RunningContainer>>,
}

impl<'a> Processes<'a> {
    fn new(processes: &'a [Process], running: &'a [RunningContainer]) -> Self {
        let (mut children, mut known) =
            (HashMap::<u32, Vec<_>>::new(), HashMap::<u32, Vec<_>>::new());
        for process in processes {
            children.entry(process.parent).or_default().push(process);
        }
        for container in running
            .iter()
            .filter(|container| container.process.is_alive())
        {
            known
                .entry(container.process.pid)
                .or_default()
                .push(container);
        }
        Self {
            by_id: processes
                .iter()
                .map(|process| (process.pid, process))
                .collect(),
            children,
            known,
        }
    }

    /// Whether state explains this process: state of root, or of the user who owns the process's
    /// monitor.
    fn is_known(&self, process: &Process, monitor: u32) -> bool {
        self.known.get(&process.pid).is_some_and(|states| {
            states
                .iter()
                .any(|state| state.owner == 0 || state.owner == monitor)
        })
    }

    /// The containers of this monitor that no state explains.
    fn unknown_of(&self, process: &Process, monitor: &Monitor) -> Vec<Unaccounted> {
        let children = self
            .children
            .get(&process.pid)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let first: Vec<_> = children
            .iter()
            .filter(|child| child.is_first && child.depth > process.depth)
            .collect();
        let unknown: Vec<_> = first
            .iter()
            .filter(|child| !self.is_known(child, process.user))
            .collect();
        match (unknown.as_slice(), first.len()) {
            // With another kind of runtime, the container's process may not be a child of its shim.
            // unaccounted.rs finds such a container by its directory.
            ([], 0) if monitor.kind == Kind::OtherShim && process.depth == 0 => Vec::new(),
            ([], 0) => {
                let is_known = children
                    .iter()
                    .any(|child| self.is_known(child, process.user));
                let own = process.namespace("mnt");
                let is_container =
                    |child: &&&Process| child.namespace("mnt").is_some_and(|mnt| Some(mnt) != own);
                let child = children.iter().find(is_container).filter(|_| !is_known);
                child
                    .map(|_| self.watched(process, monitor, monitor.id.as_str().to_owned()))
                    .into_iter()
                    .collect()
            }
            ([_], 1) => vec![self.watched(process, monitor, monitor.id.as_str().to_owned())],
            (unknown, _) => unknown
                .iter()
                .map(|child| {
                    self.watched(
                        process,
                        monitor,
                        id_of(child).unwrap_or_else(|| monitor.id.as_str().to_owned()),
                    )
                })
                .collect(),
        }
    }

    fn watched(&self, process: &Process, monitor: &Monitor, id: String) -> Unaccounted {
        Unaccounted {
            id,
            engine: engine_of(process, monitor),
            namespace: monitor.namespace.clone(),
            name: None,
            place: monitor
                .bundle
                .clone()
                .unwrap_or_else(|| proc::path(process.pid, "")),
            why: self.why(process),
        }
    }

    /// Describes a container that has no monitor.
    fn bare(&self, process: &Process) -> Unaccounted {
        let id = id_of(process).unwrap_or_else(|| format!("process-{}", process.pid));
        let place = proc::path(process.pid, "");
        Unaccounted {
            id,
            engine: Engine::Unknown,
            namespace: None,
            name: None,
            place,
            why: self.why(process),
        }
    }

    /// Why the lineage of the process's container is not known.
    fn why(&self, process: &Process) -> String {
        let outer = (process.depth > usize::from(process.is_first)).then(|| self.outer(process));
        // If the caller may not read the process's mount namespace, it does not count as another
        // one.
        let is_other = |mounts| own_namespace("mnt").is_some_and(|own| own != mounts);
        let is_elsewhere = || !process.is_first && process.namespace("mnt").is_some_and(is_other);
        match outer {
            Some(Some(outer)) => {
                format!("it runs inside container {outer}, with an engine of its own, whose files cannot be read from here")
            }
            Some(None) => "it runs inside another container, with an engine of its own, whose files cannot be read from here".to_owned(),
            None if is_elsewhere() => format!(
                "process {} runs it in a mount namespace of its own, and no state directory that can be read from here has it",
                process.pid
            ),
            None => {
                format!("process {} runs it, and no known state directory has it: the settings' runtime_roots may lack one", process.pid)
            }
        }
    }

    /// The container around this process: the nearest ancestor that is the first process of a PID
    /// namespace. It is named by its state, else by its cgroup.
    fn outer(&self, process: &Process) -> Option<String> {
        let mut at = process;
        // This loop ends even if parents change while they are read: there are no more ancestors
        // than processes.
        for _ in 0..self.by_id.len() {
            at = self.by_id.get(&at.parent)?;
            if at.is_first {
                let known = self
                    .known
                    .get(&at.pid)
                    .and_then(|states| states.first())
                    .map(|state| state.id.as_str().to_owned());
                return known.or_else(|| id_of(at));
            }
        }
        None
    }
}

/// The mount namespace and user namespace of the caller.
struct Own {
    mounts: PathBuf,
    users: PathBuf,
}

impl Own {
    fn new() -> Option<Self> {
        Some(Self {
            mounts: own_namespace("mnt")?,
            users: own_namespace("user")?,
        })
    }

    /// Whether this process, the first of its PID namespace, is the first process of a container.
    fn is_container(&self, process: &Process) -> bool {
        let is_apart = process
            .namespace("mnt")
            .is_some_and(|mounts| mounts != self.mounts);
        let is_roots = process
            .namespace("user")
            .is_some_and(|users| users == self.users);
        is_apart
            && is_roots
            && !is_of_another_manager(&proc::cgroups(process.pid))
            && has_oci_mounts(&proc::mounts(process.pid))
    }
}

/// Whether a table of mounts (proc(5), mountinfo) has a mount that only OCI runtimes make in a
/// container: a message queue file system at `/dev/mqueue`, which the usual spec asks for; or
/// `/dev/null` over a file of `/proc` (runtime-spec, config-linux.md, "Masked Paths").
#[must_use]
pub fn has_oci_mounts(mounts: &str) -> bool {
    mounts.lines().any(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let kind = fields
            .iter()
            .position(|field| *field == "-")
            .and_then(|at| fields.get(at + 1));
        match (fields.get(3), fields.get(4)) {
            (Some(_), Some(&"/dev/mqueue")) => kind == Some(&"mqueue"),
            (Some(&"/null"), Some(point)) => {
                ["/proc/kcore", "/proc/keys", "/proc/timer_list"].contains(point)
            }
            _ => false,
        }
    })
}

/// Whether a process belongs to systemd-nspawn, to LXC, or to a systemd unit with namespaces of its
/// own. Their first processes have much the same mounts, but no image. A process in a container of
/// an OCI runtime has a cgroup of its own, with another name.
#[must_use]
pub fn is_of_another_manager(cgroups: &str) -> bool {
    let is_theirs = |name: &str| {
        let is_machine = name.starts_with("machine-") && name.ends_with(".scope")
            || name.starts_with("systemd-nspawn@");
        is_machine || name.starts_with("lxc.payload") || name == "lxc"
    };
    let paths = cgroups
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2));
    paths
        .into_iter()
        .any(|path| path.split('/').any(is_theirs) || path.ends_with(".service"))
}

/// The container's ID, if the name of a cgroup contains it. Engines use the names
/// `docker-<id>.scope`, `cri-containerd-<id>.scope`, `libpod-<id>` and `<id>`.
fn id_of(process: &Process) -> Option<String> {
    proc::cgroups(process.pid)
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .find_map(id_in)
}

fn id_in(cgroup: &str) -> Option<String> {
    let is_id = |text: &&str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let of_name = |name: &str| {
        let name = name.strip_suffix(".scope").unwrap_or(name);
        Some(name.rsplit('-').next()?)
            .filter(is_id)
            .map(str::to_owned)
    };
    cgroup.rsplit('/').find_map(of_name)
}

#[cfg(test)]
mod tests;

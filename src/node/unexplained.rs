//! Finds running containers that no known state explains, from their processes alone.
//!
//! In: processes, and the containers that are known from state. Out: the other running containers,
//! with the best name that can be found. The monitor of an engine, a shim or conmon, is the parent
//! of its containers' first processes. `runc run -d` leaves no monitor behind; for its containers,
//! only the process itself can show that a container runs.
//!
//! | a container is | because |
//! |---|---|
//! | each child of a monitor that is the first process of its PID namespace | a monitor starts no other process in a new PID namespace |
//! | what a monitor monitors, if it has no such child, but a child in another mount namespace than its own | a container may share the host's PID namespace; a runtime that works for the monitor shares the monitor's mount namespace |
//! | the first process of a PID namespace, in a mount namespace of its own and in the caller's user namespace, that has the mounts of OCI runtimes | see [`has_oci_mounts`]; so the sandbox of a systemd unit, of a browser or of a build does not count |
//!
//! Hostile: a process chooses its own arguments. So a monitor's arguments can name a container, but
//! cannot hide a container. Only state can hide a container, and the state of one user explains no
//! process whose monitor belongs to another user. Not found: virtual machines whose monitor is in
//! another place; and containers of `runc run -d` whose state is in no known directory, if they
//! have a user namespace of their own, share the host's PID namespace, or lack the usual mounts.
//!
//! Seen with Docker 20.10.24, containerd 1.6.20, Podman 4.3.1, runc 1.1.5.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use nix::unistd::geteuid;

use super::monitors::{Monitor, MonitorKind};
use super::names::engine_by_place;
use super::processes::{Process, own_namespace};
use super::runtime_state::{Alive, RunningContainer, Whose};
use super::stores::Store;
use super::unaccounted::{Unaccounted, reads_state_of};
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
    /// Whether the claim is proved.
    pub claim: Claim,
}

/// Whether a claim that a container runs is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The claim comes from the kernel, from an engine's directory, or from a process outside any
    /// container whose program is the program that its arguments name.
    Proved,
    /// The claim comes from a process in a container, or from a process whose program is not the
    /// program that its arguments name. Whoever started the process can claim anything.
    Unproved,
}

impl Unexplained {
    /// Whether the unexplained container is the container with this ID in a store. A user, or root
    /// in a container, cannot mark another user's container as running.
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

/// The running containers that are not in `known`. `known` are the containers whose state could be
/// read, and `alive` are their first processes that run.
#[must_use]
pub fn containers(
    processes: &[Process],
    known: &[RunningContainer],
    alive: &Alive,
    whose: Whose,
) -> Vec<Unexplained> {
    let node = Processes::new(processes, known, alive);
    let caller = geteuid().as_raw();
    let mounts = own_namespace("mnt");
    let (mut found, mut watched) = (Vec::new(), HashSet::new());
    for process in processes {
        if whose == Whose::Own && process.user != caller {
            continue;
        }
        let Some(monitor) = Monitor::of(process) else {
            continue;
        };
        watched.insert(process.pid);
        let unknown = node.unknown_of(process, &monitor);
        if unknown.is_empty() {
            continue;
        }
        // A monitor in a container may share the host's PID namespace. The mount namespace of such
        // a monitor still shows that the monitor is in a container.
        let claim = if process.is_here(mounts.as_deref()) {
            Claim::Proved
        } else {
            Claim::Unproved
        };
        for container in unknown {
            found.push(Unexplained {
                container,
                owner: process.starter(),
                claim,
            });
        }
    }
    let Some(own) = Own::of_root() else {
        return found;
    };
    for process in processes {
        if process.is_first
            && !watched.contains(&process.parent)
            && !node.is_known(process, 0)
            && own.is_container(process)
        {
            found.push(Unexplained {
                container: node.bare(process),
                owner: 0,
                claim: Claim::Proved,
            });
        }
    }
    found
}

/// The engine of a monitor's containers. In any namespace, a shim may work for Docker; if this
/// process can read the bundle, the bundle shows the engine.
fn engine_of(process: &Process, monitor: &Monitor) -> Engine {
    let id = &monitor.id;
    match (monitor.engine(), &monitor.bundle) {
        (Engine::Containerd, Some(bundle)) if process.depth == 0 => {
            let place = engine::place_of(bundle, id);
            engine_by_place(bundle, id, &place, process.starter())
        }
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
    fn new(processes: &'a [Process], running: &'a [RunningContainer], alive: &Alive) -> Self {
        let mut node = Self {
            by_id: HashMap::new(),
            children: HashMap::new(),
            known: HashMap::new(),
        };
        for process in processes {
            node.by_id.insert(process.pid, process);
            let children = node.children.entry(process.parent).or_default();
            children.push(process);
        }
        for container in running {
            if alive.contains_key(&container.process) {
                let known = node.known.entry(container.process.pid).or_default();
                known.push(container);
            }
        }
        node
    }

    /// Whether state explains this process: state of root, or of the user who owns the process's
    /// monitor.
    fn is_known(&self, process: &Process, monitor: u32) -> bool {
        let mut states = self.known.get(&process.pid).into_iter().flatten();
        states.any(|state| state.owner == 0 || state.owner == monitor)
    }

    /// The containers of this monitor that no state explains.
    fn unknown_of(&self, process: &Process, monitor: &Monitor) -> Vec<Unaccounted> {
        let children = self.children.get(&process.pid).map(Vec::as_slice);
        let (mut first, mut unknown) = (0, Vec::new());
        for child in children.unwrap_or_default() {
            if child.is_first && child.depth > process.depth {
                first += 1;
                if !self.is_known(child, process.user) {
                    unknown.push(*child);
                }
            }
        }
        let own = monitor.id.as_str();
        match (first, unknown.len()) {
            // With another kind of runtime, the container's process need not be a child of its
            // shim. unaccounted.rs finds such a container by its directory.
            (0, _) if monitor.kind == MonitorKind::OtherShim && process.depth == 0 => Vec::new(),
            (0, _) if !self.shares(process, children.unwrap_or_default()) => Vec::new(),
            (0, _) | (1, 1) => vec![self.watched(process, monitor, own.to_owned())],
            (_, _) => {
                let mut watched = Vec::new();
                for child in unknown {
                    let id = id_of(child).unwrap_or(own.to_owned());
                    watched.push(self.watched(process, monitor, id));
                }
                watched
            }
        }
    }

    /// Whether a monitor has a container without a PID namespace of its own. The result is `true`
    /// if a child of the monitor is in another mount namespace, and no state explains any of the
    /// children.
    fn shares(&self, process: &Process, children: &[&Process]) -> bool {
        let mut is_apart = false;
        for child in children {
            if self.is_known(child, process.user) {
                return false;
            }
            is_apart |= child.mounts().is_some() && child.mounts() != process.mounts();
        }
        is_apart
    }

    fn watched(&self, process: &Process, monitor: &Monitor, id: String) -> Unaccounted {
        let bundle = monitor.bundle.clone();
        Unaccounted {
            id,
            engine: engine_of(process, monitor),
            namespace: monitor.namespace.clone(),
            name: None,
            place: bundle.unwrap_or_else(|| proc::path(process.pid, "")),
            why: self.why(process),
        }
    }

    /// Describes a container that has no monitor.
    fn bare(&self, process: &Process) -> Unaccounted {
        Unaccounted {
            id: id_of(process).unwrap_or_else(|| format!("process-{}", process.pid)),
            engine: Engine::Unknown,
            namespace: None,
            name: None,
            place: proc::path(process.pid, ""),
            why: self.why(process),
        }
    }

    /// Why the lineage of the process's container is not known.
    fn why(&self, process: &Process) -> String {
        let pid = process.pid;
        if process.depth > usize::from(process.is_first) {
            let outer = match self.outer(process) {
                Some(outer) => format!("container {outer}"),
                None => "another container".to_owned(),
            };
            return format!(
                "it runs inside {outer}, with an engine of its own, whose files cannot be read from here"
            );
        }
        // If the caller may not read the process's mount namespace, the namespace is not treated as
        // another mount namespace.
        let own = own_namespace("mnt");
        let mounts = process.mounts();
        if !process.is_first && own.is_some() && mounts.is_some() && mounts != own.as_deref() {
            return format!(
                "process {pid} runs it in a mount namespace of its own, and no state directory that can be read from here has it"
            );
        }
        let lacks = if reads_state_of(process.user, geteuid()) {
            "no known state directory has it: the settings' runtime_roots may lack one"
        } else {
            "no state of it can be read: run as root"
        };
        format!("process {pid} runs it, and {lacks}")
    }

    /// The container around this process: the nearest ancestor that is the first process of a PID
    /// namespace. The name of the container comes from the container's state, else from its cgroup.
    fn outer(&self, process: &Process) -> Option<String> {
        let mut at = process;
        // This loop ends even if parents change while the loop reads them: there are no more
        // ancestors than processes.
        for _ in 0..self.by_id.len() {
            at = self.by_id.get(&at.parent)?;
            if at.is_first {
                let mut states = self.known.get(&at.pid).into_iter().flatten();
                return match states.next() {
                    Some(state) => Some(state.id.as_str().to_owned()),
                    None => id_of(at),
                };
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
    /// The namespaces of root as the caller; `None` for another caller, who may not compare
    /// namespaces.
    fn of_root() -> Option<Self> {
        if !geteuid().is_root() {
            return None;
        }
        Some(Self {
            mounts: own_namespace("mnt")?,
            users: own_namespace("user")?,
        })
    }

    /// Whether this process, the first of its PID namespace, is the first process of a container.
    fn is_container(&self, process: &Process) -> bool {
        let mounts = process.mounts();
        mounts.is_some()
            && mounts != Some(&self.mounts)
            && process.users().as_ref() == Some(&self.users)
            && !is_of_another_manager(&proc::cgroups(process.pid))
            && has_oci_mounts(&proc::mounts(process.pid))
    }
}

/// Whether a table of mounts (proc(5), mountinfo) has a mount that only OCI runtimes make in a
/// container: a message queue file system at `/dev/mqueue`, which the usual spec contains; or
/// `/dev/null` over a file of `/proc` (runtime-spec, config-linux.md, "Masked Paths").
#[must_use]
pub fn has_oci_mounts(mounts: &str) -> bool {
    mounts.lines().any(is_oci_mount)
}

fn is_oci_mount(line: &str) -> bool {
    let fields: Vec<&str> = line.split(' ').collect();
    let [_, _, _, root, point, rest @ ..] = &fields[..] else {
        return false;
    };
    if *point == "/dev/mqueue" {
        let mut kinds = rest.iter().skip_while(|field| **field != "-").skip(1);
        return kinds.next() == Some(&"mqueue");
    }
    *root == "/null" && ["/proc/kcore", "/proc/keys", "/proc/timer_list"].contains(point)
}

/// Whether a process belongs to systemd-nspawn, to LXC, or to a systemd unit with namespaces of its
/// own. Their first processes have much the same mounts, but no image. A process in a container of
/// an OCI runtime has a cgroup of its own, with another name.
#[must_use]
pub fn is_of_another_manager(cgroups: &str) -> bool {
    paths(cgroups).any(|path| path.split('/').any(is_managers) || path.ends_with(".service"))
}

/// Whether systemd-nspawn or LXC gives this name to a cgroup.
fn is_managers(name: &str) -> bool {
    name.starts_with("machine-") && name.ends_with(".scope")
        || name.starts_with("systemd-nspawn@")
        || name.starts_with("lxc.payload")
        || name == "lxc"
}

/// The paths in a table of cgroups.
fn paths(cgroups: &str) -> impl Iterator<Item = &str> {
    cgroups
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
}

/// The container's ID, if the name of a cgroup contains the ID. Engines use the names
/// `docker-<id>.scope`, `cri-containerd-<id>.scope`, `libpod-<id>` and `<id>`.
fn id_of(process: &Process) -> Option<String> {
    paths(&proc::cgroups(process.pid)).find_map(id_in)
}

fn id_in(cgroup: &str) -> Option<String> {
    for name in cgroup.rsplit('/') {
        let name = name.strip_suffix(".scope").unwrap_or(name);
        let id = name.rsplit('-').next().unwrap_or_default();
        if id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Some(id.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests;

//! Finds running containers that no known state explains, from their processes alone.
//!
//! In: processes, and the first processes of the known containers. Out: the others, named as well
//! as possible. Every engine's monitor, a shim or conmon, has the first processes of its containers
//! as its children; `runc run -d` leaves no monitor behind, and then only the process itself can
//! show it:
//!
//! | a container is | because |
//! |---|---|
//! | each child of a monitor that is the first of its PID namespace | nothing else that a monitor starts is |
//! | what a monitor looks after whose only children are in another mount namespace than it | a container may share the host's PID namespace; a runtime that works for the monitor shares the monitor's mount namespace |
//! | the first process of a PID namespace, in a mount namespace of its own and in the caller's user namespace, that has what OCI runtimes mount | see [`has_oci_mounts`]; so no sandbox of a systemd unit, of a browser or of a build is taken for one |
//!
//! Hostile: a process chooses its arguments. So a monitor's arguments can name a container and
//! cannot hide one: only state can, and a user's state explains no process whose monitor is not his
//! own. Not found: what `runc run -d` started in a user namespace of its own, or with the host's
//! PID namespace, or without the usual mounts, where its state is in no known directory; and
//! virtual machines whose monitor is elsewhere.
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
    /// What is known about it.
    pub container: Unaccounted,
    /// The user who says so: root if the kernel or one of root's processes does.
    pub owner: u32,
    /// What the claim is worth.
    pub claim: Claim,
}

/// What a claim that a container runs is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A process outside any container that is what it claims, an engine's directory, or the
    /// kernel.
    Proved,
    /// A process in a container, or one that runs another program than its arguments say: whoever
    /// started it can claim anything.
    Unproved,
}

impl Unexplained {
    /// Whether it is the container with this ID in a store. The claim of a user, or of root in a
    /// container, cannot mark another user's container as running.
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

    /// Whether root or the caller says so.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        rights::is_own(self.owner)
    }
}

/// The running containers that are not in `known`, which are those whose state could be read.
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
        // Anybody may have chosen the arguments of a set-user-ID program.
        let owner = if process.is_of_one_user {
            process.user
        } else {
            u32::MAX
        };
        // A container may share the host's PID namespace, and still counts as elsewhere.
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

/// Which engine's container a monitor handles. A shim's may be Docker's in any namespace; a bundle
/// that can be read from here shows it.
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

/// The processes of a node, indexed for the questions here.
struct Processes<'a> {
    by_id: HashMap<u32, &'a Process>,
    children: HashMap<u32, Vec<&'a Process>>,
    /// The first processes of known containers, each with the users whose state says so.
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

    /// Whether state explains a process that this user monitors: root's, or that user's own.
    fn is_known(&self, process: &Process, monitor: u32) -> bool {
        self.known.get(&process.pid).is_some_and(|states| {
            states
                .iter()
                .any(|state| state.owner == 0 || state.owner == monitor)
        })
    }

    /// The containers of a monitor that no state explains.
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
            // A shim for another kind of runtime may not have its container's process as its child:
            // its directory shows it (unaccounted.rs).
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

    /// A container without a monitor.
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

    /// Why it is not known what a process's container is made of.
    fn why(&self, process: &Process) -> String {
        let outer = (process.depth > usize::from(process.is_first)).then(|| self.outer(process));
        // If the caller may not read its namespace, that is not the reason.
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

    /// The container that a process is in, by the known containers among its ancestors, else by its
    /// cgroup.
    fn outer(&self, process: &Process) -> Option<String> {
        let mut at = process;
        // There are no more ancestors than processes; parents may change while they are read.
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

/// The namespaces of the caller.
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

    /// Whether the first process of a PID namespace is a container's.
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

/// Whether a table of mounts (proc(5), mountinfo) has what only OCI runtimes mount in a container:
/// a message queue file system at `/dev/mqueue`, which the usual spec has, or a file of `/proc`
/// behind `/dev/null` (runtime-spec, config-linux.md, "Masked Paths").
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

/// Whether a process belongs to systemd-nspawn, to LXC or to a systemd unit that has these
/// namespaces itself: their first processes mount much the same, and are not containers of an
/// image. A runtime gives each container its own cgroup.
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

/// The ID that engines put into the name of a container's cgroup: `docker-<id>.scope`,
/// `cri-containerd-<id>.scope`, `libpod-<id>`, `<id>`.
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

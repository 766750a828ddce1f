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
use super::processes::{Process, own_namespace};
use super::running::engine_by_place;
use super::runtime_state::{RunningContainer, Whose};
use super::stores::Store;
use super::unaccounted::Unaccounted;
use crate::container::ContainerId;
use crate::container::engine::{self, Engine};
use crate::sys::{proc, rights};

/// The most bytes of a process's mounts that are read: engines mount a few hundred.
const LARGEST_MOUNTS: u64 = 16 << 20;

/// The most bytes of a process's cgroups that are read.
const LARGEST_CGROUPS: u64 = 64 << 10;

/// A running container that no state explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unexplained {
    /// What is known about it.
    pub container: Unaccounted,
    /// The user who says so: root if the kernel or one of root's processes does.
    pub owner: u32,
    /// Where the claim comes from.
    pub said: Said,
}

/// Who says that a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// A process outside any container that is what it claims, an engine's directory, or the
    /// kernel.
    Here,
    /// A process in a container, or one that runs another program than its arguments say: whoever
    /// started it can claim anything.
    Elsewhere,
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
            && self.said == Said::Here
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
        let said = || match process.is_here(mounts.as_deref()) {
            true => Said::Here,
            false => Said::Elsewhere,
        };
        let unknown = node.unknown_of(process, monitor).into_iter();
        unknown
            .map(|container| Unexplained {
                container,
                owner,
                said: said(),
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
        said: Said::Here,
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
            && !is_of_another_manager(&cgroups(process.pid))
            && has_oci_mounts(&mounts(process))
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
    cgroups(process.pid)
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

/// The table of a process's cgroups (proc(5)); empty if it cannot be read.
pub(super) fn cgroups(pid: u32) -> String {
    text(pid, "cgroup", LARGEST_CGROUPS)
}

fn mounts(process: &Process) -> String {
    text(process.pid, "mountinfo", LARGEST_MOUNTS)
}

fn text(pid: u32, name: &str, limit: u64) -> String {
    let bytes = proc::read(proc::path(pid, name), limit).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::monitors::testing::process;
    use super::super::runtime_state::InitProcess;
    use super::*;
    use crate::container::runtime::RuntimeKind;

    const SHIM: &str =
        "/usr/bin/containerd-shim-runc-v2 -namespace moby -id web -address /run/c.sock";

    /// The first process of a container that this one monitors. No process has such an ID.
    fn first(pid: u32, parent: u32) -> Process {
        Process {
            depth: 1,
            is_first: true,
            ..process(pid, parent, "sleep 1000")
        }
    }

    /// State that names this very process, which is alive.
    fn state(owner: u32) -> RunningContainer {
        RunningContainer {
            id: ContainerId::parse("web").unwrap(),
            kind: RuntimeKind::Runc,
            root: "/run/runc".into(),
            bundle: "/b".into(),
            process: InitProcess {
                pid: std::process::id(),
                started: None,
            },
            owner,
        }
    }

    fn named(processes: &[Process], known: &[RunningContainer]) -> Vec<String> {
        let found = containers(processes, known, Whose::Everybodys);
        found
            .iter()
            .map(|one| {
                format!(
                    "{} {}: {}",
                    one.container.engine, one.container.id, one.container.why
                )
            })
            .collect()
    }

    #[test]
    fn a_container_of_a_monitor_is_named_unless_state_explains_its_process() {
        let shim = Process {
            user: 4_242_424,
            ..process(u32::MAX, 1, SHIM)
        };
        let child = first(std::process::id(), shim.pid);
        let said = "unknown web: process 4294967295 runs it, and no known state directory has it: the settings' runtime_roots may lack one";
        for (known, lines) in [
            (vec![], &[said][..]),
            (vec![state(0)], &[]),
            (vec![state(4_242_424)], &[]),
            // Another user's state explains nothing, and neither does state that names another
            // process.
            (vec![state(4_242_425)], &[said]),
            (
                vec![RunningContainer {
                    process: InitProcess {
                        pid: 0,
                        started: None,
                    },
                    ..state(0)
                }],
                &[said],
            ),
            (
                vec![RunningContainer {
                    process: InitProcess {
                        started: Some(1),
                        ..state(0).process
                    },
                    ..state(0)
                }],
                &[said],
            ),
        ] {
            assert_eq!(named(&[shim.clone(), child.clone()], &known), lines);
        }
        // A monitor without a container no longer monitors anything.
        assert_eq!(named(&[shim], &[]), [""; 0]);
    }

    #[test]
    fn each_container_of_a_pod_is_named_and_what_runs_in_one_is_none() {
        let shim = process(u32::MAX, 1, SHIM);
        let known = first(std::process::id(), shim.pid);
        let command = Process {
            is_first: false,
            depth: 1,
            ..process(u32::MAX - 3, shim.pid, "sh")
        };
        let all = [
            shim.clone(),
            known,
            first(u32::MAX - 1, shim.pid),
            first(u32::MAX - 2, shim.pid),
            command,
        ];
        assert_eq!(named(&all, &[state(0)]).len(), 2);
        assert_eq!(named(&all, &[]).len(), 3);
    }

    #[test]
    fn a_container_of_an_engine_in_a_container_is_named_with_the_outer_one() {
        let outer = first(std::process::id(), 1);
        let shim = Process {
            depth: 1,
            ..process(u32::MAX, outer.pid, &SHIM.replace("web", "inner"))
        };
        let inner = Process {
            depth: 2,
            ..first(u32::MAX - 1, shim.pid)
        };
        let said = "unknown inner: it runs inside container web, with an engine of its own, whose files cannot be read from here";
        assert_eq!(named(&[outer, shim, inner], &[state(0)]), [said]);
    }

    #[test]
    fn only_what_oci_runtimes_mount_makes_a_first_process_a_container() {
        let line = |root: &str, point: &str, kind: &str| {
            format!("204 203 0:94 {root} {point} rw,nosuid shared:1 - {kind} {kind} rw\n")
        };
        for (mounts, is_container) in [
            (line("/", "/dev/mqueue", "mqueue"), true),
            (line("/null", "/proc/keys", "tmpfs"), true),
            (line("/null", "/proc/kcore", "devtmpfs"), true),
            (
                line("/", "/proc", "proc") + &line("/", "/dev", "tmpfs"),
                false,
            ),
            // systemd-nspawn hides files in /proc behind others.
            (
                line("/systemd/inaccessible/reg", "/proc/kcore", "tmpfs"),
                false,
            ),
            (line("/", "/dev/mqueue", "tmpfs"), false),
            (line("/null", "/etc/keys", "tmpfs"), false),
            (String::new(), false),
        ] {
            assert_eq!(has_oci_mounts(&mounts), is_container, "{mounts}");
        }
    }

    #[test]
    fn a_unit_of_systemds_and_a_machine_of_another_manager_are_no_containers() {
        for (cgroups, is_theirs) in [
            ("0::/system.slice/private-mounts.service\n", true),
            ("0::/machine.slice/machine-debian.scope/payload\n", true),
            (
                "0::/machine.slice/systemd-nspawn@debian.service/payload/init.scope\n",
                true,
            ),
            ("12:pids:/lxc.payload.web/init.scope\n0::/\n", true),
            ("0::/machine.slice/libpod-e7a6.scope\n", false),
            ("0::/system.slice/docker-66ec.scope\n", false),
            ("1:name=systemd:/bare1\n0::/bare1\n", false),
            ("", false),
        ] {
            assert_eq!(is_of_another_manager(cgroups), is_theirs, "{cgroups}");
        }
        let id = "66ec".repeat(16);
        for (cgroup, found) in [
            (format!("/docker/{id}"), true),
            (format!("/system.slice/docker-{id}.scope"), true),
            (format!("/libpod_parent/libpod-{id}/container"), true),
            ("/bare1".to_owned(), false),
            ("/".to_owned(), false),
        ] {
            assert_eq!(
                id_in(&cgroup),
                Some(id.clone()).filter(|_| found),
                "{cgroup}"
            );
        }
    }
}

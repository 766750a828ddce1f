//! Finds a container's processes, and says which of them may be signalled.
//!
//! In: a container, whose cgroup and first process are read once. Out: the processes that may be in
//! the container, and whether the container's owner has power over a process. The cgroup tells
//! which processes are in the container. If other processes share that cgroup, the namespaces tell.
//! The owner controls everything in a user's container, except the kernel's answers about
//! namespaces. Not checked: which process is the parent of a process.

use super::cgroup::Cgroup;
use super::table::ProcessKey;
use crate::exec_patch::job::Container;
use crate::sys::{pidfd, proc};

/// The number of `CAP_AUDIT_CONTROL` (capabilities(7)).
const AUDIT_CONTROL: u32 = 30;

/// Where a container's processes are found.
#[derive(Debug)]
pub(super) struct ContainerScope {
    pub(super) init: ProcessKey,
    pub(super) owner: u32,
    cgroup: Option<Cgroup>,
    /// The PID and mount namespace of the container's first process, as far as they differ from the
    /// caller's.
    namespaces: Vec<(&'static str, String)>,
    /// Whether the kernel ends every process of the container when its first process ends
    /// (pid_namespaces(7)).
    ends_with_init: bool,
    /// The caller's audit session, if processes in the container cannot leave that session.
    pub(super) session: Option<u32>,
}

impl ContainerScope {
    pub(super) fn of(container: &Container) -> Self {
        let init = (container.pid, container.started);
        let own = std::process::id();
        let mut namespaces = Vec::new();
        for kind in ["pid", "mnt"] {
            if let Some(name) = proc::namespace(init.0, kind)
                && proc::namespace(own, kind).as_ref() != Some(&name)
            {
                namespaces.push((kind, name));
            }
        }
        let session = if proc::may_have_capability(init.0, AUDIT_CONTROL) {
            None
        } else {
            proc::session(own)
        };
        let ids = proc::ids(init.0).unwrap_or_default();
        Self {
            init,
            owner: container.owner,
            cgroup: Cgroup::of(&container.id, init),
            namespaces,
            ends_with_init: ids.len() > 1 && ids.last() == Some(&1),
            session,
        }
    }

    /// Processes that include all of the container's: those in the container's cgroup, or all
    /// processes of the node if there is no such cgroup.
    pub(super) fn processes(&self) -> Vec<u32> {
        match &self.cgroup {
            _ if self.is_gone() => Vec::new(),
            Some(cgroup) => cgroup.processes(),
            None => proc::all(),
        }
    }

    /// Whether no process can be in this instance of the container any more. Another instance of
    /// the container may have the same cgroup.
    fn is_gone(&self) -> bool {
        self.ends_with_init && !still_runs(self.init)
    }

    /// Whether a process that the cgroup lists is in the container. If the cgroup lists other
    /// processes too, the namespaces decide.
    pub(super) fn has(&self, pid: u32) -> bool {
        if self.cgroup.as_ref().is_some_and(|cgroup| cgroup.is_own) {
            return true;
        }
        let mut namespaces = self.namespaces.iter();
        namespaces.any(|(kind, name)| proc::namespace(pid, kind).as_ref() == Some(name))
    }

    /// Whether a process must not get a signal, although it seems to belong to the patch. In a
    /// user's container, processes over which that user has no power get no signal: all evidence
    /// that they belong to the patch came from that user.
    pub(super) fn protects(&self, pid: u32) -> bool {
        if self.owner == 0 || !nix::unistd::geteuid().is_root() {
            return false;
        }
        if pidfd::owners(pid).is_ok_and(|owners| owners.contains(&self.owner)) {
            return false;
        }
        match proc::users(pid) {
            Some(users) => users.iter().take(3).any(|user| *user != self.owner),
            None => true,
        }
    }
}

/// Whether the process with this ID and start time still runs.
pub(super) fn still_runs((pid, started): ProcessKey) -> bool {
    proc::is_alive(pid, Some(started))
}

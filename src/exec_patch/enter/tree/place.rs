//! Finds a container's processes, and says which of them may be signalled.
//!
//! In: a container, whose cgroup and first process are read once. Out: the processes that may be in
//! it, by its cgroup, and by its namespaces where the cgroup is shared with others; and whether the
//! container's owner has power over a process. The owner controls everything in a user's container
//! except the kernel's answers about namespaces. Not checked: whose child a process is.

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
    /// The first process's PID and mount namespace, if they are not the caller's.
    namespaces: Vec<(&'static str, String)>,
    /// Whether the kernel ends every process of the container with its first one
    /// (pid_namespaces(7)).
    ends_with_init: bool,
    /// The caller's audit session, if processes in the container cannot leave it.
    pub(super) session: Option<u32>,
}

impl ContainerScope {
    pub(super) fn of(container: &Container) -> Self {
        let init = (container.pid, container.started);
        let other = |kind| {
            proc::namespace(init.0, kind)
                .filter(|one| Some(one) != proc::namespace(std::process::id(), kind).as_ref())
        };
        let namespaces = ["pid", "mnt"]
            .into_iter()
            .filter_map(|kind| Some((kind, other(kind)?)))
            .collect();
        let ids = proc::ids(init.0).unwrap_or_default();
        let session = proc::session(std::process::id())
            .filter(|_| !proc::may_have_capability(init.0, AUDIT_CONTROL));
        let cgroup = Cgroup::of(&container.id, init);
        Self {
            init,
            owner: container.owner,
            cgroup,
            namespaces,
            ends_with_init: ids.len() > 1 && ids.last() == Some(&1),
            session,
        }
    }

    /// The processes to search for the container's: its cgroup's, else all.
    pub(super) fn processes(&self) -> Vec<u32> {
        match &self.cgroup {
            _ if self.is_gone() => Vec::new(),
            Some(cgroup) => cgroup.processes(),
            None => proc::all(),
        }
    }

    /// Whether nothing can be in it any more. Another instance of the container may have the same
    /// cgroup.
    fn is_gone(&self) -> bool {
        self.ends_with_init && !still_runs(self.init)
    }

    /// Whether a process that its cgroup lists is in the container: if others are listed as well,
    /// by its namespaces.
    pub(super) fn has(&self, pid: u32) -> bool {
        let is_own = self.cgroup.as_ref().is_some_and(|cgroup| cgroup.is_own);
        is_own
            || self
                .namespaces
                .iter()
                .any(|(kind, name)| proc::namespace(pid, kind).as_ref() == Some(name))
    }

    /// Whether a process gets no signal although it belongs to the patch: in a user's container,
    /// one over which that user has no power, because everything that led to it came from that
    /// user.
    pub(super) fn protects(&self, pid: u32) -> bool {
        if self.owner == 0 || !nix::unistd::geteuid().is_root() {
            return false;
        }
        let is_theirs = |users: Vec<u32>| users.iter().take(3).all(|user| *user == self.owner);
        let owned = pidfd::owners(pid).is_ok_and(|owners| owners.contains(&self.owner));
        !owned && !proc::users(pid).is_some_and(is_theirs)
    }
}

/// Whether this very process still runs.
pub(super) fn still_runs((pid, started): ProcessKey) -> bool {
    proc::stat(pid).is_some_and(|stat| stat.is_alive && stat.started == started)
}

//! Finds the processes that monitor containers: containerd's shims and conmon.
//!
//! In: processes. Out: for each monitor, what its arguments say. A user may give his own process
//! the name of a monitor, so a caller must check the process's user before it believes anything.
//!
//! | monitor | arguments | seen with |
//! |---|---|---|
//! | containerd's shim | `containerd-shim-runc-v2 -namespace N -id ID -address SOCKET`; works in the bundle of its first container | containerd 1.6.20 |
//! | conmon | `conmon … -c ID -r RUNTIME -b BUNDLE … --runtime-arg --root=DIR`, one for each container, one more for each `podman exec` | Podman 4.3.1 |

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::processes::Process;
use crate::container::ContainerId;
use crate::container::engine::{self, Engine};

/// A process that monitors containers. The first processes of these containers are its children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    /// The container for which the monitor was started.
    pub id: ContainerId,
    /// containerd's namespace, if the monitor is a shim.
    pub namespace: Option<String>,
    /// The bundle of that container, at the path that its engine uses.
    pub bundle: Option<PathBuf>,
    /// Which kind of monitor the process is.
    pub kind: MonitorKind,
}

/// A kind of monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonitorKind {
    /// A shim of containerd for runc, or for a runtime with runc's command line.
    Shim,
    /// A shim of containerd for another kind of runtime. The container's process need not be a
    /// child of the shim.
    OtherShim,
    /// conmon, of Podman or CRI-O.
    Conmon,
}

impl Monitor {
    /// The monitor that this process is; `None` if the process is not a monitor.
    #[must_use]
    pub fn of(process: &Process) -> Option<Self> {
        match process.program() {
            // A conmon that was started for `podman exec` monitors only a command. The container has
            // another conmon.
            "conmon" if process.value("--exec-process-spec").is_some() => None,
            "conmon" => {
                let id = process.values("-c").chain(process.values("--cid")).next()?;
                let mut bundles = process.values("-b").chain(process.values("--bundle"));
                Some(Self {
                    id: ContainerId::parse(id.to_str()?)?,
                    namespace: None,
                    bundle: bundles.next().map(PathBuf::from),
                    kind: MonitorKind::Conmon,
                })
            }
            program if program.starts_with("containerd-shim-") => {
                let kind = if program.starts_with("containerd-shim-runc-") {
                    MonitorKind::Shim
                } else {
                    MonitorKind::OtherShim
                };
                Some(Self {
                    id: ContainerId::parse(&process.text("-id")?)?,
                    namespace: Some(process.text("-namespace")?),
                    bundle: process.working_directory().map(PathBuf::from),
                    kind,
                })
            }
            _ => None,
        }
    }

    /// The engine, as far as the path of the bundle shows it.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match &self.bundle {
            Some(bundle) => engine::place_of(bundle, &self.id).family(),
            None => Engine::Unknown,
        }
    }

    /// The state directories of runtimes that the monitor's arguments name.
    #[must_use]
    pub fn roots(&self, process: &Process) -> Vec<PathBuf> {
        match self.kind {
            MonitorKind::Shim | MonitorKind::OtherShim => Vec::new(),
            MonitorKind::Conmon => runtime_roots(process),
        }
    }
}

/// The values of `--root` among the arguments that conmon passes to the runtime. Two spellings are
/// read: `--runtime-arg --root=DIR` and `--runtime-arg --root --runtime-arg DIR`.
fn runtime_roots(process: &Process) -> Vec<PathBuf> {
    let words: Vec<&OsStr> = process.values("--runtime-arg").collect();
    let mut roots = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let root = match word.as_bytes().strip_prefix(b"--root") {
            Some([]) => words.get(at + 1).copied(),
            Some([b'=', root @ ..]) => Some(OsStr::from_bytes(root)),
            Some(_) | None => None,
        };
        roots.extend(root.map(PathBuf::from));
    }
    roots.retain(|root| root.is_absolute());
    roots
}

#[cfg(test)]
pub(super) mod testing {
    use super::super::processes::Asked;
    use super::*;

    /// A process with these arguments.
    pub(crate) fn process(pid: u32, parent: u32, arguments: &str) -> Process {
        let arguments = arguments.split(' ').map(Into::into).collect();
        Process {
            pid,
            parent,
            user: 0,
            is_of_one_user: true,
            depth: 0,
            is_first: false,
            arguments,
            asked: Asked::program(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::process;
    use super::*;

    #[test]
    fn a_monitor_is_known_by_its_arguments_and_a_command_in_a_container_is_none() {
        let id = "e7a6".repeat(16);
        let bundle = format!("/var/lib/containers/storage/overlay-containers/{id}/userdata");
        let conmon = format!(
            "/usr/bin/conmon --api-version 1 -c {id} -u {id} -r /usr/bin/runc -b {bundle} -p /x/pidfile"
        );
        for (line, found) in [
            (
                format!("{conmon} --runtime-arg --root=/run/pr --exit-command /usr/bin/podman"),
                Some((MonitorKind::Conmon, vec!["/run/pr"])),
            ),
            (
                format!("{conmon} --runtime-arg --root --runtime-arg /run/pr"),
                Some((MonitorKind::Conmon, vec!["/run/pr"])),
            ),
            (
                format!("{conmon} --runtime-arg --rootless=true --runtime-arg=--root=x"),
                Some((MonitorKind::Conmon, vec![])),
            ),
            (format!("{conmon} -e --exec-process-spec /x/spec"), None),
            (
                format!(
                    "{conmon} --exec-attach --exec-process-spec=/x/spec --exit-command /usr/bin/podman"
                ),
                None,
            ),
            (
                "/usr/bin/containerd-shim-runc-v2 -namespace moby -id web -address /run/c.sock"
                    .to_owned(),
                Some((MonitorKind::Shim, vec![])),
            ),
            (
                "containerd-shim-kata-v2 -namespace k8s.io -address /run/c.sock -id web".to_owned(),
                Some((MonitorKind::OtherShim, vec![])),
            ),
            (
                "containerd-shim-runc-v2 -namespace moby -id ../x".to_owned(),
                None,
            ),
            ("containerd-shim-runc-v2 -id web".to_owned(), None),
            ("containerd --state /x".to_owned(), None),
            ("conmon".to_owned(), None),
        ] {
            let process = process(7, 1, &line);
            let roots = |monitor: Monitor| (monitor.kind, monitor.roots(&process));
            let expected = found.map(|(kind, roots)| {
                (
                    kind,
                    roots.into_iter().map(PathBuf::from).collect::<Vec<_>>(),
                )
            });
            assert_eq!(Monitor::of(&process).map(roots), expected, "{line}");
        }
    }
}

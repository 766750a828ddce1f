//! Finds the containerd that made a bundle.
//!
//! In: the link `work` in the bundle, the environment, and the parent's command line, as
//! containerd's shim sets them. Out: containerd's root directory and its socket. Only the engine
//! writes the bundle. A privileged caller who sets a false environment could as well start the
//! runtime without Embargo; and even then, `grpc` believes a socket only if root or the caller
//! listens on it. Not used: the shim's own socket, which is named in the bundle's files `address`
//! and `bootstrap.json`; and the working directory, which in a pod belongs to another container.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::sys::file::{self, Guard};

/// The directory of tasks, which exists below containerd's state directory and below its root
/// directory.
const TASKS: &str = "io.containerd.runtime.v2.task";
/// The longest command line that is read, in bytes.
const LONGEST_COMMAND: u64 = 128 << 10;

/// containerd's root directory. The link `work` in the bundle leads to
/// `<root>/io.containerd.runtime.v2.task/<namespace>/<id>` (containerd 1.6.20 and 2.1.9,
/// core/runtime/v2/bundle.go). `None` when the link does not lead to such a path.
#[must_use]
pub fn root(bundle: &Path, namespace: &str, id: &str) -> Option<PathBuf> {
    let work = std::fs::read_link(bundle.join("work")).ok()?;
    let mut names = work.components();
    for expected in [id, namespace, TASKS] {
        if names.next_back()?.as_os_str() != expected {
            return None;
        }
    }
    let root = names.as_path();
    root.is_absolute().then(|| root.to_owned())
}

/// containerd's socket, from this process's environment and the command line of its parent.
#[must_use]
pub fn socket() -> Option<PathBuf> {
    let command = file::read(
        &PathBuf::from(format!("/proc/{}/cmdline", nix::unistd::getppid())),
        LONGEST_COMMAND,
        Guard::Any,
    );
    socket_of(
        std::env::var_os("GRPC_ADDRESS"),
        std::env::var_os("TTRPC_ADDRESS"),
        &command.unwrap_or_default(),
    )
}

/// containerd's socket: `GRPC_ADDRESS` (containerd 1.7 and later), `TTRPC_ADDRESS` without `.ttrpc`
/// (1.5 and later), or the argument after `-address` in the command line of a shim. In a command
/// line, every argument ends with a zero byte.
#[must_use]
pub fn socket_of(
    grpc: Option<OsString>,
    ttrpc: Option<OsString>,
    command: &[u8],
) -> Option<PathBuf> {
    let from_ttrpc =
        || Some(OsStr::from_bytes(ttrpc.as_ref()?.as_bytes().strip_suffix(b".ttrpc")?).to_owned());
    let from_command = || {
        let mut arguments = command.split(|byte| *byte == 0);
        arguments.find(|argument| matches!(*argument, b"-address" | b"--address"))?;
        arguments
            .next()
            .map(|argument| OsString::from_vec(argument.to_vec()))
    };
    [grpc.clone(), from_ttrpc(), from_command()]
        .into_iter()
        .flatten()
        .map(PathBuf::from)
        .find(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_the_first_that_is_given() {
        let shim = b"/usr/bin/containerd-shim-runc-v2\0-namespace\0default\0-id\0c1\0-address\0/run/c/c.sock\0";
        for (grpc, ttrpc, command, socket) in [
            (
                Some("/g.sock"),
                Some("/t.sock.ttrpc"),
                &shim[..],
                Some("/g.sock"),
            ),
            (None, Some("/t.sock.ttrpc"), &shim[..], Some("/t.sock")),
            (None, Some("/t.sock"), &shim[..], Some("/run/c/c.sock")),
            (Some("relative"), None, &shim[..], Some("/run/c/c.sock")),
            (Some(""), None, b"sh\0-address", None),
            (None, None, b"", None),
        ] {
            assert_eq!(
                socket_of(grpc.map(OsString::from), ttrpc.map(OsString::from), command),
                socket.map(PathBuf::from)
            );
        }
    }

    #[test]
    fn the_root_is_where_the_link_of_this_very_container_leads() {
        let bundle = tempfile::tempdir().unwrap();
        let link = bundle.path().join("work");
        assert_eq!(root(bundle.path(), "default", "c1"), None);
        for (target, found) in [
            (
                "/var/lib/containerd/io.containerd.runtime.v2.task/default/c1",
                Some("/var/lib/containerd"),
            ),
            (
                "/var/lib/containerd/io.containerd.runtime.v2.task/default/c2",
                None,
            ),
            (
                "/var/lib/containerd/io.containerd.runtime.v2.task/moby/c1",
                None,
            ),
            ("relative/io.containerd.runtime.v2.task/default/c1", None),
            ("/c1", None),
        ] {
            std::os::unix::fs::symlink(target, &link).unwrap();
            assert_eq!(
                root(bundle.path(), "default", "c1"),
                found.map(PathBuf::from),
                "{target}"
            );
            std::fs::remove_file(&link).unwrap();
        }
    }
}

//! Pins one instance of a container, so that a runtime enters this instance or none.
//!
//! ```text
//! /run/embargo/entered/<run>.<number>.<worker>/   0700, the owner's
//!   root/<id>/state.json                          what `RUNTIME --root` gets: a copy of the container's state as it was checked
//!   process-1.json, pid-1, log-1                  what each call of the runtime gets and leaves
//! ```
//!
//! A restarted container has the same ID, the same state directory and often the same cgroup as
//! before. A runtime compares the ID and start time of the first process with the state (runc:
//! libcontainer/container_linux.go, `currentStatus`; crun: src/libcrun/container.c,
//! `libcrun_is_container_running`). So a runtime that gets a copy of one instance's state enters
//! that instance or none. Seen with runc 1.1.5 and crun 1.8.1. All files of the state directory are
//! copied: crun keeps the seccomp filter beside its state, and enters without a filter if that file
//! is missing (src/libcrun/seccomp.c).
//!
//! In: a container as a scan found it; the container's state, which its owner wrote. Out: the
//! worker's directory, which is removed when [`Pinned`] is dropped. Not checked: the state's other
//! fields.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use super::owner::Owner;
use super::process::ProcessSpec;
use crate::container::bundle::LARGEST_SPEC;
use crate::container::runtime::RuntimeKind;
use crate::exec_patch::job::Container;
use crate::exec_patch::outcome::Outcome;
use crate::node::runtime_state;
use crate::report::line;
use crate::sys::directory::{self, Directory};
use crate::sys::file::{self, FileError, Guard};
use crate::sys::replace::WriteError;

/// At most this many files of a state directory are copied. runc keeps one or two files there, crun
/// four.
const MOST_FILES: usize = 32;

/// At most this many bytes of all files together are copied. The bytes are in memory twice, and a
/// user may have written the files.
const MOST_BYTES: u64 = 24 << 20;

/// With both runtimes, this file exists from a container's `create` to its `start`.
const NOT_STARTED: &str = "exec.fifo";

/// A copy of one instance's state, in the worker's directory.
#[derive(Debug)]
pub struct Pinned {
    directory: PathBuf,
    spec: ProcessSpec,
}

impl Pinned {
    /// Copies the state of `container` into the new directory `directory`, if the state still
    /// describes this instance.
    ///
    /// # Errors
    /// The container's outcome: the container vanished, or cannot be entered.
    pub fn make(container: &Container, owner: Owner, directory: PathBuf) -> Result<Self, Outcome> {
        make_directory(&directory).map_err(cannot(&directory))?;
        match fill(container, owner, &directory) {
            Ok(spec) => Ok(Self { directory, spec }),
            Err(outcome) => {
                remove(&directory);
                Err(outcome)
            }
        }
    }

    /// The container's runtime spec.
    #[must_use]
    pub const fn spec(&self) -> &ProcessSpec {
        &self.spec
    }

    /// The state directory that the runtime gets as `--root`.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.directory.join("root")
    }

    /// The path of a file that the runtime reads or writes in its call number `call`.
    #[must_use]
    pub fn file(&self, name: &str, call: usize) -> PathBuf {
        self.directory.join(format!("{name}-{call}"))
    }

    /// Writes a new file in the worker's directory, with the owner's rights.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn put(&self, path: &Path, bytes: &[u8], owner: Owner) -> io::Result<()> {
        owner.reading(|| write_new(path, bytes)).flatten()
    }

    /// What the runtime wrote to a file in the worker's directory, at most `limit` bytes; empty if
    /// the runtime wrote nothing. The owner may have replaced the file.
    #[must_use]
    pub fn left(&self, path: &Path, limit: u64, owner: Owner) -> String {
        let bytes = owner
            .reading(|| file::read(path, limit, Guard::NoLink).unwrap_or_default())
            .unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        remove(&self.directory);
    }
}

/// Makes the outcome when one of the worker's own files cannot be written, for `map_err`.
pub(super) fn cannot(path: &Path) -> impl FnOnce(io::Error) -> Outcome {
    move |error| could_not_enter(WriteError::new(path, error))
}

/// The outcome when nothing could enter the container, with the reason.
pub(super) fn could_not_enter(error: impl std::error::Error + 'static) -> Outcome {
    Outcome::CouldNotEnter {
        why: line::causes(&error),
    }
}

/// Removes a worker's directory. If removing fails, only the container's owner can read the files
/// in it.
fn remove(directory: &Path) {
    let removed = fs::remove_dir_all(directory);
    drop(removed);
}

/// Makes the worker's directory and, if it is missing, the directory of all workers.
fn make_directory(directory: &Path) -> io::Result<()> {
    if let Some(all) = directory.parent() {
        DirBuilder::new().mode(0o755).recursive(true).create(all)?;
        directory::owned(Path::new("/"), all).map_err(io::Error::other)?;
    }
    DirBuilder::new().mode(0o700).create(directory)
}

/// Fills the directory, gives it to the owner and returns the container's runtime spec.
fn fill(container: &Container, owner: Owner, directory: &Path) -> Result<ProcessSpec, Outcome> {
    let root = directory.join("root");
    let state = root.join(&container.id);
    DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(&state)
        .map_err(cannot(&state))?;
    copy(container, owner, &state)?;
    check(container, &root)?;
    let spec = read_spec(container, owner, &state)?;
    hand_over(directory, owner).map_err(cannot(directory))?;
    Ok(spec)
}

/// Gives the directory and its contents to the owner; the directory itself comes last.
fn hand_over(directory: &Path, owner: Owner) -> io::Result<()> {
    let Some(person) = owner.person() else {
        return Ok(());
    };
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            hand_over(&entry.path(), owner)?;
        } else {
            chown(entry.path(), Some(person.user), Some(person.group))?;
        }
    }
    chown(directory, Some(person.user), Some(person.group))
}

/// Copies the files of the container's state directory to `to`.
fn copy(container: &Container, owner: Owner, to: &Path) -> Result<(), Outcome> {
    let files = match owner.reading(|| read_all(container)) {
        Ok(Ok(files)) => files,
        Ok(Err(error)) if error.is_absent() => return Err(Outcome::Vanished),
        Ok(Err(error)) => return Err(could_not_enter(error)),
        Err(error) => {
            let path = container.root.join(&container.id);
            return Err(could_not_enter(FileError::Io(path, error)));
        }
    };
    if files.iter().any(|(name, _)| name == NOT_STARTED) {
        return Err(Outcome::CouldNotEnter {
            why: "the container was created and has not been started".into(),
        });
    }
    for (name, bytes) in files {
        let path = to.join(name);
        write_new(&path, &bytes).map_err(cannot(&path))?;
    }
    Ok(())
}

/// The regular files in the container's state directory, and its FIFOs, which count as empty. Each
/// file must still belong to the owner who was found before. Otherwise an attacker could swap the
/// directory after the owner was found and before the files are read, and make root enter any
/// process that the attacker describes.
fn read_all(container: &Container) -> Result<Vec<(OsString, Vec<u8>)>, FileError> {
    let directory = Directory::open(&container.root)?.directory(OsStr::new(&container.id))?;
    let theirs = [container.owner; 2];
    if [directory.owner(), directory.writer()?] != theirs {
        return Err(FileError::Unguarded(directory.path().to_owned()));
    }
    let failed = |error| FileError::Io(directory.path().to_owned(), error);
    let (mut files, mut room) = (Vec::new(), MOST_BYTES);
    for entry in directory.entries()?.take(MOST_FILES) {
        let entry = entry.map_err(failed)?;
        let (name, kind) = (entry.file_name(), entry.file_type().map_err(failed)?);
        if kind.is_file() {
            let text = directory.read(&name, LARGEST_SPEC.min(room))?;
            room = room.saturating_sub(text.bytes.len() as u64);
            if [text.owner, text.writer] != theirs {
                return Err(FileError::Unguarded(directory.path().join(name)));
            }
            files.push((name, text.bytes));
        } else if !kind.is_dir() && !kind.is_symlink() {
            files.push((name, Vec::new()));
        }
    }
    Ok(files)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?
        .write_all(bytes)
}

/// Checks that the copied state describes this instance.
fn check(container: &Container, root: &Path) -> Result<(), Outcome> {
    let found = runtime_state::containers(&[root.to_owned()]);
    let Some(state) = found.into_iter().next() else {
        return Err(Outcome::Vanished);
    };
    let state = state.map_err(could_not_enter)?;
    let started = state.process.started.unwrap_or(container.started);
    if (state.process.pid, started) == (container.pid, container.started)
        && state.kind == container.kind
        && container.is_alive()
    {
        Ok(())
    } else {
        Err(Outcome::Vanished)
    }
}

/// The container's runtime spec: crun keeps a copy of its own; runc keeps none, so the bundle's is
/// read.
fn read_spec(container: &Container, owner: Owner, state: &Path) -> Result<ProcessSpec, Outcome> {
    let bytes = match container.kind {
        RuntimeKind::Runc => read_bundle_spec(container, owner),
        RuntimeKind::Crun => file::read(&state.join("config.json"), LARGEST_SPEC, Guard::NoLink),
    };
    let bytes = bytes.map_err(could_not_enter)?;
    ProcessSpec::parse(&bytes).map_err(could_not_enter)
}

/// The bundle's runtime spec, at a path as the owner or the owner's engine sees it.
fn read_bundle_spec(container: &Container, owner: Owner) -> Result<Vec<u8>, FileError> {
    let path = container.bundle.join("config.json");
    match owner.read(container.pid, &path, LARGEST_SPEC) {
        Err(error) if error.is_absent() => owner
            .read_at_engine(container.pid, &path, LARGEST_SPEC)
            .ok_or(error),
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec_patch::enter::testing;
    use crate::sys::proc;

    /// A container whose first process is this one, with its state and bundle below `top`.
    fn container(top: &Path, kind: RuntimeKind, started: u64) -> Container {
        let container = Container {
            kind,
            root: top.join("runs"),
            bundle: top.join("bundle"),
            ..testing::container(own())
        };
        let pid = container.pid;
        let spec = r#"{"process":{"args":["sleep"]}}"#;
        let state = match kind {
            RuntimeKind::Runc => format!(
                r#"{{"id":"c1","init_process_pid":{pid},"init_process_start":{started},"config":{{"labels":["bundle={}"]}}}}"#,
                container.bundle.display()
            ),
            RuntimeKind::Crun => format!(
                r#"{{"pid":{pid},"process-start-time":{started},"bundle":"{}"}}"#,
                container.bundle.display()
            ),
        };
        for (directory, name, text) in [
            (top.join("runs/c1"), kind.state_file(), state.as_str()),
            (top.join("runs/c1"), "seccomp.bpf", "filter"),
            (
                if kind == RuntimeKind::Runc {
                    top.join("bundle")
                } else {
                    top.join("runs/c1")
                },
                "config.json",
                spec,
            ),
        ] {
            fs::create_dir_all(&directory).unwrap();
            write_new(&directory.join(name), text.as_bytes()).unwrap();
        }
        Container {
            started,
            ..container
        }
    }

    fn own() -> u32 {
        nix::unistd::geteuid().as_raw()
    }

    /// When this process was started.
    fn own_start() -> u64 {
        proc::stat(std::process::id()).unwrap().started
    }

    #[test]
    fn a_runtime_gets_all_of_the_state_of_this_life_and_the_copy_goes_with_the_worker() {
        for kind in [RuntimeKind::Runc, RuntimeKind::Crun] {
            let top = tempfile::tempdir().unwrap();
            let container = container(top.path(), kind, own_start());
            let directory = top.path().join("entered/r.1.7");
            let pinned = Pinned::make(&container, Owner::Caller, directory.clone()).unwrap();
            let state = pinned.root().join("c1");
            let kept = |name: &str| file::read(&state.join(name), 4_096, Guard::NoLink).unwrap();
            assert_eq!(
                kept("seccomp.bpf"),
                b"filter",
                "crun would enter without it"
            );
            assert_eq!(
                kept(kind.state_file()),
                file::read(
                    &container.root.join("c1").join(kind.state_file()),
                    4_096,
                    Guard::Any
                )
                .unwrap()
            );
            assert_eq!(
                std::os::unix::fs::PermissionsExt::mode(
                    &fs::metadata(&directory).unwrap().permissions()
                ) & 0o777,
                0o700
            );
            pinned
                .put(&pinned.file("process", 1), b"{}", Owner::Caller)
                .unwrap();
            assert_eq!(
                pinned.left(&pinned.file("process", 1), 64, Owner::Caller),
                "{}"
            );
            assert_eq!(pinned.left(&pinned.file("pid", 1), 64, Owner::Caller), "");
            drop(pinned);
            assert!(fs::metadata(&directory).is_err(), "{directory:?} is left");
        }
    }

    #[test]
    fn another_life_of_a_container_is_not_entered() {
        let top = tempfile::tempdir().unwrap();
        let found = container(top.path(), RuntimeKind::Runc, own_start());
        let directory = top.path().join("entered/r.1.7");
        let made = |container: &Container| {
            Pinned::make(container, Owner::Caller, directory.clone()).map(|_| ())
        };
        assert_eq!(made(&found), Ok(()));
        for other in [
            Container {
                started: found.started + 1,
                ..found.clone()
            },
            Container {
                pid: found.pid + 1,
                ..found.clone()
            },
            Container {
                kind: RuntimeKind::Crun,
                ..found.clone()
            },
            Container {
                root: top.path().join("elsewhere"),
                ..found.clone()
            },
        ] {
            assert_eq!(made(&other), Err(Outcome::Vanished));
            assert!(fs::metadata(&directory).is_err(), "{directory:?} is left");
        }
    }

    #[test]
    fn a_state_that_is_no_longer_its_owners_is_not_entered() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        for (path, named) in [
            ("runs", "runs/c1"),
            ("runs/c1", "runs/c1"),
            ("runs/c1/state.json", "runs/c1/state.json"),
            ("runs/c1/seccomp.bpf", "runs/c1/seccomp.bpf"),
        ] {
            let top = tempfile::tempdir().unwrap();
            let container = container(top.path(), RuntimeKind::Runc, own_start());
            // The directory was found to be root's; after that, somebody swapped it.
            chown(top.path().join(path), Some(70_000), None).unwrap();
            let outcome = Pinned::make(&container, Owner::Caller, top.path().join("entered/r.1.7"))
                .unwrap_err();
            let why = format!(
                "cannot trust {:?}: owned or writable by another user",
                top.path().join(named)
            );
            assert_eq!(outcome, Outcome::CouldNotEnter { why }, "{path}");
        }
    }

    #[test]
    fn a_container_that_has_not_been_started_is_not_entered() {
        let top = tempfile::tempdir().unwrap();
        let container = container(top.path(), RuntimeKind::Runc, own_start());
        nix::unistd::mkfifo(
            &top.path().join("runs/c1/exec.fifo"),
            nix::sys::stat::Mode::S_IRWXU,
        )
        .unwrap();
        let outcome =
            Pinned::make(&container, Owner::Caller, top.path().join("entered/r.1.7")).unwrap_err();
        assert_eq!(
            outcome,
            Outcome::CouldNotEnter {
                why: "the container was created and has not been started".into()
            }
        );
    }

    #[test]
    fn a_spec_that_cannot_be_read_is_named() {
        let top = tempfile::tempdir().unwrap();
        let container = container(top.path(), RuntimeKind::Runc, own_start());
        let spec = top.path().join("bundle/config.json");
        fs::remove_file(&spec).unwrap();
        let outcome =
            Pinned::make(&container, Owner::Caller, top.path().join("entered/r.1.7")).unwrap_err();
        assert_eq!(
            outcome,
            Outcome::CouldNotEnter {
                why: format!("cannot read {spec:?}: it is missing")
            }
        );
    }
}

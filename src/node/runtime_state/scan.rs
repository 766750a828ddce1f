//! Reads every container's state below the runtimes' state directories.
//!
//! In: the directories. Out: each container, or why it is not known; see the module
//! `runtime_state`.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::super::allowance::Allowances;
use super::{RunningContainer, StateError, parse, user_of};
use crate::container::runtime::RuntimeKind;
use crate::sys::directory::{Directory, Text};
use crate::sys::file::FileError;

/// The size, in bytes, of the largest state file that is read. The state of a container with
/// hundreds of mounts has a few hundred KB.
const LARGEST_STATE: u64 = 8 << 20;

/// The directories that have been read, by device and inode.
pub(in super::super) type Seen = HashSet<(u64, u64)>;

/// The containers that were found and the errors, in the order of the scan.
type Found = Vec<Result<RunningContainer, StateError>>;

/// The containers whose state lies below `roots`, in the order of the roots and then of the IDs. A
/// root holds containers, or one directory of containers for each namespace of containerd. A root
/// that does not exist holds nothing.
#[must_use]
pub fn containers(roots: &[PathBuf]) -> Found {
    containers_beyond(roots, &mut Seen::new())
}

/// The same as [`containers`], but skips the directories in `seen`, whatever path leads to them,
/// and adds the other directories to `seen`.
pub(in super::super) fn containers_beyond(roots: &[PathBuf], seen: &mut Seen) -> Found {
    let mut scan = Scan::default();
    for root in roots {
        let Some(mut root) = scan.present(Directory::open(root)) else {
            continue;
        };
        // `/var/run` is a link to `/run`. The first of two paths to one directory is used; the
        // usual paths come first.
        if let Ok(identity) = root.identity()
            && !seen.insert(identity)
        {
            continue;
        }
        if let Some(user) = user_of(root.path()) {
            root.hand_over(user);
        }
        scan.read(&root);
    }
    scan.found
}

/// A scan of roots.
#[derive(Default)]
struct Scan {
    found: Found,
    allowances: Allowances,
}

impl Scan {
    fn read(&mut self, root: &Directory) {
        for name in self.directories(root) {
            let Some(directory) = self.next(root, &name) else {
                continue;
            };
            if self.has_container(root, &directory) {
                continue;
            }
            for name in self.directories(&directory) {
                if let Some(inner) = self.next(&directory, &name) {
                    self.has_container(&directory, &inner);
                }
            }
        }
        for (user, count) in self.allowances.left_out() {
            let beyond = StateError::Beyond(root.path().to_owned(), user, count);
            self.found.push(Err(beyond));
        }
    }

    /// The directory of this name, if it exists and may still be read.
    fn next(&mut self, directory: &Directory, name: &OsStr) -> Option<Directory> {
        let inner = self.present(directory.directory(name))?;
        self.allowances
            .take_container(inner.owner())
            .then_some(inner)
    }

    /// Returns the directory, if it exists. If the directory cannot be opened, the reason is
    /// recorded.
    fn present<T>(&mut self, opened: Result<T, FileError>) -> Option<T> {
        let fault = match opened {
            Ok(directory) => return Some(directory),
            Err(FileError::Io(_, error)) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(FileError::Io(path, error)) => StateError::Directory(path, error),
            Err(error) => StateError::Directory(
                error.path().to_owned(),
                io::Error::other("others may write it"),
            ),
        };
        self.found.push(Err(fault));
        None
    }

    /// The names of the directories in `directory`, sorted.
    fn directories(&mut self, directory: &Directory) -> Vec<OsString> {
        let listed = self.list(directory);
        let mut names = self.present(listed).unwrap_or_default();
        names.sort();
        names
    }

    fn list(&mut self, directory: &Directory) -> Result<Vec<OsString>, FileError> {
        let most = self.allowances.entries(directory.owner());
        let (mut names, mut count) = (Vec::new(), 0);
        for entry in directory.entries()? {
            let entry = entry.map_err(|error| FileError::Io(directory.path().to_owned(), error))?;
            if count == most {
                self.allowances.leave_out(directory.owner());
                break;
            }
            count += 1;
            if let Ok(kind) = entry.file_type()
                && kind.is_dir()
            {
                names.push(entry.file_name());
            }
        }
        self.allowances.spend_entries(directory.owner(), count);
        Ok(names)
    }

    /// Adds the container whose state is in `directory`. Returns `false` if there is no state.
    fn has_container(&mut self, root: &Directory, directory: &Directory) -> bool {
        for kind in [RuntimeKind::Runc, RuntimeKind::Crun] {
            match self.state(directory, kind) {
                Err(error) if error.is_absent() => continue,
                // The directory is a namespace of containerd that has a container of this name.
                // This container must not hide the other containers of the namespace.
                Err(FileError::NotRegular(path)) if is_directory(&path) => continue,
                Err(FileError::TooLarge(_, limit)) if limit < LARGEST_STATE => {
                    self.allowances.leave_out(directory.owner());
                }
                Err(error) => self.found.push(Err(StateError::File(error))),
                Ok(text) => self.found.push(container(root, directory, kind, &text)),
            }
            return true;
        }
        false
    }

    /// The text of the state in `directory`.
    fn state(&mut self, directory: &Directory, kind: RuntimeKind) -> Result<Text, FileError> {
        let limit = LARGEST_STATE.min(self.allowances.bytes(directory.owner()));
        let text = directory.read(OsStr::new(kind.state_file()), limit);
        let spent = match &text {
            Ok(text) => text.bytes.len() as u64,
            // Reading a file that grows meanwhile costs as much as reading the whole limit.
            Err(FileError::TooLarge(..)) => limit,
            Err(
                FileError::Io(..)
                | FileError::NotRegular(_)
                | FileError::Unguarded(_)
                | FileError::NotText(_),
            ) => 0,
        };
        self.allowances.spend_bytes(directory.owner(), spent);
        text
    }
}

fn is_directory(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir())
}

/// The container whose state is `text`.
fn container(
    root: &Directory,
    directory: &Directory,
    kind: RuntimeKind,
    text: &Text,
) -> Result<RunningContainer, StateError> {
    let name = directory.path().file_name().and_then(OsStr::to_str);
    let (id, bundle, process) = parse(kind, name.unwrap_or_default(), &text.bytes)
        .map_err(|fault| StateError::State(directory.path().join(kind.state_file()), fault))?;
    Ok(RunningContainer {
        id,
        kind,
        root: root.path().to_owned(),
        bundle,
        process,
        owner: text.owner,
    })
}

//! Finds who owns a container, and as which user its runtime must run.
//!
//! In: the user who owns the container's state, and the container's first process. That user
//! controls the state and the process. Out: the user as whom the container's runtime must run, and
//! the user namespace. The state that a user wrote may lie: it may name any process and any path.
//! So root reads the user's files and runs the user's runtime with that user's rights only, and
//! joins no namespace but the user's own. Not checked: whether the process really belongs to a
//! container.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::geteuid;

use crate::exec_patch::job::Container;
use crate::sys::file::{self, FileError, Guard};
use crate::sys::proc;
use crate::sys::rights::{self, Person};
use crate::sys::spawn;

/// The user as whom a container's runtime runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The same user as this process.
    Caller,
    /// Another user. This process runs as root and can become that user.
    User(Person),
}

/// Why a container cannot be entered on its owner's behalf.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// The container belongs to another user, and the caller is not root.
    #[error("cannot enter a container of user {0} without being root")]
    Foreign(u32),
    /// The container's first process cannot be inspected.
    #[error("cannot tell the user namespace of its first process")]
    Process(#[from] io::Error),
    /// The container's first process runs in a user namespace that is not the owner's.
    #[error("cannot join the user namespace of its first process: it is not its owner's")]
    Namespace,
}

/// How deep user namespaces can be nested (user_namespaces(7)).
const DEEPEST: u32 = 33;

impl Owner {
    /// The owner of this container.
    ///
    /// # Errors
    /// [`OwnerError::Foreign`].
    pub fn of(container: &Container) -> Result<Self, OwnerError> {
        let caller = geteuid().as_raw();
        if container.owner == caller {
            return Ok(Self::Caller);
        }
        if caller != 0 {
            return Err(OwnerError::Foreign(container.owner));
        }
        Ok(Self::User(Person::of(container.owner)))
    }

    /// The user that a program must become; `None` if it runs as this process's own user.
    #[must_use]
    pub const fn person(self) -> Option<Person> {
        match self {
            Self::Caller => None,
            Self::User(person) => Some(person),
        }
    }

    /// Runs `work` with the owner's rights on files and no others, so that the owner's paths cannot
    /// lead to files that the owner may not read.
    ///
    /// # Errors
    /// The operating system's error if root's rights cannot be dropped: then `work` does not run.
    pub fn reading<T>(self, work: impl FnOnce() -> T) -> io::Result<T> {
        match self {
            Self::Caller => Ok(work()),
            Self::User(person) => rights::lend(person, work),
        }
    }

    /// The user namespace in which the owner's engine runs, for a container whose first process is
    /// `pid`; `None` if that namespace is this process's own. If `made_by_runtime` is set, the
    /// container's runtime made a user namespace for the container; that namespace is not the
    /// engine's.
    ///
    /// # Errors
    /// [`OwnerError::Process`] and [`OwnerError::Namespace`].
    pub fn namespace(self, pid: u32, made_by_runtime: bool) -> Result<Option<OwnedFd>, OwnerError> {
        match self.outermost(pid)? {
            Some((_, is_containers)) if is_containers && made_by_runtime => Ok(None),
            Some((namespace, _)) => Ok(Some(namespace)),
            None => Ok(None),
        }
    }

    /// Reads a file of the owner's, at most `limit` bytes, with the owner's rights. If needed, the
    /// file is read in the user namespace in which the owner is root. The container's first process
    /// `pid` runs in that namespace, or in a namespace below.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn read(self, pid: u32, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
        let error = match self.reading(|| file::read(path, limit, Guard::Any)) {
            Ok(Err(FileError::Io(_, error))) | Err(error) => error,
            Ok(read) => return read,
        };
        if error.kind() == io::ErrorKind::PermissionDenied
            && let Some(bytes) = self.read_as_root_of(pid, path, limit)
        {
            return Ok(bytes);
        }
        Err(FileError::Io(path.to_owned(), error))
    }

    /// Reads a file by its path in the mount namespace of the owner's engine. That namespace is
    /// found at the container's shim, the parent of the container's first process `pid`. Rootless
    /// Docker needs this: its paths are valid in rootlesskit's mount namespace only (seen with
    /// Docker 20.10 and rootlesskit 1.1: `/run/.ro…/user/UID/docker/…`). The file is read in the
    /// user namespace in which the owner is root, so that an owner who names another process gains
    /// nothing. `None` if there is no such namespace, or if the file cannot be read.
    #[must_use]
    pub fn read_at_engine(self, pid: u32, path: &Path, limit: u64) -> Option<Vec<u8>> {
        let parent = proc::stat(pid)?.parent;
        let there = proc::path(parent, "root").join(path.strip_prefix("/").ok()?);
        self.read_as_root_of(pid, &there, limit)
    }

    /// Reads a file in the user namespace in which the owner is root, if there is one.
    fn read_as_root_of(self, pid: u32, path: &Path, limit: u64) -> Option<Vec<u8>> {
        let (namespace, _) = self.outermost(pid).ok()??;
        let read = || file::read(path, limit, Guard::Any).ok();
        spawn::read_as(self.person(), namespace.as_fd(), limit, read).ok()?
    }

    /// The outermost user namespace that contains the process `pid` and is below this process's
    /// own. The owner must own that namespace. The second value tells whether `pid` itself is in
    /// that namespace, and not in a namespace further below.
    fn outermost(self, pid: u32) -> Result<Option<(OwnedFd, bool)>, OwnerError> {
        if geteuid().is_root() && self == Self::Caller {
            return Ok(None);
        }
        let own = identity(&File::open("/proc/self/ns/user")?)?;
        let mut namespace = File::open(proc::path(pid, "ns/user"))?;
        if identity(&namespace)? == own {
            return Ok(None);
        }
        let user = match self {
            Self::Caller => geteuid().as_raw(),
            Self::User(person) => person.user,
        };
        for depth in 0..DEEPEST {
            let parent = File::from(spawn::parent_namespace(&namespace)?);
            if identity(&parent)? == own {
                return if spawn::namespace_owner(&namespace)? == user {
                    Ok(Some((namespace.into(), depth == 0)))
                } else {
                    Err(OwnerError::Namespace)
                };
            }
            namespace = parent;
        }
        Err(OwnerError::Namespace)
    }
}

/// The device and inode that identify a namespace.
fn identity(namespace: &File) -> io::Result<(u64, u64)> {
    let facts = namespace.metadata()?;
    Ok((facts.dev(), facts.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec_patch::enter::testing::container;
    use crate::sys::rights::NOBODYS;

    #[test]
    fn only_root_enters_the_containers_of_others() {
        let own = geteuid().as_raw();
        assert_eq!(Owner::of(&container(own)).unwrap(), Owner::Caller);
        let other = Owner::of(&container(own + 70_000));
        if own == 0 {
            assert_eq!(
                other.unwrap(),
                Owner::User(Person {
                    user: 70_000,
                    group: NOBODYS
                })
            );
        } else {
            assert_eq!(
                other.unwrap_err().to_string(),
                format!(
                    "cannot enter a container of user {} without being root",
                    own + 70_000
                )
            );
        }
    }

    #[test]
    fn a_process_in_the_callers_own_user_namespace_needs_no_other() {
        assert!(
            Owner::Caller
                .namespace(std::process::id(), false)
                .unwrap()
                .is_none()
        );
        let other = Owner::User(Person {
            user: 70_000,
            group: NOBODYS,
        });
        assert!(other.namespace(std::process::id(), true).unwrap().is_none());
        assert_eq!(
            other.namespace(u32::MAX, true).unwrap_err().to_string(),
            "cannot tell the user namespace of its first process"
        );
    }

    #[test]
    fn what_is_done_for_a_user_is_done_with_his_rights() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        drop(
            tempfile::NamedTempFile::new_in(directory.path())
                .unwrap()
                .persist(&path)
                .unwrap(),
        );
        let owner = Owner::of(&container(geteuid().as_raw())).unwrap();
        assert!(owner.reading(|| File::open(&path)).unwrap().is_ok());
        if geteuid().is_root() {
            let user = Owner::User(Person {
                user: 70_000,
                group: NOBODYS,
            });
            assert!(user.reading(|| File::open(&path)).unwrap().is_err());
            assert!(File::open(&path).is_ok(), "and root is root again");
        }
    }
}

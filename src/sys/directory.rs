//! Opens a directory and says who controls what is in it.
//!
//! In: a path, any part of which a user may own and swap while it is walked. Out: the directory,
//! open, with the user who controls everything below it. Root vouches only for what lies in root's
//! directories all the way from `/`. Whoever owns one of them controls what is below, whoever owns
//! a file there: he can put a link or another user's directory in its place. Each step is taken
//! from the descriptor of the last one, and owners are read from what is open, never from a path.
//! Links are followed if root or the caller made them and nobody else could have; none is followed
//! in a user's directory. Not checked: what a file holds.

use std::ffi::{OsStr, OsString};
use std::fs::{DirEntry, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::Mode;

use super::file::{self, FileError, Guard};
use super::rights;

/// The most links on the way to a path (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// A directory, and who controls what is below it.
#[derive(Debug)]
pub struct Directory {
    handle: File,
    path: PathBuf,
    owner: u32,
    /// The first directory on the way that is not root's.
    handed_over_at: Option<PathBuf>,
    /// The first directory on the way that not only its owner may change.
    shared_at: Option<PathBuf>,
}

/// A file in a directory: its contents, and who controls them.
#[derive(Debug)]
pub struct Text {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// The user who controls it: root only if root owns the file and every directory on the way to
    /// it.
    pub owner: u32,
    /// The user who owns the file itself.
    pub writer: u32,
}

impl Directory {
    /// The directory at this path.
    ///
    /// # Errors
    /// [`FileError::Io`] if there is none, or a link on the way is not followed;
    /// [`FileError::Unguarded`] if root let others write on the way, so that nobody knows who
    /// controls it.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Self::walk(Path::new(beginning(path)), path)
    }

    /// The directory at this path; its beginning `first` is not checked.
    fn walk(first: &Path, path: &Path) -> Result<Self, FileError> {
        let failed = |error| FileError::Io(path.to_owned(), error);
        let mut here = Self {
            handle: start(first).map_err(failed)?,
            path: first.to_owned(),
            owner: 0,
            handed_over_at: None,
            shared_at: None,
        };
        here.inherit()?;
        let mut ahead: Vec<OsString> = names(path.strip_prefix(first).unwrap_or(path));
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            let next = step(&here.handle, &name).map_err(failed)?;
            if !next.metadata().map_err(failed)?.is_symlink() {
                here.handle = next;
                here.path.push(&name);
                here.inherit()?;
                continue;
            }
            links += 1;
            if links > MOST_LINKS || !here.may_follow(&next).map_err(failed)? {
                return Err(failed(io::Error::from_raw_os_error(libc::ELOOP)));
            }
            let target =
                PathBuf::from(readlinkat(&next, c"").map_err(|errno| failed(errno.into()))?);
            if target.is_absolute() {
                here.path = beginning(&target).into();
                here.handle = start(&here.path).map_err(failed)?;
            }
            ahead.extend(names(&target));
        }
        here.is_directory().map_err(failed)?;
        path.clone_into(&mut here.path);
        Ok(here)
    }

    /// A directory in this one. Links are not followed.
    ///
    /// # Errors
    /// As [`Directory::open`].
    pub fn directory(&self, name: &OsStr) -> Result<Self, FileError> {
        let path = self.path.join(name);
        let handle =
            step(&self.handle, name).map_err(|error| FileError::Io(path.clone(), error))?;
        let (handed_over_at, shared_at) = (self.handed_over_at.clone(), self.shared_at.clone());
        let mut inner = Self {
            handle,
            path,
            owner: self.owner,
            handed_over_at,
            shared_at,
        };
        inner
            .is_directory()
            .map_err(|error| FileError::Io(inner.path.clone(), error))?;
        inner.inherit()?;
        Ok(inner)
    }

    /// A regular file in it of at most `limit` bytes. Links are not followed.
    ///
    /// # Errors
    /// [`FileError`]; [`FileError::Unguarded`] if it is root's and others may write to it.
    pub fn read(&self, name: &OsStr, limit: u64) -> Result<Text, FileError> {
        let path = self.path.join(name);
        let failed = |error: io::Error| FileError::Io(path.clone(), error);
        let flags = OFlag::O_RDONLY
            | OFlag::O_NONBLOCK
            | OFlag::O_NOFOLLOW
            | OFlag::O_CLOEXEC
            | OFlag::O_NOCTTY;
        let opened = File::from(
            openat(&self.handle, name, flags, Mode::empty())
                .map_err(|errno| failed(errno.into()))?,
        );
        let facts = opened.metadata().map_err(failed)?;
        if !facts.is_file() {
            return Err(FileError::NotRegular(path));
        }
        let owner = heir(self.owner, facts.uid());
        if owner == 0 && others_write(&facts) {
            return Err(FileError::Unguarded(path));
        }
        let bytes = file::read_opened(opened, facts.len(), &path, limit)?;
        Ok(Text {
            bytes,
            owner,
            writer: facts.uid(),
        })
    }

    /// Its device and inode: the same for one directory, whatever the path.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn identity(&self) -> Result<(u64, u64), FileError> {
        let facts = self
            .handle
            .metadata()
            .map_err(|error| FileError::Io(self.path.clone(), error))?;
        Ok((facts.dev(), facts.ino()))
    }

    /// Treats everything in it that would be root's as this user's.
    pub fn hand_over(&mut self, user: u32) {
        if self.owner == 0 && user != 0 {
            self.owner = user;
            self.handed_over_at = Some(self.path.clone());
        }
    }

    /// What is in it.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn entries(&self) -> Result<impl Iterator<Item = io::Result<DirEntry>>, FileError> {
        // The name of an open file leads to that same file (proc(5)).
        let listed = std::fs::read_dir(format!("/proc/self/fd/{}", self.handle.as_raw_fd()));
        listed.map_err(|error| FileError::Io(self.path.clone(), error))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The user who controls everything below it, unless files there have another owner.
    #[must_use]
    pub const fn owner(&self) -> u32 {
        self.owner
    }

    /// The user who owns the directory itself.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn writer(&self) -> Result<u32, FileError> {
        self.handle
            .metadata()
            .map(|facts| facts.uid())
            .map_err(|error| FileError::Io(self.path.clone(), error))
    }

    /// Sets who controls it, from its owner and from who controls the directory above.
    fn inherit(&mut self) -> Result<(), FileError> {
        let facts = self
            .handle
            .metadata()
            .map_err(|error| FileError::Io(self.path.clone(), error))?;
        let owner = heir(self.owner, facts.uid());
        // In a directory with the sticky bit nobody can remove another user's files; what he puts
        // there is his own (inode(7)).
        let is_shared = facts.is_dir() && others_write(&facts) && facts.mode() & libc::S_ISVTX == 0;
        if owner == 0 && is_shared {
            return Err(FileError::Unguarded(self.path.clone()));
        }
        if is_shared && self.shared_at.is_none() {
            self.shared_at = Some(self.path.clone());
        }
        if owner != self.owner {
            self.handed_over_at = Some(self.path.clone());
        }
        self.owner = owner;
        Ok(())
    }

    /// Whether a link in it is one that root or the caller made.
    fn may_follow(&self, link: &File) -> io::Result<bool> {
        Ok(rights::is_own(self.owner) && rights::is_own(heir(0, link.metadata()?.uid())))
    }

    fn is_directory(&self) -> io::Result<()> {
        if self.handle.metadata()?.is_dir() {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::ENOTDIR))
        }
    }
}

/// Whether anybody may write to it besides its owner and root's group, which counts as root.
fn others_write(facts: &Metadata) -> bool {
    let group = if facts.gid() == 0 { 0 } else { 0o020 };
    facts.mode() & (0o002 | group) != 0
}

/// Who controls what this user owns in a directory that `directory` controls.
fn heir(directory: u32, user: u32) -> u32 {
    match directory {
        0 if file::is_unmapped(user) => 0,
        0 => user,
        directory => directory,
    }
}

/// Checks that nobody but root and the caller can put a file into this directory or take one out:
/// they own it and every directory on the way from `root`, the node's own, and others may write to
/// none of them. In a directory on the way the sticky bit protects what is there; in this one it
/// does not help, since missing files can be added. A missing directory has nothing in it.
///
/// # Errors
/// [`FileError::Unguarded`] naming the directory that is wrong, and [`FileError::Io`] if it cannot
/// be inspected.
pub fn owned(root: &Path, path: &Path) -> Result<(), FileError> {
    let directory = match Directory::walk(root, path) {
        Ok(directory) => directory,
        Err(error) if error.is_absent() => return Ok(()),
        Err(error) => return Err(error),
    };
    let facts = directory
        .handle
        .metadata()
        .map_err(|error| FileError::Io(path.to_owned(), error))?;
    if !rights::is_own(directory.owner) {
        return Err(FileError::Unguarded(
            directory.handed_over_at.unwrap_or(directory.path),
        ));
    }
    // The caller's own directories count like root's.
    if let Some(shared) = directory.shared_at {
        return Err(FileError::Unguarded(shared));
    }
    if file::is_owned(&facts) {
        Ok(())
    } else {
        Err(FileError::Unguarded(directory.path))
    }
}

/// Opens a regular file that only root and the caller can have put where it is: [`Guard::Owned`],
/// in a directory that is [`owned`].
///
/// # Errors
/// [`FileError`], the size limit aside.
pub fn open_owned(root: &Path, path: &Path) -> Result<(File, u64), FileError> {
    path.parent()
        .map_or(Ok(()), |directory| owned(root, directory))?;
    file::open(path, Guard::Owned)
}

/// The bytes of such a file, of at most `limit` bytes.
///
/// # Errors
/// [`FileError`].
pub fn read_owned(root: &Path, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let (file, size) = open_owned(root, path)?;
    file::read_opened(file, size, path, limit)
}

/// Where a path starts.
fn beginning(path: &Path) -> &'static str {
    if path.is_absolute() { "/" } else { "." }
}

/// Opens this directory, following any links to it.
fn start(path: &Path) -> io::Result<File> {
    Ok(nix::fcntl::open(
        path,
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map(File::from)?)
}

/// A directory's entry with this name, or the link itself if it is one; neither opened nor
/// followed.
fn step(directory: &File, name: &OsStr) -> io::Result<File> {
    Ok(openat(
        directory,
        name,
        OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map(File::from)?)
}

/// The names on a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.as_os_str().as_bytes().split(|byte| *byte == b'/');
    let mut names: Vec<_> = names
        .filter(|name| !name.is_empty() && *name != b".")
        .map(|name| OsStr::from_bytes(name).to_owned())
        .collect();
    names.reverse();
    names
}

#[cfg(test)]
mod tests;

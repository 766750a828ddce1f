//! Opens a directory and says which user controls what is in it.
//!
//! In: a path. A user may own any part of it, and exchange that part while it is walked. Out: the
//! open directory, and the user who controls everything below it. Only what lies in root's
//! directories, all the way from `/`, is under root's control. The owner of any other directory on
//! the way controls everything below that directory, even files of other owners: the owner can
//! replace a file by a link or by another user's directory. Each step starts from the descriptor of
//! the step before. Owners are read from open files and directories, never from paths. A link is
//! followed if root or the caller made it and nobody else can have made it; links in a user's
//! directory are never followed. Not checked: the contents of files.

use std::ffi::{OsStr, OsString};
use std::fs::{DirEntry, File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::Mode;

use super::file::{self, FileError, Guard};
use super::rights;

/// How many links are followed on the way to a path (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// A directory, and the user who controls what is below it.
#[derive(Debug)]
pub struct Directory {
    handle: File,
    path: PathBuf,
    owner: u32,
    /// The first directory on the way that does not belong to root.
    handed_over_at: Option<PathBuf>,
    /// The first directory on the way that somebody besides its owner may change.
    shared_at: Option<PathBuf>,
}

/// A file in a directory: its contents, and the user who controls them.
#[derive(Debug)]
pub struct Text {
    /// The contents of the file.
    pub bytes: Vec<u8>,
    /// The user who controls the contents. The user is root only if root owns the file and every
    /// directory on the way to the file.
    pub owner: u32,
    /// The user who owns the file itself.
    pub writer: u32,
}

impl Directory {
    /// Opens the directory at this path.
    ///
    /// # Errors
    /// [`FileError::Io`] if there is no such directory, or a link on the way may not be followed;
    /// [`FileError::Unguarded`] if root lets others write to a directory on the way, so that it is
    /// not known who controls what is below.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Self::walk(Path::new(beginning(path)), path)
    }

    /// Opens the directory at `path`. The directory `first`, with which `path` begins, is not
    /// checked.
    fn walk(first: &Path, path: &Path) -> Result<Self, FileError> {
        let failed = FileError::io(path);
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
            let target = PathBuf::from(readlinkat(&next, c"").map_err(FileError::io(path))?);
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

    /// Opens a subdirectory of this directory. Links are not followed.
    ///
    /// # Errors
    /// The errors of [`Directory::open`].
    pub fn directory(&self, name: &OsStr) -> Result<Self, FileError> {
        let path = self.path.join(name);
        let handle = step(&self.handle, name).map_err(FileError::io(&path))?;
        let (handed_over_at, shared_at) = (self.handed_over_at.clone(), self.shared_at.clone());
        let mut inner = Self {
            handle,
            path,
            owner: self.owner,
            handed_over_at,
            shared_at,
        };
        inner.is_directory().map_err(FileError::io(&inner.path))?;
        inner.inherit()?;
        Ok(inner)
    }

    /// Reads a regular file of at most `limit` bytes in this directory. Links are not followed.
    ///
    /// # Errors
    /// [`FileError`]; [`FileError::Unguarded`] if the file belongs to root and others may write to
    /// it.
    pub fn read(&self, name: &OsStr, limit: u64) -> Result<Text, FileError> {
        let path = self.path.join(name);
        let flags = OFlag::O_RDONLY
            | OFlag::O_NONBLOCK
            | OFlag::O_NOFOLLOW
            | OFlag::O_CLOEXEC
            | OFlag::O_NOCTTY;
        let opened = openat(&self.handle, name, flags, Mode::empty());
        let opened = File::from(opened.map_err(FileError::io(&path))?);
        let facts = opened.metadata().map_err(FileError::io(&path))?;
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

    /// Appends bytes to a regular file in this directory. Links are not followed, and no reader of
    /// a FIFO is waited for.
    ///
    /// # Errors
    /// [`FileError`]; also if there is no such file.
    pub fn append(&self, name: &OsStr, bytes: &[u8]) -> Result<(), FileError> {
        self.append_opened(name, OFlag::empty(), bytes).map(drop)
    }

    /// The same as [`Directory::append`], but a missing file is made. Everybody may read it.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn append_new(&self, name: &OsStr, bytes: &[u8]) -> Result<(), FileError> {
        let file = self.append_opened(name, OFlag::O_CREAT, bytes)?;
        // The umask may have taken rights away when the file was made.
        file.set_permissions(Permissions::from_mode(0o644))
            .map_err(FileError::io(&self.path.join(name)))
    }

    fn append_opened(&self, name: &OsStr, made: OFlag, bytes: &[u8]) -> Result<File, FileError> {
        let path = self.path.join(name);
        let flags = OFlag::O_WRONLY
            | OFlag::O_APPEND
            | OFlag::O_NONBLOCK
            | OFlag::O_NOFOLLOW
            | OFlag::O_CLOEXEC
            | OFlag::O_NOCTTY
            | made;
        let mode = Mode::from_bits_retain(0o644);
        let opened = openat(&self.handle, name, flags, mode);
        let mut file = File::from(opened.map_err(FileError::io(&path))?);
        if !file.metadata().map_err(FileError::io(&path))?.is_file() {
            return Err(FileError::NotRegular(path));
        }
        file.write_all(bytes).map_err(FileError::io(&path))?;
        Ok(file)
    }

    /// The directory's device and inode. Device and inode are the same whatever path leads to the
    /// directory.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn identity(&self) -> Result<(u64, u64), FileError> {
        let facts = self.facts()?;
        Ok((facts.dev(), facts.ino()))
    }

    /// From now on, treats everything in the directory that root controls as controlled by this
    /// user.
    pub fn hand_over(&mut self, user: u32) {
        if self.owner == 0 && user != 0 {
            self.owner = user;
            self.handed_over_at = Some(self.path.clone());
        }
    }

    /// The entries of the directory.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn entries(&self) -> Result<impl Iterator<Item = io::Result<DirEntry>>, FileError> {
        // This path leads to the open directory itself (proc(5)).
        let listed = std::fs::read_dir(format!("/proc/self/fd/{}", self.handle.as_raw_fd()));
        listed.map_err(FileError::io(&self.path))
    }

    /// The path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The user who controls everything below the directory. In a directory that root controls, a
    /// file of another user is controlled by the file's owner.
    #[must_use]
    pub const fn owner(&self) -> u32 {
        self.owner
    }

    /// The user who owns the directory itself.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn writer(&self) -> Result<u32, FileError> {
        Ok(self.facts()?.uid())
    }

    /// Checks that only root and the caller control the directory: see [`owned`].
    ///
    /// # Errors
    /// [`FileError::Unguarded`] with the directory that fails the check; [`FileError::Io`].
    pub fn guarded(&self) -> Result<(), FileError> {
        let facts = self.facts()?;
        let unguarded = |path: &PathBuf| Err(FileError::Unguarded(path.clone()));
        if !rights::is_own(self.owner) {
            return unguarded(self.handed_over_at.as_ref().unwrap_or(&self.path));
        }
        // The caller's own directories must not be writable by others either.
        if let Some(shared) = &self.shared_at {
            return unguarded(shared);
        }
        if file::is_owned(&facts) {
            Ok(())
        } else {
            unguarded(&self.path)
        }
    }

    fn facts(&self) -> Result<Metadata, FileError> {
        self.handle.metadata().map_err(FileError::io(&self.path))
    }

    /// Sets the user who controls this directory, from its owner and from the user who controls the
    /// directory above.
    fn inherit(&mut self) -> Result<(), FileError> {
        let facts = self.facts()?;
        let owner = heir(self.owner, facts.uid());
        // In a directory with the sticky bit, nobody can remove another user's files, and new files
        // belong to the user who makes them (inode(7)).
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

    /// Returns `true` if root or the caller made this link, and nobody else can have made it.
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

/// Whether somebody besides the owner may write to the file or directory. Root's group is treated
/// as root.
fn others_write(facts: &Metadata) -> bool {
    let group = if facts.gid() == 0 { 0 } else { 0o020 };
    facts.mode() & (0o002 | group) != 0
}

/// The user who controls what `user` owns, in a directory that the user `directory` controls.
fn heir(directory: u32, user: u32) -> u32 {
    match directory {
        0 if file::is_unmapped(user) => 0,
        0 => user,
        directory => directory,
    }
}

/// Checks that only root and the caller can put files into this directory or take files out. Root
/// or the caller must own the directory and every directory on the way from `root`, the node's root
/// directory, and others must not be able to write to any of them. For a directory on the way, the
/// sticky bit is enough: the sticky bit protects the existing entries. For the directory itself,
/// the sticky bit is not enough, because others could add files that are missing. A directory that
/// does not exist passes.
///
/// # Errors
/// [`FileError::Unguarded`] with the directory that fails the check; [`FileError::Io`] if a
/// directory cannot be inspected.
pub fn owned(root: &Path, path: &Path) -> Result<(), FileError> {
    let directory = match Directory::walk(root, path) {
        Ok(directory) => directory,
        Err(error) if error.is_absent() => return Ok(()),
        Err(error) => return Err(error),
    };
    directory.guarded()
}

/// Opens a regular file that only root or the caller can have put there. The file must pass
/// [`Guard::Owned`], and its directory must pass [`owned`].
///
/// # Errors
/// [`FileError`], except for the size limit.
pub fn open_owned(root: &Path, path: &Path) -> Result<(File, u64), FileError> {
    if let Some(directory) = path.parent() {
        owned(root, directory)?;
    }
    file::open(path, Guard::Owned)
}

/// Reads a file as [`open_owned`] opens it, of at most `limit` bytes.
///
/// # Errors
/// [`FileError`].
pub fn read_owned(root: &Path, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let (file, size) = open_owned(root, path)?;
    file::read_opened(file, size, path, limit)
}

/// The beginning of a path: `/` or the working directory.
fn beginning(path: &Path) -> &'static str {
    if path.is_absolute() { "/" } else { "." }
}

/// Opens this directory. Links to the directory are followed.
fn start(path: &Path) -> io::Result<File> {
    Ok(nix::fcntl::open(
        path,
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map(File::from)?)
}

/// A handle on the entry with this name in a directory. A link is not followed: the handle is on
/// the link itself. The entry is not opened for reading.
fn step(directory: &File, name: &OsStr) -> io::Result<File> {
    Ok(openat(
        directory,
        name,
        OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map(File::from)?)
}

/// The names in a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let mut names = Vec::new();
    for component in path.components().rev() {
        match component {
            Component::Normal(_) | Component::ParentDir => {
                names.push(component.as_os_str().to_owned());
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    names
}

#[cfg(test)]
mod tests;

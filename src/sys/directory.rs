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
mod tests {
    use std::fs::{Permissions, create_dir, rename, set_permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    const USER: u32 = 70_000;

    fn put(path: &Path, text: &[u8]) {
        io::Write::write_all(
            &mut std::fs::OpenOptions::new()
                .create_new(true)
                .write(true)
                .open(path)
                .unwrap(),
            text,
        )
        .unwrap();
    }

    fn fault<T: std::fmt::Debug>(result: Result<T, FileError>) -> String {
        crate::report::line::causes(&result.unwrap_err())
    }

    #[test]
    fn a_file_is_read_in_its_directory_and_never_through_a_link() {
        let top = tempfile::tempdir().unwrap();
        let own = nix::unistd::geteuid().as_raw();
        create_dir(top.path().join("real")).unwrap();
        put(&top.path().join("real/file"), b"text");
        symlink("real", top.path().join("link")).unwrap();
        symlink("file", top.path().join("real/linked")).unwrap();
        for path in ["real", "link", "link/../real/.", "./link/"] {
            let directory = Directory::open(&top.path().join(path)).unwrap();
            let text = directory.read(OsStr::new("file"), 4).unwrap();
            assert_eq!(
                (text.bytes, text.owner, text.writer, directory.owner()),
                (b"text".to_vec(), own, own, own),
                "{path}"
            );
        }
        let directory = Directory::open(top.path()).unwrap();
        assert_eq!(
            fault(directory.directory(OsStr::new("link"))),
            format!(
                "cannot read {:?}: a part of its path is no directory",
                top.path().join("link")
            )
        );
        let real = directory.directory(OsStr::new("real")).unwrap();
        let names: Vec<_> = real
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert_eq!(
            fault(real.read(OsStr::new("file"), 3)),
            format!(
                "cannot read {:?}: larger than 3 bytes",
                top.path().join("real/file")
            )
        );
        assert!(fault(real.read(OsStr::new("linked"), 4)).ends_with("it is a symbolic link"));
        assert!(
            Directory::open(&top.path().join("none"))
                .unwrap_err()
                .is_absent()
        );
        assert!(
            Directory::open(&top.path().join("real/file"))
                .unwrap_err()
                .is_absent()
        );
    }

    #[test]
    fn a_directory_that_is_swapped_while_it_is_open_stays_what_it_was() {
        let top = tempfile::tempdir().unwrap();
        for name in ["one", "other"] {
            create_dir(top.path().join(name)).unwrap();
            put(&top.path().join(name).join("file"), name.as_bytes());
        }
        let directory = Directory::open(top.path())
            .unwrap()
            .directory(OsStr::new("one"))
            .unwrap();
        rename(top.path().join("one"), top.path().join("away")).unwrap();
        symlink("other", top.path().join("one")).unwrap();
        assert_eq!(directory.read(OsStr::new("file"), 9).unwrap().bytes, b"one");
    }

    #[test]
    fn below_a_users_directory_everything_is_his_word_and_no_link_is_followed() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let top = tempfile::tempdir().unwrap();
        let path = |name: &str| top.path().join(name);
        for name in ["roots", "user", "user/inner"] {
            create_dir(path(name)).unwrap();
        }
        put(&path("roots/file"), b"");
        put(&path("user/inner/file"), b"");
        symlink(path("roots"), path("user/link")).unwrap();
        symlink(path("roots"), path("foreign")).unwrap();
        std::os::unix::fs::lchown(path("foreign"), Some(USER), None).unwrap();
        chown(path("user"), Some(USER), None).unwrap();
        let text = |name: &str| {
            Directory::open(&path(name))
                .unwrap()
                .read(OsStr::new("file"), 1)
                .map(|text| (text.owner, text.writer))
                .unwrap()
        };
        assert_eq!(text("roots"), (0, 0));
        assert_eq!(text("user/inner"), (USER, 0));
        assert_eq!(
            text("user/../roots"),
            (USER, 0),
            "what may have been swapped on the way counts"
        );
        chown(path("roots/file"), Some(USER), None).unwrap();
        assert_eq!(text("roots"), (USER, USER));
        for link in ["user/link", "foreign"] {
            let expected = format!("cannot read {:?}: it is a symbolic link", path(link));
            assert_eq!(fault(Directory::open(&path(link))), expected);
        }
    }

    #[test]
    fn a_directory_is_owned_when_nobody_else_can_put_anything_into_it() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("etc/embargo");
        let owned = |path: &Path| owned(top.path(), path);
        assert!(owned(&path).is_ok(), "it is not there");
        std::fs::create_dir_all(&path).unwrap();
        let mode = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
        for (bits, is_owned) in [
            (0o755, true),
            (0o700, true),
            (0o555, true),
            (0o775, false),
            (0o757, false),
            (0o1777, false),
        ] {
            mode(&path, bits);
            assert_eq!(owned(&path).is_ok(), is_owned, "{bits:o}");
        }
        assert_eq!(
            fault(owned(&path)),
            format!("cannot trust {path:?}: owned or writable by another user")
        );
        mode(&path, 0o755);
        put(&path.join("file"), b"text");
        symlink(&path, top.path().join("link")).unwrap();
        for way in [path.clone(), top.path().join("link")] {
            assert_eq!(
                read_owned(top.path(), &way.join("file"), 4).unwrap(),
                b"text"
            );
        }
        mode(&path.join("file"), 0o664);
        let file = path.join("file");
        assert_eq!(
            fault(read_owned(top.path(), &file, 4)),
            format!("cannot trust {file:?}: owned or writable by another user")
        );
    }

    #[test]
    fn every_directory_on_the_way_counts_and_the_one_at_fault_is_named() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let top = tempfile::tempdir().unwrap();
        let (etc, inner, link) = (
            top.path().join("etc"),
            top.path().join("etc/embargo"),
            top.path().join("link"),
        );
        std::fs::create_dir_all(&inner).unwrap();
        put(&inner.join("file"), b"text");
        symlink("etc/embargo", &link).unwrap();
        let named =
            |path: &Path| format!("cannot trust {path:?}: owned or writable by another user");
        chown(top.path(), Some(USER), None).unwrap();
        assert_eq!(
            owned(Path::new("/"), &inner).unwrap_err().to_string(),
            named(top.path())
        );
        assert!(
            owned(&etc, &inner).is_ok(),
            "what is above the node's own root is not asked"
        );
        chown(top.path(), Some(0), None).unwrap();
        for (owner, group, mode, is_owned) in [
            (0, 0, 0o755, true),
            (0, 0, 0o1777, true),
            (0, USER, 0o775, false),
            (0, 0, 0o757, false),
            (USER, USER, 0o755, false),
            (USER, 0, 0o700, false),
        ] {
            chown(&etc, Some(owner), Some(group)).unwrap();
            set_permissions(&etc, Permissions::from_mode(mode)).unwrap();
            for way in [&inner, &link] {
                let read =
                    read_owned(top.path(), &way.join("file"), 4).map_err(|error| error.to_string());
                let expected = if is_owned {
                    Ok(b"text".to_vec())
                } else {
                    Err(named(&etc))
                };
                assert_eq!(read, expected, "{owner} {group} {mode:o} {way:?}");
                // Nor can anybody have removed what is not there.
                assert_eq!(
                    read_owned(top.path(), &way.join("none"), 4)
                        .unwrap_err()
                        .is_absent(),
                    is_owned
                );
            }
        }
    }

    #[test]
    fn nobody_vouches_for_what_root_lets_others_write() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let top = tempfile::tempdir().unwrap();
        create_dir(top.path().join("inner")).unwrap();
        put(&top.path().join("inner/file"), b"");
        for (mode, group, is_trusted) in [
            (0o755, 0, true),
            (0o1777, 0, true),
            (0o775, 0, true),
            (0o775, USER, false),
            (0o1775, USER, true),
            (0o757, 0, false),
        ] {
            chown(top.path(), None, Some(group)).unwrap();
            set_permissions(top.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(
                Directory::open(&top.path().join("inner")).is_ok(),
                is_trusted,
                "{mode:o} {group}"
            );
        }
        set_permissions(top.path(), Permissions::from_mode(0o755)).unwrap();
        let inner = Directory::open(&top.path().join("inner")).unwrap();
        set_permissions(top.path().join("inner/file"), Permissions::from_mode(0o666)).unwrap();
        let expected = format!(
            "cannot trust {:?}: owned or writable by another user",
            top.path().join("inner/file")
        );
        assert_eq!(fault(inner.read(OsStr::new("file"), 1)), expected);
    }
}

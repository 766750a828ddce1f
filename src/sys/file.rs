//! Reads files that others may have written, exchanged, truncated, or replaced by something that is
//! not a regular file.
//!
//! In: a path and the largest size to accept. Out: the contents of the file, or one error with the
//! path and the reason. A FIFO, a device or a directory is refused without waiting for it. Never
//! reads more than the limit. The runtime does not inherit the descriptors. Not checked: who owns
//! the file, unless the caller asks for that with [`Guard`].

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;
use thiserror::Error;

/// Enough room for most files of /proc, in bytes.
const PAGE: u64 = 4_096;

/// The conditions that a file must meet besides the size limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Any regular file that can be opened is accepted.
    Any,
    /// The last component of the path must not be a symbolic link.
    NoLink,
    /// The file must not be a symbolic link, must be owned by root or the caller, and must not be
    /// writable by anybody else. Inside a user namespace, the kernel shows the host's root as an
    /// unmapped owner, like all other users of the host. Inside a user namespace, a file of an
    /// unmapped owner is accepted; only the owner of the file's directory shows whether the file
    /// can be trusted.
    Owned,
    /// The file must be owned by this user, or be owned by root and readable by everybody. Root may
    /// read such a file for a user who chose the path. A link is followed; only the user's own
    /// rights limit where the link leads: see [`rights`](super::rights).
    OfUser(u32),
}

/// Why a file could not be read.
#[derive(Debug, Error)]
pub enum FileError {
    /// The operating system reported an error.
    #[error("cannot read {0:?}")]
    Io(PathBuf, #[source] io::Error),
    /// The path leads to a directory, a FIFO, a socket or a device.
    #[error("cannot read {0:?}: not a regular file")]
    NotRegular(PathBuf),
    /// The file is larger than the limit, which is given in bytes.
    #[error("cannot read {0:?}: larger than {1} bytes")]
    TooLarge(PathBuf, u64),
    /// Others may write to the file, by its owner or its mode.
    #[error("cannot trust {0:?}: owned or writable by another user")]
    Unguarded(PathBuf),
    /// The file is not UTF-8 text.
    #[error("cannot read {0:?}: not UTF-8")]
    NotText(PathBuf),
}

impl FileError {
    /// Returns a function that turns an operating system's error about `path` into a [`FileError`].
    pub fn io<E: Into<io::Error>>(path: &Path) -> impl Fn(E) -> Self + Copy {
        move |error| Self::Io(path.to_owned(), error.into())
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Io(path, _)
            | Self::NotRegular(path)
            | Self::TooLarge(path, _)
            | Self::Unguarded(path)
            | Self::NotText(path) => path,
        }
    }

    /// Whether the reason is that the file, or a directory on the way to it, does not exist.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Io(_, error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)))
    }
}

/// The owner that a user namespace shows for every user who is not mapped into it (Linux:
/// include/linux/highuid.h, `DEFAULT_OVERFLOWUID`).
const UNMAPPED: u32 = 65_534;

/// Whether this process runs in a user namespace other than the host's, as the runtimes of rootless
/// engines do. Outside the host's user namespace, the map of user IDs is not the identity of all
/// IDs.
fn in_user_namespace() -> bool {
    let Some(map) = super::proc::read("/proc/self/uid_map", PAGE) else {
        return false;
    };
    let map = String::from_utf8_lossy(&map);
    !map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

/// Whether a user namespace shows this ID for the host's root and every other user who is not
/// mapped.
pub(super) fn is_unmapped(user: u32) -> bool {
    user == UNMAPPED && in_user_namespace()
}

/// Opens a regular file for reading, and returns it with its size in bytes. Never waits for a
/// process that writes to a FIFO.
///
/// # Errors
/// [`FileError`], except for the size limit.
pub fn open(path: &Path, guard: Guard) -> Result<(File, u64), FileError> {
    let mut flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    let follows = matches!(guard, Guard::Any | Guard::OfUser(_));
    if !follows {
        flags |= OFlag::O_NOFOLLOW;
    }
    // Opening a device may already have an effect on it, and a link may lead to a device.
    if follows
        && !std::fs::metadata(path)
            .map_err(FileError::io(path))?
            .is_file()
    {
        return Err(FileError::NotRegular(path.to_owned()));
    }
    let file = open_at(path, flags).map_err(FileError::io(path))?;
    let facts = file.metadata().map_err(FileError::io(path))?;
    if !facts.is_file() {
        return Err(FileError::NotRegular(path.to_owned()));
    }
    let is_allowed = match guard {
        Guard::Any | Guard::NoLink => true,
        Guard::Owned => is_owned(&facts),
        Guard::OfUser(user) => facts.uid() == user || facts.uid() == 0 && facts.mode() & 0o004 != 0,
    };
    if !is_allowed {
        return Err(FileError::Unguarded(path.to_owned()));
    }
    Ok((file, facts.len()))
}

/// Opens a file for reading. With `O_CLOEXEC`, musl's `open` makes a second system call
/// (src/fcntl/open.c), and its `openat` does not.
pub(super) fn open_at(path: &Path, flags: OFlag) -> nix::Result<File> {
    Ok(openat(AT_FDCWD, path, flags, Mode::empty())?.into())
}

/// Whether a file has the owner and mode that [`Guard::Owned`] requires.
pub(super) fn is_owned(facts: &Metadata) -> bool {
    let trusted_owner = match facts.uid() {
        0 => true,
        uid if uid == nix::unistd::geteuid().as_raw() => true,
        uid => is_unmapped(uid),
    };
    trusted_owner && facts.mode() & 0o022 == 0
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// [`FileError`]. A file that grows past the limit while it is read is treated as too large.
pub fn read(path: &Path, limit: u64, guard: Guard) -> Result<Vec<u8>, FileError> {
    let (file, size) = open(path, guard)?;
    read_opened(file, size, path, limit)
}

/// Reads an open file of this size, if it has at most `limit` bytes.
///
/// # Errors
/// The errors of [`read`].
pub fn read_opened(file: File, size: u64, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    if size > limit {
        return Err(FileError::TooLarge(path.to_owned(), limit));
    }
    // A file in /proc reports size 0. Without enough room, the file would be read in many small
    // pieces, the first of 32 bytes.
    let room = if size == 0 { limit.min(PAGE) } else { size };
    let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or(0) + 1);
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(FileError::io(path))?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge(path.to_owned(), limit));
    }
    Ok(bytes)
}

/// Reads a regular file of UTF-8 text, of at most `limit` bytes.
///
/// # Errors
/// [`FileError`], including [`FileError::NotText`].
pub fn read_text(path: &Path, limit: u64, guard: Guard) -> Result<String, FileError> {
    text(read(path, limit, guard)?, path)
}

/// Turns the bytes of a file into text.
///
/// # Errors
/// [`FileError::NotText`].
pub fn text(bytes: Vec<u8>, path: &Path) -> Result<String, FileError> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => Err(FileError::NotText(path.to_owned())),
    }
}

/// Fills `buffer`, from `offset` in the file on, if the page cache has all of these bytes. Never
/// waits for a disk. Returns `false` if bytes are missing, or if the file system or the kernel
/// (Linux before 4.14) cannot tell.
#[must_use]
#[allow(unsafe_code)]
pub fn read_cached(file: &File, buffer: &mut [u8], offset: u64) -> bool {
    let Ok(offset) = libc::off_t::try_from(offset) else {
        return false;
    };
    let piece = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: `buffer` is the only buffer, and nobody else uses it during the call.
    let count = unsafe {
        libc::preadv2(
            file.as_raw_fd(),
            &raw const piece,
            1,
            offset,
            libc::RWF_NOWAIT,
        )
    };
    usize::try_from(count) == Ok(buffer.len())
}

/// The file to which `path` leads. If `path` is a symbolic link, this is its target.
#[must_use]
pub fn target(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Whether two paths lead to the same directory.
#[must_use]
pub fn is_same_directory(one: &Path, other: &Path) -> bool {
    let (Ok(one), Ok(other)) = (one.metadata(), other.metadata()) else {
        return false;
    };
    one.is_dir() && (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Makes a directory in which everybody may read and only its owner may write, whatever umask the
/// caller has. A directory that exists already stays as it is.
///
/// # Errors
/// What the operating system says; also if the directory above is missing.
pub fn make_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Ok(()) => std::fs::set_permissions(path, Permissions::from_mode(0o755)),
        Err(error) => Err(error),
    }
}

/// Makes an empty file that records that something was done. Its directory is made if it is
/// missing. Returns `true` if the file did not exist before, or if the file cannot be made.
#[must_use]
pub fn mark(path: &Path) -> bool {
    let mut file = OpenOptions::new();
    file.write(true).create_new(true).mode(0o644);
    let mut made = file.open(path);
    if let (Err(error), Some(directory)) = (&made, path.parent())
        && error.kind() == io::ErrorKind::NotFound
        && make_directory(directory).is_ok()
    {
        made = file.open(path);
    }
    !matches!(made, Err(error) if error.kind() == io::ErrorKind::AlreadyExists)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_itself_by_whatever_path() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link, other) = (
            directory.path().join("real"),
            directory.path().join("link"),
            directory.path().join("other"),
        );
        std::fs::create_dir(&real).unwrap();
        std::fs::create_dir(&other).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(mark(&directory.path().join("file")));
        assert!(mark(&directory.path().join("made/file")));
        let mode = std::fs::metadata(directory.path().join("made"))
            .unwrap()
            .mode();
        assert_eq!(mode & 0o7022, 0, "{mode:o}");
        for (path, is_same) in [
            ("real", true),
            ("link", true),
            ("link/../real", true),
            ("other", false),
            ("file", false),
            ("none", false),
        ] {
            assert_eq!(
                is_same_directory(&real, &directory.path().join(path)),
                is_same,
                "{path}"
            );
        }
        assert!(!is_same_directory(
            &directory.path().join("none"),
            &directory.path().join("none")
        ));
        assert!(!is_same_directory(
            &directory.path().join("file"),
            &directory.path().join("file")
        ));
    }

    #[test]
    fn what_was_just_written_is_cached_and_what_is_not_there_is_not() {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, b"0123456789").unwrap();
        let mut buffer = [0; 4];
        // A file system that cannot tell reports that nothing is cached.
        if read_cached(&file, &mut buffer, 3) {
            assert_eq!(&buffer, b"3456");
        }
        for offset in [7, 10, u64::MAX] {
            assert!(!read_cached(&file, &mut buffer, offset), "{offset}");
        }
    }

    #[test]
    fn only_a_regular_file_within_the_limit_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::io::Write::write_all(
            &mut tempfile::NamedTempFile::with_prefix_in("x", directory.path())
                .unwrap()
                .persist(&path)
                .unwrap(),
            b"12345",
        )
        .unwrap();
        assert_eq!(read(&path, 5, Guard::Owned).unwrap(), b"12345");
        assert_eq!(
            read(&path, 4, Guard::Any).unwrap_err().to_string(),
            format!("cannot read {path:?}: larger than 4 bytes")
        );
        assert!(matches!(
            read(directory.path(), 5, Guard::Any),
            Err(FileError::NotRegular(_))
        ));
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(
            read(&fifo, 5, Guard::Any),
            Err(FileError::NotRegular(_))
        ));
        let device = directory.path().join("device");
        // No driver has this device number: opening the device would give a different error.
        let number = nix::sys::stat::makedev(511, 0);
        let made = nix::sys::stat::mknod(
            &device,
            nix::sys::stat::SFlag::S_IFCHR,
            nix::sys::stat::Mode::S_IRWXU,
            number,
        );
        let to_device = directory.path().join("to-device");
        std::os::unix::fs::symlink(&device, &to_device).unwrap();
        if made.is_ok() {
            assert!(matches!(
                read(&to_device, 5, Guard::Any),
                Err(FileError::NotRegular(_))
            ));
        }
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(read(&link, 5, Guard::Any).is_ok());
        assert!(matches!(
            read(&link, 5, Guard::NoLink),
            Err(FileError::Io(..))
        ));
        assert!(
            read(&directory.path().join("none"), 5, Guard::Any)
                .unwrap_err()
                .is_absent()
        );
    }
}

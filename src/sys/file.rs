//! Reads files that somebody else may have written, swapped, cut or replaced by something that is
//! not a file.
//!
//! In: a path and the largest size that makes sense. Out: its bytes, or one error that names the
//! path and the fault. A FIFO, device or directory is refused without waiting for it, more than the
//! limit is never read, and descriptors do not leak into the runtime. Not checked: who owns the
//! file, unless the caller asks with [`Guard`].

use std::fmt;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Room for most files of /proc, in bytes.
const PAGE: u64 = 4_096;

/// What must hold for a file besides its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Any regular file that can be opened.
    Any,
    /// The last component must not be a symbolic link.
    NoLink,
    /// Not a symbolic link, owned by root or by the caller, and writable by nobody else. In a user
    /// namespace the host's root is shown as an unmapped owner, like every other user of the host;
    /// there such a file passes, and only its directory's owner vouches for it.
    Owned,
    /// Owned by this user, or by root and readable by everybody: what root may read on behalf of a
    /// user who chose the path. A link is followed, so only the user's own rights keep it from
    /// leading further: see [`rights`](super::rights).
    OfUser(u32),
}

/// Why a file could not be read.
#[derive(Debug)]
pub enum FileError {
    /// The operating system's error.
    Io(PathBuf, io::Error),
    /// It is a directory, a FIFO, a socket or a device.
    NotRegular(PathBuf),
    /// It is larger than the limit, in bytes.
    TooLarge(PathBuf, u64),
    /// Its owner or mode lets others write to it.
    Unguarded(PathBuf),
    /// It is not UTF-8 text.
    NotText(PathBuf),
}

impl FileError {
    /// The file concerned.
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

    /// Whether there is no such file (its name, or a directory on the way to it, is missing).
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Io(_, error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)))
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, _) => write!(f, "cannot read {path:?}"),
            Self::NotRegular(path) => write!(f, "cannot read {path:?}: not a regular file"),
            Self::TooLarge(path, limit) => {
                write!(f, "cannot read {path:?}: larger than {limit} bytes")
            }
            Self::Unguarded(path) => write!(
                f,
                "cannot trust {path:?}: owned or writable by another user"
            ),
            Self::NotText(path) => write!(f, "cannot read {path:?}: not UTF-8"),
        }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            Self::NotRegular(_) | Self::TooLarge(..) | Self::Unguarded(_) | Self::NotText(_) => {
                None
            }
        }
    }
}

/// The owner that a user namespace shows if the real one is not mapped into it (Linux:
/// include/linux/highuid.h, `DEFAULT_OVERFLOWUID`).
const UNMAPPED: u32 = 65_534;

/// Whether this process runs in a user namespace of its own, as rootless engines' runtimes do: its
/// map is not the identity of all IDs.
fn in_user_namespace() -> bool {
    let mut map = String::new();
    let read =
        File::open("/proc/self/uid_map").and_then(|file| file.take(4_096).read_to_string(&mut map));
    read.is_ok() && !map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

/// Whether this is the ID that a user namespace shows for the host's root and every other unmapped
/// user.
pub(super) fn is_unmapped(user: u32) -> bool {
    user == UNMAPPED && in_user_namespace()
}

/// Opens a regular file for reading and returns its size in bytes. Never waits for a FIFO's writer.
///
/// # Errors
/// [`FileError`], the size limit aside.
pub fn open(path: &Path, guard: Guard) -> Result<(File, u64), FileError> {
    let io_error = |error| FileError::Io(path.to_owned(), error);
    let mut flags = libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY;
    let follows = matches!(guard, Guard::Any | Guard::OfUser(_));
    if !follows {
        flags |= libc::O_NOFOLLOW;
    }
    // Opening a device may be enough to make it do something, and a link may lead to one.
    if follows && !std::fs::metadata(path).map_err(io_error)?.is_file() {
        return Err(FileError::NotRegular(path.to_owned()));
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(io_error)?;
    let facts = file.metadata().map_err(io_error)?;
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

/// What [`Guard::Owned`] requires of the owner and the mode.
pub(super) fn is_owned(facts: &Metadata) -> bool {
    let trusted_owner = match facts.uid() {
        0 => true,
        uid if uid == nix::unistd::geteuid().as_raw() => true,
        uid => is_unmapped(uid),
    };
    trusted_owner && facts.mode() & 0o022 == 0
}

/// The bytes of a regular file of at most `limit` bytes.
///
/// # Errors
/// [`FileError`]; a file that grows past the limit while it is read counts as too large.
pub fn read(path: &Path, limit: u64, guard: Guard) -> Result<Vec<u8>, FileError> {
    let (file, size) = open(path, guard)?;
    read_opened(file, size, path, limit)
}

/// The bytes of an open file of this size, if there are at most `limit`.
///
/// # Errors
/// As [`read`].
pub fn read_opened(file: File, size: u64, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    if size > limit {
        return Err(FileError::TooLarge(path.to_owned(), limit));
    }
    // A file in /proc has no size; without enough room, it would be read in pieces from 32 bytes
    // up.
    let room = if size == 0 { limit.min(PAGE) } else { size };
    let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or(0) + 1);
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| FileError::Io(path.to_owned(), error))?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge(path.to_owned(), limit));
    }
    Ok(bytes)
}

/// The text of a regular UTF-8 file of at most `limit` bytes.
///
/// # Errors
/// [`FileError`], [`FileError::NotText`] included.
pub fn read_text(path: &Path, limit: u64, guard: Guard) -> Result<String, FileError> {
    text(read(path, limit, guard)?, path)
}

/// The bytes of a file as text.
///
/// # Errors
/// [`FileError::NotText`].
pub fn text(bytes: Vec<u8>, path: &Path) -> Result<String, FileError> {
    String::from_utf8(bytes).map_err(|_| FileError::NotText(path.to_owned()))
}

/// Fills `buffer` from `offset` on with what the page cache has: true if it has all of it. Never
/// waits for a disk; false if the file system or the kernel cannot say (Linux before 4.14).
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
    // SAFETY: the only buffer is `buffer`, which nobody else uses while it is written.
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

/// Whether two paths lead to one directory.
#[must_use]
pub fn is_same_directory(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| {
        path.metadata()
            .ok()
            .filter(std::fs::Metadata::is_dir)
            .map(|facts| (facts.dev(), facts.ino()))
    };
    identity(one).is_some_and(|one| identity(other) == Some(one))
}

/// Makes an empty file that marks something as done, and its directory if that is missing. True if
/// it did not exist before, or cannot be made.
#[must_use]
pub fn mark(path: &Path) -> bool {
    let make = || {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(path)
    };
    let made = match (make(), path.parent()) {
        (Err(error), Some(directory)) if error.kind() == io::ErrorKind::NotFound => {
            // Whatever the caller's umask, nobody else may write there.
            DirBuilder::new()
                .mode(0o755)
                .create(directory)
                .and_then(|()| make())
        }
        (made, _) => made,
    };
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
        // A file system that cannot say reports that nothing is cached.
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
        // There is no such device: opening it would be another error.
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

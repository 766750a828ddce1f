//! Replaces a file so that readers see the whole old contents or the whole new contents, even after
//! a crash or a power cut.
//!
//! A new file is written beside the old one, synced to the disk and renamed over it. Then the
//! directory is synced. Without the first sync, a power cut may leave an empty file; without the
//! second, the old file. If `fsync` fails, it is not tried again, because the kernel may have
//! dropped the data that it could not write; the new file is removed. Where `O_TMPFILE` works, the
//! new file has no name until it is complete, so that an interrupted or killed writer leaves
//! nothing behind. In: a path and the new contents. Only a regular file is ever replaced, or a link
//! to one: a rename over a device, such as `/dev/null`, would take it from the whole node. Not
//! checked: who may write to the directory.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{fmt, process};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::linkat;

/// Why a file could not be written. An old file, if there was one, is unchanged.
#[derive(Debug)]
pub struct WriteError {
    path: PathBuf,
    cause: io::Error,
}

impl WriteError {
    /// Says that `cause` happened when `path` was written.
    #[must_use]
    pub fn new(path: &Path, cause: io::Error) -> Self {
        Self {
            path: path.to_owned(),
            cause,
        }
    }

    /// Returns a function that turns an operating system's error in writing `path` into a
    /// [`WriteError`].
    fn of(path: &Path) -> impl Fn(io::Error) -> Self + Copy {
        move |cause| Self::new(path, cause)
    }

    /// The directory of the file, if that directory does not exist.
    fn missing_directory(&self) -> Option<&Path> {
        let directory = directory(&self.path);
        let is_missing =
            is_absent(&self.cause) && fs::metadata(directory).is_err_and(|error| is_absent(&error));
        is_missing.then_some(directory)
    }

    /// Whether the error is that the file already exists.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.cause.kind() == io::ErrorKind::AlreadyExists
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.missing_directory() {
            None => write!(f, "cannot write {:?}", self.path),
            Some(directory) => write!(
                f,
                "cannot write {:?}: the directory {directory:?} is missing",
                self.path
            ),
        }
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if self.missing_directory().is_some() {
            None
        } else {
            Some(&self.cause)
        }
    }
}

/// A new file that does not have its final name yet. Dropping it removes the file. If the file
/// system supports unnamed files, the file also disappears when its writer is interrupted or
/// killed.
#[derive(Debug)]
pub struct Draft {
    file: File,
    draft: PathBuf,
    is_named: bool,
    path: PathBuf,
}

/// The beginning of the names of all drafts of `path`.
fn prefix(path: &Path) -> OsString {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or(OsStr::new("file")));
    name.push(".draft-");
    name
}

/// The path of the draft that will be renamed to `path`. A draft of an earlier process with the
/// same process ID is removed.
fn draft_of(path: &Path) -> io::Result<PathBuf> {
    let mut name = prefix(path);
    name.push(process::id().to_string());
    let draft = path.with_file_name(name);
    match fs::remove_file(&draft) {
        Err(cause) if !is_absent(&cause) => Err(cause),
        Ok(()) | Err(_) => Ok(draft),
    }
}

impl Draft {
    /// Opens a new, empty file beside `path` with this mode.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn open(path: &Path, mode: u32) -> Result<Self, WriteError> {
        let fault = WriteError::of(path);
        let draft = draft_of(path).map_err(fault)?;
        let (file, is_named) = match nameless(directory(path)) {
            Some(file) => (file, false),
            None => (named(&draft).map_err(fault)?, true),
        };
        let opened = Self {
            file,
            draft,
            is_named,
            path: path.to_owned(),
        };
        // The mode is set explicitly, because the umask may have changed it, and before the file
        // gets its name.
        let mode = fs::Permissions::from_mode(mode);
        opened.file.set_permissions(mode).map_err(fault)?;
        Ok(opened)
    }

    /// The file, to write it and to read it again.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Syncs the file to the disk and gives it its final name. A file with that name is replaced.
    ///
    /// # Errors
    /// [`WriteError`]; also if something that is not a regular file has that name.
    pub fn replace(self) -> Result<(), WriteError> {
        let fault = WriteError::of(&self.path);
        may_be_replaced(&self.path).map_err(fault)?;
        self.file.sync_all().map_err(fault)?;
        if !self.is_named {
            self.name(&self.draft).map_err(fault)?;
        }
        fs::rename(&self.draft, &self.path).map_err(fault)?;
        sync_directory(&self.path).map_err(fault)
    }

    /// Syncs the file to the disk and gives it its final name, unless a file already has that name.
    ///
    /// # Errors
    /// [`WriteError`]; [`WriteError::is_there`] is true for the error if a file has that name.
    pub fn create(self) -> Result<(), WriteError> {
        let fault = WriteError::of(&self.path);
        self.file.sync_all().map_err(fault)?;
        let named = if self.is_named {
            fs::hard_link(&self.draft, &self.path)
        } else {
            self.name(&self.path)
        };
        named.map_err(fault)?;
        sync_directory(&self.path).map_err(fault)
    }

    /// Gives the unnamed file this name, which no other file may have.
    fn name(&self, name: &Path) -> io::Result<()> {
        linkat(
            AT_FDCWD,
            &by_descriptor(&self.file),
            AT_FDCWD,
            name,
            AtFlags::AT_SYMLINK_FOLLOW,
        )?;
        // A file system may write only now what an unnamed file needs to survive a power cut
        // (btrfs: `btrfs_log_inode_parent`).
        self.file.sync_all()
    }
}

/// Whether a file may take the place of what is at this path. A directory makes the rename fail by
/// itself.
fn may_be_replaced(path: &Path) -> io::Result<()> {
    let Ok(facts) = fs::metadata(path) else {
        // Nothing is there, or a link that leads nowhere.
        return Ok(());
    };
    if facts.is_file() && !leads_to_descriptor(path) || facts.is_dir() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "not a regular file",
    ))
}

/// Whether the path is a link to a descriptor of this process, such as `/dev/stdout`.
fn leads_to_descriptor(path: &Path) -> bool {
    let Ok(target) = fs::read_link(path) else {
        return false;
    };
    let target = directory(path).join(target);
    directory(&target)
        .canonicalize()
        .is_ok_and(|directory| directory.starts_with("/proc"))
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// A new file with this name.
fn named(path: &Path) -> io::Result<File> {
    let mut options = options();
    options.create_new(true);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    options.open(path)
}

/// Makes an unnamed file in this directory; `None` if that is not possible, or the file could not
/// get a name later.
fn nameless(directory: &Path) -> Option<File> {
    let file = options()
        .custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC)
        .open(directory)
        .ok()?;
    fs::metadata(by_descriptor(&file)).is_ok().then_some(file)
}

/// The path by which linkat(2) can give an open file a name.
fn by_descriptor(file: &File) -> PathBuf {
    Path::new("/proc/self/fd").join(file.as_raw_fd().to_string())
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After the rename, the draft no longer exists. An error is ignored, because it could not
        // be reported to anybody.
        drop(fs::remove_file(&self.draft));
    }
}

/// Replaces `path` with a file that has these contents and this mode.
///
/// # Errors
/// [`WriteError`].
pub fn replace(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), WriteError> {
    filled(path, mode, bytes)?.replace()
}

/// Creates a file with these contents and this mode, unless the file already exists.
///
/// # Errors
/// [`WriteError`]; [`WriteError::is_there`] is true for the error if the file exists.
pub fn create(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), WriteError> {
    filled(path, mode, bytes)?.create()
}

fn filled(path: &Path, mode: u32, bytes: &[u8]) -> Result<Draft, WriteError> {
    let draft = Draft::open(path, mode)?;
    io::Write::write_all(&mut draft.file(), bytes).map_err(WriteError::of(path))?;
    Ok(draft)
}

/// Removes the drafts that killed writers of `path` left behind. Returns how many. The caller must
/// hold the lock that all writers of `path` take.
///
/// # Errors
/// [`WriteError`]. A missing directory is not an error: a missing directory contains no drafts.
pub fn sweep(path: &Path) -> Result<usize, WriteError> {
    let fault = WriteError::of(path);
    let prefix = prefix(path);
    let entries = match fs::read_dir(directory(path)) {
        Ok(entries) => entries,
        Err(cause) if is_absent(&cause) => return Ok(0),
        Err(cause) => return Err(fault(cause)),
    };
    let mut swept = 0;
    for entry in entries {
        let entry = entry.map_err(fault)?;
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(prefix.as_encoded_bytes())
        {
            fs::remove_file(entry.path()).map_err(fault)?;
            swept += 1;
        }
    }
    Ok(swept)
}

/// Syncs the directory of `path` to the disk, so that new names in it survive a power cut.
///
/// # Errors
/// What the operating system says.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    match File::open(directory(path))?.sync_all() {
        // Some network file systems cannot sync a directory, and need not.
        Err(cause) if cause.raw_os_error() == Some(libc::EINVAL) => Ok(()),
        done => done,
    }
}

/// The directory that a path's last name is in.
fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        Some(_) | None => Path::new("."),
    }
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<OsString> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_draft_has_no_name_until_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        for contents in ["one", "another"] {
            let draft = Draft::open(&path, 0o640).unwrap();
            io::Write::write_all(&mut draft.file(), contents.as_bytes()).unwrap();
            // On a file system without unnamed files the draft is beside the file, and this test
            // does not apply.
            assert!(
                draft.is_named
                    || !names(directory.path())
                        .iter()
                        .any(|name| name.as_encoded_bytes().starts_with(b"."))
            );
            draft.replace().unwrap();
            assert_eq!(
                crate::sys::file::read(&path, 9, crate::sys::file::Guard::Owned).unwrap(),
                contents.as_bytes()
            );
        }
        assert_eq!(names(directory.path()), ["file"]);
        drop(Draft::open(&path, 0o640).unwrap());
        assert!(
            Draft::open(&path, 0o640)
                .unwrap()
                .create()
                .unwrap_err()
                .is_there()
        );
        assert_eq!(names(directory.path()), ["file"]);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
    }

    #[test]
    fn only_a_regular_file_or_a_link_to_one_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("dir")).unwrap();
        create(&at("file"), 0o600, b"one").unwrap();
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (link, target) in [
            ("to-file", "file"),
            ("to-nothing", "none"),
            ("to-device", "/dev/null"),
            ("to-output", "/proc/self/fd/1"),
        ] {
            std::os::unix::fs::symlink(target, at(link)).unwrap();
        }
        for (name, is_replaced) in [
            ("file", true),
            ("to-file", true),
            ("to-nothing", true),
            ("new", true),
            ("fifo", false),
            ("dir", false),
            ("to-device", false),
            ("to-output", false),
        ] {
            let before = fs::symlink_metadata(at(name)).map(|facts| facts.file_type());
            let replaced = replace(&at(name), 0o600, b"two");
            assert_eq!(replaced.is_ok(), is_replaced, "{name}: {replaced:?}");
            let after = fs::symlink_metadata(at(name)).unwrap().file_type();
            assert_eq!(after.is_file(), is_replaced, "{name}");
            assert!(is_replaced || before.unwrap() == after, "{name}");
        }
        let error = replace(&at("fifo"), 0o600, b"two").unwrap_err();
        assert_eq!(
            crate::report::line::causes(&error),
            format!("cannot write {:?}: not a regular file", at("fifo"))
        );
        assert!(
            !names(directory.path())
                .iter()
                .any(|name| { name.as_encoded_bytes().starts_with(b".") })
        );
    }

    #[test]
    fn a_draft_with_a_name_does_as_well() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let named = || {
            let draft = draft_of(&path).unwrap();
            Draft {
                file: named(&draft).unwrap(),
                draft,
                is_named: true,
                path: path.clone(),
            }
        };
        named().create().unwrap();
        assert!(named().create().unwrap_err().is_there());
        named().replace().unwrap();
        drop(named());
        assert_eq!(names(directory.path()), ["file"]);
    }

    #[test]
    fn a_file_is_replaced_whole_with_its_mode_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        create(&path, 0o600, b"one").unwrap();
        assert!(create(&path, 0o600, b"two").unwrap_err().is_there());
        assert_eq!(
            crate::sys::file::read(&path, 9, crate::sys::file::Guard::Owned).unwrap(),
            b"one"
        );
        replace(&path, 0o644, b"three").unwrap();
        assert_eq!(
            crate::sys::file::read(&path, 9, crate::sys::file::Guard::Owned).unwrap(),
            b"three"
        );
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o644
        );
        let names = || names(directory.path());
        assert_eq!(names(), ["file"]);
        create(&directory.path().join(".file.draft-1"), 0o600, b"left").unwrap();
        assert_eq!(sweep(&path).unwrap(), 1);
        assert_eq!(names(), ["file"]);
        assert_eq!(
            replace(&directory.path().join("none/file"), 0o600, b"")
                .unwrap_err()
                .to_string(),
            format!(
                "cannot write {:?}: the directory {:?} is missing",
                directory.path().join("none/file"),
                directory.path().join("none")
            )
        );
    }
}

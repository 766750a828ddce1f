//! Finds out what is mounted at a container's root.
//!
//! In: the path of the root. Out: the mount whose mount point is exactly that path, with its
//! directories if it is an overlay. The facts come from the kernel: from statmount(2) where it
//! reports everything, else from `/proc/self/mountinfo` (proc_pid_mountinfo(5)). The kernel is
//! trusted, but anybody may choose the names of the mounted directories. For this reason, the names
//! are escaped, twice over. The parsers are pure. Not checked: whether the directories are those
//! that the engine's records name; `lineage` checks that.
//!
//! Escaping, seen on Linux 6.18: options are separated by commas, and both sources write the
//! characters `, \t\n\` in a value as `\ooo` in octal. In the value of `lowerdir=`, overlay's own
//! escapes are still there after that: `\:`, `\,` and `\\`. Each `lowerdir+=` (used with
//! fsconfig(2)) holds one directory, without overlay's escapes.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::sys::file::{self, FileError, Guard};
use crate::sys::statmount::{self, MountFacts};

/// The mount at a container's root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootMount {
    /// The file system's type, such as `overlay`, `btrfs` or `fuse.fuse-overlayfs`.
    pub fs_type: String,
    /// Which directory of the file system is mounted, as a path from the root of that file system.
    /// For a bind mount: the directory that the mount shows.
    pub root: PathBuf,
    /// What was mounted: a device, a dataset or a name. An overlay's source has no meaning and may
    /// be empty.
    pub source: String,
    /// An overlay's lower directories, topmost first, as they were given to mount. A relative path
    /// belongs to a working directory that is not known.
    pub lowerdirs: Vec<PathBuf>,
    /// An overlay's upper directory.
    pub upperdir: Option<PathBuf>,
}

/// Why the mount at a root is not known.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The root could not be examined.
    #[error("cannot tell what is mounted at {0:?}")]
    Root(PathBuf, #[source] io::Error),
    /// The table of mounts could not be read.
    #[error(transparent)]
    Table(FileError),
}

/// The size, in bytes, of the largest table of mounts that is read. A table of this size has room
/// for about 250 000 mounts, or for a thousand overlays of 500 layers.
const LARGEST_TABLE: u64 = 64 << 20;

/// The mount at the path `root`; the topmost one when several are stacked there. `None` when
/// nothing is mounted at exactly this path.
///
/// # Errors
/// [`MountError`] when `root` does not exist or the kernel gives no answer.
pub fn at(root: &Path) -> Result<Option<RootMount>, MountError> {
    match statmount::unique_id(root) {
        Ok(Some(mount)) if mount.is_root == Some(false) => Ok(None),
        Ok(Some(mount)) => match statmount::facts_of(mount.id).ok().and_then(whole) {
            Some(found) => Ok(Some(found)),
            None => in_table(root),
        },
        Ok(None) => in_table(root),
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => in_table(root),
        Err(error) => Err(MountError::Root(root.to_owned(), error)),
    }
}

/// The mount that statmount(2) describes; `None` when facts are missing. Linux reports the options
/// since 6.11 and the source since 6.14.
fn whole(facts: MountFacts) -> Option<RootMount> {
    let overlay = facts.fs_type.as_deref() == Some(b"overlay");
    let mut fs_type = text(&facts.fs_type?);
    match facts.fs_subtype.as_deref() {
        Some([]) | None => {}
        Some(subtype) => fs_type = format!("{fs_type}.{}", text(subtype)),
    }
    let source = match facts.source {
        Some(source) => text(&source),
        None if overlay => String::new(),
        None => return None,
    };
    let directories = if overlay {
        overlay_directories(&facts.options?)
    } else {
        OverlayDirectories::default()
    };
    Some(RootMount {
        fs_type,
        root: path(facts.root?),
        source,
        lowerdirs: directories.lower,
        upperdir: directories.upper,
    })
}

/// Finds the mount in the table of mounts: by its ID if the kernel reports one, else by its path.
fn in_table(root: &Path) -> Result<Option<RootMount>, MountError> {
    let no_root = |error| MountError::Root(root.to_owned(), error);
    let mount = match statmount::mountinfo_id(root) {
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => None,
        answer => answer.map_err(no_root)?,
    };
    if mount.is_some_and(|mount| mount.is_root == Some(false)) {
        return Ok(None);
    }
    let table = table()?;
    Ok(match mount {
        Some(mount) => find(&table, MountQuery::Id(mount.id)),
        None => {
            let point = root.canonicalize().map_err(no_root)?;
            find(&table, MountQuery::Point(&point))
        }
    })
}

/// The kernel's table of mounts.
///
/// # Errors
/// [`MountError::Table`].
pub(super) fn table() -> Result<Vec<u8>, MountError> {
    file::read(Path::new("/proc/self/mountinfo"), LARGEST_TABLE, Guard::Any)
        .map_err(MountError::Table)
}

/// All mount points that this process sees, in the order of the mounts.
///
/// # Errors
/// [`MountError::Table`].
pub fn points() -> Result<Vec<PathBuf>, MountError> {
    Ok(points_in(&table()?))
}

/// The mount points in the text of `/proc/self/mountinfo`. Truncated lines are skipped.
#[must_use]
pub fn points_in(table: &[u8]) -> Vec<PathBuf> {
    let mut points = Vec::new();
    for line in lines(table) {
        points.extend(fields(line).nth(4).map(unescaped));
    }
    points
}

/// The path at which this process sees the directory that the bind mount at `root` shows. The
/// kernel reports only the directory's path inside its file system. So this function searches for
/// another mount of that file system that also shows the directory.
#[must_use]
pub fn shown_directory(mount: &RootMount, root: &Path) -> Option<PathBuf> {
    let mut paths = paths_of(&mount.root, &table().ok()?).into_iter();
    paths.find(|path| path != root && file::is_same_directory(path, root))
}

/// The paths at which the mounts of a table would show `directory`, a path inside a file system. A
/// path is right only if it leads to the right file system, which the caller checks.
fn paths_of(directory: &Path, table: &[u8]) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for line in lines(table) {
        let mut fields = fields(line).skip(3).map(unescaped);
        if let (Some(root), Some(point)) = (fields.next(), fields.next())
            && let Ok(end) = directory.strip_prefix(root)
        {
            paths.push(point.join(end));
        }
    }
    paths
}

pub(super) fn lines(table: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    table.split(|byte| *byte == b'\n')
}

pub(super) fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b' ')
}

/// What to look for in a table of mounts.
#[derive(Clone, Copy, Debug)]
pub enum MountQuery<'a> {
    /// The mount with this ID. The ID is the first field of a line.
    Id(u64),
    /// The last mount made at this path.
    Point(&'a Path),
}

/// Finds a mount in the text of `/proc/self/mountinfo`. Truncated or malformed lines are skipped.
#[must_use]
pub fn find(table: &[u8], query: MountQuery<'_>) -> Option<RootMount> {
    lines(table)
        .rev()
        .find_map(|line| mount_in_line(line, query))
}

/// ```text
/// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
/// ID          root  point            optional   type source    options
/// ```
fn mount_in_line(line: &[u8], query: MountQuery<'_>) -> Option<RootMount> {
    let mut fields = fields(line);
    let id = fields.next()?;
    let root = fields.nth(2)?;
    let point = fields.next()?;
    let matches = match query {
        MountQuery::Id(query) => std::str::from_utf8(id).ok()?.parse() == Ok(query),
        MountQuery::Point(query) => unescape_octal(point) == query.as_os_str().as_bytes(),
    };
    if !matches {
        return None;
    }
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    let (fs_type, source, options) = (fields.next()?, fields.next()?, fields.next()?);
    let directories = if fs_type == b"overlay" {
        overlay_directories(options)
    } else {
        OverlayDirectories::default()
    };
    Some(RootMount {
        fs_type: text(&unescape_octal(fs_type)),
        root: unescaped(root),
        source: text(&unescape_octal(source)),
        lowerdirs: directories.lower,
        upperdir: directories.upper,
    })
}

/// The directories of an overlay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OverlayDirectories {
    /// Lower directories, topmost first. Data-only layers, which overlay writes after `::`, come
    /// last.
    pub lower: Vec<PathBuf>,
    /// The upper directory; `None` for a read-only view.
    pub upper: Option<PathBuf>,
}

/// Reads an overlay's options as the kernel writes them.
#[must_use]
pub fn overlay_directories(options: &[u8]) -> OverlayDirectories {
    let mut directories = OverlayDirectories::default();
    for option in options.split(|byte| *byte == b',') {
        let Some(equals) = option.iter().position(|byte| *byte == b'=') else {
            continue;
        };
        let value = unescape_octal(&option[equals + 1..]);
        match &option[..equals] {
            b"lowerdir" => directories.lower.extend(split_directories(&value)),
            b"lowerdir+" | b"datadir+" => directories.lower.push(path(value)),
            b"upperdir" => directories.upper = Some(path(unescape(&value))),
            _other => {}
        }
    }
    directories
}

/// Splits `a:b::c` at the colons that are not escaped. Empty names are skipped.
fn split_directories(value: &[u8]) -> impl Iterator<Item = PathBuf> {
    let mut escaped = false;
    let directories = value.split(move |byte| {
        let separates = *byte == b':' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        separates
    });
    let named = directories.filter(|directory| !directory.is_empty());
    named.map(unescape).map(path)
}

/// Removes the backslash before each escaped character, as overlay does (Linux:
/// fs/overlayfs/params.c, `ovl_unescape`).
fn unescape(value: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(value.len());
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => plain.extend(bytes.next()),
            byte => plain.push(*byte),
        }
    }
    plain
}

/// The path in a field of a mount table, where spaces, tabs, line ends and backslashes are written
/// as `\ooo`.
#[must_use]
pub fn unescaped(field: &[u8]) -> PathBuf {
    path(unescape_octal(field))
}

/// Replaces each `\ooo`, a byte in three octal digits, by that byte. Anything else stays.
fn unescape_octal(value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match rest {
            [
                b'\\',
                high @ b'0'..=b'3',
                middle @ b'0'..=b'7',
                low @ b'0'..=b'7',
                after @ ..,
            ] => (
                (high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0'),
                after,
            ),
            _ => (*first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    bytes
}

fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;

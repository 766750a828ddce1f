//! Reads the operator's settings.
//!
//! In: `/etc/embargo/config.toml`, written by configuration management (may be half-written, of
//! another version, replaced by a link or a FIFO). Out: [`Settings`] with every default filled in,
//! or one error that names the file and the line. Reading is strict, because ignoring a misspelt
//! key would silently drop a rule: unknown keys, wrong types and values out of bounds are errors,
//! and the verdict turns them into a refusal. The only exception is [`runtime_line`], for calls
//! such as `kill` and `delete`, which must work whatever else is wrong. Not checked here: whether
//! the paths exist. `packaging/config.toml` explains every key; a test compares it with this code.

pub mod runtime;
mod value;

#[cfg(test)]
mod tests;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use crate::banlist::store::Rules;
use crate::paths::Paths;
use crate::report::line;
use crate::sys::directory;
use crate::sys::file::{self, FileError, Guard};

/// The largest settings file that is read, in bytes.
const LARGEST: u64 = 65_536;

/// The default limit on the share of running containers that a new list may newly refuse, in
/// percent.
pub const MAX_IMPACT: u8 = 50;

/// The default limit on break-glass after its file was written, in seconds: a day.
pub const BREAK_GLASS_MAX: u64 = 86_400;

/// The number, in memory, of a value that admits. The number of a value that refuses is its
/// complement, so that no flipped bit turns a refusal into an admission (as sudo-rs does).
pub const ADMITS: u32 = 0x52a2_925d;

/// The number, in memory, of a value that refuses: see [`ADMITS`].
pub const REFUSES: u32 = !ADMITS;

/// The operator's decisions, with defaults filled in. The fields of this struct are the keys of the
/// file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(
    deny_unknown_fields,
    default = "Settings::unset",
    expecting = "a table"
)]
pub struct Settings {
    /// Whether refusals are carried out. Default: yes (`enforce`).
    pub mode: Mode,
    /// The page that every refusal ends with: an http or https URL. Default: none.
    #[serde(deserialize_with = "value::some_url")]
    pub help: Option<String>,
    /// The absolute path of the real runtime. Default: `runc`, then `crun`, from `PATH` and the
    /// usual directories.
    #[serde(deserialize_with = "value::some_path")]
    pub runtime: Option<PathBuf>,
    /// Absolute paths of runtimes that may have made containers that still run.
    #[serde(deserialize_with = "value::paths")]
    pub former_runtimes: Vec<PathBuf>,
    /// What happens to a container without an image. Default: admit.
    pub on_no_image: OnNoImage,
    /// What happens to a container whose lineage is unknown. Default: refuse.
    pub on_unknown_image: OnUnknownImage,
    /// What happens when there is no authentic list. Default: refuse.
    pub on_missing_list: OnMissingList,
    /// What happens when the list is past its grace period. Default: containers that the list does
    /// not ban start.
    pub on_overdue_list: OnOverdueList,
    /// The grace period: how many seconds after its expiry a list becomes overdue. Default: 30
    /// days.
    #[serde(deserialize_with = "value::span")]
    pub grace: u64,
    /// How long break-glass may stay open after its file was written, in seconds. Default:
    /// [`BREAK_GLASS_MAX`].
    #[serde(deserialize_with = "value::span")]
    pub break_glass_max: u64,
    /// The lowest list version that is accepted. Default: 0.
    pub min_version: u64,
    /// The origin that the list must have. Default: the keyset's.
    #[serde(deserialize_with = "value::some_origin")]
    pub origin: Option<String>,
    /// The share of running containers, in percent, that a new list may newly refuse. A list that
    /// would refuse more is not installed. Default: [`MAX_IMPACT`].
    #[serde(deserialize_with = "value::share")]
    pub max_impact: u8,
    /// When signed patches run unattended. Default: never.
    pub auto_patch: AutoPatch,
    /// How long the search for a container's lineage may go without progress. Default: 5 s.
    #[serde(deserialize_with = "value::wait")]
    pub resolve_timeout: Duration,
    /// Where engines have their stores, in addition to the usual directories.
    pub engines: Engines,
}

/// When the list's signed patches run unattended in running containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AutoPatch {
    /// Never.
    Off,
    /// After a list has been installed.
    OnInstall,
}

/// Whether refusals are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u32)]
pub enum Mode {
    /// Refuse.
    Enforce = REFUSES,
    /// Admit, and make an audit event of every refusal.
    Audit = ADMITS,
}

impl Mode {
    /// The name in the settings.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
        }
    }
}

/// What happens to a container when the engine's own record says that it has no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u32)]
pub enum OnNoImage {
    /// The container starts, with an audit event.
    Admit = ADMITS,
    /// The container is refused.
    Refuse = REFUSES,
}

/// What happens to a container whose lineage is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u32)]
pub enum OnUnknownImage {
    /// The container is refused.
    Refuse = REFUSES,
    /// The container starts, with an audit event.
    Admit = ADMITS,
}

/// What happens to every container while there is no authentic list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u32)]
pub enum OnMissingList {
    /// The container is refused.
    Refuse = REFUSES,
    /// The container starts, with an audit event.
    Admit = ADMITS,
}

/// What happens to a container that the list does not ban, when the list is past its grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u32)]
pub enum OnOverdueList {
    /// The container starts, with an audit event.
    Admit = ADMITS,
    /// The container is refused.
    Refuse = REFUSES,
}

/// Where engines have their stores and runtimes their state, in addition to the usual directories.
/// Commands such as `embargo check` need these paths, because they have no bundle that shows the
/// path of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct Engines {
    /// Docker's data roots.
    #[serde(deserialize_with = "value::paths")]
    pub docker: Vec<PathBuf>,
    /// The directories of each containerd.
    #[serde(deserialize_with = "value::few")]
    pub containerd: Vec<ContainerdPlace>,
    /// Stores of Podman, Buildah and CRI-O.
    #[serde(deserialize_with = "value::few")]
    pub storage: Vec<StoragePlace>,
    /// State directories of runtimes (their `--root`).
    #[serde(deserialize_with = "value::paths")]
    pub runtime_roots: Vec<PathBuf>,
}

/// The directories of one containerd.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "WrittenContainerd")]
pub struct ContainerdPlace {
    /// containerd's `root`: where its metadata and snapshots are.
    pub root: PathBuf,
    /// containerd's `state`: where its bundles are.
    pub state: Option<PathBuf>,
}

/// An entry of the list `containerd`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct WrittenContainerd {
    #[serde(deserialize_with = "value::path")]
    root: PathBuf,
    #[serde(default, deserialize_with = "value::some_path")]
    state: Option<PathBuf>,
    /// containerd's socket, which version 0.1.0 used. Settings that still name the socket stay
    /// valid.
    #[serde(rename = "address", default, deserialize_with = "value::some_path")]
    _address: Option<PathBuf>,
}

impl From<WrittenContainerd> for ContainerdPlace {
    fn from(written: WrittenContainerd) -> Self {
        Self {
            root: written.root,
            state: written.state,
        }
    }
}

/// One containers/storage store.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct StoragePlace {
    /// The store's `graphroot`.
    #[serde(deserialize_with = "value::path")]
    pub root: PathBuf,
    /// The store's `runroot`.
    #[serde(default, deserialize_with = "value::some_path")]
    pub run_root: Option<PathBuf>,
}

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read, or is not text.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no file, because this symbolic link in its path is broken.
    #[error("cannot find the settings: the link {0:?} leads nowhere")]
    Link(PathBuf),
    /// The file exists and is empty, as after a crash while it was written.
    #[error("cannot use settings {0:?}: the file is empty")]
    Empty(PathBuf),
    /// A value is invalid: the number of the line on which the value starts (from 1), and what is
    /// wrong.
    #[error("cannot use settings {0:?}, line {1}: {2}")]
    Line(PathBuf, usize, String),
}

impl SettingsError {
    /// The path of the settings file, or of the broken link.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::File(error) => error.path(),
            Self::Link(path) | Self::Empty(path) | Self::Line(path, ..) => path,
        }
    }

    /// The number of the line with the mistake, if the mistake is in one line.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        match self {
            Self::Line(_, number, _) => Some(*number),
            Self::File(_) | Self::Link(_) | Self::Empty(_) => None,
        }
    }
}

/// Reads the node's settings. `None` when there is no settings file at all: the node is not armed.
/// Everything else that prevents reading the file is an error. So neither an unreadable file nor a
/// link to a missing directory disarms a node.
///
/// # Errors
/// [`SettingsError`]; also for a symbolic link, a FIFO, a file that others may write or replace,
/// and a file of more than 64 KiB.
pub fn load(paths: &Paths) -> Result<Option<Settings>, SettingsError> {
    let path = &paths.settings;
    match directory::read_owned(&paths.root, path, LARGEST) {
        Ok(bytes) => parse(&file::text(bytes, path)?, path).map(Some),
        Err(FileError::Io(_, error)) if error.raw_os_error() == Some(libc::ENOENT) => {
            match broken_link(path) {
                Some(link) => Err(SettingsError::Link(link)),
                None => Ok(None),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads settings from any regular file, whoever may write to it, to check them before they are put
/// in place.
///
/// # Errors
/// [`SettingsError`]; also for a file of more than 64 KiB.
pub fn read(path: &Path) -> Result<Settings, SettingsError> {
    parse(&file::read_text(path, LARGEST, Guard::Any)?, path)
}

/// The broken symbolic link in the path of a missing file, if that is why the file is missing.
fn broken_link(missing: &Path) -> Option<PathBuf> {
    let mut existing = missing
        .ancestors()
        .filter(|path| path.symlink_metadata().is_ok());
    let nearest = existing.next()?;
    nearest.metadata().is_err().then_some(nearest.to_owned())
}

/// Parses the settings in `text`; errors name `path`.
///
/// # Errors
/// [`SettingsError::Empty`] and [`SettingsError::Line`].
pub fn parse(text: &str, path: &Path) -> Result<Settings, SettingsError> {
    if text.is_empty() {
        return Err(SettingsError::Empty(path.to_owned()));
    }
    toml::from_str(text).map_err(|error| {
        let start = error.span().unwrap_or_default().start;
        let before = text.bytes().take(start);
        let number = before.filter(|byte| *byte == b'\n').count() + 1;
        SettingsError::Line(path.to_owned(), number, line::one_line(error.message()))
    })
}

impl Settings {
    /// The settings of a node that has none: every default.
    #[must_use]
    pub fn unset() -> Self {
        Self {
            mode: Mode::Enforce,
            help: None,
            runtime: None,
            former_runtimes: Vec::new(),
            on_no_image: OnNoImage::Admit,
            on_unknown_image: OnUnknownImage::Refuse,
            on_missing_list: OnMissingList::Refuse,
            on_overdue_list: OnOverdueList::Admit,
            grace: 30 * 86_400,
            break_glass_max: BREAK_GLASS_MAX,
            min_version: 0,
            origin: None,
            max_impact: MAX_IMPACT,
            auto_patch: AutoPatch::Off,
            resolve_timeout: Duration::from_secs(5),
            engines: Engines::default(),
        }
    }

    /// The rules that the settings contain for the list.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            origin: self.origin.clone(),
            min_version: self.min_version,
        }
    }
}

/// The real runtime that the settings name, for calls that are passed on. This function returns no
/// errors: a mistake elsewhere in the file, or a file cut off after the line `runtime`, must not
/// stop `kill` or `delete`. `None` if the file cannot be trusted, or if no such line can be parsed.
/// For a file that [`load`] accepts, the result is the same as with [`load`].
#[must_use]
pub fn runtime_line(paths: &Paths) -> Option<PathBuf> {
    let (file, size) = directory::open_owned(&paths.root, &paths.settings).ok()?;
    // The file is read only once, because every call pays for that. If the file is replaced
    // meanwhile, the open file does not change: the new file has another inode.
    let mut bytes = vec![0; usize::try_from(size.min(LARGEST)).ok()?];
    let length = file.read_at(&mut bytes, 0).ok()?;
    runtime::read(&bytes[..length])
}

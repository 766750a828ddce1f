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
use crate::sys::file::{self, FileError};
use value::{AbsolutePath, Few, OriginName, Share, Span, Wait};

/// The largest settings file that is read, in bytes.
const LARGEST: u64 = 65_536;

/// The default limit on the share of running containers that a new list may newly refuse, in
/// percent.
pub const MAX_IMPACT: u8 = 50;

/// The default limit on break-glass after its file was written, in seconds: a day.
pub const BREAK_GLASS_MAX: u64 = 86_400;

/// The operator's decisions, with defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether refusals are carried out. Default: yes (`enforce`).
    pub mode: Mode,
    /// The absolute path of the real runtime. Default: `runc`, then `crun`, from `PATH` and the
    /// usual directories.
    pub runtime: Option<PathBuf>,
    /// Absolute paths of runtimes that may have made containers that still run.
    pub former_runtimes: Vec<PathBuf>,
    /// What happens to a container without an image. Default: admit.
    pub on_no_image: OnNoImage,
    /// What happens to a container whose lineage is unknown. Default: refuse.
    pub on_unknown_image: OnUnknownImage,
    /// What happens when there is no authentic list. Default: refuse.
    pub on_missing_list: OnMissingList,
    /// What happens when the list is past its grace period. Default: containers that it does not
    /// ban start.
    pub on_overdue_list: OnOverdueList,
    /// The grace period: how many seconds after its expiry a list becomes overdue. Default: 30
    /// days.
    pub grace: u64,
    /// How many seconds after its file was written break-glass may stay open. Default:
    /// [`BREAK_GLASS_MAX`].
    pub break_glass_max: u64,
    /// The lowest list version that is accepted. Default: 0.
    pub min_version: u64,
    /// The origin that the list must have. Default: the keyset's.
    pub origin: Option<String>,
    /// The share of running containers, in percent, that a new list may newly refuse. A list that
    /// would refuse more is not installed. Default: [`MAX_IMPACT`].
    pub max_impact: u8,
    /// When signed patches run unattended. Default: never.
    pub auto_patch: AutoPatch,
    /// How long the search for a container's lineage may make no progress. Default: 5 s.
    pub resolve_timeout: Duration,
    /// Where engines keep their stores, in addition to the usual places.
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
pub enum Mode {
    /// Refuse.
    Enforce,
    /// Admit, and make an audit event of every refusal.
    Audit,
}

/// What happens to a container when the engine's own record says that it has no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnNoImage {
    /// The container starts, with an audit event.
    Admit,
    /// The container is refused.
    Refuse,
}

/// What happens to a container whose lineage is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnknownImage {
    /// The container is refused.
    Refuse,
    /// The container starts, with an audit event.
    Admit,
}

/// What happens to every container while there is no authentic list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnMissingList {
    /// The container is refused.
    Refuse,
    /// The container starts, with an audit event.
    Admit,
}

/// What happens to a container that the list does not ban, when the list is past its grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnOverdueList {
    /// The container starts, with an audit event.
    Admit,
    /// The container is refused.
    Refuse,
}

/// Where engines keep their stores and runtimes their state, in addition to the usual places.
/// Commands such as `embargo check` need these, because they have no bundle that shows the place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Engines {
    /// Docker's data roots.
    pub docker: Vec<PathBuf>,
    /// Places of containerd.
    pub containerd: Vec<ContainerdPlace>,
    /// Stores of Podman, Buildah and CRI-O.
    pub storage: Vec<StoragePlace>,
    /// State directories of runtimes (their `--root`).
    pub runtime_roots: Vec<PathBuf>,
}

/// The places of one containerd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerdPlace {
    /// containerd's `root`: where its metadata and snapshots are.
    pub root: PathBuf,
    /// containerd's `state`: where its bundles are.
    pub state: Option<PathBuf>,
    /// containerd's `grpc.address`: the path of its socket.
    pub address: Option<PathBuf>,
}

/// One containers/storage store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoragePlace {
    /// The store's `graphroot`.
    pub root: PathBuf,
    /// The store's `runroot`.
    pub run_root: Option<PathBuf>,
}

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read, or not as text.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no file, because this symbolic link on the way to it is broken.
    #[error("cannot find the settings: the link {0:?} leads nowhere")]
    Link(PathBuf),
    /// The file exists and is empty, as after a crash during its installation.
    #[error("cannot use settings {0:?}: the file is empty")]
    Empty(PathBuf),
    /// The line (counted from 1) on which an invalid value starts, and what is wrong with it.
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
}

/// Reads the node's settings. `None` when there is no settings file at all: the node is not armed.
/// Everything else that prevents the reading is an error. So neither an unreadable file nor a link
/// to a missing directory disarms a node.
///
/// # Errors
/// [`SettingsError`]; also for a symbolic link, a FIFO, a file that others may write or replace,
/// and a file of more than 64 KiB.
pub fn load(paths: &Paths) -> Result<Option<Settings>, SettingsError> {
    match directory::read_owned(&paths.root, &paths.settings, LARGEST)
        .and_then(|bytes| file::text(bytes, &paths.settings))
    {
        Ok(text) => parse(&text, &paths.settings).map(Some),
        Err(FileError::Io(_, error)) if error.raw_os_error() == Some(libc::ENOENT) => {
            match broken_link(&paths.settings) {
                Some(link) => Err(SettingsError::Link(link)),
                None => Ok(None),
            }
        }
        Err(error) => Err(SettingsError::File(error)),
    }
}

/// The broken symbolic link in the path of a missing file, if that is why the file is missing.
fn broken_link(missing: &Path) -> Option<PathBuf> {
    let nearest = missing
        .ancestors()
        .find(|path| path.symlink_metadata().is_ok())?;
    nearest.metadata().is_err().then(|| nearest.to_owned())
}

/// Parses the settings in `text`; errors name `path`.
///
/// # Errors
/// [`SettingsError::Empty`] and [`SettingsError::Line`].
pub fn parse(text: &str, path: &Path) -> Result<Settings, SettingsError> {
    if text.is_empty() {
        return Err(SettingsError::Empty(path.to_owned()));
    }
    let written = toml::from_str::<Written>(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let number = text.as_bytes()[..start]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        SettingsError::Line(path.to_owned(), number, line::one_line(error.message()))
    })?;
    Ok(written.filled_in())
}

impl Settings {
    /// The settings of a node that has none: every default.
    #[must_use]
    pub fn unset() -> Self {
        Written::default().filled_in()
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

/// The fields of the file, as they are written; their names are those in [`Settings`].
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    mode: Option<Mode>,
    runtime: Option<AbsolutePath>,
    former_runtimes: Option<Few<AbsolutePath>>,
    on_no_image: Option<OnNoImage>,
    on_unknown_image: Option<OnUnknownImage>,
    on_missing_list: Option<OnMissingList>,
    on_overdue_list: Option<OnOverdueList>,
    grace: Option<Span>,
    break_glass_max: Option<Span>,
    min_version: Option<u64>,
    origin: Option<OriginName>,
    max_impact: Option<Share>,
    auto_patch: Option<AutoPatch>,
    resolve_timeout: Option<Wait>,
    engines: Option<WrittenEngines>,
}

/// The table `[engines]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEngines {
    docker: Option<Few<AbsolutePath>>,
    containerd: Option<Few<WrittenContainerd>>,
    storage: Option<Few<WrittenStorage>>,
    runtime_roots: Option<Few<AbsolutePath>>,
}

/// One entry of the list `containerd`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenContainerd {
    root: AbsolutePath,
    state: Option<AbsolutePath>,
    address: Option<AbsolutePath>,
}

/// One entry of the list `storage`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStorage {
    root: AbsolutePath,
    run_root: Option<AbsolutePath>,
}

impl Written {
    /// Fills in the defaults. All defaults are set here.
    fn filled_in(self) -> Settings {
        Settings {
            mode: self.mode.unwrap_or(Mode::Enforce),
            runtime: self.runtime.map(|path| path.0),
            former_runtimes: plain(self.former_runtimes),
            on_no_image: self.on_no_image.unwrap_or(OnNoImage::Admit),
            on_unknown_image: self.on_unknown_image.unwrap_or(OnUnknownImage::Refuse),
            on_missing_list: self.on_missing_list.unwrap_or(OnMissingList::Refuse),
            on_overdue_list: self.on_overdue_list.unwrap_or(OnOverdueList::Admit),
            grace: self.grace.map_or(30 * 86_400, |grace| grace.0),
            break_glass_max: self
                .break_glass_max
                .map_or(BREAK_GLASS_MAX, |longest| longest.0),
            min_version: self.min_version.unwrap_or(0),
            origin: self.origin.map(|origin| origin.0),
            max_impact: self.max_impact.map_or(MAX_IMPACT, |share| share.0),
            auto_patch: self.auto_patch.unwrap_or(AutoPatch::Off),
            resolve_timeout: self
                .resolve_timeout
                .map_or(Duration::from_secs(5), |wait| wait.0),
            engines: self.engines.map(WrittenEngines::plain).unwrap_or_default(),
        }
    }
}

impl WrittenEngines {
    fn plain(self) -> Engines {
        let containerd = |place: WrittenContainerd| ContainerdPlace {
            root: place.root.0,
            state: place.state.map(|path| path.0),
            address: place.address.map(|path| path.0),
        };
        let storage = |place: WrittenStorage| StoragePlace {
            root: place.root.0,
            run_root: place.run_root.map(|path| path.0),
        };
        Engines {
            docker: plain(self.docker),
            containerd: self
                .containerd
                .map(|few| few.0.into_iter().map(containerd).collect())
                .unwrap_or_default(),
            storage: self
                .storage
                .map(|few| few.0.into_iter().map(storage).collect())
                .unwrap_or_default(),
            runtime_roots: plain(self.runtime_roots),
        }
    }
}

fn plain(paths: Option<Few<AbsolutePath>>) -> Vec<PathBuf> {
    paths
        .map(|few| few.0.into_iter().map(|path| path.0).collect())
        .unwrap_or_default()
}

/// The real runtime that the settings name, for calls that are passed on. There are no errors: a
/// mistake elsewhere in the file, or a file cut off after this line, must not stop `kill` or
/// `delete`. `None` if the file cannot be trusted, or if no such line can be parsed. For a file
/// that [`load`] accepts, the result is the same as there.
#[must_use]
pub fn runtime_line(paths: &Paths) -> Option<PathBuf> {
    let (file, size) = directory::open_owned(&paths.root, &paths.settings).ok()?;
    // The file is read only once, because every call pays for that. A file that is being replaced
    // does not change under the reader: the new one has another inode.
    let mut bytes = vec![0; usize::try_from(size.min(LARGEST)).ok()?];
    let length = file.read_at(&mut bytes, 0).ok()?;
    runtime::read(&bytes[..length])
}

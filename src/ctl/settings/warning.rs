//! Finds what is legal in settings and probably not wanted.
//!
//! In: valid settings, and the node on which they will be in force. Out: warnings. Only what a test
//! pins is a warning: a warning that is wrong teaches people to ignore the others.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::paths::Paths;
use crate::report::line;
use crate::settings::{Mode, OnMissingList, OnOverdueList, OnUnknownImage, Settings};

/// The shortest grace, in seconds, after which refusing everything is no surprise: a day.
const SHORT_GRACE: u64 = 86_400;

/// Something that is legal in settings and probably not wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SettingsWarning {
    /// The real runtime does not exist on this node, or cannot be run.
    NoRuntime(PathBuf),
    /// A runtime that may own containers does not exist on this node, or cannot be run.
    NoFormerRuntime(PathBuf),
    /// A directory of the table `engines` does not exist on this node.
    NoEngineDirectory(&'static str, PathBuf),
    /// Refusals are carried out, and a node without a list admits everything.
    MissingListAdmits,
    /// Refusals are carried out, and a container of unknown lineage starts.
    UnknownImageAdmits,
    /// Everything is refused soon after the list expires.
    OverdueRefuses,
    /// No list is kept out, however many containers it refuses.
    NoImpactGuard,
}

impl SettingsWarning {
    /// The name of the warning, which stays the same.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::NoRuntime(_) => "no-runtime",
            Self::NoFormerRuntime(_) => "no-former-runtime",
            Self::NoEngineDirectory(..) => "no-engine-directory",
            Self::MissingListAdmits => "missing-list-admits",
            Self::UnknownImageAdmits => "unknown-image-admits",
            Self::OverdueRefuses => "overdue-refuses",
            Self::NoImpactGuard => "no-impact-guard",
        }
    }

    /// The key of the settings that the warning is about.
    pub(super) const fn key(&self) -> &'static str {
        match self {
            Self::NoRuntime(_) => "runtime",
            Self::NoFormerRuntime(_) => "former_runtimes",
            Self::NoEngineDirectory(key, _) => key,
            Self::MissingListAdmits => "on_missing_list",
            Self::UnknownImageAdmits => "on_unknown_image",
            Self::OverdueRefuses => "on_overdue_list",
            Self::NoImpactGuard => "max_impact",
        }
    }
}

impl fmt::Display for SettingsWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.key())?;
        match self {
            Self::NoRuntime(path) => write!(
                f,
                "{} is no program on this node: no container could start",
                line::path(path)
            ),
            Self::NoFormerRuntime(path) => write!(
                f,
                "{} is no program on this node: its containers could not be stopped by it",
                line::path(path)
            ),
            Self::NoEngineDirectory(_, path) => {
                write!(f, "{} is no directory on this node", line::path(path))
            }
            Self::MissingListAdmits => f.write_str(
                "a node that loses its list admits everything, in spite of mode enforce",
            ),
            Self::UnknownImageAdmits => {
                f.write_str("a container whose layers are unknown starts, in spite of mode enforce")
            }
            Self::OverdueRefuses => {
                f.write_str("every container is refused less than a day after the list expires")
            }
            Self::NoImpactGuard => {
                f.write_str("a list is installed even if it refuses every running container")
            }
        }
    }
}

/// The warnings about settings that will be in force on this node.
pub(super) fn warnings(settings: &Settings, paths: &Paths) -> Vec<SettingsWarning> {
    let mut found = Vec::new();
    if let Some(runtime) = &settings.runtime
        && !is_program(&paths.of_node(runtime))
    {
        found.push(SettingsWarning::NoRuntime(runtime.clone()));
    }
    for runtime in &settings.former_runtimes {
        if !is_program(&paths.of_node(runtime)) {
            found.push(SettingsWarning::NoFormerRuntime(runtime.clone()));
        }
    }
    for (key, directory) in engine_directories(settings) {
        if !paths.of_node(directory).is_dir() {
            found.push(SettingsWarning::NoEngineDirectory(
                key,
                directory.to_owned(),
            ));
        }
    }
    if settings.mode == Mode::Enforce {
        if settings.on_missing_list == OnMissingList::Admit {
            found.push(SettingsWarning::MissingListAdmits);
        }
        if settings.on_unknown_image == OnUnknownImage::Admit {
            found.push(SettingsWarning::UnknownImageAdmits);
        }
        if settings.on_overdue_list == OnOverdueList::Refuse && settings.grace < SHORT_GRACE {
            found.push(SettingsWarning::OverdueRefuses);
        }
    }
    if settings.max_impact == 100 {
        found.push(SettingsWarning::NoImpactGuard);
    }
    found
}

/// The directories of the table `engines` that must exist while no engine runs, with their keys.
/// What is below `/run` may be missing until the engine starts.
fn engine_directories(settings: &Settings) -> Vec<(&'static str, &Path)> {
    let engines = &settings.engines;
    let mut directories = Vec::new();
    for root in &engines.docker {
        directories.push(("engines.docker", root.as_path()));
    }
    for place in &engines.containerd {
        directories.push(("engines.containerd", place.root.as_path()));
    }
    for place in &engines.storage {
        directories.push(("engines.storage", place.root.as_path()));
    }
    directories
}

/// Whether this is a file that somebody may run. A link is followed.
fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

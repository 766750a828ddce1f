//! Describes why an image could not be found.
//!
//! The texts quote names and paths, which may contain anything.

use std::io;

use thiserror::Error;

use crate::lineage::LineageError;
use crate::lineage::archive::ArchiveError;
use crate::sys::process;

/// Why an image could not be found.
#[derive(Debug, Error)]
pub enum ImageError {
    /// Standard input could not be read.
    #[error("cannot read standard input")]
    Input(#[source] io::Error),
    /// An archive is not valid.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// An engine's store could not be read: the image, and the reason.
    #[error("cannot read the image {0:?}")]
    Store(String, #[source] LineageError),
    /// No engine on this machine has the image: the reference, the stores that were searched, and
    /// how many stores could not be read.
    #[error("cannot find the image {0:?}{searched}", searched = searched(.1, *.2))]
    Nowhere(String, Vec<String>, usize),
    /// The reference leads to different layers in different engines: the reference, and the image
    /// in each engine.
    #[error("cannot tell which image {0:?} is, for its layers differ: {all}", all = .1.join("; "))]
    Ambiguous(String, Vec<String>),
    /// The image does not exist for a platform: the image, that platform, and the platforms of the
    /// image.
    #[error("cannot find {0:?} for {1}: it is here for {all}", all = .2.join(", "))]
    Platform(String, String, Vec<String>),
    /// The name is incomplete, for instance an engine without an image: the name, and the form that
    /// was expected.
    #[error("cannot read {0:?} as {1}")]
    Word(String, &'static str),
    /// The layers of this image cannot be hashed: only layers in archives can.
    #[error("cannot hash the layers of {0:?}: only an archive has them at hand")]
    NoLayers(String),
}

impl ImageError {
    /// What the user can do about the error, if there is advice.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Ambiguous(..) => {
                Some("name the engine: docker:NAME, podman:NAME or containerd:NAMESPACE/NAME")
            }
            Self::Nowhere(_, _, unread) => Some(where_else(*unread)),
            Self::Store(..) => process::takes_root(self).then_some("run as root"),
            Self::Input(_)
            | Self::Archive(_)
            | Self::Platform(..)
            | Self::Word(..)
            | Self::NoLayers(_) => None,
        }
    }
}

/// What the user can do if an image was not found. `unread` is how many stores could not be read.
fn where_else(unread: usize) -> &'static str {
    if unread > 0 && !process::is_privileged() {
        "run as root, who may read every engine's store"
    } else {
        "an image is named with its tag, such as app:1; nothing is fetched: pull it, or save it and name the archive"
    }
}

/// Describes where an image was searched for, and how many stores could not be read.
fn searched(places: &[String], unread: usize) -> String {
    let places = places.join(", ");
    match (places.as_str(), unread) {
        ("", 0) => ": no engine's store is here".to_owned(),
        ("", _) => ": no engine's store can be read here".to_owned(),
        (_, 0) => format!(" ({places})"),
        (_, 1) => format!(" ({places}; one store could not be read)"),
        (_, _) => format!(" ({places}; {unread} stores could not be read)"),
    }
}

//! Describes why an image could not be found.
//!
//! The texts quote names and paths, which may contain anything.

use std::{fmt, io};

use crate::lineage::LineageError;
use crate::lineage::archive::ArchiveError;
use crate::sys::process;

/// Why an image could not be found.
#[derive(Debug)]
pub enum ImageError {
    /// Standard input could not be read.
    Input(io::Error),
    /// An archive is not valid.
    Archive(ArchiveError),
    /// An engine's store could not be read: the image, and the reason.
    Store(String, LineageError),
    /// No engine on this machine has the image: the reference, the stores that were searched, and
    /// how many stores could not be read.
    Nowhere(String, Vec<String>, usize),
    /// The reference means different layers in different engines: the reference, and each meaning.
    Ambiguous(String, Vec<String>),
    /// The image does not exist for a platform: the image, that platform, and the platforms of the
    /// image.
    Platform(String, String, Vec<String>),
    /// The name is incomplete, for instance an engine without an image: the name, and the form that
    /// was expected.
    Word(String, &'static str),
    /// The layers of this image cannot be hashed: only layers in archives can.
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

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(_) => f.write_str("cannot read standard input"),
            Self::Archive(error) => error.fmt(f),
            Self::Store(image, error) => write!(f, "cannot read the image {image:?}: {error}"),
            Self::Nowhere(image, places, unread) => {
                write!(f, "cannot find the image {image:?}")?;
                match (places.as_slice(), unread) {
                    ([], 0) => f.write_str(": no engine's store is here"),
                    ([], _) => f.write_str(": no engine's store can be read here"),
                    (_, 0) => write!(f, " ({})", places.join(", ")),
                    (_, 1) => write!(f, " ({}; one store could not be read)", places.join(", ")),
                    (_, _) => write!(
                        f,
                        " ({}; {unread} stores could not be read)",
                        places.join(", ")
                    ),
                }
            }
            Self::Ambiguous(image, meanings) => {
                write!(
                    f,
                    "cannot tell which image {image:?} is, for its layers differ: {}",
                    meanings.join("; ")
                )
            }
            Self::Platform(image, wanted, found) => write!(
                f,
                "cannot find {image:?} for {wanted}: it is here for {}",
                found.join(", ")
            ),
            Self::Word(word, form) => write!(f, "cannot read {word:?} as {form}"),
            Self::NoLayers(image) => write!(
                f,
                "cannot hash the layers of {image:?}: only an archive has them at hand"
            ),
        }
    }
}

impl std::error::Error for ImageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Input(error) => Some(error),
            Self::Archive(error) => error.source(),
            Self::Store(_, error) => error.source(),
            Self::Nowhere(..)
            | Self::Ambiguous(..)
            | Self::Platform(..)
            | Self::Word(..)
            | Self::NoLayers(_) => None,
        }
    }
}

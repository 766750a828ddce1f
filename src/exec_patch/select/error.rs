//! Lists why no container can be selected.
//!
//! A single container that cannot be identified is not an error here.

use std::fmt;

use crate::banlist::error::ListError;
use crate::node::images::ImageError;

/// Why no container can be selected.
#[derive(Debug)]
pub enum SelectError {
    /// There is no list.
    List(ListError),
    /// The list has no such ban: the ban's ID, and the list's version.
    NoBan(String, u64),
    /// The named image cannot be found.
    Image(ImageError),
    /// The named image has no layers, so nothing is built on it.
    NoLayers(String),
}

impl SelectError {
    /// What the operator can do about the error, if there is advice.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::List(_) => {
                Some("embargoctl install puts a list in force; --base and --image need none")
            }
            Self::NoBan(..) => Some(
                "embargoctl list show /var/lib/embargo/banlist.lst shows the bans in force; one that was lifted is none of them",
            ),
            Self::Image(error) => error.hint(),
            Self::NoLayers(_) => Some("--image takes the containers of the image itself"),
        }
    }
}

impl fmt::Display for SelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(error) => error.fmt(f),
            Self::NoBan(id, version) => write!(
                f,
                "cannot find the ban {id:?} in list {version}, which is in force"
            ),
            Self::Image(error) => error.fmt(f),
            Self::NoLayers(word) => {
                write!(f, "cannot tell what is built on {word:?}: it has no layers")
            }
        }
    }
}

impl std::error::Error for SelectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::List(error) => error.source(),
            Self::Image(error) => error.source(),
            Self::NoBan(..) | Self::NoLayers(_) => None,
        }
    }
}

impl From<ListError> for SelectError {
    fn from(cause: ListError) -> Self {
        Self::List(cause)
    }
}

impl From<ImageError> for SelectError {
    fn from(cause: ImageError) -> Self {
        Self::Image(cause)
    }
}

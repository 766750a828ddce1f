//! Lists the errors for which no container can be selected.
//!
//! A single container that cannot be identified is not an error here.

use crate::banlist::error::ListError;
use crate::node::images::ImageError;

/// Why no container can be selected.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// There is no list.
    #[error(transparent)]
    List(#[from] ListError),
    /// The list has no such ban: the ban's ID, and the list's version.
    #[error("cannot find the ban {0:?} in list {1}, which is in force")]
    NoBan(String, u64),
    /// The named image cannot be found.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The named image has no layers, so nothing is built on it.
    #[error("cannot tell what is built on {0:?}: it has no layers")]
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

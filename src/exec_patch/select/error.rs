//! Lists the errors that prevent the selection of containers.
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
            Self::List(error) => Some(of_list(error)),
            Self::NoBan(..) => Some(
                "embargoctl list show /var/lib/embargo/banlist.lst shows the bans in force; one that was lifted is none of them",
            ),
            Self::Image(error) => error.hint(),
            Self::NoLayers(_) => Some("--image takes the containers of the image itself"),
        }
    }
}

/// The hint for a list that does not answer. `embargoctl install` refuses, too, if the keyset or
/// the floor cannot be used.
fn of_list(error: &ListError) -> &'static str {
    if matches!(error, ListError::Floor(..)) {
        return "remove the floor only if you know which list this node had last; --base and --image need no list";
    }
    let is_list = error.path().extension() == Some("lst".as_ref());
    let is_of_keyset = matches!(error, ListError::Keyset(..) | ListError::NewerKeyset(..));
    if error.is_absent() || is_list && !is_of_keyset {
        "embargoctl install puts a list in force; --base and --image need none"
    } else {
        "--base and --image need no list"
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::banlist::text::Malformed;
    use crate::sys::file::FileError;

    #[test]
    fn an_installation_is_advised_only_where_it_helps() {
        let hint = |error: ListError| SelectError::from(error).hint().unwrap().to_owned();
        let unguarded = |path: &str| ListError::File(FileError::Unguarded(PathBuf::from(path)));
        let malformed = || Malformed {
            line: 1,
            expected: "x",
        };
        assert_eq!(
            hint(ListError::Floor("/f/floor".into(), malformed())),
            "remove the floor only if you know which list this node had last; --base and --image need no list"
        );
        for error in [
            ListError::Keyset("/k".into(), malformed()),
            unguarded("/e/keyset"),
            unguarded("/v/floor"),
            unguarded("/v"),
        ] {
            assert_eq!(hint(error), "--base and --image need no list");
        }
        assert_eq!(
            hint(ListError::NoHead("/v/banlist.lst".into())),
            "embargoctl install puts a list in force; --base and --image need none"
        );
    }
}

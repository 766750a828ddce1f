//! Reads the arguments of `embargo check`.
//!
//! In: what a person or a program typed after `check`. Out: the question, or why the arguments are
//! not a valid question. Not checked here: whether a container or image has the name.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::lineage::image;
use crate::node::subject::SearchFor;

/// The help text.
pub(super) const HELP: &str = "\
Tell whether a container or an image on this node is banned.

Usage: embargo check [--json] [--container|--image] CONTAINER|IMAGE
       embargo check [--json] [--list FILE] [--keyset FILE] IMAGE

A container is named by its ID, the beginning of its ID, or its engine's name for it; it may run or not.
An image is named by a reference or an image ID, in any engine's store on this node, or in that of one engine:
docker:NAME, podman:NAME, containerd:NAMESPACE/NAME. One outside any engine is
oci:DIRECTORY[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], or - for an image config on standard input.

      --container  Look for a container only
      --image      Look for an image only
      --list FILE  Of an image outside any engine: ask this list in place of the node's
      --keyset FILE  The keyset that this list must be signed for, in place of the node's
      --json       Print one JSON object
  -h, --help       Print this help
  -V, --version    Print the version of embargo; embargo --version is the runtime's

Exit status: 0 clear, 2 banned, 3 could not tell, 4 not found, 64 wrong usage, 1 failed.";

/// The gate's version. `embargo --version` does not print this version: the real runtime gets that
/// call.
pub(super) const VERSION: &str = concat!("embargo ", env!("CARGO_PKG_VERSION"));

/// The question in the command line, or a request for the help text or the version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CheckRequest {
    Help,
    Version,
    About {
        name: String,
        search: SearchFor,
        form: OutputForm,
    },
    Outside(OutsideImage),
}

/// A question about an image outside any engine. Only `embargoctl` can read such images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideImage {
    /// The image's location, as it was typed.
    pub name: String,
    /// The list to use. `None` for the node's own.
    pub list: Option<PathBuf>,
    /// The keyset for which the list must be signed. `None` for the node's own.
    pub keyset: Option<PathBuf>,
    /// The form of the answer.
    pub form: OutputForm,
}

/// The form in which an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputForm {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}

/// The prefixes that name an image outside any engine. The name `-` stands for an image config on
/// standard input.
const OUTSIDE: [&str; 3] = ["oci:", "oci-archive:", "docker-archive:"];

/// Whether the name may mean an image outside any engine. The image need not exist. `oci:1.0` may
/// also be an image `oci` with a tag.
pub(super) fn may_be_outside(name: &str) -> bool {
    name == "-" || OUTSIDE.iter().any(|transport| name.starts_with(transport))
}

fn file(typed: Option<&&OsStr>, flag: &'static str) -> Result<PathBuf, UsageError> {
    typed.map(PathBuf::from).ok_or(UsageError::NoFile(flag))
}

/// Whether the name certainly means an image outside any engine. If it could also be a name with a
/// tag and there is no file of that name, the engines are searched first.
fn is_outside(name: &str) -> bool {
    if !may_be_outside(name) {
        return false;
    }
    let Some((_, place)) = name.split_once(':') else {
        return true;
    };
    !image::is_name(name) || Path::new(place).symlink_metadata().is_ok()
}

/// Why the arguments are not a valid question.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UsageError {
    #[error("cannot understand {0:?}")]
    Flag(String),
    #[error("cannot check without the name of a container or an image")]
    NoName,
    #[error("cannot check {0:?} too: one at a time")]
    SecondName(String),
    #[error("cannot understand {0} without a file")]
    NoFile(&'static str),
    #[error(
        "cannot ask another list about {0:?}: --list and --keyset are for oci:, oci-archive:, docker-archive: and -"
    )]
    OnlyOutside(String),
    #[error("cannot read an argument that is not UTF-8")]
    NotText,
}

pub(super) fn read_arguments(arguments: &[&OsStr]) -> Result<CheckRequest, UsageError> {
    let (mut named, mut search, mut form, mut flags) =
        (None, SearchFor::Either, OutputForm::Text, true);
    let (mut list, mut keyset) = (None, None);
    let mut arguments = arguments.iter();
    while let Some(name) = arguments.next() {
        match name.to_str().ok_or(UsageError::NotText)? {
            "--" if flags => flags = false,
            "--help" | "-h" if flags => return Ok(CheckRequest::Help),
            "--version" | "-V" if flags => return Ok(CheckRequest::Version),
            "--json" if flags => form = OutputForm::Json,
            "--container" if flags => search = SearchFor::Container,
            "--image" if flags => search = SearchFor::Image,
            "--list" if flags => list = Some(file(arguments.next(), "--list")?),
            "--keyset" if flags => keyset = Some(file(arguments.next(), "--keyset")?),
            flag if flags && flag != "-" && flag.starts_with('-') => {
                return Err(UsageError::Flag(flag.to_owned()));
            }
            name if named.is_some() => return Err(UsageError::SecondName(name.to_owned())),
            name => named = Some(name.to_owned()),
        }
    }
    let name = named
        .filter(|name| !name.is_empty())
        .ok_or(UsageError::NoName)?;
    let names_a_list = list.is_some() || keyset.is_some();
    match search {
        // `--list` and `--keyset` are only allowed for images outside any engine.
        SearchFor::Either | SearchFor::Image
            if is_outside(&name) || (names_a_list && may_be_outside(&name)) =>
        {
            Ok(CheckRequest::Outside(OutsideImage {
                name,
                list,
                keyset,
                form,
            }))
        }
        SearchFor::Either | SearchFor::Image | SearchFor::Container if names_a_list => {
            Err(UsageError::OnlyOutside(name))
        }
        SearchFor::Either | SearchFor::Image | SearchFor::Container => {
            Ok(CheckRequest::About { name, search, form })
        }
    }
}

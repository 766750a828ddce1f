//! Splits a typed image name into the place of the image and its reference.
//!
//! In: a name such as `docker:debian:12`, `oci:directory`, `-`, or a bare reference. Out: a
//! [`Place`]. The only look-up is whether a file exists whose name is the whole text.

use std::path::{Path, PathBuf};

use super::ImageError;
use crate::container::engine::Engine;
use crate::lineage::archive::ArchiveForm;
use crate::lineage::image::is_name;
use crate::node::prefix::{self, Prefixed};

/// The place of an image, as a typed name gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    Engine {
        engine: Engine,
        namespace: Option<&'a str>,
        reference: &'a str,
    },
    Archive {
        form: ArchiveForm,
        path: PathBuf,
        reference: Option<&'a str>,
    },
    Config,
    Anywhere(&'a str),
}

/// Parses the place of the image and the reference in a typed name.
///
/// # Errors
/// [`ImageError::Word`] if the name contains a place and no image.
pub(crate) fn place(word: &str) -> Result<Place<'_>, ImageError> {
    let (transport, rest) = word.split_once(':').unwrap_or(("", word));
    if let Some(Prefixed {
        engine,
        namespace,
        reference,
    }) = prefix::of(word)
    {
        return Ok(Place::Engine {
            engine,
            namespace,
            reference,
        });
    }
    let form = match transport {
        "docker" => "docker:NAME",
        "podman" => "podman:NAME",
        "storage" => "storage:NAME",
        "containerd" if !rest.contains('/') && is_name(word) => return Ok(Place::Anywhere(word)),
        "containerd" => "containerd:NAMESPACE/NAME",
        "oci" => return archive_place(ArchiveForm::Layout, rest),
        "oci-archive" => return archive_place(ArchiveForm::OciArchive, rest),
        "docker-archive" => return archive_place(ArchiveForm::DockerArchive, rest),
        _ if word == "-" => return Ok(Place::Config),
        _ if word.is_empty() => return Err(ImageError::Word(word.to_owned(), "an image")),
        _ => return Ok(Place::Anywhere(word)),
    };
    Err(ImageError::Word(word.to_owned(), form))
}

/// Splits `rest` into a path and, after the first colon, a reference. If a file exists whose name
/// is all of `rest`, there is no reference (skopeo does the same).
fn archive_place(form: ArchiveForm, rest: &str) -> Result<Place<'_>, ImageError> {
    let (path, reference) = match rest.split_once(':') {
        Some((path, reference)) if Path::new(rest).symlink_metadata().is_err() => {
            (path, Some(reference).filter(|text| !text.is_empty()))
        }
        Some(_) | None => (rest, None),
    };
    if path.is_empty() {
        return Err(ImageError::Word(rest.to_owned(), "a path"));
    }
    Ok(Place::Archive {
        form,
        path: path.into(),
        reference,
    })
}

//! Finds the image that a name means, and the digests of that image.
//!
//! In: a name such as `docker:debian:12`, `oci:directory`, `-`, or a bare reference; and the
//! engines' stores. Out: the image, once for each platform, with every digest that is known.
//! Nothing is downloaded: the image is in an engine's store on this machine, in an archive, or its
//! config is on standard input. If a bare reference means different layers in different engines, it
//! is refused; otherwise the wrong layers might be banned.

mod error;
mod found;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use error::ImageError;
pub use found::{FoundImage, Images, Role, Sureness};

use super::stores::{Store, Stores};
use crate::container::engine::Engine;
use crate::lineage::archive::{self, Archive, ArchiveError, ArchiveForm, ArchivedImage};
use crate::lineage::chain::Chain;
use crate::lineage::image::{ImageConfig, MAX_DOCUMENT, Platform, is_name};
use crate::lineage::{Evidence, ImageFacts, ImageLineage, LineageError, Origin, Unknown};
use crate::report::line;

/// How long reading one image from an engine's store may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a name says that the image is.
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

/// Finds the image that `word` means, for every platform: in these stores, or where `word` says.
///
/// # Errors
/// [`ImageError`].
pub fn find(word: &str, stores: &Stores) -> Result<Images, ImageError> {
    find_at(word, place(word)?, || stores, &mut io::stdin().lock())
}

/// Finds the image of this name, for every platform, in these stores. A name in a document, unlike
/// a typed name, never says where the image is: `docker:27-dind` is the name of an image.
///
/// # Errors
/// The errors of [`find`].
pub fn find_named(name: &str, stores: &Stores) -> Result<Images, ImageError> {
    engines(stores, name, |_| true)
}

/// Finds the image that `word` names, in the place that `word` says. `docker:27-dind` or `oci:1.0`
/// may also be the name of an image with a tag. Such a word means that name if the place has no
/// such image. If both images exist and have different layers, the word is refused.
pub(crate) fn find_at<S: Borrow<Stores>>(
    word: &str,
    place: Place<'_>,
    stores: impl FnOnce() -> S,
    input: &mut dyn Read,
) -> Result<Images, ImageError> {
    match place {
        Place::Config => Ok(Images {
            images: vec![config(input)?],
            absent: Vec::new(),
        }),
        Place::Anywhere(reference) => find_named(reference, stores().borrow()),
        Place::Engine {
            engine,
            namespace,
            reference,
        } => {
            let stores = stores();
            let there = of_engine(stores.borrow(), engine, namespace, reference);
            if is_name(word) {
                either(word, there, find_named(word, stores.borrow()))
            } else {
                there
            }
        }
        Place::Archive {
            form,
            path,
            reference,
        } => match Archive::open(form, &path, reference) {
            Ok(archive) => Ok(all_of(archive, &path, Sureness::Claimed)),
            Err(error) if is_name(word) && path.symlink_metadata().is_err() => {
                find_named(word, stores().borrow()).map_err(|other| {
                    if is_nowhere(&other) {
                        ImageError::Archive(error)
                    } else {
                        other
                    }
                })
            }
            Err(error) => Err(ImageError::Archive(error)),
        },
    }
}

/// Finds the image that a name means outside the engines, for every platform: an image in an
/// archive, or the image whose config is read from `input`.
///
/// # Errors
/// [`ImageError`], also when the name means an image in an engine.
pub fn outside(word: &str, input: &mut dyn Read) -> Result<Images, ImageError> {
    match place(word)? {
        Place::Archive {
            form,
            path,
            reference,
        } => Ok(all_of(
            Archive::open(form, &path, reference).map_err(ImageError::Archive)?,
            &path,
            Sureness::Claimed,
        )),
        Place::Config => Ok(Images {
            images: vec![config(input)?],
            absent: Vec::new(),
        }),
        Place::Engine { .. } | Place::Anywhere(_) => Err(ImageError::Word(
            word.to_owned(),
            "an image outside any engine",
        )),
    }
}

/// Chooses between the image in the named engine and the image whose name is the whole word.
fn either(
    word: &str,
    there: Result<Images, ImageError>,
    named: Result<Images, ImageError>,
) -> Result<Images, ImageError> {
    match (there, named) {
        (Ok(there), Ok(named)) if !have_same_layers(&there, &named) => {
            let meanings = [&there, &named]
                .map(|found| found.images.first().map_or_else(String::new, meaning));
            Err(ImageError::Ambiguous(word.to_owned(), meanings.into()))
        }
        (there, Err(nowhere)) if is_nowhere(&nowhere) => there,
        (Err(nowhere), named) if is_nowhere(&nowhere) => named,
        (there, named) => named.and(there),
    }
}

fn is_nowhere(error: &ImageError) -> bool {
    matches!(error, ImageError::Nowhere(..))
}

fn have_same_layers(one: &Images, other: &Images) -> bool {
    let tops = |found: &Images| {
        found
            .images
            .iter()
            .map(|image| image.chain.as_ref().map(Chain::top))
            .collect::<BTreeSet<_>>()
    };
    tops(one) == tops(other)
}

/// The images of an archive. Every layer is hashed.
pub(crate) fn hashed(
    form: ArchiveForm,
    path: &Path,
    reference: Option<&str>,
) -> Result<Images, ImageError> {
    let archive = Archive::open(form, path, reference).map_err(ImageError::Archive)?;
    archive.verify_layers().map_err(ImageError::Archive)?;
    Ok(all_of(archive, path, Sureness::Hashed))
}

/// Finds the image that one store calls `reference`.
///
/// # Errors
/// The errors of [`find`].
pub fn find_in(store: &Store, stores: &Stores, reference: &str) -> Result<Images, ImageError> {
    engines(stores, reference, |other| std::ptr::eq(store, other))
}

/// Finds the image in the stores of one engine.
fn of_engine(
    stores: &Stores,
    engine: Engine,
    namespace: Option<&str>,
    reference: &str,
) -> Result<Images, ImageError> {
    // With a namespace, only the namespace counts: `containerd:moby/NAME` means Docker's images
    // too.
    let here = |store: &Store| match namespace {
        None => store.engine == engine,
        Some(_) => store.namespace.as_deref() == namespace,
    };
    engines(stores, reference, here)
}

/// All images of an archive.
fn all_of(archive: Archive, path: &Path, evidence: Sureness) -> Images {
    let places = vec![line::name(&path.to_string_lossy())];
    let images = archive
        .images
        .iter()
        .map(|image| FoundImage {
            evidence,
            ..archived(image, places.clone())
        })
        .collect();
    Images {
        images,
        absent: archive.absent,
    }
}

pub(crate) fn place(word: &str) -> Result<Place<'_>, ImageError> {
    let named = |engine, reference, form| match reference {
        "" => Err(ImageError::Word(word.to_owned(), form)),
        reference => Ok(Place::Engine {
            engine,
            namespace: None,
            reference,
        }),
    };
    let (transport, rest) = word.split_once(':').unwrap_or(("", word));
    match transport {
        "docker" => named(Engine::Docker, rest, "docker:NAME"),
        "podman" => named(Engine::ContainersStorage, rest, "podman:NAME"),
        "storage" => named(Engine::ContainersStorage, rest, "storage:NAME"),
        "containerd" => match rest.split_once('/') {
            Some((namespace, reference)) if !namespace.is_empty() && !reference.is_empty() => {
                Ok(Place::Engine {
                    engine: Engine::Containerd,
                    namespace: Some(namespace),
                    reference,
                })
            }
            None if is_name(word) => Ok(Place::Anywhere(word)),
            Some(_) | None => Err(ImageError::Word(
                word.to_owned(),
                "containerd:NAMESPACE/NAME",
            )),
        },
        "oci" => archive_place(ArchiveForm::Layout, rest),
        "oci-archive" => archive_place(ArchiveForm::OciArchive, rest),
        "docker-archive" => archive_place(ArchiveForm::DockerArchive, rest),
        _ if word == "-" => Ok(Place::Config),
        _ if word.is_empty() => Err(ImageError::Word(word.to_owned(), "an image")),
        _ => Ok(Place::Anywhere(word)),
    }
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

fn config(input: &mut dyn Read) -> Result<FoundImage, ImageError> {
    let mut bytes = Vec::new();
    input
        .take(MAX_DOCUMENT + 1)
        .read_to_end(&mut bytes)
        .map_err(ImageError::Input)?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(ImageError::Archive(ArchiveError::Input(format!(
            "it is larger than {MAX_DOCUMENT} bytes"
        ))));
    }
    archive::from_config(&bytes)
        .map(|image| archived(&image, vec!["standard input".to_owned()]))
        .map_err(ImageError::Archive)
}

fn archived(image: &ArchivedImage, places: Vec<String>) -> FoundImage {
    let manifest = image.manifest.map(|digest| (Role::Manifest, digest.0));
    let indexes = image.indexes.iter().map(|digest| (Role::Index, digest.0));
    FoundImage {
        names: image.names.clone(),
        places,
        platform: Some(image.platform.clone()),
        image_id: Some(image.image_id),
        manifests: manifest.into_iter().chain(indexes).collect(),
        chain: image.chain.clone(),
        evidence: Sureness::Claimed,
    }
}

/// Finds the image in the stores that `here` selects. An image that several engines have is
/// returned once.
fn engines(
    stores: &Stores,
    reference: &str,
    here: impl Fn(&Store) -> bool,
) -> Result<Images, ImageError> {
    let mut found: Vec<FoundImage> = Vec::new();
    let (mut others, mut absent) = (Vec::new(), Vec::new());
    let mut places = Vec::new();
    for store in stores.open.iter().filter(|store| here(store)) {
        places.push(store.to_string());
        match store.records.image(reference, Instant::now() + PATIENCE) {
            Ok(origin) => {
                let image = stored(&origin, reference, store);
                if let Some((images, missing)) = image
                    .as_ref()
                    .and_then(|image| all_platforms(&origin, image))
                {
                    others.extend(images);
                    absent.extend(missing);
                }
                found.extend(image);
            }
            Err(LineageError::Unknown(Unknown::NoRecord(..))) => {}
            Err(error) => {
                return Err(ImageError::Store(reference.to_owned(), error));
            }
        }
    }
    let chains: BTreeSet<_> = found
        .iter()
        .map(|image| image.chain.as_ref().map(Chain::top))
        .collect();
    if chains.len() > 1 {
        let meanings = found.iter().map(meaning).collect();
        return Err(ImageError::Ambiguous(reference.to_owned(), meanings));
    }
    if found.is_empty() {
        let unread = stores.faults.len();
        return Err(ImageError::Nowhere(reference.to_owned(), places, unread));
    }
    found.extend(others);
    Ok(Images {
        images: merged(found),
        absent,
    })
}

/// Says which image this is and where it was found, for error messages.
fn meaning(image: &FoundImage) -> String {
    let top = image
        .chain
        .as_ref()
        .map_or_else(|| "no layers".to_owned(), |chain| chain.top().to_string());
    format!("{top} in {}", image.places.join(" and "))
}

/// The same image for every platform in containerd's content store, and the platforms that are
/// missing in that store.
fn all_platforms(origin: &Origin, image: &FoundImage) -> Option<(Vec<FoundImage>, Vec<String>)> {
    let (Origin::Image(ImageLineage { facts, .. }) | Origin::NoLayers(facts)) = origin else {
        return None;
    };
    let content = facts
        .config_file
        .as_deref()?
        .parent()
        .filter(|directory| directory.ends_with("blobs/sha256"))?
        .ancestors()
        .nth(2)?;
    let walked = facts
        .manifests
        .iter()
        .filter_map(|digest| archive::below(content, *digest).ok());
    let (images, absent) = walked.max_by_key(|(images, absent)| images.len() + absent.len())?;
    let found = |other| FoundImage {
        names: image.names.clone(),
        ..archived(other, image.places.clone())
    };
    Some((images.iter().map(found).collect(), absent))
}

/// Merges the entries that have the same image ID, and keeps every place.
fn merged(found: Vec<FoundImage>) -> Vec<FoundImage> {
    let mut images: Vec<FoundImage> = Vec::new();
    for image in found {
        match images
            .iter_mut()
            .find(|known| known.image_id.is_some() && known.image_id == image.image_id)
        {
            None => images.push(image),
            Some(known) => known.learn(image),
        }
    }
    images
}

/// The image that an engine's store answered; `None` if the answer is not an image.
#[must_use]
pub fn stored(origin: &Origin, reference: &str, store: &Store) -> Option<FoundImage> {
    let (chain, facts, evidence) = match origin {
        Origin::NoImage => return None,
        Origin::NoLayers(facts) => (None, facts, Sureness::Recorded),
        Origin::Image(image) => {
            let evidence = match image.evidence {
                Evidence::Claimed => Sureness::Claimed,
                Evidence::Metadata | Evidence::Mount => Sureness::Recorded,
            };
            (Some(image.chain.clone()), &image.facts, evidence)
        }
    };
    Some(FoundImage {
        names: vec![facts.name.clone().unwrap_or_else(|| reference.to_owned())],
        places: vec![store.to_string()],
        platform: platform(facts),
        image_id: facts.image_id,
        manifests: facts
            .manifests
            .iter()
            .map(|digest| (Role::Either, *digest))
            .collect(),
        chain,
        evidence,
    })
}

fn platform(facts: &ImageFacts) -> Option<Platform> {
    let (path, image_id) = (facts.config_file.as_deref()?, facts.image_id?);
    ImageConfig::load(path, image_id)
        .ok()
        .map(|image_config| image_config.platform)
}

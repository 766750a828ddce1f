//! Finds the image for which a name stands, and the digests of that image.
//!
//! In: a name such as `docker:debian:12`, `oci:directory`, `-`, or a bare reference; and the
//! engines' stores. Out: the image, once for each platform, with every digest that is known.
//! Nothing is downloaded: the image is in an engine's store on this machine, in an archive, or its
//! config is on standard input. If a bare reference leads to different layers in different engines,
//! the reference is refused; otherwise the wrong layers might be banned.

mod error;
mod found;
mod typed;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

pub use error::ImageError;
pub use found::{FoundImage, Images, Role, Sureness};
pub(crate) use typed::{Place, place};

use super::stores::{Store, Stores};
use super::wire;
use crate::container::engine::Engine;
use crate::lineage::archive::{self, Archive, ArchiveError, ArchiveForm, ArchivedImage};
use crate::lineage::chain::Chain;
use crate::lineage::digest::ChainId;
use crate::lineage::image::{ImageConfig, MAX_DOCUMENT, Platform, is_name};
use crate::lineage::{Evidence, ImageFacts, LineageError, Origin, Unknown};
use crate::report::line;

/// How long reading one image from an engine's store may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Finds the image that `word` names, for every platform: in these stores, or where `word` says.
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
/// may also be the name of an image with a tag. Such a word is used as that name if the place has
/// no such image. If both images exist and have different layers, the word is refused.
pub(crate) fn find_at<S: Borrow<Stores>>(
    word: &str,
    place: Place<'_>,
    stores: impl FnOnce() -> S,
    input: &mut dyn Read,
) -> Result<Images, ImageError> {
    match place {
        Place::Config => from_input(input),
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
        } => match of_archive(form, &path, reference) {
            Err(error) if is_name(word) && path.symlink_metadata().is_err() => {
                match find_named(word, stores().borrow()) {
                    Err(ImageError::Nowhere(..)) => Err(error),
                    answer => answer,
                }
            }
            answer => answer,
        },
    }
}

/// Finds the image that a name stands for outside the engines, for every platform: an image in an
/// archive, or the image whose config is read from `input`.
///
/// # Errors
/// [`ImageError`], also when the name stands for an image in an engine.
pub fn outside(word: &str, input: &mut dyn Read) -> Result<Images, ImageError> {
    match place(word)? {
        Place::Archive {
            form,
            path,
            reference,
        } => of_archive(form, &path, reference),
        Place::Config => from_input(input),
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
        (Ok(there), Ok(named)) if tops(&there.images) != tops(&named.images) => {
            let found = [&there, &named].into_iter();
            let meanings =
                found.map(|found| found.images.first().map_or_else(String::new, meaning));
            Err(ImageError::Ambiguous(word.to_owned(), meanings.collect()))
        }
        (there, Err(ImageError::Nowhere(..))) => there,
        (Err(ImageError::Nowhere(..)), named) => named,
        (there, named) => named.and(there),
    }
}

/// The top chain ID of each image; `None` for an image without layers.
fn tops(images: &[FoundImage]) -> BTreeSet<Option<ChainId>> {
    let chains = images.iter().map(|image| image.chain.as_ref());
    chains.map(|chain| chain.map(Chain::top)).collect()
}

/// The images of an archive. Every layer is hashed.
pub(crate) fn hashed(
    form: ArchiveForm,
    path: &Path,
    reference: Option<&str>,
) -> Result<Images, ImageError> {
    let archive = Archive::open(form, path, reference)?;
    archive.verify_layers()?;
    Ok(all_of(archive, path, Sureness::Hashed))
}

fn of_archive(
    form: ArchiveForm,
    path: &Path,
    reference: Option<&str>,
) -> Result<Images, ImageError> {
    let archive = Archive::open(form, path, reference)?;
    Ok(all_of(archive, path, Sureness::Claimed))
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
    // If a namespace is given, only the namespace selects stores: `containerd:moby/NAME` also finds
    // Docker's images.
    engines(stores, reference, |store| match namespace {
        None => store.engine == engine,
        Some(_) => store.namespace.as_deref() == namespace,
    })
}

/// All images of an archive.
fn all_of(archive: Archive, path: &Path, evidence: Sureness) -> Images {
    let places = [line::name(&path.to_string_lossy())];
    let mut images = Vec::new();
    for image in &archive.images {
        images.push(FoundImage {
            evidence,
            ..archived(image, places.to_vec())
        });
    }
    Images {
        images,
        absent: archive.absent,
    }
}

fn from_input(input: &mut dyn Read) -> Result<Images, ImageError> {
    let mut bytes = Vec::new();
    input
        .take(MAX_DOCUMENT + 1)
        .read_to_end(&mut bytes)
        .map_err(ImageError::Input)?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        let fault = format!("it is larger than {MAX_DOCUMENT} bytes");
        return Err(ArchiveError::Input(fault).into());
    }
    let image = archive::from_config(&bytes)?;
    Ok(Images {
        images: vec![archived(&image, vec!["standard input".to_owned()])],
        absent: Vec::new(),
    })
}

fn archived(image: &ArchivedImage, places: Vec<String>) -> FoundImage {
    let mut manifests = Vec::new();
    if let Some(manifest) = image.manifest {
        manifests.push((Role::Manifest, manifest.0));
    }
    for index in &image.indexes {
        manifests.push((Role::Index, index.0));
    }
    FoundImage {
        names: image.names.clone(),
        places,
        platform: Some(image.platform.clone()),
        image_id: Some(image.image_id),
        manifests,
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
    let (mut found, mut others) = (Vec::new(), Images::default());
    let mut places = Vec::new();
    for store in stores.open.iter().filter(|store| here(store)) {
        places.push(store.to_string());
        // A copy of this process reads a user's images, as everything else that a user controls.
        let look = || in_store(store, reference);
        match wire::ask_lineage(store.owner, &store.place, look) {
            Ok((image, more)) => {
                found.extend(image);
                others.images.extend(more.images);
                others.absent.extend(more.absent);
            }
            Err(LineageError::Unknown(Unknown::NoRecord(..))) => {}
            Err(error) => return Err(ImageError::Store(reference.to_owned(), error)),
        }
    }
    if tops(&found).len() > 1 {
        let meanings = found.iter().map(meaning).collect();
        return Err(ImageError::Ambiguous(reference.to_owned(), meanings));
    }
    if found.is_empty() {
        let unread = stores.faults.len();
        return Err(ImageError::Nowhere(reference.to_owned(), places, unread));
    }
    found.extend(others.images);
    Ok(Images {
        images: merged(found),
        absent: others.absent,
    })
}

/// The image of this name in one store, and the same image for other platforms in that store.
fn in_store(store: &Store, reference: &str) -> Result<(Option<FoundImage>, Images), LineageError> {
    let origin = store.records.image(reference, Instant::now() + PATIENCE)?;
    let image = stored(&origin, reference, store);
    let others = image
        .as_ref()
        .and_then(|image| all_platforms(&origin, image));
    Ok((image, others.unwrap_or_default()))
}

/// Describes the image and where the image was found, for error messages.
fn meaning(image: &FoundImage) -> String {
    let top = match &image.chain {
        Some(chain) => chain.top().to_string(),
        None => "no layers".to_owned(),
    };
    format!("{top} in {}", image.places.join(" and "))
}

/// The same image for every platform in containerd's content store, and the platforms that are
/// missing in that store.
fn all_platforms(origin: &Origin, image: &FoundImage) -> Option<Images> {
    let facts = origin.facts()?;
    let content = facts.config_file.as_deref()?.parent()?;
    if !content.ends_with("blobs/sha256") {
        return None;
    }
    let content = content.ancestors().nth(2)?;
    let mut found = None;
    for digest in &facts.manifests {
        if let Ok((images, absent)) = archive::below(content, *digest)
            && Some(images.len() + absent.len()) >= found.as_ref().map(count)
        {
            found = Some((images, absent));
        }
    }
    let (others, absent) = found?;
    let mut images = Vec::new();
    for other in &others {
        images.push(FoundImage {
            names: image.names.clone(),
            ..archived(other, image.places.clone())
        });
    }
    Some(Images { images, absent })
}

/// How many platforms were found, and how many are missing.
fn count((images, absent): &(Vec<ArchivedImage>, Vec<String>)) -> usize {
    images.len() + absent.len()
}

/// Merges the entries that have the same image ID, and lists every place in the merged entry.
fn merged(found: Vec<FoundImage>) -> Vec<FoundImage> {
    let mut images: Vec<FoundImage> = Vec::new();
    for image in found {
        let is_same =
            |known: &&mut FoundImage| known.image_id.is_some() && known.image_id == image.image_id;
        match images.iter_mut().find(is_same) {
            None => images.push(image),
            Some(known) => known.learn(image),
        }
    }
    images
}

/// The image whose origin an engine's store returned; `None` if the origin has no image.
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
    let manifests = facts.manifests.iter();
    Some(FoundImage {
        names: vec![facts.name.as_deref().unwrap_or(reference).to_owned()],
        places: vec![store.to_string()],
        platform: platform(facts),
        image_id: facts.image_id,
        manifests: manifests.map(|digest| (Role::Either, *digest)).collect(),
        chain,
        evidence,
    })
}

fn platform(facts: &ImageFacts) -> Option<Platform> {
    let (path, image_id) = (facts.config_file.as_deref()?, facts.image_id?);
    Some(ImageConfig::load(path, image_id).ok()?.platform)
}

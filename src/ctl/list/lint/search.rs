//! Finds the images on this machine, for the checks of `list lint`.
//!
//! In: the source, the arguments of `--image`, and the engines' stores of this machine. Out:
//! [`KnownImages`]: the images of `--image`, the images that the source names, and all other images
//! in the stores. Images that cannot be found are reported; nothing is downloaded. The search in
//! the stores has a time limit.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::known::{Group, KnownImages};
use super::named;
use super::reference::Reference;
use crate::banlist::source::draft::Draft;
use crate::ctl::CtlError;
use crate::ctl::image::{self, FoundImage, ImageError, Images};
use crate::node::stores::Stores;
use crate::report::line;

/// The time limit of the search.
const PATIENCE: Duration = Duration::from_secs(20);

/// Finds all images for this source.
///
/// # Errors
/// [`ImageError`] when an image of `--image` cannot be found or read.
pub(super) fn search(
    draft: &Draft,
    arguments: &[String],
    stores: &Stores,
) -> Result<KnownImages, CtlError> {
    let names = names(draft);
    let mut known = KnownImages::default();
    for word in arguments {
        find_asked(&mut known, word, &names, stores)?;
    }
    Ok(search_on(draft, known, stores))
}

/// Finds all images for this source, for `embargoctl ban`: the image named `word` has been found
/// already.
pub(super) fn search_beside(
    draft: &Draft,
    word: &str,
    found: Images,
    stores: &Stores,
) -> KnownImages {
    let mut known = KnownImages::default();
    known.add_by_name(word, found, &names(draft));
    search_on(draft, known, stores)
}

/// Every image that has a name in these stores and can be read.
pub(in crate::ctl) fn images(stores: &Stores) -> Vec<FoundImage> {
    let mut known = KnownImages::default();
    others(&mut known, stores, Instant::now() + PATIENCE);
    let mut images = Vec::new();
    for group in known.groups {
        images.extend(group.images);
    }
    images
}

/// Adds the images that the source names, and then all other images in the stores.
fn search_on(draft: &Draft, mut known: KnownImages, stores: &Stores) -> KnownImages {
    let deadline = Instant::now() + PATIENCE;
    for name in names(draft) {
        find_named(&mut known, name, stores, deadline);
    }
    if !draft.bans.is_empty() {
        others(&mut known, stores, deadline);
    }
    known
}

/// The names of images and successors in the source.
fn names(draft: &Draft) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for (_, name) in draft.bans.iter().flat_map(named) {
        if Reference::parse(&name.value).is_some() {
            names.insert(name.value.as_str());
        }
    }
    names
}

impl KnownImages {
    fn add(&mut self, word: &str, images: Images) -> usize {
        self.groups.push(Group {
            word: word.to_owned(),
            images: images.images,
            absent: images.absent,
        });
        self.groups.len() - 1
    }

    /// Adds the images found under a name, and records which names in the source belong to these
    /// images.
    fn add_by_name(&mut self, word: &str, found: Images, names: &BTreeSet<&str>) {
        for (word, images) in by_name(word, found) {
            let mut called = vec![Reference::parse(&word)];
            if let Some(image) = images.images.first() {
                called.extend(image.names.first().map(|name| Reference::parse(name)));
            }
            let group = self.add(&word, images);
            for name in names {
                let reference = Reference::parse(name);
                if reference.is_some() && called.contains(&reference) {
                    self.meanings.insert((*name).to_owned(), group);
                }
            }
        }
    }
}

/// Finds an image of `--image`: `IMAGE`, or `NAME=IMAGE` where `NAME` is its name in the source.
fn find_asked(
    known: &mut KnownImages,
    word: &str,
    names: &BTreeSet<&str>,
    stores: &Stores,
) -> Result<(), CtlError> {
    match word.split_once('=') {
        Some((name, image)) if names.contains(name) => {
            let group = known.add(image, image::find(image, stores)?);
            known.meanings.insert(name.to_owned(), group);
        }
        Some(_) | None => {
            known.add_by_name(word, image::find(word, stores)?, names);
        }
    }
    Ok(())
}

/// Groups the images of an archive by their first names: an archive may hold several images.
fn by_name(word: &str, found: Images) -> Vec<(String, Images)> {
    let mut groups: Vec<(String, Images)> = Vec::new();
    for image in found.images {
        let name = image.names.first().map_or(word, String::as_str).to_owned();
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, group)) => group.images.push(image),
            None => groups.push((
                name,
                Images {
                    images: vec![image],
                    absent: Vec::new(),
                },
            )),
        }
    }
    // With several images, it is not known which of them lacks a platform.
    if let [(_, group)] = &mut groups[..] {
        group.absent = found.absent;
    }
    groups
}

/// Finds an image that the source names.
fn find_named(known: &mut KnownImages, name: &str, stores: &Stores, deadline: Instant) {
    if known.meanings.contains_key(name) {
        return;
    }
    if Instant::now() > deadline {
        known.unknown.insert(
            name.to_owned(),
            "not looked for, because the search took too long".to_owned(),
        );
        return;
    }
    match image::find_named(name, stores) {
        Ok(images) => {
            let group = known.add(name, images);
            known.meanings.insert(name.to_owned(), group);
        }
        Err(error) => {
            let why = if matches!(error, ImageError::Nowhere(..)) {
                "not here".to_owned()
            } else {
                line::causes(&error)
            };
            known.unknown.insert(name.to_owned(), why);
        }
    }
}

/// Adds all other images in the stores, among which may be images that a ban hits unintentionally.
fn others(known: &mut KnownImages, stores: &Stores, deadline: Instant) {
    for store in &stores.open {
        let names = match store.records.image_names() {
            Ok(names) => names,
            Err(error) => {
                known.unseen.push(format!(
                    "the images of {store} cannot be listed: {}",
                    line::causes(&error)
                ));
                continue;
            }
        };
        for name in names {
            if Instant::now() > deadline {
                known.unseen.push(
                    "not all images here were looked at, because the search took too long"
                        .to_owned(),
                );
                return;
            }
            // An image that cannot be read is a fault of its engine, not of the source.
            if let Ok(images) = image::find_in(store, stores, &name) {
                known.add(&name, images);
            }
        }
    }
}

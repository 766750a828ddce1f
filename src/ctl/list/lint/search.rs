//! Which images does the linter get to see?
//!
//! In: the source, the words after `--image`, and the engines' stores of this machine. Out: [`Known`]: the images that were named, those that the source
//! names and that are here, and all others in the stores. What cannot be found is said; nothing is fetched. The stores are looked through for a limited
//! time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::known::{Group, Known};
use super::reference::Reference;
use crate::banlist::source::draft::Draft;
use crate::check::stores::Stores;
use crate::ctl::CtlError;
use crate::ctl::image::{self, ImageError, Images};
use crate::report::line;

/// How long the search may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is known of images for this source.
///
/// # Errors
/// [`ImageError`] when an image that was asked for cannot be found or read.
pub(super) fn search(draft: &Draft, words: &[String], stores: &Stores) -> Result<Known, CtlError> {
    let deadline = Instant::now() + PATIENCE;
    let names = names(draft);
    let mut known = Known::default();
    for word in words {
        asked(&mut known, word, &names, stores)?;
    }
    for name in names {
        named(&mut known, name, stores, deadline);
    }
    if !draft.bans.is_empty() {
        others(&mut known, stores, deadline);
    }
    Ok(known)
}

/// What the source calls images.
fn names(draft: &Draft) -> BTreeSet<&str> {
    let successors = draft.bans.iter().filter_map(|ban| ban.successor.as_ref());
    let matches = draft.bans.iter().flat_map(|ban| &ban.matches).filter_map(|found| found.name.as_ref());
    successors.chain(matches).map(|name| name.value.as_str()).filter(|name| Reference::parse(name).is_some()).collect()
}

impl Known {
    fn add(&mut self, word: &str, images: Images) -> usize {
        self.groups.push(Group { word: word.to_owned(), images: images.images, absent: images.absent });
        self.groups.len() - 1
    }
}

/// An image that was asked for: `IMAGE`, or `NAME=IMAGE` where the source calls it by another name.
fn asked(known: &mut Known, word: &str, names: &BTreeSet<&str>, stores: &Stores) -> Result<(), CtlError> {
    let (name, word) = match word.split_once('=') {
        Some((name, image)) if names.contains(name) => (Some(name), image),
        Some(_) | None => (None, word),
    };
    let group = known.add(word, image::find(word, stores)?);
    if let Some(name) = name {
        known.meanings.insert(name.to_owned(), group);
        return Ok(());
    }
    let called = known.groups[group].images.iter().flat_map(|image| &image.names).map(String::as_str).chain([word]);
    let called: Vec<_> = called.filter_map(Reference::parse).collect();
    let means = |name: &&&str| Reference::parse(name).is_some_and(|reference| called.contains(&reference));
    let meant: Vec<_> = names.iter().filter(means).map(|name| ((*name).to_owned(), group)).collect();
    known.meanings.extend(meant);
    Ok(())
}

/// An image that the source names.
fn named(known: &mut Known, name: &str, stores: &Stores, deadline: Instant) {
    if known.meanings.contains_key(name) {
        return;
    }
    if Instant::now() > deadline {
        known.unknown.insert(name.to_owned(), "not looked for, because the search took too long".to_owned());
        return;
    }
    match image::find(name, stores) {
        Ok(images) => {
            let group = known.add(name, images);
            known.meanings.insert(name.to_owned(), group);
        }
        Err(error) => {
            let why = match error.cause.downcast_ref() {
                Some(ImageError::Nowhere(..)) => "not here".to_owned(),
                Some(_) | None => line::causes(&error),
            };
            known.unknown.insert(name.to_owned(), why);
        }
    }
}

/// Every other image here, for those that a ban hits beside its aim.
fn others(known: &mut Known, stores: &Stores, deadline: Instant) {
    for store in &stores.open {
        let names = match store.records.image_names() {
            Ok(names) => names,
            Err(error) => {
                known.unseen.push(format!("the images of {store} cannot be listed: {}", line::causes(&error)));
                continue;
            }
        };
        for name in names {
            if Instant::now() > deadline {
                known.unseen.push("not all images here were looked at, because the search took too long".to_owned());
                return;
            }
            // One that cannot be read is its engine's trouble, and no mistake of the source.
            if let Ok(images) = image::find_in(store, stores, &name) {
                known.add(&name, images);
            }
        }
    }
}

//! Determines what a container or an image is made of.
//!
//! In: a container's bundle and its engine's store on local disk (hostile where a user, an image
//! author or a power cut can reach them). Out: an [`Origin`]: the chain of layers and how sure it
//! is, or that there is no image, or why it is not known. No name, tag or annotation decides
//! anything here, no engine that holds the container's lock is asked, and no other program is run.

pub mod digest;
pub mod chain;
pub mod error;
pub mod origin;
pub mod image;
#[cfg(feature = "ctl")]
pub mod archive;
pub mod cache;
pub mod bolt;
pub mod docker;
pub mod containerd;
pub mod storage;

pub use error::{Corrupt, LineageError, Unknown};
pub use origin::{Evidence, ImageFacts, ImageLineage, Origin, StoredContainer, StoredImage};

use crate::container::bundle::Bundle;
use crate::container::engine::{self, BundlePlace, Engine};
use crate::paths::Paths;
use crate::sys::deadline::Deadline;

/// Resolves what the container of a bundle is made of, from its engine's store, with every digest
/// that is known of its image.
///
/// # Errors
/// [`LineageError`], which also separates what is not known from what is a lie.
pub fn resolve(
    bundle: &Bundle,
    paths: &Paths,
    deadline: impl Into<Deadline>,
) -> Result<Origin, LineageError> {
    let mut origin = resolve_without_names(bundle, paths, deadline)?;
    add_pulled_digests(bundle, &mut origin);
    Ok(origin)
}

/// Adds the digests by which an image was pulled where only names in its engine's store have them,
/// and returns how many those are. A file of names can be large. It only matters for bans of images
/// by such a digest, so a file that cannot be read adds none, and the fault is recorded.
pub fn add_pulled_digests(bundle: &Bundle, origin: &mut Origin) -> usize {
    let facts = match origin {
        Origin::Image(image) => &mut image.facts,
        Origin::NoLayers(facts) => facts,
        Origin::NoImage => return 0,
    };
    let Some(image_id) = facts.image_id else {
        return 0;
    };
    facts.add_pulled(docker::pulled_digests(bundle, image_id))
}

/// The same as [`resolve`] without the digests that [`add_pulled_digests`] adds.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_without_names(
    bundle: &Bundle,
    paths: &Paths,
    deadline: impl Into<Deadline>,
) -> Result<Origin, LineageError> {
    let deadline = &deadline.into();
    match engine::place(bundle) {
        BundlePlace::Task { state, namespace } => match docker::resolve(bundle, deadline)? {
            Some(origin) => Ok(origin),
            None => containerd::resolve(bundle, &state, &namespace, paths, deadline),
        },
        BundlePlace::Storage { store, driver } => {
            storage::resolve(bundle, &store, &driver, deadline)
        }
        BundlePlace::BuildKit { root } => {
            match docker::resolve_build_step(bundle, &root, deadline)? {
                Some(origin) => Ok(origin),
                None => containerd::resolve_build(bundle, paths, deadline)?
                    .ok_or_else(|| Unknown::Mount(bundle.root.clone()).into()),
            }
        }
        BundlePlace::Buildah => storage::resolve_build(bundle, deadline),
        BundlePlace::Elsewhere => Err(Unknown::Engine(bundle.path.clone()).into()),
    }
}

/// The engine's name for the container of a bundle, for people; `None` where it keeps no name.
/// Costs reads and decides nothing.
///
/// # Errors
/// [`LineageError`] when the engine's record cannot be read.
pub fn called(bundle: &Bundle) -> Result<Option<String>, LineageError> {
    match engine::place(bundle) {
        BundlePlace::Task { .. } => docker::called(bundle),
        BundlePlace::Storage { store, driver } => storage::called(bundle, &store, &driver),
        BundlePlace::BuildKit { .. } | BundlePlace::Buildah | BundlePlace::Elsewhere => Ok(None),
    }
}

/// The engine that made the container of a bundle. Of those that share containers/storage it is the
/// one whose record the store has. Docker is recognised in every containerd namespace that its
/// setting `containerd-namespace` may name. Costs reads.
#[must_use]
pub fn engine(bundle: &Bundle) -> Engine {
    let place = engine::place(bundle);
    let maker = match &place {
        BundlePlace::Storage { store, driver } => storage::maker(bundle, store, driver),
        BundlePlace::Task { .. } if docker::has_record(bundle) => return Engine::Docker,
        BundlePlace::Task { .. }
        | BundlePlace::BuildKit { .. }
        | BundlePlace::Buildah
        | BundlePlace::Elsewhere => None,
    };
    maker.map_or_else(|| place.family(), storage::Maker::engine)
}

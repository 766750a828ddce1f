//! Determines the lineage of a container or an image: the layers that it is made of.
//!
//! In: a container's bundle, and its engine's store on local disk (hostile wherever a user, an
//! author of images or a power cut can change it). Out: an [`Origin`], which contains the chain of
//! layers and how certain that chain is, or says that there is no image. If the lineage is not
//! known, the result is the reason. Decisions use no name, tag or annotation. No engine is called,
//! and no other program is run.

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
use crate::sys::clock::Timestamp;
use crate::sys::deadline::Deadline;

/// Resolves the lineage of the container in a bundle, from its engine's store, with every digest
/// that is known of its image.
///
/// # Errors
/// [`LineageError`], which distinguishes an unknown lineage from false records.
pub fn resolve(
    bundle: &Bundle,
    paths: &Paths,
    deadline: impl Into<Deadline>,
) -> Result<Origin, LineageError> {
    let mut origin = resolve_without_names(bundle, paths, deadline)?;
    add_pulled_digests(bundle, &mut origin);
    Ok(origin)
}

/// Adds the digests by which an image was pulled, if these digests are only in the file of names in
/// the engine's store. Returns how many digests were added. A file of names can be large, and
/// matters only for bans of images by such a digest. So if the file of names cannot be read, no
/// digest is added, and the error is recorded.
pub fn add_pulled_digests(bundle: &Bundle, origin: &mut Origin) -> usize {
    let Some(facts) = origin.facts_mut() else {
        return 0;
    };
    let Some(image_id) = facts.image_id else {
        return 0;
    };
    facts.add_pulled(docker::pulled_digests(bundle, image_id))
}

/// The same as [`resolve`], without the digests that [`add_pulled_digests`] adds.
///
/// # Errors
/// The errors of [`resolve`].
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
            if let Some(origin) = docker::resolve_build_step(bundle, &root, deadline)? {
                return Ok(origin);
            }
            match containerd::resolve_build(bundle, paths, deadline)? {
                Some(origin) => Ok(origin),
                None => Err(Unknown::Mount(bundle.root.clone()).into()),
            }
        }
        BundlePlace::Buildah => storage::resolve_build(bundle, deadline),
        BundlePlace::Elsewhere => Err(Unknown::Engine(bundle.path.clone()).into()),
    }
}

/// The name that the engine gave the container in a bundle, to be shown. `None` if the engine
/// stores no name. Reads files. No decision uses the name.
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

/// When the engine made the container in a bundle, by the engine's own record; never by the times
/// of files or by annotations, which users can forge. `None` if there is no such record. Of a
/// container that is started again, this is the first time that it was made.
///
/// # Errors
/// [`LineageError`] when the engine's record cannot be read.
pub fn created(bundle: &Bundle) -> Result<Option<Timestamp>, LineageError> {
    match engine::place(bundle) {
        // containerd's own record of a container of Docker is made anew at each start.
        BundlePlace::Task { .. } if docker::has_record(bundle) => docker::created(bundle),
        BundlePlace::Task { namespace, .. } => containerd::created(bundle, &namespace),
        BundlePlace::Storage { store, driver } => storage::created(bundle, &store, &driver),
        BundlePlace::BuildKit { .. } | BundlePlace::Buildah | BundlePlace::Elsewhere => Ok(None),
    }
}

/// The engine that made the container in a bundle. If several engines share a containers/storage
/// store, the record in the store decides. Docker is recognised in every namespace of containerd
/// that its setting `containerd-namespace` may name. Reads files.
#[must_use]
pub fn engine(bundle: &Bundle) -> Engine {
    let place = engine::place(bundle);
    match &place {
        BundlePlace::Storage { store, driver } => match storage::maker(bundle, store, driver) {
            Some(maker) => maker.engine(),
            None => place.family(),
        },
        BundlePlace::Task { .. } if docker::has_record(bundle) => Engine::Docker,
        BundlePlace::Task { .. }
        | BundlePlace::BuildKit { .. }
        | BundlePlace::Buildah
        | BundlePlace::Elsewhere => place.family(),
    }
}

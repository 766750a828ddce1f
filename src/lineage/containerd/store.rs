//! Lists what is in containerd's store, for `embargo check` and `embargoctl lineage`.
//!
//! In: containerd's root directory, without a bundle. Out: its namespaces, containers and images,
//! and the [`Origin`] of each. The records and the hashing are the same as for a container that
//! starts. Only the mount is not compared, so no result is more certain than
//! [`Evidence::Metadata`]. The gate does not use this file.

use std::path::Path;
use std::time::Duration;

use super::content::{Content, ContentImage, ImageQuery};
use super::expand::{Hints, ImageSources};
use super::records::{Facts, FactsQuery, MetadataDb};
use super::{evidence, lineage, named, without_chain};
use crate::lineage::digest::{Digest, ImageId};
use crate::lineage::error::{LineageError, Unknown};
use crate::lineage::origin::{Evidence, ImageFacts, ImageLineage, Origin};
use crate::paths::Paths;
use crate::sys::clock::Timestamp;
use crate::sys::deadline::Deadline;

/// How long one query may take. A user is ready to wait longer than an engine.
const PATIENCE: Duration = Duration::from_secs(5);

/// The store of one containerd.
#[derive(Debug)]
pub struct ContainerdStore {
    metadata: MetadataDb,
    content: Content,
    paths: Paths,
}

/// A container that containerd has a record of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedContainer {
    /// The container's ID.
    pub id: String,
    /// The container's namespace.
    pub namespace: String,
    /// The name of the container's image; empty when the container has no image.
    pub image: String,
    /// Whether containerd records a snapshot for the container. Docker's containers have a snapshot
    /// that containerd does not record.
    pub has_snapshot: bool,
    /// When containerd made the record.
    pub created: Option<Timestamp>,
}

impl ContainerdStore {
    /// Opens the store of the containerd with this root directory. `paths` says where the cache of
    /// resolved chains is.
    ///
    /// # Errors
    /// [`Unknown::File`]: there is no database, or this user may not read it.
    pub fn open(root: &Path, paths: &Paths) -> Result<Self, LineageError> {
        let metadata = MetadataDb::open(root)?;
        Ok(Self {
            metadata,
            content: Content::of(root),
            paths: paths.clone(),
        })
    }

    /// The namespaces, in order.
    ///
    /// # Errors
    /// The errors of [`DatabaseFile::view`](crate::lineage::bolt::DatabaseFile::view).
    pub fn namespaces(&self) -> Result<Vec<String>, LineageError> {
        self.metadata.keys(&[b"v1"], &deadline())
    }

    /// The containers of a namespace, in the order of their IDs.
    ///
    /// # Errors
    /// The errors of [`DatabaseFile::view`](crate::lineage::bolt::DatabaseFile::view).
    pub fn containers(&self, namespace: &str) -> Result<Vec<RecordedContainer>, LineageError> {
        let mut containers = Vec::new();
        for id in self
            .metadata
            .keys(&[b"v1", namespace.as_bytes(), b"containers"], &deadline())?
        {
            // A container that has been removed meanwhile is left out.
            let Some(facts) =
                self.metadata
                    .facts(namespace, FactsQuery::Container(&id), &deadline())?
            else {
                continue;
            };
            let has_snapshot = !facts.container.snapshot_key.is_empty();
            let created = self.metadata.created(namespace, &id, &deadline())?;
            containers.push(RecordedContainer {
                id,
                created,
                namespace: namespace.to_owned(),
                image: facts.container.image,
                has_snapshot,
            });
        }
        Ok(containers)
    }

    /// The origin of a container; [`Origin::NoImage`] for a container without a snapshot of its
    /// own.
    ///
    /// # Errors
    /// [`LineageError`]; [`Unknown::NoRecord`] when there is no such container.
    pub fn container(&self, namespace: &str, id: &str) -> Result<Origin, LineageError> {
        let facts = self
            .metadata
            .recorded(namespace, FactsQuery::Container(id), &deadline())?;
        if facts.container.snapshot_key.is_empty() {
            Ok(Origin::NoImage)
        } else {
            self.origin(namespace, &facts, Some(id), Hints::default())
        }
    }

    /// The origin of a snapshot. `targets` are the digests in its container's record. Used for
    /// engines that record their containers outside containerd's database, as Docker does; the key
    /// of the snapshot is the container's ID.
    ///
    /// # Errors
    /// [`LineageError`]; [`Unknown::NoRecord`] when there is no such snapshot.
    pub fn snapshot(
        &self,
        namespace: &str,
        snapshotter: &str,
        key: &str,
        targets: &[Digest],
    ) -> Result<Origin, LineageError> {
        let facts = self.metadata.recorded(
            namespace,
            FactsQuery::Snapshot(snapshotter, key),
            &deadline(),
        )?;
        self.origin(
            namespace,
            &facts,
            None,
            Hints {
                image_id: None,
                targets: targets.to_vec(),
            },
        )
    }

    /// The names of the images in a namespace, in order.
    ///
    /// # Errors
    /// The errors of [`DatabaseFile::view`](crate::lineage::bolt::DatabaseFile::view).
    pub fn images(&self, namespace: &str) -> Result<Vec<String>, LineageError> {
        self.metadata
            .keys(&[b"v1", namespace.as_bytes(), b"images"], &deadline())
    }

    /// The origin of an image. The reference may be its full name, its short name (`debian` for
    /// `docker.io/library/debian:latest`), the digest of its index, manifest or config, or at least
    /// the first four digits of such a digest, if only one image has such a digest. If the image
    /// has several platforms, the platform of this machine is used, or else the first platform that
    /// exists in the store.
    ///
    /// # Errors
    /// [`LineageError`]; [`Unknown::NoRecord`] when there is no such image, or more than one.
    pub fn image(&self, namespace: &str, reference: &str) -> Result<Origin, LineageError> {
        let mut found: Option<(String, ContentImage)> = None;
        for name in self.images(namespace)? {
            let Some(target) = self.metadata.target(namespace, &name, &deadline())? else {
                continue;
            };
            let Some(image) = self
                .content
                .by_target(target, None, ImageQuery::Any, &deadline())?
            else {
                continue;
            };
            if names_of(reference).contains(&name) {
                found = Some((name, image));
                break;
            }
            if !has_digest(&image.facts, reference) {
                continue;
            }
            match &found {
                Some((_, other)) if other.facts.image_id != image.facts.image_id => {
                    return Err(self.no_image());
                }
                Some(_) => {}
                None => found = Some((name, image)),
            }
        }
        let Some((name, image)) = found else {
            return Err(self.no_image());
        };
        let facts = ImageFacts {
            name: Some(name),
            ..image.facts
        };
        Ok(Origin::of_image(image.chain, facts, Evidence::Metadata))
    }

    fn no_image(&self) -> LineageError {
        Unknown::NoRecord("a single such image", self.metadata.path().to_owned()).into()
    }

    fn origin(
        &self,
        namespace: &str,
        facts: &Facts,
        id: Option<&str>,
        mut hints: Hints,
    ) -> Result<Origin, LineageError> {
        let (container, deadline) = (&facts.container, deadline());
        let stores = ImageSources {
            metadata: Some(&self.metadata),
            content: Some(&self.content),
            namespace,
            snapshotter: &container.snapshotter,
            paths: &self.paths,
            deadline: &deadline,
        };
        hints.image_id = hints.image_id.or(container.image_id);
        hints.targets.extend(facts.target);
        let name = named(&container.image);
        if facts.top().is_none() {
            return without_chain(facts, &hints, name, &stores, Evidence::Metadata);
        }
        let (chain, image) = lineage(facts, id, &hints, &stores)?;
        let evidence = evidence(facts, Some(&chain), Evidence::Metadata);
        Ok(Origin::Image(ImageLineage {
            chain,
            facts: ImageFacts { name, ..image },
            evidence,
        }))
    }
}

fn deadline() -> Deadline {
    PATIENCE.into()
}

/// The full names for which a short name may stand (distribution/reference, "familiar names").
fn names_of(reference: &str) -> Vec<String> {
    let tagged = match reference.rsplit('/').next() {
        Some(last) if !last.contains([':', '@']) => format!("{reference}:latest"),
        Some(_) | None => reference.to_owned(),
    };
    let mut names = vec![reference.to_owned(), tagged.clone()];
    if tagged.contains('/') {
        names.push(format!("docker.io/{tagged}"));
    } else {
        names.push(format!("docker.io/library/{tagged}"));
    }
    names
}

/// Whether `reference` names one of an image's digests.
fn has_digest(facts: &ImageFacts, reference: &str) -> bool {
    match facts.image_id {
        Some(ImageId(digest)) if starts(digest, reference) => true,
        Some(_) | None => facts
            .manifests
            .iter()
            .any(|digest| starts(*digest, reference)),
    }
}

/// Whether `digest` is `reference` or begins with it. `reference` may lack `sha256:`, and must have
/// at least four digits.
fn starts(digest: Digest, reference: &str) -> bool {
    let digits = reference.rsplit('@').next().unwrap_or(reference);
    let digits = digits.strip_prefix("sha256:").unwrap_or(digits);
    digits.len() >= 4 && digest.hex().starts_with(digits)
}

#[cfg(test)]
mod tests;

//! Determines what a container or an image is made of.
//!
//! In: a container's bundle and its engine's store on local disk (hostile where a user, an image
//! author or a power cut can reach them). Out: an [`Origin`]: the chain of layers and how sure it
//! is, or that there is no image, or why it is not known. No name, tag or annotation decides
//! anything here, no engine that holds the container's lock is asked, and no other program is run.

pub mod digest;
pub mod chain;
pub mod image;
#[cfg(feature = "ctl")]
pub mod archive;
pub mod cache;
pub mod bolt;
pub mod docker;
pub mod containerd;
pub mod storage;

use std::ffi::OsString;
use std::path::PathBuf;
use std::{fmt, io};

use chain::Chain;
use digest::{Digest, ImageId};

use crate::container::ContainerId;
use crate::container::bundle::Bundle;
use crate::container::engine::{self, Engine, Place};
use crate::paths::Paths;
use crate::report::line;
use crate::sys::deadline::Deadline;
use crate::sys::file::FileError;

/// What a container or an image is made of, as far as its engine's own records say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An image with at least one layer.
    Image(ImageLineage),
    /// An image without a layer (`FROM scratch` and nothing added).
    NoLayers(ImageFacts),
    /// The engine's own record says that there is no image (`--rootfs`).
    NoImage,
}

impl Origin {
    /// What is known of the image apart from its layers; nothing without an image.
    #[must_use]
    pub const fn facts(&self) -> Option<&ImageFacts> {
        match self {
            Self::Image(image) => Some(&image.facts),
            Self::NoLayers(facts) => Some(facts),
            Self::NoImage => None,
        }
    }
}

/// An image's layers, lowest first, and what else is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageLineage {
    /// The layers and the chain IDs they hash to.
    pub chain: Chain,
    /// Digests and names known beside the layers.
    pub facts: ImageFacts,
    /// How sure it is that the container runs on exactly these layers.
    pub evidence: Evidence,
}

/// What is known of an image apart from its layers. Everything may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// The digest of its config, when the engine's record ties it to this container.
    pub image_id: Option<ImageId>,
    /// Digests of its manifest and of the index it was pulled by, in any order.
    pub manifests: Vec<Digest>,
    /// Why its engine's record of the digests by which it was pulled cannot be read, on one line:
    /// some may be missing from `manifests`.
    pub pull_fault: Option<String>,
    /// A name for people, from the engine's own record. Never matched.
    pub name: Option<String>,
    /// The image config's file in the engine's store; its bytes must hash to `image_id` before they
    /// are believed.
    pub config_file: Option<PathBuf>,
}

impl ImageFacts {
    /// Adds the digests by which the image was pulled, and returns how many are new; or records why
    /// they are not known.
    fn add_pulled(&mut self, pulled: Result<Vec<Digest>, LineageError>) -> usize {
        let before = self.manifests.len();
        match pulled {
            Ok(mut pulled) => {
                pulled.retain(|digest| !self.manifests.contains(digest));
                self.manifests.extend(pulled);
            }
            Err(fault) => self.pull_fault = Some(line::causes(&fault)),
        }
        self.manifests.len() - before
    }
}

/// A container in an engine's store, as people name it.
#[derive(Debug)]
pub struct StoredContainer {
    /// Its ID.
    pub id: ContainerId,
    /// Its names; may be none.
    pub names: Vec<String>,
    /// What its creator asked for: an image reference, which may mean another image by now.
    pub image: Option<String>,
    /// The engine that made it, where several share the store and the record says which.
    pub engine: Option<Engine>,
    /// Why its record could not be read: its ID alone is known.
    pub unread: Option<LineageError>,
}

/// An image in an engine's store, as people name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredImage {
    /// The engine's ID of it: the digest of its config, or of its manifest or index in containerd's
    /// image stores.
    pub id: Digest,
    /// References that lead to it, with tag or digest; may be none.
    pub names: Vec<String>,
}

/// How sure a lineage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// Only the image's author claims the layers: lazily pulled or known by their table of
    /// contents.
    Claimed,
    /// The engine's own records, each hash recomputed. The mount is of a form that cannot be
    /// compared.
    Metadata,
    /// The engine's own records, and what is mounted is exactly that.
    Mount,
}

impl Evidence {
    /// The name used in audit events and reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Metadata => "metadata",
            Self::Mount => "mount",
        }
    }
}

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
        Place::Task { state, namespace } => match docker::resolve(bundle, deadline)? {
            Some(origin) => Ok(origin),
            None => containerd::resolve(bundle, &state, &namespace, paths, deadline),
        },
        Place::Storage { store, driver } => storage::resolve(bundle, &store, &driver, deadline),
        Place::BuildKit { root } => match docker::resolve_build_step(bundle, &root, deadline)? {
            Some(origin) => Ok(origin),
            None => containerd::resolve_build(bundle, paths, deadline)?
                .ok_or_else(|| Unknown::Mount(bundle.root.clone()).into()),
        },
        Place::Buildah => storage::resolve_build(bundle, deadline),
        Place::Elsewhere => Err(Unknown::Engine(bundle.path.clone()).into()),
    }
}

/// The engine's name for the container of a bundle, for people; `None` where it keeps no name.
/// Costs reads and decides nothing.
///
/// # Errors
/// [`LineageError`] when the engine's record cannot be read.
pub fn called(bundle: &Bundle) -> Result<Option<String>, LineageError> {
    match engine::place(bundle) {
        Place::Task { .. } => docker::called(bundle),
        Place::Storage { store, driver } => storage::called(bundle, &store, &driver),
        Place::BuildKit { .. } | Place::Buildah | Place::Elsewhere => Ok(None),
    }
}

/// The engine that made the container of a bundle. Of those that share containers/storage it is the
/// one whose record the store has. Docker is recognised in every containerd namespace that its
/// setting `containerd-namespace` may name. Costs reads.
#[must_use]
pub fn engine(bundle: &Bundle) -> Engine {
    let place = engine::place(bundle);
    let maker = match &place {
        Place::Storage { store, driver } => storage::maker(bundle, store, driver),
        Place::Task { .. } if docker::has_record(bundle) => return Engine::Docker,
        Place::Task { .. } | Place::BuildKit { .. } | Place::Buildah | Place::Elsewhere => None,
    };
    maker.map_or_else(|| place.family(), storage::Maker::engine)
}

/// Why a lineage is not known.
#[derive(Debug)]
pub enum LineageError {
    /// Engine or container not recognised, or a record is missing: the setting `on_unknown_image`
    /// decides.
    Unknown(Unknown),
    /// The store is corrupt or disagrees with the mount: refused whatever the settings say.
    Corrupt(Corrupt),
}

/// A fact that is missing, so that a lineage is not known.
#[derive(Debug)]
pub enum Unknown {
    /// The bundle's path and root have no shape that a known engine makes.
    Engine(PathBuf),
    /// The engine has no record of this container or image: what was looked for, and where.
    NoRecord(&'static str, PathBuf),
    /// A file of the engine's store could not be read.
    File(FileError),
    /// The engine did not answer in time, or not at all: its socket.
    NoAnswer(PathBuf, io::Error),
    /// The bundle does not say what is needed.
    Bundle(Box<dyn std::error::Error + Send + Sync>),
    /// Nothing that can be resolved is mounted at the root, and the engine keeps no record for it.
    Mount(PathBuf),
    /// The time for resolving is over.
    Deadline,
    /// No path may be built from the container ID.
    Id(OsString),
    /// The command line can be read in too many ways.
    Call,
}

/// A contradiction: something lies, or is broken.
#[derive(Debug)]
pub enum Corrupt {
    /// A file of the store is not what the engine writes: which, and what is wrong with it.
    File(PathBuf, String),
    /// A hash does not match what it names: the file or record, what it should hash to, what it
    /// does hash to.
    Hash(PathBuf, Digest, Digest),
    /// What is mounted is not what the engine's record says: the root, and the difference.
    Mount(PathBuf, String),
}

impl From<Unknown> for LineageError {
    fn from(cause: Unknown) -> Self {
        Self::Unknown(cause)
    }
}

impl From<Corrupt> for LineageError {
    fn from(cause: Corrupt) -> Self {
        Self::Corrupt(cause)
    }
}

impl fmt::Display for LineageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(cause) => cause.fmt(f),
            Self::Corrupt(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for LineageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unknown(Unknown::File(error)) => error.source(),
            Self::Unknown(Unknown::NoAnswer(_, error)) => Some(error),
            Self::Unknown(Unknown::Bundle(error)) => error.source(),
            Self::Unknown(
                Unknown::Engine(_)
                | Unknown::NoRecord(..)
                | Unknown::Mount(_)
                | Unknown::Deadline
                | Unknown::Id(_)
                | Unknown::Call,
            )
            | Self::Corrupt(_) => None,
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(bundle) => {
                write!(f, "cannot tell which engine made the bundle {bundle:?}")
            }
            Self::NoRecord(what, place) => write!(f, "cannot find {what} in {place:?}"),
            Self::File(error) => error.fmt(f),
            Self::NoAnswer(socket, _) => write!(f, "cannot ask {socket:?}"),
            Self::Bundle(error) => error.fmt(f),
            Self::Mount(root) => write!(f, "cannot tell what is mounted at {root:?}"),
            Self::Deadline => f.write_str("cannot tell the lineage in time"),
            Self::Id(id) => write!(f, "cannot use {id:?} as a container ID"),
            Self::Call => f.write_str("cannot tell the command line's flags from their values"),
        }
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, fault) => write!(f, "cannot trust {path:?}: {fault}"),
            Self::Hash(path, expected, found) => write!(
                f,
                "cannot trust {path:?}: it hashes to {found}, not to {expected}"
            ),
            Self::Mount(root, difference) => {
                write!(f, "cannot trust the mount at {root:?}: {difference}")
            }
        }
    }
}

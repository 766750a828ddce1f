//! Determines the layers of a container that containerd runs.
//!
//! This is for CRI pods and their pause containers, nerdctl and ctr; for Docker with containerd's
//! image store; and for BuildKit's `RUN` steps with either kind of store. In: the bundle, and
//! containerd's own records, which say on which snapshot the container runs. The name of a snapshot
//! is the chain ID of the layers in it. Out: an [`Origin`], compared with what is mounted. The name
//! of the container's image, which may mean another image by now, and annotations decide nothing.
//!
//! ```text
//! bundle ─▶ records or services ─▶ expand ─▶ layout ────▶ mounted
//!           container, snapshots   diff IDs  directories  the same as the mount?
//! ```
//!
//! Three ways to read the records were measured. Each was the first thing that a new process did;
//! the ways took turns, 300 times each. Each read the container's record and the chain ID below its
//! snapshot from containerd 1.6.20 on two busy virtual processors. The times are in microseconds;
//! the library is tonic 0.14 on tokio with one thread:
//!
//! | way | median | 90 % | 99 % | cost in code |
//! |---|---|---|---|---|
//! | reading pages of the metadata database (`bolt`) | 78 | 93 | 212 | 460 lines |
//! | a blocking client of its own (`grpc`) | 793 | 1 231 | 9 359 | 600 lines |
//! | a gRPC library | 1 114 | 1 603 | 7 828 | 76 crates, an async runtime |
//!
//! Most of the time of a call goes into waking containerd, which no client can avoid. 0.4 ms for
//! each call does not fit into 0.8 ms for the whole gate. So the database is read first. The client
//! asks containerd if the database cannot be read, has another format, or has no such record. While
//! two writers made and deleted containers and snapshots 2 918 times, 687 088 looks at both kinds
//! of databases gave no wrong answer. Of the 171 772 looks for a container's record, 708 were
//! repeated because the version had changed meanwhile; 23 of these would have been wrong.

pub mod address;
pub mod build_record;
pub mod by_mount;
pub mod content;
pub mod docker_store;
pub mod expand;
pub mod grpc;
pub mod layout;
pub mod mounted;
pub mod protobuf;
pub mod records;
pub mod remap;
pub mod services;
mod snapshots;
pub mod store;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use content::Content;
use docker_store::DockerContainer;
use expand::{Hints, ImageSources};
use layout::Snapshotter;
use mounted::Expected;
use records::{Facts, FactsQuery, MetadataDb};
use services::Client;
use snapshots::{lineage, served_mount, tie, without_chain};

use super::chain::Chain;
use super::docker;
use super::error::{Corrupt, LineageError, Unknown};
use super::origin::{Evidence, ImageFacts, ImageLineage, Origin};
use crate::container::bundle::Bundle;
use crate::container::engine::{self, SNAPSHOTTERS};
use crate::container::mount::{self, RootMount};
use crate::paths::Paths;
use crate::sys::deadline::Deadline;

/// One containerd, and the limits of one call of Embargo.
struct Site<'a> {
    /// The directory to name in messages: the state directory, as long as the root directory is not
    /// known.
    place: PathBuf,
    root: Option<PathBuf>,
    namespace: &'a str,
    paths: &'a Paths,
    deadline: &'a Deadline,
}

/// Where the facts came from. It can be asked for more.
enum FactsSource<'a> {
    Database(MetadataDb),
    Service(Client<'a>),
}

/// The origin of a container in containerd's directory of tasks. `state` and `namespace` come from
/// the place of its bundle.
///
/// # Errors
/// [`LineageError`]: no record, no answer in time, a damaged database, or a mount that is not the
/// recorded one.
pub fn resolve(
    bundle: &Bundle,
    state: &Path,
    namespace: &str,
    paths: &Paths,
    deadline: &Deadline,
) -> Result<Origin, LineageError> {
    let id = bundle.id.as_str();
    let docker = docker_store::record(bundle)?;
    let site = Site {
        place: state.to_owned(),
        root: address::root(&bundle.path, namespace, id),
        namespace,
        paths,
        deadline,
    };
    let query = docker.as_ref().map_or(FactsQuery::Container(id), |docker| {
        FactsQuery::Snapshot(&docker.snapshotter, id)
    });
    let (facts, source) = site.gather(query)?;
    match (&docker, facts.container.snapshot_key.as_str()) {
        (None, "") => without_snapshot(bundle, namespace, paths, deadline),
        (None, _) if !is_own_root(bundle) => Err(Corrupt::Mount(
            bundle.root.clone(),
            "the container has a snapshot, and its root is elsewhere".into(),
        )
        .into()),
        (None | Some(_), _) => site.describe(bundle, &facts, source, docker.as_ref()),
    }
}

/// The origin of a `RUN` step of BuildKit, whose snapshots are containerd's or BuildKit's own.
/// `None` when what is mounted at its root is neither a directory of a snapshotter nor an overlay
/// of such directories.
///
/// # Errors
/// [`LineageError`]: the snapshotter's database cannot be read, or contradicts the mount.
pub fn resolve_build(
    bundle: &Bundle,
    paths: &Paths,
    deadline: &Deadline,
) -> Result<Option<Origin>, LineageError> {
    by_mount::resolve(&bundle.root, &bundle.path, paths, deadline)
}

/// Whether the container's root is the directory that containerd makes for every task.
fn is_own_root(bundle: &Bundle) -> bool {
    let own = bundle.path.join("rootfs");
    bundle.root == own
        || matches!((bundle.root.canonicalize(), own.canonicalize()), (Ok(root), Ok(own)) if root == own)
}

/// The origin of a container that has no snapshot in containerd's record (`ctr run --rootfs`). If a
/// snapshot is mounted there nevertheless, it is the origin. There is no image if the root is not
/// part of any engine's store, and the container is not Docker's.
fn without_snapshot(
    bundle: &Bundle,
    namespace: &str,
    paths: &Paths,
    deadline: &Deadline,
) -> Result<Origin, LineageError> {
    match by_mount::resolve(&bundle.root, &bundle.path, paths, deadline)? {
        Some(Origin::NoImage) | None if is_dockers(bundle, namespace) => {
            return Err(Unknown::Engine(bundle.path.clone()).into());
        }
        Some(origin) => return Ok(origin),
        None => {}
    }
    let mount = mount::at(&bundle.root)?.unwrap_or_default();
    let real = bundle.root.canonicalize().unwrap_or_default();
    let directories = [&bundle.root, &real, &mount.root]
        .into_iter()
        .chain(&mount.lowerdirs)
        .chain(&mount.upperdir);
    if directories.map(PathBuf::as_path).any(engine::is_in_a_store) {
        Err(Unknown::Engine(bundle.path.clone()).into())
    } else {
        Ok(Origin::NoImage)
    }
}

/// Whether Docker made this container. If so, it is made from an image, wherever Docker keeps the
/// image (aufs, devicemapper, a plugin for graph drivers).
fn is_dockers(bundle: &Bundle, namespace: &str) -> bool {
    let may_be_there = |path: PathBuf| match path.symlink_metadata() {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    };
    engine::is_dockers(namespace) || docker::records(bundle).any(may_be_there)
}

impl<'a> Site<'a> {
    /// The facts from the database. If the database cannot be read or does not have them, the facts
    /// from containerd itself.
    fn gather(&self, query: FactsQuery<'_>) -> Result<(Facts, FactsSource<'a>), LineageError> {
        let refused = match self.read_database(query) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let Some(address) = address::socket() else {
            return Err(refused);
        };
        let facts = Client::open(&address, self.namespace, self.deadline)
            .and_then(|mut client| Ok((client.facts(query)?, client)));
        match facts {
            Ok((Some(facts), client)) => Ok((facts, FactsSource::Service(client))),
            Ok((None, _)) => Err(Unknown::NoRecord("the container's record", address).into()),
            Err(_) => Err(refused),
        }
    }

    fn read_database(
        &self,
        query: FactsQuery<'_>,
    ) -> Result<(Facts, FactsSource<'a>), LineageError> {
        let no_record =
            |place: &Path| Unknown::NoRecord("the container's record", place.to_owned());
        let metadata =
            MetadataDb::open(self.root.as_deref().ok_or_else(|| no_record(&self.place))?)?;
        // Half of the time is kept for asking containerd.
        let facts = metadata
            .facts(self.namespace, query, &self.deadline.part(2))?
            .ok_or_else(|| no_record(metadata.path()))?;
        Ok((facts, FactsSource::Database(metadata)))
    }

    fn describe(
        &self,
        bundle: &Bundle,
        facts: &Facts,
        source: FactsSource<'_>,
        docker: Option<&DockerContainer>,
    ) -> Result<Origin, LineageError> {
        let content = self.root.as_deref().map(Content::of);
        let (metadata, mut client) = match source {
            FactsSource::Database(metadata) => (Some(metadata), None),
            FactsSource::Service(client) => (None, Some(client)),
        };
        let container = &facts.container;
        let stores = ImageSources {
            metadata: metadata.as_ref(),
            content: content.as_ref(),
            namespace: self.namespace,
            snapshotter: &container.snapshotter,
            paths: self.paths,
            deadline: self.deadline,
        };
        let targets = docker.map_or_else(
            || facts.target.into_iter().collect(),
            |docker| docker.targets.clone(),
        );
        let hints = Hints {
            image_id: container.image_id,
            targets,
        };
        let name = Some(
            docker
                .map_or(&container.image, |docker| &docker.name)
                .clone(),
        )
        .filter(|name| !name.is_empty());
        if facts.top().is_none() {
            let evidence = self.evidence(bundle, facts, client, None)?;
            return without_chain(facts, &hints, name, &stores, evidence);
        }
        let (chain, image) = lineage(
            facts,
            Some(bundle.id.as_str()),
            &hints,
            &stores,
            client.as_mut(),
        )?;
        let evidence = self.evidence(bundle, facts, client, Some(&chain))?;
        Ok(Origin::Image(ImageLineage {
            chain,
            facts: ImageFacts { name, ..image },
            evidence,
        }))
    }

    /// Compares the records with the mount, and says how certain the layers are.
    fn evidence(
        &self,
        bundle: &Bundle,
        facts: &Facts,
        client: Option<Client<'_>>,
        chain: Option<&Chain>,
    ) -> Result<Evidence, LineageError> {
        let mount = mount::at(&bundle.root)?;
        let snapshotter = facts.container.snapshotter.as_str();
        let (expected, has_remote) = match client {
            Some(mut client) => served_mount(&mut client, facts, chain)?,
            None => self.recorded_mount(bundle, snapshotter, facts, mount.as_ref(), chain)?,
        };
        let compared = mounted::compare(&expected, &bundle.root, mount.as_ref())?;
        let is_claimed = has_remote
            || facts.has_remote()
            || !SNAPSHOTTERS.contains(&snapshotter)
            || chain.is_some_and(|chain| chain.diff_ids().is_empty());
        Ok(if is_claimed {
            Evidence::Claimed
        } else {
            compared
        })
    }

    /// The mount that the snapshotter's own database requires, and whether any directory in it was
    /// never unpacked on this machine. The mounted directories show where the snapshotter is: its
    /// `root_path` may be set to another directory, and an old snapshotter may have been left
    /// behind at the usual place.
    fn recorded_mount(
        &self,
        bundle: &Bundle,
        name: &str,
        facts: &Facts,
        mount: Option<&RootMount>,
        chain: Option<&Chain>,
    ) -> Result<(Expected, bool), LineageError> {
        let usual = self
            .root
            .as_ref()
            .map(|root| root.join(format!("io.containerd.snapshotter.v1.{name}")));
        let mounted = mount.and_then(|mount| by_mount::snapshotter_root(mount, &bundle.root));
        let own = facts
            .snapshots
            .first()
            .map_or("", |snapshot| &snapshot.name);
        let mut missing = None;
        for root in [mounted, usual].into_iter().flatten() {
            let snapshotter = match Snapshotter::open(&root) {
                Err(LineageError::Unknown(Unknown::File(error))) if error.is_absent() => continue,
                answer => answer?,
            };
            let Some(layout) = snapshotter.layout(own, self.deadline)? else {
                missing = Some(Unknown::NoRecord(
                    "the container's snapshot",
                    snapshotter.path().to_owned(),
                ));
                continue;
            };
            if let Some(chain) = chain {
                tie(
                    layout
                        .parents
                        .iter()
                        .map(|directory| directory.key.as_str()),
                    chain,
                    snapshotter.path(),
                )?;
            }
            return Ok((mounted::expected(name, &root, &layout), layout.has_remote()));
        }
        match missing {
            Some(missing) if mounted::is_compared(name) => Err(missing.into()),
            Some(_) | None => Ok((Expected::Opaque, false)),
        }
    }
}

#[cfg(test)]
mod tests;

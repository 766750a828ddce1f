//! Identifies the mounted image when the engine has no record of the container.
//!
//! Used for `RUN` steps and frontends of BuildKit, in Docker or as buildkitd, and for roots that
//! somebody mounted by hand. In: the mount at the root, from the kernel, with directories of the
//! form `<snapshotter's root>/snapshots/<number>/fs`; and the databases beside these directories.
//! Out: the [`Origin`], from the names of exactly these directories. The names of an image's
//! snapshots are chain IDs. Or the snapshots are steps of a build, if BuildKit built the image on
//! this machine; then BuildKit's records have the chain IDs of these steps. Snapshots above the
//! image's layers are steps of the running build, and BuildKit's records must say so. Not checked:
//! whether such a step repeats layers of an image.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::build_record::{self, BuildSnapshot};
use super::content::Content;
use super::docker_store::is_init;
use super::expand::{self, ImageSources};
use super::layout::{Layout, SnapshotDirectory, SnapshotKind, Snapshotter};
use super::mounted::is_same;
use super::records::MetadataDb;
use crate::container::mount::{self, RootMount};
use crate::lineage::digest::ChainId;
use crate::lineage::error::{Corrupt, LineageError, Unknown};
use crate::lineage::origin::{Evidence, ImageLineage, Origin};
use crate::paths::Paths;
use crate::sys::deadline::Deadline;
use crate::sys::digits::is_number;

/// The directories of a mounted snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// The snapshotter's root directory.
    pub root: PathBuf,
    /// The number of the upper directory, if there is one.
    pub upper: Option<u64>,
    /// The numbers of the lower directories, topmost first. If a single directory is bind-mounted,
    /// the list has only the number of that directory.
    pub lower: Vec<u64>,
}

/// The origin of what is mounted at `root`, the root of the container in `bundle`. `None` when the
/// mount shows neither a directory of a snapshotter nor an overlay of such directories.
///
/// # Errors
/// [`LineageError`]: the snapshotter's database cannot be read, or contradicts the mount.
pub fn resolve(
    root: &Path,
    bundle: &Path,
    paths: &Paths,
    deadline: &Deadline,
) -> Result<Option<Origin>, LineageError> {
    let Some(mount) = mount::at(root)? else {
        return Ok(None);
    };
    let directories = match directories(&mount) {
        None => bound(&mount, root, bundle),
        overlay => overlay,
    };
    let Some(directories) = directories else {
        return Ok(None);
    };
    let snapshotter = match Snapshotter::open(&directories.root) {
        Err(LineageError::Unknown(Unknown::File(error))) if error.is_absent() => return Ok(None),
        answer => answer?,
    };
    let layout = match (directories.upper, directories.lower.as_slice()) {
        (Some(upper), [above, ..]) => snapshotter.layout_of(upper, *above, deadline)?,
        (None, [top, ..]) => snapshotter.layout_numbered(*top, deadline)?,
        (_, []) => return Ok(None),
    };
    let Some(layout) = layout else {
        let database = snapshotter.path().to_owned();
        return Err(Unknown::NoRecord("the mounted snapshot", database).into());
    };
    // If only the container's own directory is mounted, the build started from scratch.
    let is_own = directories.upper.is_none()
        && layout.kind == SnapshotKind::Active
        && layout.parents.is_empty();
    let layers = layers(layout);
    let recorded: Vec<u64> = layers.iter().map(|directory| directory.number).collect();
    if recorded != directories.lower && !is_own {
        let difference = format!(
            "the directories {:?} instead of {recorded:?}",
            directories.lower
        );
        return Err(Corrupt::Mount(root.to_owned(), difference).into());
    }
    match origin(&directories.root, &layers, bundle, paths, deadline)? {
        None => Err(Unknown::Mount(root.to_owned()).into()),
        origin => Ok(origin),
    }
}

/// The directories that are layers, topmost first, without the container's own directory.
fn layers(layout: Layout) -> Vec<SnapshotDirectory> {
    let own = (layout.kind == SnapshotKind::Committed).then_some(layout.own);
    own.into_iter().chain(layout.parents).collect()
}

/// The origin of a root with these layers, topmost first. `None` when the contents of a layer are
/// not known.
fn origin(
    root: &Path,
    layers: &[SnapshotDirectory],
    bundle: &Path,
    paths: &Paths,
    deadline: &Deadline,
) -> Result<Option<Origin>, LineageError> {
    let (metadata, content, snapshotter) = stores(root);
    let Some(names) = names(layers, &build_records(bundle, &snapshotter), deadline)? else {
        return Ok(None);
    };
    let (Some(top), Some(lowest)) = (names.last().copied(), layers.last()) else {
        return Ok(Some(Origin::NoImage));
    };
    let namespace = &lowest.namespace;
    let stores = ImageSources {
        metadata: metadata.as_ref(),
        content: content.as_ref(),
        namespace,
        snapshotter: &snapshotter,
        paths,
        deadline,
    };
    let (chain, facts) = match expand::by_documents(top, &expand::Hints::default(), &stores)? {
        Some(found) => found,
        None => expand::by_names(top, Some(names.clone()), &stores)?,
    };
    if chain.chain_ids() != names {
        return Err(Corrupt::File(
            root.join("metadata.db"),
            "its snapshots do not have the names that their layers hash to".into(),
        )
        .into());
    }
    let is_claimed =
        layers.iter().any(|directory| directory.is_remote) || chain.diff_ids().is_empty();
    let evidence = if is_claimed {
        Evidence::Claimed
    } else {
        Evidence::Mount
    };
    Ok(Some(Origin::Image(ImageLineage {
        chain,
        facts,
        evidence,
    })))
}

/// The chain IDs of the layers, from the lowest layer up to the highest layer that has a chain ID.
/// All layers above must be steps of a build. `None` when a layer has no chain ID and is not a step
/// either, because the contents of that layer are not known.
fn names(
    layers: &[SnapshotDirectory],
    records: &[PathBuf],
    deadline: &Deadline,
) -> Result<Option<Vec<ChainId>>, LineageError> {
    let mut names: Vec<ChainId> = Vec::new();
    let mut has_step = false;
    for directory in layers.iter().rev() {
        if is_init(&directory.key) {
            continue;
        }
        let found = match ChainId::parse(&directory.key) {
            Ok(name) => Some(BuildSnapshot::Layer(name)),
            Err(_) => recorded(records, &directory.key, names.last().copied(), deadline)?,
        };
        match found {
            Some(BuildSnapshot::Layer(name)) if !has_step => names.push(name),
            Some(BuildSnapshot::Step) => has_step = true,
            Some(BuildSnapshot::Layer(_)) | None => return Ok(None),
        }
    }
    Ok(Some(names))
}

/// What these databases say about the snapshot. The first database that has a record of the
/// snapshot is used.
fn recorded(
    records: &[PathBuf],
    key: &str,
    below: Option<ChainId>,
    deadline: &Deadline,
) -> Result<Option<BuildSnapshot>, LineageError> {
    for database in records {
        match build_record::snapshot(database, key, below, deadline) {
            Ok(None) => {}
            Err(LineageError::Unknown(Unknown::File(error))) if error.is_absent() => {}
            answer => return answer,
        }
    }
    Ok(None)
}

/// Where BuildKit's records may be when the bundle is `<root>/executor/<id>`: in Docker below the
/// root, elsewhere in the root itself.
fn build_records(bundle: &Path, snapshotter: &str) -> Vec<PathBuf> {
    let (Some(executor), Some(root)) = (bundle.parent(), bundle.ancestors().nth(2)) else {
        return Vec::new();
    };
    if !executor.ends_with("executor") {
        return Vec::new();
    }
    vec![
        root.join(format!("containerd-{snapshotter}/metadata_v2.db")),
        root.join("metadata_v2.db"),
    ]
}

/// The databases that belong to the root directory of a snapshotter: the databases of containerd,
/// or the databases of a BuildKit that runs without containerd
/// (`<root>/runc-<snapshotter>/snapshots`).
fn stores(root: &Path) -> (Option<MetadataDb>, Option<Content>, String) {
    let Some(above) = root.parent() else {
        return (None, None, String::new());
    };
    match file_name(root).strip_prefix("io.containerd.snapshotter.v1.") {
        Some(snapshotter) => (
            MetadataDb::open(above).ok(),
            Some(Content::of(above)),
            snapshotter.to_owned(),
        ),
        None => {
            let snapshotter = file_name(above).strip_prefix("runc-").unwrap_or_default();
            (
                MetadataDb::open_file(above.join("containerdmeta.db")).ok(),
                Some(Content::at(&above.join("content"))),
                snapshotter.to_owned(),
            )
        }
    }
}

/// The last name in a path; empty when the path has no name, or when the last name is not UTF-8.
fn file_name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

/// The directories of an overlay, if all of them have the form `<root>/snapshots/<number>/fs`.
/// `None` for any other mount.
#[must_use]
pub fn directories(mount: &RootMount) -> Option<Directories> {
    let (root, number) = numbered(mount.upperdir.as_ref().or(mount.lowerdirs.first())?)?;
    let mut lower = Vec::with_capacity(mount.lowerdirs.len());
    for directory in &mount.lowerdirs {
        lower.push(lower_number(root, directory)?);
    }
    Some(Directories {
        root: root.to_owned(),
        upper: mount.upperdir.is_some().then_some(number),
        lower,
    })
}

/// The root directory of the snapshotter whose directory is mounted at `root`, by itself or in an
/// overlay.
#[must_use]
pub fn snapshotter_root(mount: &RootMount, root: &Path) -> Option<PathBuf> {
    if let Some(directories) = directories(mount) {
        return Some(directories.root);
    }
    snapshotter_of(&mount.root)?;
    snapshotter_of(&mount::shown_directory(mount, root)?)
}

/// The snapshotter's root in a path `<root>/snapshots/<number>` or `<root>/snapshots/<number>/fs`.
fn snapshotter_of(directory: &Path) -> Option<PathBuf> {
    let directory = if directory.ends_with("fs") {
        directory.parent()?
    } else {
        directory
    };
    let (number, snapshots) = (file_name(directory), directory.parent()?);
    if is_number(number) && snapshots.ends_with("snapshots") {
        Some(snapshots.parent()?.to_owned())
    } else {
        None
    }
}

/// The single directory that is bind-mounted at the root. The kernel reports only the directory's
/// path inside its file system. So the end of that path is appended to each directory above the
/// bundle, until one of the results is the very same directory.
fn bound(mount: &RootMount, root: &Path, bundle: &Path) -> Option<Directories> {
    numbered(&mount.root)?;
    let mut end = mount.root.components();
    while end.next().is_some() {
        // At least these four names are needed: the snapshotter's own name, `snapshots`, the number
        // and `fs`.
        if end.clone().count() < 4 {
            break;
        }
        for above in bundle.ancestors() {
            let directory = above.join(&end);
            if is_same(&directory, root) {
                let (root, number) = numbered(&directory)?;
                return Some(Directories {
                    root: root.to_owned(),
                    upper: None,
                    lower: vec![number],
                });
            }
        }
    }
    None
}

fn lower_number(root: &Path, directory: &Path) -> Option<u64> {
    if directory.is_relative() {
        return Some(numbered(&Path::new("/snapshots").join(directory))?.1);
    }
    let (above, number) = numbered(directory)?;
    (above == root).then_some(number)
}

/// The root and the number in a path `<root>/snapshots/<number>/fs`.
fn numbered(directory: &Path) -> Option<(&Path, u64)> {
    let number = directory.parent()?;
    let (digits, snapshots) = (file_name(number), number.parent()?);
    let fits = directory.ends_with("fs")
        && snapshots.ends_with("snapshots")
        && is_number(digits)
        && !digits.starts_with('0');
    if !fits {
        return None;
    }
    Some((snapshots.parent()?, digits.parse().ok()?))
}

#[cfg(test)]
mod tests;

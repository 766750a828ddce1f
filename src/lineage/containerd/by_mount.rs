//! Which image is mounted, when the engine keeps no record of the container?
//!
//! For `RUN` steps of BuildKit, in Docker or as buildkitd, and for roots that somebody mounted by hand. In: the root's overlay mount, from the kernel, whose
//! folders are `<snapshotter's root>/snapshots/<number>/fs`, and the database beside them. Out: the [`Origin`], from the names of just these folders; snapshots
//! above the first that is named after a chain ID are a build's own steps. Not checked: whether such a step repeats layers of an image.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::content::Content;
use super::expand::{self, Stores};
use super::layout::{Layout, Snapshotter};
use super::records::Metadata;
use crate::container::mount::{self, RootMount};
use crate::lineage::digest::ChainId;
use crate::lineage::{Corrupt, Evidence, ImageLineage, LineageError, Origin, Unknown};
use crate::paths::Paths;

/// The folders of an overlay of snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// The snapshotter's root folder.
    pub root: PathBuf,
    /// The number of the upper folder.
    pub upper: u64,
    /// The numbers of the lower folders, topmost first.
    pub lower: Vec<u64>,
}

/// What is mounted at `root`; `None` when that is no overlay of a snapshotter's folders.
///
/// # Errors
/// [`LineageError`]: the snapshotter's database cannot be read, or contradicts the mount.
pub fn resolve(root: &Path, paths: &Paths, deadline: Instant) -> Result<Option<Origin>, LineageError> {
    let mount = mount::at(root).map_err(|error| Unknown::Bundle(Box::new(error)))?;
    let Some(folders) = mount.as_ref().and_then(folders) else { return Ok(None) };
    let snapshotter = match Snapshotter::open(&folders.root) {
        Err(LineageError::Unknown(Unknown::File(error))) if error.is_absent() => return Ok(None),
        answer => answer?,
    };
    let (Some(above), false) = (folders.lower.first(), folders.lower.is_empty()) else { return Ok(None) };
    let layout = snapshotter.layout_of(folders.upper, *above, deadline)?;
    let layout = layout.ok_or_else(|| Unknown::NoRecord("the mounted snapshot", snapshotter.path().to_owned()))?;
    agree(root, &folders, &layout)?;
    origin(&folders.root, snapshotter.path(), &layout, paths, deadline).map(Some)
}

fn agree(root: &Path, folders: &Folders, layout: &Layout) -> Result<(), Corrupt> {
    let recorded = layout.parents.iter().map(|folder| folder.number);
    if layout.own.number == folders.upper && recorded.clone().eq(folders.lower.iter().copied()) {
        return Ok(());
    }
    let difference = format!("the lower folders {:?} instead of {:?}", folders.lower, recorded.collect::<Vec<_>>());
    Err(Corrupt::Mount(root.to_owned(), difference))
}

/// The origin of a snapshot with this layout.
fn origin(root: &Path, database: &Path, layout: &Layout, paths: &Paths, deadline: Instant) -> Result<Origin, LineageError> {
    let Some(first) = layout.parents.iter().position(|folder| ChainId::parse(&folder.key).is_ok()) else { return Ok(Origin::NoImage) };
    let image = &layout.parents[first..];
    let names: Result<Vec<_>, _> = image.iter().rev().map(|folder| ChainId::parse(&folder.key)).collect();
    let names = names.map_err(|error| Corrupt::File(database.to_owned(), format!("a layer below a chain ID has none: {error}")))?;
    let namespace = &image[0].namespace;
    let (metadata, content, snapshotter) = stores(root);
    let stores = Stores { metadata: metadata.as_ref(), content: content.as_ref(), namespace, snapshotter: &snapshotter, paths, deadline };
    let top = names.last().copied().ok_or_else(|| Unknown::Mount(root.to_owned()))?;
    let (chain, facts) = expand::expand(top, &expand::Hints::default(), &stores, || Ok(Some(names.clone())))?;
    if chain.chain_ids() != names {
        return Err(Corrupt::File(database.to_owned(), "its snapshots are not named as their layers hash".into()).into());
    }
    let evidence = if layout.parents.iter().any(|folder| folder.is_remote) { Evidence::Claimed } else { Evidence::Mount };
    Ok(Origin::Image(ImageLineage { chain, facts, evidence }))
}

/// The databases that go with a snapshotter's root folder: containerd's, or those of a BuildKit that keeps its own (`<root>/runc-<snapshotter>/snapshots`).
fn stores(root: &Path) -> (Option<Metadata>, Option<Content>, String) {
    let name = root.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(above) = root.parent() else { return (None, None, String::new()) };
    match name.strip_prefix("io.containerd.snapshotter.v1.") {
        Some(snapshotter) => (Metadata::open(above).ok(), Some(Content::of(above)), snapshotter.to_owned()),
        None => {
            let worker = above.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let snapshotter = worker.strip_prefix("runc-").unwrap_or_default().to_owned();
            (Metadata::open_file(above.join("containerdmeta.db")).ok(), Some(Content::at(&above.join("content"))), snapshotter)
        }
    }
}

/// The folders of an overlay whose upper and lower folders are all `<root>/snapshots/<number>/fs`; `None` for any other mount.
#[must_use]
pub fn folders(mount: &RootMount) -> Option<Folders> {
    let (root, upper) = numbered(mount.upperdir.as_deref()?)?;
    let lower: Option<Vec<u64>> = mount.lowerdirs.iter().map(|folder| lower_number(root, folder)).collect();
    Some(Folders { root: root.to_owned(), upper, lower: lower? })
}

fn lower_number(root: &Path, folder: &Path) -> Option<u64> {
    if folder.is_relative() {
        return numbered(&Path::new("/snapshots").join(folder)).map(|(_, number)| number);
    }
    numbered(folder).and_then(|(above, number)| (above == root).then_some(number))
}

/// The root and the number in `<root>/snapshots/<number>/fs`.
fn numbered(folder: &Path) -> Option<(&Path, u64)> {
    let number = folder.parent().filter(|_| folder.ends_with("fs"))?;
    let snapshots = number.parent().filter(|snapshots| snapshots.ends_with("snapshots"))?;
    let digits = number.file_name()?.to_str()?;
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit()) && !digits.starts_with('0');
    Some((snapshots.parent()?, digits.parse().ok().filter(|_| plain)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_of_a_snapshotter_are_recognised_wherever_they_stand() {
        let mount = |upper: &str, lower: &[&str]| RootMount {
            fs_type: "overlay".into(),
            upperdir: Some(upper.into()),
            lowerdirs: lower.iter().map(PathBuf::from).collect(),
            ..RootMount::default()
        };
        let found = Some(Folders { root: "/c/sn".into(), upper: 9, lower: vec![12, 2] });
        for (mount, folders_found) in [
            (mount("/c/sn/snapshots/9/fs", &["/c/sn/snapshots/12/fs", "/c/sn/snapshots/2/fs"]), found.clone()),
            (mount("/c/sn/snapshots/9/fs", &["12/fs", "2/fs"]), found),
            (mount("/c/sn/snapshots/9/fs", &["/c/sn/snapshots/12/fs", "/c/other/snapshots/2/fs"]), None),
            (mount("/c/sn/snapshots/9/fs", &["12/fs", "/evil"]), None),
            (mount("/c/sn/snapshots/9/work", &["12/fs"]), None),
            (mount("/c/sn/snapshots/09/fs", &["12/fs"]), None),
            (mount("/c/sn/snapshots/+9/fs", &["12/fs"]), None),
            (mount("/var/lib/docker/overlay2/abc/diff", &["/var/lib/docker/overlay2/def/diff"]), None),
            (RootMount { fs_type: "ext4".into(), ..RootMount::default() }, None),
        ] {
            assert_eq!(folders(&mount), folders_found, "{mount:?}");
        }
    }
}

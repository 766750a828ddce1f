//! Finds the stores in which the record, layers and image of a container can be.
//!
//! In: the graph root, other stores that the mount shows, and `storage.conf` (root's files). Out:
//! paths to search, the nearest first. A wrong path costs only a search: what is found at that path
//! must still fit the container's record and the mount. Not checked: who owns the stores. In a
//! rootless engine, the stores belong to the user, and the result is only advice.
//!
//! ```text
//! <graph root>/<driver>-containers/{containers,volatile-containers}.json      <run root>/<driver>-containers/volatile-containers.json (transient)
//! <graph root>/<driver>-layers/{layers,volatile-layers}.json                  <run root>/<driver>-layers/volatile-layers.json (transient)
//! <graph root>/<driver>-images/images.json, <image ID>/<item>
//! <graph root>/overlay/<layer>/{diff,link,lower,merged}, l/<link>   vfs/dir/<layer>   btrfs/subvolumes/<layer>   zfs/graph/<layer>
//! ```
//! Source: containers/storage, store.go (`load`, `getLayerStoreLocked`), drivers/*.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::conf::StorageSettings;
use super::layer_id::LayerId;
use crate::sys::file::{self, Guard};

/// The size, in bytes, of the largest command line that is read.
const LARGEST_TEXT: u64 = 1 << 20;

/// The stores that may have the layers and images of one driver.
#[derive(Clone, Debug)]
pub struct DriverStores {
    driver: String,
    roots: Vec<PathBuf>,
    /// The settings files; `None` once the files have been read.
    settings: Option<Vec<PathBuf>>,
}

impl DriverStores {
    /// Knows only the store at `root`, until other stores are found. The additional stores in
    /// `settings` are searched last.
    #[must_use]
    pub fn new(driver: &str, root: &Path, settings: &[PathBuf]) -> Self {
        Self {
            driver: driver.to_owned(),
            roots: vec![root.to_owned()],
            settings: Some(settings.to_vec()),
        }
    }

    /// The storage driver.
    #[must_use]
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// The first store, which has the container.
    #[must_use]
    pub fn first(&self) -> &Path {
        self.roots.first().map_or(Path::new("/"), PathBuf::as_path)
    }

    /// All stores that are known so far.
    #[must_use]
    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// Adds the store at `root`, unless the store is already known.
    pub fn learn(&mut self, root: &Path) {
        let root = root.to_owned();
        if !self.roots.contains(&root) {
            self.roots.push(root);
        }
    }

    /// The path `<root>/<driver>-<kind>/<name>`.
    #[must_use]
    pub fn file(&self, root: &Path, kind: &str, name: &str) -> PathBuf {
        root.join(format!("{}-{kind}", self.driver)).join(name)
    }

    /// Calls `ask` for one store after the other until a call returns a value. The stores in the
    /// settings come last.
    pub fn find<T>(&mut self, ask: impl Fn(&Self, &Path) -> Option<T>) -> Option<T> {
        let mut asked = 0;
        loop {
            while let Some(root) = self.roots.get(asked) {
                if let Some(answer) = ask(self, root) {
                    return Some(answer);
                }
                asked += 1;
            }
            if !self.read_settings() {
                return None;
            }
        }
    }

    /// Whether a layer comes from a store of lazily pulled layers and was never unpacked. Such a
    /// store takes the diff ID from the image's author. The directory of a lazily pulled layer is a
    /// link (containers/storage, drivers/overlay/overlay.go, `CreateAs`).
    #[must_use]
    pub fn is_lazy(&self, layer: LayerId) -> bool {
        let contents = Path::new(&self.driver).join(layer.to_string()).join("diff");
        for root in &self.roots {
            if let Ok(facts) = root.join(&contents).symlink_metadata() {
                return facts.is_symlink();
            }
        }
        false
    }

    /// Adds the stores in the settings, and the stores in the engine's command line. Returns
    /// `false` when the settings have been read before. A file that cannot be read names no stores.
    pub fn read_settings(&mut self) -> bool {
        let Some(files) = self.settings.take() else {
            return false;
        };
        let arguments = arguments_of(&format!("/proc/{}/cmdline", nix::unistd::getppid()));
        for root in StorageSettings::load(&files).image_stores {
            self.learn(&root);
        }
        for root in image_stores_in(&arguments) {
            self.learn(&root);
        }
        true
    }
}

/// The command line of a process; empty when the command line cannot be read.
fn arguments_of(path: &str) -> Vec<u8> {
    file::read(Path::new(path), LARGEST_TEXT, Guard::Any).unwrap_or_default()
}

/// The additional image stores in a command line, whose arguments end with zero bytes. conmon's
/// command line has Podman's `--storage-opt <driver>.imagestore=<root>` and `--imagestore <root>`,
/// which are in no file. Before each argument of Podman, conmon has `--exit-command-arg` (Podman
/// 5.8, pkg/specgenutil/util.go, `CreateExitCommandArgs`).
#[must_use]
pub fn image_stores_in(arguments: &[u8]) -> Vec<PathBuf> {
    let mut stores = Vec::new();
    let mut is_next = false;
    for argument in arguments.split(|byte| *byte == 0) {
        match argument {
            b"--exit-command-arg" => {}
            b"--imagestore" => is_next = true,
            root if is_next => {
                stores.extend(absolute(root));
                is_next = false;
            }
            option => stores.extend(image_store(option)),
        }
    }
    stores
}

fn image_store(argument: &[u8]) -> Option<PathBuf> {
    let equals = argument.iter().position(|byte| *byte == b'=')?;
    let option = std::str::from_utf8(&argument[..equals]).ok()?;
    let is_one = matches!(
        option.rsplit('.').next()?,
        "imagestore" | "additionalimagestore" | "--imagestore"
    );
    if !is_one {
        return None;
    }
    absolute(&argument[equals + 1..])
}

fn absolute(path: &[u8]) -> Option<PathBuf> {
    let path = Path::new(OsStr::from_bytes(path));
    path.is_absolute().then(|| path.to_owned())
}

/// The directory at which a driver shows the layer of a container.
#[must_use]
pub fn shown_at(root: &Path, driver: &str, layer: LayerId) -> PathBuf {
    let layer = layer.to_string();
    match driver {
        "vfs" => root.join("vfs/dir").join(layer),
        "btrfs" => root.join("btrfs/subvolumes").join(layer),
        "zfs" => root.join("zfs/graph").join(layer),
        _overlay => root.join(driver).join(layer).join("merged"),
    }
}

/// The store and the layer in a path that [`shown_at`] would return; `None` for any other path.
#[must_use]
pub fn shown_in(path: &Path, driver: &str) -> Option<(PathBuf, LayerId)> {
    let layer_directory = match driver {
        "vfs" | "btrfs" | "zfs" => path,
        _overlay => path.parent()?,
    };
    let layer = LayerId::parse(layer_directory.file_name()?.to_str()?)?;
    let directories = match driver {
        "vfs" | "btrfs" | "zfs" => 3,
        _overlay => 2,
    };
    let root = layer_directory.ancestors().nth(directories)?;
    if shown_at(root, driver, layer) != path {
        return None;
    }
    Some((root.to_owned(), layer))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "efcf4b113164cc7094bbaec5ee72350ef13e568d0e9cf31cf056fd3147234992";

    #[test]
    fn the_path_of_a_layer_names_its_store() {
        for (driver, path) in [
            ("overlay", format!("/srv/x/overlay/{ID}/merged")),
            ("vfs", format!("/srv/x/vfs/dir/{ID}")),
            ("btrfs", format!("/srv/x/btrfs/subvolumes/{ID}")),
            ("zfs", format!("/srv/x/zfs/graph/{ID}")),
        ] {
            let layer = LayerId::parse(ID).unwrap();
            assert_eq!(
                shown_at(Path::new("/srv/x"), driver, layer),
                Path::new(&path)
            );
            assert_eq!(
                shown_in(Path::new(&path), driver),
                Some(("/srv/x".into(), layer)),
                "{path}"
            );
        }
        for path in [
            "",
            "/",
            "/merged",
            "/srv/x/overlay/short/merged",
            &format!("/srv/x/overlay/{ID}/diff"),
            &format!("/srv/x/other/{ID}/merged"),
            ID,
        ] {
            assert_eq!(shown_in(Path::new(path), "overlay"), None, "{path}");
        }
    }

    #[test]
    fn a_command_line_shows_other_stores() {
        let arguments =
            b"conmon\0--exit-command-arg\0--storage-opt\0--exit-command-arg\0overlay.imagestore=/srv/a\0additionalimagestore=/srv/b\0\
                      overlay.imagestore=relative\0overlay.mount_program=/usr/bin/fuse-overlayfs\0imagestore\0\xff=/x\0";
        assert_eq!(
            image_stores_in(arguments),
            [PathBuf::from("/srv/a"), "/srv/b".into()]
        );
        // Whatever the driver, `podman --imagestore /srv/i` is passed on like this.
        for (arguments, stores) in [
            (
                &b"conmon\0--exit-command-arg\0--imagestore\0--exit-command-arg\0/srv/i\0--exit-command-arg\0--storage-driver\0--exit-command-arg\0vfs\0"[..],
                &["/srv/i"][..],
            ),
            (b"podman\0--imagestore=/srv/i\0run\0", &["/srv/i"]),
            (b"podman\0--imagestore\0relative\0/srv/x\0", &[]),
            (b"podman\0--imagestore", &[]),
            (b"", &[]),
        ] {
            let found = image_stores_in(arguments);
            let stores: Vec<_> = stores.iter().map(PathBuf::from).collect();
            assert_eq!(found, stores, "{}", String::from_utf8_lossy(arguments));
        }
    }
}

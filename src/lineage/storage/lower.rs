//! Reads which layers an overlay mount consists of.
//!
//! In: the lower directories of a mount, as the kernel names them, or the contents of a layer's
//! file `lower`. Out: the IDs of the layers, lowest first, and the stores that have the layers.
//! Some directories have a form that hides the layer; other directories have a form that no version
//! of containers/storage makes. The two kinds of directories are distinguished. [`parse`] is pure;
//! the short names `l/<link>` are links, which readlink(2) reads. Not checked: whether these are
//! the layers that the records name.
//!
//! | form, after the driver's directory | made by |
//! |---|---|
//! | `l/<26 characters>`, `l/<…>/../diff1` | Podman 4.3, Buildah 1.28, CRI-O 1.37: a link to `../<layer>/diff` |
//! | `<layer>/diff`, `<layer>/diff1` | Podman 5.8 |
//! | `<layer>/empty` | the lowest directory of a container without layers |
//! | `<own layer>/mapped/<n>/l/<…>` | Podman 4.3 with `--uidmap`, if overlay accepts ID-mapped lower directories; no longer exists once it is mounted |
//! | `<own layer>/mapped/<n>/diff…`, `<own layer>/composefs-layers/<n>` | the same for directories without a link, and composefs: the layer is not known |
//! | `<n>` | Podman 5.8, if the options would fill a page (37 layers): a descriptor of the process that mounted the overlay, which no longer exists; the layer is not known |
//!
//! Source: containers/storage, drivers/overlay/overlay.go, `get`, `getMappedMountRoot`; mount.go,
//! `mountOverlayFromMain`.

use std::path::{Path, PathBuf};

use super::layer_id::LayerId;
use super::stores::DriverStores;
use crate::sys::digits::is_number;

/// What the path of a lower directory says about its layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lower {
    /// The layer with this ID, in this directory of the driver.
    Layer(PathBuf, LayerId),
    /// A link to a layer, in this directory of the driver.
    Link(PathBuf, String),
    /// The directory that stands for "no layers".
    Empty,
    /// A layer, but its ID is not known.
    Hidden,
    /// A directory that containers/storage does not make.
    Foreign,
}

/// Reads the path of a lower directory.
#[must_use]
pub fn parse(directory: &Path) -> Lower {
    // After a copy for other owners comes its original: `<copy>/../diff1`.
    let copied = match (directory.parent(), directory.file_name()) {
        (Some(above), Some(name))
            if above.ends_with("..") && name.to_str().is_some_and(is_diff) =>
        {
            above.parent()
        }
        (Some(_) | None, _) => None,
    };
    let named = copied.unwrap_or(directory);
    let names: Vec<_> = named
        .iter()
        .rev()
        .take(4)
        .map(|name| name.to_str().unwrap_or_default())
        .collect();
    let home = named.ancestors().nth(2).unwrap_or(Path::new(""));
    match *names {
        [link, "l", ..] if is_link(link) => Lower::Link(home.to_owned(), link.to_owned()),
        [diff, number, "mapped", layer]
            if is_diff(diff) && is_number(number) && LayerId::parse(layer).is_some() =>
        {
            Lower::Hidden
        }
        [number, "composefs-layers", layer, ..]
            if is_number(number) && LayerId::parse(layer).is_some() =>
        {
            Lower::Hidden
        }
        [number] if copied.is_none() && is_number(number) => Lower::Hidden,
        [last, layer, ..] => match LayerId::parse(layer) {
            Some(layer) if is_diff(last) => Lower::Layer(home.to_owned(), layer),
            Some(_) if last == "empty" => Lower::Empty,
            Some(_) | None => Lower::Foreign,
        },
        [_] | [] => Lower::Foreign,
    }
}

fn is_link(name: &str) -> bool {
    name.len() == 26
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn is_diff(name: &str) -> bool {
    match name.strip_prefix("diff") {
        Some(number) => number.is_empty() || is_number(number),
        None => false,
    }
}

/// The layers that a mount consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// The IDs of the layers, lowest first. Each ID occurs once, even if the layer has several
    /// directories.
    pub layers: Vec<LayerId>,
    /// Whether there are directories whose layer is not known.
    pub hidden: bool,
}

impl Stack {
    /// Reads lower directories, topmost first. Relative paths start at the driver's directory in
    /// the first store. Stores that the paths show are added to the known stores.
    ///
    /// # Errors
    /// The directory that belongs to no layer.
    pub fn read<P: AsRef<Path>>(
        directories: impl IntoIterator<Item = P>,
        stores: &mut DriverStores,
    ) -> Result<Self, PathBuf> {
        let mut stack = Self::default();
        let mut empty = false;
        for directory in directories {
            let directory = directory.as_ref();
            match parse(directory) {
                Lower::Layer(home, layer) => stack.add(&home, layer, stores),
                Lower::Link(home, link) => match follow(&home, &link, stores) {
                    Some((home, layer)) => stack.add(&home, layer, stores),
                    None if is_elsewhere(&home) => stack.hidden = true,
                    None => return Err(directory.to_owned()),
                },
                Lower::Empty => empty = true,
                Lower::Hidden => stack.hidden = true,
                Lower::Foreign => return Err(directory.to_owned()),
            }
        }
        stack.layers.reverse();
        // Only the directory that stands for "no layers" proves that there are none.
        stack.hidden |= stack.layers.is_empty() && !empty;
        Ok(stack)
    }

    fn add(&mut self, home: &Path, layer: LayerId, stores: &mut DriverStores) {
        if home.is_absolute()
            && let Some(root) = home.parent()
        {
            stores.learn(root);
        }
        if self.layers.last() != Some(&layer) {
            self.layers.push(layer);
        }
    }
}

/// The layer that a link leads to, and the driver's directory that contains both the link and the
/// layer.
fn follow(home: &Path, link: &str, stores: &mut DriverStores) -> Option<(PathBuf, LayerId)> {
    if !is_elsewhere(home) {
        return Some((home.to_owned(), read_link(home, link)?));
    }
    stores.find(|stores, root| {
        let home = root.join(stores.driver());
        let layer = read_link(&home, link)?;
        Some((home, layer))
    })
}

/// Whether it is not known which store a directory of links belongs to. The store is not known if
/// the path is relative, or if the directory was ID-mapped only while the mount was made.
fn is_elsewhere(home: &Path) -> bool {
    match home.parent() {
        Some(above) if home.is_absolute() => above.ends_with("mapped"),
        Some(_) | None => home.is_relative(),
    }
}

/// Reads `<home>/l/<link>`, which leads to `../<layer>/diff`.
fn read_link(home: &Path, link: &str) -> Option<LayerId> {
    let target = std::fs::read_link(home.join("l").join(link)).ok()?;
    LayerId::parse(
        target
            .to_str()?
            .strip_prefix("../")?
            .strip_suffix("/diff")?,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "efcf4b113164cc7094bbaec5ee72350ef13e568d0e9cf31cf056fd3147234992";
    const LINK: &str = "NLQPOFIRU6GGFWCCOJHKDGUMCJ";

    #[test]
    fn each_form_of_a_lower_directory_is_recognised() {
        let home = "/var/lib/containers/storage/overlay";
        let layer = |home: &str| Lower::Layer(home.into(), LayerId::parse(ID).unwrap());
        let link = |home: &str| Lower::Link(home.into(), LINK.to_owned());
        for (directory, expected) in [
            (format!("{home}/l/{LINK}"), link(home)),
            (format!("{home}/l/{LINK}/../diff1"), link(home)),
            (format!("l/{LINK}"), link("")),
            (format!("{home}/{ID}/diff"), layer(home)),
            (format!("{home}/{ID}/diff12"), layer(home)),
            (format!("{home}/{ID}/diff/../diff1"), layer(home)),
            (format!("{ID}/diff"), layer("")),
            (format!("{home}/{ID}/empty"), Lower::Empty),
            (
                format!("{home}/{ID}/mapped/0/l/{LINK}"),
                link(&format!("{home}/{ID}/mapped/0")),
            ),
            (format!("{home}/{ID}/mapped/3/diff1"), Lower::Hidden),
            (format!("{home}/{ID}/composefs-layers/1"), Lower::Hidden),
            ("3".to_owned(), Lower::Hidden),
            ("512".to_owned(), Lower::Hidden),
        ] {
            assert_eq!(parse(Path::new(&directory)), expected, "{directory}");
        }
    }

    #[test]
    fn a_directory_of_any_other_form_is_foreign() {
        for directory in [
            "",
            "/",
            "/diff",
            "diff",
            "/3",
            "3x",
            "fd/3",
            "../3",
            "3/../diff1",
            "/srv/root",
            "/x/overlay/l/short",
            "/x/overlay/l/nlqpofiru6ggfwccojhkdgumcj",
            "/x/overlay/short/diff",
            "/x/overlay/short/empty",
            &format!("/x/overlay/{ID}/merged"),
            &format!("/x/overlay/{ID}/diffx"),
            &format!("/x/overlay/{ID}/diff/.."),
            &format!("/x/overlay/{ID}/diff/../../diff1"),
            &format!("/x/overlay/{ID}"),
            "/x/mapped/0/diff",
            &format!("/x/{ID}/mapped/x/diff"),
            &format!("/x/{ID}/composefs-layers/x"),
        ] {
            assert_eq!(parse(Path::new(directory)), Lower::Foreign, "{directory}");
        }
    }

    #[test]
    fn only_the_empty_directory_says_that_there_is_no_layer() {
        let mut stores = DriverStores::new("overlay", Path::new("/nowhere"), &[]);
        let empty = format!("/nowhere/overlay/{ID}/empty");
        assert_eq!(Stack::read([&empty], &mut stores), Ok(Stack::default()));
        assert_eq!(
            Stack::read([""; 0], &mut stores),
            Ok(Stack {
                layers: Vec::new(),
                hidden: true
            })
        );
        assert_eq!(
            Stack::read([&empty, "/srv/evil"], &mut stores),
            Err(PathBuf::from("/srv/evil"))
        );
    }
}

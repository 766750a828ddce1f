//! Determines the layers of a managed plugin of Docker (`docker plugin`).
//!
//! Docker unpacks the layers of a plugin into one directory, and runs the plugin through containerd
//! in a namespace of its own, without a snapshot. In: a bundle, and Docker's record of the plugin,
//! which ties the container's ID to the plugin's config. Out: the [`Origin`]. The plugin's config
//! takes the place of the image config, and the digest of that config takes the place of the image
//! ID. The layers are the ones in the config. Docker only records these layers and does not verify
//! them. In the config of a plugin that was made on this machine (`docker plugin create`), the
//! layer is named by the digest of its compressed archive.
//!
//! ```text
//! <data root>/plugins/<container>/rootfs                         root.path
//! <data root>/plugins/<container>/config.json                    the record: name, digests of config and manifest
//! <data root>/plugins/storage/blobs/sha256/<digest>              the config: its diff IDs
//! ```
//!
//! Seen with Docker 20.10 and 28.5. Not checked: whether the directory still contains what was
//! unpacked into it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::fault::broken;
use super::record::none_if_empty;
use crate::container::bundle::Bundle;
use crate::lineage::digest::{Digest, ImageId};
use crate::lineage::error::{InFile, LineageError};
use crate::lineage::image::ImageConfig;
use crate::lineage::origin::{Evidence, ImageFacts, Origin};
use crate::sys::file::{self, Guard};

/// The size, in bytes, of the largest record that is read.
const LARGEST_RECORD: u64 = 1 << 20;

/// What Docker records about a plugin.
#[derive(Debug, PartialEq, Eq)]
struct PluginRecord {
    /// The digest of the plugin's config.
    config: Digest,
    /// The digest of the plugin's manifest.
    manifest: Option<Digest>,
    /// The plugin's name, which is only shown.
    name: Option<String>,
}

#[derive(Deserialize)]
struct RecordText {
    #[serde(rename = "Config")]
    config: String,
    #[serde(rename = "Manifest", default)]
    manifest: Option<String>,
    plugin: PluginText,
}

#[derive(Deserialize)]
struct PluginText {
    #[serde(rename = "Name", default)]
    name: Option<String>,
}

impl PluginRecord {
    fn parse(json: &[u8]) -> Result<Self, String> {
        let text: RecordText = match serde_json::from_slice(json) {
            Ok(text) => text,
            Err(error) => return Err(error.to_string()),
        };
        let manifest = match text.manifest.unwrap_or_default().as_str() {
            "" => None,
            manifest => Some(digest(manifest)?),
        };
        Ok(Self {
            config: digest(&text.config)?,
            manifest,
            name: none_if_empty(&text.plugin.name.unwrap_or_default()),
        })
    }

    /// The record of the plugin that runs as this container. `None` when there is no record, or the
    /// container's root does not belong to a plugin.
    fn load(bundle: &Bundle, guard: Guard) -> Result<Option<Self>, LineageError> {
        let Some(plugins) = plugins(bundle) else {
            return Ok(None);
        };
        let path = plugins.join(bundle.id.as_str()).join("config.json");
        let json = match file::read(&path, LARGEST_RECORD, guard) {
            Err(error) if error.is_absent() => return Ok(None),
            read => read.map_err(broken)?,
        };
        Ok(Some(Self::parse(&json).in_file(&path)?))
    }
}

fn digest(text: &str) -> Result<Digest, String> {
    match Digest::parse(text) {
        Ok(digest) => Ok(digest),
        Err(_) => Err(format!("{text:?} is not a digest")),
    }
}

/// The name of the plugin that runs as this container.
pub(super) fn called(bundle: &Bundle) -> Result<Option<String>, LineageError> {
    Ok(PluginRecord::load(bundle, Guard::NoLink)?.and_then(|record| record.name))
}

/// The layers of the plugin; `None` when the container is not a plugin.
///
/// # Errors
/// `Corrupt` when the record or the config is damaged, or the config does not match the record;
/// [`Unknown`](crate::lineage::error::Unknown) when the record or the config cannot be read.
pub(super) fn resolve(bundle: &Bundle) -> Result<Option<Origin>, LineageError> {
    let (Some(plugins), Some(record)) =
        (plugins(bundle), PluginRecord::load(bundle, Guard::Owned)?)
    else {
        return Ok(None);
    };
    let path = plugins
        .join("storage/blobs/sha256")
        .join(record.config.hex());
    let image_id = ImageId(record.config);
    let chain = ImageConfig::load(&path, image_id)?.chain().in_file(&path)?;
    let facts = ImageFacts {
        image_id: Some(image_id),
        manifests: record.manifest.into_iter().collect(),
        name: record.name,
        config_file: Some(path),
        pull_fault: None,
    };
    Ok(Some(Origin::of_image(chain, facts, Evidence::Metadata)))
}

/// The directory of all plugins, if the path of the container's root is that of a plugin.
fn plugins(bundle: &Bundle) -> Option<PathBuf> {
    let own = Path::new("plugins").join(bundle.id.as_str()).join("rootfs");
    if !bundle.root.ends_with(own) {
        return None;
    }
    Some(bundle.root.parent()?.parent()?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;
    use crate::container::ContainerId;
    use crate::lineage::error::Unknown;

    const PLUGIN: &str = "8a1e91236d342ea77fa458bfb7e51e7ad33070bbc49d1541ab2acefd742ca2a0";
    const CONFIG: &str = "de94b4024d6f5b565af68ce5dab1a29345691652fcdb45b9e77f0833970f51fa";
    const MANIFEST: &str = "9ac2da3297949199d22ac1ce179e322ad179d5021e2eefa222d15b7eb377d4a1";
    const LAYER: &str = "1662cd65ee8e13ad31e15e49eb06d9f571aecd04ec110e108c82a4ae434837a3";

    /// A copy of the files of a plugin, as Docker 20.10 wrote them.
    fn files() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/docker-20.10-plugin/plugins");
        for name in [
            format!("{PLUGIN}/config.json"),
            format!("storage/blobs/sha256/{CONFIG}"),
        ] {
            let to = directory.path().join("plugins").join(&name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(fixture.join(&name), to).unwrap();
        }
        directory
    }

    fn bundle(directory: &Path, root: &str, id: &str) -> Bundle {
        Bundle {
            path: "/run/task".into(),
            id: ContainerId::parse(id).unwrap(),
            root: directory.join(root),
        }
    }

    fn of_plugin(directory: &Path) -> Bundle {
        bundle(directory, &format!("plugins/{PLUGIN}/rootfs"), PLUGIN)
    }

    fn put(path: &Path, text: &str) {
        fs::remove_file(path).ok();
        fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    #[test]
    fn a_plugin_is_made_of_the_layers_in_its_config() {
        let directory = files();
        let of = of_plugin(directory.path());
        let Some(Origin::Image(image)) = resolve(&of).unwrap() else {
            panic!("no image")
        };
        let digest = |hex| Digest::from_hex(hex).unwrap();
        assert_eq!(
            (image.chain.top().0, image.evidence),
            (digest(LAYER), Evidence::Metadata)
        );
        assert_eq!(
            (image.facts.image_id, image.facts.manifests),
            (Some(ImageId(digest(CONFIG))), vec![digest(MANIFEST)])
        );
        assert_eq!(
            (image.facts.name.as_deref(), called(&of).unwrap().as_deref()),
            (Some("vol:1"), Some("vol:1"))
        );
    }

    #[test]
    fn only_a_root_with_a_record_of_this_container_is_a_plugins() {
        let directory = files();
        for (root, id) in [
            (format!("plugins/{PLUGIN}/rootfs"), "c1"),
            (format!("plugins/{PLUGIN}/other"), PLUGIN),
            (format!("other/{PLUGIN}/rootfs"), PLUGIN),
            (format!("plugins/{CONFIG}/rootfs"), CONFIG),
        ] {
            assert_eq!(
                resolve(&bundle(directory.path(), &root, id)).unwrap(),
                None,
                "{root} {id}"
            );
        }
    }

    #[test]
    fn a_record_or_config_that_is_broken_is_reported_with_its_file() {
        let record = format!("plugins/{PLUGIN}/config.json");
        let config = format!("plugins/storage/blobs/sha256/{CONFIG}");
        for (file, text, expected) in [
            (
                &record,
                String::new(),
                "EOF while parsing a value at line 1 column 0".to_owned(),
            ),
            (
                &record,
                r#"{"Config":"sha256:x","plugin":{}}"#.to_owned(),
                "\"sha256:x\" is not a digest".to_owned(),
            ),
            (&config, "{}".to_owned(), CONFIG.to_owned()),
        ] {
            let directory = files();
            put(&directory.path().join(file), &text);
            let error = resolve(&of_plugin(directory.path())).unwrap_err();
            let shown = error.to_string();
            assert!(
                matches!(error, LineageError::Corrupt(_))
                    && shown.contains(&expected)
                    && shown.contains(file.as_str()),
                "{shown}"
            );
        }
        let directory = files();
        fs::remove_file(directory.path().join(&config)).unwrap();
        let error = resolve(&of_plugin(directory.path())).unwrap_err();
        assert!(
            matches!(&error, LineageError::Unknown(Unknown::File(_))),
            "{error}"
        );
    }
}

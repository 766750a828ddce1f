//! Makes the trial image, as an archive that every engine loads.
//!
//! Out: an archive in the form of `docker save` (Docker Image Specification v1.2, "Combined Image
//! JSON + Filesystem Changeset Format"). Its layer has the diff ID that every gate bans, so the
//! bytes of the layer never change.

use std::io;

use serde_json::json;
use tar::{Builder, EntryType, Header};

use crate::banlist::trial;
use crate::lineage::containerd::content::ARCHITECTURE;

/// The name that the image has in an engine.
pub(super) const NAME: &str = "localhost/embargo-doctor:trial";

/// The only file in the image. No other word of a trial contains this name.
pub(super) const FILE: &str = "embargo-trial";

/// The file's text. The file is no program, so nothing can run in a container of the image.
const TEXT: &str =
    "The trial image of `embargoctl doctor --trial`. Embargo refuses every container of it.\n";

/// The image.
///
/// # Errors
/// None in practice: everything is in memory.
pub(super) fn archive() -> io::Result<Vec<u8>> {
    let diff_id = trial::LAYER.to_string();
    let config = json!({
        "architecture": ARCHITECTURE,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": { "Cmd": [format!("/{FILE}")] },
        "history": [{
            "created": "1970-01-01T00:00:00Z",
            "created_by": "embargoctl doctor --trial",
        }],
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
    });
    let manifest = json!([{
        "Config": "config.json",
        "RepoTags": [NAME],
        "Layers": ["layer.tar"],
    }]);
    let mut archive = Builder::new(Vec::new());
    add(&mut archive, "layer.tar", &layer()?)?;
    add(&mut archive, "config.json", config.to_string().as_bytes())?;
    add(
        &mut archive,
        "manifest.json",
        manifest.to_string().as_bytes(),
    )?;
    archive.into_inner()
}

/// The layer.
fn layer() -> io::Result<Vec<u8>> {
    let mut layer = Builder::new(Vec::new());
    add(&mut layer, FILE, TEXT.as_bytes())?;
    layer.into_inner()
}

fn add(archive: &mut Builder<Vec<u8>>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(bytes.len() as u64);
    header.set_mtime(0);
    header.set_cksum();
    archive.append(&header, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lineage::digest::Digest;

    #[test]
    fn the_layer_is_the_one_that_every_gate_bans() {
        let layer = layer().unwrap();
        assert_eq!((layer.len(), Digest::of(&layer)), (2_048, trial::LAYER));
    }
}

//! Implements `embargoctl lineage IMAGE`: prints the layers and digests of an image.
//!
//! In: an image as [`ImageArgs`] takes it. Out: for each platform, the image's digests, its layers
//! and their chain IDs. The top chain ID is marked: a ban of the image as a base bans that chain
//! ID. Names are untrusted text, and are printed escaped.

use clap::Args;
use serde::Serialize;

use super::CtlError;
use super::image::{FoundImage, ImageArgs, Images};
use crate::lineage::chain::Chain;
use crate::paths::Paths;
use crate::report::line;

/// The arguments of `embargoctl lineage`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  embargoctl lineage docker:registry.example/base:1")]
pub struct LineageArgs {
    #[command(flatten)]
    image: ImageArgs,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Returns the text to print.
///
/// # Errors
/// [`CtlError`] when the image cannot be found or read.
pub fn run(args: &LineageArgs, paths: &Paths) -> Result<String, CtlError> {
    let found = args.image.find(paths)?;
    Ok(if args.json {
        json(&found)
    } else {
        text(&found)
    })
}

fn text(found: &Images) -> String {
    let mut paragraphs: Vec<_> = found.images.iter().map(paragraph).collect();
    if !found.absent.is_empty() {
        paragraphs.push(format!(
            "not here    {}\n",
            line::one_line(&found.absent.join(", "))
        ));
    }
    paragraphs.join("\n")
}

fn paragraph(image: &FoundImage) -> String {
    let named = if image.names.is_empty() {
        "(no name)".to_owned()
    } else {
        line::names(&image.names, image.names.len())
    };
    let mut lines = vec![format!(
        "image       {named}, from {}",
        image.places.join(" and ")
    )];
    if let Some(platform) = &image.platform {
        lines.push(format!(
            "platform    {}",
            line::one_line(&platform.to_string())
        ));
    }
    if let Some(id) = image.image_id {
        lines.push(format!("image ID    {id}"));
    }
    for (role, digest) in &image.manifests {
        lines.push(format!("{:<11} {digest}", role.word()));
    }
    match &image.chain {
        None => lines.push("layers      none: nothing can be built on it".to_owned()),
        Some(chain) => {
            let count = chain.layers().len();
            lines.push(format!(
                "layers      {count}, lowest first, as {}",
                image.evidence.word()
            ));
            for (at, (diff_id, chain_id)) in chain.layers().enumerate() {
                let top = if at + 1 == count {
                    "  <- top: what a ban as a base bans"
                } else {
                    ""
                };
                let diff_id = match diff_id {
                    Some(id) => id.to_string(),
                    None => "not known".to_owned(),
                };
                lines.push(format!("{:>9}   diff ID   {diff_id}", at + 1));
                lines.push(format!("            chain ID  {chain_id}{top}"));
            }
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// The JSON output. The fields of this output are stable: no field is renamed or removed.
#[derive(Serialize)]
struct LineageReport<'a> {
    images: Vec<ImageReport<'a>>,
    absent: &'a [String],
}

#[derive(Serialize)]
struct ImageReport<'a> {
    names: &'a [String],
    places: &'a [String],
    platform: Option<String>,
    image_id: Option<String>,
    manifests: Vec<DigestReport>,
    layers: Vec<LayerReport>,
    top_chain_id: Option<String>,
    evidence: &'static str,
}

#[derive(Serialize)]
struct DigestReport {
    role: &'static str,
    digest: String,
}

#[derive(Serialize)]
struct LayerReport {
    /// `None` if the engine kept only chain IDs.
    diff_id: Option<String>,
    chain_id: String,
}

fn json(found: &Images) -> String {
    let report = LineageReport {
        images: found.images.iter().map(ImageReport::new).collect(),
        absent: &found.absent,
    };
    crate::report::json::pretty(&report) + "\n"
}

impl<'a> ImageReport<'a> {
    fn new(image: &'a FoundImage) -> Self {
        let mut manifests = Vec::new();
        for (role, digest) in &image.manifests {
            manifests.push(DigestReport {
                role: role.word(),
                digest: digest.to_string(),
            });
        }
        let mut layers = Vec::new();
        for (diff_id, chain_id) in image.chain.iter().flat_map(Chain::layers) {
            layers.push(LayerReport {
                diff_id: diff_id.as_ref().map(ToString::to_string),
                chain_id: chain_id.to_string(),
            });
        }
        Self {
            names: &image.names,
            places: &image.places,
            platform: image.platform.as_ref().map(ToString::to_string),
            image_id: image.image_id.as_ref().map(ToString::to_string),
            manifests,
            layers,
            top_chain_id: image.chain.as_ref().map(|chain| chain.top().to_string()),
            evidence: image.evidence.word(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::image::{Role, Sureness};
    use crate::lineage::digest::{ChainId, DiffId, Digest, ImageId};
    use crate::lineage::image::Platform;

    fn found() -> Images {
        let id = |text: &str| Digest::of(text.as_bytes());
        let image = FoundImage {
            names: vec!["docker.io/library/debian:12".to_owned(), "a\nb".to_owned()],
            places: vec!["docker in /var/lib/docker".to_owned()],
            platform: Some(Platform {
                os: "linux".to_owned(),
                architecture: "arm64".to_owned(),
                variant: None,
            }),
            image_id: Some(ImageId(id("config"))),
            manifests: vec![(Role::Manifest, id("manifest")), (Role::Index, id("index"))],
            chain: Chain::from_diff_ids(vec![DiffId(id("one")), DiffId(id("two"))]),
            evidence: Sureness::Recorded,
        };
        let empty = FoundImage {
            names: Vec::new(),
            platform: None,
            image_id: None,
            manifests: Vec::new(),
            chain: None,
            ..image.clone()
        };
        Images {
            images: vec![image, empty],
            absent: vec!["linux/s390x".to_owned()],
        }
    }

    #[test]
    fn people_see_every_layer_and_which_chain_a_ban_bans() {
        let id = |text: &str| Digest::of(text.as_bytes());
        let (one, two) = (id("one"), id("two"));
        let top = id(&format!("{one} {two}"));
        let expected = format!(
            r#"image       docker.io/library/debian:12, "a\nb", from docker in /var/lib/docker
platform    linux/arm64
image ID    {}
manifest    {}
index       {}
layers      2, lowest first, as recorded
        1   diff ID   {one}
            chain ID  {one}
        2   diff ID   {two}
            chain ID  {top}  <- top: what a ban as a base bans

image       (no name), from docker in /var/lib/docker
layers      none: nothing can be built on it

not here    linux/s390x
"#,
            id("config"),
            id("manifest"),
            id("index")
        );
        assert_eq!(text(&found()), expected);
    }

    #[test]
    fn a_layer_of_which_the_stacks_name_is_all_that_is_known_is_shown_by_it() {
        let id = ChainId(Digest::of(b"top"));
        let image = FoundImage {
            chain: Chain::from_chain_ids(vec![id]),
            ..found().images.remove(0)
        };
        let shown = paragraph(&image);
        let expected = format!(
            "layers      1, lowest first, as recorded\n        1   diff ID   not known\n            chain ID  {id}  <- top: what a ban as a base bans\n"
        );
        assert!(shown.ends_with(&expected), "{shown}");
        let report = serde_json::to_value(ImageReport::new(&image)).unwrap();
        assert_eq!(
            report["layers"],
            serde_json::json!([{ "diff_id": null, "chain_id": id.to_string() }])
        );
    }

    #[test]
    fn programs_see_the_same() {
        let report: serde_json::Value = serde_json::from_str(&json(&found())).unwrap();
        let image = &report["images"][0];
        assert_eq!(image["layers"][1]["chain_id"], image["top_chain_id"]);
        assert_eq!(
            (
                &image["platform"],
                &image["manifests"][1]["role"],
                &report["absent"][0]
            ),
            (
                &"linux/arm64".into(),
                &"index".into(),
                &"linux/s390x".into()
            )
        );
        assert_eq!(report["images"][1]["image_id"], serde_json::Value::Null);
    }
}

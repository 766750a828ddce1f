//! Reads the JSON of image documents: the keys that Embargo needs, and no others.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

use crate::lineage::digest::Digest;

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct ConfigText {
    #[serde(default)]
    pub(super) os: Option<String>,
    #[serde(default)]
    pub(super) architecture: Option<String>,
    #[serde(default)]
    pub(super) variant: Option<String>,
    #[serde(default)]
    pub(super) rootfs: Option<RootfsText>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct RootfsText {
    #[serde(default)]
    pub(super) diff_ids: Option<Vec<DigestText>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct DocumentText {
    #[serde(default)]
    pub(super) config: Option<DescriptorText>,
    #[serde(default)]
    pub(super) layers: Option<Vec<DescriptorText>>,
    #[serde(default)]
    pub(super) manifests: Option<Vec<DescriptorText>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct DescriptorText {
    pub(super) digest: DigestText,
    #[serde(default, rename = "mediaType")]
    pub(super) media_type: Option<String>,
    #[serde(default)]
    pub(super) platform: Option<PlatformText>,
    #[serde(default)]
    pub(super) annotations: Option<AnnotationsText>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct AnnotationsText {
    #[serde(default, rename = "vnd.docker.reference.type")]
    pub(super) reference_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct PlatformText {
    #[serde(default)]
    pub(super) os: Option<String>,
    #[serde(default)]
    pub(super) architecture: Option<String>,
    #[serde(default)]
    pub(super) variant: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct LabelledText<'a> {
    #[serde(borrow, default)]
    pub(super) config: Option<RunText<'a>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct RunText<'a> {
    #[serde(borrow, default, rename = "Labels")]
    pub(super) labels: Option<LabelsText<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct LabelsText<'a> {
    #[serde(borrow, default, rename = "org.opencontainers.image.source")]
    pub(super) source: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "org.opencontainers.image.revision")]
    pub(super) revision: Option<Cow<'a, str>>,
}

/// A SHA-256 digest, read from a JSON string.
pub(super) struct DigestText(pub(super) Digest);

impl<'de> Deserialize<'de> for DigestText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DigestVisitor;
        impl Visitor<'_> for DigestVisitor {
            type Value = DigestText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sha256 digest")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<DigestText, E> {
                Digest::parse(text).map(DigestText).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(DigestVisitor)
    }
}

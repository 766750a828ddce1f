//! Reads the lists of containers, images and layers in a containers/storage store.
//!
//! In: the bytes of `containers.json`, `volatile-containers.json`, `images.json` or `layers.json`.
//! The engine writes these files and replaces them by rename, so they are complete unless a disk or
//! a person has damaged them; the files are treated as hostile. Out: the records, or what is wrong
//! with the list, in one line. Rules: containers/storage, containers.go, images.go, layers.go. An
//! empty file is a list without records (`load` in each of these sources). Fields that are not
//! needed may contain anything. Not checked: whether the records agree with each other.
//!
//! A single record is found by its beginning, `{"id":"<ID>"`, because parsing a list of 500
//! containers takes ten times longer than searching it. The object that begins there is then
//! parsed, and is used only if it has this ID. Inside a JSON string, quotes are escaped. So no
//! name, label or metadata can contain that beginning.

use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::{Deserialize, de};

use super::layer_id::LayerId;
use crate::container::engine::Engine;
use crate::lineage::digest::DiffId;
use crate::sys::clock::Timestamp;

/// An error: the bytes are not the expected list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadList(String);

impl BadList {
    fn new(fault: impl fmt::Display) -> Self {
        Self(fault.to_string().chars().take(200).collect())
    }
}

/// A record that has an ID.
pub trait StoreRecord: DeserializeOwned {
    /// The record's ID.
    fn id(&self) -> &str;
}

/// The record of a container.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(expecting = "an object")]
pub struct ContainerRecord {
    /// The container's ID.
    pub id: String,
    /// The container's names, which are only shown.
    #[serde(default, deserialize_with = "or_empty")]
    pub names: Vec<String>,
    /// The ID of the container's image; empty when the container was made from a directory. The
    /// engine always writes this field (containers/storage: containers.go), so a record without it
    /// has an unknown format.
    pub image: String,
    /// The ID of the container's own layer.
    #[serde(default, deserialize_with = "or_empty")]
    pub layer: String,
    /// When the engine made the container.
    #[serde(default, deserialize_with = "or_empty")]
    created: String,
    /// Data of the engine. The data of Podman and CRI-O is a JSON object.
    #[serde(default, deserialize_with = "or_empty")]
    metadata: String,
}

impl ContainerRecord {
    /// When the engine made the container (containers/storage: containers.go, `create`). No user
    /// can choose this time, and no restart changes it.
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        Timestamp::parse_any(&self.created)
    }

    /// The name of the image, as the engine recorded it when it made the container. The name is
    /// only shown.
    #[must_use]
    pub fn image_name(&self) -> Option<String> {
        let name = self.engines()?.image_name?;
        (!name.is_empty()).then_some(name)
    }

    /// Which engine made the container. `None` when its metadata is not what Podman or CRI-O
    /// writes.
    ///
    /// The engine itself writes the metadata when it makes the container. No annotation, label or
    /// name from a user can become a key in the metadata. `pod` shows that the container's ID is
    /// also the ID of its pod (CRI-O: internal/storage/runtime.go; Podman: libpod/storage.go; seen
    /// with CRI-O 1.37, Podman 4.3.1 and 5.8.6).
    #[must_use]
    pub fn maker(&self) -> Option<Maker> {
        let Metadata {
            name, pod_id, pod, ..
        } = self.engines()?;
        name?;
        let Some(pod_id) = pod_id else {
            return Some(Maker::Podman);
        };
        Some(Maker::CriO(if pod && pod_id == self.id {
            InPod::Sandbox
        } else {
            InPod::Member
        }))
    }

    fn engines(&self) -> Option<Metadata> {
        serde_json::from_str(&self.metadata).ok()
    }
}

/// What Podman and CRI-O write into the metadata of a container.
#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    name: Option<String>,
    #[serde(rename = "image-name", default)]
    image_name: Option<String>,
    #[serde(rename = "pod-id", default)]
    pod_id: Option<String>,
    #[serde(default)]
    pod: bool,
}

/// The engine that made a container in a containers/storage store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// Podman.
    Podman,
    /// CRI-O.
    CriO(InPod),
}

impl Maker {
    /// The engine, under the name that every command uses.
    #[must_use]
    pub const fn engine(self) -> Engine {
        match self {
            Self::Podman => Engine::Podman,
            Self::CriO(_) => Engine::CriO,
        }
    }
}

/// The role of a CRI-O container in its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InPod {
    /// The pause container, which owns the namespaces that the other containers share.
    Sandbox,
    /// Any other container of the pod.
    Member,
}

/// The record of an image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(expecting = "an object")]
pub struct ImageRecord {
    /// The image's ID: the digest of its config, unless its layers are known only by their tables
    /// of contents.
    pub id: String,
    /// The image's names, with tags or digests. The names are only shown.
    #[serde(default, deserialize_with = "or_empty")]
    pub names: Vec<String>,
    /// The ID of the image's topmost layer; empty when the image has no layers.
    #[serde(default, deserialize_with = "or_empty")]
    pub layer: String,
    /// The keys of the image's items: configs and manifests.
    #[serde(default, rename = "big-data-names", deserialize_with = "or_empty")]
    pub items: Vec<String>,
}

/// The record of a layer: a layer of an image, or a container's own layer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(expecting = "an object")]
pub struct LayerRecord {
    /// The layer's ID.
    pub id: Field<LayerId>,
    /// The ID of the layer below this layer.
    #[serde(default)]
    pub parent: Field<LayerId>,
    /// The digest of the layer's uncompressed archive, as the engine computed it. This digest is
    /// the layer's diff ID.
    #[serde(default, rename = "diff-digest")]
    pub diff_id: Field<DiffId>,
}

impl StoreRecord for ContainerRecord {
    fn id(&self) -> &str {
        &self.id
    }
}

impl StoreRecord for ImageRecord {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A field that is read in every record, but checked only where the record is needed. So one
/// malformed layer affects no other container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// The field is missing, null or empty.
    #[default]
    Absent,
    /// The field has a valid value.
    Good(T),
    /// The field contains an invalid value. The text is the beginning of that value.
    Bad(String),
}

impl<T> Field<T> {
    fn read(text: &str, parse: impl Fn(&str) -> Option<T>) -> Self {
        match parse(text) {
            _ if text.is_empty() => Self::Absent,
            Some(value) => Self::Good(value),
            None => Self::Bad(text.chars().take(80).collect()),
        }
    }
}

/// Reads the value of a [`Field`] from text.
trait Parse: Sized {
    fn parse(text: &str) -> Option<Self>;
}

impl Parse for LayerId {
    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl Parse for DiffId {
    fn parse(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl<'de, T: Parse> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldVisitor<T>(std::marker::PhantomData<T>);
        impl<T: Parse> Visitor<'_> for FieldVisitor<T> {
            type Value = Field<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Field<T>, E> {
                Ok(Field::read(text, T::parse))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Field<T>, E> {
                Ok(Field::Absent)
            }
        }
        deserializer.deserialize_any(FieldVisitor(std::marker::PhantomData))
    }
}

/// In some places, Go writes an empty list or text as `null`.
fn or_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Finds the record with this ID by its beginning. `None` when no record begins with this ID.
///
/// # Errors
/// [`BadList`] when the bytes are visibly not a list in UTF-8 (not everything is parsed), when the
/// record is damaged, and when there are two records with this ID.
pub fn seek<R: StoreRecord>(list: &[u8], id: &str) -> Result<Option<R>, BadList> {
    let text = text_of(list)?;
    let Some((start, rest)) = cut(text, id) else {
        return Ok(None);
    };
    let record =
        R::deserialize(&mut serde_json::Deserializer::from_str(start)).map_err(BadList::new)?;
    if record.id() != id {
        return Err(BadList::new(format_args!(
            "the record of {id:?} holds another ID"
        )));
    }
    match cut(rest, id) {
        Some(_) => Err(BadList::new(format_args!("it has two records of {id:?}"))),
        None => Ok(Some(record)),
    }
}

/// The text from the beginning of a record on, and the text after that beginning. Looking at every
/// brace is four times faster than searching for the whole beginning with [`str::find`], which
/// cannot skip ahead in hexadecimal digits.
fn cut<'a>(text: &'a str, id: &str) -> Option<(&'a str, &'a str)> {
    let beginning = format!("{{\"id\":\"{id}\"");
    for (at, _) in text.match_indices('{') {
        let start = &text[at..];
        if let Some(rest) = start.strip_prefix(&beginning) {
            return Some((start, rest));
        }
    }
    None
}

/// All records of a list.
///
/// # Errors
/// [`BadList`] when the bytes are not a list of such records.
pub fn all<R: DeserializeOwned>(list: &[u8]) -> Result<Vec<R>, BadList> {
    match text_of(list)? {
        "" => Ok(Vec::new()),
        text => serde_json::from_str::<Option<Vec<R>>>(text)
            .map(Option::unwrap_or_default)
            .map_err(BadList::new),
    }
}

/// The text of a list. The text must at least begin and end like a list.
fn text_of(list: &[u8]) -> Result<&str, BadList> {
    let Ok(text) = std::str::from_utf8(list) else {
        return Err(BadList::new("it is not UTF-8"));
    };
    match text.trim_ascii() {
        text @ ("" | "null") => Ok(text),
        list if list.starts_with('[') && list.ends_with(']') => Ok(list),
        _ => Err(BadList::new("it is not a whole JSON list")),
    }
}

#[cfg(test)]
mod tests;

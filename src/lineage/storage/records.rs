//! Reads the store's lists of containers, images and layers.
//!
//! In: the bytes of `containers.json`, `volatile-containers.json`, `images.json`, `layers.json`
//! (the engine's, replaced by rename, hence whole unless a disk or a person broke them; treated as
//! hostile). Out: their records, or what is wrong with the list, in one line. Rules:
//! containers/storage, containers.go, images.go, layers.go; an empty file is a list without records
//! (`load` in each of them); fields that are not needed may hold anything. Not checked: whether the
//! records agree with each other.
//!
//! A single record is found by its prefix, `{"id":"<ID>"`, because a list of 500 containers takes
//! ten times longer to parse than to search. Then the object that starts there is parsed, and
//! counts only when it has this ID. Quotes are escaped inside a JSON string, so no name, label or
//! metadata can hold the prefix.

use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::{Deserialize, de};

use super::layer_id::LayerId;
use crate::container::engine::Engine;
use crate::lineage::digest::DiffId;

/// Bytes that are not the expected list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadList(String);

impl BadList {
    fn new(fault: impl fmt::Display) -> Self {
        Self(fault.to_string().chars().take(200).collect())
    }
}

impl fmt::Display for BadList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadList {}

/// A record that has an ID.
pub trait StoreRecord: DeserializeOwned {
    /// The record's ID.
    fn id(&self) -> &str;
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(expecting = "an object")]
pub struct ContainerRecord {
    /// Its ID.
    pub id: String,
    /// Names for people.
    #[serde(default, deserialize_with = "or_empty")]
    pub names: Vec<String>,
    /// The ID of its image; empty when it was made from a directory. It is always written
    /// (containers/storage: containers.go): a record without it has an unknown form.
    pub image: String,
    /// The ID of its own layer.
    #[serde(default, deserialize_with = "or_empty")]
    pub layer: String,
    /// The engine's own data; for Podman and CRI-O a JSON object.
    #[serde(default, deserialize_with = "or_empty")]
    metadata: String,
}

impl ContainerRecord {
    /// The image's name as the engine recorded it when it made the container, for people.
    #[must_use]
    pub fn image_name(&self) -> Option<String> {
        self.engines()?.image_name.filter(|name| !name.is_empty())
    }

    /// Which engine made it; `None` when its metadata is not what Podman or CRI-O writes.
    ///
    /// The engine writes the metadata itself when it makes the container. No annotation, label or
    /// name from a user becomes a key of it, and `pod` says that the container's ID is its pod's
    /// (CRI-O: internal/storage/runtime.go; Podman: libpod/storage.go; seen with CRI-O 1.37, Podman
    /// 4.3.1 and 5.8.6).
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

/// What Podman and CRI-O keep of a container.
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

/// The engine that made a container of a containers/storage store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// Podman.
    Podman,
    /// CRI-O.
    CriO(InPod),
}

impl Maker {
    /// The engine, by the name that every command uses.
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
    /// The pause container, which owns what the other containers share.
    Sandbox,
    /// One of the other containers.
    Member,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(expecting = "an object")]
pub struct ImageRecord {
    /// Its ID: the digest of its config, unless layers are known only by their table of contents.
    pub id: String,
    /// Names with tags or digests, for people.
    #[serde(default, deserialize_with = "or_empty")]
    pub names: Vec<String>,
    /// The ID of its topmost layer; empty when it has none.
    #[serde(default, deserialize_with = "or_empty")]
    pub layer: String,
    /// The keys of its items: configs and manifests.
    #[serde(default, rename = "big-data-names", deserialize_with = "or_empty")]
    pub items: Vec<String>,
}

/// A layer, of an image or a container's own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(expecting = "an object")]
pub struct LayerRecord {
    /// Its ID.
    pub id: Field<LayerId>,
    /// The layer below it.
    #[serde(default)]
    pub parent: Field<LayerId>,
    /// The digest of its uncompressed archive, as the engine computed it: its diff ID.
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

/// A field that is read for every record and judged only where the record is needed, so that one
/// malformed layer affects no other container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// It is missing, null or empty.
    #[default]
    Absent,
    /// It is as it should be.
    Good(T),
    /// It is something else: the start of it.
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

/// What a [`Field`] holds, read from text.
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

/// Go writes an empty list or text as `null` in places.
fn or_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Finds the record with this ID by its prefix; `None` when none starts so.
///
/// # Errors
/// [`BadList`] when the bytes are not a list in UTF-8, as far as that shows without reading it all,
/// when the record is broken, and when there are two.
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

/// The text from a record's prefix on, and the text after that prefix. Looking at every brace is
/// four times faster than looking for the whole prefix with [`str::find`], which cannot skip
/// because of the hexadecimal digits.
fn cut<'a>(text: &'a str, id: &str) -> Option<(&'a str, &'a str)> {
    let beginning = format!("{{\"id\":\"{id}\"");
    let start = text
        .match_indices('{')
        .map(|(at, _)| &text[at..])
        .find(|rest| rest.starts_with(&beginning))?;
    Some((start, &start[beginning.len()..]))
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

/// The text of a list, which must at least start and end like one.
fn text_of(list: &[u8]) -> Result<&str, BadList> {
    let text = std::str::from_utf8(list)
        .map_err(|_| BadList::new("it is not UTF-8"))?
        .trim_ascii();
    match text {
        "" | "null" => Ok(text),
        list if list.starts_with('[') && list.ends_with(']') => Ok(list),
        _ => Err(BadList::new("it is not a whole JSON list")),
    }
}

#[cfg(test)]
mod tests;

//! Defines one type of digest for each kind of content.
//!
//! In: text such as `sha256:<64 hex>` from engines, image documents and lists (hostile). Out:
//! digests of different types, which cannot be mixed up: a diff ID is the digest of an uncompressed
//! layer, a chain ID is the digest of a whole stack of layers, an image ID is the digest of an
//! image config, and so on (OCI image-spec, config.md "Layer DiffID", "Layer ChainID", "ImageID";
//! descriptor.md "Digests"). Only SHA-256 is supported.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

/// A SHA-256 value, of anything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// Text that is not `sha256:` followed by 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {0:?} as a sha256 digest")]
pub struct BadDigest(String);

impl Digest {
    /// The SHA-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest with this value.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads `sha256:` followed by 64 lower-case hexadecimal digits (image-spec, descriptor.md
    /// "Registered algorithms").
    ///
    /// # Errors
    /// [`BadDigest`] for any other text, with at most 80 characters of the text.
    pub fn parse(text: &str) -> Result<Self, BadDigest> {
        match text.strip_prefix("sha256:").and_then(Self::from_hex) {
            Some(digest) => Ok(digest),
            None => Err(BadDigest(text.chars().take(80).collect())),
        }
    }

    /// Reads exactly 64 lower-case hexadecimal digits; `None` for anything else.
    #[must_use]
    pub fn from_hex(hex: &str) -> Option<Self> {
        let (pairs, []) = hex.as_bytes().as_chunks::<2>() else {
            return None;
        };
        let pairs: &[[u8; 2]; 32] = pairs.try_into().ok()?;
        // No branch depends on a digit: a processor could not predict such a branch, and a list has
        // millions of digits.
        let mut legal = true;
        let bytes = pairs.map(|[high, low]| {
            legal &= is_digit(high) & is_digit(low);
            nibble(high) << 4 | nibble(low)
        });
        legal.then_some(Self(bytes))
    }

    /// The 64 lower-case hexadecimal digits of the digest.
    #[must_use]
    pub fn hex(&self) -> String {
        let mut hex = String::with_capacity(64);
        for byte in self.0 {
            for nibble in [byte >> 4, byte & 15] {
                hex.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
            }
        }
        hex
    }
}

/// Whether `text` consists of lower-case hexadecimal digits.
pub(super) fn is_hex(text: &str) -> bool {
    text.bytes().all(is_digit)
}

const fn is_digit(digit: u8) -> bool {
    digit.is_ascii_digit() | (digit >= b'a' && digit <= b'f')
}

/// The value of a valid digit. In letters, bit 6 is set.
const fn nibble(digit: u8) -> u8 {
    (digit & 15) + 9 * (digit >> 6)
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&Cow::<str>::deserialize(from)?).map_err(de::Error::custom)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Declares a type for the digest of one kind of thing.
macro_rules! digest_of {
    ($($(#[$doc:meta])+ $name:ident)+) => {$(
        $(#[$doc])+
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub struct $name(pub Digest);

        impl $name {
            /// Reads `sha256:<64 hex>`.
            ///
            /// # Errors
            /// [`BadDigest`] for anything else.
            pub fn parse(text: &str) -> Result<Self, BadDigest> {
                Digest::parse(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

digest_of! {
    /// The digest of a layer's uncompressed tar archive.
    DiffId
    /// The digest of a stack of layers: of the lowest layer and those above it, up to one of them.
    ChainId
    /// The digest of a layer as a registry stores it, usually compressed. It is never compared with
    /// a diff ID.
    LayerDigest
    /// The digest of an image config, which is the image ID.
    ImageId
    /// The digest of an image manifest, for one platform.
    ManifestDigest
    /// The digest of an image index, for all platforms.
    IndexDigest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_and_written_alike() {
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), text);
        assert_eq!(Digest::parse(text), Ok(Digest::of(b"")));
    }

    #[test]
    fn what_is_not_a_sha256_digest_is_refused() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for text in [
            "",
            "sha256:",
            hex,
            &format!("sha512:{hex}{hex}"),
            &format!("sha256:{}", hex.to_uppercase()),
            &format!("sha256:{hex}0"),
            &format!("sha256:{}", &hex[1..]),
        ] {
            assert!(Digest::parse(text).is_err(), "{text}");
        }
    }
}

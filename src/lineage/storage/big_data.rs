//! Converts the keys of an image's items to the names of their files in the store, and back.
//!
//! In: the key of an item, such as `manifest-sha256:<hex>`, or the name of a file (the engine
//! writes it, but a power cut may have damaged it). Out: the name or the key. Rule:
//! containers/storage, store.go, `makeBigDataBaseName`: a key that consists of `[0-9a-z.]` is
//! itself the name of the file; for any other key the name is `=` and the key in base64 (RFC 4648,
//! section 4).

use crate::lineage::digest::Digest;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The name of the file that holds the item with this key.
#[must_use]
pub fn file_name(key: &str) -> String {
    if key.bytes().all(is_plain) {
        return key.to_owned();
    }
    let mut name = String::from("=");
    for bytes in key.as_bytes().chunks(3) {
        let mut group = 0;
        for place in 0..3 {
            group = group << 8 | usize::from(bytes.get(place).copied().unwrap_or(0));
        }
        for place in 0..4 {
            name.push(if place <= bytes.len() {
                char::from(ALPHABET[group >> (18 - 6 * place) & 63])
            } else {
                '='
            });
        }
    }
    name
}

/// Whether a key that consists of such bytes is itself the name of its file.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'.')
}

/// The key of the item in a file of this name; `None` when no key has such a file name.
#[must_use]
pub fn key(file_name: &str) -> Option<String> {
    let Some(encoded) = file_name.strip_prefix('=') else {
        return file_name
            .bytes()
            .all(is_plain)
            .then_some(file_name.to_owned());
    };
    let mut key = Vec::with_capacity(encoded.len() / 4 * 3);
    for digits in encoded.trim_end_matches('=').as_bytes().chunks(4) {
        let mut group = 0_u32;
        for place in 0..4 {
            let value = match digits.get(place) {
                Some(digit) => ALPHABET.iter().position(|known| known == digit)?,
                None => 0,
            };
            group = group << 6 | u32::try_from(value).ok()?;
        }
        key.extend_from_slice(&group.to_be_bytes()[1..digits.len().max(1)]);
    }
    let key = String::from_utf8(key).ok()?;
    (self::file_name(&key) == file_name).then_some(key)
}

/// The digest of the manifest in a file of this name, for one platform or as an index. `None` when
/// the file contains something else.
#[must_use]
pub fn manifest(file_name: &str) -> Option<Digest> {
    Digest::parse(key(file_name)?.strip_prefix("manifest-")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen with Podman 4.3.1.
    const SEEN: &str = "=bWFuaWZlc3Qtc2hhMjU2Ojg2ZmQ4MmQ0NjJhYjExNmYzM2ZiNDZlMmNmMjg5NTEzZDc2MTVkNjA5MjU2NTM4ZWRmNzExNzA3ZTE5ZDI2MzQ=";

    #[test]
    fn a_key_and_its_file_name_lead_to_each_other() {
        for (key, name) in [
            ("manifest", "manifest"),
            ("", ""),
            ("a-", "=YS0="),
            ("-", "=LQ=="),
            ("a-b", "=YS1i"),
            ("sha256:c4", "=c2hhMjU2OmM0"),
            (
                "manifest-sha256:86fd82d462ab116f33fb46e2cf289513d7615d609256538edf711707e19d2634",
                SEEN,
            ),
        ] {
            assert_eq!(file_name(key), name);
            assert_eq!(super::key(name).as_deref(), Some(key));
        }
    }

    #[test]
    fn a_name_that_no_key_has_is_refused() {
        for name in [
            "UPPER",
            "a-b",
            "=",
            "=YS0",
            "=YS0==",
            "=Y",
            "=YS!i",
            "=YS\u{e9}i",
            "=YWI=",
            "=/w==",
            "=LR==",
        ] {
            assert_eq!(key(name), None, "{name}");
        }
    }

    #[test]
    fn a_manifests_digest_is_in_its_file_name() {
        let digest =
            Digest::from_hex("86fd82d462ab116f33fb46e2cf289513d7615d609256538edf711707e19d2634");
        assert_eq!(manifest(SEEN), digest);
        for key in [
            "manifest",
            "manifest-sha256:86fd",
            "signature-86fd",
            "sha256:86fd82d462ab116f33fb46e2cf289513d7615d609256538edf711707e19d2634",
        ] {
            assert_eq!(manifest(&file_name(key)), None, "{key}");
        }
    }
}

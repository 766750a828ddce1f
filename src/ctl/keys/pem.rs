//! Reads and writes keys in PEM.
//!
//! The format (RFC 7468) is a label between dashes, then Base 64 in lines of 64 characters. In: the
//! text of a key file. Out: DER bytes, which are not parsed here.

use crate::banlist::base64;

/// The bytes of the first block with this label. `None` when there is no such block, or it is
/// malformed.
#[must_use]
pub fn decode(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    base64::decode(&body.split_ascii_whitespace().collect::<String>())
}

/// Encodes `der` as a PEM block with this label.
#[must_use]
pub fn encode(der: &[u8], label: &str) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = base64::encode(der);
    while !rest.is_empty() {
        let tail = rest.split_off(rest.len().min(64));
        text.push_str(&rest);
        text.push('\n');
        rest = tail;
    }
    text + &format!("-----END {label}-----\n")
}

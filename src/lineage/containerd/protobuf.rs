//! Reads and writes the few protobuf messages that Embargo exchanges with containerd.
//!
//! In: bytes from a socket or a database (hostile). Out: the fields; unknown fields are skipped
//! (protobuf.dev, "Encoding"). Nothing is copied or allocated. If a message is truncated, its
//! fields end early; the same happens if it contains groups, which nobody uses any more.

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// A number: a varint, or 4 or 8 bytes of fixed size.
    Number(u64),
    /// Text, bytes or another message.
    Bytes(&'a [u8]),
}

/// The fields of a message: number and value, in their order.
#[derive(Clone, Debug)]
pub struct Fields<'a>(&'a [u8]);

/// The fields of `message`.
#[must_use]
pub const fn fields(message: &[u8]) -> Fields<'_> {
    Fields(message)
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, FieldValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, rest) = varint(self.0)?;
        let (value, rest) = match tag & 7 {
            0 => varint(rest).map(|(number, rest)| (FieldValue::Number(number), rest))?,
            1 => rest
                .split_first_chunk()
                .map(|(bytes, rest)| (FieldValue::Number(u64::from_le_bytes(*bytes)), rest))?,
            2 => {
                let (length, rest) = varint(rest)?;
                rest.split_at_checked(usize::try_from(length).ok()?)
                    .map(|(bytes, rest)| (FieldValue::Bytes(bytes), rest))?
            }
            5 => rest.split_first_chunk().map(|(bytes, rest)| {
                (FieldValue::Number(u32::from_le_bytes(*bytes).into()), rest)
            })?,
            _ => return None,
        };
        self.0 = rest;
        Some((tag >> 3, value))
    }
}

/// The last value of the field `number`, as protobuf requires, if it is text, bytes or a message.
#[must_use]
pub fn bytes_field(message: &[u8], number: u64) -> Option<&[u8]> {
    repeated(message, number).last()
}

/// All values of the field `number` that are text, bytes or messages.
pub fn repeated(message: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    fields(message).filter_map(move |(found, value)| match value {
        FieldValue::Bytes(bytes) if found == number => Some(bytes),
        FieldValue::Bytes(_) | FieldValue::Number(_) => None,
    })
}

/// The text of the field `number`; empty when it is missing. Bytes that are not UTF-8 are replaced.
#[must_use]
pub fn text_field(message: &[u8], number: u64) -> String {
    bytes_field(message, number)
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .unwrap_or_default()
}

/// Writes a message that consists of text fields.
#[must_use]
pub fn message(texts: &[(u8, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, text) in texts {
        bytes.push(number << 3 | 2);
        let mut length = text.len();
        while length > 0x7f {
            bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (index * 7);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_unknown_ones_skipped() {
        let bytes = [
            message(&[(1, "id"), (6, &"x".repeat(300))]),
            vec![
                0x10, 0x96, 0x01, 0x1d, 1, 0, 0, 0, 0x21, 2, 0, 0, 0, 0, 0, 0, 0,
            ],
        ]
        .concat();
        let found: Vec<_> = fields(&bytes).collect();
        assert_eq!(found[0], (1, FieldValue::Bytes(b"id")));
        assert_eq!(
            found[2..],
            [
                (2, FieldValue::Number(150)),
                (3, FieldValue::Number(1)),
                (4, FieldValue::Number(2))
            ]
        );
        assert_eq!(text_field(&bytes, 6).len(), 300);
        assert_eq!(bytes_field(&bytes, 2), None);
    }

    #[test]
    fn a_message_cut_short_or_overlong_ends_early() {
        for bytes in [
            &b"\x0a\x05abc"[..],
            b"\x0a",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x80",
            &[0xff; 20],
            b"\x0b",
            b"\x0d\x01",
        ] {
            assert_eq!(fields(bytes).count(), 0, "{bytes:?}");
        }
    }
}

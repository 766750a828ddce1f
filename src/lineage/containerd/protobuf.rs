//! Reads a field of a protobuf message in containerd's database.
//!
//! In: bytes (hostile). Out: the field; other fields are skipped (protobuf.dev, "Encoding").
//! Nothing is copied or allocated. If a message is truncated, its fields end early; the same
//! happens if the message contains groups, which nobody uses any more.

/// The last value of the field `number`, as protobuf requires, if the value is text, bytes or a
/// message.
#[must_use]
pub fn bytes_field(mut message: &[u8], number: u64) -> Option<&[u8]> {
    let mut last = None;
    while let Some((found, value)) = take_field(&mut message) {
        if found == number && value.is_some() {
            last = value;
        }
    }
    last
}

/// Takes the first field off a message: its number, and its value if that is text, bytes or a
/// message.
fn take_field<'a>(message: &mut &'a [u8]) -> Option<(u64, Option<&'a [u8]>)> {
    let (tag, rest) = varint(message)?;
    let (value, rest) = match tag & 7 {
        0 => (None, varint(rest)?.1),
        1 => (None, rest.get(8..)?),
        2 => {
            let (length, rest) = varint(rest)?;
            let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Some(bytes), rest)
        }
        5 => (None, rest.get(4..)?),
        _ => return None,
    };
    *message = rest;
    Some((tag >> 3, value))
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
    fn a_field_is_found_behind_others_of_every_kind_and_the_last_of_two_counts() {
        let long = [&[0x32, 0xac, 0x02][..], &[b'x'; 300]].concat();
        let bytes = [
            &b"\x0a\x02id"[..],
            &long[..],
            &[
                0x10, 0x96, 0x01, 0x1d, 1, 0, 0, 0, 0x21, 2, 0, 0, 0, 0, 0, 0, 0,
            ],
            b"\x0a\x02no",
        ]
        .concat();
        assert_eq!(bytes_field(&bytes, 1), Some(&b"no"[..]));
        assert_eq!(bytes_field(&bytes, 6), Some(&[b'x'; 300][..]));
        for number in [2, 3, 4, 5] {
            assert_eq!(bytes_field(&bytes, number), None, "{number}");
        }
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
            assert_eq!(take_field(&mut &*bytes), None, "{bytes:?}");
            assert_eq!(bytes_field(bytes, 1), None, "{bytes:?}");
        }
    }
}

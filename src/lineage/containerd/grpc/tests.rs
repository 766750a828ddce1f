//! Tests real answers of containerd: complete, in pieces, truncated, and with flipped bits.

use std::os::unix::net::UnixListener;
use std::time::Instant;

use super::*;
use crate::lineage::containerd::protobuf;
use crate::sys::file::{self, Guard};

fn answer(name: &str) -> Vec<u8> {
    let path = format!(
        "{}/tests/fixtures/containerd-1.6/answers/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    file::read(Path::new(&path), 1 << 20, Guard::Any).unwrap()
}

#[test]
fn an_answer_of_containerd_is_understood() {
    let stat = parse_answer(1, &answer("snapshot")).unwrap();
    assert_eq!(
        protobuf::text_field(protobuf::bytes_field(&stat, 1).unwrap(), 1),
        "c1"
    );
    for (name, status) in [
        ("container-none", 5),
        ("snapshot-none", 5),
        ("namespace-bad", 3),
        ("method-none", 12),
    ] {
        assert!(
            matches!(parse_answer(1, &answer(name)), Err(CallError::Status(Some(found))) if found == status),
            "{name}"
        );
    }
}

#[test]
fn cut_or_flipped_anywhere_an_answer_is_an_error_or_the_same_length() {
    for name in ["container", "snapshot", "container-none", "mounts"] {
        let mut bytes = answer(name);
        for length in 0..bytes.len() {
            assert!(
                parse_answer(1, &bytes[..length]).is_err(),
                "{name} cut at {length}"
            );
        }
        let whole = parse_answer(1, &bytes).ok().map(|message| message.len());
        for at in 0..bytes.len() * 8 {
            bytes[at / 8] ^= 1 << (at % 8);
            if let Ok(message) = parse_answer(1, &bytes) {
                assert_eq!(Some(message.len()), whole, "{name} flipped at {at}");
            }
            bytes[at / 8] ^= 1 << (at % 8);
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_frame(&mut bytes, kind, flags, stream, payload);
    bytes
}

/// A trailer with this status, not in Huffman code.
fn trailer(status: &str) -> Vec<u8> {
    let field = [
        &[0, 11][..],
        b"grpc-status",
        &[status.len() as u8],
        status.as_bytes(),
    ]
    .concat();
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &field)
}

#[test]
fn a_message_may_come_in_pieces_with_padding_and_other_frames_between() {
    let first = frame(DATA, PADDED, 1, b"\x03\0\0\0\0\x05ab\0\0\0");
    let others = [
        frame(PING, 0, 0, b"12345678"),
        frame(DATA, 0, 3, b"not ours"),
        frame(99, 0, 1, b"unknown"),
        frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
    ];
    let bytes = [
        first,
        others.concat(),
        frame(DATA, 0, 1, b"cde"),
        trailer("0"),
    ]
    .concat();
    assert_eq!(parse_answer(1, &bytes).unwrap(), b"abcde");
}

#[test]
fn what_the_protocol_does_not_allow_is_an_error() {
    let message = frame(DATA, 0, 1, b"\0\0\0\0\x01a");
    let large = frame(DATA, 0, 1, &[0; MAX_FRAME]).repeat(MAX_MESSAGE / MAX_FRAME + 1);
    for (bytes, fault) in [
        (
            [message.clone(), frame(GOAWAY, 0, 0, &[0; 8])].concat(),
            "the peer is closing the connection",
        ),
        (
            [message.clone(), frame(RST_STREAM, 0, 1, &[0; 4])].concat(),
            "the peer reset the call",
        ),
        (
            frame(DATA, 0, 1, &[0; MAX_FRAME + 1]),
            "a frame that is too long",
        ),
        (
            frame(DATA, PADDED, 1, b"\x05abc"),
            "padding that is too long",
        ),
        (frame(DATA, PADDED, 1, b""), "padding that is too long"),
        (
            frame(HEADERS, PRIORITY, 1, b"abc"),
            "padding that is too long",
        ),
        (
            frame(HEADERS, 0, 1, &[0; MAX_FRAME]).repeat(5),
            "headers that are too long",
        ),
        (large, "an answer that is too long"),
        (
            [frame(DATA, 0, 1, b"\x01\0\0\0\x01a"), trailer("0")].concat(),
            "an answer that is not a message",
        ),
        (
            [frame(DATA, 0, 1, b"\0\xff\xff\xff\xffa"), trailer("0")].concat(),
            "an answer that is not a message",
        ),
        (
            [message.clone(), message.clone(), trailer("0")].concat(),
            "an answer that is not a message",
        ),
        (trailer("0"), "an answer that is not a message"),
    ] {
        let found = parse_answer(1, &bytes);
        assert!(
            matches!(found, Err(CallError::Protocol(found)) if found == fault),
            "{found:?} instead of {fault}"
        );
    }
    // A stream that ends without a status counts as failed.
    assert!(matches!(
        parse_answer(1, &frame(DATA, END_STREAM, 1, b"\0\0\0\0\x01a")),
        Err(CallError::Status(None))
    ));
    assert!(matches!(
        parse_answer(1, &trailer("99999")),
        Err(CallError::Status(None))
    ));
}

#[test]
fn lengths_are_written_as_hpack_wants_them() {
    for (length, bytes) in [
        (0, &[0][..]),
        (126, &[126]),
        (127, &[127, 0]),
        (128, &[127, 1]),
        (300, &[127, 0xad, 1]),
    ] {
        let mut written = Vec::new();
        put_length(&mut written, length);
        assert_eq!(written, bytes);
        assert_eq!(integer(bytes, 7), Some((length, &[][..])));
    }
    assert_eq!(integer(&[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff], 7), None);
}

/// A peer that sends `reply` and nothing else, and keeps the connection open.
fn peer(
    directory: &Path,
    reply: &'static [u8],
) -> (std::path::PathBuf, std::thread::JoinHandle<Vec<u8>>) {
    let path = directory.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let handle = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(reply).unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        heard
    });
    (path, handle)
}

#[test]
fn a_peer_that_says_nothing_is_left_at_the_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let (path, handle) = peer(directory.path(), b"\0\0\0\x04\0\0\0\0\0\0\0\x10");
    let begin = Instant::now();
    let deadline = Duration::from_millis(50).into();
    let mut connection = Connection::open(&path, &deadline).unwrap();
    let found = connection.call("/a.B/C", "default", b"");
    assert!(
        matches!(&found, Err(CallError::Io(error)) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)),
        "{found:?}"
    );
    assert!(begin.elapsed() < Duration::from_secs(5));
    drop(connection);
    let heard = handle.join().unwrap();
    let acknowledged = frame(SETTINGS, ACK, 0, b"");
    assert!(
        heard.starts_with(PREFACE) && heard.ends_with(&acknowledged),
        "the settings are acknowledged"
    );
}

#[test]
fn a_peer_that_closes_or_is_not_there_is_no_answer() {
    let directory = tempfile::tempdir().unwrap();
    let soon = Duration::from_secs(5).into();
    assert!(matches!(
        Connection::open(&directory.path().join("none"), &soon),
        Err(CallError::Io(_))
    ));
    assert!(matches!(
        Connection::open(&directory.path().join("x".repeat(200)), &soon),
        Err(CallError::Io(_))
    ));
    let path = directory.path().join("closes");
    let listener = UnixListener::bind(&path).unwrap();
    let handle = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let found = Connection::open(&path, &soon)
        .and_then(|mut connection| connection.call("/a.B/C", "default", b""));
    assert!(matches!(found, Err(CallError::Io(_))), "{found:?}");
    handle.join().unwrap();
}

#[test]
fn a_queue_that_is_full_is_no_answer_and_no_wait() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("full");
    let _listener = UnixListener::bind(&path).unwrap();
    let begin = Instant::now();
    let deadline = Duration::from_secs(5).into();
    let mut connections = Vec::new();
    let refused = (0..10_000).find_map(|_| match Connection::open(&path, &deadline) {
        Ok(connection) => {
            connections.push(connection);
            (connections.len() > 900).then_some(None)
        }
        Err(error) => Some(Some(error)),
    });
    assert!(matches!(refused, Some(None | Some(CallError::Io(_)))));
    assert!(begin.elapsed() < Duration::from_secs(4));
}

//! Calls containerd's gRPC services without a library.
//!
//! It makes one unary gRPC call after the other over a Unix socket (gRPC over HTTP/2,
//! PROTOCOL-HTTP2.md; RFC 9113; RFC 7541). Calls block; every read and write is limited by the time
//! that is left. Headers are sent as literals, without Huffman codes and without a table. The peer
//! is asked to use no table either, so only the status has to be found in its headers. In: answers
//! from the process that listens (hostile; one message of at most 16 MiB, a limited number of
//! frames). Out: the bytes of the message. The kernel must report that the peer runs as root or as
//! the caller (`SO_PEERCRED`), wherever the address of the socket came from.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr, sockopt};

use crate::sys::deadline::Deadline;
use crate::sys::rights;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;
/// The largest answer, in bytes. gRPC's own limit for containerd is 16 MiB (containerd defaults,
/// `DefaultMaxRecvMsgSize`).
const MAX_MESSAGE: usize = 16 << 20;
/// The largest frame that a peer may send by default, in bytes (RFC 9113 §6.5.2,
/// `SETTINGS_MAX_FRAME_SIZE`).
const MAX_FRAME: usize = 1 << 14;
/// How many frames one answer may have: twice what the largest message needs.
const MAX_FRAMES: usize = 2 * MAX_MESSAGE / MAX_FRAME;

/// Why a call failed.
#[derive(Debug)]
pub enum CallError {
    /// The socket failed: there was no answer, it came too late, or the socket was closed.
    Io(io::Error),
    /// The peer runs neither as root nor as the caller: its user ID.
    Peer(u32),
    /// The protocol does not allow the answer.
    Protocol(&'static str),
    /// The peer reports an error: its gRPC status, if it could be read (5: not found).
    Status(Option<u8>),
}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<CallError> for io::Error {
    /// For callers that report only that there was no answer.
    fn from(error: CallError) -> Self {
        match error {
            CallError::Io(error) => error,
            CallError::Peer(user) => Self::other(format!("the socket belongs to user {user}")),
            CallError::Protocol(fault) => Self::other(fault),
            CallError::Status(Some(status)) => Self::other(format!("gRPC status {status}")),
            CallError::Status(None) => Self::other("the call was refused"),
        }
    }
}

/// A connection to containerd.
#[derive(Debug)]
pub struct Connection<'a> {
    stream: UnixStream,
    deadline: &'a Deadline,
    next_stream: u32,
}

impl<'a> Connection<'a> {
    /// Connects to the socket at `address`. Neither this nor any later call takes longer than
    /// `deadline` allows.
    ///
    /// # Errors
    /// [`CallError`]. If the queue of connections is full, this counts as no answer.
    pub fn open(address: &Path, deadline: &'a Deadline) -> Result<Self, CallError> {
        let path = UnixAddr::new(address).map_err(io::Error::from)?;
        // The socket does not block while it connects, because a connect to a full queue has no
        // time limit of its own.
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket: OwnedFd = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)
            .map_err(io::Error::from)?;
        socket::connect(socket.as_raw_fd(), &path).map_err(io::Error::from)?;
        let user = socket::getsockopt(&socket, sockopt::PeerCredentials)
            .map_err(io::Error::from)?
            .uid();
        if !rights::is_own(user) {
            return Err(CallError::Peer(user));
        }
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(false)?;
        let mut connection = Self {
            stream,
            deadline,
            next_stream: 1,
        };
        connection.send(&greeting())?;
        Ok(connection)
    }

    /// Calls `method` (`/package.Service/Method`) in a namespace, and returns the message of the
    /// answer.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn call(
        &mut self,
        method: &str,
        namespace: &str,
        message: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        if self.deadline.is_over() {
            return Err(CallError::Io(io::ErrorKind::TimedOut.into()));
        }
        let stream = self.next_stream;
        self.next_stream += 2;
        self.send(&request(stream, method, namespace, message))?;
        let mut answer = GrpcResponse::default();
        for _ in 0..MAX_FRAMES {
            let mut head = [0; 9];
            self.fill(&mut head)?;
            let frame = Frame::parse(head)?;
            let mut payload = vec![0; frame.length];
            self.fill(&mut payload)?;
            let reply = answer.take(stream, frame, &payload)?;
            if !reply.is_empty() {
                self.send(&reply)?;
            }
            if answer.is_whole {
                return answer.message();
            }
        }
        Err(CallError::Protocol("too many frames"))
    }

    fn left(&self) -> Result<Duration, CallError> {
        let left = self.deadline.left();
        if left.is_zero() {
            Err(CallError::Io(io::ErrorKind::TimedOut.into()))
        } else {
            Ok(left)
        }
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), CallError> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(self.left()?))?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(CallError::Io(io::ErrorKind::WriteZero.into())),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), CallError> {
        let mut filled = 0;
        while filled < buffer.len() {
            self.stream.set_read_timeout(Some(self.left()?))?;
            match self.stream.read(&mut buffer[filled..]) {
                Ok(0) => return Err(CallError::Io(io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// The first bytes that are sent: the preface; then settings: no header table, no pushes, and
/// enough room for the largest answer.
fn greeting() -> Vec<u8> {
    let setting =
        |number: u16, value: u32| [&number.to_be_bytes()[..], &value.to_be_bytes()].concat();
    let settings = [setting(1, 0), setting(2, 0), setting(4, 1 << 25)].concat();
    let mut bytes = PREFACE.to_vec();
    put_frame(&mut bytes, SETTINGS, 0, 0, &settings);
    put_frame(
        &mut bytes,
        WINDOW_UPDATE,
        0,
        0,
        &(1_u32 << 25).to_be_bytes(),
    );
    bytes
}

fn request(stream: u32, method: &str, namespace: &str, message: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", method),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("containerd-namespace", namespace),
    ] {
        // A literal header without indexing, with a new name (RFC 7541 §6.2.2).
        headers.push(0);
        for text in [name, value] {
            put_length(&mut headers, text.len());
            headers.extend_from_slice(text.as_bytes());
        }
    }
    let body = [
        &[0][..],
        &u32::try_from(message.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes(),
        message,
    ]
    .concat();
    let mut bytes = Vec::new();
    put_frame(&mut bytes, HEADERS, END_HEADERS, stream, &headers);
    put_frame(&mut bytes, DATA, END_STREAM, stream, &body);
    bytes
}

/// Writes the length of a string with a seven-bit prefix (RFC 7541 §5.1).
fn put_length(bytes: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(127) else {
        return bytes.push(length as u8);
    };
    bytes.push(127);
    while rest > 127 {
        bytes.push((rest & 127) as u8 | 128);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

fn put_frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    bytes.extend_from_slice(
        &u32::try_from(payload.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes()[1..],
    );
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
}

/// The head of a frame: length (24 bits), kind, flags, stream (31 bits).
#[derive(Clone, Copy, Debug)]
struct Frame {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Frame {
    fn parse(head: [u8; 9]) -> Result<Self, CallError> {
        let [a, b, c, kind, flags, stream @ ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if length > MAX_FRAME {
            return Err(CallError::Protocol("a frame that is too long"));
        }
        Ok(Self {
            length,
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & (u32::MAX >> 1),
        })
    }
}

/// The part of an answer that has arrived so far.
#[derive(Debug, Default)]
struct GrpcResponse {
    body: Vec<u8>,
    headers: Vec<u8>,
    status: Option<u8>,
    ends_stream: bool,
    is_whole: bool,
}

impl GrpcResponse {
    /// Takes one frame. Returns the reply to send, which is often empty.
    fn take(&mut self, stream: u32, frame: Frame, payload: &[u8]) -> Result<Vec<u8>, CallError> {
        let mut reply = Vec::new();
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => put_frame(&mut reply, SETTINGS, ACK, 0, b""),
            PING if frame.flags & ACK == 0 => put_frame(&mut reply, PING, ACK, 0, payload),
            GOAWAY => return Err(CallError::Protocol("the peer is closing the connection")),
            RST_STREAM if frame.stream == stream => {
                return Err(CallError::Protocol("the peer reset the call"));
            }
            DATA if frame.stream == stream => {
                self.body
                    .extend_from_slice(content(frame.flags & !PRIORITY, payload)?);
                if self.body.len() > MAX_MESSAGE + 5 {
                    return Err(CallError::Protocol("an answer that is too long"));
                }
                self.is_whole = frame.flags & END_STREAM != 0;
            }
            HEADERS | CONTINUATION if frame.stream == stream => {
                let block = if frame.kind == HEADERS {
                    content(frame.flags, payload)?
                } else {
                    payload
                };
                self.headers.extend_from_slice(block);
                self.ends_stream |= frame.kind == HEADERS && frame.flags & END_STREAM != 0;
                if self.headers.len() > MAX_FRAME * 4 {
                    return Err(CallError::Protocol("headers that are too long"));
                }
                if frame.flags & END_HEADERS != 0 {
                    self.status = status(&self.headers).or(self.status);
                    self.headers.clear();
                    self.is_whole = self.ends_stream;
                }
            }
            _ => {}
        }
        Ok(reply)
    }

    /// The message of the answer. It follows a flag for compression and the length
    /// (PROTOCOL-HTTP2.md "Length-Prefixed-Message").
    fn message(self) -> Result<Vec<u8>, CallError> {
        match (self.status, self.body.split_first_chunk::<5>()) {
            (Some(0), Some(([0, length @ ..], message)))
                if u32::from_be_bytes(*length) as usize == message.len() =>
            {
                Ok(message.to_vec())
            }
            (Some(0), _) => Err(CallError::Protocol("an answer that is not a message")),
            (status, _) => Err(CallError::Status(status)),
        }
    }
}

/// The payload of a frame without padding and priority (RFC 9113 §6.1, §6.2).
fn content(flags: u8, payload: &[u8]) -> Result<&[u8], CallError> {
    let padded = flags & PADDED != 0;
    let skipped = usize::from(padded) + if flags & PRIORITY != 0 { 5 } else { 0 };
    let padding = if padded {
        usize::from(payload.first().copied().unwrap_or(0))
    } else {
        0
    };
    let end = payload
        .len()
        .checked_sub(padding)
        .ok_or(CallError::Protocol("padding that is too long"))?;
    payload
        .get(skipped..end)
        .ok_or(CallError::Protocol("padding that is too long"))
}

/// The value of `grpc-status` in a header block. `None` when it is missing, or the block cannot be
/// parsed.
///
/// Strings are compared as they are encoded: the name is either plain or in its only Huffman code.
/// The status itself has one or two digits, and a Huffman code would not make it shorter.
fn status(mut block: &[u8]) -> Option<u8> {
    const CODED_NAME: &[u8] = &[0x9a, 0xca, 0xc8, 0xb2, 0x12, 0x34, 0xda, 0x8f];
    while let Some(&first) = block.first() {
        let (prefix, is_literal) = match first {
            0x80.. => (7, false),
            0x40..=0x7f => (6, true),
            0x20..=0x3f => (5, false),
            0..=0x1f => (4, true),
        };
        let (index, rest) = integer(block, prefix)?;
        block = rest;
        if !is_literal {
            continue;
        }
        let name = if index == 0 {
            Some(string(&mut block)?)
        } else {
            None
        };
        let (is_coded, value) = string(&mut block)?;
        if matches!(name, Some((true, CODED_NAME) | (false, b"grpc-status"))) && !is_coded {
            return std::str::from_utf8(value).ok()?.parse().ok();
        }
    }
    None
}

/// An integer with a prefix of `bits` bits (RFC 7541 §5.1), and at most 28 more bits.
fn integer(block: &[u8], bits: u8) -> Option<(usize, &[u8])> {
    let (first, mut rest) = block.split_first()?;
    let most = (1_usize << bits) - 1;
    let mut number = usize::from(*first) & most;
    if number < most {
        return Some((number, rest));
    }
    for shift in [0, 7, 14, 21] {
        let (byte, more) = rest.split_first()?;
        rest = more;
        number += (usize::from(*byte) & 127) << shift;
        if byte & 128 == 0 {
            return Some((number, rest));
        }
    }
    None
}

/// A string, and whether it is in Huffman code.
fn string<'a>(block: &mut &'a [u8]) -> Option<(bool, &'a [u8])> {
    let is_coded = block.first()? & 128 != 0;
    let (length, rest) = integer(block, 7)?;
    let (text, rest) = rest.split_at_checked(length)?;
    *block = rest;
    Some((is_coded, text))
}

/// The message in a recorded answer: the frames of one stream, as they were read from the socket.
///
/// # Errors
/// [`CallError`], as in [`Connection::call`].
pub fn parse_answer(stream: u32, mut bytes: &[u8]) -> Result<Vec<u8>, CallError> {
    let mut answer = GrpcResponse::default();
    while !answer.is_whole {
        let (head, rest) = bytes
            .split_first_chunk::<9>()
            .ok_or(CallError::Io(io::ErrorKind::UnexpectedEof.into()))?;
        let frame = Frame::parse(*head)?;
        let (payload, rest) = rest
            .split_at_checked(frame.length)
            .ok_or(CallError::Io(io::ErrorKind::UnexpectedEof.into()))?;
        answer.take(stream, frame, payload)?;
        bytes = rest;
    }
    answer.message()
}

#[cfg(test)]
mod tests;

//! Sends a record to the system log.
//!
//! In: a record with priority, message and fields. Out: one datagram, in journald's native protocol
//! (systemd: docs/JOURNAL_NATIVE_PROTOCOL.md) or, where no journald listens, in the format of
//! syslog(3) with the fields after the message. Never waits longer than its limit, and never
//! prints. If nobody listens, the caller gets an error, which it may ignore. The `syslog` crate is
//! not used: this crate supports only syslog(3), may block, and would add ten crates to every
//! container start.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};

/// How long to wait while the queue of the system log is full. A container's start must not hang
/// because of the log.
pub const PATIENCE: Duration = Duration::from_millis(40);

/// Facility `daemon` (RFC 5424, table 1).
pub const DAEMON: u8 = 3;
/// Facility `user`.
pub const USER: u8 = 1;

/// The sockets on which the system log listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sockets {
    /// The socket of journald.
    pub journal: PathBuf,
    /// The socket of syslog(3).
    pub syslog: PathBuf,
}

impl Sockets {
    /// The sockets of this machine.
    #[must_use]
    pub fn system() -> Self {
        Self {
            journal: "/run/systemd/journal/socket".into(),
            syslog: "/dev/log".into(),
        }
    }

    /// The sockets that a test makes in this directory.
    #[cfg(test)]
    pub(crate) fn inside(directory: &Path) -> Self {
        Self {
            journal: directory.join("journal"),
            syslog: directory.join("log"),
        }
    }
}

/// One record of the system log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The name of the program that sends the record.
    pub identifier: &'a str,
    /// The facility: [`DAEMON`] or [`USER`].
    pub facility: u8,
    /// The priority, from 0 (emergency) to 7 (debug).
    pub priority: u8,
    /// The message, on one line.
    pub message: &'a str,
    /// The fields: names (`[A-Z0-9_]`, not beginning with `_`) and values.
    pub fields: Vec<(&'static str, String)>,
}

/// The time that is [`PATIENCE`] from now.
#[must_use]
pub fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// Sends a record to journald or, if that fails, to syslog. Waits for a full queue until `until`.
///
/// # Errors
/// The operating system's error from syslog, if neither can be reached; `EAGAIN` if a queue stays
/// full.
pub fn record(sockets: &Sockets, record: &Record<'_>, until: Instant) -> nix::Result<()> {
    match journal(&sockets.journal, record, until) {
        Err(errno) if errno != Errno::EAGAIN => syslog(&sockets.syslog, record, until),
        result @ (Ok(()) | Err(_)) => result,
    }
}

/// The first of the sockets on which somebody listens.
#[cfg(feature = "ctl")]
#[must_use]
pub fn listener(sockets: &Sockets) -> Option<&Path> {
    [&sockets.journal, &sockets.syslog]
        .into_iter()
        .find(|path| datagrams(path).is_ok() || stream(path).is_ok())
        .map(PathBuf::as_path)
}

/// Sends a record to journald's own socket.
///
/// # Errors
/// What the operating system says.
pub fn journal(path: &Path, record: &Record<'_>, until: Instant) -> nix::Result<()> {
    let mut bytes = Vec::with_capacity(1_024);
    field(&mut bytes, "MESSAGE", record.message);
    field(&mut bytes, "PRIORITY", &record.priority.to_string());
    field(&mut bytes, "SYSLOG_FACILITY", &record.facility.to_string());
    field(&mut bytes, "SYSLOG_IDENTIFIER", record.identifier);
    for (name, value) in &record.fields {
        field(&mut bytes, name, value);
    }
    deliver(datagrams(path), &bytes, until)
}

/// Appends a field: `NAME=value`. If the value contains a line feed: `NAME`, a line feed, the
/// value's length in eight bytes (little endian), and the value.
fn field(bytes: &mut Vec<u8>, name: &str, value: &str) {
    bytes.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        bytes.push(b'\n');
        bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        bytes.push(b'=');
    }
    bytes.extend_from_slice(value.as_bytes());
    bytes.push(b'\n');
}

/// Sends a record to the socket of syslog(3): as a datagram, or as a stream to a daemon that
/// listens for streams.
///
/// # Errors
/// What the operating system says.
pub fn syslog(path: &Path, record: &Record<'_>, until: Instant) -> nix::Result<()> {
    let mut text = syslog_text(record, std::process::id());
    match deliver(datagrams(path), text.as_bytes(), until) {
        Err(Errno::EPROTOTYPE) => {
            text.push('\0');
            deliver(stream(path), text.as_bytes(), until)
        }
        result @ (Ok(()) | Err(_)) => result,
    }
}

/// Writes `<30>embargo[123]: message [name="value" …]`. The format is that of RFC 3164 without the
/// time, which every receiver then takes from its own clock (§4.3.2). A time would have to be in
/// the receiver's time zone. The fields have the format of RFC 5424, §6.3.3.
fn syslog_text(record: &Record<'_>, process: u32) -> String {
    let Record {
        identifier,
        facility,
        priority,
        message,
        fields,
    } = record;
    let mut text = format!(
        "<{}>{identifier}[{process}]: {message}",
        facility * 8 + priority
    );
    for (index, (name, value)) in fields.iter().enumerate() {
        let value = value
            .replace('\\', r"\\")
            .replace('"', "\\\"")
            .replace(']', "\\]");
        let opening = if index == 0 { " [" } else { " " };
        let name = name.to_ascii_lowercase();
        let written = write!(text, "{opening}{name}=\"{value}\"");
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    if !fields.is_empty() {
        text.push(']');
    }
    text
}

/// A socket that sends datagrams to `path` and never waits.
fn datagrams(path: &Path) -> io::Result<File> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(File::from(OwnedFd::from(socket)))
}

/// A stream to `path` that never waits. A stream of `std` would wait as long as the daemon accepts
/// no connection.
#[allow(unsafe_code)]
fn stream(path: &Path) -> io::Result<File> {
    let mut address = libc::sockaddr_un {
        sun_family: libc::AF_UNIX as libc::sa_family_t,
        sun_path: [0; 108],
    };
    let path = path.as_os_str().as_bytes();
    if path.len() >= address.sun_path.len() {
        return Err(Errno::ENAMETOOLONG.into());
    }
    for (place, byte) in address.sun_path.iter_mut().zip(path) {
        *place = *byte as libc::c_char;
    }
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: takes numbers and returns a new descriptor, or -1.
    let socket = Errno::result(unsafe { libc::socket(libc::AF_UNIX, kind, 0) })?;
    // SAFETY: the kernel has just made the socket for this call, and nobody else has it.
    let socket = unsafe { File::from_raw_fd(socket) };
    let size = size_of_val(&address) as libc::socklen_t;
    // SAFETY: reads `size` bytes, which is all of the address.
    Errno::result(unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), size) })?;
    Ok(socket)
}

/// Sends all bytes at once. If that fails, the receiver gets nothing that is a complete record.
fn deliver(socket: io::Result<File>, bytes: &[u8], until: Instant) -> nix::Result<()> {
    let mut socket = socket.map_err(errno)?;
    let sent = match socket.write(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let left = u8::try_from(until.saturating_duration_since(Instant::now()).as_millis())
                .unwrap_or(u8::MAX);
            poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)], left)?;
            socket.write(bytes)
        }
        sent => sent,
    };
    if sent.map_err(errno)? == bytes.len() {
        Ok(())
    } else {
        Err(Errno::EMSGSIZE)
    }
}

/// The number of an error. The only error without a number is the error for a path that does not
/// fit into a socket address.
fn errno(error: io::Error) -> Errno {
    error
        .raw_os_error()
        .map_or(Errno::ENAMETOOLONG, Errno::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixListener;

    fn sample() -> Record<'static> {
        let fields = vec![
            ("EMBARGO_BAN", "BAN-1".to_owned()),
            ("EMBARGO_IMAGE", "a\"]\\".to_owned()),
        ];
        Record {
            identifier: "embargo",
            facility: DAEMON,
            priority: 4,
            message: "embargo: refused web-1",
            fields,
        }
    }

    fn received(socket: &UnixDatagram) -> String {
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let mut bytes = [0; 4_096];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn journald_gets_fields() {
        let directory = tempfile::tempdir().unwrap();
        let sockets = Sockets::inside(directory.path());
        let journald = UnixDatagram::bind(&sockets.journal).unwrap();
        let _unused = UnixDatagram::bind(&sockets.syslog).unwrap();
        record(&sockets, &sample(), soon()).unwrap();
        assert_eq!(
            received(&journald),
            "MESSAGE=embargo: refused web-1\nPRIORITY=4\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=embargo\nEMBARGO_BAN=BAN-1\nEMBARGO_IMAGE=a\"]\\\n"
        );
        let two_lines = Record {
            message: "a\nb",
            fields: vec![],
            ..sample()
        };
        journal(&sockets.journal, &two_lines, soon()).unwrap();
        assert!(received(&journald).starts_with("MESSAGE\n\x03\0\0\0\0\0\0\0a\nb\nPRIORITY=4\n"));
    }

    #[test]
    fn syslog_gets_a_line_where_no_journald_listens() {
        let directory = tempfile::tempdir().unwrap();
        let sockets = Sockets::inside(directory.path());
        let daemon = UnixDatagram::bind(&sockets.syslog).unwrap();
        let expected = format!(
            "<28>embargo[{}]: embargo: refused web-1 [embargo_ban=\"BAN-1\" embargo_image=\"a\\\"\\]\\\\\"]",
            std::process::id()
        );
        record(&sockets, &sample(), soon()).unwrap();
        assert_eq!(received(&daemon), expected);
        // The socket of a journald that has ended.
        drop(UnixDatagram::bind(&sockets.journal).unwrap());
        record(&sockets, &sample(), soon()).unwrap();
        assert_eq!(received(&daemon), expected);
    }

    #[test]
    fn a_daemon_that_listens_for_streams_is_served() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let daemon = UnixListener::bind(&path).unwrap();
        syslog(
            &path,
            &Record {
                fields: vec![],
                ..sample()
            },
            soon(),
        )
        .unwrap();
        let mut text = String::new();
        daemon
            .accept()
            .unwrap()
            .0
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(
            text,
            format!(
                "<28>embargo[{}]: embargo: refused web-1\0",
                std::process::id()
            )
        );
    }

    #[test]
    fn nobody_listening_and_nobody_reading_end_soon() {
        let directory = tempfile::tempdir().unwrap();
        let sockets = Sockets::inside(directory.path());
        assert_eq!(record(&sockets, &sample(), soon()), Err(Errno::ENOENT));
        let _deaf = UnixDatagram::bind(&sockets.syslog).unwrap();
        let start = Instant::now();
        let until = start + Duration::from_millis(200);
        let outcome = (0..10_000)
            .map(|_| record(&sockets, &sample(), until))
            .find(Result::is_err);
        assert_eq!(outcome, Some(Err(Errno::EAGAIN)));
        assert!(
            start.elapsed() >= Duration::from_millis(190),
            "{:?}",
            start.elapsed()
        );
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{:?}",
            start.elapsed()
        );
        // From now on the time is over; nothing that follows may wait.
        let start = Instant::now();
        (0..100).for_each(|_| assert_eq!(record(&sockets, &sample(), until), Err(Errno::EAGAIN)));
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{:?}",
            start.elapsed()
        );
    }
}

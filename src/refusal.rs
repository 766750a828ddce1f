//! Reports a refusal where the calling engine looks for it.
//!
//! In: one line, and the destination that the caller wants for the runtime's log. Out: the line in
//! both places where engines look, and exit status 1; nothing goes to standard output. containerd's
//! shim, and so Docker and CRI, reads the log file (containerd:
//! cmd/containerd-shim-runc-v2/process/utils.go, `getLastRuntimeError`). conmon, Podman, CRI-O and
//! BuildKit read standard error. The gate's own failures are reported in the same way. The log's
//! path comes from the caller and is opened as the runtime itself would open it; links are
//! followed. But this code does not wait for a FIFO's reader, and makes no directory. Whatever goes
//! wrong with the log, the line still goes to standard error. No function of this file is called
//! when a container is admitted.

mod hook;

use std::error::Error;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::call::LogTarget;
use crate::report::{self, Exit, line};
use crate::sys::clock::Timestamp;
use crate::sys::system_log::{self, Record, Sockets};

pub use hook::announce_as_hook;

/// How the real runtime reads a value of `--log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogDialect {
    /// The value is always a path (runc, youki).
    Path,
    /// The value is a path; or, if it contains a colon, `file:PATH`, `journald:ID` or `syslog:ID`
    /// (crun: src/libcrun/error.c, `get_log_type`).
    Crun,
}

/// The destination that a value of `--log` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destination<'a> {
    File(&'a Path),
    Journal(&'a str),
    Syslog(&'a str),
    /// A kind of destination that crun does not know.
    Nowhere,
}

/// The line for a failure of the gate itself, in the form of a refusal; for instance, if the real
/// runtime cannot be executed.
#[must_use]
pub fn failure_line(error: &(dyn Error + 'static)) -> String {
    line::for_engine(&format!("embargo: {}", line::causes(error)))
}

/// Writes `line` to both places where engines look, and returns the exit status.
#[must_use]
pub fn announce(
    line: &str,
    log: Option<&LogTarget<'_>>,
    dialect: LogDialect,
    now: Timestamp,
) -> Exit {
    let line = line::for_engine(line);
    if let Some(log) = log {
        // An error of the log, such as a full disk, could only be reported on standard error, and
        // the line itself goes there next.
        drop(write_log(&Sockets::system(), log, dialect, &line, now));
    }
    report::remark(&line);
    Exit::Failed
}

fn write_log(
    sockets: &Sockets,
    log: &LogTarget<'_>,
    dialect: LogDialect,
    line: &str,
    now: Timestamp,
) -> io::Result<()> {
    let text = formatted(line, log.format, now);
    let record = |identifier, fields| Record {
        identifier,
        facility: system_log::USER,
        priority: 3,
        message: text.as_str(),
        fields,
    };
    match destination(log.target, dialect) {
        Destination::File(path) => append(path, &text),
        Destination::Journal(id) => Ok(system_log::journal(
            &sockets.journal,
            &record("embargo", vec![("ID", id.to_owned())]),
            system_log::soon(),
        )?),
        Destination::Syslog(id) => {
            let identifier = if id.is_empty() { "embargo" } else { id };
            Ok(system_log::syslog(
                &sockets.syslog,
                &record(identifier, vec![]),
                system_log::soon(),
            )?)
        }
        Destination::Nowhere => Ok(()),
    }
}

fn destination(target: &OsStr, dialect: LogDialect) -> Destination<'_> {
    let bytes = target.as_bytes();
    let colon = match dialect {
        LogDialect::Path => None,
        LogDialect::Crun => bytes.iter().position(|byte| *byte == b':'),
    };
    let Some(colon) = colon else {
        return Destination::File(Path::new(target));
    };
    let rest = &bytes[colon + 1..];
    match (&bytes[..colon], str::from_utf8(rest)) {
        (b"file", _) => Destination::File(Path::new(OsStr::from_bytes(rest))),
        (b"journald", Ok(id)) => Destination::Journal(id),
        (b"syslog", Ok(id)) => Destination::Syslog(id),
        (_, Ok(_) | Err(_)) => Destination::Nowhere,
    }
}

/// The record in the requested format: one JSON object, or the text of Go's logrus library, which
/// runc writes when there is no `--log-format`.
fn formatted(line: &str, format: Option<&OsStr>, now: Timestamp) -> String {
    match format.map(OsStr::as_bytes) {
        Some(b"json") => format!(
            r#"{{"level":"error","msg":{},"time":"{now}"}}"#,
            serde_json::Value::from(line)
        ),
        Some(_) | None => format!("time=\"{now}\" level=error msg={line:?}"),
    }
}

/// Appends a line in one write, so that records of concurrent writers do not mix (BuildKit's builds
/// share one log). If the file's last line has no line end, a line end is written first: one
/// unreadable line makes containerd's shim ignore the whole log.
fn append(path: &Path, text: &str) -> io::Result<()> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o644)
        .custom_flags(flags)
        .open(path)?;
    let start = if is_cut_off(&file, path) { "\n" } else { "" };
    file.write_all(format!("{start}{text}\n").as_bytes())
}

/// Whether the file is a regular file whose last line has no line end.
fn is_cut_off(file: &File, path: &Path) -> bool {
    !matches!(last_byte(file, path), Ok(b'\n') | Err(_))
}

/// The last byte of a regular file; a line end if there is no such byte.
fn last_byte(file: &File, path: &Path) -> io::Result<u8> {
    let facts = file.metadata()?;
    let mut last = [b'\n'];
    if facts.is_file() && facts.len() > 0 {
        let reader = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)?;
        reader.read_exact_at(&mut last, facts.len() - 1)?;
    }
    Ok(last[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixDatagram;
    use std::path::PathBuf;

    const LINE: &str =
        "embargo: refused web-1: is \"a b\", banned by BAN-1 (critical) since 2026-11-20; list 412";

    fn now() -> Timestamp {
        Timestamp::parse("2026-11-20T14:00:00Z").unwrap()
    }

    fn log<'a>(target: &'a Path, format: Option<&'a str>) -> LogTarget<'a> {
        LogTarget {
            target: target.as_os_str(),
            format: format.map(OsStr::new),
        }
    }

    /// Writes a line to `target`. There is no system log in this test.
    fn write(target: &Path, format: Option<&str>) -> io::Result<()> {
        let sockets = Sockets {
            journal: "/nowhere".into(),
            syslog: "/nowhere".into(),
        };
        write_log(
            &sockets,
            &log(target, format),
            LogDialect::Path,
            LINE,
            now(),
        )
    }

    fn text(path: &Path) -> String {
        crate::sys::file::read_text(path, 65_536, crate::sys::file::Guard::Any).unwrap()
    }

    fn file_with(directory: &tempfile::TempDir, bytes: &[u8]) -> PathBuf {
        let path = directory.path().join("log");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        file.write_all(bytes).unwrap();
        path
    }

    #[test]
    fn the_log_gets_one_line_in_the_format_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        write(&path, Some("json")).unwrap();
        let json = format!(
            "{{\"level\":\"error\",\"msg\":{},\"time\":\"2026-11-20T14:00:00Z\"}}\n",
            serde_json::to_string(LINE).unwrap()
        );
        assert_eq!(text(&path), json);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o133, 0);
        let logrus = format!("time=\"2026-11-20T14:00:00Z\" level=error msg={LINE:?}\n");
        write(&path, Some("text")).unwrap();
        write(&path, None).unwrap();
        assert_eq!(text(&path), format!("{json}{logrus}{logrus}"));
    }

    #[test]
    fn the_record_stays_readable_behind_a_line_that_was_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        for (before, between) in [
            (&b""[..], ""),
            (b"{}\n", ""),
            (b"{}", "\n"),
            (b"{\"level\":\"warn", "\n"),
        ] {
            let path = file_with(&directory, before);
            write(&path, Some("json")).unwrap();
            let text = text(&path);
            let start = format!(
                "{}{between}{{\"level\":\"error\",",
                str::from_utf8(before).unwrap()
            );
            assert!(
                text.starts_with(&start) && text.ends_with("\"}\n"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_written_is_neither_made_nor_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (path, errno) in [
            (directory.path().join("none/log"), libc::ENOENT),
            (directory.path().to_owned(), libc::EISDIR),
            (fifo, libc::ENXIO),
            ("/dev/full".into(), libc::ENOSPC),
        ] {
            assert_eq!(
                write(&path, Some("json")).unwrap_err().raw_os_error(),
                Some(errno),
                "{path:?}"
            );
            assert_eq!(
                announce(LINE, Some(&log(&path, None)), LogDialect::Path, now()),
                Exit::Failed
            );
        }
        assert!(directory.path().join("none").metadata().is_err());
    }

    #[test]
    fn only_crun_knows_other_places_than_files() {
        for (target, dialect, place) in [
            (
                "/b/log.json",
                LogDialect::Path,
                Destination::File(Path::new("/b/log.json")),
            ),
            (
                "--root",
                LogDialect::Path,
                Destination::File(Path::new("--root")),
            ),
            (
                "journald:web-1",
                LogDialect::Path,
                Destination::File(Path::new("journald:web-1")),
            ),
            (
                "/b/log.json",
                LogDialect::Crun,
                Destination::File(Path::new("/b/log.json")),
            ),
            (
                "file:/b:c",
                LogDialect::Crun,
                Destination::File(Path::new("/b:c")),
            ),
            (
                "journald:web-1",
                LogDialect::Crun,
                Destination::Journal("web-1"),
            ),
            ("syslog:", LogDialect::Crun, Destination::Syslog("")),
            ("/b:c", LogDialect::Crun, Destination::Nowhere),
        ] {
            assert_eq!(destination(OsStr::new(target), dialect), place, "{target}");
        }
    }

    #[test]
    fn cruns_targets_reach_the_system_log() {
        let directory = tempfile::tempdir().unwrap();
        let sockets = Sockets::inside(directory.path());
        let (journal, syslog) = (
            UnixDatagram::bind(&sockets.journal).unwrap(),
            UnixDatagram::bind(&sockets.syslog).unwrap(),
        );
        let logged = |target: &str, socket: &UnixDatagram| {
            write_log(
                &sockets,
                &log(Path::new(target), Some("json")),
                LogDialect::Crun,
                "embargo: x",
                now(),
            )
            .unwrap();
            let mut bytes = [0; 1_024];
            let length = socket.recv(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..length]).into_owned()
        };
        let json = r#"{"level":"error","msg":"embargo: x","time":"2026-11-20T14:00:00Z"}"#;
        let expected = format!(
            "MESSAGE={json}\nPRIORITY=3\nSYSLOG_FACILITY=1\nSYSLOG_IDENTIFIER=embargo\nID=web-1\n"
        );
        assert_eq!(logged("journald:web-1", &journal), expected);
        assert_eq!(
            logged("syslog:web-1", &syslog),
            format!("<11>web-1[{}]: {json}", std::process::id())
        );
    }

    #[test]
    fn a_failure_of_the_gate_has_the_voice_of_a_refusal() {
        let error = crate::sys::file::FileError::Io(
            "/usr/bin/runc".into(),
            io::Error::from_raw_os_error(libc::EACCES),
        );
        assert_eq!(
            failure_line(&error),
            "embargo: cannot read \"/usr/bin/runc\": access refused"
        );
    }
}

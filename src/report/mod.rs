//! Prints all output for people.
//!
//! No other code of `embargo check` and `embargoctl` prints. The OCI runtime itself prints only
//! refusals and failures. The rules:
//!
//! - Standard output has only the requested result, so that programs can read it.
//! - Standard error has one line for a failure, `<program>: cannot <verb> <thing>: <cause>`. If
//!   there is a remedy, a line `hint: <what to do>` follows. A warning is one line too.
//! - A reader that stops reading early (`| head -1`) is not a failure.
//! - The exit status is an [`Exit`], and scripts may rely on it.
//!
//! In: text, parts of which may be hostile; each line is escaped by [`line`]. Out: bytes on the two
//! streams. Not checked: what the text says.

pub mod json;
pub mod line;
#[cfg(feature = "ctl")]
pub mod table;
#[cfg(all(test, feature = "ctl"))]
pub(crate) mod testing;

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// The exit statuses of our programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: success. For `check`: nothing is banned.
    Clear,
    /// 1: failure. For the runtime: the container is refused.
    Failed,
    /// 2: `check` found a ban in effect.
    Banned,
    /// 2: `exec-patch` found no container that matches.
    NothingMatched,
    /// 3: at least one container of an `exec-patch` run is not ok, or cannot be found.
    NotAllWell,
    /// 3: `check`, `status --check`, `doctor`, a preview or a dry run cannot answer, because
    /// something that it needs cannot be read.
    CouldNotTell,
    /// 1: `status --check` or `doctor` found something that an operator should look at.
    Warning,
    /// 2: `status --check` or `doctor` found something that needs an operator now.
    Critical,
    /// 4: `check` found nothing with that name, and could read everything.
    NotFound,
    /// 64: the command line is not valid (`EX_USAGE` of sysexits.h). The number must differ from
    /// that of [`Exit::Banned`].
    Usage,
    /// 75: another run of `exec-patch` is under way, so a later attempt may succeed (`EX_TEMPFAIL`
    /// of sysexits.h).
    Blocked,
}

impl Exit {
    /// The exit status as a number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Clear => 0,
            Self::Failed | Self::Warning => 1,
            Self::Banned | Self::NothingMatched | Self::Critical => 2,
            Self::NotAllWell | Self::CouldNotTell => 3,
            Self::NotFound => 4,
            Self::Usage => 64,
            Self::Blocked => 75,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Writes `text` and a line end to standard output. Names in the text must already be escaped.
///
/// # Errors
/// The operating system's error. It is not an error if the reader stops reading.
pub fn result(text: &str) -> io::Result<()> {
    write_result(&mut io::stdout().lock(), text.as_bytes(), b"\n")
}

/// Writes bytes unchanged to standard output: a document, a list, a key.
///
/// # Errors
/// The operating system's error. It is not an error if the reader stops reading.
pub fn document(bytes: &[u8]) -> io::Result<()> {
    write_result(&mut io::stdout().lock(), bytes, b"")
}

/// Prints on standard error why `program` failed, with all causes of the error.
pub fn failure(program: &str, error: &(dyn Error + 'static)) {
    remark(&format!("{program}: {}", line::causes(error)));
}

/// Prints a warning on standard error; `program` continues.
pub fn warning(program: &str, text: &str) {
    remark(&format!("{program}: warning: {text}"));
}

/// Prints on standard error what to do about the failure that was printed before.
pub fn hint(text: &str) {
    remark(&format!("hint: {text}"));
}

/// Writes one line to standard error. The line is written in one write, so that lines of several
/// processes do not mix. If standard error cannot be written, the error cannot be reported
/// anywhere.
pub fn remark(text: &str) {
    write_remark(&mut io::stderr().lock(), text);
}

fn write_remark(stream: &mut impl Write, text: &str) {
    let written = stream.write_all(format!("{}\n", line::one_line(text)).as_bytes());
    drop(written);
}

fn write_result(stream: &mut impl Write, bytes: &[u8], end: &[u8]) -> io::Result<()> {
    let written = stream
        .write_all(bytes)
        .and_then(|()| stream.write_all(end))
        .and_then(|()| stream.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(error),
        Ok(()) => Ok(()),
    }
}

/// A number with its noun: `1 ban`, `2 bans`.
#[must_use]
pub fn amount(number: impl fmt::Display + PartialEq + From<u8>, thing: &str) -> String {
    let plural = if number == 1.into() { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// A duration as text: `0.4s`, `12s`, `3m05s`.
#[must_use]
pub fn span(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    match seconds {
        0..10 => format!("{seconds}.{}s", milliseconds % 1_000 / 100),
        10..60 => format!("{seconds}s"),
        60.. => format!("{}m{:02}s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream on which every write fails.
    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn exit_statuses_are_what_scripts_rely_on() {
        let codes = [
            Exit::Clear,
            Exit::Failed,
            Exit::Banned,
            Exit::NothingMatched,
            Exit::NotAllWell,
            Exit::CouldNotTell,
            Exit::NotFound,
        ];
        assert_eq!(codes.map(Exit::code), [0, 1, 2, 2, 3, 3, 4]);
        assert_eq!([Exit::Usage, Exit::Blocked].map(Exit::code), [64, 75]);
        let levels = [
            Exit::Clear,
            Exit::Warning,
            Exit::Critical,
            Exit::CouldNotTell,
        ];
        assert_eq!(levels.map(Exit::code), [0, 1, 2, 3]);
    }

    #[test]
    fn a_reader_gone_away_is_no_failure_and_a_full_disk_is() {
        assert!(write_result(&mut Broken(ErrorKind::BrokenPipe), b"x", b"\n").is_ok());
        assert_eq!(
            write_result(&mut Broken(ErrorKind::StorageFull), b"x", b"\n")
                .unwrap_err()
                .kind(),
            ErrorKind::StorageFull
        );
    }

    #[test]
    fn a_result_is_as_it_is_and_a_remark_is_one_line() {
        let mut stream = Vec::new();
        write_result(&mut stream, b"a\nb", b"\n").unwrap();
        write_remark(&mut stream, "c\nd\u{1b}[0m");
        write_remark(&mut Broken(ErrorKind::StorageFull), "lost");
        assert_eq!(
            String::from_utf8(stream).unwrap(),
            "a\nb\nc\\u{a}d\\u{1b}[0m\n"
        );
    }
}

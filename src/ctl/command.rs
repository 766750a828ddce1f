//! Runs another program for `embargoctl`, and waits for its end, but not for ever.
//!
//! In: a program, its arguments and its input. Out: how it ended, and what it printed. The program
//! gets an environment of its own: a variable such as `DOCKER_HOST` must not send a check to
//! another machine. What it printed is hostile. Not checked: what the program does.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::report::line;
use crate::sys::memory_file;

/// How much of what a program printed on a stream is read, in bytes: the IDs of 15,000 containers.
const LARGEST: u64 = 1 << 20;

/// How long to wait between two looks at the program.
const PAUSE: Duration = Duration::from_millis(20);

/// The directories in which the program finds other programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// Whether the program ended with 0.
    pub(super) is_success: bool,
    /// The exit status; `None` if a signal ended the program.
    pub(super) code: Option<i32>,
    /// What the program printed on standard output.
    pub(super) output: String,
    /// What the program printed on standard error.
    pub(super) errors: String,
}

impl Ended {
    /// The first line of the output.
    pub(super) fn first_line(&self) -> &str {
        self.output.lines().next().unwrap_or_default().trim()
    }

    /// Everything that the program printed: its errors after its output.
    pub(super) fn text(&self) -> String {
        format!("{}\n{}", self.output, self.errors)
    }

    /// The last line of the errors, or else of the output, or how the program ended if it printed
    /// nothing. Docker's clients end an error with where its help is: that is not the reason.
    pub(super) fn ending(&self) -> String {
        let lines = self.errors.lines().rev().chain(self.output.lines().rev());
        let says = |line: &&str| !line.is_empty() && !line.contains("--help'");
        let last = lines.map(str::trim).find(says);
        match (last, self.code) {
            (Some(last), _) => line::one_line(last),
            (None, Some(code)) => format!("exit status {code}, and no message"),
            (None, None) => "a signal ended it".to_owned(),
        }
    }
}

/// Runs a program with `words` and `input`. After `patience`, the program is killed.
///
/// # Errors
/// The operating system's error; [`io::ErrorKind::TimedOut`] if the program did not end in time.
#[expect(
    clippy::disallowed_methods,
    reason = "asks engines and runtimes; the gate itself runs no other program"
)]
pub(super) fn run(
    program: &Path,
    words: &[impl AsRef<OsStr>],
    input: &[u8],
    patience: Duration,
) -> io::Result<Ended> {
    let mut output = memory_file::data(c"output", b"")?;
    let mut errors = memory_file::data(c"errors", b"")?;
    let mut child = Command::new(program)
        .args(words)
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/root")
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(memory_file::data(c"input", input)?)
        .stdout(output.try_clone()?)
        .stderr(errors.try_clone()?)
        .process_group(0)
        .spawn()?;
    let status = wait(&mut child, patience)?;
    Ok(Ended {
        is_success: status.success(),
        code: status.code(),
        output: text_of(&mut output)?,
        errors: text_of(&mut errors)?,
    })
}

fn wait(child: &mut Child, patience: Duration) -> io::Result<ExitStatus> {
    let end = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= end {
            break;
        }
        thread::sleep(PAUSE);
    }
    if let Ok(group) = i32::try_from(child.id()) {
        let _ended_already = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    child.wait()?;
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        format!("it did not end within {} s", patience.as_secs()),
    ))
}

fn text_of(printed: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    printed.rewind()?;
    printed.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, patience: Duration) -> io::Result<Ended> {
        run(Path::new("/bin/sh"), &["-c", script], b"in", patience)
    }

    #[test]
    fn a_program_is_seen_with_its_input_both_streams_and_its_end() {
        let ended = shell(
            "echo b >&2; cat; echo; echo $LC_ALL$HOME; exit 3",
            Duration::from_secs(10),
        )
        .unwrap();
        assert_eq!((ended.is_success, ended.code), (false, Some(3)));
        assert_eq!(
            (ended.output.as_str(), ended.errors.as_str()),
            ("in\nC/root\n", "b\n")
        );
        assert_eq!((ended.first_line(), ended.ending().as_str()), ("in", "b"));
        let ended = shell("echo a; exit 1", Duration::from_secs(10)).unwrap();
        assert_eq!(ended.ending(), "a");
        let ended = shell("exit 1", Duration::from_secs(10)).unwrap();
        assert_eq!(ended.ending(), "exit status 1, and no message");
        for help in [
            "See 'docker run --help'.",
            "Run 'docker run --help' for more information",
        ] {
            let ended = Ended {
                errors: format!("docker: Unknown runtime specified x.\n\n{help}\n"),
                ..ended.clone()
            };
            assert_eq!(ended.ending(), "docker: Unknown runtime specified x.");
        }
    }

    #[test]
    fn a_program_that_does_not_end_is_killed() {
        let error = shell("sleep 60", Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(causes_of(&error), "it did not end within 0 s");
        assert!(run(Path::new("/no/program"), &[""], b"", Duration::ZERO).is_err());
    }

    fn causes_of(error: &io::Error) -> String {
        line::causes(error)
    }
}

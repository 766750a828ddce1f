//! Lets the engine's own program read a new settings text before it is put in place.
//!
//! In: the new text. It is written beside Embargo's records, never into the engine's directories,
//! where the engine might read it. Out: an error with the program's own last line, if the program
//! does not accept the text. Nothing is checked on a node whose file system is mounted somewhere,
//! nor if the program is not installed or knows no such check.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::error::ConfigureError;
use super::form::Form;
use super::plan::FileChange;
use super::record;
use crate::ctl::CtlError;
use crate::paths::Paths;
use crate::sys::{process, replace};

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often it is looked whether the program has ended.
const PAUSE: Duration = Duration::from_millis(20);

/// How many bytes of a program's errors are read.
const LARGEST_OUTPUT: u64 = 64 << 10;

/// Why a program did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum CheckerError {
    /// The program could not be run.
    #[error("cannot run {0:?}")]
    Run(PathBuf, #[source] io::Error),
    /// The program reported an error.
    #[error("{0:?} says: {1}")]
    Says(PathBuf, String),
    /// The program does not know a flag, so it is too old for the check.
    #[error("{0:?} is too old for the check")]
    UnknownFlag(PathBuf),
    /// The program did not end in time.
    #[error("{0:?} did not end within {1} seconds")]
    Late(PathBuf, u64),
}

/// Lets the engine's program check the new text of a file.
pub(super) fn check(change: &FileChange, paths: &Paths) -> Result<(), CtlError> {
    let Some(text) = &change.after else {
        return Ok(());
    };
    let (program, name) = match change.form {
        Form::DaemonJson => ("dockerd", "daemon.json"),
        Form::Containerd => ("containerd", "config.toml"),
        Form::Crio(_) => ("crio", "crio.conf"),
        Form::Podman | Form::BuildKit | Form::Service => return Ok(()),
    };
    let Some(program) = installed(program).filter(|_| paths.root == Path::new("/")) else {
        return Ok(());
    };
    let draft = record::directory(paths).join(name);
    replace::replace(&draft, 0o600, text.as_bytes())?;
    let words: Vec<OsString> = match change.form {
        Form::DaemonJson => vec!["--validate".into(), "--config-file".into(), (&draft).into()],
        Form::Containerd => vec![
            "--config".into(),
            (&draft).into(),
            "config".into(),
            "dump".into(),
        ],
        Form::Crio(_) | Form::Podman | Form::BuildKit | Form::Service => {
            let none = OsString::from("--config-dir=");
            vec!["--config".into(), (&draft).into(), none, "config".into()]
        }
    };
    let checked = run(&program, &words);
    drop(std::fs::remove_file(&draft));
    match checked {
        // Docker before 23 cannot check its settings.
        Err(CheckerError::UnknownFlag(_)) => Ok(()),
        Err(fault) => Err(ConfigureError::Invalid(change.path.clone(), fault).into()),
        Ok(()) => Ok(()),
    }
}

fn installed(name: &str) -> Option<PathBuf> {
    for directory in crate::delegate::USUAL_DIRECTORIES {
        let path = Path::new(directory).join(name);
        if process::identity(&path).is_ok_and(|found| found.is_program()) {
            return Some(path);
        }
    }
    None
}

/// Runs a program to its end, without input, and without output except for its errors.
#[expect(
    clippy::disallowed_methods,
    reason = "the engine's own checker, outside the gate"
)]
pub(super) fn run(program: &Path, words: &[OsString]) -> Result<(), CheckerError> {
    let fault = |error| CheckerError::Run(program.to_owned(), error);
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(fault)?;
    let pauses = PATIENCE.as_millis() / PAUSE.as_millis();
    for _ in 0..pauses {
        match child.try_wait().map_err(fault)? {
            Some(status) if status.success() => return Ok(()),
            Some(_) => return Err(failure(program, child)),
            None => thread::sleep(PAUSE),
        }
    }
    drop(child.kill());
    drop(child.wait());
    Err(CheckerError::Late(program.to_owned(), PATIENCE.as_secs()))
}

/// Why a program failed: the last line that it wrote on its standard error.
fn failure(program: &Path, child: Child) -> CheckerError {
    let mut bytes = Vec::new();
    if let Some(errors) = child.stderr {
        drop(errors.take(LARGEST_OUTPUT).read_to_end(&mut bytes));
    }
    let text = String::from_utf8_lossy(&bytes);
    // dockerd's last line is a hint then.
    if text.contains("unknown flag") {
        return CheckerError::UnknownFlag(program.to_owned());
    }
    let line = text.lines().rfind(|line| !line.trim().is_empty());
    CheckerError::Says(
        program.to_owned(),
        line.unwrap_or("nothing").trim().to_owned(),
    )
}

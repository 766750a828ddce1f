//! Lets the engine's own program read a new settings text before it is put in place.
//!
//! In: the new text. It is written beside Embargo's records, never into the engine's directories,
//! where the engine might read it; what it imports by a relative path is imported from the engine's
//! directory all the same. Out: an error with the program's own last line, if the program does not
//! accept the text. Nothing is checked on a node whose file system is mounted somewhere, nor if the
//! program is not installed or knows no such check.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml_edit::{DocumentMut, Item, Value};

use super::error::ConfigureError;
use super::form::Form;
use super::record;
use crate::ctl::CtlError;
use crate::ctl::command;
use crate::delegate;
use crate::paths::Paths;
use crate::sys::replace;

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// Why a program did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum CheckerError {
    /// The program could not be run, or did not end in time.
    #[error("cannot run {0:?}")]
    Run(PathBuf, #[source] io::Error),
    /// The program reported an error.
    #[error("{0:?} says: {1}")]
    Says(PathBuf, String),
    /// The program does not know a flag, so it is too old for the check.
    #[error("{0:?} is too old for the check")]
    UnknownFlag(PathBuf),
}

/// Lets the engine's program check the text of the settings file at `path`.
pub(super) fn check(path: &Path, form: &Form, text: &str, paths: &Paths) -> Result<(), CtlError> {
    let (program, name) = match form {
        Form::DaemonJson => ("dockerd", "daemon.json"),
        Form::Containerd => ("containerd", "config.toml"),
        Form::Crio(_) => ("crio", "crio.conf"),
        Form::Podman | Form::BuildKit | Form::Service => return Ok(()),
    };
    let Some(program) =
        delegate::installed(program, paths).filter(|_| paths.root == Path::new("/"))
    else {
        return Ok(());
    };
    let draft = record::directory(paths).join(name);
    let drafted = match form {
        Form::Containerd => with_absolute_imports(text, path),
        Form::DaemonJson | Form::Crio(_) | Form::Podman | Form::BuildKit | Form::Service => None,
    };
    let drafted = drafted.as_deref().unwrap_or(text);
    replace::replace(&draft, 0o600, drafted.as_bytes())?;
    let at = draft.to_string_lossy();
    let words: &[&str] = match form {
        Form::DaemonJson => &["--validate", "--config-file", &at],
        Form::Containerd => &["--config", &at, "config", "dump"],
        Form::Crio(_) | Form::Podman | Form::BuildKit | Form::Service => {
            &["--config", &at, "--config-dir=", "config"]
        }
    };
    let checked = run(&program, words);
    drop(std::fs::remove_file(&draft));
    match checked {
        // Docker before 23 cannot check its settings.
        Err(CheckerError::UnknownFlag(_)) => Ok(()),
        Err(fault) => Err(ConfigureError::Invalid(path.to_owned(), fault).into()),
        Ok(()) => Ok(()),
    }
}

/// The text, if its imports can be the same in a file elsewhere: containerd takes a relative path
/// without `*` from the directory of the file that imports it (containerd: `resolveImports`).
fn with_absolute_imports(text: &str, path: &Path) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    let directory = path.parent()?;
    let imports = document.get_mut("imports").and_then(Item::as_array_mut)?;
    for import in imports.iter_mut() {
        let relative = import.as_str().filter(|import| !import.contains('*'));
        if let Some(relative) = relative {
            let absolute = directory.join(relative).to_string_lossy().into_owned();
            *import = Value::from(absolute);
        }
    }
    Some(document.to_string())
}

/// Runs a program to its end, without input.
pub(super) fn run(program: &Path, words: &[&str]) -> Result<(), CheckerError> {
    let fault = |error| CheckerError::Run(program.to_owned(), error);
    let ended = command::run(program, words, b"", PATIENCE).map_err(fault)?;
    if ended.is_success {
        return Ok(());
    }
    // dockerd's last line is a hint then.
    if ended.text().contains("unknown flag") {
        return Err(CheckerError::UnknownFlag(program.to_owned()));
    }
    Err(CheckerError::Says(program.to_owned(), ended.ending()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_text_imports_is_imported_from_its_own_directory() {
        let path = Path::new("/etc/containerd/config.toml");
        for (text, checked) in [
            (
                "imports = [\"a.toml\", \"/b.toml\", \"c/*.toml\"] # three\n",
                Some("imports = [\"/etc/containerd/a.toml\", \"/b.toml\", \"c/*.toml\"] # three\n"),
            ),
            ("version = 2\n", None),
            ("imports = \"a\"\n", None),
            ("imports = [", None),
        ] {
            assert_eq!(with_absolute_imports(text, path).as_deref(), checked);
        }
    }

    #[test]
    fn a_program_that_says_much_or_leaves_another_behind_is_not_waited_for() {
        let sh = |script: &str| run(Path::new("/bin/sh"), &["-c", script]);
        let began = std::time::Instant::now();
        assert!(sh("sleep 60 & exit 0").is_ok());
        let much = "i=0; while [ $i -lt 9000 ]; do echo 123456789012345; i=$((i + 1)); done >&2";
        assert!(sh(much).is_ok());
        let error = sh("sleep 60 & echo bad >&2; exit 1").unwrap_err();
        assert_eq!(error.to_string(), "\"/bin/sh\" says: bad");
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}

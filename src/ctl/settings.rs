//! Implements `embargoctl settings check`: finds mistakes in settings before they are in force.
//!
//! In: a settings file, this node's own by default (may have mistakes; the file of configuration
//! management's `validate:` is a temporary one). Out: valid or not, with the line of the first
//! mistake, and warnings about what is legal and probably not wanted; exit status 0 or 1. Owners
//! and modes are only judged for the node's own file: for any other file, they say nothing about
//! the file that will be put in place. Not checked: whether the runtime works.

mod warning;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{CtlError, Output};
use crate::paths::Paths;
use crate::report::{Exit, json, line};
use crate::settings::{self, Settings, SettingsError};
use crate::sys::file::FileError;
use warning::{SettingsWarning, warnings};

/// The commands on settings.
#[derive(Debug, clap::Subcommand)]
#[expect(
    missing_docs,
    reason = "each shows the text of its `Args`, which is longer"
)]
pub enum SettingsCommand {
    Check(SettingsCheckArgs),
}

/// Check a settings file before it is put in place.
///
/// Prints one line with the file, the line and the mistake, and exits with 1; or exits with 0. A
/// warning is about what is legal and probably not wanted, and leaves the exit status as it is. For
/// a file other than the node's own, owner and mode are not judged, so that configuration
/// management can check a temporary file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl settings check
  embargoctl settings check --json new-config.toml")]
pub struct SettingsCheckArgs {
    /// Print one JSON document, also for a file with a mistake.
    #[arg(long)]
    json: bool,
    /// The settings file. Default: this node's settings.
    file: Option<PathBuf>,
}

/// Runs a command on settings.
///
/// # Errors
/// [`SettingsError`]: the file has a mistake, or cannot be read.
pub fn run(command: &SettingsCommand, paths: &Paths) -> Result<Output, CtlError> {
    let SettingsCommand::Check(args) = command;
    let path = args.file.as_ref().unwrap_or(&paths.settings);
    let checked = check(path, paths);
    if args.json {
        return Ok(document(path, &checked));
    }
    let (settings, found) = checked.map_err(explained)?;
    let mut text = format!(
        "{}: valid, mode {}\n",
        line::path(path),
        settings.mode.word()
    );
    for warning in found {
        text += &format!("warning: {warning}\n");
    }
    Ok(text.into())
}

/// The settings in this file, and the warnings about them.
fn check(path: &Path, paths: &Paths) -> Result<(Settings, Vec<SettingsWarning>), SettingsError> {
    let settings = if path == paths.settings {
        settings::load(paths)?.ok_or_else(|| absent(path))?
    } else {
        settings::read(path)?
    };
    let found = warnings(&settings, paths);
    Ok((settings, found))
}

/// The error for a file that is missing.
fn absent(path: &Path) -> SettingsError {
    let missing = std::io::Error::from_raw_os_error(libc::ENOENT);
    FileError::Io(path.to_owned(), missing).into()
}

/// The error, with a hint.
fn explained(error: SettingsError) -> CtlError {
    match &error {
        SettingsError::File(fault) if fault.is_absent() => CtlError::with_hint(
            error,
            "a node without settings is not armed: everything starts",
        ),
        SettingsError::File(_)
        | SettingsError::Link(_)
        | SettingsError::Empty(_)
        | SettingsError::Line(..) => CtlError::from(error).for_root(),
    }
}

/// The JSON output.
#[derive(Serialize)]
struct SettingsJson<'a> {
    file: String,
    valid: bool,
    mode: Option<&'static str>,
    line: Option<usize>,
    fault: Option<String>,
    warnings: Vec<WarningJson<'a>>,
}

#[derive(Serialize)]
struct WarningJson<'a> {
    code: &'static str,
    key: &'a str,
    text: String,
}

fn document(
    path: &Path,
    checked: &Result<(Settings, Vec<SettingsWarning>), SettingsError>,
) -> Output {
    let mut body = SettingsJson {
        file: path.to_string_lossy().into_owned(),
        valid: checked.is_ok(),
        mode: None,
        line: None,
        fault: None,
        warnings: Vec::new(),
    };
    match checked {
        Ok((settings, found)) => {
            body.mode = Some(settings.mode.word());
            for warning in found {
                body.warnings.push(WarningJson {
                    code: warning.code(),
                    key: warning.key(),
                    text: warning.to_string(),
                });
            }
        }
        Err(error) => {
            body.line = error.line();
            body.fault = Some(line::causes(error));
        }
    }
    Output {
        text: json::pretty(&body) + "\n",
        exit: if checked.is_ok() {
            Exit::Clear
        } else {
            Exit::Failed
        },
    }
}

#[cfg(test)]
mod tests;

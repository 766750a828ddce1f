//! Runs a system tool and waits for it.
//!
//! In: the tool's absolute path and its arguments. Out: its exit status and what it printed. The
//! tool gets no variables but `PATH` and the untranslated language, and an empty standard input.
//! Used only for tools of the node that change a package database or check a file: they are root's,
//! and end by themselves. Not checked: whether the tool should run.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a tool left when it ended.
#[derive(Debug)]
pub struct ToolOutput {
    /// Whether the exit status was 0.
    pub is_ok: bool,
    /// What the tool printed on standard output, without the white space around it.
    pub text: String,
    /// The same of standard error.
    pub errors: String,
}

/// Runs a tool.
///
/// # Errors
/// The operating system's error if the tool cannot be started.
#[expect(
    clippy::disallowed_methods,
    reason = "embargoctl runs the node's own tools; the gate runs no other program"
)]
pub fn run(path: &Path, words: &[&OsStr]) -> io::Result<ToolOutput> {
    let output = Command::new(path)
        .args(words)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()?;
    Ok(ToolOutput {
        is_ok: output.status.success(),
        text: text(&output.stdout),
        errors: text(&output.stderr),
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_leaves_its_status_and_both_streams() {
        let script = OsStr::new("echo one; echo $LC_ALL$HOME >&2; exit $1");
        let sh = |status| {
            let words = [OsStr::new("-c"), script, OsStr::new("sh"), status];
            run(Path::new("/bin/sh"), &words).unwrap()
        };
        let output = sh(OsStr::new("3"));
        assert_eq!(
            (output.is_ok, output.text.as_str(), output.errors.as_str()),
            (false, "one", "C.UTF-8")
        );
        assert!(sh(OsStr::new("0")).is_ok);
        assert!(run(Path::new("/nonexistent"), &[]).is_err());
    }
}

//! Runs `embargoctl` in tests, as people run it.
//!
//! The commands run in a temporary directory, together with the real tools of this machine.

use std::path::Path;

use clap::Parser;

use super::Cli;
use crate::sys::file::{self, Guard};
use crate::sys::replace;

/// A temporary directory in which commands are run.
pub(super) struct Desk(tempfile::TempDir);

impl Desk {
    pub(super) fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        let digest = crate::banlist::testing::digest(1);
        let ban = "[[ban]]\nid = \"BAN-1\"\nreason = \"why\"\nseverity = \"high\"\neffective = 2026-11-20\n[[ban.match]]\n";
        desk.write(
            "bans.toml",
            format!("{ban}base = \"{digest}\"\nname = \"debian:12.4\"\n").as_bytes(),
        );
        desk
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        replace::replace(Path::new(&self.path(name)), 0o644, bytes).unwrap();
    }

    pub(super) fn text(&self, name: &str) -> String {
        file::read_text(Path::new(&self.path(name)), 1 << 20, Guard::Any).unwrap()
    }

    /// Runs `embargoctl` with these arguments; `@` is replaced by the directory. Returns the
    /// output, or the error with its details and hint, without the directory's path.
    pub(super) fn run(&self, arguments: &str) -> Result<String, String> {
        let directory = self.path("");
        let arguments = arguments
            .split(' ')
            .map(|argument| argument.replace('@', &directory));
        let cli = Cli::try_parse_from(std::iter::once("embargoctl".to_owned()).chain(arguments))
            .map_err(|refusal| refusal.to_string())?;
        match cli.run() {
            Ok(output) => Ok(output.text.replace(&directory, "")),
            Err(error) => {
                let more = error.details.iter().map(String::as_str).chain(error.hint());
                Err(more
                    .fold(error.to_string(), |text, more| format!("{text} / {more}"))
                    .replace(&directory, ""))
            }
        }
    }

    /// Runs OpenSSL in the directory.
    pub(super) fn openssl(&self, arguments: &str) {
        self.tool("openssl", arguments, None);
    }

    /// Runs a tool in the directory. The tool's standard input is the file `input`, if there is
    /// one.
    #[allow(clippy::disallowed_methods)] // The real tool is what is tested here.
    pub(super) fn tool(&self, program: &str, arguments: &str, input: Option<&str>) {
        let input = input.map_or_else(std::process::Stdio::null, |name| {
            std::fs::File::open(self.path(name)).unwrap().into()
        });
        let output = std::process::Command::new(program)
            .args(arguments.split(' '))
            .current_dir(self.0.path())
            .stdin(input)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{program} {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    pub(super) fn build(&self) {
        self.run("list build --source @bans.toml --origin o --version 4 --issued 2026-11-20T14:00:00Z --out @l").unwrap();
    }
}

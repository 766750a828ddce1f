//! Edits the text of an engine's settings file.
//!
//! In: the text, and Embargo's entry. Out: the text with the entry, or without it. Pure. Everything
//! else in the text stays as it is. Each form is a file's format and the keys in it.

mod buildkit;
mod containerd;
mod crio;
mod daemon_json;
mod lines;
mod podman;
mod service;
mod toml_keys;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::EditError;

/// What is added to an engine's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RuntimeEntry {
    /// The runtime's name.
    pub(super) name: String,
    /// Embargo's program.
    pub(super) program: PathBuf,
    /// Whether the runtime becomes the default.
    pub(super) rank: Rank,
}

/// The rank of a runtime among the engine's runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Rank {
    /// The engine's default.
    Default,
    /// One that containers have to ask for.
    Choice,
}

/// The format of a settings file, and the keys in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Form {
    /// Docker's daemon.json.
    DaemonJson,
    /// containerd's config.toml, of any version.
    Containerd,
    /// A containers.conf.
    Podman,
    /// A crio.conf. The text is that of the handler that is the default so far: TOML, with the
    /// handler's keys.
    Crio(String),
    /// buildkitd.toml.
    BuildKit,
    /// A drop-in for docker.service.
    Service,
}

impl RuntimeEntry {
    pub(super) fn path(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }
}

impl Form {
    /// The text with the entry. An absent file has an empty text.
    pub(super) fn with(&self, text: &str, entry: &RuntimeEntry) -> Result<String, EditError> {
        if self.has(text, entry)? {
            return Ok(text.to_owned());
        }
        let new = match self {
            Self::DaemonJson => return self.checked(daemon_json::with(text, entry)?, entry),
            Self::Containerd => containerd::with(text, entry),
            Self::Podman => podman::with(text, entry),
            Self::Crio(model) => crio::with(text, entry, model),
            Self::BuildKit => buildkit::with(text, entry),
            Self::Service => Ok(service::with(text, entry)),
        }?;
        self.checked(lines::as_in(text, &new), entry)
    }

    /// The new text, if it has the entry. An unusual layout of the file, such as a key that occurs
    /// twice, may keep the editor from adding a key.
    fn checked(&self, new: String, entry: &RuntimeEntry) -> Result<String, EditError> {
        if self.has(&new, entry)? {
            Ok(new)
        } else {
            Err(EditError::Layout)
        }
    }

    /// Whether the text has the entry, and nothing would change.
    pub(super) fn has(&self, text: &str, entry: &RuntimeEntry) -> Result<bool, EditError> {
        match self {
            Self::DaemonJson => daemon_json::has(text, entry),
            Self::Containerd => containerd::has(text, entry),
            Self::Podman => podman::has(text, entry),
            Self::Crio(_) => crio::has(text, entry),
            Self::BuildKit => buildkit::has(text, entry),
            Self::Service => Ok(service::has(text, entry)),
        }
    }

    /// The text without the entry, and with the default that `before` has. `before` is the text
    /// from before the entry was added; empty if there was no file.
    pub(super) fn without(
        &self,
        text: &str,
        entry: &RuntimeEntry,
        before: &str,
    ) -> Result<String, EditError> {
        let new = match self {
            Self::DaemonJson => return daemon_json::without(text, entry, before),
            Self::Containerd => containerd::without(text, entry, before),
            Self::Podman => podman::without(text, entry, before),
            Self::Crio(_) => crio::without(text, entry, before),
            Self::BuildKit => buildkit::without(text, entry, before),
            Self::Service => Ok(service::without(text, entry, before)),
        }?;
        Ok(lines::as_in(text, &new))
    }

    /// Whether the text says nothing any more, so that its file can go if it was created for the
    /// entry.
    pub(super) fn is_empty(&self, text: &str) -> bool {
        let says_something = |line: &str| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#') && !line.starts_with('[')
        };
        match self {
            Self::DaemonJson => matches!(text.trim(), "" | "{}"),
            Self::Containerd => !text
                .lines()
                .any(|line| says_something(line) && !line.trim().starts_with("version")),
            Self::Podman | Self::Crio(_) | Self::BuildKit | Self::Service => {
                !text.lines().any(says_something)
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! Reads Docker's restart policy of a container.
//!
//! In: `hostconfig.json`, Docker's record of how a container is run, which is beside the
//! container's `config.v2.json` (moby: container/container.go). All of its text comes from users.
//! Out: the restart policy, or that it is not known. Podman keeps its policies in a database, which
//! is not read; a pod's containers are started again by the kubelet, whatever their engine says.

use std::ffi::OsStr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::container::ContainerId;
use crate::container::engine::Engine;
use crate::sys::directory::Directory;

/// The largest record that is read, in bytes.
const LARGEST_RECORD: u64 = 16 << 20;

/// Whether an engine starts a container again by itself (moby: api/types/container,
/// `RestartPolicyMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Whenever the container ends, and when the engine starts.
    Always,
    /// The same, unless somebody stopped the container.
    UnlessStopped,
    /// When the container ends with a failure.
    OnFailure,
    /// Never.
    No,
    /// The policy cannot be read, or the engine's policies are not read.
    Unknown,
}

impl RestartPolicy {
    /// The name of the policy, as Docker writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
            Self::OnFailure => "on-failure",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }

    /// The name of the policy, if by this policy the engine starts the container again.
    #[must_use]
    pub const fn restarting(self) -> Option<&'static str> {
        match self {
            Self::Always | Self::UnlessStopped | Self::OnFailure => Some(self.word()),
            Self::No | Self::Unknown => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostRecord {
    #[serde(default)]
    restart_policy: Option<Policy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    #[serde(default)]
    name: String,
}

/// The restart policy of a container of this engine, whose store is at `place`.
#[must_use]
pub fn policy(engine: Engine, place: &Path, id: &ContainerId) -> RestartPolicy {
    if engine != Engine::Docker {
        return RestartPolicy::Unknown;
    }
    // A user may control this directory, so symbolic links in it are not followed.
    let record = Directory::open(&place.join("containers").join(id.as_str()))
        .and_then(|directory| directory.read(OsStr::new("hostconfig.json"), LARGEST_RECORD));
    match record {
        Ok(record) => parse(&record.bytes),
        Err(_) => RestartPolicy::Unknown,
    }
}

fn parse(json: &[u8]) -> RestartPolicy {
    let Ok(record) = serde_json::from_slice::<HostRecord>(json) else {
        return RestartPolicy::Unknown;
    };
    match record.restart_policy.map(|policy| policy.name).as_deref() {
        Some("always") => RestartPolicy::Always,
        Some("unless-stopped") => RestartPolicy::UnlessStopped,
        Some("on-failure") => RestartPolicy::OnFailure,
        // Docker writes an empty name where no policy was given.
        Some("no" | "") | None => RestartPolicy::No,
        Some(_) => RestartPolicy::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_policy_that_starts_something_counts() {
        for (json, policy, restarting) in [
            (
                r#"{"RestartPolicy":{"Name":"always","MaximumRetryCount":0},"Binds":null}"#,
                RestartPolicy::Always,
                Some("always"),
            ),
            (
                r#"{"RestartPolicy":{"Name":"unless-stopped"}}"#,
                RestartPolicy::UnlessStopped,
                Some("unless-stopped"),
            ),
            (
                r#"{"RestartPolicy":{"Name":"no"}}"#,
                RestartPolicy::No,
                None,
            ),
            (r#"{"RestartPolicy":{"Name":""}}"#, RestartPolicy::No, None),
            (
                r#"{"RestartPolicy":{"Name":"\u001b[2J"}}"#,
                RestartPolicy::Unknown,
                None,
            ),
            (r#"{"RestartPolicy":null}"#, RestartPolicy::No, None),
            ("{}", RestartPolicy::No, None),
            ("", RestartPolicy::Unknown, None),
        ] {
            let found = parse(json.as_bytes());
            assert_eq!((found, found.restarting()), (policy, restarting), "{json}");
        }
    }
}

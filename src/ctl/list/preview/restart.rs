//! Reads Docker's restart policy of a container, for `list preview`.
//!
//! In: `hostconfig.json`, Docker's record of how a container is run, which is beside the
//! container's `config.v2.json` (moby: container/container.go). All of its text comes from users.
//! Out: the name of the restart policy, if the policy is one of the three that restart a container.
//! Podman keeps its policies in a database, which is not read.

use std::ffi::OsStr;

use serde::Deserialize;

use crate::container::engine::Engine;
use crate::node::subject::{Kind, Subject};
use crate::sys::directory::Directory;

/// The largest record that is read, in bytes.
const LARGEST_RECORD: u64 = 16 << 20;

/// The policies that restart a container (moby: api/types/container, `RestartPolicyMode`).
const POLICIES: [&str; 3] = ["always", "unless-stopped", "on-failure"];

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

/// The restart policy of a Docker container. `None` if the container has no restart policy, or if
/// the policy cannot be read.
pub(super) fn policy(subject: &Subject) -> Option<&'static str> {
    let Kind::Container { id, .. } = &subject.kind else {
        return None;
    };
    if subject.engine != Engine::Docker {
        return None;
    }
    // A user may control this directory, so symbolic links in it are not followed.
    let directory = Directory::open(&subject.place.join("containers").join(id.as_str())).ok()?;
    word(
        &directory
            .read(OsStr::new("hostconfig.json"), LARGEST_RECORD)
            .ok()?
            .bytes,
    )
}

fn word(json: &[u8]) -> Option<&'static str> {
    let name = serde_json::from_slice::<HostRecord>(json)
        .ok()?
        .restart_policy?
        .name;
    POLICIES.into_iter().find(|policy| *policy == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_policy_that_starts_something_counts() {
        for (json, policy) in [
            (
                r#"{"RestartPolicy":{"Name":"always","MaximumRetryCount":0},"Binds":null}"#,
                Some("always"),
            ),
            (
                r#"{"RestartPolicy":{"Name":"unless-stopped"}}"#,
                Some("unless-stopped"),
            ),
            (r#"{"RestartPolicy":{"Name":"no"}}"#, None),
            (r#"{"RestartPolicy":{"Name":"\u001b[2J"}}"#, None),
            (r#"{"RestartPolicy":null}"#, None),
            ("{}", None),
            ("", None),
        ] {
            assert_eq!(word(json.as_bytes()), policy, "{json}");
        }
    }
}

//! Parses the files in which runc and crun store a container's state.
//!
//! In: the bytes of `state.json` or `status` (hostile if a user wrote the file). Out: the
//! container's ID, its bundle and its first process, or what is wrong. Pure.

use std::path::PathBuf;

use serde::Deserialize;

use super::InitProcess;
use crate::container::ContainerId;
use crate::container::runtime::RuntimeKind;

/// Parses the state of a container, from a directory of this name. Returns the container's ID,
/// bundle and first process.
///
/// # Errors
/// What is wrong with the state.
pub fn parse(
    kind: RuntimeKind,
    name: &str,
    bytes: &[u8],
) -> Result<(ContainerId, PathBuf, InitProcess), String> {
    let state = match kind {
        RuntimeKind::Runc => serde_json::from_slice(bytes).map(RuncState::common),
        RuntimeKind::Crun => serde_json::from_slice(bytes).map(CrunStatus::common),
    };
    let CommonState {
        id,
        bundle,
        pid,
        started,
    } = state.map_err(|error| error.to_string())?;
    let own = ContainerId::parse(name).ok_or("its directory's name is no container ID")?;
    if let Some(other) = id
        && other != name
    {
        return Err(format!("it is that of {other:?}"));
    }
    match bundle {
        Some(bundle) if bundle.is_absolute() => {
            let started = started.filter(|started| *started != 0);
            Ok((own, bundle, InitProcess { pid, started }))
        }
        Some(_) | None => Err("it names no bundle".to_owned()),
    }
}

/// The fields that the state of runc and the state of crun have in common.
struct CommonState {
    id: Option<String>,
    bundle: Option<PathBuf>,
    pid: u32,
    started: Option<u64>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct RuncState {
    id: String,
    #[serde(default)]
    init_process_pid: u32,
    #[serde(default)]
    init_process_start: Option<u64>,
    config: RuncConfig,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct RuncConfig {
    #[serde(default)]
    labels: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", expecting = "an object")]
struct CrunStatus {
    #[serde(default)]
    pid: u32,
    #[serde(default)]
    process_start_time: Option<u64>,
    bundle: PathBuf,
}

impl RuncState {
    fn common(self) -> CommonState {
        // runc writes every annotation as a label, and its own labels after them. An annotation
        // named `bundle` therefore comes first, and the last label of that name is runc's (seen
        // with 1.1.5; source: libcontainer/specconv/spec_linux.go).
        let labels = self.config.labels.unwrap_or_default();
        let mut bundles = labels
            .iter()
            .filter_map(|label| label.strip_prefix("bundle="));
        CommonState {
            id: Some(self.id),
            bundle: bundles.next_back().map(PathBuf::from),
            pid: self.init_process_pid,
            started: self.init_process_start,
        }
    }
}

impl CrunStatus {
    fn common(self) -> CommonState {
        CommonState {
            id: None,
            bundle: Some(self.bundle),
            pid: self.pid,
            started: self.process_start_time,
        }
    }
}

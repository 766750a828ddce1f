//! Finds what people call a container.
//!
//! In: its bundle, and its engine's record of it. Out: a name, `web-1`, or `pod/container` where it is in a pod of the CRI. Anybody may have chosen it:
//! it is shown, and looked for where a person asks for it, and decides nothing else.

use std::path::Path;

use serde::Deserialize;

use super::runtime_state::RunningContainer;
use crate::container::bundle::{Bundle, LARGEST_SPEC};
use crate::lineage;
use crate::sys::file::{self, Guard};

/// The part of a runtime spec that is read.
#[derive(Default, Deserialize)]
struct Spec {
    #[serde(default)]
    annotations: Option<Annotations>,
}

/// What engines write there that keep no record of their own (containerd: pkg/cri/annotations; nerdctl: pkg/labels).
#[derive(Default, Deserialize)]
struct Annotations {
    #[serde(rename = "io.kubernetes.cri.sandbox-name", default)]
    pod: Option<String>,
    #[serde(rename = "io.kubernetes.cri.container-name", default)]
    container: Option<String>,
    #[serde(rename = "nerdctl/name", default)]
    nerdctl: Option<String>,
}

/// What its engine calls a container.
#[must_use]
pub fn called(running: &RunningContainer) -> Option<String> {
    let bundle = Bundle::load(&running.bundle, &running.id, None).ok()?;
    lineage::called(&bundle)
        .map(|name| name.trim_start_matches('/').to_owned())
        .or_else(|| annotated(&bundle.path))
        .filter(|name| !name.is_empty())
}

/// Whether that is the ID's beginning, or the name.
#[must_use]
pub fn is_called(word: &str, id: &str, name: Option<&str>) -> bool {
    !word.is_empty() && (id.starts_with(word) || name == Some(word.trim_start_matches('/')))
}

fn annotated(bundle: &Path) -> Option<String> {
    let json = file::read(&bundle.join("config.json"), LARGEST_SPEC, Guard::Any).ok()?;
    let Annotations { pod, container, nerdctl } = serde_json::from_slice::<Spec>(&json).ok()?.annotations?;
    match (pod, container) {
        (Some(pod), Some(container)) => Some(format!("{pod}/{container}")),
        (Some(pod), None) => Some(pod),
        (None, _) => nerdctl,
    }
}

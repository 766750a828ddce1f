//! Finds which engine made a container, and the name by which users know the container.
//!
//! In: the container's bundle, and the engine's record of the container. Out: the engine, and a
//! name: `web-1`, or `pod/container` for a container in a CRI pod. Anybody may have chosen the
//! name. The name is shown, and compared with a name that a user typed; nothing else depends on the
//! name.

use std::path::Path;

use serde::Deserialize;

use super::runtime_state::RunningContainer;
use super::wire;
use crate::container::ContainerId;
use crate::container::bundle::Bundle;
use crate::container::engine::{self, BundlePlace, Engine};
use crate::lineage::{self, LineageError, Unknown};
use crate::report::line;
use crate::sys::rights;

/// The part of a runtime spec that this file reads.
#[derive(Default, Deserialize)]
struct Spec {
    #[serde(default)]
    annotations: Option<Annotations>,
}

/// The annotations in which some engines put a container's name, because these engines have no
/// other record of names (containerd: pkg/cri/annotations; nerdctl: pkg/labels).
#[derive(Default, Deserialize)]
struct Annotations {
    #[serde(rename = "io.kubernetes.cri.sandbox-name", default)]
    pod: Option<String>,
    #[serde(rename = "io.kubernetes.cri.container-name", default)]
    container: Option<String>,
    #[serde(rename = "nerdctl/name", default)]
    nerdctl: Option<String>,
}

/// Which engine made the bundle, which the user `owner` controls. If the bundle cannot be read,
/// `place` decides.
pub(super) fn engine_of_bundle(
    bundle: &Path,
    id: &ContainerId,
    place: &BundlePlace,
    owner: u32,
) -> Engine {
    match (place, place.family()) {
        // For Docker's usual namespaces, no file is read: the path alone shows Docker.
        (BundlePlace::Storage { .. }, _) | (BundlePlace::Task { .. }, Engine::Containerd) => {
            let engine = || match Bundle::load_of(owner, bundle, id) {
                Ok(bundle) => lineage::engine(&bundle),
                Err(_) => place.family(),
            };
            wire::ask(owner, engine).unwrap_or(place.family())
        }
        (
            BundlePlace::Task { .. }
            | BundlePlace::BuildKit { .. }
            | BundlePlace::Buildah
            | BundlePlace::Elsewhere,
            family,
        ) => family,
    }
}

/// The same as [`engine_of_bundle`], but files that a user controls are not read: a user may have
/// any number of directories that look like a container's.
pub(super) fn engine_by_place(
    bundle: &Path,
    id: &ContainerId,
    place: &BundlePlace,
    owner: u32,
) -> Engine {
    if rights::is_own(owner) {
        engine_of_bundle(bundle, id, place, owner)
    } else {
        place.family()
    }
}

/// The name that the engine gave a container; `None` if the container has no name.
///
/// # Errors
/// Why the name is not known, on one line.
pub fn called(running: &RunningContainer) -> Result<Option<String>, String> {
    look_up(running).map_err(|fault| line::causes(&fault))
}

/// The same as [`called`], with the error as it was found.
pub(super) fn look_up(running: &RunningContainer) -> Result<Option<String>, LineageError> {
    let place = &running.bundle;
    wire::ask_lineage(running.owner, place, || recorded(running))
}

fn recorded(running: &RunningContainer) -> Result<Option<String>, LineageError> {
    let spec = running.spec().map_err(Unknown::File)?;
    let spec_file = running.bundle.join("config.json");
    let bundle = Bundle::parse(running.bundle.clone(), &running.id, spec_file, &spec)
        .map_err(|fault| Unknown::Bundle(Box::new(fault)))?;
    let name = match lineage::called(&bundle)? {
        Some(name) => Some(name.trim_start_matches('/').to_owned()),
        None => annotated(&bundle, &spec),
    };
    Ok(name.filter(|name| !name.is_empty()))
}

/// Whether `word` is the whole ID, or the whole name.
#[must_use]
pub fn is_exactly(word: &str, id: &str, name: Option<&str>) -> bool {
    !word.is_empty() && (id == word || name == Some(word.trim_start_matches('/')))
}

/// The name that an engine writes into the bundle because the engine has no other record of names.
/// Only annotations in bundles of that engine are used: in other engines' bundles, users write
/// these annotations.
fn annotated(bundle: &Bundle, spec: &[u8]) -> Option<String> {
    let BundlePlace::Task { namespace, .. } = engine::place(bundle) else {
        return None;
    };
    let Annotations {
        pod,
        container,
        nerdctl,
    } = serde_json::from_slice::<Spec>(spec).ok()?.annotations?;
    match (namespace.as_str(), pod, container) {
        ("k8s.io", Some(pod), Some(container)) => Some(format!("{pod}/{container}")),
        ("k8s.io", Some(pod), None) => Some(pod),
        (namespace, _, _) if engine::is_dockers(namespace) => None,
        (_, _, _) => nerdctl,
    }
}

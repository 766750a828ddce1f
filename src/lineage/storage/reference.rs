//! Finds the image that a user names.
//!
//! In: what the user typed, such as `debian:12`, `docker.io/library/debian@sha256:…`, an image ID
//! or the beginning of one; and the store's images. Out: the image that the text names. Names are
//! completed as Podman does for local images (containers/common, libimage; pkg/shortnames,
//! `ResolveLocally`): first with `localhost/`, then with `docker.io/`, and with `library/` for
//! names of one part. Engines can be configured with other registries for short names; these
//! settings are not read.

use super::records::ImageRecord;
use crate::lineage::digest::{Digest, is_hex};

/// How many digits of an image ID must be typed.
const SHORTEST_ID: usize = 3;

/// Why a reference does not lead to exactly one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOne {
    /// No image has this name, digest or ID.
    None,
    /// Several IDs begin with this text.
    Several,
}

/// Finds the image that the reference names: by its name, else by its digest, else by its ID.
///
/// # Errors
/// [`NotOne`].
pub fn find<'a>(reference: &str, images: &'a [ImageRecord]) -> Result<&'a ImageRecord, NotOne> {
    for name in names(reference) {
        if let Some(image) = images.iter().find(|image| image.names.contains(&name)) {
            return Ok(image);
        }
    }
    if let Some(image) = by_digest(reference, images) {
        return Ok(image);
    }
    let id = reference.strip_prefix("sha256:").unwrap_or(reference);
    if id.len() < SHORTEST_ID || !is_hex(id) {
        return Err(NotOne::None);
    }
    let mut matching = images.iter().filter(|image| image.id.starts_with(id));
    let first = matching.next().ok_or(NotOne::None)?;
    if matching.any(|other| other.id != first.id) {
        Err(NotOne::Several)
    } else {
        Ok(first)
    }
}

/// An image whose manifest has the digest after `@`, and that has a name with the repository before
/// `@`. Without a repository: any image whose manifest has the digest.
fn by_digest<'a>(reference: &str, images: &'a [ImageRecord]) -> Option<&'a ImageRecord> {
    let (name, digest) = reference.split_once('@').unwrap_or(("", reference));
    let item = format!("manifest-{}", Digest::parse(digest).ok()?);
    let repositories = repositories(without_tag(name));
    for image in images {
        let is_named = name.is_empty()
            || image
                .names
                .iter()
                .any(|name| repositories.contains(&repository(name)));
        if is_named && image.items.contains(&item) {
            return Some(image);
        }
    }
    None
}

/// The repository in an image's full name.
fn repository(name: &str) -> String {
    without_tag(name.split('@').next().unwrap_or_default()).to_owned()
}

/// The full names that the reference may stand for, the most likely first.
fn names(reference: &str) -> Vec<String> {
    let (name, digest) = match reference.find('@') {
        Some(at) => reference.split_at(at),
        None => (reference, ""),
    };
    let repository = without_tag(name);
    let ending = match (digest, &name[repository.len()..]) {
        ("", "") => ":latest",
        ("", tag) => tag,
        (digest, _) => digest,
    };
    let mut names = repositories(repository);
    for name in &mut names {
        name.push_str(ending);
    }
    names
}

/// A name without its tag. The tag begins with the colon after the last slash; a colon before that
/// slash belongs to a port.
fn without_tag(name: &str) -> &str {
    let path = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[path..].find(':') {
        Some(colon) => &name[..path + colon],
        None => name,
    }
}

/// The repositories for which a name without a tag may stand.
fn repositories(name: &str) -> Vec<String> {
    let (registry, path) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
            (Some(first), rest)
        }
        Some(_) | None => (None, name),
    };
    let library = if path.contains('/') { "" } else { "library/" };
    match registry {
        Some("docker.io") => vec![format!("docker.io/{library}{path}"), name.to_owned()],
        Some(_) => vec![name.to_owned()],
        None => vec![
            format!("localhost/{path}"),
            format!("docker.io/{library}{path}"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:86fd82d462ab116f33fb46e2cf289513d7615d609256538edf711707e19d2634";

    #[test]
    fn a_name_is_completed_as_podman_does() {
        for (reference, expected) in [
            (
                "debian",
                vec!["localhost/debian:latest", "docker.io/library/debian:latest"],
            ),
            (
                "debian:12",
                vec!["localhost/debian:12", "docker.io/library/debian:12"],
            ),
            (
                "grafana/loki:3",
                vec!["localhost/grafana/loki:3", "docker.io/grafana/loki:3"],
            ),
            (
                "docker.io/debian",
                vec!["docker.io/library/debian:latest", "docker.io/debian:latest"],
            ),
            ("quay.io/a/b:1", vec!["quay.io/a/b:1"]),
            ("localhost/a", vec!["localhost/a:latest"]),
            ("reg:5000/a", vec!["reg:5000/a:latest"]),
            ("reg:5000/a:b@sha256:0", vec!["reg:5000/a@sha256:0"]),
            ("", vec!["localhost/:latest", "docker.io/library/:latest"]),
        ] {
            assert_eq!(names(reference), expected, "{reference}");
        }
    }

    fn image(id: &str, names: &[&str]) -> ImageRecord {
        let items = vec!["manifest".to_owned(), format!("manifest-{DIGEST}")];
        ImageRecord {
            id: id.to_owned(),
            names: names.iter().map(ToString::to_string).collect(),
            layer: String::new(),
            items,
        }
    }

    #[test]
    fn an_image_is_found_by_name_digest_and_id() {
        let images = [
            image("abc1", &["localhost/app:1"]),
            image("abd2", &["docker.io/library/app:1", "quay.io/x/app:2"]),
            image("f00", &[]),
        ];
        let id = |reference: &str| find(reference, &images).map(|image| image.id.as_str());
        for (reference, expected) in [
            ("app:1", Ok("abc1")),
            ("docker.io/app:1", Ok("abd2")),
            ("quay.io/x/app:2", Ok("abd2")),
            ("app", Err(NotOne::None)),
            ("abd", Ok("abd2")),
            ("sha256:abc", Ok("abc1")),
            ("ab", Err(NotOne::None)),
            ("f00", Ok("f00")),
            ("ABC", Err(NotOne::None)),
            (DIGEST, Ok("abc1")),
            (&format!("quay.io/x/app@{DIGEST}"), Ok("abd2")),
            (&format!("quay.io/x/app:9@{DIGEST}"), Ok("abd2")),
            (&format!("quay.io/x/other@{DIGEST}"), Err(NotOne::None)),
            ("", Err(NotOne::None)),
            ("@", Err(NotOne::None)),
            (":/@:", Err(NotOne::None)),
        ] {
            assert_eq!(id(reference), expected, "{reference}");
        }
        let alike = [image("abc1", &[]), image("abc2", &[])];
        assert_eq!(find("abc", &alike), Err(NotOne::Several));
    }
}

//! Parses image references, for `list lint`.
//!
//! The linter has to know which references belong to the same image, and which may belong to
//! another image tomorrow. In: an image reference as an author wrote it. Out: its parts, completed
//! as Docker does (distribution/reference, `ParseNormalizedNamed`): the registry `docker.io`, the
//! path `library/` and the tag `latest` where they are left out. Not checked: whether the image
//! exists.

use crate::lineage::digest::Digest;
use crate::report::line::is_made_of;

/// Tags that are usually moved to each new image.
const FLOATING: [&str; 13] = [
    "latest", "stable", "edge", "main", "master", "nightly", "current", "lts", "dev", "develop",
    "rolling", "testing", "unstable",
];

/// The parts of a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// The registry and the path in it.
    pub(super) repository: String,
    /// The tag; `latest` when there is neither tag nor digest.
    pub(super) tag: Option<String>,
    /// The digest.
    pub(super) digest: Option<Digest>,
}

impl Reference {
    /// Parses a reference. `None` if it is not valid.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(Digest::parse(digest).ok()?)),
            None => (text, None),
        };
        let path = match name.rfind('/') {
            Some(slash) => slash + 1,
            None => 0,
        };
        let (repository, tag) = match name[path..].find(':') {
            Some(colon) => (
                &name[..path + colon],
                Some(name[path + colon + 1..].to_owned()),
            ),
            None => (name, None),
        };
        let (registry, path) = match repository.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
                (first, rest)
            }
            Some(_) | None => ("docker.io", repository),
        };
        let library = if registry == "docker.io" && !path.contains('/') {
            "library/"
        } else {
            ""
        };
        let fits = is_registry(registry)
            && path.split('/').all(is_part)
            && tag.as_deref().is_none_or(is_tag);
        if !fits {
            return None;
        }
        Some(Self {
            repository: format!("{registry}/{library}{path}"),
            tag: match (tag, digest) {
                (None, None) => Some("latest".to_owned()),
                (tag, _) => tag,
            },
            digest,
        })
    }

    /// Whether the reference belongs to another image as soon as a newer image is released.
    pub(super) fn is_floating(&self) -> bool {
        self.digest.is_none()
            && self
                .tag
                .as_deref()
                .is_none_or(|tag| FLOATING.contains(&tag))
    }

    /// Whether both references name the same tag of the same repository, without a digest.
    pub(super) fn has_name_of(&self, other: &Self) -> bool {
        self.digest.is_none() && other.digest.is_none() && self == other
    }
}

fn is_registry(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "0"));
    let is_port = !port.is_empty() && port.as_bytes().iter().all(u8::is_ascii_digit);
    is_made_of(host, ".-") && is_port
}

/// Whether the text is a valid part of a path: lower-case letters and digits, with separators only
/// between them.
fn is_part(text: &str) -> bool {
    const MARKS: [char; 3] = ['.', '_', '-'];
    let has_upper = text.as_bytes().iter().any(u8::is_ascii_uppercase);
    !has_upper && !text.starts_with(MARKS) && !text.ends_with(MARKS) && is_made_of(text, "._-")
}

fn is_tag(text: &str) -> bool {
    text.len() <= 128 && !text.starts_with(['.', '-']) && is_made_of(text, "._-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_completed_as_docker_completes_it() {
        let digest = Digest::of(b"x");
        for (text, repository, tag, has_digest) in [
            ("debian", "docker.io/library/debian", Some("latest"), false),
            (
                "debian:12.5",
                "docker.io/library/debian",
                Some("12.5"),
                false,
            ),
            (
                "docker.io/debian:12.5",
                "docker.io/library/debian",
                Some("12.5"),
                false,
            ),
            ("team/app:1", "docker.io/team/app", Some("1"), false),
            (
                "registry.example:5000/app",
                "registry.example:5000/app",
                Some("latest"),
                false,
            ),
            ("localhost/app:1", "localhost/app", Some("1"), false),
            (
                &format!("debian:12@{digest}"),
                "docker.io/library/debian",
                Some("12"),
                true,
            ),
            (
                &format!("debian@{digest}"),
                "docker.io/library/debian",
                None,
                true,
            ),
        ] {
            let found = Reference::parse(text).unwrap();
            assert_eq!(
                (
                    found.repository.as_str(),
                    found.tag.as_deref(),
                    found.digest.is_some()
                ),
                (repository, tag, has_digest),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_reference_is_none() {
        let long = format!("app:{}", "1".repeat(129));
        for text in [
            "",
            "Debian",
            "https://example.com/app",
            "app:",
            "app@sha256:1",
            "app:1:2",
            "a//b",
            "-app",
            "app/",
            "app:1/",
            &long,
            "r.example:x/app",
        ] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_tag_floats_by_custom_and_a_digest_never() {
        for (text, floats) in [
            ("app", true),
            ("app:latest", true),
            ("app:lts", true),
            ("app:12.5", false),
            (&format!("app@{}", Digest::of(b"")), false),
        ] {
            assert_eq!(
                Reference::parse(text).unwrap().is_floating(),
                floats,
                "{text}"
            );
        }
    }
}

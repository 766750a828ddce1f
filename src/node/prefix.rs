//! Reads which engine a typed image name begins with.
//!
//! In: a word such as `docker:app:1` or `containerd:k8s.io/app:1`. Out: the engine, the namespace
//! and the reference. Whether such an image exists is not looked up. The whole word may also be the
//! name of an image: `docker:27-dind`.

use super::stores::Store;
use crate::container::engine::Engine;

/// An image in the stores of one engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prefixed<'a> {
    pub(super) engine: Engine,
    pub(super) namespace: Option<&'a str>,
    pub(super) reference: &'a str,
}

/// What a word means that begins with an engine; `None` for any other word, and for an engine
/// without a reference.
pub(super) fn of(word: &str) -> Option<Prefixed<'_>> {
    let (transport, rest) = word.split_once(':')?;
    let (engine, namespace, reference) = match transport {
        "docker" => (Engine::Docker, None, rest),
        "podman" | "storage" => (Engine::ContainersStorage, None, rest),
        "containerd" => {
            let (namespace, reference) = rest.split_once('/')?;
            (Engine::Containerd, Some(namespace), reference)
        }
        _ => return None,
    };
    (!reference.is_empty() && namespace != Some("")).then_some(Prefixed {
        engine,
        namespace,
        reference,
    })
}

impl Prefixed<'_> {
    /// Whether this store is meant. With a namespace, only the namespace counts:
    /// `containerd:moby/NAME` means Docker's images too.
    pub(super) fn is_of(&self, store: &Store) -> bool {
        match self.namespace {
            None => store.engine == self.engine,
            Some(_) => store.namespace.as_deref() == self.namespace,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_names_an_engine_only_with_a_reference() {
        for (word, expected) in [
            ("docker:app:1", Some((Engine::Docker, None, "app:1"))),
            ("podman:app", Some((Engine::ContainersStorage, None, "app"))),
            (
                "containerd:k8s.io/a/b:1",
                Some((Engine::Containerd, Some("k8s.io"), "a/b:1")),
            ),
            ("containerd:1.7", None),
            ("containerd:/app", None),
            ("docker:", None),
            ("app:1", None),
            ("oci:directory", None),
        ] {
            let expected = expected.map(|(engine, namespace, reference)| Prefixed {
                engine,
                namespace,
                reference,
            });
            assert_eq!(of(word), expected, "{word}");
        }
    }
}

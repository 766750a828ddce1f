//! Tests what `install --json` prints.

use super::*;

/// The document about an installation of this list.
fn document_of(node: &Node, bytes: &[u8]) -> (serde_json::Value, Exit) {
    let mut event = Installation::default();
    let done = put(
        &node.staged(bytes),
        &node.at(ISSUED.plus(60)),
        None,
        &mut event,
    );
    let output = document::of(&event, &done);
    (serde_json::from_str(&output.text).unwrap(), output.exit)
}

#[test]
fn the_document_says_what_became_of_the_list() {
    let node = Node::new();
    let (document, exit) = document_of(&node, &version(2));
    let expected = serde_json::json!({
        "schema": 1, "outcome": "installed", "changed": true, "list_version": 2, "keyset": 1,
        "head": head_digest(&version(2)), "bans": 1, "digests": 3, "impact": "guarded",
        "newly_refused": 0, "running": 0, "lifted": [], "signers": ["key-1"], "bad_signatures": 0,
        "messages": ["installed version 2 for bans.example.com/prod: 1 ban, 3 digests"],
        "fault": null, "hint": null,
    });
    assert_eq!((document, exit), (expected, Exit::Clear));
    let (document, exit) = document_of(&node, &version(2));
    assert_eq!(
        (&document["outcome"], &document["changed"], exit),
        (&"already-in-force".into(), &false.into(), Exit::Clear)
    );
    let (document, exit) = document_of(&node, &version(1));
    assert_eq!(
        (&document["outcome"], &document["changed"], exit),
        (&"refused".into(), &false.into(), Exit::Failed)
    );
    let fault = document["fault"].as_str().unwrap();
    assert!(fault.starts_with("cannot "), "{fault}");
    assert_eq!(
        document["hint"],
        "build the list again with a higher --version"
    );
}

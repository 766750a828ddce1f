//! Tests what configuration management and an operator at night see of `embargoctl`: exit statuses,
//! one line or one document, and that the gate agrees.

use std::fs;

use crate::attacks::node::{Answer, BASE, Node, keyset};

fn node() -> Node {
    let node = Node::trusting(&keyset(&[1], 1));
    node.install(&node.list(7).banning("base", &[BASE]).by(&[1]))
        .unwrap();
    node
}

/// The exit status, the output and the error output of `embargoctl` with these arguments.
fn ctl(node: &Node, words: &[&str]) -> (i32, String, String) {
    let output = node.ctl(words).output().unwrap();
    let said = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        said(output.stdout),
        said(output.stderr),
    )
}

#[test]
fn a_mistake_in_settings_is_found_before_it_is_in_force() {
    let node = node();
    fs::write(node.room.path("new.toml"), "mode = \"enforce\"\n").unwrap();
    assert_eq!(
        ctl(&node, &["settings", "check", "new.toml"]),
        (0, "new.toml: valid, mode enforce\n".into(), String::new())
    );
    fs::write(node.room.path("new.toml"), "\nmode = \"enforced\"\n").unwrap();
    let fault = "cannot use settings \"new.toml\", line 2: unknown variant `enforced`, expected `enforce` or `audit`";
    assert_eq!(
        ctl(&node, &["settings", "check", "new.toml"]),
        (1, String::new(), format!("embargoctl: {fault}\n"))
    );
    let (status, document, said) = ctl(&node, &["settings", "check", "--json", "new.toml"]);
    assert_eq!((status, said.as_str()), (1, ""));
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(
        (&document["valid"], &document["line"], &document["fault"]),
        (&false.into(), &2.into(), &fault.into())
    );
}

#[test]
fn break_glass_opens_the_gate_until_it_is_ended() {
    let node = node();
    let open = ["break-glass", "--reason", "INC-1", "--for", "30m"];
    assert_eq!(node.gate(), Answer::Banned(7));
    // A typo in the settings is no reason to wait for the morning.
    for settings in ["", "mode = \"enforced\""] {
        node.set(settings);
        assert_eq!(ctl(&node, &open).0, 0);
        assert_eq!(node.gate(), Answer::Admitted);
        assert_eq!(ctl(&node, &["break-glass", "--end"]).0, 0);
        assert_ne!(node.gate(), Answer::Admitted);
    }
    let (status, document, _) = ctl(&node, &["install", "--json", "staged.lst"]);
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    // The settings still have the typo.
    assert_eq!(
        (status, &document["outcome"], &document["changed"]),
        (1, &"refused".into(), &false.into())
    );
}

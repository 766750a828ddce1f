//! Tests directories that other users may write to. An attacker who removes the list and the floor
//! there and writes an older, correctly signed list lifts nothing. An attacker who removes the
//! settings disarms nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::node::{Answer, Node, OTHER};

const FAULT: &str = "cannot trust \"/var/lib/embargo\": owned or writable by another user";

#[test]
fn floor_and_list_taken_away() {
    for mode in [0o777, 0o1777, 0o775] {
        let node = Node::with_list(412);
        let old = node.list(7).banning("base", &[OTHER]).by(&[1]);
        node.room.keep(mode);
        fs::remove_file(node.state("floor")).unwrap();
        assert_eq!(node.distrusts(&old), FAULT, "{mode:o}");
        // No list can be installed in such a directory either, until only its owner can write to
        // the directory.
        let next = node.list(413).by(&[1]);
        assert_eq!(
            node.install(&next).unwrap_err(),
            FAULT.replace("/var", "/node/var"),
            "{mode:o}"
        );
        node.room.keep(0o755);
        node.install(&next).unwrap();
        assert_eq!(node.gate(), Answer::Banned(413));
    }
}

#[test]
fn settings_keyset_and_break_glass_in_a_directory_of_others() {
    let node = Node::with_list(412);
    let etc = node.room.path("node/etc/embargo");
    let mode = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap()
    };
    let refused = |path: &str| {
        Answer::Refused(format!(
            "cannot trust {path:?}: owned or writable by another user"
        ))
    };
    for bits in [0o777, 0o1777, 0o775] {
        mode(&etc, bits);
        assert_eq!(node.gate(), refused("/etc/embargo"), "{bits:o}");
        // Removing the settings does not disarm the node, and an attacker's break-glass file opens
        // nothing.
        let settings = fs::read(etc.join("config.toml")).unwrap();
        fs::remove_file(etc.join("config.toml")).unwrap();
        fs::write(
            etc.join("break-glass"),
            "reason = \"x\"\nuntil = 2026-11-21\n",
        )
        .unwrap();
        assert_eq!(node.gate(), refused("/etc/embargo"), "{bits:o}");
        fs::remove_file(etc.join("break-glass")).unwrap();
        fs::write(etc.join("config.toml"), settings).unwrap();
        // Running containers can still be stopped.
        node.room.passes(["kill", "web-1", "9"]);
        node.room.passes(["delete", "web-1"]);
        assert!(
            node.run(&["keyset", "show"])
                .unwrap()
                .contains("no start takes it: cannot trust "),
            "{bits:o}"
        );
        mode(&etc, 0o755);
        assert_eq!(node.gate(), Answer::Banned(412));
    }
    // Each directory above is checked too. A sticky bit is enough there, because this bit protects
    // the files of other users.
    for (bits, answer) in [
        (0o777, refused("/etc")),
        (0o1777, Answer::Banned(412)),
        (0o755, Answer::Banned(412)),
    ] {
        mode(etc.parent().unwrap(), bits);
        assert_eq!(node.gate(), answer, "{bits:o}");
    }
}

#[test]
fn what_configuration_management_makes_of_the_directory_is_fine() {
    let node = Node::with_list(412);
    let (etc, elsewhere) = (
        node.room.path("node/etc/embargo"),
        node.room.path("node/srv/embargo"),
    );
    fs::create_dir(node.room.path("node/srv")).unwrap();
    fs::rename(&etc, &elsewhere).unwrap();
    for target in [
        std::path::PathBuf::from("../srv/embargo"),
        elsewhere.clone(),
    ] {
        std::os::unix::fs::symlink(target, &etc).unwrap();
        assert_eq!(node.gate(), Answer::Banned(412));
        fs::set_permissions(
            elsewhere.parent().unwrap(),
            fs::Permissions::from_mode(0o777),
        )
        .unwrap();
        let answer = node.gate();
        let Answer::Refused(because) = answer else {
            panic!("a directory of others is on the way: {answer:?}")
        };
        assert!(
            because.ends_with("/srv\": owned or writable by another user"),
            "{because}"
        );
        fs::set_permissions(
            elsewhere.parent().unwrap(),
            fs::Permissions::from_mode(0o755),
        )
        .unwrap();
        fs::remove_file(&etc).unwrap();
    }
}

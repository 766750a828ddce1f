//! Tests that an undo gives back what was there, whatever was done in between.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{DAEMON, node};

#[test]
fn an_undo_keeps_what_was_there_before_the_first_change() {
    let theirs = "{\n  \"runtimes\": {\"embargo\": {\"path\": \"/usr/bin/embargo\"}},\n  \"debug\": true\n}\n";
    for edit in [false, true] {
        let node = node();
        node.write_below(DAEMON, theirs);
        node.configure("docker --default").unwrap();
        let mut expected = theirs.to_owned();
        if edit {
            node.write_below(DAEMON, &node.text(DAEMON).replace("true", "false"));
            expected = expected.replace("true", "false");
        }
        node.configure("docker --undo").unwrap();
        assert_eq!(node.text(DAEMON), expected);
    }
    let (file, theirs) = (
        "etc/containers/own.conf",
        "[engine]\nruntime = \"runc\"\n[engine.runtimes]\ncrun = [\"/opt/crun\", \"/usr/bin/crun\"]\n",
    );
    let node = node();
    node.write_below(file, theirs);
    node.configure("podman --default --name crun --config /etc/containers/own.conf")
        .unwrap();
    node.write_below(file, &(node.text(file) + "# edited\n"));
    node.configure("podman --undo").unwrap();
    assert_eq!(node.text(file), format!("{theirs}# edited\n"));
}

#[test]
fn a_change_that_was_killed_before_the_file_is_undone_as_if_it_had_never_begun() {
    let theirs = "{\n  \"runtimes\": {\"embargo\": {\"path\": \"/usr/bin/embargo\"}}\n}\n";
    let killed = node();
    killed.write_below(DAEMON, theirs);
    killed.configure("docker --default").unwrap();
    killed.write_below(DAEMON, theirs);
    killed.configure("docker --undo").unwrap();
    assert_eq!(killed.text(DAEMON), theirs);
    assert!(!killed.has("var/lib/embargo/configure/docker.json"));
    // A second change, under another name.
    let killed = node();
    killed.write_below(DAEMON, "{ }\n");
    killed.configure("docker --default --name one").unwrap();
    let first = killed.text(DAEMON);
    killed.configure("docker --default --name two").unwrap();
    for edit in ["", "\n"] {
        killed.write_below(DAEMON, &format!("{first}{edit}"));
        let record = killed.text("var/lib/embargo/configure/docker.json");
        killed.configure("docker --undo").unwrap();
        assert_eq!(
            killed.text(DAEMON).trim(),
            "{ }".replace(' ', if edit.is_empty() { " " } else { "" })
        );
        killed.write_below("var/lib/embargo/configure/docker.json", &record);
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(killed.path("var/lib/embargo/configure/docker.json"), mode).unwrap();
    }
}

#[test]
fn line_ends_and_a_byte_order_mark_stay() {
    for (engine, file, theirs) in [
        (
            "containerd",
            "etc/containerd/config.toml",
            "\u{feff}version = 2 # x\r\n[plugins]\r\n# end\r\n",
        ),
        (
            "docker",
            DAEMON,
            "\u{feff}{\r\n  \"debug\": true,\r\n  \"runtimes\": {}\r\n}\r\n",
        ),
    ] {
        let node = node();
        node.write_below(file, theirs);
        node.configure(&format!("{engine} --default")).unwrap();
        let ours = node.text(file);
        assert!(ours.starts_with('\u{feff}'), "{ours:?}");
        assert!(!ours.replace("\r\n", "").contains('\n'), "{ours:?}");
        node.write_below(file, &(ours + "\r\n"));
        node.configure(&format!("{engine} --undo")).unwrap();
        assert_eq!(node.text(file), format!("{theirs}\r\n"));
    }
}

#[test]
fn what_a_killed_command_left_beside_the_file_goes_with_the_undo() {
    let node = node();
    node.configure("crio --default").unwrap();
    for draft in [
        "etc/crio/crio.conf.d/.50-embargo.conf.draft-17",
        "var/lib/embargo/configure/.crio.json.draft-17",
    ] {
        node.write_below(draft, "[crio.runtime]\ndefault_runtime = \"embargo\"\n");
    }
    node.configure("crio --undo").unwrap();
    assert!(!node.has("etc/crio"));
    assert!(!node.has("var/lib/embargo/configure/.crio.json.draft-17"));
}

//! Tests configure on the files of a node that is mounted below a directory.

mod undo;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use crate::ctl::testing::Desk;

const DAEMON: &str = "etc/docker/daemon.json";

/// A node with Embargo's program, mounted in a directory.
fn node() -> Desk {
    let node = Desk::new();
    node.write_below("usr/bin/embargo", "embargo");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(node.path("usr/bin/embargo"), mode).unwrap();
    node
}

impl Desk {
    fn write_below(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
        self.write(name, text.as_bytes());
    }

    fn configure(&self, arguments: &str) -> Result<String, String> {
        self.run(&format!("configure {arguments} --root @"))
    }

    fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.path(name)).is_ok()
    }
}

#[test]
fn a_change_is_made_once_and_undone_byte_for_byte() {
    let before = "{\n  \"features\": {\"buildkit\": true}\n}";
    for (file, engine, text) in [
        (DAEMON, "docker", Some(before)),
        (DAEMON, "docker", None),
        (
            "etc/containerd/config.toml",
            "containerd",
            Some("version = 2 # two\n"),
        ),
        ("etc/containerd/config.toml", "containerd", None),
        (
            "etc/containers/containers.conf.d/50-embargo.conf",
            "podman",
            None,
        ),
        ("etc/crio/crio.conf.d/50-embargo.conf", "crio", None),
        (
            "etc/buildkit/buildkitd.toml",
            "buildkit",
            Some("debug = true\n"),
        ),
    ] {
        let node = node();
        if let Some(text) = text {
            node.write_below(file, text);
        }
        let check = format!("{engine} --default --check");
        let would = if text.is_some() {
            "would change"
        } else {
            "would create"
        };
        assert_eq!(node.configure(&check).unwrap(), format!("{would} {file}\n"));
        let verb = if text.is_some() { "changed" } else { "created" };
        let done = node.configure(&format!("{engine} --default")).unwrap();
        assert!(done.starts_with(&format!("{verb} {file}\n")), "{done}");
        assert!(done.contains("next: "), "{done}");
        assert!(node.text(file).contains("/usr/bin/embargo"));
        let again = format!("nothing to change: {engine} has its settings already\n");
        assert_eq!(node.configure(&check).unwrap(), again);
        // The daemon may be older than its settings.
        let reminder = match engine {
            "podman" => String::new(),
            "docker" => "if it has not read them yet: systemctl reload docker\n".to_owned(),
            other => format!("if it has not read them yet: systemctl restart {other}\n"),
        };
        assert_eq!(
            node.configure(&format!("{engine} --default")).unwrap(),
            again + &reminder
        );
        let printed = node
            .configure(&format!("{engine} --default --print"))
            .unwrap();
        assert_eq!(printed, node.text(file));
        node.configure(&format!("{engine} --undo")).unwrap();
        match text {
            Some(text) => assert_eq!(node.text(file), text),
            None => assert!(!node.has(file), "{file}"),
        }
        assert!(!node.has(&format!("var/lib/embargo/configure/{engine}.json")));
        let nothing = format!("nothing to undo: {engine} has nothing from embargoctl\n");
        assert_eq!(
            node.configure(&format!("{engine} --undo")).unwrap(),
            nothing
        );
    }
}

#[test]
fn directories_that_were_made_go_again_and_others_stay() {
    let node = node();
    node.configure("podman --default").unwrap();
    node.configure("podman --undo").unwrap();
    assert!(!node.has("etc/containers"));
    node.configure("podman --default").unwrap();
    node.write_below("etc/containers/containers.conf.d/60.conf", "");
    node.configure("podman --undo").unwrap();
    assert!(node.has("etc/containers/containers.conf.d/60.conf"));
}

#[test]
fn an_undo_leads_to_the_text_before_the_first_change() {
    let node = node();
    node.write_below(DAEMON, "{ }\n");
    node.configure("docker").unwrap();
    node.configure("docker --default").unwrap();
    node.configure("docker --default --name other").unwrap();
    assert!(!node.text(DAEMON).contains("\"embargo\""));
    // A reload keeps a default that is gone from the file, with 20.10.24 as with 28.
    assert_eq!(
        node.configure("docker --undo").unwrap(),
        format!("changed {DAEMON}\nnext: systemctl restart docker\n")
    );
    assert_eq!(node.text(DAEMON), "{ }\n");
}

#[test]
fn an_undo_keeps_what_somebody_else_changed_since() {
    let node = node();
    node.write_below(DAEMON, "{\n  \"debug\": true\n}\n");
    node.configure("docker --default").unwrap();
    node.write_below(DAEMON, &node.text(DAEMON).replace("true", "false"));
    node.configure("docker --undo").unwrap();
    assert_eq!(node.text(DAEMON), "{\n  \"debug\": false\n}\n");
}

#[test]
fn a_note_after_a_byte_order_mark_counts() {
    let node = node();
    let text = "\u{feff}# Maintained by Puppet\nversion = 2\n";
    node.write_below("etc/containerd/config.toml", text);
    let fault = node.configure("containerd --default").unwrap_err();
    assert!(
        fault.contains("it says \"Maintained by Puppet\""),
        "{fault}"
    );
}

#[test]
fn mode_and_link_stay() {
    let node = node();
    node.write_below("srv/daemon.json", "{}");
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(node.path("srv/daemon.json"), mode).unwrap();
    fs::create_dir_all(node.path("etc/docker")).unwrap();
    symlink("../../srv/daemon.json", node.path(DAEMON)).unwrap();
    node.configure("docker --default").unwrap();
    assert!(
        fs::symlink_metadata(node.path(DAEMON))
            .unwrap()
            .is_symlink()
    );
    let facts = fs::metadata(node.path("srv/daemon.json")).unwrap();
    assert_eq!(facts.mode() & 0o7777, 0o600);
    assert!(node.text("srv/daemon.json").contains("embargo"));
    let record = fs::metadata(node.path("var/lib/embargo/configure/docker.json")).unwrap();
    assert_eq!(record.mode() & 0o7777, 0o600);
}

#[test]
fn a_dry_run_prints_the_difference_and_changes_nothing() {
    let node = node();
    node.write_below(
        "etc/buildkit/buildkitd.toml",
        "[worker.oci]\n  binary = \"runc\"\n",
    );
    assert_eq!(
        node.configure("buildkit --dry-run").unwrap(),
        "--- etc/buildkit/buildkitd.toml\n+++ etc/buildkit/buildkitd.toml\n@@ -1,2 +1,2 @@\n \
         [worker.oci]\n-  binary = \"runc\"\n+  binary = \"/usr/bin/embargo\"\n"
    );
    assert!(!node.has("var"));
}

#[test]
fn what_cannot_be_changed_is_refused_in_one_line() {
    for (text, arguments, expected) in [
        (
            "{ \"_\": \"Ansible managed\" }",
            "docker",
            "cannot change \"etc/docker/daemon.json\": it says \"_: \\\"Ansible managed\\\"\" / --print shows the new settings: put them where the file comes from",
        ),
        (
            "{\"debug\": true, \"_comment\": \"from Puppet\"}",
            "docker",
            "cannot change \"etc/docker/daemon.json\": it says \"_comment: \\\"from Puppet\\\"\" / --print shows the new settings: put them where the file comes from",
        ),
        (
            "{\"runtimes\": {}, \"runtimes\": {\"x\": {\"path\": \"/x\"}}}",
            "docker",
            "cannot edit \"etc/docker/daemon.json\" ",
        ),
        (
            "{\"runtimes\": {\"embargo\": null}}",
            "docker",
            "cannot edit \"etc/docker/daemon.json\" / choose another name with --name, or remove that runtime first",
        ),
        ("{", "docker", "cannot edit \"etc/docker/daemon.json\" "),
        (
            "{}",
            "docker --name runc",
            "cannot use \"runc\" as the name of a runtime: Docker keeps it for its own",
        ),
        (
            "{}",
            "docker --name a/b",
            "cannot use \"a/b\" as the name of a runtime",
        ),
        (
            "{}",
            "docker --path embargo",
            "cannot use \"embargo\": not an absolute path / name the program as the node sees it: --path /usr/bin/embargo",
        ),
        (
            "{}",
            "docker --path /usr/bin/\u{1b}embargo",
            "cannot use \"/usr/bin/\\u{1b}embargo\": control characters, or not UTF-8 / name the program as the node sees it: --path /usr/bin/embargo",
        ),
        (
            "{}",
            "docker --path /none",
            "cannot find Embargo's program \"/none\" / name the program as the node sees it: --path /usr/bin/embargo",
        ),
        (
            "{}",
            "buildkit",
            "cannot configure buildkit: there is neither dockerd nor buildkitd",
        ),
    ] {
        let node = node();
        node.write_below(DAEMON, text);
        let fault = node.configure(arguments).unwrap_err();
        assert_eq!(fault.trim(), expected.trim(), "{arguments}");
        assert_eq!(node.text(DAEMON), text);
    }
}

#[test]
fn a_link_out_of_the_nodes_root_is_not_followed() {
    let (node, elsewhere) = (node(), tempfile::tempdir().unwrap());
    let file = elsewhere.path().join("daemon.json");
    crate::sys::replace::replace(&file, 0o644, b"{}").unwrap();
    fs::create_dir_all(node.path("etc/docker")).unwrap();
    symlink(&file, node.path(DAEMON)).unwrap();
    let fault = node.configure("docker").unwrap_err();
    assert!(
        fault.ends_with("out of the node's root directory"),
        "{fault}"
    );
}

#[test]
fn embargo_does_not_become_the_default_of_an_armed_node_without_a_list() {
    let node = node();
    node.write_below("etc/embargo/config.toml", "mode = \"enforce\"\n");
    let fault = node.configure("docker --default").unwrap_err();
    assert!(
        fault.starts_with("cannot make Embargo the default runtime: nothing would start"),
        "{fault}"
    );
    assert!(!node.has(DAEMON));
    node.configure("docker").unwrap();
    node.write_below("etc/embargo/config.toml", "mode = \"audit\"\n");
    node.configure("docker --default").unwrap();
}

#[test]
fn a_runtime_that_containers_need_is_not_removed() {
    let node = node();
    node.configure("docker --default").unwrap();
    node.write_below(
        "var/lib/docker/containers/0a/hostconfig.json",
        r#"{"Runtime": "embargo"}"#,
    );
    node.write_below(
        "var/lib/docker/containers/0b/hostconfig.json",
        r#"{"Runtime": "runc"}"#,
    );
    assert_eq!(
        node.configure("docker --undo").unwrap_err(),
        "cannot remove the runtime \"embargo\": 1 container could not start again without it / create these containers anew with another runtime, or add --accept-downtime"
    );
    // Another name takes it away, too.
    assert!(
        node.configure("docker --default --name other")
            .unwrap_err()
            .starts_with("cannot remove the runtime \"embargo\": 1 container could not")
    );
    // A record that cannot be read may need any name.
    node.write_below("var/lib/docker/containers/0c/hostconfig.json/file", "");
    assert!(
        node.configure("docker --undo")
            .unwrap_err()
            .starts_with("cannot tell whether containers need the runtime")
    );
    node.configure("docker --undo --accept-downtime").unwrap();
    assert!(!node.has(DAEMON));
}

#[test]
fn the_file_of_containerd_that_has_the_cri_is_changed() {
    let node = node();
    let main = "version = 2\nimports = [\"conf.d/*.toml\"]\n";
    let part = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.other]\nruntime_type = \"io.containerd.runc.v2\"\n";
    node.write_below("etc/containerd/config.toml", main);
    node.write_below("etc/containerd/conf.d/10.toml", part);
    let done = node.configure("containerd --default").unwrap();
    assert!(
        done.starts_with("changed etc/containerd/conf.d/10.toml\n"),
        "{done}"
    );
    assert_eq!(node.text("etc/containerd/config.toml"), main);
}

#[test]
fn a_flag_in_the_service_of_a_daemon_that_does_not_run_is_seen() {
    let node = node();
    node.write_below(
        "usr/lib/systemd/system/docker.service",
        "[Service]\n# --add-runtime\nExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS\n",
    );
    node.configure("docker --check").unwrap();
    node.configure("docker --dry-run").unwrap();
    for file in ["etc/default/docker", "etc/sysconfig/docker"] {
        node.write_below(file, "DOCKER_OPTS=\"--default-runtime=kata\"\n");
        node.configure("docker --dry-run").unwrap();
        assert!(node.configure("docker --default").is_err(), "{file}");
        node.write_below(file, "");
    }
    node.write_below("etc/default/docker", "A=\"--default-runtime=kata\"\n");
    assert_eq!(
        node.configure("docker --default").unwrap_err(),
        "cannot change \"etc/docker/daemon.json\": dockerd is started with --default-runtime / the daemon does not start with both, or ignores the file: take the flag out of its service first"
    );
}

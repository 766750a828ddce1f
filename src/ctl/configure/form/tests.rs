//! Tests the texts that configure writes, on the settings files that Debian installs.

use super::*;

/// The whole file that Debian 12 (containerd 1.6.20) and Debian forky (2.1.9) install.
const DEBIAN: &str = r#"version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.internal.v1.opt"]
    path = "/var/lib/containerd/opt"
"#;

/// The handlers as `containerd config default` of 2.1 prints them, and a cgroup driver as kubeadm's
/// manual sets it.
const KUBEADM: &str = r#"version = 3
[plugins.'io.containerd.cri.v1.runtime'.containerd]
  default_runtime_name = 'runc' # the usual one
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    # runc's own
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      BinaryName = ''
      SystemdCgroup = true
"#;

/// What CRI-O 1.37's package has in /etc/crio/crio.conf.d/10-crio.conf, the handler crun.
const CRIO: &str = r#"runtime_path = "/usr/libexec/crio/crun"
runtime_root = "/run/crun"
monitor_path = "/usr/libexec/crio/conmon"
allowed_annotations = ["io.containers.trace-syscall"]
"#;

fn entry(rank: Rank) -> RuntimeEntry {
    RuntimeEntry {
        name: "embargo".to_owned(),
        program: PathBuf::from("/usr/bin/embargo"),
        rank,
    }
}

/// The text with the entry; the entry is found in it, a second time changes nothing, and without
/// the entry the text means the same as before.
fn with(form: &Form, text: &str, rank: Rank) -> String {
    let entry = entry(rank);
    let new = form.with(text, &entry).unwrap();
    assert!(form.has(&new, &entry).unwrap(), "{new}");
    assert_eq!(form.with(&new, &entry).unwrap(), new);
    let without = form.without(&new, &entry, text).unwrap();
    assert!(!form.has(&without, &entry).unwrap(), "{without}");
    new
}

#[test]
fn daemon_json_keeps_everything_else_as_it_is() {
    for (text, expected) in [
        (
            "",
            "{\n    \"runtimes\": {\n        \"embargo\": {\n            \"path\": \"/usr/bin/embargo\"\n        }\n    },\n    \"default-runtime\": \"embargo\"\n}\n",
        ),
        (
            "{\n  \"features\": {\"buildkit\": true},\n  \"log-driver\": \"journald\"\n}\n",
            "{\n  \"features\": {\"buildkit\": true},\n  \"log-driver\": \"journald\",\n  \"runtimes\": {\n    \"embargo\": {\n      \"path\": \"/usr/bin/embargo\"\n    }\n  },\n  \"default-runtime\": \"embargo\"\n}\n",
        ),
        (
            "\u{feff}{\n\t\"default-runtime\": \"kata\",\n\t\"runtimes\": {\n\t\t\"kata\": { \"runtimeType\": \"io.containerd.kata.v2\" }\n\t}\n}",
            "\u{feff}{\n\t\"default-runtime\": \"embargo\",\n\t\"runtimes\": {\n\t\t\"kata\": { \"runtimeType\": \"io.containerd.kata.v2\" },\n\t\t\"embargo\": {\n\t\t\t\"path\": \"/usr/bin/embargo\"\n\t\t}\n\t}\n}",
        ),
    ] {
        assert_eq!(
            with(&Form::DaemonJson, text, Rank::Default),
            expected,
            "{text}"
        );
    }
}

#[test]
fn daemon_json_is_refused_with_the_reason() {
    for (text, fault) in [
        ("{", "EOF while parsing an object at line 1 column 1"),
        ("{\"a\": 1,}", "trailing comma at line 1 column 9"),
        ("// a\n{}", "expected value at line 1 column 1"),
        ("[]", "the whole file has a value of the wrong type"),
        (
            "{\"runtimes\": 5}",
            "runtimes has a value of the wrong type",
        ),
        (
            "{\"runtimes\": {\"embargo\": {\"path\": \"/opt/other\"}}}",
            "the runtime \"embargo\" is there already and runs another program",
        ),
    ] {
        let found = Form::DaemonJson
            .with(text, &entry(Rank::Choice))
            .unwrap_err();
        assert_eq!(found.to_string(), fault, "{text}");
    }
}

#[test]
fn daemon_json_without_the_entry_keeps_what_others_added_since() {
    let before = "{\n  \"default-runtime\": \"kata\",\n  \"runtimes\": {\"kata\": {\"path\": \"/usr/bin/kata\"}}\n}\n";
    let new = with(&Form::DaemonJson, before, Rank::Default);
    let later = new.replacen('{', "{\n  \"debug\": true,", 1);
    let without = Form::DaemonJson.without(&later, &entry(Rank::Default), before);
    let without: serde_json::Value = serde_json::from_str(&without.unwrap()).unwrap();
    assert_eq!(
        without,
        serde_json::json!({
            "debug": true,
            "default-runtime": "kata",
            "runtimes": {"kata": {"path": "/usr/bin/kata"}},
        })
    );
    let made = with(&Form::DaemonJson, "", Rank::Default);
    let without = Form::DaemonJson
        .without(&made, &entry(Rank::Default), "")
        .unwrap();
    assert!(Form::DaemonJson.is_empty(&without), "{without}");
}

#[test]
fn containerds_built_in_runc_stays_when_a_list_of_handlers_begins() {
    // Cause: with 1.6.20, `config dump` of a file that lists only `embargo` has no `runc`.
    let new = with(&Form::Containerd, DEBIAN, Rank::Default);
    assert!(
        new.starts_with(
            DEBIAN
                .trim_end()
                .split_once("  [plugins.\"io.containerd.internal")
                .unwrap()
                .0
        ),
        "{new}"
    );
    let table: toml::Table = new.parse().unwrap();
    assert_eq!(
        table["plugins"]["io.containerd.grpc.v1.cri"]["containerd"],
        toml::toml! {
            default_runtime_name = "embargo"
            [runtimes.runc]
            runtime_type = "io.containerd.runc.v2"
            [runtimes.embargo]
            runtime_type = "io.containerd.runc.v2"
            [runtimes.embargo.options]
            BinaryName = "/usr/bin/embargo"
        }
        .into()
    );
    let without = Form::Containerd
        .without(&new, &entry(Rank::Default), DEBIAN)
        .unwrap();
    assert_eq!(
        without.parse::<toml::Table>().unwrap(),
        DEBIAN.parse::<toml::Table>().unwrap()
    );
}

#[test]
fn a_handler_of_containerd_is_a_copy_of_the_default_handler() {
    let new = with(&Form::Containerd, KUBEADM, Rank::Default);
    let table: toml::Table = new.parse().unwrap();
    let containerd = &table["plugins"]["io.containerd.cri.v1.runtime"]["containerd"];
    assert_eq!(containerd["default_runtime_name"].as_str(), Some("embargo"));
    assert_eq!(
        containerd["runtimes"]["embargo"],
        toml::toml! {
            runtime_type = "io.containerd.runc.v2"
            [options]
            BinaryName = "/usr/bin/embargo"
            SystemdCgroup = true
        }
        .into()
    );
    for kept in [
        "# the usual one",
        "    # runc's own",
        "      BinaryName = ''\n",
    ] {
        assert!(new.contains(kept), "{new}");
    }
    assert!(!with(&Form::Containerd, KUBEADM, Rank::Choice).contains("= \"embargo\""));
}

#[test]
fn containerds_versions_name_the_plugin() {
    for (text, plugin) in [
        ("", "plugins.\"io.containerd.grpc.v1.cri\""),
        ("root = \"/x\"\n", "plugins.cri"),
        ("version = 1\n", "plugins.cri"),
        ("version = 2\n", "plugins.\"io.containerd.grpc.v1.cri\""),
        ("version = 3\n", "plugins.\"io.containerd.cri.v1.runtime\""),
    ] {
        let new = with(&Form::Containerd, text, Rank::Choice);
        assert!(
            new.contains(&format!("[{plugin}.containerd.runtimes.embargo]")),
            "{new}"
        );
    }
    assert!(with(&Form::Containerd, "", Rank::Choice).contains("version = 2\n"));
    // Docker's package containerd.io turns the CRI off.
    let off = Form::Containerd.with("disabled_plugins = [\"cri\"]\n", &entry(Rank::Choice));
    assert_eq!(off.unwrap_err(), EditError::Disabled);
    let wrong = Form::Containerd.with("version = 2\nplugins = 5\n", &entry(Rank::Choice));
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "plugins has a value of the wrong type"
    );
}

#[test]
fn podman_gets_a_file_of_its_own() {
    assert_eq!(
        with(&Form::Podman, "", Rank::Default),
        "# Made by embargoctl configure; embargoctl configure --undo removes it.\n\
         [engine]\nruntime = \"embargo\"\n\
         runtime_supports_json = [\"crun\", \"runc\", \"kata\", \"runsc\", \"youki\", \"krun\", \"embargo\"]\n\n\
         [engine.runtimes]\nembargo = [\"/usr/bin/embargo\"]\n"
    );
    let crun = RuntimeEntry {
        name: "crun".to_owned(),
        ..entry(Rank::Choice)
    };
    assert_eq!(
        Form::Podman.with("", &crun).unwrap(),
        "# Made by embargoctl configure; embargoctl configure --undo removes it.\n\
         [engine.runtimes]\ncrun = [\"/usr/bin/embargo\"]\n"
    );
}

#[test]
fn a_handler_of_cri_o_keeps_root_and_monitor_of_the_default_handler() {
    assert_eq!(
        with(&Form::Crio(CRIO.to_owned()), "", Rank::Default),
        "# Made by embargoctl configure; embargoctl configure --undo removes it.\n\
         [crio.runtime]\ndefault_runtime = \"embargo\"\n\n\
         [crio.runtime.runtimes.embargo]\nruntime_path = \"/usr/bin/embargo\"\n\
         runtime_root = \"/run/crun\"\nmonitor_path = \"/usr/libexec/crio/conmon\"\n\
         allowed_annotations = [\"io.containers.trace-syscall\"]\nruntime_type = \"oci\"\n"
    );
}

#[test]
fn buildkit_gets_one_key_or_one_variable() {
    let toml = "debug = true # why\n[worker.oci]\n  binary = \"/usr/bin/crun\" # ours\n";
    assert_eq!(
        with(&Form::BuildKit, toml, Rank::Choice),
        toml.replace("/usr/bin/crun", "/usr/bin/embargo")
    );
    let made = with(&Form::Service, "", Rank::Choice);
    assert_eq!(
        made,
        "# Made by embargoctl configure; embargoctl configure --undo removes it.\n\
         [Service]\nEnvironment=\"DOCKER_BUILDKIT_RUNC_COMMAND=/usr/bin/embargo\"\n"
    );
    let without = Form::Service
        .without(&made, &entry(Rank::Choice), "")
        .unwrap();
    assert!(Form::Service.is_empty(&without));
}

#[test]
fn what_is_removed_from_toml_is_exactly_what_was_added() {
    for (form, before) in [
        (Form::Podman, "[engine]\nruntime = \"crun\"\n"),
        (
            Form::Podman,
            "[engine.runtimes]\ncrun = [\"/usr/bin/crun\"]\n",
        ),
        (
            Form::Crio(String::new()),
            "[crio.runtime]\ndefault_runtime = \"crun\"\n",
        ),
        (Form::BuildKit, "[worker.oci]\nbinary = \"/usr/bin/crun\"\n"),
        (Form::Containerd, KUBEADM),
    ] {
        let new = with(&form, before, Rank::Default);
        let later = format!("# a comment of somebody else\n{new}");
        let without = form.without(&later, &entry(Rank::Default), before).unwrap();
        assert!(
            without.starts_with("# a comment of somebody else\n"),
            "{without}"
        );
        assert_eq!(
            without.parse::<toml::Table>().unwrap(),
            before.parse::<toml::Table>().unwrap(),
            "{without}"
        );
    }
}

#[test]
fn a_drop_in_has_the_path_as_systemd_reads_it() {
    let odd = RuntimeEntry {
        program: PathBuf::from("/opt/50% \"a\\b\"/embargo"),
        ..entry(Rank::Default)
    };
    let new = Form::Service.with("", &odd).unwrap();
    let line = new.lines().last().unwrap();
    assert_eq!(
        line,
        r#"Environment="DOCKER_BUILDKIT_RUNC_COMMAND=/opt/50%% \"a\\b\"/embargo""#
    );
    assert!(
        !Form::Service
            .without(&new, &odd, "")
            .unwrap()
            .contains("50%")
    );
    assert_eq!(Form::Service.without(&new, &odd, &new).unwrap(), new);
}

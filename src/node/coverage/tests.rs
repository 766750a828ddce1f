//! Tests which runtime names are found in settings files, and where they lead.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A node with Embargo, runc and crun in its root directory.
struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        root.program("usr/bin/embargo", "embargo's own bytes");
        root.program("usr/sbin/runc", "runc's bytes");
        root.program("usr/bin/crun", "crun's bytes");
        root
    }

    fn with(self, path: &str, text: &str) -> Self {
        self.file(path, text);
        self
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        crate::sys::replace::replace(&path, 0o644, text.as_bytes()).unwrap();
    }

    fn program(&self, path: &str, text: &str) {
        self.file(path, text);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.0.path().join(path), mode).unwrap();
    }

    /// Each name, as `ENGINE NAME ROLE COVERED PROGRAM`.
    fn names(&self) -> Vec<String> {
        let coverage = self.coverage();
        assert!(coverage.faults.is_empty(), "{:?}", coverage.faults);
        let mut names = Vec::new();
        for name in coverage.names {
            let covered = match name.covered {
                Covered::Yes => "yes".to_owned(),
                Covered::No => "no".to_owned(),
                Covered::Unknown(doubt) => format!("{doubt:?}"),
            };
            let program = name.program.unwrap_or_default();
            names.push(format!(
                "{} {} {:?} {covered} {}",
                name.engine,
                name.name,
                name.role,
                program.display()
            ));
        }
        names
    }

    fn coverage(&self) -> Coverage {
        of_node(&Paths::below(self.0.path()))
    }
}

/// Whether Embargo is behind every name that somebody other than root can choose, and everything
/// could be read.
fn is_complete(coverage: &Coverage) -> bool {
    let is_closed =
        |name: &RuntimeName| name.covered == Covered::Yes || name.role == RuntimeRole::Root;
    coverage.faults.is_empty() && coverage.names.iter().all(is_closed)
}

#[test]
fn docker_has_its_stock_names_whatever_its_settings_say() {
    let root = Root::new().with(
        "etc/docker/daemon.json",
        r#"{"runtimes": {
            "embargo": {"path": "/usr/bin/embargo"},
            "bare": {"path": "embargo"},
            "gone": {"path": "/opt/gone"},
            "kata": {"runtimeType": "io.containerd.kata.v2"},
            "typed": {"runtimeType": "io.containerd.runc.v2", "options": {"BinaryName": "/usr/bin/crun"}}
        }, "default-runtime": "embargo"}"#,
    );
    assert_eq!(
        root.names(),
        [
            "docker runc Choice no /usr/sbin/runc",
            "docker io.containerd.runc.v2 Choice no /usr/sbin/runc",
            "docker bare Choice yes /usr/bin/embargo",
            "docker embargo Default yes /usr/bin/embargo",
            "docker gone Choice Missing /opt/gone",
            "docker kata Choice no ",
            "docker typed Choice no /usr/bin/crun",
            "buildkit buildkit Default no /usr/sbin/runc",
        ]
    );
    assert!(!is_complete(&root.coverage()));
}

#[test]
fn a_diverted_runc_covers_the_stock_names_as_a_link_and_as_a_copy() {
    let root = Root::new().with("etc/docker/daemon.json", "{}");
    let runc = root.0.path().join("usr/sbin/runc");
    for made in ["copy", "absolute link", "relative link", "hard link"] {
        fs::remove_file(&runc).unwrap();
        match made {
            "copy" => root.program("usr/sbin/runc", "embargo's own bytes"),
            "absolute link" => symlink("/usr/bin/embargo", &runc).unwrap(),
            "relative link" => symlink("../bin/embargo", &runc).unwrap(),
            _ => fs::hard_link(root.0.path().join("usr/bin/embargo"), &runc).unwrap(),
        }
        assert_eq!(
            root.names(),
            [
                "docker runc Default yes /usr/sbin/runc",
                "docker io.containerd.runc.v2 Choice yes /usr/sbin/runc",
                "buildkit buildkit Default yes /usr/sbin/runc",
            ],
            "{made}"
        );
        assert!(is_complete(&root.coverage()));
    }
}

#[test]
fn what_a_program_is_that_is_not_embargos_own_file() {
    let root = Root::new().with("etc/docker/daemon.json", "{}");
    for (bytes, expected) in [
        ("runc's bytes", Covered::No),
        (
            "#!/bin/sh\nexec embargo \"$@\"\n",
            Covered::Unknown(CoverageDoubt::Wrapper),
        ),
        (
            "another EMBARGO_DEPTH build",
            Covered::Unknown(CoverageDoubt::OtherVersion),
        ),
    ] {
        root.program("usr/sbin/runc", bytes);
        assert_eq!(root.coverage().names[0].covered, expected, "{bytes}");
    }
    root.file("usr/sbin/runc", "not a program");
    assert_eq!(
        root.coverage().names[0].covered,
        Covered::Unknown(CoverageDoubt::Missing)
    );
    for (name, expected) in [
        (
            "nvidia-container-runtime",
            Covered::Unknown(CoverageDoubt::Wrapper),
        ),
        ("runsc", Covered::No),
        ("kata-runtime", Covered::No),
        ("youki", Covered::No),
    ] {
        let path = format!("usr/bin/{name}");
        root.program(&path, "bytes");
        let text = format!(r#"{{"runtimes": {{"x": {{"path": "/{path}"}}}}}}"#);
        root.file("etc/docker/daemon.json", &text);
        assert_eq!(root.coverage().names[2].covered, expected, "{name}");
    }
}

#[test]
fn settings_that_cannot_be_parsed_are_reported_and_the_stock_names_stay() {
    let root = Root::new().with("etc/docker/daemon.json", "{");
    let coverage = root.coverage();
    assert_eq!((coverage.faults.len(), coverage.names.len()), (1, 3));
    assert!(!is_complete(&coverage));
}

#[test]
fn containerd_has_the_handlers_of_its_settings() {
    const RUNC: &str = "containerd io.containerd.runc.v2 Root no /usr/sbin/runc";
    let handlers = |plugin: &str| {
        format!(
            "[plugins.\"{plugin}\".containerd]\ndefault_runtime_name = \"embargo\"\n\
             [plugins.\"{plugin}\".containerd.runtimes.embargo]\nruntime_type = \"io.containerd.runc.v2\"\n\
             [plugins.\"{plugin}\".containerd.runtimes.embargo.options]\nBinaryName = \"/usr/bin/embargo\"\n"
        )
    };
    let open = "containerd runc Choice no /usr/sbin/runc";
    let closed = "containerd embargo Default yes /usr/bin/embargo";
    for (text, expected) in [
        (
            "version = 2\n".to_owned(),
            vec!["containerd runc Default no /usr/sbin/runc", RUNC],
        ),
        ("disabled_plugins = [\"cri\"]\n".to_owned(), vec![RUNC]),
        (
            format!("version = 1\n{}", handlers("cri")),
            vec![closed, RUNC],
        ),
        (
            format!("version = 2\n{}", handlers("io.containerd.grpc.v1.cri")),
            vec![closed, RUNC],
        ),
        (
            format!("version = 3\n{}", handlers("io.containerd.cri.v1.runtime")),
            vec![closed, open, RUNC],
        ),
    ] {
        let root = Root::new().with("etc/containerd/config.toml", &text);
        assert_eq!(root.names(), expected, "{text}");
    }
}

#[test]
fn what_depends_on_how_containerd_merges_is_not_known() {
    let root = Root::new()
        .with(
            "etc/containerd/config.toml",
            "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n\
             [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.other]\nruntime_type = \"io.containerd.runc.v2\"\n",
        )
        .with(
            "etc/containerd/conf.d/50-embargo.toml",
            "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\ndefault_runtime_name = \"embargo\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.embargo]\nruntime_type = \"io.containerd.runc.v2\"\n\
             options = { BinaryName = \"/usr/bin/embargo\" }\n",
        );
    assert_eq!(
        root.names(),
        [
            "containerd embargo Default yes /usr/bin/embargo",
            "containerd other Choice Merging /usr/sbin/runc",
            "containerd io.containerd.runc.v2 Root no /usr/sbin/runc",
        ]
    );
}

#[test]
fn podman_and_cri_o_read_their_drop_ins_in_order() {
    let root = Root::new()
        .with(
            "etc/containers/containers.conf",
            "[engine]\nruntime = \"crun\"\n[engine.runtimes]\nold = [\"/opt/none\", \"/usr/bin/crun\"]\n",
        )
        .with(
            "etc/containers/containers.conf.d/50-embargo.conf",
            "[engine]\nruntime = \"embargo\"\n[engine.runtimes]\nembargo = [\"/usr/bin/embargo\"]\n",
        )
        .with("etc/containers/containers.conf.d/60.disabled", "[engine]\nruntime = \"runc\"\n")
        .with(
            "etc/crio/crio.conf",
            "[crio.runtime]\ndefault_runtime = \"crun\"\n[crio.runtime.runtimes.crun]\nruntime_path = \"/usr/bin/crun\"\n\
             [crio.runtime.runtimes.kata]\nruntime_path = \"/usr/bin/kata\"\nruntime_type = \"vm\"\n",
        )
        .with(
            "etc/crio/crio.conf.d/10-embargo.conf",
            "[crio.runtime]\ndefault_runtime = \"embargo\"\n[crio.runtime.runtimes.embargo]\nruntime_path = \"/usr/bin/embargo\"\n\
             [crio.runtime.runtimes.own]\ninherit_default_runtime = true\n",
        );
    assert_eq!(
        root.names(),
        [
            "podman crun Choice no /usr/bin/crun",
            "podman runc Choice no /usr/sbin/runc",
            "podman embargo Default yes /usr/bin/embargo",
            "podman old Choice no /usr/bin/crun",
            "cri-o crun Choice no /usr/bin/crun",
            "cri-o embargo Default yes /usr/bin/embargo",
            "cri-o kata Choice no ",
            "cri-o own Choice yes /usr/bin/embargo",
        ]
    );
}

#[test]
fn a_buildkit_by_itself_calls_what_its_settings_name() {
    for (text, expected) in [
        ("", "buildkit worker.oci Default no /usr/sbin/runc"),
        (
            "[worker.oci]\nbinary = \"/usr/bin/embargo\"\n",
            "buildkit worker.oci Default yes /usr/bin/embargo",
        ),
        (
            "[worker.oci]\nenabled = false\n[worker.containerd]\nenabled = true\n",
            "buildkit worker.containerd Default no /usr/sbin/runc",
        ),
    ] {
        let root = Root::new().with("etc/buildkit/buildkitd.toml", text);
        assert_eq!(root.names(), [expected]);
    }
}

#[test]
fn a_document_names_engine_name_and_doubt() {
    let root = Root::new().with(
        "etc/docker/daemon.json",
        r#"{"runtimes": {"x": {"path": "/opt/x"}}}"#,
    );
    let json = serde_json::to_value(&root.coverage().names[2]).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "engine": "docker",
            "pid": null,
            "settings": root.0.path().join("etc/docker/daemon.json"),
            "name": "x",
            "program": "/opt/x",
            "role": "choice",
            "covered": "unknown",
            "doubt": "missing",
        })
    );
}

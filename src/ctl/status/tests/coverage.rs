//! Tests what a status says about the engines' runtime names.

use super::*;

impl Place {
    /// Embargo, runc, and Docker's settings.
    fn engines(&self, docker: &str) {
        for (path, mode, text) in [
            ("usr/bin/embargo", 0o755, "embargo's own bytes"),
            ("usr/sbin/runc", 0o755, "runc's bytes"),
            ("usr/bin/nvidia-runtime", 0o755, "another's bytes"),
            ("etc/docker/daemon.json", 0o644, docker),
        ] {
            let path = self.root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            replace(&path, mode, text.as_bytes()).unwrap();
        }
    }
}

#[test]
fn a_runtime_name_past_embargo_is_told_in_every_form() {
    let place = Place::new();
    place.set("runtime = \"/bin/true\"\n");
    place.engines(
        r#"{"runtimes": {"gone": {"path": "/opt/gone"}, "gpu": {"path": "/usr/bin/nvidia-runtime"}}}"#,
    );
    let status = place.status();
    assert_eq!(
        lines(&metrics::text(&status), "embargo_runtime_covered"),
        [
            "embargo_runtime_covered{engine=\"buildkit\",runtime=\"buildkit\",role=\"default\"} 0",
            "embargo_runtime_covered{engine=\"docker\",runtime=\"io.containerd.runc.v2\",role=\"choice\"} 0",
            "embargo_runtime_covered{engine=\"docker\",runtime=\"runc\",role=\"default\"} 0",
        ]
    );
    assert_eq!(
        lines(&metrics::text(&status), "embargo_runtimes_unknown"),
        ["embargo_runtimes_unknown 1"]
    );
    let text = text::of(&status);
    let expected = "\ncoverage  0 of 4 runtime names lead to Embargo; past it: docker/runc (the default), \
                    docker/io.containerd.runc.v2, buildkit/buildkit (the default); \
                    not known: docker/gpu\n";
    assert!(text.contains(expected), "{text}");
    let (line, _) = check::result(&status);
    assert!(
        line.contains("containers of docker start past Embargo"),
        "{line}"
    );
    let names = serde_json::to_value(&status.runtimes).unwrap();
    assert_eq!(names["names"][0]["name"], "runc", "{names:#}");
    assert_eq!(names["names"][0]["covered"], "no");
    assert_eq!(names["names"][3]["doubt"], "wrapper");
}

#[test]
fn a_default_that_is_embargo_is_no_trouble_though_another_name_is_open() {
    let place = Place::new();
    place.set("runtime = \"/bin/true\"\n");
    place.engines(
        r#"{"runtimes": {"ours": {"path": "/usr/bin/embargo"}}, "default-runtime": "ours"}"#,
    );
    let (line, _) = check::result(&place.status());
    assert!(!line.contains("past Embargo"), "{line}");
    place.engines("{");
    let status = place.status();
    let (line, _) = check::result(&status);
    assert!(line.contains("; runtime names are not known: "), "{line}");
    assert_eq!(
        lines(&metrics::text(&status), "embargo_collector_success"),
        ["embargo_collector_success 0"]
    );
}

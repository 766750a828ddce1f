//! Tests how a preview names containers.

use super::*;

/// Users of ctr choose IDs. Once, they were cut like Docker's, and showed no namespace.
#[test]
fn an_id_that_somebody_chose_is_whole_and_has_its_namespace() {
    let place = Place::new();
    let processes = [std::process::id(), std::os::unix::process::parent_id()];
    for (namespace, process) in ["default", "k8s.io"].into_iter().zip(processes) {
        let run = place.root.path().join("run/containerd");
        let id = "payments-api-frontend-1";
        let bundle = run
            .join("io.containerd.runtime.v2.task")
            .join(namespace)
            .join(id);
        let label = format!("bundle={}", bundle.to_string_lossy());
        let state = serde_json::json!({
            "id": id, "init_process_pid": process, "config": { "labels": [label] },
        });
        place.put(
            &run.join("runc").join(namespace).join(id).join("state.json"),
            state.to_string().as_bytes(),
        );
        place.put(
            &bundle.join("config.json"),
            br#"{"root":{"path":"rootfs"}}"#,
        );
    }
    let (text, _) = place.preview(NOTHING, false);
    for namespace in ["default", "k8s.io"] {
        let row = format!("\npayments-api-frontend-1, containerd/{namespace}  ");
        assert!(text.contains(&row), "{text}");
    }
    let json = place.json(NOTHING);
    assert_eq!(json["running"][0]["namespace"], "default");
}

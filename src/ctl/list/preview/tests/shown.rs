//! Tests how a preview names containers, and what it shows of patches, successors and severities.

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

/// Found by a test of attacks: one key may change or remove what people act on. The old value was
/// not shown, a removal was headed `adds`, and nothing said that the patches will not run.
#[test]
fn what_one_key_changes_or_removes_is_shown_with_its_old_value() {
    let place = Place::new();
    let bans = place.ban_of_base();
    let ours = format!("{bans}[ban.patch]\nrun = [\"echo\", \"ours\"]\n");
    let two = Keyset {
        lift_threshold: 2,
        ..keyset(&[1, 2], 1)
    }
    .text();
    place.put(&place.paths.keyset, two.as_bytes());
    place.put(
        &place.paths.list,
        &list(&parse(&ours), &terms(412), &[1, 2]),
    );
    let withheld = "\nnote      exec-patch prints this list's patches and runs none: 1 signed it, and the lift threshold is 2\n";
    let changed = ours
        .replace("\"ours\"", "\"thief\"")
        .replace("base:2", "evil:6")
        .replace("critical", "low");
    let (text, _) = place.preview_signed(&changed, &[1], false);
    let expected = [
        "\nchanges   BAN-2026-0007: severity critical -> low",
        r#"changes   BAN-2026-0007: successor "base:2" -> "evil:6""#,
        "changes   BAN-2026-0007: patch echo ours -> echo thief",
    ];
    let expected = expected.join("\n") + withheld;
    assert!(text.contains(&expected), "{text}");
    let (text, _) = place.preview_signed(&changed, &[1, 2], false);
    assert!(!text.contains(withheld), "{text}");
    let removed = bans.replace("successor = \"base:2\"\n", "");
    let (text, _) = place.preview_signed(&removed, &[1], false);
    let expected = [
        r#"removes   BAN-2026-0007: successor "base:2" -> none"#,
        "removes   BAN-2026-0007: patch echo ours -> none",
    ];
    assert!(text.contains(&expected.join("\n")), "{text}");
    // Another ban takes its place, and has neither.
    let (text, _) = place.preview_signed(&removed.replace("-0007", "-0008"), &[1], false);
    assert!(text.contains(&expected.join("\n")), "{text}");
}

//! Tests a `config.json` that follows a newer runtime-spec than this program. Embargo reads only
//! the fields that it needs; the runtime reports fields that it does not know.

use serde_json::{Value, json};

use super::node::{Answer, Node, OTHER, keyset};

#[test]
fn unknown_cap_ns_seccomp_rlimit_top_level() {
    let node = Node::trusting(&keyset(&[1], 1));
    node.install(&node.list(1).banning("layer", &[OTHER]).by(&[1]))
        .unwrap();
    let root = node.spec_root();
    let spec = |at: &str, value: Value| {
        let mut spec = json!({ "ociVersion": "1.2.0", "root": { "path": root }, "process": { "args": ["sh"] }, "linux": {} });
        let (directory, name) = at.rsplit_once('/').unwrap();
        spec.pointer_mut(directory).unwrap()[name] = value;
        spec
    };
    let newer = [
        spec("/ociVersion", json!("9.9.9")),
        spec(
            "/process/capabilities",
            json!({ "bounding": ["CAP_NO_SUCH_THING"], "future": ["CAP_X"] }),
        ),
        spec(
            "/linux/namespaces",
            json!([{ "type": "galaxy", "path": "/proc/1/ns/galaxy" }]),
        ),
        spec(
            "/linux/seccomp",
            json!({ "defaultAction": "SCMP_ACT_PONDER", "architectures": ["SCMP_ARCH_ABACUS"], "flags": ["NEW"] }),
        ),
        spec(
            "/process/rlimits",
            json!([{ "type": "RLIMIT_PATIENCE", "hard": u64::MAX, "soft": 1 }]),
        ),
        spec(
            "/linux/resources",
            json!({ "memory": { "limit": u64::MAX, "swap": -1 }, "telepathy": true }),
        ),
        spec("/linux/intelRdt", json!({ "schemata": [] })),
        spec("/process/scheduler", json!({ "policy": "SCHED_FUTURE" })),
        spec("/root/quantum", json!(true)),
        spec("/zos", json!({ "namespaces": [] })),
        spec("/future", json!({ "nested": [[[[{}]]]], "number": 1e300 })),
    ];
    for spec in &newer {
        node.spec(&spec.to_string());
        assert_eq!(node.gate(), Answer::Admitted, "{spec}");
    }
    // None of these fields hides the lineage of the container.
    node.install(&node.list(2).by(&[1])).unwrap();
    for spec in newer {
        node.spec(&spec.to_string());
        assert_eq!(node.gate(), Answer::Banned(2), "{spec}");
    }
}

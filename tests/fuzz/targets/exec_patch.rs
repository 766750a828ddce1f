//! Fuzzes exec-patch: no state, runtime spec, command output or journal line makes it panic.
//!
//! Nor may any of these inputs make exec-patch report an unsafe text, or start a process with
//! another user.
#![no_main]

use embargo::container::runtime::RuntimeKind;
use embargo::exec_patch::enter::process::{ProcessRequest, ProcessSpec};
use embargo::exec_patch::enter::refusal;
use embargo::exec_patch::job::{Job, JobResult};
use embargo::exec_patch::journal::line::Line;
use embargo::exec_patch::enter::output;
use embargo::exec_patch::request::payload::program;
use embargo::node::runtime_state;
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

fuzz_target!(|bytes: &[u8]| {
    for kind in [RuntimeKind::Runc, RuntimeKind::Crun] {
        if let Ok((id, bundle, process)) = runtime_state::parse(kind, "c1", bytes) {
            assert!(id.as_str() == "c1" && bundle.is_absolute() && process.started != Some(0));
        }
    }
    process(bytes);
    returns::<Line>(bytes);
    returns::<Job>(bytes);
    returns::<JobResult>(bytes);
    let fit = output::strip(bytes);
    assert!(
        fit.chars()
            .all(|letter| !letter.is_control() || matches!(letter, '\n' | '\t')),
        "{fit:?}"
    );
    _ = program::check(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert!(!refusal::reason(text, text, 255).contains(char::is_control));
    }
});

/// The process that is started has the container's own confinement, except for the options that the
/// caller chose, whatever the spec says.
fn process(bytes: &[u8]) {
    let Ok(spec) = ProcessSpec::parse(bytes) else {
        return;
    };
    let (words, environment) = (["sh".to_owned()], ["A=1".to_owned()]);
    let asked = ProcessRequest {
        arguments: &words,
        user: (0, 0),
        environment: &environment,
        marker: "EMBARGO_PATCH=r.1",
        directory: None,
    };
    let process = spec.process(&asked);
    assert_eq!(
        (&process["terminal"], &process["args"][0]),
        (&false.into(), &"sh".into())
    );
    // A runtime treats a missing user ID as root's, and accepts only a number.
    let number = |key: &str| process["user"][key].as_u64().unwrap_or(0);
    assert_eq!((number("uid"), number("gid")), (0, 0));
    let environment = process["env"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let markers = environment
        .iter()
        .filter(|variable| {
            variable
                .as_str()
                .is_some_and(|text| text.starts_with("EMBARGO_PATCH="))
        })
        .count();
    assert_eq!(
        (markers, environment.last()),
        (1, Some(&"EMBARGO_PATCH=r.1".into()))
    );
}

/// A value that was read is the same after it is written and read again.
fn returns<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(bytes) else {
        return;
    };
    let written = serde_json::to_vec(&read).expect("what was read can be written");
    assert_eq!(serde_json::from_slice::<T>(&written).ok(), Some(read));
}

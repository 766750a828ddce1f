//! Builds the `process` object for the runtime's `exec`.
//!
//! In: the container's runtime spec (written by the engine or by a user: hostile) and the values
//! that the patch asks for. Out: the `process` of `RUNTIME exec --process` (OCI runtime-spec,
//! config.md "Process"). The result is the container's own process object, so that the patch has no
//! more rights than the container. The arguments are replaced; the user, the environment and the
//! directory are replaced only if the patch asks for other ones. Pure. Not checked: values that
//! only the runtime reads.
//!
//! Capabilities follow the user, as in the engines' own `exec`. If the container runs as another
//! user, root gets the container's bounding set. Podman does the same
//! (libpod/oci_conmon_exec_common.go, `prepareProcessExec`). With `exec -u 0` of Docker 20.10 the
//! kernel gives the same set when root executes a program (capabilities(7), "Capabilities and
//! execution of programs by root"), but nothing where no_new_privs is set; Docker 28.5 and Podman
//! 4.3 and 5.8 give the bounding set there too. A user who is neither root nor the container's own
//! user gets no capabilities.

use serde_json::{Map, Value, json};

/// The values that replace the container's own.
#[derive(Clone, Copy, Debug)]
pub struct ProcessRequest<'a> {
    /// The command.
    pub arguments: &'a [String],
    /// Numeric user and group.
    pub user: (u32, u32),
    /// Variables `NAME=VALUE`. Each replaces the container's variable of the same name.
    pub environment: &'a [String],
    /// The variable by which the processes of a patch are recognised.
    pub marker: &'a str,
    /// The working directory.
    pub directory: Option<&'a str>,
}

/// Why a runtime spec has no usable process.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The spec is not JSON.
    #[error("cannot read the container's runtime spec")]
    Json(#[from] serde_json::Error),
    /// The spec has no `process`, or its `process` is not an object.
    #[error("cannot read the container's runtime spec: it has no process")]
    NoProcess,
}

/// The parts of a runtime spec that are needed to enter its container.
#[derive(Clone, Debug)]
pub struct ProcessSpec {
    process: Map<String, Value>,
    /// Whether the runtime made a user namespace for the container.
    pub makes_user_namespace: bool,
}

impl ProcessSpec {
    /// Reads a runtime spec.
    ///
    /// # Errors
    /// [`SpecError`].
    pub fn parse(json: &[u8]) -> Result<Self, SpecError> {
        let mut spec: Value = serde_json::from_slice(json)?;
        let namespaces = spec.pointer("/linux/namespaces").and_then(Value::as_array);
        let mut makes_user_namespace = false;
        for namespace in namespaces.into_iter().flatten() {
            let path = namespace["path"].as_str().unwrap_or_default();
            makes_user_namespace |= namespace["type"] == "user" && path.is_empty();
        }
        match spec.get_mut("process").map(Value::take) {
            Some(Value::Object(process)) => Ok(Self {
                process,
                makes_user_namespace,
            }),
            Some(_) | None => Err(SpecError::NoProcess),
        }
    }

    /// The process object with the requested values, as JSON.
    #[must_use]
    pub fn process(&self, asked: &ProcessRequest<'_>) -> Value {
        let mut process = self.process.clone();
        process.remove("consoleSize");
        process.insert("terminal".into(), json!(false));
        process.insert("args".into(), json!(asked.arguments));
        if let Some(directory) = asked.directory {
            process.insert("cwd".into(), json!(directory));
        }
        let own = process
            .get("env")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        process.insert("env".into(), environment(own, asked));
        become_user(&mut process, asked.user);
        Value::Object(process)
    }
}

/// The process's variables: the container's own, then the requested ones. A requested variable
/// replaces the container's variable of the same name.
fn environment(own: Vec<Value>, asked: &ProcessRequest<'_>) -> Value {
    let mut new: Vec<_> = asked.environment.iter().map(String::as_str).collect();
    new.push(asked.marker);
    let mut all = own;
    all.retain(|variable| match variable.as_str() {
        Some(variable) => !new.iter().any(|new| name(new) == name(variable)),
        None => true,
    });
    all.extend(new.into_iter().map(Value::from));
    Value::Array(all)
}

/// The name of a variable.
fn name(variable: &str) -> &str {
    variable.split('=').next().unwrap_or_default()
}

/// Changes the process's user to the requested one. The user's supplementary groups are left out:
/// only files in the container say which groups the user has.
fn become_user(process: &mut Map<String, Value>, (uid, gid): (u32, u32)) {
    let own = process.get("user").cloned().unwrap_or_default();
    let [own_uid, own_gid] = [&own["uid"], &own["gid"]].map(|number| number.as_u64().unwrap_or(0));
    let is_same_user = own_uid == u64::from(uid);
    if is_same_user && own_gid == u64::from(gid) {
        return;
    }
    let mut user = json!({ "uid": uid, "gid": gid });
    if let (Some(umask), Some(user)) = (own.get("umask"), user.as_object_mut()) {
        user.insert("umask".into(), umask.clone());
    }
    process.insert("user".into(), user);
    let capabilities = process.get_mut("capabilities");
    let Some(Value::Object(sets)) = capabilities else {
        return;
    };
    if is_same_user {
        return;
    }
    for set in ["effective", "permitted", "inheritable", "ambient"] {
        sets.remove(set);
    }
    if uid == 0 {
        let bounding = match sets.get("bounding") {
            Some(bounding) => bounding.clone(),
            None => json!([]),
        };
        sets.insert("effective".into(), bounding.clone());
        sets.insert("permitted".into(), bounding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = r#"{ "ociVersion": "1.0.2", "process": { "terminal": true, "consoleSize": { "height": 1, "width": 2 },
        "user": { "uid": 1000, "gid": 1001, "umask": 18, "additionalGids": [5, 6] }, "args": ["sleep", "9"], "cwd": "/srv",
        "env": ["PATH=/bin", "A=1", "AB=2", "EMBARGO_PATCH=old"], "noNewPrivileges": true, "apparmorProfile": "docker-default",
        "selinuxLabel": "l", "oomScoreAdj": 7, "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 18446744073709551615, "soft": 1024 }],
        "capabilities": { "bounding": ["CAP_CHOWN", "CAP_KILL"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"] } },
        "linux": { "namespaces": [{ "type": "pid" }, { "type": "user", "path": "" }] } }"#;

    fn made(user: (u32, u32), environment: &[&str], directory: Option<&str>) -> Value {
        let environment: Vec<String> = environment
            .iter()
            .map(|&variable| variable.to_owned())
            .collect();
        let words = ["sh".to_owned(), "-c".to_owned()];
        let asked = ProcessRequest {
            arguments: &words,
            user,
            environment: &environment,
            marker: "EMBARGO_PATCH=r.1",
            directory,
        };
        ProcessSpec::parse(SPEC.as_bytes()).unwrap().process(&asked)
    }

    #[test]
    fn nothing_but_what_is_asked_for_differs_from_the_containers_own() {
        let mut expected: Value = serde_json::from_str::<Value>(SPEC).unwrap()["process"].take();
        expected.as_object_mut().unwrap().remove("consoleSize");
        expected["terminal"] = json!(false);
        expected["args"] = json!(["sh", "-c"]);
        expected["env"] = json!(["PATH=/bin", "A=1", "AB=2", "EMBARGO_PATCH=r.1"]);
        assert_eq!(made((1000, 1001), &[], None), expected);
        expected["cwd"] = json!("/tmp");
        expected["env"] = json!(["PATH=/bin", "AB=2", "A=3", "NEW=a=b", "EMBARGO_PATCH=r.1"]);
        assert_eq!(
            made((1000, 1001), &["A=3", "NEW=a=b"], Some("/tmp")),
            expected
        );
    }

    #[test]
    fn root_in_a_container_of_another_user_has_what_the_container_may_have() {
        let process = made((0, 0), &[], None);
        assert_eq!(process["user"], json!({ "uid": 0, "gid": 0, "umask": 18 }));
        let set = json!(["CAP_CHOWN", "CAP_KILL"]);
        assert_eq!(
            process["capabilities"],
            json!({ "bounding": set, "effective": set, "permitted": set })
        );
        assert_eq!(process["noNewPrivileges"], json!(true));
    }

    #[test]
    fn a_user_who_is_neither_root_nor_the_containers_own_has_nothing() {
        assert_eq!(
            made((7, 7), &[], None)["capabilities"],
            json!({ "bounding": ["CAP_CHOWN", "CAP_KILL"] })
        );
        let own = made((1000, 5), &[], None);
        assert_eq!(own["user"], json!({ "uid": 1000, "gid": 5, "umask": 18 }));
        assert_eq!(
            own["capabilities"]["ambient"],
            json!(["CAP_KILL"]),
            "another group changes no capability"
        );
    }

    #[test]
    fn a_spec_tells_whether_its_runtime_makes_a_user_namespace() {
        let namespaces = |text: &str| {
            let spec = format!(r#"{{"process":{{}},"linux":{{"namespaces":[{text}]}}}}"#);
            ProcessSpec::parse(spec.as_bytes())
                .unwrap()
                .makes_user_namespace
        };
        assert!(
            ProcessSpec::parse(SPEC.as_bytes())
                .unwrap()
                .makes_user_namespace
        );
        assert!(namespaces(r#"{"type":"user"}"#));
        assert!(!namespaces(
            r#"{"type":"user","path":"/proc/7/ns/user"},{"type":"pid"}"#
        ));
        assert!(!namespaces(""));
    }

    #[test]
    fn a_spec_without_a_process_is_an_error() {
        for (spec, message) in [
            (
                "{}",
                "cannot read the container's runtime spec: it has no process",
            ),
            (
                r#"{"process":[]}"#,
                "cannot read the container's runtime spec: it has no process",
            ),
            ("", "cannot read the container's runtime spec"),
        ] {
            assert_eq!(
                ProcessSpec::parse(spec.as_bytes()).unwrap_err().to_string(),
                message,
                "{spec}"
            );
        }
    }
}

//! Reads why a runtime did not enter a container.
//!
//! In: the runtime's log (`--log-format json`: runc and crun both write one object on each line),
//! or what the runtime printed. Nothing ran in the container, so neither text holds the container's
//! output. But both texts may quote names that the container chose. Out: one clean line in the
//! runtime's own words. Pure.

use serde::Deserialize;

use crate::report::line;

/// The longest reason, in bytes. A reason may quote a command of a hundred thousand letters.
const LONGEST: usize = 400;

/// Texts that both runtimes put before the reason itself.
const PREFIXES: [&str; 2] = ["exec failed: ", "unable to start container process: "];

#[derive(Deserialize)]
struct RuntimeMessage {
    msg: String,
    #[serde(default)]
    level: String,
}

/// The reason: the last error of `log`, else the last line of `printed`, else the exit status.
#[must_use]
pub fn reason(log: &str, printed: &str, status: i32) -> String {
    let (mut logged, mut has_error) = (None, false);
    for line in log.lines() {
        if let Ok(RuntimeMessage { msg, level }) = serde_json::from_str(line) {
            let is_error = matches!(level.as_str(), "error" | "fatal");
            if is_error || !has_error {
                logged = Some(msg);
            }
            has_error |= is_error;
        }
    }
    let mut lines = printed.lines().rev();
    let said = match &logged {
        Some(message) => Some(message.as_str()),
        None => lines.find(|line| !line.trim().is_empty()),
    };
    let Some(said) = said else {
        return format!("the runtime ended with {status} and gave no reason");
    };
    let mut text = said.trim();
    for prefix in PREFIXES {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    let mut reason = line::one_line(text);
    if reason.len() > LONGEST {
        reason.truncate(reason.floor_char_boundary(LONGEST - '…'.len_utf8()));
        reason.push('…');
    }
    reason
}

/// Whether this reason means that the container is paused (runc 1.1.5: `cannot exec in a paused
/// container`; crun 1.8.1: ``the container `x` is paused``).
#[must_use]
pub fn is_paused(reason: &str) -> bool {
    reason.starts_with("cannot exec in a paused container")
        || (reason.starts_with("the container `") && reason.ends_with("` is paused"))
}

/// Whether this reason means that the container has no such program (runc 1.1.5: `exec: "sh":
/// executable file not found in $PATH`, `exec: "/bin/sh": stat /bin/sh: no such file or directory`;
/// crun 1.8.1: ``executable file `sh` not found in $PATH: No such file or directory``).
#[must_use]
pub fn lacks(reason: &str, program: &str) -> bool {
    let is_named =
        reason.contains(&format!("{program:?}")) || reason.contains(&format!("`{program}`"));
    let lower = reason.to_ascii_lowercase();
    is_named && (reason.contains("not found") || lower.contains("no such file or directory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_last_error_says_why() {
        let runc = r#"{"level":"warning","msg":"cgroups","time":"2026-11-20T22:20:57Z"}
{"level":"error","msg":"exec failed: unable to start container process: exec: \"sh\": executable file not found in $PATH","time":"2026-11-20T22:20:57Z"}
"#;
        let crun = r#"{"msg":"executable file `sh` not found in $PATH: No such file or directory","level":"error","time":"2026-11-20T22:20:57.1Z"}"#;
        for (log, printed, reason_of) in [
            (
                runc,
                "else",
                "exec: \"sh\": executable file not found in $PATH",
            ),
            (
                crun,
                "",
                "executable file `sh` not found in $PATH: No such file or directory",
            ),
            ("", "one\ntwo\u{1b}[2J\n\n", r"two\u{1b}[2J"),
            ("no object\n", "said", "said"),
            ("", "", "the runtime ended with 255 and gave no reason"),
            (r#"{"msg":"a\nb"}"#, "", r"a\u{a}b"),
        ] {
            assert_eq!(reason(log, printed, 255), reason_of);
        }
        let long = reason("", &"ä".repeat(LONGEST), 1);
        assert!(long.len() <= LONGEST && long.ends_with("ä…"));
    }

    #[test]
    fn a_program_that_the_container_lacks_is_distinguished_from_one_that_fails() {
        for (reason, program, expected) in [
            (
                "exec: \"sh\": executable file not found in $PATH",
                "sh",
                true,
            ),
            (
                "exec: \"/bin/sh\": stat /bin/sh: no such file or directory",
                "/bin/sh",
                true,
            ),
            (
                "executable file `sh` not found in $PATH: No such file or directory",
                "sh",
                true,
            ),
            (
                "executable file `/bin/sh` not found: No such file or directory",
                "/bin/sh",
                true,
            ),
            (
                "exec: \"dash\": executable file not found in $PATH",
                "sh",
                false,
            ),
            ("exec: \"sh\": permission denied", "sh", false),
            (
                "chdir to cwd (\"/srv\") set in config.json failed: no such file or directory",
                "sh",
                false,
            ),
        ] {
            assert_eq!(lacks(reason, program), expected, "{reason}");
        }
    }

    #[test]
    fn a_paused_container_is_distinguished_from_one_that_is_named_so() {
        assert!(is_paused(
            "cannot exec in a paused container (use --ignore-paused to override)"
        ));
        assert!(is_paused("the container `c1` is paused"));
        assert!(!is_paused(
            "exec: \"cannot exec in a paused container\": executable file not found in $PATH"
        ));
        assert!(!is_paused("the container `c1` is not running"));
    }
}

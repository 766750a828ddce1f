//! Tests what a source may contain, and the error messages for what it may not.

use super::super::ban::{Action, Exception, Patch, Severity};
use super::*;
use crate::sys::clock::Timestamp;

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn full() -> String {
    format!(
        r#"# reviewed
[[ban]]
id = "BAN-2026-0007"
reason = "remote code execution in the resolver"
advisories = ["CVE-2026-1234"]
severity = "critical"
action = "warn"
effective = 2026-11-20
lapses = "2027-11-20T06:00:00Z"
successor = "docker.io/library/debian:12.5@sha256:{HEX}"
cure = ["sha256:{HEX}"]
[[ban.match]]
base = "sha256:{HEX}"
name = "docker.io/library/debian:12.4"
platform = "linux/arm/v7"
[[ban.match]]
image_file = "lists/bad.txt"
[[ban.except]]
layer = "sha256:{HEX}"
until = 2026-12-24T12:00:00Z
reason = "replaced with release 7"
ticket = "OPS-4711"
[ban.patch]
check = ["true"]
run = ["apt-get", "install", "libc6"]
timeout = "5m"
user = "0:0"
"#
    )
}

fn parse(text: &str, digests: &str) -> Result<Source, SourceError> {
    Source::parse(Path::new("bans/bans.toml"), text, |name| {
        assert_eq!(name, Path::new("lists/bad.txt"));
        Ok(digests.as_bytes().to_vec())
    })
}

#[test]
fn everything_that_a_ban_can_say_is_read() {
    let (digest, other) = (
        Digest::parse(&format!("sha256:{HEX}")).unwrap(),
        Digest::of(b"other"),
    );
    let file = format!("# from the scanner\n{other}\n\n{digest}\n");
    let source = parse(&full(), &file).unwrap();
    let ban = Ban {
        id: "BAN-2026-0007".to_owned(),
        reason: "remote code execution in the resolver".to_owned(),
        advisories: vec!["CVE-2026-1234".to_owned()],
        severity: Severity::Critical,
        action: Action::Warn,
        effective: Timestamp::parse("2026-11-20").unwrap(),
        lapses: Timestamp::parse("2027-11-20T06:00:00Z"),
        existing_until: None,
        successor: Some(format!("docker.io/library/debian:12.5@sha256:{HEX}")),
        except: vec![Exception {
            kind: MatchKind::Layer,
            digest,
            until: Timestamp::parse("2026-12-24T12:00:00Z").unwrap(),
            reason: "replaced with release 7".to_owned(),
            ticket: Some("OPS-4711".to_owned()),
        }],
        cure: vec![digest],
        patch: Some(Patch {
            check: Some(vec!["true".to_owned()]),
            script: None,
            run: ["apt-get", "install", "libc6"].map(str::to_owned).to_vec(),
            timeout: 300,
            user: "0:0".to_owned(),
        }),
    };
    assert_eq!(source.bans, [ban]);
    let (name, platform) = (
        Some("docker.io/library/debian:12.4".to_owned()),
        Some("linux/arm/v7".to_owned()),
    );
    let expected = [
        Banned {
            ban: 0,
            kind: MatchKind::Base,
            name,
            platform,
            digests: vec![digest],
        },
        Banned {
            ban: 0,
            kind: MatchKind::Image,
            name: None,
            platform: None,
            digests: vec![other, digest],
        },
    ];
    assert_eq!(source.matches, expected);
    assert_eq!(source.digest, Digest::of((full() + &file).as_bytes()));
    assert_eq!(source.size, (full() + &file).len() as u64);
}

#[test]
fn a_source_without_a_ban_makes_an_empty_list() {
    assert_eq!(parse("", "").unwrap().bans, []);
}

#[test]
fn a_patch_can_be_a_script_that_needs_no_arguments() {
    let run = "run = [\"apt-get\", \"install\", \"libc6\"]";
    let digest = Digest::parse(&format!("sha256:{HEX}")).unwrap();
    let script = format!("script = \"sha256:{HEX}\"");
    for (line, arguments) in [
        ("", &[][..]),
        ("\nrun = []", &[]),
        ("\nrun = [\"-q\"]", &["-q"]),
    ] {
        let source = parse(&full().replacen(run, &format!("{script}{line}"), 1), "").unwrap();
        let patch = source.bans[0].patch.clone().unwrap();
        assert_eq!(
            (patch.script, patch.run),
            (
                Some(digest),
                arguments
                    .iter()
                    .map(|&argument| argument.to_owned())
                    .collect()
            )
        );
    }
    for (lines, expected) in [
        (
            "script = \"fix.sh\"".to_owned(),
            "line 25: expected sha256:DIGEST, found \"fix.sh\"",
        ),
        (
            format!("{script}\nrun = [\"\\u0000\"]"),
            "line 26: run: expected arguments for the script",
        ),
        (String::new(), "line 23: missing field `run`"),
    ] {
        let fault = parse(&full().replacen(run, &lines, 1), "")
            .unwrap_err()
            .to_string();
        assert_eq!(fault, format!("cannot use \"bans/bans.toml\": {expected}"));
    }
}

#[test]
fn each_fault_is_one_line_with_file_and_line() {
    let least = "[[ban]]\nid = \"A\"\nreason = \"b\"\nseverity = \"low\"\neffective = 2026-11-20\n";
    for (from, to, expected) in [
        (
            "severity = \"critical\"",
            "",
            "line 2: missing field `severity`",
        ),
        (
            "severity = \"critical\"",
            "sevreity = \"critical\"",
            "line 6: unknown field `sevreity`, expected one of",
        ),
        (
            "\"critical\"",
            "\"urgent\"",
            "line 6: unknown variant `urgent`, expected one of `low`, `medium`, `high`, `critical`",
        ),
        (
            "\"warn\"",
            "\"admit\"",
            "line 7: unknown variant `admit`, expected `refuse` or `warn`",
        ),
        (
            "id = \"BAN-2026-0007\"",
            "id = \"BAN 7\"",
            "line 3: id: expected a word of 1 to 64 legal characters, found \"BAN 7\"",
        ),
        (
            "resolver\"",
            "resolver\\n\"",
            "line 4: reason: expected one line of 1 to 200 characters",
        ),
        (
            "effective = 2026-11-20",
            "effective = 2026-11-31",
            "line 8: ",
        ),
        (
            "effective = 2026-11-20",
            "effective = \"soon\"",
            "line 8: expected a time in UTC",
        ),
        (
            "effective = 2026-11-20",
            "effective = 2026-11-20T14:00:00+01:00",
            "line 8: expected a time in UTC",
        ),
        (
            "lapses = \"2027",
            "lapses = \"2025",
            "line 9: lapses is not later than effective",
        ),
        (
            "lapses = \"2027-11-20T06:00:00Z\"",
            "existing_until = 2026-11-20",
            "line 9: existing_until is not later than effective",
        ),
        (
            "cure = [\"sha256:",
            "cure = [\"sha512:",
            "line 11: expected sha256:DIGEST, found \"sha512:",
        ),
        (
            "linux/arm/v7",
            "arm",
            "line 15: platform: expected os/architecture[/variant], found \"arm\"",
        ),
        (
            "image_file = ",
            "images = ",
            "line 17: unknown field `images`, expected one of",
        ),
        (
            "lists/bad.txt",
            "../bad.txt",
            "line 17: \"../bad.txt\" is not a file beside this one",
        ),
        (
            "lists/bad.txt",
            "/etc/bad.txt",
            "line 17: \"/etc/bad.txt\" is not a file beside this one",
        ),
        (
            "layer = \"sha256",
            "base = \"\"\nlayer = \"sha256",
            "line 20: an exception names one thing",
        ),
        (
            "ticket = \"OPS-4711\"",
            "ticket = \"OPS 4711\"",
            "line 22: ticket: expected a word of 1 to 200 legal characters",
        ),
        (
            "run = [\"apt-get\", \"install\", \"libc6\"]",
            "run = []",
            "line 25: run: expected a command and its arguments",
        ),
        (
            "\"5m\"",
            "\"5 minutes\"",
            "line 26: timeout: expected a duration from \"1s\" to \"24h\"",
        ),
        (
            "\"0:0\"",
            "\"root\"",
            "line 27: user: expected UID:GID in numbers, found \"root\"",
        ),
        ("# reviewed", "reviewed", "line 1: "),
    ] {
        let broken = full().replacen(from, to, 1);
        let fault = parse(&broken, "").unwrap_err().to_string();
        let expected = format!("cannot use \"bans/bans.toml\": {expected}");
        assert!(
            fault.starts_with(&expected) && !fault.contains('\n'),
            "{from:?} {to:?}: {fault}"
        );
    }
    for (text, expected) in [
        (
            least.to_owned(),
            "line 2: the ban has no [[ban.match]], so it bans nothing",
        ),
        (
            format!("{least}[[ban.match]]\nname = \"x\"\n"),
            "line 7: a match needs base, image, layer, base_file, image_file or layer_file",
        ),
        (
            format!("{0}{0}", full()),
            "line 30: \"BAN-2026-0007\" is here for the second time",
        ),
        (
            format!("{least}[[ban.match]]\nbase = \"sha256:{HEX}\"\nimage = \"sha256:{HEX}\"\n"),
            "line 8: a match names one thing",
        ),
    ] {
        let fault = parse(&text, "").unwrap_err().to_string();
        assert!(
            fault.starts_with(&format!("cannot use \"bans/bans.toml\": {expected}")),
            "{fault}"
        );
    }
}

#[test]
fn a_file_of_digests_holds_digests() {
    let digest = format!("sha256:{HEX}");
    for (digests, line, expected) in [
        (
            format!("{digest}\n{digest} # why\n"),
            2,
            format!(", found \"{digest} # why\""),
        ),
        (
            format!("{digest}\r\n"),
            1,
            ": the line ends with a carriage return: save the file with the line ends of Unix"
                .to_owned(),
        ),
        (
            format!("# from Windows\r\n{digest}\n\r\n"),
            3,
            ": the line ends with a carriage return: save the file with the line ends of Unix"
                .to_owned(),
        ),
        (
            format!("\u{feff}{digest}\n"),
            1,
            ": a byte order mark: save the file as UTF-8 without one".to_owned(),
        ),
        (
            format!("{digest}\n\u{feff}\n"),
            2,
            ": a byte order mark: save the file as UTF-8 without one".to_owned(),
        ),
        (
            "s\0h\0a\0".to_owned(),
            1,
            ": a NUL byte: save the file as UTF-8, not UTF-16".to_owned(),
        ),
        (
            format!("{digest}\n sha256:{HEX}"),
            2,
            ": a space before or after it".to_owned(),
        ),
        (
            format!("sha256:{}", HEX.to_uppercase()),
            1,
            ": upper-case letters: digests are written in lower case".to_owned(),
        ),
        (HEX.to_owned(), 1, format!(", found {HEX:?}")),
        (
            format!("sha256:{HEX}0"),
            1,
            format!(", found \"{digest}0\""),
        ),
    ] {
        let fault = parse(&full(), &digests).unwrap_err().to_string();
        assert_eq!(
            fault,
            format!(
                "cannot use \"bans/lists/bad.txt\": line {line}: expected sha256:DIGEST{expected}"
            )
        );
    }
}

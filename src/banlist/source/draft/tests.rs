//! Tests that a source is read to its end, whatever is wrong with it, and that every mistake is
//! found.

use super::super::super::ban::MatchKind;
use super::super::Source;
use super::*;
use crate::lineage::digest::Digest;

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const HEAD: &str =
    "[[ban]]\nid = \"A\"\nreason = \"b\"\nseverity = \"low\"\neffective = 2026-11-20\n";

fn open(name: &Path) -> Result<Vec<u8>, FileError> {
    match name.to_str() {
        Some("good.txt") => Ok(format!("# ours\nsha256:{HEX}\n\nsha256:{HEX}\n").into_bytes()),
        Some("bad.txt") => Ok(format!("sha256:{HEX}\nsha512:1\n{HEX}\n").into_bytes()),
        _ => Err(FileError::NotRegular(name.to_owned())),
    }
}

fn draft(text: &str) -> Draft {
    Draft::parse(Path::new("bans/bans.toml"), text, open)
}

/// The errors, each with its file, line and text.
fn faults(text: &str) -> Vec<String> {
    draft(text)
        .faults
        .iter()
        .map(|fault| format!("{}:{}: {}", fault.file.display(), fault.line, fault.what))
        .collect()
}

#[test]
fn every_fault_is_reported_and_not_the_first_alone() {
    let text = format!(
        r#"[[ban]]
id = "BAN 7"
reason = "b"
sevreity = "low"
action = "admit"
effective = "soon"
cure = ["sha256:{HEX}", "x", "y"]
[[ban.match]]
base = "z"
[[ban.match]]
name = "n"
[[ban.match]]
[[ban.match]]
layer = "sha256:{HEX}"
[[ban.match]]
image_file = "bad.txt"
[[ban.match]]
image_file = "gone.txt"
[[ban.match]]
image_file = "../x"
[[ban.except]]
base = "sha256:{HEX}"
until = "never"
reason = ""
[ban.patch]
timeout = "5 minutes"
[[ban]]
id = "B"
[[bans]]
id = "C"
"#
    );
    let mut found = faults(&text);
    found.sort();
    let mut expected = [
        "bans/bad.txt:2: expected sha256:DIGEST, found \"sha512:1\"",
        "bans/bad.txt:3: expected sha256:DIGEST, found \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
        "bans/bans.toml:1: missing field `severity`",
        "bans/bans.toml:2: id: expected a word of 1 to 64 legal characters, found \"BAN 7\"",
        "bans/bans.toml:4: unknown field `sevreity`, expected one of `id`, `reason`, `advisories`, `severity`, `action`, `effective`, `lapses`, `existing_until`, `successor`, `cure`, `match`, `except`, `patch`",
        "bans/bans.toml:5: unknown variant `admit`, expected `refuse` or `warn`",
        "bans/bans.toml:6: expected a time in UTC: YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ",
        "bans/bans.toml:7: expected sha256:DIGEST, found \"x\"",
        "bans/bans.toml:7: expected sha256:DIGEST, found \"y\"",
        "bans/bans.toml:9: expected sha256:DIGEST, found \"z\"",
        "bans/bans.toml:11: a match needs base, image, layer, base_file, image_file or layer_file",
        "bans/bans.toml:12: a match needs base, image, layer, base_file, image_file or layer_file",
        "bans/bans.toml:18: cannot read \"gone.txt\": not a regular file",
        "bans/bans.toml:20: \"../x\" is not a file beside this one",
        "bans/bans.toml:23: expected a time in UTC: YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ",
        "bans/bans.toml:24: reason: expected one line of 1 to 200 characters, found \"\"",
        "bans/bans.toml:25: missing field `run`",
        "bans/bans.toml:26: timeout: expected a duration from \"1s\" to \"24h\"",
        "bans/bans.toml:27: missing field `reason`",
        "bans/bans.toml:27: missing field `severity`",
        "bans/bans.toml:27: missing field `effective`",
        "bans/bans.toml:29: unknown field `bans`, expected `ban`",
    ]
    .map(str::to_owned);
    expected.sort();
    assert_eq!(found, expected);
    let read = draft(&text);
    assert_eq!(read.bans.len(), 2);
    let [layer, file] = &read.bans[0].matches[..] else {
        panic!("{:?}", read.bans[0].matches)
    };
    assert_eq!(
        (layer.line, layer.kind, layer.digests.len()),
        (14, MatchKind::Layer, 1)
    );
    assert_eq!(
        (file.line, file.file.as_deref(), &file.digests[..]),
        (
            16,
            Some(Path::new("bans/bad.txt")),
            &[(Digest::of(b""), 1)][..]
        )
    );
    assert_eq!(
        read.bans[0].cure,
        [Placed {
            value: Digest::of(b""),
            line: 7
        }]
    );
    assert!(read.bans[0].except[0].has_end && read.bans[0].except[0].until.is_none());
}

#[test]
fn what_is_no_toml_is_reported_line_by_line_and_nothing_is_guessed() {
    let found = draft("[[ban]]\nid = A\nreason = \"b\nseverity = \"low\"\n");
    assert_eq!(found.bans, []);
    assert_eq!(
        found
            .faults
            .iter()
            .map(|fault| fault.line)
            .collect::<Vec<_>>(),
        [2, 3]
    );
    assert!(
        found
            .faults
            .iter()
            .all(|fault| !fault.what.contains('\n') && !fault.what.is_empty()),
        "{:?}",
        found.faults
    );
}

#[test]
fn one_bracket_too_few_is_reported_as_such() {
    let one = "expected [[ban]], in two brackets, for each of them";
    assert_eq!(
        faults("[ban]\nid = \"A\"\n"),
        [format!("bans/bans.toml:1: {one}")]
    );
    assert_eq!(faults("ban = 3"), [format!("bans/bans.toml:1: {one}")]);
    assert_eq!(
        faults("ban = [3]"),
        ["bans/bans.toml:1: expected a table: [[ban]]"]
    );
    assert_eq!(
        faults(&format!("{HEAD}[ban.match]\nbase = \"sha256:{HEX}\"\n")),
        ["bans/bans.toml:6: expected [[ban.match]], in two brackets, for each of them"]
    );
    assert_eq!(
        faults(&format!(
            "{HEAD}patch = 3\n[[ban.match]]\nbase = \"sha256:{HEX}\"\n"
        )),
        ["bans/bans.toml:6: expected a table: [ban.patch]"]
    );
}

#[test]
fn what_the_linter_reports_better_is_no_fault_here() {
    let text = format!("{HEAD}[[ban.except]]\nbase = \"sha256:{HEX}\"\nreason = \"r\"\n{HEAD}");
    let read = draft(&text);
    assert_eq!(read.faults, []);
    assert!(!read.bans[0].has_match && !read.bans[0].except[0].has_end);
    assert_eq!(
        read.bans.iter().map(|ban| ban.line).collect::<Vec<_>>(),
        [1, 9]
    );
    assert!(Source::parse(Path::new("bans.toml"), &text, open).is_err());
}

#[test]
fn a_file_has_the_digests_that_it_has_for_a_list_with_their_lines() {
    let text = format!("{HEAD}[[ban.match]]\nlayer_file = \"good.txt\"\n");
    let (read, source) = (
        draft(&text),
        Source::parse(Path::new("bans.toml"), &text, open).unwrap(),
    );
    let found = &read.bans[0].matches[0];
    assert_eq!(
        found
            .digests
            .iter()
            .map(|(digest, _)| *digest)
            .collect::<Vec<_>>(),
        source.matches[0].digests
    );
    assert_eq!(
        found
            .digests
            .iter()
            .map(|(_, line)| *line)
            .collect::<Vec<_>>(),
        [2, 4]
    );
}

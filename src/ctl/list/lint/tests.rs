//! Tests the findings of `list lint`: the line and the text of each finding, and sources without
//! findings.
//!
//! Placeholders in the sources and the expected lines: `<d a>` is the diff ID of the layer `a`,
//! `<c a b>` the chain ID of `a` with `b` above it, `<i app>` the image ID of the image `app`,
//! `<m app>` the digest of its manifest, and `<x app>` the digest of its index. A source from which
//! no list can be built must always have an error.

mod beside;
mod images;

use std::collections::HashMap;

use super::*;
use crate::banlist::source::Source;
use crate::ctl::image::{FoundImage, Role, Sureness};
use crate::lineage::chain::Chain;
use crate::lineage::digest::{DiffId, Digest, ImageId};
use crate::lineage::image::Platform;
use crate::sys::file::FileError;

/// Lines 1 to 5 of a source with one ban.
const HEAD: &str =
    "[[ban]]\nid = \"A\"\nreason = \"r\"\nseverity = \"high\"\neffective = 2026-11-20\n";
/// Lines 6 and 7 of the same source.
const BASE: &str = "[[ban.match]]\nbase = \"<c a b>\"\n";

fn now() -> Timestamp {
    Timestamp::parse("2026-11-20T12:00:00Z").unwrap()
}

fn chain(layers: &str) -> Option<Chain> {
    Chain::from_diff_ids(
        layers
            .split(' ')
            .filter(|layer| !layer.is_empty())
            .map(|layer| DiffId(Digest::of(layer.as_bytes())))
            .collect(),
    )
}

/// Replaces the placeholders in a text by digests.
fn full(text: &str) -> String {
    let mut parts = text.split('<');
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (token, rest) = part.split_once('>').unwrap();
        out += &match token.split_at(2) {
            ("c ", layers) => chain(layers).unwrap().top().to_string(),
            ("d ", layer) => Digest::of(layer.as_bytes()).to_string(),
            _ => Digest::of(token.as_bytes()).to_string(),
        };
        out += rest;
    }
    out
}

fn open(name: &Path) -> Result<Vec<u8>, FileError> {
    match name.to_str() {
        Some("none.txt") => Ok(b"# nothing yet\n\n".to_vec()),
        Some("bad.txt") => Ok(full("<c a b>\n<c a b>\n<d >\n<d b>\nsha256:1\n").into_bytes()),
        Some("many.txt") => Ok(full("<d >\n").repeat(12).into_bytes()),
        _ => Err(FileError::NotRegular(name.to_owned())),
    }
}

/// The image `name:1`, which consists of these layers.
fn image(name: &str, layers: &str, platform: &str) -> FoundImage {
    let (os, architecture) = platform.split_once('/').unwrap();
    let short = name.split(':').next().unwrap();
    FoundImage {
        names: vec![name.to_owned()],
        places: vec!["docker in /d".to_owned()],
        platform: Some(Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: None,
        }),
        image_id: Some(ImageId(Digest::of(format!("i {short}").as_bytes()))),
        manifests: vec![(Role::Manifest, Digest::of(format!("m {short}").as_bytes()))],
        chain: chain(layers),
        evidence: Sureness::Recorded,
    }
}

/// Images for one platform, each under its own name.
fn known(images: &[(&str, &str)]) -> KnownImages {
    let mut known = KnownImages::default();
    for (name, layers) in images {
        known
            .meanings
            .insert((*name).to_owned(), known.groups.len());
        known.groups.push(Group {
            word: (*name).to_owned(),
            images: vec![image(name, layers, "linux/amd64")],
            absent: Vec::new(),
        });
    }
    known
}

fn lint_with(text: &str, known: &KnownImages, last: Option<&Last>) -> Vec<LintFinding> {
    findings(
        &Draft::parse(Path::new("bans.toml"), &full(text), open),
        known,
        last,
        now(),
    )
}

/// The findings as printed lines, without hints and counts.
fn lines(found: &[LintFinding]) -> Vec<String> {
    let page = page::text(Path::new("bans.toml"), 1, found);
    let lines = page.lines().filter(|line| !line.starts_with("    hint: "));
    let mut lines: Vec<_> = lines.map(str::to_owned).collect();
    lines.pop();
    lines
}

#[track_caller]
fn assert_found(text: &str, known: &KnownImages, expected: &[&str]) {
    let expected: Vec<_> = expected.iter().map(|line| full(line)).collect();
    assert_eq!(lines(&lint_with(text, known, None)), expected, "{text}");
}

#[test]
fn a_sound_ban_is_not_spoken_of() {
    let sound = format!(
        "{HEAD}advisories = [\"CVE-2026-1234\", \"GHSA-2345-6789-cfgh\", \"DSA-5432-1\"]\nlapses = 2027-11-20\nsuccessor = \"docker.io/library/debian:12.5@<d new>\"\ncure = [\"<d fix>\"]\n{BASE}name = \"debian:12.4\"\nplatform = \"linux/amd64\"\n\
         [[ban.except]]\nimage = \"<i app>\"\nuntil = 2026-12-24\nreason = \"r\"\n\
         [ban.patch]\ncheck = [\"true\"]\nrun = [\"sh\", \"-c\", \"apt-get update && apt-get install -y x\"]\n"
    );
    let here = known(&[("debian:12.4", "a b"), ("app:1", "a b c"), ("other:1", "z")]);
    assert_found(&sound, &here, &[]);
    assert_found(&sound, &KnownImages::default(), &[]);
    assert_found("", &here, &[]);
    // The chain ID of a single layer equals the layer's diff ID.
    assert_found(
        &format!("{HEAD}[[ban.match]]\nbase = \"<c a>\"\n[[ban.match]]\nlayer = \"<d a>\"\n"),
        &known(&[("one:1", "a")]),
        &[],
    );
}

#[test]
fn what_the_source_alone_shows() {
    let none = KnownImages::default();
    let except = |until: &str| {
        format!("{HEAD}{BASE}[[ban.except]]\nimage = \"<i app>\"\nreason = \"r\"\n{until}")
    };
    let with = |line: &str| format!("{HEAD}{line}\n{BASE}");
    let patch = |lines: &str| format!("{HEAD}{BASE}[ban.patch]\n{lines}");
    for (text, expected) in [
        (
            HEAD.replace("\"high\"", "\"hihg\"") + BASE,
            vec![
                "bans.toml:4: error: unknown variant `hihg`, expected one of `low`, `medium`, `high`, `critical` [unreadable]",
            ],
        ),
        (
            format!("{HEAD}{BASE}{HEAD}{BASE}"),
            vec!["bans.toml:9: error: A: the ID is already in line 2 [id-twice]"],
        ),
        (
            HEAD.to_owned(),
            vec![
                "bans.toml:1: error: A: the ban has no [[ban.match]], so it bans nothing [no-match]",
            ],
        ),
        (
            format!("{HEAD}[[ban.match]]\nbase_file = \"none.txt\"\n"),
            vec![
                "bans.toml:7: error: A: none.txt has no digest in it, so it bans nothing [no-digest]",
            ],
        ),
        (
            format!("{HEAD}{BASE}{BASE}"),
            vec!["bans.toml:9: error: A: <c a b> is already in this ban, in line 7 [digest-twice]"],
        ),
        (
            format!("{HEAD}[[ban.match]]\nbase_file = \"bad.txt\"\n"),
            vec![
                "bad.txt:2: error: A: <c a b> is already in this ban, in line 1 [digest-twice]",
                "bad.txt:3: error: A: <d > is the digest of no bytes at all: what should have been hashed was missing [empty-digest]",
                "bad.txt:5: error: expected sha256:DIGEST, found \"sha256:1\" [unreadable]",
            ],
        ),
        (
            format!(
                "{HEAD}[[ban.match]]\nlayer = \"sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef\"\n"
            ),
            vec![
                "bans.toml:7: error: A: layer sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef is the empty layer, which countless images have [empty-layer]",
            ],
        ),
        (
            with(
                "cure = [\"sha256:84ff92691f909a05b224e1c56abb4864f01b4f8e3c854e4bb4c7baf1d3f6d652\"]",
            ),
            vec![
                "bans.toml:6: error: A: layer sha256:84ff92691f909a05b224e1c56abb4864f01b4f8e3c854e4bb4c7baf1d3f6d652 is the empty layer, which countless images have [empty-layer]",
            ],
        ),
        (
            except(""),
            vec!["bans.toml:9: error: A: the exception has no end [endless-exception]"],
        ),
        (
            except("until = 2026-11-19\n"),
            vec![
                "bans.toml:11: warning: A: the exception ended at 2026-11-19T00:00:00Z [exception-over]",
            ],
        ),
        (
            except("until = 2028-11-19\n"),
            vec![
                "bans.toml:11: warning: A: the exception runs for more than a year, until 2028-11-19T00:00:00Z [long-exception]",
            ],
        ),
        (
            except("until = 2026-11-25\n")
                .replace("effective = 2026-11-20", "effective = 2026-12-01"),
            vec![
                "bans.toml:11: warning: A: the exception ends at 2026-11-25T00:00:00Z, before the ban takes effect at 2026-12-01T00:00:00Z [exception-idle]",
            ],
        ),
        (
            except(
                "until = 2026-12-24\n[[ban.except]]\nimage = \"<i app>\"\nreason = \"s\"\nuntil = 2026-12-25\n",
            ),
            vec![
                "bans.toml:13: warning: A: the exception for image <i app> is already in this ban [exception-twice]",
            ],
        ),
        (
            except("until = 2026-12-24\n").replace("image = \"<i app>\"", "base = \"<c a b>\""),
            vec![
                "bans.toml:9: error: A: the exceptions cover all that the ban holds for, so it refuses nothing until they end [covers-ban]",
            ],
        ),
        (
            except("until = 2026-12-24\n[[ban.match]]\nname = \"other:1\"\nbase = \"<c z>\"\n")
                .replace("image = \"<i app>\"", "base = \"<c z>\""),
            vec![
                "bans.toml:9: warning: A: the exception covers everything that other:1 matches [covers-match]",
            ],
        ),
        (
            with("lapses = 2026-11-01"),
            vec![
                "bans.toml:6: error: A: the ban lapses at 2026-11-01T00:00:00Z, before it takes effect at 2026-11-20T00:00:00Z [lapses-first]",
            ],
        ),
        (
            with("lapses = 2026-11-20T06:00:00Z"),
            vec![
                "bans.toml:6: warning: A: the ban lapsed at 2026-11-20T06:00:00Z: it refuses nothing [lapsed]",
            ],
        ),
        (
            with("").replace("effective = 2026-11-20", "effective = 2062-11-20"),
            vec![
                "bans.toml:5: warning: A: the ban takes effect in more than a year, at 2062-11-20T00:00:00Z [far-ahead]",
            ],
        ),
        (
            with(
                "advisories = [\"CVE-2026-123\", \"cve-2026-1234\", \"CVE-2028-1234\", \"GHSA-1234\", \"CVE20261234\", \"RHSA-2026:1\"]",
            ),
            vec![
                "bans.toml:6: warning: A: CVE-2026-123 is no advisory's ID [advisory-form]",
                "bans.toml:6: warning: A: CVE-2028-1234 is no advisory's ID [advisory-form]",
                "bans.toml:6: warning: A: CVE20261234 is no advisory's ID [advisory-form]",
                "bans.toml:6: warning: A: GHSA-1234 is no advisory's ID [advisory-form]",
                "bans.toml:6: warning: A: cve-2026-1234 is no advisory's ID [advisory-form]",
            ],
        ),
        (
            with("action = \"warn\"").replace("high", "critical"),
            vec![
                "bans.toml:2: warning: A: the ban is critical and only warns: every container starts [critical-warns]",
            ],
        ),
        (
            patch("run = [\"true\"]\n"),
            vec![
                "bans.toml:8: warning: A: the patch has no check, so it runs where it is not needed, and again each time [patch-without-check]",
            ],
        ),
        (
            patch("check = [\"true\"]\nrun = [\"true\"]\ntimeout = \"1s\"\n"),
            vec!["bans.toml:11: warning: A: the patch has 1 second to run [patch-timeout]"],
        ),
        (
            patch("check = [\"true\"]\nrun = [\"apt-get install x\"]\n"),
            vec![
                "bans.toml:10: warning: A: there is no program of the name \"apt-get install x\" [patch-words]",
            ],
        ),
        (
            patch("check = [\"true\"]\nrun = [\"apt-get\", \"update\", \"&&\", \"x\"]\n"),
            vec![
                "bans.toml:10: warning: A: apt-get gets \"&&\" as a word: no shell reads this [patch-words]",
            ],
        ),
        (
            with("successor = \"https://docker.io/debian:12\""),
            vec![
                "bans.toml:6: warning: A: https://docker.io/debian:12 is no image reference, so nobody can pull it [successor-form]",
            ],
        ),
        (
            with("successor = \"debian\""),
            vec![
                "bans.toml:6: warning: A: the successor debian is another image tomorrow [successor-floating]",
            ],
        ),
        (
            with("successor = \"debian:12.4\"") + "name = \"docker.io/library/debian:12.4\"\n",
            vec![
                "bans.toml:6: error: A: the successor debian:12.4 is what this ban bans [successor-same]",
            ],
        ),
        (
            with("successor = \"debian:12.5@<m new>\"")
                + &format!(
                    "{}[[ban.match]]\nimage = \"<m new>\"\n",
                    HEAD.replace("\"A\"", "\"B\"")
                ),
            vec![&*full(
                "bans.toml:6: error: A: the successor debian:12.5@<m new> is banned by its digest, by B [successor-banned]",
            )],
        ),
        (
            with("cure = [\"<c a b>\"]"),
            vec![
                "bans.toml:6: error: A: the cure <c a b> is a layer of base <c a b> itself, so nothing is ever refused [cure-in-base]",
            ],
        ),
        (
            format!("{HEAD}{BASE}[[ban.match]]\nimage = \"<c a b>\"\n"),
            vec![
                "bans.toml:9: error: A: <c a b> is meant as an image here and as a base in line 7, and cannot be both [two-kinds]",
            ],
        ),
    ] {
        assert_found(&text, &none, &expected);
    }
}

/// An index of three platforms. The image for one of them is missing on this machine.
fn multi() -> KnownImages {
    let index = |mut image: FoundImage, id: &str| {
        image.image_id = Some(ImageId(Digest::of(id.as_bytes())));
        image.manifests.push((Role::Index, Digest::of(b"x multi")));
        image
    };
    let images = vec![
        index(image("multi:1", "m", "linux/amd64"), "i one"),
        index(image("multi:1", "n", "linux/arm64"), "i two"),
    ];
    KnownImages {
        groups: vec![Group {
            word: "oci:directory".to_owned(),
            images,
            absent: vec!["linux/s390x".to_owned()],
        }],
        meanings: HashMap::from([("multi:1".to_owned(), 0)]),
        ..KnownImages::default()
    }
}

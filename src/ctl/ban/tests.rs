//! Tests `embargoctl ban` and `embargoctl except`: from an image to a source that can be built.

use std::io::Write as _;

use clap::Parser;

use super::words::When;
use super::*;
use crate::banlist::record::{Action, Patch, Severity};
use crate::ctl::image::Sureness;
use crate::lineage::chain::Chain;
use crate::lineage::digest::ChainId;

const BASE: &str = "sha256:c9f0ede05a46ccb285bd43d0e2849a1f6961d902d2091b9fd96a806b5bf3210c";
const UPPER: &str = "sha256:7953f4987d2b17be5215cdd1530af8440a374d66e24aff2b31fb48c21be7dd6f";
const APP: &str = "sha256:0f7b468b1665b95359eef6b4cfac017922a4ae7ff5f0ababeccf7ddd8db58dd4";

#[derive(Parser)]
struct BanWords {
    #[command(flatten)]
    args: BanArgs,
}

#[derive(Parser)]
struct ExceptWords {
    #[command(flatten)]
    args: ExceptArgs,
}

/// A temporary directory with a source file in it, and without any engine.
struct Desk {
    directory: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("bans.toml")
    }

    /// The arguments `words`, plus the source's path and the image, an archive from the fixtures.
    fn words(&self, words: &[&str], image: &str) -> Vec<String> {
        let source = self.path().to_str().unwrap().to_owned();
        let none = self
            .directory
            .path()
            .join("no engine")
            .to_str()
            .unwrap()
            .to_owned();
        let mut all: Vec<_> = ["x", "--source", &source, "--docker-root", &none]
            .map(str::to_owned)
            .to_vec();
        all.extend(words.iter().map(|word| (*word).to_owned()));
        all.push(image.replace("FIXTURES/", FIXTURES));
        all
    }

    fn ban(&self, words: &[&str], image: &str) -> Result<String, String> {
        let args = BanWords::try_parse_from(self.words(words, image))
            .map_err(|error| error.to_string())?
            .args;
        run(&args, &Paths::below(self.directory.path())).map_err(|error| line::causes(&error))
    }

    fn except(&self, words: &[&str], image: &str) -> Result<String, String> {
        let args = ExceptWords::try_parse_from(self.words(words, image))
            .map_err(|error| error.to_string())?
            .args;
        run_except(&args, &Paths::below(self.directory.path()))
            .map_err(|error| line::causes(&error))
    }

    fn source(&self) -> Source {
        Source::load(&self.path()).unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8(file::read(&self.path(), MAX_SOURCE, Guard::Any).unwrap()).unwrap()
    }

    fn put(&self, text: &str) {
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(self.path())
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}

/// The directory that `FIXTURES/` stands for in the arguments below.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/archive/");
const APP_IMAGE: &str = "docker-archive:FIXTURES/docker-20.10-save.tar.gz:app:1";
const BOTH: &str = "oci-archive:FIXTURES/buildah-1.28-two-platforms.tar.gz";

fn matched(source: &Source) -> Vec<(MatchKind, String, Option<&str>)> {
    source
        .matches
        .iter()
        .map(|found| {
            (
                found.kind,
                found.digests[0].to_string(),
                found.platform.as_deref(),
            )
        })
        .collect()
}

#[test]
fn a_ban_makes_the_source_and_bans_the_top_chain() {
    let desk = Desk::new();
    let said = desk
        .ban(
            &[
                "--id",
                "BAN-1",
                "--reason",
                "old openssl",
                "--advisory",
                "CVE-1",
                "--advisory",
                "CVE-2",
                "--severity",
                "critical",
                "--effective",
                "2026-11-20",
            ],
            APP_IMAGE,
        )
        .unwrap();
    let top = ChainId(Digest::of(format!("{BASE} {UPPER}").as_bytes()));
    assert_eq!(
        said,
        format!(
            "added BAN-1 to {}, effective 2026-11-20T00:00:00Z:\n  base {top} (linux/amd64)\n",
            desk.path().display()
        )
    );
    let source = desk.source();
    assert_eq!(
        matched(&source),
        [(MatchKind::Base, top.to_string(), Some("linux/amd64"))]
    );
    assert_eq!(source.matches[0].name.as_deref(), Some("app:1"));
    let ban = &source.bans[0];
    assert_eq!(
        (
            ban.id.as_str(),
            ban.advisories.len(),
            ban.severity,
            ban.action
        ),
        ("BAN-1", 2, Severity::Critical, Action::Refuse)
    );
    assert_eq!(
        fs::metadata(desk.path()).unwrap().permissions().mode() & 0o777,
        0o644
    );
}

#[test]
fn an_image_is_banned_by_all_of_its_digests_and_a_layer_by_the_top_one() {
    let desk = Desk::new();
    desk.ban(
        &["--id", "BAN-1", "--reason", "x", "--as", "image"],
        APP_IMAGE,
    )
    .unwrap();
    desk.ban(
        &["--id", "BAN-2", "--reason", "x", "--as", "layer"],
        APP_IMAGE,
    )
    .unwrap();
    desk.ban(&["--id", "BAN-3", "--reason", "x", "--as", "image"], BOTH)
        .unwrap();
    let source = desk.source();
    let all = matched(&source);
    let amd64 = Some("linux/amd64");
    assert_eq!(
        all[..2],
        [
            (MatchKind::Image, APP.to_owned(), amd64),
            (MatchKind::Layer, UPPER.to_owned(), amd64)
        ]
    );
    // Two image IDs, two manifests and one index. The index belongs to no single platform.
    let platforms: Vec<_> = all[2..]
        .iter()
        .map(|(.., platform)| platform.unwrap_or("-"))
        .collect();
    assert_eq!(
        platforms,
        [
            "linux/amd64",
            "linux/amd64",
            "-",
            "linux/arm64",
            "linux/arm64"
        ]
    );
}

#[test]
fn every_platform_is_banned_unless_one_is_chosen() {
    let desk = Desk::new();
    desk.ban(&["--id", "BAN-1", "--reason", "x"], BOTH).unwrap();
    desk.ban(
        &[
            "--id",
            "BAN-2",
            "--reason",
            "x",
            "--platform",
            "linux/arm64",
        ],
        BOTH,
    )
    .unwrap();
    let source = desk.source();
    let platforms: Vec<_> = source
        .matches
        .iter()
        .map(|found| (found.ban, found.platform.as_deref().unwrap()))
        .collect();
    assert_eq!(
        platforms,
        [(0, "linux/amd64"), (0, "linux/arm64"), (1, "linux/arm64")]
    );
    let error = desk
        .ban(
            &[
                "--id",
                "BAN-3",
                "--reason",
                "x",
                "--platform",
                "linux/s390x",
            ],
            BOTH,
        )
        .unwrap_err();
    let image = format!("{:?}", BOTH.replace("FIXTURES/", FIXTURES));
    assert_eq!(
        error,
        format!("cannot find {image} for linux/s390x: it is here for linux/amd64, linux/arm64")
    );
}

#[test]
fn everything_that_can_be_stated_of_a_ban_arrives() {
    let desk = Desk::new();
    let words = [
        "--id",
        "BAN-1",
        "--reason",
        "x",
        "--action",
        "warn",
        "--effective",
        "2026-11-20T14:00:00Z",
        "--lapses",
        "2999-01-01",
        "--successor",
        "app:2",
        "--patch-run",
        "apk upgrade && true",
        "--patch-check",
        "test -e /x",
        "--patch-timeout",
        "90s",
        "--patch-user",
        "1:2",
    ];
    desk.ban(&words, APP_IMAGE).unwrap();
    let ban = desk.source().bans.remove(0);
    let shell = |command: &str| ["sh", "-c", command].map(str::to_owned).to_vec();
    let patch = Patch {
        check: Some(shell("test -e /x")),
        script: None,
        run: shell("apk upgrade && true"),
        timeout: 90,
        user: "1:2".to_owned(),
    };
    assert_eq!(ban.patch, Some(patch));
    assert_eq!(
        (ban.action, ban.successor.as_deref()),
        (Action::Warn, Some("app:2"))
    );
    assert_eq!(
        (ban.effective.to_string(), ban.lapses.unwrap().date()),
        ("2026-11-20T14:00:00Z".to_owned(), "2999-01-01".to_owned())
    );
}

#[test]
fn a_script_is_signed_by_its_digest_and_is_no_part_of_the_source() {
    let desk = Desk::new();
    let script = desk.directory.path().join("fix.sh");
    replace::replace(&script, 0o644, b"#!/bin/sh\nexit 0\n").unwrap();
    let file = script.to_str().unwrap();
    desk.ban(
        &[
            "--id",
            "BAN-1",
            "--reason",
            "x",
            "--patch-script",
            file,
            "--patch-timeout",
            "90s",
        ],
        APP_IMAGE,
    )
    .unwrap();
    let digest = Digest::of(b"#!/bin/sh\nexit 0\n");
    let patch = Patch {
        check: None,
        script: Some(digest),
        run: Vec::new(),
        timeout: 90,
        user: "0:0".to_owned(),
    };
    assert_eq!(desk.source().bans[0].patch, Some(patch));
    assert!(
        desk.text()
            .contains(&format!("script = \"{digest}\"\ntimeout = \"90s\"\n")),
        "{}",
        desk.text()
    );
    for (words, expected) in [
        (
            &["--patch-script", file, "--patch-run", "true"][..],
            "cannot be used with",
        ),
        (
            &["--patch-check", "true"],
            "required arguments were not provided",
        ),
        (
            &["--patch-script", "/no/such/file"],
            "cannot read \"/no/such/file\": it is missing",
        ),
    ] {
        let all = [&["--id", "BAN-2", "--reason", "x"], words].concat();
        let error = desk.ban(&all, APP_IMAGE).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_exception_names_the_image_by_its_id_for_each_platform() {
    let desk = Desk::new();
    desk.put("# reviewed by the platform team\n");
    desk.ban(&["--id", "BAN-1", "--reason", "x"], BOTH).unwrap();
    let said = desk
        .except(
            &[
                "--ban",
                "BAN-1",
                "--until",
                "2999-12-24",
                "--reason",
                "release 7",
                "--ticket",
                "OPS-1",
            ],
            APP_IMAGE,
        )
        .unwrap();
    assert_eq!(
        said,
        format!(
            "excepted from BAN-1 in {} until 2999-12-24T00:00:00Z:\n  image {APP}\n",
            desk.path().display()
        )
    );
    desk.except(
        &[
            "--ban", "BAN-1", "--until", "14d", "--reason", "x", "--as", "base",
        ],
        BOTH,
    )
    .unwrap();
    let except = desk.source().bans.remove(0).except;
    let kinds: Vec<_> = except.iter().map(|exception| exception.kind).collect();
    assert_eq!(kinds, [MatchKind::Image, MatchKind::Base, MatchKind::Base]);
    assert_eq!(
        (
            except[0].digest.to_string().as_str(),
            except[0].ticket.as_deref()
        ),
        (APP, Some("OPS-1"))
    );
    assert!(except[1].until > Timestamp::now().plus(13 * 86_400));
    assert!(desk.text().starts_with("# reviewed by the platform team\n"));
}

#[test]
fn what_cannot_be_written_leaves_the_source_as_it_was() {
    let desk = Desk::new();
    desk.ban(&["--id", "BAN-1", "--reason", "x"], APP_IMAGE)
        .unwrap();
    let before = desk.text();
    let path = format!("{:?}", desk.path());
    // The faulty line comes after an empty line and the line `[[ban]]`.
    let last = before.lines().count() + 3;
    for (result, expected) in [
        (
            desk.ban(&["--id", "BAN-1", "--reason", "x"], APP_IMAGE),
            format!(r#"cannot use {path}: it has a ban "BAN-1" already"#),
        ),
        (
            desk.ban(
                &["--id", "BAN-2", "--reason", "x", "--successor", "a b"],
                APP_IMAGE,
            ),
            format!(
                r#"cannot use {path}: line {}: successor: expected a word of 1 to 512 legal characters, found "a b""#,
                last + 5
            ),
        ),
        (
            desk.ban(
                &["--id", "BAN-2", "--reason", "x", "--lapses", "2020-01-01"],
                APP_IMAGE,
            ),
            "cannot end at --lapses 2020-01-01T00:00:00Z: it is past".to_owned(),
        ),
        (
            desk.except(
                &["--ban", "BAN-1", "--until", "2020-01-01", "--reason", "x"],
                APP_IMAGE,
            ),
            "cannot end at --until 2020-01-01T00:00:00Z: it is past".to_owned(),
        ),
        (
            desk.except(
                &["--ban", "BAN-7", "--until", "2999-12-24", "--reason", "x"],
                APP_IMAGE,
            ),
            format!(r#"cannot use {path}: it has no ban "BAN-7""#),
        ),
    ] {
        assert_eq!(result.unwrap_err(), expected);
        assert_eq!(desk.text(), before);
    }
    desk.put("[[ban]]\nid = \"BAN-1\"\nno such key = 1\n");
    let error = desk
        .ban(&["--id", "BAN-2", "--reason", "x"], APP_IMAGE)
        .unwrap_err();
    assert!(
        error.starts_with(&format!("cannot use {path}: it is no TOML: ")),
        "{error}"
    );
}

#[test]
fn an_option_that_the_source_would_not_take_is_named_with_what_it_takes() {
    let desk = Desk::new();
    let id = "expected 1 to 64 of the characters A-Z a-z 0-9 . _ -";
    let reason = "expected one line of 1 to 200 characters, without spaces around it";
    for (words, option, expected) in [
        (["--id", "BAN 2", "--reason", "x"], "--id <ID>", id),
        (["--id", "", "--reason", "x"], "--id <ID>", id),
        (
            ["--id", "BAN-2", "--reason", "x\ny"],
            "--reason <TEXT>",
            reason,
        ),
        (["--id", "BAN-2", "--reason", ""], "--reason <TEXT>", reason),
    ] {
        let error = desk.ban(&words, APP_IMAGE).unwrap_err();
        assert!(
            error.contains(&format!("for '{option}': {expected}")),
            "{error}"
        );
    }
    assert!(
        desk.except(
            &["--ban", "BAN-1", "--until", "14d", "--reason", " x"],
            APP_IMAGE
        )
        .unwrap_err()
        .contains(reason)
    );
}

#[test]
fn a_link_to_a_source_stays_a_link_and_the_mode_stays() {
    let desk = Desk::new();
    let real = desk.directory.path().join("real.toml");
    fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(&real)
        .unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("real.toml", desk.path()).unwrap();
    desk.ban(&["--id", "BAN-1", "--reason", "x"], APP_IMAGE)
        .unwrap();
    assert!(fs::symlink_metadata(desk.path()).unwrap().is_symlink());
    assert_eq!(
        fs::metadata(&real).unwrap().permissions().mode() & 0o777,
        0o640
    );
    assert_eq!(desk.source().bans.len(), 1);
}

#[test]
fn what_countless_images_have_is_not_banned() {
    let found = |layers: &[&str]| FoundImage {
        names: vec!["x".to_owned()],
        places: Vec::new(),
        platform: None,
        image_id: None,
        manifests: Vec::new(),
        chain: crate::lineage::chain::Chain::from_diff_ids(
            layers
                .iter()
                .map(|id| crate::lineage::digest::DiffId::parse(id).unwrap())
                .collect(),
        ),
        evidence: super::super::image::Sureness::Claimed,
    };
    for (layers, kind, expected) in [
        (
            &[][..],
            MatchKind::Base,
            Err(r#"cannot name "x" as a base or a layer: it has no layers"#),
        ),
        (
            &[][..],
            MatchKind::Layer,
            Err(r#"cannot name "x" as a base or a layer: it has no layers"#),
        ),
        (
            &[][..],
            MatchKind::Image,
            Err(r#"cannot name "x" as an image: its engine does not know its image ID"#),
        ),
        (
            &[EMPTY_LAYER][..],
            MatchKind::Base,
            Err(r#"cannot name "x" by the empty layer: countless images have it"#),
        ),
        (
            &[BASE, EMPTY_LAYER][..],
            MatchKind::Layer,
            Err(r#"cannot name "x" by the empty layer: countless images have it"#),
        ),
        (&[BASE, EMPTY_LAYER][..], MatchKind::Base, Ok(1)),
    ] {
        let images = Images {
            images: vec![found(layers)],
            absent: Vec::new(),
        };
        let made = matches(&images, kind, "x")
            .map(|matches| matches.len())
            .map_err(|error| error.to_string());
        assert_eq!(made, expected.map_err(str::to_owned));
    }
}

#[test]
fn the_layers_of_a_base_are_banned_that_are_its_own_and_not_empty() {
    let image = |layers: &[&str]| {
        let id = |layer: &&str| {
            if layer.is_empty() {
                EMPTY_LAYER.to_owned()
            } else {
                Digest::of(layer.as_bytes()).to_string()
            }
        };
        let layers = layers
            .iter()
            .map(|layer| crate::lineage::digest::DiffId::parse(&id(layer)).unwrap())
            .collect();
        FoundImage {
            names: vec!["x".to_owned()],
            places: Vec::new(),
            platform: None,
            image_id: None,
            manifests: Vec::new(),
            chain: Chain::from_diff_ids(layers),
            evidence: Sureness::Claimed,
        }
    };
    let own = |base: &[&str], here: &[&[&str]]| {
        let here: Vec<_> = here.iter().map(|layers| image(layers)).collect();
        let layers = own_layers(&image(base), &here, "x").map_err(|error| error.to_string())?;
        Ok::<_, String>(
            layers
                .iter()
                .map(|layer| {
                    ["os", "lib", "app"]
                        .into_iter()
                        .find(|name| Digest::of(name.as_bytes()) == *layer)
                        .unwrap()
                })
                .collect::<Vec<_>>(),
        )
    };
    let none =
        Err("cannot name the layers of \"x\": it has none of its own that is not empty".to_owned());
    type Case<'a> = (
        &'a [&'a str],
        &'a [&'a [&'a str]],
        Result<Vec<&'a str>, String>,
    );
    let cases: [Case<'_>; 7] = [
        (&["os"], &[], Ok(vec!["os"])),
        // No other image tells which of the lower layers belong to this image's own base.
        (&["os", "lib", "app"], &[], Ok(vec!["app"])),
        (
            &["os", "lib", "app", ""],
            &[&["other"], &["", "another"]],
            Ok(vec!["app"]),
        ),
        // The image with `mine` is built on this image, so its layers say nothing. The image `os`
        // shows that the layer `os` came with this image's own base.
        (
            &["os", "lib", "app"],
            &[&["os", "lib", "app", "mine"], &["os"]],
            Ok(vec!["lib", "app"]),
        ),
        (
            &["os", "", "lib", "app", ""],
            &[&["os", "", "else"]],
            Ok(vec!["lib", "app"]),
        ),
        (&["os", "lib", "app"], &[&["app"]], none.clone()),
        (&["", ""], &[], none),
    ];
    for (base, here, expected) in cases {
        assert_eq!(own(base, here), expected, "{base:?} {here:?}");
    }
    // The layers go into the same ban as the base, each of them once.
    let found = Images {
        images: vec![image(&["os", "lib"]), image(&["os", "lib"])],
        absent: Vec::new(),
    };
    let mut all = matches(&found, MatchKind::Base, "x").unwrap();
    add_layers(&mut all, &found, &[image(&["os"])], "x").unwrap();
    assert_eq!(
        all.iter().map(|found| found.kind).collect::<Vec<_>>(),
        [MatchKind::Base, MatchKind::Layer]
    );
}

#[test]
fn a_time_is_a_date_or_a_span_from_now() {
    let now = Timestamp::parse("2026-11-20").unwrap();
    assert_eq!(
        When::parse("2026-11-21").unwrap().from(now),
        now.plus(86_400)
    );
    assert_eq!(When::parse("36h").unwrap().from(now), now.plus(36 * 3_600));
    assert_eq!(
        When::parse("soon").unwrap_err(),
        "expected a time such as 2026-11-20T14:00:00Z, or a span such as 14d"
    );
}

#[test]
fn an_image_whose_engine_tells_no_diff_ids_can_be_banned_as_a_base_and_not_as_a_layer() {
    let top = ChainId(Digest::of(b"top"));
    let image = FoundImage {
        names: Vec::new(),
        places: Vec::new(),
        platform: None,
        image_id: None,
        manifests: Vec::new(),
        chain: Chain::from_chain_ids(vec![top]),
        evidence: Sureness::Recorded,
    };
    assert_eq!(digests(&image, MatchKind::Base, "app:1").unwrap(), [top.0]);
    let error = digests(&image, MatchKind::Layer, "app:1").unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"cannot name "app:1" as a layer: its engine does not know its diff IDs"#
    );
}

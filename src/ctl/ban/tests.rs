//! Tests `embargoctl ban` and `embargoctl except`: from an image to a source that can be built.

mod additions;
mod mistakes;

use std::io::Write as _;

use clap::Parser;

use super::arguments::When;
use super::*;
use crate::banlist::ban::{Action, Patch, Severity};
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

//! Tests what a preview reports about a node with Docker's store.

mod lifts;
mod shown;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::super::super::install;
use super::*;
use crate::banlist::keyset::Keyset;
use crate::banlist::store::Rules;
use crate::banlist::testing::{keyset, list, parse, terms};
use crate::report::Exit;
use crate::report::table::table;

const WEB: &str = "1fa27903b71f0c519a18643bb0e0ebfc48844ba0192a693b7d3af9f2c799e892";

/// The source of a list that bans nothing.
const NOTHING: &str = "# Nothing is banned.\n";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A node below a temporary directory. Docker's store from a fixture is in the usual directory.
struct Place {
    root: tempfile::TempDir,
    paths: Paths,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        copy(
            &fixture("docker-20.10-overlay2"),
            &root.path().join("var/lib/docker"),
        );
        Self {
            paths: Paths::below(root.path()),
            root,
        }
    }

    fn put(&self, path: &Path, bytes: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(path)
            .unwrap();
        file.write_all(bytes).unwrap();
    }

    fn preview(&self, bans: &str, json: bool) -> (String, Exit) {
        self.preview_signed(bans, &[1], json)
    }

    fn preview_signed(&self, bans: &str, signers: &[u8], json: bool) -> (String, Exit) {
        let draft = self.root.path().join("draft.lst");
        self.put(&draft, &list(&parse(bans), &terms(413), signers));
        let reported = run(&PreviewArgs { json, draft }, &self.paths).unwrap();
        (
            reported
                .text
                .replace(&self.root.path().to_string_lossy().into_owned(), "…"),
            reported.exit,
        )
    }

    fn json(&self, bans: &str) -> serde_json::Value {
        serde_json::from_str(&self.preview(bans, true).0).unwrap()
    }

    /// The source of a ban of `base:1`, on which everything in the fixture is built.
    fn ban_of_base(&self) -> String {
        let stores =
            crate::node::Node::whole(&self.paths, &crate::settings::Engines::default()).stores;
        let Ok(Origin::Image(image)) = stores.open[0]
            .records
            .image("base:1", Instant::now() + PATIENCE)
        else {
            panic!("no base:1")
        };
        format!(
            "[[ban]]\nid = \"BAN-2026-0007\"\nreason = \"backdoor\"\nseverity = \"critical\"\neffective = 2026-11-20\n\
             successor = \"base:2\"\n[[ban.match]]\nbase = \"{}\"\nname = \"base:1\"\n",
            image.chain.top()
        )
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&entry.path(), &to);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), to).unwrap();
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn columns_are_aligned_and_hostile_cells_stay_on_their_line() {
    let rows = [
        ["NAME", "BAN", "NOTE"],
        ["web-1", "B", ""],
        ["a\nb\u{202e}", "BAN-1", "new"],
    ]
    .map(|row| row.map(str::to_owned));
    assert_eq!(
        table(&rows),
        [
            "NAME             BAN    NOTE",
            "web-1            B",
            "a\\u{a}b\\u{202e}  BAN-1  new"
        ]
    );
}

const TEXT: &str = r#"draft     …/draft.lst: version 413 for bans.example.com/prod
signed    enough for this node: 1 good signature, 1 needed
adds      BAN-2026-0007: successor: base:2
in force  none (cannot read "…/var/lib/embargo/banlist.lst": it is missing)
note      this node is not armed: it has no settings, and whatever is banned starts

4 stopped containers: 3 would not start
CONTAINER  ENGINE  MADE FROM                    BAN            SEVERITY  USE INSTEAD
gone-1     docker  gone:1                       BAN-2026-0007  critical  base:2
pulled-1   docker  localhost:5081/team/multi:1  BAN-2026-0007  critical  base:2
web-1      docker  app:1                        BAN-2026-0007  critical  base:2       restarts: always

4 images: 3 would not start
IMAGE                        ENGINE  IMAGE ID             BAN            SEVERITY  USE INSTEAD
app:1                        docker  sha256:4448f3d13a06  BAN-2026-0007  critical  base:2
base:1                       docker  sha256:52bc9a2da0fb  BAN-2026-0007  critical  base:2
localhost:5081/team/multi:1  docker  sha256:e56b16a6e5c5  BAN-2026-0007  critical  base:2

install   no objection: 0 of 0 running containers newly refused, max_impact = "50%"
"#;

#[test]
fn people_see_what_would_not_start_and_why() {
    let place = Place::new();
    place.put(&place.paths.keyset, keyset(&[1], 1).text().as_bytes());
    let web = place
        .root
        .path()
        .join("var/lib/docker/containers")
        .join(WEB)
        .join("hostconfig.json");
    place.put(
        &web,
        br#"{"RestartPolicy":{"Name":"always","MaximumRetryCount":0}}"#,
    );
    assert_eq!(
        place.preview(&place.ban_of_base(), false),
        (TEXT.to_owned(), Exit::Banned)
    );
}

#[test]
fn programs_get_one_object_whose_fields_stay() {
    let place = Place::new();
    let report = place.json(&place.ban_of_base());
    let keys = |value: &serde_json::Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        keys(&report),
        "armed counts draft faults images in_force in_force_fault installation notes running schema stopped"
    );
    assert_eq!(
        keys(&report["draft"]),
        "adds changes expires good_signatures head_fault impact issued keyset lifts needed_signatures origin path removes version"
    );
    assert_eq!(
        keys(&report["counts"]["running"]),
        "all newly_refused refused unknown"
    );
    assert_eq!(
        keys(&report["installation"]),
        "ahead counted later max_impact_percent message newly_refused objection unread"
    );
    let row = &report["stopped"][0];
    assert_eq!(
        keys(row),
        "bans engine id image image_id message names namespace of_user outcome pause place refused_already restart"
    );
    assert_eq!(
        (&row["outcome"], &row["refused_already"], &row["names"][0]),
        (&"refused".into(), &false.into(), &"gone-1".into())
    );
    let ban = "action advisories days_left digest effective existing_until id lapses matched name reason severity standing successor";
    assert_eq!(keys(&row["bans"][0]), ban);
    let refusal = "embargo: refused app:1: built on base:1, banned by BAN-2026-0007 (critical) since 2026-11-20; use base:2 ; list 413";
    assert_eq!(report["images"][0]["message"], refusal);
    // Without a keyset no list could be trusted, and the preview still shows everything.
    assert!(
        report["draft"]["head_fault"]
            .as_str()
            .unwrap()
            .starts_with("cannot read ")
    );
}

#[test]
fn a_list_in_force_that_bans_it_already_is_reported() {
    let place = Place::new();
    let bans = place.ban_of_base();
    place.put(&place.paths.keyset, keyset(&[1], 1).text().as_bytes());
    place.put(&place.paths.list, &list(&parse(&bans), &terms(412), &[1]));
    place.put(&place.paths.settings, b"mode = 'audit'\n");
    let (text, exit) = place.preview(&bans, false);
    assert_eq!(exit, Exit::Banned);
    assert!(
        text.contains("\n4 stopped containers: 3 would not start, 3 of them banned already\n"),
        "{text}"
    );
    assert!(
        text.contains(" base:2       banned already\n") && !text.contains("not armed"),
        "{text}"
    );
    assert!(
        text.contains("\nin force  412, issued 2026-11-20T14:00:00Z ("),
        "{text}"
    );
}

#[test]
fn what_would_start_all_the_same_is_reported_apart() {
    let place = Place::new();
    let bans = place.ban_of_base();
    for (from, to, said) in [
        (
            "effective = 2026-11-20",
            "effective = 2126-11-20",
            "banned by BAN-2026-0007 (critical) from 2126-11-20, ",
        ),
        (
            "severity",
            "action = \"warn\"\nseverity",
            "is base:1, warned of by BAN-2026-0007 (critical) since 2026-11-20; use base:2",
        ),
    ] {
        let (text, exit) = place.preview(&bans.replace(from, to), false);
        assert_eq!(exit, Exit::Clear);
        assert!(
            text.contains(
                "\n4 stopped containers: none would be refused\n\n4 images: none would be refused\n"
            ),
            "{text}"
        );
        let reported = text
            .split_once("\nwould start, although the draft mentions it\n")
            .unwrap()
            .1;
        assert!(reported.contains(said), "{reported}");
    }
    let (text, exit) = place.preview(NOTHING, false);
    assert_eq!(exit, Exit::Clear);
    assert!(!text.contains("mentions it"), "{text}");
}

#[test]
fn what_may_be_an_image_that_the_draft_bans_cannot_be_known() {
    let other = crate::banlist::testing::digest(1);
    let of = |kind| {
        format!(
            "[[ban]]\nid = \"A\"\nreason = \"a\"\nseverity = \"low\"\neffective = 2026-11-20\n[[ban.match]]\n{kind} = \"{other}\"\n"
        )
    };
    let place = Place::new();
    assert_eq!(place.json(&of("image"))["counts"]["stopped"]["unknown"], 0);
    place.put(
        &place
            .root
            .path()
            .join("var/lib/docker/image/overlay2/repositories.json"),
        b"{",
    );
    assert_eq!(place.json(&of("base"))["counts"]["stopped"]["unknown"], 0);
    assert_eq!(place.json(&of("image"))["counts"]["stopped"]["unknown"], 4);
    let (text, exit) = place.preview(&of("image"), false);
    assert_eq!(exit, Exit::CouldNotTell);
    assert!(
        text.contains(
            "\n4 stopped containers: none of those that could be read would be refused\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("cannot tell by which digests its image was pulled: cannot trust "),
        "{text}"
    );
}

#[test]
fn what_cannot_be_read_is_no_all_clear() {
    let calm = "0 of 0 running containers newly refused, max_impact = \"50%\"";
    for (broken, bans, exit) in [
        (None, NOTHING.to_owned(), Exit::Clear),
        (
            Some("var/lib/docker/containers"),
            NOTHING.to_owned(),
            Exit::CouldNotTell,
        ),
        (Some("run/runc"), NOTHING.to_owned(), Exit::CouldNotTell),
        (
            Some("run/docker/runtime-runc"),
            NOTHING.to_owned(),
            Exit::CouldNotTell,
        ),
        // A refusal decides the exit status, even if something else could not be read.
        (Some("run/runc"), Place::new().ban_of_base(), Exit::Banned),
    ] {
        let place = Place::new();
        place.put(&place.paths.keyset, keyset(&[1], 1).text().as_bytes());
        if let Some(broken) = broken {
            let path = place.root.path().join(broken);
            drop(fs::remove_dir_all(&path));
            place.put(&path, b"no directory");
        }
        let (text, reported) = place.preview(&bans, false);
        assert_eq!(reported, exit, "{broken:?}: {text}");
        let install = line_of(&text, "install ").unwrap();
        match broken {
            None => assert_eq!(install, format!("no objection: {calm}")),
            Some(_) => assert_eq!(
                install,
                format!("cannot tell: 1 place could not be read; of the others, {calm}")
            ),
        }
        let of_images = match (broken, exit) {
            (_, Exit::Banned) => "3 would not start",
            (None, _) => "none would be refused",
            (Some(_), _) => "none of those that could be read would be refused",
        };
        assert_eq!(line_of(&text, "4 images:"), Some(of_images), "{broken:?}");
    }
}

/// The text of the preview's line that begins with `head`, without `head`.
fn line_of<'a>(text: &'a str, head: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(head))
        .map(str::trim_start)
}

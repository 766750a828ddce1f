//! Tests `embargo check` on stores that real engines wrote, with lists made for the tests.

mod certainty;
mod leniency;
mod naming;

use std::fs;
use std::path::{Path, PathBuf};

use super::arguments::UsageError;
use super::*;
use crate::banlist::testing::{ISSUED, digest, keyset, list, parse, source, terms};
use crate::container::engine::Engine;
use crate::node::stores::Stores;
use crate::settings::StoragePlace;

const WEB: &str = "1fa27903b71f0c519a18643bb0e0ebfc48844ba0192a693b7d3af9f2c799e892";
const APP: &str = "sha256:4448f3d13a0677195694f44f664e86406aea51b99a178ffc41a37dae540cc32d";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A node with stores of Docker and Podman. A test may add files.
struct Place {
    root: tempfile::TempDir,
    paths: Paths,
    engines: Engines,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::below(root.path());
        let storage = StoragePlace {
            root: fixture("podman-4.3-overlay/store"),
            run_root: None,
        };
        let engines = Engines {
            docker: vec![fixture("docker-20.10-overlay2")],
            storage: vec![storage],
            ..Engines::default()
        };
        Self {
            root,
            paths,
            engines,
        }
    }

    fn with_settings(self, text: &str) -> Self {
        self.put(&self.paths.settings, text.as_bytes());
        self
    }

    /// Puts a signed list with these bans in force.
    fn with_list(self, bans: &str) -> Self {
        self.put(&self.paths.keyset, keyset(&[1], 1).text().as_bytes());
        self.put(&self.paths.list, &list(&parse(bans), &terms(412), &[1]));
        self
    }

    fn put(&self, path: &Path, bytes: &[u8]) {
        assert!(path.starts_with(self.root.path()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(path)
            .unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
    }

    fn answer(&self, name: &str) -> Answer {
        answer(
            name,
            SearchFor::Either,
            &self.paths,
            &self.engines,
            ISSUED.plus(3 * 3_600),
        )
        .unwrap()
    }

    fn error(&self, name: &str, search: SearchFor) -> CheckError {
        answer(name, search, &self.paths, &self.engines, ISSUED).unwrap_err()
    }

    fn fault(&self, name: &str, search: SearchFor) -> String {
        line::causes(&self.error(name, search))
    }

    /// The answer as text, without the path of the checkout.
    fn text(&self, name: &str) -> String {
        self.answer(name)
            .text()
            .replace(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"), "…")
    }

    /// The chain ID of an image's lowest layers, as many as `layers` says.
    fn chain_id(&self, image: &str, layers: usize) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.answer(image).json()).unwrap();
        json["found"][0]["made_of"]["layers"][layers - 1]["chain_id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn ban_of_base(&self) -> String {
        let base = self.chain_id("base:1", 1);
        format!(
            "[[ban]]\nid = \"BAN-2026-0007\"\nreason = \"backdoor\"\nadvisories = [\"CVE-2026-1234\"]\nseverity = \"critical\"\n\
             effective = 2026-11-20\nsuccessor = \"base:2\"\n[[ban.match]]\nbase = \"{base}\"\nname = \"base:1\"\n"
        )
    }
}

fn outcome(answer: &Answer) -> (CheckOutcome, u8) {
    (answer.outcome, answer.outcome.exit().code())
}

#[test]
fn a_container_whose_base_is_banned_is_reported_in_a_few_lines() {
    let ban = Place::new().ban_of_base();
    let place = Place::new().with_settings("#\n").with_list(&ban);
    let top = place.chain_id("app:1", 3);
    let expected = format!(
        "container web-1 {WEB} (docker in …/docker-20.10-overlay2), not running\n\
         made of   app:1, image ID {APP}\n\
         {:10}3 layers, top chain ID {top}, by evidence of metadata\n\
         verdict   BANNED: it would not start\n\
         {:10}built on base:1, banned by BAN-2026-0007 (critical, CVE-2026-1234) since 2026-11-20; use base:2\n\
         {:10}  reason: backdoor\n\n\
         list      412, issued 2026-11-20T14:00:00Z (3 hours ago), expires 2026-12-04T14:00:00Z",
        "", "", ""
    );
    assert_eq!(place.text("web-1"), expected);
    for name in [
        "web-1",
        "/web-1",
        WEB,
        &WEB[..12],
        "1fa",
        "app:1",
        "docker.io/library/app:1",
        APP,
        &APP[7..19],
        "base:1",
    ] {
        assert_eq!(
            outcome(&place.answer(name)),
            (CheckOutcome::Banned, 2),
            "{name}"
        );
    }
    assert_eq!(outcome(&place.answer("empty-1")), (CheckOutcome::Clear, 0));
    assert!(
        place
            .text("empty-1")
            .contains("\n          no layers\nverdict   clear\n"),
        "{}",
        place.text("empty-1")
    );
}

#[test]
fn a_record_that_cannot_be_read_may_have_any_name() {
    let ban = Place::new().ban_of_base();
    let mut place = Place::new().with_settings("#\n").with_list(&ban);
    let store = place.root.path().join("docker");
    copy(&fixture("docker-20.10-overlay2"), &store);
    let record = store.join("containers").join(WEB).join("config.v2.json");
    place.engines = Engines {
        docker: vec![store],
        ..Engines::default()
    };
    for text in ["{", "", "{\"Image\": \"none\"}"] {
        crate::sys::replace::replace(&record, 0o644, text.as_bytes()).unwrap();
        let error = answer(
            "web-1",
            SearchFor::Container,
            &place.paths,
            &place.engines,
            ISSUED,
        )
        .unwrap_err();
        assert_eq!(error.outcome(), CheckOutcome::Unknown, "{text:?}: {error}");
        // A clear container was found, and the container that could not be read may have the same
        // name. The unreadable container makes the answer uncertain for root, but not for a user,
        // whose question is only about what he can read.
        let expected = if process::is_privileged() {
            CheckOutcome::Unknown
        } else {
            CheckOutcome::Clear
        };
        assert_eq!(place.answer("empty-1").outcome, expected, "{text:?}");
        let text = place.answer("empty-1").text();
        let note =
            "note      cannot tell whether anything else has this name: 1 place could not be read";
        assert_eq!(text.contains(note), process::is_privileged(), "{text}");
        // A container ID is unique, so the container that could not be read cannot have this ID.
        let id = place.answer("empty-1").found.remove(0);
        let whole: serde_json::Value = serde_json::to_value(id).unwrap();
        assert_eq!(
            place.answer(whole["id"].as_str().unwrap()).outcome,
            CheckOutcome::Clear
        );
    }
}

#[test]
fn a_store_that_has_two_paths_is_one() {
    let ban = Place::new().ban_of_base();
    let mut place = Place::new().with_settings("#\n").with_list(&ban);
    let (docker, containers) = (
        place.root.path().join("docker"),
        place.root.path().join("storage"),
    );
    std::os::unix::fs::symlink(fixture("docker-20.10-overlay2"), &docker).unwrap();
    std::os::unix::fs::symlink(fixture("podman-4.3-overlay/store"), &containers).unwrap();
    let known = place.engines.clone();
    place.engines.docker.push(docker);
    place.engines.storage.push(StoragePlace {
        root: containers,
        run_root: None,
    });
    for name in ["web-1", "app:1"] {
        let once = answer(
            name,
            SearchFor::Either,
            &place.paths,
            &known,
            ISSUED.plus(3 * 3_600),
        )
        .unwrap()
        .found
        .len();
        assert_eq!(place.answer(name).found.len(), once, "{name}");
    }
}

#[test]
fn programs_get_one_object_whose_fields_stay() {
    let ban = Place::new().ban_of_base();
    let place = Place::new().with_settings("#\n").with_list(&ban);
    let json: serde_json::Value = serde_json::from_str(&place.answer("web-1").json()).unwrap();
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
        keys(&json),
        "armed asked faults found list list_fault outcome schema"
    );
    assert_eq!(
        keys(&json["list"]),
        "age_seconds expired expires issued slot version"
    );
    let found = &json["found"][0];
    assert_eq!(
        keys(found),
        "asked_for bans engine fault id kind made_of messages names namespace outcome place running starts"
    );
    assert_eq!(
        keys(&found["made_of"]),
        "evidence image_id layers manifests name revision source"
    );
    let ban = &found["bans"][0];
    assert_eq!(
        keys(ban),
        "action advisories days_left digest effective existing_until id lapses matched name reason severity standing successor"
    );
    assert_eq!(
        (
            &json["outcome"],
            &found["starts"],
            &ban["id"],
            &ban["standing"]
        ),
        (
            &"banned".into(),
            &false.into(),
            &"BAN-2026-0007".into(),
            &"in-effect".into()
        )
    );
    assert_eq!(
        (&json["list"]["version"], &json["list"]["age_seconds"]),
        (&412.into(), &10_800.into())
    );
}

/// Copies a directory.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy(&from, &to),
            kind if kind.is_symlink() => {
                std::os::unix::fs::symlink(fs::read_link(from).unwrap(), to).unwrap()
            }
            _file => drop(fs::copy(from, to).unwrap()),
        }
    }
}

/// How many containers are found when Docker has a container of the same name.
fn answer_of_both(place: &Place, name: &str) -> usize {
    let data_root = place.root.path().join("docker");
    let id = "ab".repeat(32);
    let record = format!(r#"{{"ID":"{id}","Image":"{APP}","Name":"/{name}","Driver":"overlay2"}}"#);
    place.put(
        &data_root
            .join("containers")
            .join(&id)
            .join("config.v2.json"),
        record.as_bytes(),
    );
    let engines = Engines {
        docker: vec![data_root],
        ..place.engines.clone()
    };
    answer(name, SearchFor::Container, &place.paths, &engines, ISSUED)
        .unwrap()
        .found
        .len()
}

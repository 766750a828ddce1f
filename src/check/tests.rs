//! Tests `embargo check` on stores that real engines wrote, with lists made for the tests.

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
        // name. This makes the answer uncertain for root, but not for a user, who asks about what
        // he can read.
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
        "asked_for bans engine fault id kind made_of messages names outcome place running starts"
    );
    assert_eq!(
        keys(&found["made_of"]),
        "evidence image_id layers manifests name revision source"
    );
    let ban = &found["bans"][0];
    assert_eq!(
        keys(ban),
        "action advisories days_left digest effective id lapses matched name reason severity standing successor"
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

#[test]
fn nothing_that_admits_a_banned_container_makes_it_clear() {
    let ban = Place::new().ban_of_base();
    let audit = Place::new()
        .with_settings("mode = \"audit\"\n")
        .with_list(&ban);
    assert_eq!(outcome(&audit.answer("web-1")), (CheckOutcome::Banned, 2));
    let text = audit.text("web-1");
    assert!(text.contains("\nverdict   BANNED\n"), "{text}");
    assert!(
        text.ends_with(
            "\nnote      the settings say mode = \"audit\": what is refused starts all the same"
        ),
        "{text}"
    );
    let glass = Place::new().with_settings("#\n").with_list(&ban);
    glass.put(
        &glass.paths.break_glass,
        b"reason = 'INC-1'\nuntil = '2026-11-21'\n",
    );
    assert_eq!(outcome(&glass.answer("web-1")), (CheckOutcome::Banned, 2));
    let open = "\nnote      break-glass is open until 2026-11-21T00:00:00Z (INC-1): what is refused starts all the same";
    assert!(
        glass.text("web-1").ends_with(open),
        "{}",
        glass.text("web-1")
    );
    for (file, note) in [
        (
            "reason = 'INC-1'\nuntil = '2026-11-19'\n",
            "break-glass opens nothing: it ended at 2026-11-19T00:00:00Z",
        ),
        (
            "until = '2026-11-21'\n",
            "break-glass opens nothing: cannot use ",
        ),
    ] {
        let shut = Place::new().with_settings("#\n").with_list(&ban);
        shut.put(&shut.paths.break_glass, file.as_bytes());
        let text = shut.text("web-1");
        assert!(
            text.contains("BANNED: it would not start\n")
                && text.contains(&format!("\nnote      {note}")),
            "{text}"
        );
    }
    let broken = Place::new().with_settings("mode = 1\n").with_list(&ban);
    broken.put(
        &broken.paths.break_glass,
        b"reason = 'INC-1'\nuntil = '2026-11-21'\n",
    );
    let error = broken.error("web-1", SearchFor::Either);
    assert_eq!(
        answer::note_lines(error.no_answer().notes),
        [open.trim_start()]
    );
    assert_eq!(error.outcome(), CheckOutcome::Unknown);
    let unarmed = Place::new().with_list(&ban);
    assert_eq!(outcome(&unarmed.answer("web-1")), (CheckOutcome::Banned, 2));
    assert!(unarmed.text("web-1").ends_with(
        "\nnote      this node is not armed: it has no settings, and whatever is banned starts"
    ));
}

#[test]
fn a_ban_that_does_not_hold_leaves_a_container_clear_and_is_reported() {
    let ban = Place::new().ban_of_base();
    for (from, to, standing) in [
        (
            "effective = 2026-11-20",
            "effective = 2026-11-23",
            "banned by BAN-2026-0007 (critical, CVE-2026-1234) from 2026-11-23, 3 days left; use base:2",
        ),
        (
            "severity",
            "action = \"warn\"\nseverity",
            "warned of by BAN-2026-0007",
        ),
        (
            "effective = 2026-11-20",
            "effective = 2026-11-01\nlapses = 2026-11-19",
            "no longer banned by BAN-2026-0007",
        ),
    ] {
        let place = Place::new()
            .with_settings("#\n")
            .with_list(&ban.replace(from, to));
        assert_eq!(
            outcome(&place.answer("web-1")),
            (CheckOutcome::Clear, 0),
            "{standing}"
        );
        let text = place.text("web-1");
        assert!(
            text.contains(standing) && text.contains("\nverdict   clear\n"),
            "{text}"
        );
    }
    let except = format!(
        "{ban}[[ban.except]]\nimage = \"{APP}\"\nuntil = 2026-11-21\nreason = \"moving\"\nticket = \"OPS-1\"\n"
    );
    let place = Place::new().with_settings("#\n").with_list(&except);
    assert_eq!(outcome(&place.answer("web-1")), (CheckOutcome::Clear, 0));
    assert!(
        place
            .text("web-1")
            .contains("excepted by OPS-1 until 2026-11-21T00:00:00Z")
    );
}

#[test]
fn without_a_list_or_a_lineage_it_cannot_be_known() {
    let place = Place::new().with_settings("#\n");
    assert_eq!(outcome(&place.answer("web-1")), (CheckOutcome::Unknown, 3));
    let text = place.text("web-1");
    assert!(
        text.contains("\nverdict   unknown: it would not start\n"),
        "{text}"
    );
    assert!(text.contains("\nlist      none (cannot read "), "{text}");
    let lenient = Place::new().with_settings("on_missing_list = \"admit\"\n");
    assert_eq!(
        outcome(&lenient.answer("web-1")),
        (CheckOutcome::Unknown, 3)
    );
    assert!(lenient.text("web-1").contains("\nverdict   unknown\n"));

    let unarmed = Place::new();
    assert_eq!(
        outcome(&unarmed.answer("web-1")),
        (CheckOutcome::Unknown, 3)
    );
    let text = unarmed.text("web-1");
    let said = "\nverdict   unknown\n          only a ban list can tell whether it is banned, and this node has none\n";
    assert!(text.contains(said) && !text.contains("refused"), "{text}");

    let nothing = list(&source(&[("base", digest(1))]), &terms(1), &[1]);
    let forged = Place::new().with_settings("#\n");
    forged.put(&forged.paths.keyset, keyset(&[2], 1).text().as_bytes());
    forged.put(&forged.paths.list, &nothing);
    assert_eq!(outcome(&forged.answer("web-1")), (CheckOutcome::Unknown, 3));
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

/// Found in review: when Docker's file of names could not be read, no manifest digest was known. A
/// container that was banned by its manifest's digest then counted as clear.
#[test]
fn where_the_list_bans_images_and_names_cannot_be_read_it_cannot_be_known() {
    let of = |kind| {
        format!(
            "[[ban]]\nid = \"A\"\nreason = \"a\"\nseverity = \"low\"\neffective = 2026-11-20\n[[ban.match]]\n{kind} = \"{}\"\n",
            digest(1)
        )
    };
    for (kind, settings, is_broken, expected) in [
        ("image", Some("#\n"), false, CheckOutcome::Clear),
        ("image", Some("#\n"), true, CheckOutcome::Unknown),
        ("image", None, true, CheckOutcome::Unknown),
        ("base", Some("#\n"), true, CheckOutcome::Clear),
    ] {
        let mut place = Place::new().with_list(&of(kind));
        if let Some(settings) = settings {
            place = place.with_settings(settings);
        }
        let store = place.root.path().join("docker");
        copy(&fixture("docker-20.10-overlay2"), &store);
        place.engines.docker = vec![store.clone()];
        if is_broken {
            crate::sys::replace::replace(
                &store.join("image/overlay2/repositories.json"),
                0o644,
                b"{",
            )
            .unwrap();
        }
        let what = format!("{kind} {settings:?} {is_broken}");
        assert_eq!(place.answer(WEB).outcome, expected, "{what}");
        let text = place.text(WEB);
        let doubt = "cannot tell by which digests its image was pulled: cannot trust ";
        assert_eq!(
            text.contains(doubt),
            expected == CheckOutcome::Unknown,
            "{what}: {text}"
        );
        assert!(!text.contains("would not start"), "{what}: {text}");
    }
    // The doubt is reported even when another ban warns.
    let warned = Place::new()
        .ban_of_base()
        .replace("severity", "action = \"warn\"\nseverity");
    let mut place = Place::new()
        .with_settings("#\n")
        .with_list(&format!("{warned}{}", of("image")));
    let store = place.root.path().join("docker");
    copy(&fixture("docker-20.10-overlay2"), &store);
    crate::sys::replace::replace(&store.join("image/overlay2/repositories.json"), 0o644, b"{")
        .unwrap();
    place.engines.docker = vec![store];
    let text = place.text(WEB);
    assert!(
        text.contains("warned of by BAN-2026-0007")
            && text.contains("cannot tell by which digests"),
        "{text}"
    );
}

#[test]
fn containers_of_podman_are_found_by_name_too_and_a_name_in_two_engines_is_both() {
    let ban = Place::new().ban_of_base();
    let place = Place::new().with_settings("#\n").with_list(&ban);
    let stores = Stores::open(&place.engines, &place.paths);
    let podman = stores
        .open
        .iter()
        .find(|store| store.engine == Engine::ContainersStorage)
        .unwrap();
    let container = podman
        .records
        .containers()
        .unwrap()
        .into_iter()
        .find(|container| !container.names.is_empty())
        .unwrap();
    let answer = place.answer(&container.names[0]);
    assert!(
        answer
            .text()
            .contains(&format!("{} (podman in ", container.id)),
        "{}",
        answer.text()
    );
    let both = answer_of_both(&place, &container.names[0]);
    assert_eq!(both, 2);
}

/// CRI-O and Podman share a store. Once, the commands of this program named different engines for
/// the same container.
#[test]
fn a_container_is_named_by_the_engine_that_made_it() {
    let place = Place::new().with_settings("#\n");
    let storage = StoragePlace {
        root: fixture("cri-o-1.37/graph"),
        run_root: Some(fixture("cri-o-1.37/run")),
    };
    let engines = Engines {
        storage: vec![storage],
        ..Engines::default()
    };
    for (name, engine) in [
        ("k8s_POD_pod_default_uid-pod_0", "cri-o"),
        ("k8s_main_pod_default_uid-pod_0", "cri-o"),
        ("solo", "podman"),
    ] {
        let answer = answer(name, SearchFor::Container, &place.paths, &engines, ISSUED).unwrap();
        let json: serde_json::Value = serde_json::from_str(&answer.json()).unwrap();
        assert_eq!(json["found"][0]["engine"], engine, "{name}");
        assert!(
            answer.text().contains(&format!(" ({engine} in ")),
            "{}",
            answer.text()
        );
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

#[test]
fn what_is_not_here_or_not_unique_is_reported_in_one_line() {
    let place = Place::new().with_settings("#\n");
    for (name, kind, line) in [
        (
            "nothing",
            SearchFor::Either,
            r#"cannot find a container or an image "nothing" on this node (docker in "#,
        ),
        (
            "app:1",
            SearchFor::Container,
            r#"cannot find a container "app:1" on this node (docker in "#,
        ),
        (
            "web-1",
            SearchFor::Image,
            r#"cannot find an image "web-1" on this node (docker in "#,
        ),
    ] {
        let fault = place.fault(name, kind);
        assert!(
            fault.starts_with(line) && fault.contains("; containers-storage in "),
            "{fault}"
        );
    }
    let error = answer(
        "app",
        SearchFor::Either,
        &place.paths,
        &place.engines,
        ISSUED,
    )
    .unwrap_err();
    assert_eq!(
        error.hint(),
        Some("an image is named with its tag, such as app:1")
    );
    let object: serde_json::Value = serde_json::from_str(&error.no_answer().json("app")).unwrap();
    assert_eq!(
        (&object["outcome"], &object["asked"], &object["message"]),
        (
            &"not-found".into(),
            &"app".into(),
            &line::causes(&error).into()
        )
    );
    let unread = CheckError::Find(
        FindError::Nothing("x".to_owned(), SearchFor::Image, Vec::new()),
        vec!["cannot read it".to_owned()],
    );
    let said = r#"cannot find an image "x" on this node: no engine's store was found; 1 place could not be read"#;
    assert_eq!(
        (
            unread.to_string().as_str(),
            unread.outcome(),
            error.outcome()
        ),
        (said, CheckOutcome::Unknown, CheckOutcome::NotFound)
    );
    let several = place.fault("1", SearchFor::Container);
    assert!(
        several.starts_with(r#"cannot tell which container "1" means: 1"#),
        "{several}"
    );
    let broken = Place::new().with_settings("mode = 7\n");
    assert!(
        broken
            .fault("web-1", SearchFor::Either)
            .contains("config.toml")
    );
}

#[test]
fn the_arguments_are_read_as_the_help_says() {
    let about = |name: &str, search, form| {
        Ok(CheckRequest::About {
            name: name.to_owned(),
            search,
            form,
        })
    };
    let (text, json) = (OutputForm::Text, OutputForm::Json);
    let outside = |name: &str, list: Option<&str>, keyset: Option<&str>| {
        Ok(CheckRequest::Outside(OutsideImage {
            name: name.to_owned(),
            list: list.map(Into::into),
            keyset: keyset.map(Into::into),
            form: text,
        }))
    };
    for (arguments, expected) in [
        (&["web"][..], about("web", SearchFor::Either, text)),
        (&["--json", "web"], about("web", SearchFor::Either, json)),
        (
            &["web", "--json", "--image"],
            about("web", SearchFor::Image, json),
        ),
        (
            &["--container", "--", "--json"],
            about("--json", SearchFor::Container, text),
        ),
        (&["web", "-h"], Ok(CheckRequest::Help)),
        (&["--version"], Ok(CheckRequest::Version)),
        (&["web", "-V"], Ok(CheckRequest::Version)),
        (&["-"], outside("-", None, None)),
        (&["oci:./directory"], outside("oci:./directory", None, None)),
        // Tests run in a directory in which `src` exists.
        (&["oci:src"], outside("oci:src", None, None)),
        (&["oci:1.0"], about("oci:1.0", SearchFor::Either, text)),
        (
            &["oci:1.0", "--list", "l"],
            outside("oci:1.0", Some("l"), None),
        ),
        (
            &["--list", "l", "--keyset", "-k", "oci-archive:f:1"],
            outside("oci-archive:f:1", Some("l"), Some("-k")),
        ),
        (
            &["--image", "docker-archive:/f", "--list", "l"],
            outside("docker-archive:/f", Some("l"), None),
        ),
        (
            &["--container", "oci:1"],
            about("oci:1", SearchFor::Container, text),
        ),
        (
            &["docker:27-dind"],
            about("docker:27-dind", SearchFor::Either, text),
        ),
        (
            &["--list", "l", "app:1"],
            Err(UsageError::OnlyOutside("app:1".to_owned())),
        ),
        (&["app:1", "--list"], Err(UsageError::NoFile("--list"))),
        (&[], Err(UsageError::NoName)),
        (&[""], Err(UsageError::NoName)),
        (&["-x", "web"], Err(UsageError::Flag("-x".to_owned()))),
        (
            &["web", "app"],
            Err(UsageError::SecondName("app".to_owned())),
        ),
    ] {
        let arguments: Vec<_> = arguments.iter().map(OsStr::new).collect();
        assert_eq!(read_arguments(&arguments), expected, "{arguments:?}");
    }
    let bad = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff");
    assert_eq!(read_arguments(&[bad]), Err(UsageError::NotText));
}

#[test]
fn the_settings_stand_for_the_usual_places_of_the_same_store() {
    let usual = places::usual(Some(OsStr::new("/home/u")), Some(OsStr::new("/run/user/7")));
    assert_eq!(
        usual.docker,
        [
            PathBuf::from("/var/lib/docker"),
            "/home/u/.local/share/docker".into()
        ]
    );
    assert_eq!(
        usual.storage[1].run_root,
        Some("/run/user/7/containers".into())
    );
    let more = Engines {
        docker: vec!["/var/lib/docker".into(), "/srv/docker".into()],
        storage: vec![StoragePlace {
            root: "/var/lib/containers/storage".into(),
            run_root: None,
        }],
        ..Engines::default()
    };
    let joined = places::joined(usual, &more);
    assert_eq!(joined.docker.len(), 3);
    assert_eq!(
        (joined.storage.len(), joined.storage[1].run_root.clone()),
        (2, None)
    );
    assert_eq!(places::usual(None, None).storage.len(), 1);
}

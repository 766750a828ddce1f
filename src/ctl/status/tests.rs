//! Tests what a status says about a node with Docker's store.

mod coverage;

use std::fs;
use std::path::Path;

use super::*;
use crate::banlist::testing::{ISSUED, digest, keyset, list, parse, source, terms};
use crate::ctl::consequences::node::NodeState;
use crate::ctl::install;
use crate::ctl::last_install;
use crate::lineage::Origin;
use crate::node::Node;
use crate::settings::Engines;
use crate::sys::replace::replace;

/// The container of the fixture whose restart policy is set.
const WEB: &str = "1fa27903b71f0c519a18643bb0e0ebfc48844ba0192a693b7d3af9f2c799e892";

/// A node below a temporary directory, with a keyset and no list.
struct Place {
    root: tempfile::TempDir,
    paths: Paths,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::below(root.path());
        fs::create_dir_all(paths.keyset.parent().unwrap()).unwrap();
        fs::create_dir_all(&paths.state).unwrap();
        replace(&paths.keyset, 0o644, keyset(&[1], 1).text().as_bytes()).unwrap();
        Self { root, paths }
    }

    /// A node with a store of Docker, where the engine restarts one container by itself.
    fn with_docker() -> Self {
        let place = Self::new();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let docker = place.root.path().join("var/lib/docker");
        copy(&fixture.join("docker-20.10-overlay2"), &docker);
        let record = docker.join("containers").join(WEB).join("hostconfig.json");
        replace(&record, 0o600, br#"{"RestartPolicy":{"Name":"always"}}"#).unwrap();
        place
    }

    fn set(&self, settings: &str) {
        replace(&self.paths.settings, 0o644, settings.as_bytes()).unwrap();
    }

    /// Installs a list.
    fn install(&self, bytes: &[u8]) -> Result<String, CtlError> {
        let staged = self.root.path().join("staged.lst");
        replace(&staged, 0o644, bytes).unwrap();
        let node = NodeState {
            paths: &self.paths,
            settings: None,
            rules: crate::banlist::store::Rules::default(),
            now: ISSUED.plus(60),
        };
        install::install(&staged, &node, None)
    }

    /// A list that bans the base of everything in the store, from this day on.
    fn ban_of_base(&self, version: u64, effective: &str) -> Vec<u8> {
        let node = Node::whole(&self.paths, &Engines::default());
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let Ok(Origin::Image(image)) = node.stores.open[0].records.image("base:1", patience) else {
            panic!("no base:1")
        };
        let ban = format!(
            "[[ban]]\nid = \"BAN-7\"\nreason = \"backdoor\"\nseverity = \"critical\"\n\
             effective = {effective}\n[[ban.match]]\nbase = \"{}\"\nname = \"base:1\"\n",
            image.chain.top()
        );
        list(&parse(&ban), &terms(version), &[1])
    }

    fn status(&self) -> NodeStatus {
        NodeStatus::of(&self.paths, None, ISSUED.plus(3_600))
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

/// The lines of a metric.
fn lines<'a>(text: &'a str, metric: &str) -> Vec<&'a str> {
    let of_metric = |line: &&str| {
        line.starts_with(&format!("{metric}{{")) || line.starts_with(&format!("{metric} "))
    };
    text.lines().filter(of_metric).collect()
}

#[test]
fn a_node_without_settings_is_off_and_says_so_everywhere() {
    let status = Place::new().status();
    assert!(text::of(&status).starts_with("mode      not armed: "));
    let (line, exit) = check::result(&status);
    assert!(line.contains("not armed"), "{line}");
    assert_ne!(exit, Exit::Clear);
    let metrics = metrics::text(&status);
    assert_eq!(
        lines(&metrics, "embargo_mode"),
        [
            "embargo_mode{mode=\"off\"} 1",
            "embargo_mode{mode=\"audit\"} 0",
            "embargo_mode{mode=\"enforce\"} 0",
        ]
    );
    assert!(lines(&metrics, "embargo_list_version").is_empty());
    assert!(lines(&metrics, "embargo_settings_valid").is_empty());
    assert_eq!(
        lines(&metrics, "embargo_list_info"),
        ["embargo_list_info{origin=\"\",head=\"\",slot=\"none\"} 1"]
    );
}

#[test]
fn settings_that_cannot_be_used_are_critical() {
    let place = Place::new();
    place.set("mode = \"enforced\"\n");
    let status = place.status();
    let (line, exit) = check::result(&status);
    assert!(
        line.starts_with("CRITICAL: cannot use settings ") && line.contains("line 1"),
        "{line}"
    );
    assert_eq!(exit, Exit::Critical);
    assert_eq!(
        lines(&metrics::text(&status), "embargo_settings_valid"),
        ["embargo_settings_valid 0"]
    );
}

#[test]
fn the_first_line_says_that_break_glass_is_open() {
    let place = Place::new();
    for (settings, mode) in [
        (
            "runtime = \"/bin/true\"\n",
            "mode      enforce, but everything starts, because break-glass is open\nglass     OPEN ",
        ),
        (
            "mode = \"enforced\"\n",
            "mode      everything starts, because break-glass is open: cannot use settings ",
        ),
    ] {
        place.set(settings);
        let closed = text::of(&place.status());
        assert!(!closed.contains("break-glass"), "{closed}");
        let mut status = place.status();
        status.break_glass = Some(facts::BreakGlassStatus {
            open: true,
            reason: Some("INC-1".to_owned()),
            until: Some(ISSUED.plus(7_200)),
            fault: None,
        });
        let text = text::of(&status);
        assert!(text.starts_with(mode), "{text}");
    }
}

#[test]
fn a_list_in_force_is_described_with_its_bans() {
    let place = Place::new();
    place.set("mode = \"audit\"\nruntime = \"/bin/true\"\n");
    let bytes = list(&source(&[("base", digest(1))]), &terms(412), &[1]);
    place.install(&bytes).unwrap();
    let status = place.status();
    let found = status.in_force.as_ref().unwrap();
    assert_eq!(
        (found.version, found.slot, found.digests.base),
        (412, "current", 1)
    );
    assert_eq!(found.bans.as_ref().map(Vec::len), Some(1));
    assert!(found.installed.is_some());
    let metrics = metrics::text(&status);
    assert_eq!(
        lines(&metrics, "embargo_list_version"),
        ["embargo_list_version 412"]
    );
    assert_eq!(
        lines(&metrics, "embargo_floor_version"),
        ["embargo_floor_version 412"]
    );
    assert_eq!(
        lines(&metrics, "embargo_install_last_result")[0],
        "embargo_install_last_result{result=\"ok\"} 1"
    );
}

#[test]
fn a_list_that_was_refused_is_on_record_with_its_reason() {
    let place = Place::new();
    place.set("runtime = \"/bin/true\"\n");
    let bytes = |version| list(&source(&[("base", digest(1))]), &terms(version), &[1]);
    place.install(&bytes(412)).unwrap();
    let fault = place.install(&bytes(411)).unwrap_err();
    let last = last_install::read(&place.paths).unwrap().unwrap();
    assert_eq!(last.result, last_install::InstallResult::Rollback);
    assert_eq!(last.reason.as_deref(), Some(fault.to_string().as_str()));
    assert!(last.success.is_some());
    let (line, _) = check::result(&place.status());
    assert!(
        line.contains("last installation: rollback: cannot go back"),
        "{line}"
    );
}

#[test]
fn a_stopped_container_that_its_engine_starts_is_doomed() {
    let place = Place::with_docker();
    place.set("mode = \"audit\"\nruntime = \"/bin/true\"\n");
    place
        .install(&place.ban_of_base(412, "2026-11-20"))
        .unwrap();
    let status = place.status();
    let containers = status.containers.as_ref().unwrap();
    let doomed: Vec<_> = containers
        .doomed
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    assert_eq!(doomed, [WEB], "{containers:?}");
    assert_eq!(
        lines(&metrics::text(&status), "embargo_doomed_containers"),
        [
            "embargo_doomed_containers{ban=\"BAN-7\",severity=\"critical\",engine=\"docker\",restart=\"always\",grounds=\"banned\"} 1"
        ]
    );
    let text = text::of(&status);
    assert!(
        text.contains("\ndoomed    1 container could not start again\n"),
        "{text}"
    );
}

#[test]
fn what_could_not_be_read_is_unknown_and_never_zero() {
    let place = Place::with_docker();
    place.set("runtime = \"/bin/true\"\n");
    place
        .install(&place.ban_of_base(412, "2026-11-20"))
        .unwrap();
    let state = place.root.path().join("run/runc/torn/state.json");
    fs::create_dir_all(state.parent().unwrap()).unwrap();
    replace(&state, 0o644, b"{").unwrap();
    let mut status = place.status();
    let metrics = metrics::text(&status);
    assert_eq!(
        lines(&metrics, "embargo_collector_success"),
        ["embargo_collector_success 0"]
    );
    assert_eq!(
        lines(&metrics, "embargo_store_faults"),
        ["embargo_store_faults 1"]
    );
    let (line, exit) = check::result(&status);
    assert!(
        line.starts_with("UNKNOWN: ") && line.contains("1 place could not be read"),
        "{line}"
    );
    assert_eq!(exit, Exit::CouldNotTell);
    status.containers = None;
    let metrics = metrics::text(&status);
    for metric in [
        "embargo_containers",
        "embargo_doomed_containers",
        "embargo_store_faults",
    ] {
        assert!(lines(&metrics, metric).is_empty(), "{metric}");
    }
}

#[test]
fn events_are_counted_since_the_node_was_booted() {
    let place = Place::new();
    let status = place.status();
    assert!(
        text::of(&status).contains("\nevents    none since the node was booted\n"),
        "{}",
        text::of(&status)
    );
    fs::create_dir_all(&place.paths.counts).unwrap();
    for (name, bytes) in [
        ("event.refused.banned.docker", ".."),
        ("event.refused.no-image.docker", "."),
        ("ban.critical.BAN-7", ".."),
    ] {
        replace(&place.paths.counts.join(name), 0o644, bytes.as_bytes()).unwrap();
    }
    let status = place.status();
    assert!(
        text::of(&status).contains("\nevents    3 refused since the node was booted\n"),
        "{}",
        text::of(&status)
    );
    let metrics = metrics::text(&status);
    assert_eq!(
        lines(&metrics, "embargo_decisions_total"),
        [
            "embargo_decisions_total{event=\"refused\",grounds=\"banned\",engine=\"docker\"} 2",
            "embargo_decisions_total{event=\"refused\",grounds=\"no-image\",engine=\"docker\"} 1",
        ]
    );
    assert_eq!(
        lines(&metrics, "embargo_refused_total"),
        ["embargo_refused_total{ban=\"BAN-7\",severity=\"critical\"} 2"]
    );
}

#[test]
fn a_ban_ahead_is_told_with_its_time() {
    let place = Place::new();
    let bytes = {
        let docker = Place::with_docker();
        docker.ban_of_base(412, "2026-12-20")
    };
    place.install(&bytes).unwrap();
    let status = place.status();
    assert_eq!(
        lines(
            &metrics::text(&status),
            "embargo_ban_effective_timestamp_seconds"
        ),
        ["embargo_ban_effective_timestamp_seconds{ban=\"BAN-7\"} 1797724800"]
    );
}

#[test]
fn what_needs_root_is_read_back_from_the_stored_state() {
    let place = Place::with_docker();
    place.set("runtime = \"/bin/true\"\n");
    place
        .install(&place.ban_of_base(412, "2026-11-20"))
        .unwrap();
    assert_eq!(
        stored::containers(&place.paths).unwrap_err().to_string(),
        format!(
            "cannot read this node's engines without root, and {:?} is missing: embargoctl status \
             --write makes it",
            place.paths.status
        )
    );
    let status = place.status();
    stored::write(&place.paths, &status).unwrap();
    assert_eq!(
        Some(stored::containers(&place.paths).unwrap()),
        status.containers
    );
    assert_eq!(
        Some(stored::runtimes(&place.paths).unwrap()),
        status.runtimes
    );
    replace(&place.paths.status, 0o644, b"{\"schema\":1}").unwrap();
    assert_eq!(
        stored::runtimes(&place.paths).unwrap_err().to_string(),
        format!(
            "cannot read this node's engines without root, and {:?} has no runtime names either",
            place.paths.status
        )
    );
    replace(&place.paths.status, 0o644, b"{\"schema\":2}").unwrap();
    assert_eq!(
        stored::containers(&place.paths).unwrap_err().to_string(),
        format!(
            "cannot use {:?}: expected schema 1, found 2",
            place.paths.status
        )
    );
}

//! Tests the selection on a node in a directory of its own: Docker's vfs store, runc's state, and a
//! process for each running container.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Child;

use super::*;
use crate::banlist::testing::{ISSUED, digest, keyset, list, parse, terms};
use crate::container::ContainerId;
use crate::container::engine::Engine;
use crate::container::runtime::RuntimeKind;
use crate::lineage::chain::Chain;
use crate::lineage::digest::{DiffId, Digest};
use crate::node::runtime_state::{self, InitProcess, RunningContainer};
use crate::sys::file::{self, Guard};

/// A node and its running containers.
struct TestNode {
    root: tempfile::TempDir,
    paths: Paths,
    processes: Vec<Child>,
}

impl Drop for TestNode {
    fn drop(&mut self) {
        for process in &mut self.processes {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

/// The chain of these layers.
fn chain(layers: &[u8]) -> Chain {
    Chain::from_diff_ids(
        layers
            .iter()
            .map(|layer| DiffId(digest(u64::from(*layer))))
            .collect(),
    )
    .unwrap()
}

/// A container ID that begins with these letters.
fn id(letters: &str) -> String {
    format!("{letters:0<64}")
}

impl TestNode {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self {
            paths: Paths::below(root.path()),
            root,
            processes: Vec::new(),
        }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn put(&self, path: &str, text: &str) {
        self.put_bytes(path, text.as_bytes());
    }

    fn put_bytes(&self, path: &str, bytes: &[u8]) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .open(path)
            .unwrap()
            .write_all(bytes)
            .unwrap();
    }

    /// Installs a list of this source.
    fn ban(&self, source: &str) {
        self.put("etc/embargo/keyset", &keyset(&[1], 1).text());
        self.put_bytes(
            "var/lib/embargo/banlist.lst",
            &list(&parse(source), &terms(413), &[1]),
        );
    }

    /// A process that lives as long as this node.
    #[allow(clippy::disallowed_methods)] // A container needs a process of its own.
    fn process(&mut self, name: &str, directory: &Path) -> u32 {
        let process = std::process::Command::new("/bin/sleep")
            .arg0(name)
            .arg("600")
            .current_dir(directory)
            .spawn()
            .unwrap();
        // A new process has no arguments yet when its parent continues: wait for them.
        while file::read(
            Path::new(&format!("/proc/{}/cmdline", process.id())),
            4_096,
            Guard::Any,
        )
        .unwrap()
        .is_empty()
        {
            std::thread::yield_now();
        }
        self.processes.push(process);
        self.processes.last().unwrap().id()
    }

    /// A bundle as Docker makes it, and Docker's records of the container.
    fn bundle(&self, id: &str, name: &str, layers: &[u8]) -> PathBuf {
        let store = "var/lib/docker/image/vfs/layerdb";
        let chain = chain(layers);
        for (at, (diff_id, chain_id)) in chain.layers().enumerate() {
            let directory = format!("{store}/sha256/{}", chain_id.0.hex());
            self.put(&format!("{directory}/diff"), &diff_id.unwrap().to_string());
            if at > 0 {
                self.put(
                    &format!("{directory}/parent"),
                    &chain.chain_ids()[at - 1].to_string(),
                );
            }
        }
        self.put(&format!("{store}/mounts/{id}/mount-id"), id);
        self.put(
            &format!("{store}/mounts/{id}/parent"),
            &chain.top().to_string(),
        );
        let image_id = Digest::of(layers);
        let record = format!(
            r#"{{"ID":"{id}","Driver":"vfs","Image":"{image_id}","Config":{{"Image":"app:1"}},"Name":"/{name}"}}"#
        );
        self.put(
            &format!("var/lib/docker/containers/{id}/config.v2.json"),
            &record,
        );
        let root = self.at("var/lib/docker/vfs/dir").join(id);
        fs::create_dir_all(&root).unwrap();
        let bundle = format!("run/containerd/io.containerd.runtime.v2.task/moby/{id}");
        self.put(
            &format!("{bundle}/config.json"),
            &serde_json::json!({ "root": { "path": root } }).to_string(),
        );
        self.at(&bundle)
    }

    /// A running container, with its state below one of Docker's roots.
    fn container(&mut self, letters: &str, layers: &[u8]) -> u32 {
        let id = id(letters);
        let bundle = self.bundle(&id, &format!("{letters}-1"), layers);
        let pid = self.process("sleep", &bundle);
        self.state("run/docker/runtime-runc/moby", &id, &bundle, pid);
        pid
    }

    fn state(&self, root: &str, id: &str, bundle: &Path, pid: u32) {
        let bundle = bundle.to_str().unwrap();
        let text = format!(
            r#"{{"id":"{id}","init_process_pid":{pid},"config":{{"labels":["bundle={bundle}"]}}}}"#
        );
        self.put(&format!("{root}/{id}/state.json"), &text);
    }

    fn scan(&self, target: &Targets) -> Result<Selection, SelectError> {
        Scanner::new(target, &self.paths, &Settings::unset())?.scan(ISSUED.plus(3_600))
    }

    /// What a scan selects: the names of the matches; the names of the containers that are left
    /// out; and the containers that cannot be identified, with the reason.
    fn selected(&self, target: &Targets) -> (Vec<String>, Vec<String>, Vec<String>) {
        let found = self.scan(target).unwrap();
        let name = |container: &Container| {
            container
                .name
                .clone()
                .unwrap_or_else(|| container.id.clone())
        };
        let directory = self.root.path().to_str().unwrap();
        (
            found
                .matches
                .iter()
                .map(|found| name(&found.container))
                .collect(),
            found
                .left_out
                .iter()
                .map(|found| name(&found.container))
                .collect(),
            found
                .unidentified
                .iter()
                .map(|found| {
                    format!(
                        "{} {}: {}",
                        found.engine,
                        found.id,
                        found.why.replace(directory, "…")
                    )
                })
                .collect(),
        )
    }
}

fn target(selector: Selector) -> Targets {
    Targets {
        selector,
        engines: Vec::new(),
        namespaces: Vec::new(),
        containers: Vec::new(),
    }
}

fn by_ban(id: &str) -> Targets {
    target(Selector::Bans(vec![id.to_owned()]))
}

fn by_base(layers: &[u8]) -> Targets {
    target(Selector::Base(chain(layers).top().to_string()))
}

/// A ban of the image with this one layer; `more` adds lines to the ban.
fn ban(id: &str, layer: u8, effective: &str, more: &str) -> String {
    let base = digest(layer.into());
    format!(
        "[[ban]]\nid = \"{id}\"\nreason = \"backdoor\"\nseverity = \"high\"\neffective = {effective}\n{more}[[ban.match]]\nbase = \"{base}\"\nname = \"base:{layer}\"\n"
    )
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn the_containers_of_a_ban_are_found_with_the_sentence_of_a_refusal() {
    let mut node = TestNode::new();
    let pid = node.container("web", &[1, 2]);
    node.container("calm", &[3]);
    node.ban(&ban("BAN-1", 1, "2026-11-20", ""));
    let found = node.scan(&by_ban("BAN-1")).unwrap();
    let [
        MatchingContainer {
            container,
            reasons,
            bans,
        },
    ] = &found.matches[..]
    else {
        panic!("{found:?}")
    };
    assert_eq!(
        reasons,
        &["built on base:1, banned by BAN-1 (high) since 2026-11-20"]
    );
    assert_eq!(
        bans.iter().map(|ban| ban.id.as_str()).collect::<Vec<_>>(),
        ["BAN-1"]
    );
    assert_eq!(
        (
            found.list.map(|list| list.version),
            &found.unidentified[..],
            &found.left_out[..],
            &found.warnings[..]
        ),
        (Some(413), &[][..], &[][..], &[][..])
    );
    let process = InitProcess { pid, started: None };
    let expected = Container {
        id: id("web"),
        engine: Engine::Docker,
        namespace: Some("moby".to_owned()),
        name: Some("web-1".to_owned()),
        image: container.image.clone(),
        image_id: Some(Digest::of(&[1, 2]).to_string()),
        kind: RuntimeKind::Runc,
        root: node.at("run/docker/runtime-runc/moby"),
        bundle: node
            .at("run/containerd/io.containerd.runtime.v2.task/moby")
            .join(id("web")),
        owner: nix::unistd::geteuid().as_raw(),
        pid,
        started: process.start_time().unwrap(),
    };
    assert_eq!(container, &expected);
}

#[test]
fn dockers_containers_are_dockers_in_whichever_namespace_it_puts_them() {
    let mut node = TestNode::new();
    let id = id("web");
    let bundle = node
        .at("run/containerd/io.containerd.runtime.v2.task/acme")
        .join(&id);
    fs::create_dir_all(bundle.parent().unwrap()).unwrap();
    fs::rename(node.bundle(&id, "web-1", &[1, 2]), &bundle).unwrap();
    let pid = node.process("sleep", &bundle);
    node.state("run/docker/runtime-runc/acme", &id, &bundle, pid);
    let of = |engine| Targets {
        engines: vec![engine],
        ..by_base(&[1])
    };
    let none = || (Vec::new(), Vec::new(), Vec::new());
    let web = || (strings(&["web-1"]), Vec::new(), Vec::new());
    assert_eq!(
        (
            node.selected(&of(Engine::Docker)),
            node.selected(&of(Engine::Containerd))
        ),
        (web(), none())
    );
    // If a user may have written Docker's record, the record is ignored: the container belongs to
    // containerd.
    if nix::unistd::geteuid().is_root() {
        let record = node
            .at("var/lib/docker/containers")
            .join(&id)
            .join("config.v2.json");
        std::os::unix::fs::chown(record, Some(70_000), None).unwrap();
        assert_eq!(
            (
                node.selected(&of(Engine::Docker)),
                node.selected(&of(Engine::Containerd))
            ),
            (none(), web())
        );
    }
}

#[test]
fn root_does_not_read_for_a_user_what_he_may_not_read_himself() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let mut node = TestNode::new();
    let id = id("web");
    let secret = node.bundle(&id, "web-1", &[1, 2]);
    fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let pid = node.process("sleep", &secret);
    fs::create_dir(node.at("his")).unwrap();
    std::os::unix::fs::symlink(secret.join("config.json"), node.at("his/config.json")).unwrap();
    node.state("run/user/70000/runc", &id, &node.at("his"), pid);
    let denied = format!("unknown {id}: cannot read \"…/his/config.json\": access refused");
    assert_eq!(
        node.selected(&by_base(&[1])),
        (Vec::new(), Vec::new(), vec![denied])
    );
    fs::remove_file(node.at("his/config.json")).unwrap();
    nix::unistd::mkfifo(&node.at("his/config.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let waits = format!("unknown {id}: cannot read \"…/his/config.json\": not a regular file");
    assert_eq!(
        node.selected(&by_base(&[1])),
        (Vec::new(), Vec::new(), vec![waits])
    );
}

#[test]
fn what_is_left_out_is_reported_and_a_ban_that_was_named_may_be_ahead() {
    let mut node = TestNode::new();
    for (letters, layers) in [
        ("a", &[1][..]),
        ("b", &[2]),
        ("c", &[3, 9]),
        ("d", &[4]),
        ("e", &[5]),
        ("f", &[6]),
        ("g", &[7]),
    ] {
        node.container(letters, layers);
    }
    let excepted = format!(
        "[[ban.except]]\nimage = \"{}\"\nuntil = 2026-12-01\nreason = \"moving\"\nticket = \"OPS-1\"\n",
        Digest::of(&[2])
    );
    let source = [
        ban("BAN-1", 1, "2026-11-20", ""),
        ban("BAN-2", 2, "2026-11-20", "") + &excepted,
        ban(
            "BAN-3",
            3,
            "2026-11-20",
            &format!("cure = [\"{}\"]\n", digest(9)),
        ),
        ban("BAN-4", 4, "2026-11-27", ""),
        ban("BAN-5", 5, "2026-11-19", "lapses = 2026-11-20\n"),
        ban("BAN-6", 6, "2026-11-20", "action = \"warn\"\n"),
        ban("BAN-7", 7, "2026-11-27", "action = \"warn\"\n"),
    ];
    node.ban(&source.concat());
    let all = target(Selector::Bans(
        (1..=7).map(|number| format!("BAN-{number}")).collect(),
    ));
    assert_eq!(
        node.selected(&all),
        (
            strings(&["a-1", "d-1", "f-1", "g-1"]),
            strings(&["b-1", "c-1", "e-1"]),
            Vec::new()
        )
    );
    assert_eq!(
        node.selected(&target(Selector::AllBanned)),
        (
            strings(&["a-1", "f-1"]),
            strings(&["b-1", "c-1", "d-1", "e-1", "g-1"]),
            Vec::new()
        )
    );
    assert_eq!(
        node.selected(&by_ban("BAN-3")),
        (Vec::new(), strings(&["c-1"]), Vec::new())
    );
    let left_out = node.scan(&by_ban("BAN-2")).unwrap().left_out;
    assert_eq!(
        left_out[0].reasons,
        [
            "is base:2, banned by BAN-2 (high) since 2026-11-20, excepted by OPS-1 until 2026-12-01T00:00:00Z"
        ]
    );
}

#[test]
fn a_container_that_waits_for_its_start_or_has_ended_is_no_match_and_none_that_is_unidentified() {
    let mut node = TestNode::new();
    for letters in ["a", "b", "c"] {
        node.container(letters, &[1]);
    }
    node.put(
        &format!("run/docker/runtime-runc/moby/{}/exec.fifo", id("a")),
        "",
    );
    let mut ended = node.processes.remove(1);
    ended.kill().unwrap();
    let process = InitProcess {
        pid: ended.id(),
        started: None,
    };
    while process.is_alive() {
        std::thread::yield_now();
    }
    // The process is a zombie first, and then gone.
    assert_eq!(
        node.selected(&by_base(&[1])),
        (strings(&["c-1"]), Vec::new(), Vec::new())
    );
    ended.wait().unwrap();
    fs::create_dir_all(node.at("run/runc/coming")).unwrap();
    assert_eq!(
        node.selected(&by_base(&[1])),
        (strings(&["c-1"]), Vec::new(), Vec::new())
    );
}

#[test]
fn a_user_keeps_no_container_out_of_sight_by_a_file_in_its_state() {
    let mut node = TestNode::new();
    node.container("web", &[1]);
    let directory = format!("run/docker/runtime-runc/moby/{}", id("web"));
    node.put(&format!("{directory}/exec.fifo"), "");
    let seen = || {
        let (matches, left_out, unidentified) = node.selected(&by_base(&[1]));
        matches.len() + left_out.len() + unidentified.len()
    };
    assert_eq!(seen(), 0);
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(node.at(&directory), Some(70_000), None).unwrap();
        assert_eq!(seen(), 1);
    }
}

#[test]
fn one_container_in_two_roots_is_one() {
    let mut node = TestNode::new();
    let pid = node.container("web", &[1]);
    let bundle = node
        .at("run/containerd/io.containerd.runtime.v2.task/moby")
        .join(id("web"));
    node.state("run/containerd/runc/moby", &id("web"), &bundle, pid);
    assert_eq!(node.selected(&by_base(&[1])).0, ["web-1"]);
}

#[test]
fn a_users_state_takes_no_container_of_anothers_away() {
    let own = InitProcess {
        pid: std::process::id(),
        started: None,
    };
    let of = |owner, root: &str, started| RunningContainer {
        id: ContainerId::parse("web").unwrap(),
        kind: RuntimeKind::Runc,
        root: root.into(),
        bundle: "/b".into(),
        process: InitProcess { started, ..own },
        owner,
    };
    let started = own.start_time();
    for (state, kept) in [
        (
            vec![
                of(4_242_424, "/run/user/4242424/runc", started),
                of(0, "/run/runc", started),
            ],
            &["/run/runc"][..],
        ),
        (
            vec![of(0, "/run/crun", None), of(0, "/run/runc", started)],
            &["/run/runc"],
        ),
        (
            vec![
                of(4_242_424, "/one", started),
                of(4_242_424, "/two", started),
            ],
            &["/one"],
        ),
        (
            vec![
                of(4_242_424, "/one", started),
                of(4_242_425, "/two", started),
            ],
            &["/one", "/two"],
        ),
        (vec![of(0, "/run/runc", Some(1))], &[]),
    ] {
        let alive = runtime_state::alive(&state);
        let found: Vec<_> = running::living(&state, &alive)
            .into_iter()
            .map(|living| living.running.root)
            .collect();
        assert_eq!(found, kept.iter().map(PathBuf::from).collect::<Vec<_>>());
    }
}

#[test]
fn what_cannot_be_understood_is_named_and_its_id_alone_narrows_it_away() {
    let mut node = TestNode::new();
    node.container("web", &[1]);
    node.put("run/docker/runtime-runc/moby/torn/state.json", "{");
    node.put("run/runc/alien/state.json", r#"{"version":9}"#);
    let bare = node.at("srv/bare");
    node.put("srv/bare/config.json", r#"{"root":{"path":"rootfs"}}"#);
    let pid = node.process("sleep", &bare);
    node.state("run/runc", "bare", &bare, pid);
    let torn = r#"docker torn: cannot read the container's state "…/run/docker/runtime-runc/moby/torn/state.json": EOF while parsing an object at line 1 column 1"#;
    let alien = r#"unknown alien: cannot read the container's state "…/run/runc/alien/state.json": missing field `id` at line 1 column 13"#;
    let bare = r#"unknown bare: cannot tell which engine made the bundle "…/srv/bare""#;
    let any = by_base(&[1]);
    let (docker, podman) = (
        Targets {
            engines: vec![Engine::Docker],
            ..any.clone()
        },
        Targets {
            engines: vec![Engine::Podman],
            ..any.clone()
        },
    );
    let web = Targets {
        containers: strings(&["web"]),
        ..any.clone()
    };
    let batch = Targets {
        namespaces: strings(&["batch"]),
        ..any.clone()
    };
    for (target, matches, unidentified) in [
        (any, &["web-1"][..], &[torn, alien, bare][..]),
        (docker, &["web-1"], &[torn, alien]),
        (podman, &[], &[alien]),
        (batch, &[], &[alien]),
        (web, &["web-1"], &[]),
    ] {
        assert_eq!(
            node.selected(&target),
            (strings(matches), Vec::new(), strings(unidentified)),
            "{target:?}"
        );
    }
}

#[test]
fn who_names_a_container_that_is_not_there_is_reported() {
    let mut node = TestNode::new();
    node.container("web", &[1]);
    node.container("calm", &[2]);
    for (words, matches, warnings) in [
        (&["web-1"][..], &["web-1"][..], &[][..]),
        (&["/web-1"], &["web-1"], &[]),
        (&["we"], &["web-1"], &[]),
        (
            &["web-"],
            &[],
            &["cannot find a running container whose name is web-, or whose ID begins with it"],
        ),
        (
            &["web-1", "calm-1"],
            &["web-1"],
            &["container calm-1 runs, and is no match"],
        ),
        (
            &["a\nb"],
            &[],
            &[
                r#"cannot find a running container whose name is "a\nb", or whose ID begins with it"#,
            ],
        ),
    ] {
        let found = node
            .scan(&Targets {
                containers: strings(words),
                ..by_base(&[1])
            })
            .unwrap();
        let names: Vec<_> = found
            .matches
            .iter()
            .filter_map(|found| found.container.name.clone())
            .collect();
        assert_eq!(
            (names, found.warnings),
            (strings(matches), strings(warnings)),
            "{words:?}"
        );
        assert_eq!(
            found.unfound.len(),
            warnings
                .iter()
                .filter(|warning| warning.starts_with("cannot find"))
                .count(),
            "{words:?}"
        );
    }
}

#[test]
fn an_image_is_known_by_its_id_and_a_base_by_its_chain() {
    let mut node = TestNode::new();
    node.container("a", &[1]);
    node.container("b", &[1, 2]);
    let image = |digest: Digest| target(Selector::Image(digest.to_string()));
    assert_eq!(node.selected(&by_base(&[1])).0, ["a-1", "b-1"]);
    assert_eq!(node.selected(&by_base(&[1, 2])).0, ["b-1"]);
    assert_eq!(node.selected(&image(Digest::of(&[1]))).0, ["a-1"]);
    assert_eq!(node.selected(&image(digest(7))).0, [""; 0]);
    let found = node.scan(&by_base(&[1])).unwrap();
    let reasons: Vec<_> = found
        .matches
        .iter()
        .flat_map(|found| found.reasons.clone())
        .collect();
    let base = chain(&[1]).top();
    assert_eq!(
        (reasons, found.list),
        (vec![format!("is {base}"), format!("built on {base}")], None)
    );
    let error = node
        .scan(&target(Selector::Base("app:1".to_owned())))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(r#"cannot find the image "app:1" (docker in "#),
        "{error}"
    );
}

#[test]
fn without_a_list_or_such_a_ban_nothing_is_selected() {
    let mut node = TestNode::new();
    node.container("web", &[1]);
    let error = node.scan(&target(Selector::AllBanned)).unwrap_err();
    assert!(matches!(error, SelectError::List(_)), "{error}");
    assert_eq!(
        error.hint(),
        Some("embargoctl install puts a list in force; --base and --image need none")
    );
    node.ban(&ban("BAN-1", 1, "2026-11-20", ""));
    let error = node.scan(&by_ban("BAN-7")).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"cannot find the ban "BAN-7" in list 413, which is in force"#
    );
    // A ban that is lifted during a run has no more matches.
    let settings = Settings::unset();
    let both = target(Selector::Bans(strings(&["BAN-1", "BAN-2"])));
    node.ban(&(ban("BAN-1", 1, "2026-11-20", "") + &ban("BAN-2", 2, "2026-11-20", "")));
    let mut scanner = Scanner::new(&both, &node.paths, &settings).unwrap();
    assert_eq!(scanner.scan(ISSUED).unwrap().matches.len(), 1);
    node.ban(&ban("BAN-2", 2, "2026-11-20", ""));
    let found = scanner.scan(ISSUED).unwrap();
    assert_eq!(found.list.map(|list| list.version), Some(413));
    assert_eq!(
        found,
        Selection {
            list: found.list,
            ..Selection::default()
        }
    );
}

#[test]
fn another_kind_of_runtime_is_seen_by_its_shims_directory() {
    let mut node = TestNode::new();
    let tasks = "run/containerd/io.containerd.runtime.v2.task/default";
    for name in ["sandbox", "gone", "coming", "virtual", "inside"] {
        node.put(&format!("{tasks}/{name}/config.json"), "{}");
    }
    let pid = node.process("sleep", Path::new("/"));
    node.put(&format!("{tasks}/sandbox/init.pid"), &pid.to_string());
    node.put(&format!("{tasks}/gone/init.pid"), "0");
    // One shim of runc that has not made its container yet, and one shim of another runtime with
    // two containers in one pod.
    for (directory, name) in [
        ("coming", "/usr/bin/containerd-shim-runc-v2"),
        ("virtual", "/usr/bin/containerd-shim-kata-v2"),
    ] {
        node.put(
            &format!("{tasks}/{directory}/address"),
            &format!("unix:///run/containerd/s/{directory}"),
        );
        let directory = node.at(&format!("{tasks}/{directory}"));
        node.process(name, &directory);
    }
    node.put(
        &format!("{tasks}/inside/address"),
        "unix:///run/containerd/s/virtual",
    );
    let (matches, _, mut unidentified) = node.selected(&by_base(&[1]));
    unidentified.sort();
    let why = "it runs, and neither runc nor crun has state of it: another kind of runtime runs it, or the settings' runtime_roots lack a directory";
    let expected = ["inside", "sandbox", "virtual"].map(|name| format!("containerd {name}: {why}"));
    assert_eq!((matches, unidentified), (Vec::new(), expected.to_vec()));
}

#[test]
fn what_was_found_about_a_container_is_remembered_while_it_lives() {
    let mut node = TestNode::new();
    node.container("web", &[1]);
    let settings = Settings::unset();
    let mut scanner = Scanner::new(&by_base(&[1]), &node.paths, &settings).unwrap();
    assert_eq!(scanner.scan(ISSUED).unwrap().matches.len(), 1);
    // The engine has lost its record of the image's layers.
    fs::remove_dir_all(node.at("var/lib/docker/image")).unwrap();
    assert_eq!(scanner.scan(ISSUED).unwrap().matches.len(), 1);
    assert_eq!(node.scan(&by_base(&[1])).unwrap().unidentified.len(), 1);
}

#[test]
fn a_whole_name_wins_over_the_beginning_of_an_id_also_when_its_container_has_ended() {
    let mut node = TestNode::new();
    let bundle = node.bundle(&id("web"), "140c2c", &[1]);
    let pid = node.process("sleep", &bundle);
    node.state("run/docker/runtime-runc/moby", &id("web"), &bundle, pid);
    node.container("140c2c", &[1]);
    let named = |word: &str| Targets {
        containers: strings(&[word]),
        ..by_base(&[1])
    };
    for (word, matches) in [
        ("140c2c", "140c2c"),
        ("/140c2c", "140c2c"),
        ("140c2c0", "140c2c-1"),
        ("140c", "140c2c-1"),
    ] {
        let matches = strings(&[matches]);
        assert_eq!(
            node.selected(&named(word)),
            (matches, Vec::new(), Vec::new()),
            "{word}"
        );
    }
    let settings = Settings::unset();
    let mut scanner = Scanner::new(&named("140c2c"), &node.paths, &settings).unwrap();
    assert_eq!(scanner.scan(ISSUED).unwrap().matches.len(), 1);
    // The destructor ends the other processes.
    let mut ended = node.processes.remove(0);
    ended.kill().unwrap();
    ended.wait().unwrap();
    let found = scanner.scan(ISSUED).unwrap();
    assert_eq!((found.matches.len(), found.unfound.len()), (0, 0));
}

#[test]
fn what_an_engines_broken_settings_or_store_may_hide_is_not_understood() {
    let node = TestNode::new();
    node.put("etc/docker/daemon.json", "{");
    node.put("etc/containers/storage.conf", "[storage");
    let (matches, _, unidentified) = node.selected(&by_base(&[1]));
    assert_eq!(matches, [""; 0]);
    let begins = ["docker/daemon.json", "containers/storage.conf"]
        .map(|file| format!("unknown : cannot parse the engine's settings \"…/etc/{file}\": "));
    assert_eq!(unidentified.len(), 2, "{unidentified:?}");
    for (line, begins) in unidentified.iter().zip(begins) {
        assert!(line.starts_with(&begins), "{line}");
    }
    let mut node = Node::running(&node.paths, &Settings::unset().engines, Whose::Own);
    let fault = file::FileError::NotRegular("/srv/store".into());
    node.stores
        .faults
        .push(crate::lineage::Unknown::File(fault).into());
    let hidden = running::in_unread_stores(&node);
    assert_eq!(
        (
            hidden.len(),
            hidden[0].place.as_path(),
            hidden[0].why.as_str()
        ),
        (
            1,
            Path::new("/srv/store"),
            "cannot read \"/srv/store\": not a regular file"
        )
    );
}

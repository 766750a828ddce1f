//! Sets up the containers of a test.
//!
//! The node looks like one with Docker. [`Node`] makes the store and the list; this file gives each
//! container a bundle, and the state that runc would keep. A container's first process is started
//! by the test. The fake runtime starts commands on the host, without confinement. Everything that
//! exec-patch plans, passes on, records and reports is real; `integration/` tests what a real
//! runtime does with these calls. All files belong to the user who runs the tests.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use embargo::lineage::digest::Digest;
use embargo::sys::proc;
use serde_json::{Value, json};

use super::calls::Call;
use crate::attacks::node::{BASE, Node};
use crate::room::{NOBODY, compile, open_directory, source};

/// The fixture's container, whose records are the model for the records of each container here.
const MODEL: &str = "c67c677a3985656f6c1321c579f2bcccbc08d2156f50100de0b10f8ec8d318d0";
const LAYER: &str = "187f55dac1834c11a5f3b8c3fa187f7157b35f65a044c5252aab1533fbcf6910";
const TASKS: &str = "state/io.containerd.runtime.v2.task/moby";
const STATES: &str = "node/run/docker/runtime-runc/moby";

/// The command that patches a container. The command writes to the ledger, so that a test can count
/// how often it ran.
pub(crate) const PATCH: [&str; 3] = ["/bin/sh", "-c", "echo patched >> \"$LEDGER\""];

/// A node and its running containers.
pub(crate) struct Fleet {
    pub(crate) node: Node,
    containers: BTreeMap<String, (String, Child)>,
}

/// The output of exec-patch, and its exit status.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

fn runtime() -> &'static Path {
    static RUNTIME: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = RUNTIME.get_or_init(|| {
        let directory = open_directory();
        let path = directory.path().join("fake-exec");
        compile(&source("fake-exec.c"), &path, &[]);
        (directory, path)
    });
    path
}

impl Fleet {
    /// A node whose list bans `base:1`, without running containers.
    pub(crate) fn new() -> Self {
        Self::on(Node::with_list(1))
    }

    /// This node, without running containers.
    pub(crate) fn on(node: Node) -> Self {
        let fleet = Self {
            node,
            containers: BTreeMap::new(),
        };
        fs::remove_file(&fleet.node.room.runtime).unwrap();
        for name in ["runc", "crun"] {
            fs::hard_link(runtime(), fleet.path("bin").join(name)).unwrap();
        }
        for directory in [
            "bin/calls",
            "bin/behaviour",
            "ledger",
            STATES,
            "node/run/embargo",
            "node/var/lib/embargo/patches",
        ] {
            fs::create_dir_all(fleet.path(directory)).unwrap();
        }
        for directory in [
            "bin/calls",
            "ledger",
            "node/run",
            "node/run/embargo",
            "node/var/lib/embargo/patches",
        ] {
            fleet.node.room.give(&fleet.path(directory));
        }
        // The path of the store in the node's settings, as seen from outside the node.
        let store = fleet
            .path("node")
            .join(fleet.path("docker").strip_prefix("/").unwrap());
        fs::create_dir_all(store.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(fleet.path("docker"), store).unwrap();
        fs::set_permissions(
            fleet.path("node/var/lib/embargo/patches"),
            fs::Permissions::from_mode(0o700),
        )
        .unwrap();
        fleet
    }

    /// A node with this many containers, called `web-1`, `web-2` and so on. The image of these
    /// containers, `app:1`, is built on `base:1`.
    pub(crate) fn of(containers: usize) -> Self {
        let mut fleet = Self::new();
        (1..=containers).for_each(|number| fleet.start(&format!("web-{number}")));
        fleet
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.node.room.path(path)
    }

    /// Starts a container of `app:1`.
    pub(crate) fn start(&mut self, name: &str) {
        self.record(name, &[], None);
        self.live(name);
    }

    /// Starts a container whose image has these layers. No other test uses these layers.
    pub(crate) fn start_of(&mut self, name: &str, layers: &[&str]) {
        self.record(name, &[], Some(layers));
        self.live(name);
    }

    /// Starts a container with these environment variables.
    pub(crate) fn start_with(&mut self, name: &str, variables: &[&str]) {
        self.record(name, variables, None);
        self.live(name);
    }

    /// The ID of a container.
    pub(crate) fn id(name: &str) -> String {
        Digest::of(name.as_bytes())
            .to_string()
            .replace("sha256:", "")
    }

    /// Writes the engine's records of a container, and its bundle.
    fn record(&self, name: &str, variables: &[&str], layers: Option<&[&str]>) {
        let id = Self::id(name);
        let docker = self.path("docker");
        for directory in ["containers", "image/vfs/layerdb/mounts"] {
            crate::authoring::copy(
                &docker.join(directory).join(MODEL),
                &docker.join(directory).join(&id),
            );
        }
        let path = docker.join("containers").join(&id).join("config.v2.json");
        let mut record: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        record["ID"] = json!(id);
        record["Name"] = json!(format!("/{name}"));
        if let Some(layers) = layers {
            let (image, top) = self.image(layers);
            record["Image"] = json!(image);
            record["Config"]["Image"] = json!("other:1");
            fs::write(
                docker
                    .join("image/vfs/layerdb/mounts")
                    .join(&id)
                    .join("parent"),
                top,
            )
            .unwrap();
        }
        fs::write(path, record.to_string()).unwrap();
        let bundle = self.bundle(name);
        fs::create_dir_all(&bundle).unwrap();
        fs::write(
            bundle.join("config.json"),
            self.spec(name, variables).to_string(),
        )
        .unwrap();
    }

    /// Puts an image with these layers into the store. Returns its image ID and its chain ID.
    fn image(&self, layers: &[&str]) -> (String, String) {
        let ids: Vec<_> = layers
            .iter()
            .map(|layer| Digest::of(layer.as_bytes()).to_string())
            .collect();
        let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": ids } }).to_string();
        let image = Digest::of(config.as_bytes()).to_string();
        fs::write(
            self.path("docker/image/vfs/imagedb/content/sha256")
                .join(image.replace("sha256:", "")),
            config,
        )
        .unwrap();
        (image, chain(layers))
    }

    fn spec(&self, name: &str, variables: &[&str]) -> Value {
        let ledger = format!("LEDGER={}", self.path("ledger").join(name).display());
        let environment: Vec<&str> = ["PATH=/usr/bin:/bin", &ledger]
            .into_iter()
            .chain(variables.iter().copied())
            .collect();
        json!({
            "ociVersion": "1.0.2",
            "root": { "path": self.path("docker/vfs/dir").join(LAYER) },
            "process": {
                "terminal": true,
                "user": { "uid": 1000, "gid": 1000, "additionalGids": [1000, 7] },
                "args": ["sleep", "600"],
                "env": environment,
                "cwd": "/",
                "capabilities": {
                    "bounding": ["CAP_CHOWN", "CAP_KILL"],
                    "effective": ["CAP_KILL"],
                    "inheritable": [],
                    "permitted": ["CAP_KILL"],
                    "ambient": [],
                },
                "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 512 }],
                "noNewPrivileges": true,
                "apparmorProfile": "docker-default",
                "selinuxLabel": "system_u:system_r:container_t:s0",
                "oomScoreAdj": 100,
            },
        })
    }

    /// The container's bundle.
    pub(crate) fn bundle(&self, name: &str) -> PathBuf {
        self.path(TASKS).join(Self::id(name))
    }

    /// The directory of the container's state.
    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.path(STATES).join(Self::id(name))
    }

    /// Starts the container's first process, and writes the container's state. If the container ran
    /// before, this is a new instance.
    pub(crate) fn live(&mut self, name: &str) {
        let mut command = Command::new("/bin/sleep");
        if nix::unistd::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let process = command
            .arg("600")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let state = json!({
            "id": Self::id(name),
            "init_process_pid": process.id(),
            "init_process_start": started(process.id()),
            "created": "2026-11-20T16:00:00Z",
            "config": { "rootfs": "/", "labels": [format!("bundle={}", self.bundle(name).display())] },
        });
        self.write_state(name, &state.to_string());
        if let Some((_, mut former)) = self
            .containers
            .insert(name.to_owned(), (Self::id(name), process))
        {
            end(&mut former);
        }
    }

    /// Writes the container's state with this text.
    pub(crate) fn write_state(&self, name: &str, text: &str) {
        let directory = self.state(name);
        fs::create_dir_all(&directory).unwrap();
        let (draft, path) = (directory.join("draft"), directory.join("state.json"));
        fs::write(&draft, text).unwrap();
        self.node.room.give(&directory);
        self.node.room.give(&draft);
        fs::rename(draft, path).unwrap();
    }

    /// Ends a container and removes its state, as an engine does.
    pub(crate) fn stop(&mut self, name: &str) {
        let (_, mut process) = self.containers.remove(name).unwrap();
        end(&mut process);
        fs::remove_dir_all(self.state(name)).unwrap();
    }

    /// Sets what the runtime does when it must enter this container, or any container for `all`.
    pub(crate) fn behave(&self, name: &str, behaviour: &str) {
        let name = if self.containers.contains_key(name) {
            Self::id(name)
        } else {
            name.to_owned()
        };
        fs::write(self.path("bin/behaviour").join(name), behaviour).unwrap();
    }

    /// A call of exec-patch, not yet started.
    pub(crate) fn exec_patch(&self, words: &[&str]) -> Command {
        let mut command = self.node.room.embargo();
        command.arg("exec-patch").args(words);
        command
    }

    /// Runs exec-patch.
    pub(crate) fn run(&self, words: &[&str]) -> Said {
        self.said(&self.exec_patch(words).output().unwrap())
    }

    /// Runs exec-patch for all containers that are built on the banned base. The command that
    /// writes to the ledger follows these arguments.
    pub(crate) fn patch(&self, words: &[&str]) -> Said {
        self.run(&[&["--base", BASE], words, &["--"], &PATCH].concat())
    }

    /// The output of a program, with the room's directory cut out.
    pub(crate) fn said(&self, output: &Output) -> Said {
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec())
                .unwrap()
                .replace(self.path("").to_str().unwrap(), "/")
        };
        Said {
            status: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// The ledger's text for each container in which anything ran.
    pub(crate) fn ledger(&self) -> BTreeMap<String, String> {
        let entry = |entry: fs::DirEntry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read_to_string(entry.path()).unwrap(),
            )
        };
        fs::read_dir(self.path("ledger"))
            .unwrap()
            .map(|found| entry(found.unwrap()))
            .collect()
    }

    /// The names of the containers in which the patch ran, sorted. Asserts that the patch ran once
    /// in each container.
    pub(crate) fn patched(&self) -> Vec<String> {
        let ledger = self.ledger();
        assert!(
            ledger.values().all(|text| text == "patched\n"),
            "{ledger:?}"
        );
        ledger.into_keys().collect()
    }

    /// The runtime's calls since the last call of this function, in order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let mut paths: Vec<_> = fs::read_dir(self.path("bin/calls"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort_by_key(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .parse::<u32>()
                .unwrap()
        });
        let taken = |path: &PathBuf| {
            let text = fs::read_to_string(path).unwrap();
            fs::remove_file(path).unwrap();
            Call::of(&text)
        };
        paths.iter().map(taken).collect()
    }

    /// The directories of the runs, in the order in which they were made. The run IDs do not give
    /// this order for runs of the same second.
    pub(crate) fn runs(&self) -> Vec<PathBuf> {
        let patches = self.path("node/var/lib/embargo/patches");
        let mut runs: Vec<_> = fs::read_dir(patches)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect();
        runs.sort_by_key(|run| fs::metadata(run).unwrap().created().unwrap());
        runs
    }

    /// The ID of the latest run.
    pub(crate) fn run_id(&self) -> String {
        self.runs()
            .last()
            .unwrap()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    }

    /// The "started" lines of the latest run's journal.
    pub(crate) fn started(&self) -> Vec<Value> {
        let Some(run) = self.runs().pop() else {
            return Vec::new();
        };
        let text = fs::read_to_string(run.join("journal.jsonl")).unwrap_or_default();
        // The last line may still be incomplete.
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["event"] == "started").collect()
    }

    /// The outcome of each container in the latest run's journal, by name.
    pub(crate) fn outcomes(&self) -> BTreeMap<String, Value> {
        let mut outcomes = BTreeMap::new();
        for line in Self::journal(self.runs().last().unwrap()) {
            let name = line["name"].as_str().map(str::to_owned);
            let outcome = match line["event"].as_str().unwrap() {
                "started" => json!({ "outcome": "interrupted" }),
                "ended" => {
                    let parts =
                        ["outcome", "stage", "status", "left", "why", "run", "starts"].iter();
                    parts
                        .filter_map(|key| Some(((*key).to_owned(), line.get(*key)?.clone())))
                        .collect::<serde_json::Map<_, _>>()
                        .into()
                }
                _ => continue,
            };
            outcomes.insert(name.unwrap(), outcome);
        }
        outcomes
    }

    /// How many containers had each outcome.
    pub(crate) fn outcomes_counted(&self) -> Vec<(String, usize)> {
        let mut counted = BTreeMap::new();
        for outcome in self.outcomes().values() {
            *counted
                .entry(outcome["outcome"].as_str().unwrap().to_owned())
                .or_insert(0) += 1;
        }
        counted.into_iter().collect()
    }

    /// The lines of a run's journal.
    pub(crate) fn journal(run: &Path) -> Vec<Value> {
        let text = fs::read_to_string(run.join("journal.jsonl")).unwrap();
        text.lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
            })
            .collect()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.containers
            .values_mut()
            .for_each(|(_, process)| end(process));
    }
}

impl Said {
    /// The lines of standard output, as JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
            })
            .collect()
    }
}

/// The chain ID of these layers.
pub(crate) fn chain(layers: &[&str]) -> String {
    let mut ids = layers
        .iter()
        .map(|layer| Digest::of(layer.as_bytes()).to_string());
    let first = ids.next().unwrap();
    ids.fold(first, |chain, id| {
        Digest::of(format!("{chain} {id}").as_bytes()).to_string()
    })
}

/// When a process was started, in clock ticks since the machine booted.
pub(crate) fn started(pid: u32) -> u64 {
    proc::stat(pid).unwrap().started
}

/// Waits until a condition is true, for a minute at most.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn end(process: &mut Child) {
    process.kill().unwrap();
    process.wait().unwrap();
}

/// Gives a directory of the node to root, or to the user who runs the tests, so that the tested
/// programs may not write to it.
pub(crate) fn take_away(path: &Path) {
    chown(path, Some(nix::unistd::geteuid().as_raw()), None).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o555)).unwrap();
}

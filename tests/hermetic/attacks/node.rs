//! Sets up the node of an attack, and calls the gate on this node.
//!
//! The node's files are in a room: a keyset, settings, and Docker's store (vfs, so that nothing
//! needs to be mounted) with a container built on `base:1`. The real `embargoctl` builds and
//! installs the lists; this file signs them. The gate is called as `embargo create`, in front of
//! the fake runtime.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output};

use embargo::banlist::head::HEAD_SIZE;
use embargo::sys::clock::Timestamp;

use super::clock;
use super::signer::signer;
use crate::authoring::copy;
use crate::room::Room;

/// The origin of the node's keyset.
pub(crate) const ORIGIN: &str = "bans.example.com/prod";
/// The chain ID of the fixture's image `base:1`. The node's container is built on that image.
pub(crate) const BASE: &str =
    "sha256:7a6b42c194afeebb4e29dd9bbf2c3b65f7f8d1066e1409285feda9993e5a8782";
/// A digest that no container has.
pub(crate) const OTHER: &str =
    "sha256:00000000000000000000000000000000000000000000000000000000000000ff";

const CONTAINER: &str = "c67c677a3985656f6c1321c579f2bcccbc08d2156f50100de0b10f8ec8d318d0";
const LAYER: &str = "187f55dac1834c11a5f3b8c3fa187f7157b35f65a044c5252aab1533fbcf6910";
const BUNDLE: &str = "state/io.containerd.runtime.v2.task/moby";

/// The gate's verdict on the `create` of the node's container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The call reached the runtime, and nothing was printed.
    Admitted,
    /// The container is banned by the list of this version.
    Banned(u64),
    /// The container is banned by the second copy of the list of this version, because the first
    /// copy cannot be used.
    BannedByCopy(u64),
    /// The container is refused because there is no authentic list. The text says why the list in
    /// force is not used; the node's directory is cut out of the text.
    NoList(String),
    /// The container is refused for another reason: the part of the line after the container's
    /// name.
    Refused(String),
}

/// A node with a container that is about to start.
pub(crate) struct Node {
    pub(crate) room: Room,
}

/// The text of keyset 1 with these list keys.
pub(crate) fn keyset(list_keys: &[u8], threshold: usize) -> String {
    let keys: String = list_keys
        .iter()
        .map(|seed| signer(*seed).key_line("list"))
        .collect();
    keyset_of(
        1,
        &format!("root=0 list={threshold} lift={threshold}"),
        &keys,
    )
}

/// The text of a keyset with this number, these thresholds and these lines of keys.
pub(crate) fn keyset_of(number: u64, thresholds: &str, keys: &str) -> String {
    let times = "issued: 2026-11-01T00:00:00Z\nexpires: 2028-11-01T00:00:00Z";
    format!(
        "embargo/banlist-keyset/v1\norigin: {ORIGIN}\nkeyset: {number}\n{times}\nthreshold: {thresholds}\n{keys}"
    )
}

/// The keyset, signed by the keys of these seeds.
pub(crate) fn rotated(text: &str, seeds: &[u8]) -> String {
    let lines: String = seeds.iter().map(|seed| signer(*seed).sign(text)).collect();
    if lines.is_empty() {
        text.to_owned()
    } else {
        format!("{text}\n{lines}")
    }
}

impl Node {
    /// A node that trusts this keyset and never had a list.
    pub(crate) fn trusting(keyset: &str) -> Self {
        let node = Self {
            room: Room::armed(""),
        };
        copy(
            &PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/docker-20.10-vfs"),
            &node.room.path("docker"),
        );
        fs::create_dir_all(node.room.path(BUNDLE).join(CONTAINER)).unwrap();
        let spec =
            serde_json::json!({ "ociVersion": "1.0.2", "root": { "path": node.spec_root() } });
        node.spec(&spec.to_string());
        node.room.keep(0o755);
        fs::write(node.room.path("node/etc/embargo/keyset"), keyset).unwrap();
        node.set("");
        node
    }

    /// A node with a list of this version installed, signed by key 1 alone.
    pub(crate) fn with_list(version: u64) -> Self {
        let node = Self::trusting(&keyset(&[1], 1));
        node.install(&node.list(version).by(&[1])).unwrap();
        node
    }

    /// Writes settings. The settings file belongs to the user whom both programs trust.
    pub(crate) fn set(&self, settings: &str) {
        let path = self.room.path("node/etc/embargo/config.toml");
        fs::remove_file(&path).unwrap();
        let docker = self.room.path("docker");
        fs::write(
            &path,
            format!(
                "runtime = {:?}\n{settings}\n[engines]\ndocker = [{docker:?}]\n",
                self.room.runtime
            ),
        )
        .unwrap();
    }

    /// The path in the field `root.path` of the container's `config.json`.
    pub(crate) fn spec_root(&self) -> PathBuf {
        self.room.path("docker/vfs/dir").join(LAYER)
    }

    /// Docker's record of the container.
    pub(crate) fn record(&self) -> PathBuf {
        let containers = self.room.path("docker/containers");
        containers.join(CONTAINER).join("config.v2.json")
    }

    /// Writes the container's `config.json`.
    pub(crate) fn spec(&self, json: &str) {
        fs::write(
            self.room.path(BUNDLE).join(CONTAINER).join("config.json"),
            json,
        )
        .unwrap();
    }

    /// The path of a file in the state directory, such as `banlist.lst`.
    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.room.path("node/var/lib/embargo").join(name)
    }

    /// The names of all files in the state directory, except the record of the last installation,
    /// which every attempt replaces.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.state(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.retain(|name| name != "last-install.json");
        names.sort();
        names
    }

    /// Writes a list to the node without installing it, as an attacker could who may write to the
    /// directory.
    pub(crate) fn put(&self, list: &[u8]) {
        let path = self.state("banlist.lst");
        // A list that was just installed may belong to another user.
        fs::remove_file(&path).ok();
        fs::write(&path, list).unwrap();
    }

    /// Removes both copies of the list.
    pub(crate) fn lose_list(&self) {
        for name in ["banlist.lst", "banlist.copy.lst"] {
            fs::remove_file(self.state(name)).unwrap();
        }
    }

    /// A list of this version, still to be changed and signed.
    pub(crate) const fn list(&self, version: u64) -> List<'_> {
        List {
            node: self,
            version,
            keyset: 1,
            origin: ORIGIN,
            options: Vec::new(),
            source: String::new(),
        }
    }

    /// A call of `embargoctl` with the node as its root.
    pub(crate) fn ctl(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_embargoctl"));
        command
            .env_clear()
            .current_dir(self.room.path("."))
            .arg("--root")
            .arg(self.room.path("node"))
            .args(words);
        command
    }

    /// The output of `embargoctl`, or else the first line of its error, without the room's
    /// directory.
    pub(crate) fn run(&self, words: &[&str]) -> Result<String, String> {
        self.done(&mut self.ctl(words))
    }

    /// The output of this call of `embargoctl`, or else the first line of its error.
    fn done(&self, command: &mut Command) -> Result<String, String> {
        let output: Output = command.output().unwrap();
        let said = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec())
                .unwrap()
                .replace(self.room.path("").to_str().unwrap(), "/")
        };
        match output.status.code() {
            Some(0) => Ok(said(&output.stdout)),
            Some(1) => Err(said(&output.stderr)
                .lines()
                .next()
                .unwrap()
                .strip_prefix("embargoctl: ")
                .unwrap()
                .to_owned()),
            other => panic!("{command:?}: {other:?}: {}", said(&output.stderr)),
        }
    }

    /// Installs a list.
    pub(crate) fn install(&self, list: &[u8]) -> Result<String, String> {
        fs::write(self.room.path("staged.lst"), list).unwrap();
        self.run(&["install", "staged.lst"])
    }

    /// Rotates the node through these keysets to the last one.
    pub(crate) fn rotate(&self, keysets: &[&str], options: &[&str]) -> Result<String, String> {
        let names: Vec<_> = (0..keysets.len())
            .map(|at| format!("keyset-{at}"))
            .collect();
        for (name, keyset) in names.iter().zip(keysets) {
            fs::write(self.room.path(name), keyset).unwrap();
        }
        self.run(
            &[
                &["keyset", "rotate"],
                options,
                &names.iter().map(String::as_str).collect::<Vec<_>>(),
            ]
            .concat(),
        )
    }

    /// The number of the node's keyset.
    pub(crate) fn keyset_number(&self) -> u64 {
        let keyset = fs::read_to_string(self.room.path("node/etc/embargo/keyset")).unwrap();
        keyset
            .lines()
            .nth(2)
            .unwrap()
            .strip_prefix("keyset: ")
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Installs a list while the clock shows this time.
    pub(crate) fn install_at(&self, time: Timestamp, list: &[u8]) -> Result<String, String> {
        fs::write(self.room.path("staged.lst"), list).unwrap();
        self.done(clock::at(time, &mut self.ctl(&["install", "staged.lst"])))
    }

    /// Asserts that a list is not installed and that nothing changes. Returns the error.
    pub(crate) fn refuses(&self, list: &[u8]) -> String {
        let before = self.everything();
        let fault = self.install(list).unwrap_err();
        assert!(self.everything() == before, "changed by: {fault}");
        fault
    }

    /// Writes a list to the node without installing it, and asserts that the gate accepts no list
    /// when there is no second copy. Returns the reason.
    pub(crate) fn distrusts(&self, list: &[u8]) -> String {
        self.put(list);
        let (copy, aside) = (self.state("banlist.copy.lst"), self.state("aside"));
        let has_copy = fs::rename(&copy, &aside).is_ok();
        let answer = self.gate();
        if has_copy {
            fs::rename(&aside, &copy).unwrap();
        }
        match answer {
            Answer::NoList(fault) => fault,
            other @ (Answer::Admitted
            | Answer::Banned(_)
            | Answer::BannedByCopy(_)
            | Answer::Refused(_)) => panic!("{other:?}"),
        }
    }

    /// The names and contents of all files in the state directory, except the lock.
    pub(crate) fn everything(&self) -> Vec<(String, Vec<u8>)> {
        let names = self.names().into_iter().filter(|name| name != ".lock");
        names
            .map(|name| (name.clone(), fs::read(self.state(&name)).unwrap()))
            .collect()
    }

    /// The `create` call of the node's container.
    pub(crate) fn create(&self) -> Command {
        let mut command = self.room.embargo();
        command
            .args(["create", "--bundle"])
            .arg(self.room.path(BUNDLE).join(CONTAINER))
            .arg(CONTAINER);
        command
    }

    /// The gate's verdict.
    pub(crate) fn gate(&self) -> Answer {
        self.answer(&mut self.create())
    }

    /// The gate's verdict on the call `create`.
    pub(crate) fn answer(&self, create: &mut Command) -> Answer {
        let output = create.output().unwrap();
        let line = String::from_utf8(output.stderr).unwrap();
        if self.room.record().is_some() {
            assert_eq!(
                (output.status.code(), output.stdout.len(), line.as_str()),
                (Some(0), 0, "")
            );
            return Answer::Admitted;
        }
        assert_eq!(
            (
                output.status.code(),
                output.stdout.len(),
                line.matches('\n').count()
            ),
            (Some(1), 0, 1),
            "{line}"
        );
        let because = line
            .trim_end()
            .strip_prefix("embargo: refused ")
            .and_then(|line| line.split_once(": "))
            .unwrap()
            .1;
        let because = because.replace(self.room.path("node").to_str().unwrap(), "");
        if let Some(fault) = because.strip_prefix("there is no ban list to go by: ") {
            return Answer::NoList(fault.to_owned());
        }
        let Some((_, banned)) = because.split_once(", banned by BAN-1 ") else {
            return Answer::Refused(because);
        };
        match banned
            .rsplit_once("; ")
            .and_then(|(_, list)| list.rsplit_once(' '))
        {
            Some(("list", version)) => Answer::Banned(version.parse().unwrap()),
            Some(("second copy of list", version)) => {
                Answer::BannedByCopy(version.parse().unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    /// The messages of `embargo check` about the container, as JSON.
    pub(crate) fn messages(&self) -> String {
        let output = self
            .room
            .embargo()
            .args(["check", "--json", CONTAINER])
            .output()
            .unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["found"][0]["messages"].to_string()
    }

    /// The list's age according to `embargo check`, in one word, when the clock shows this time.
    pub(crate) fn age_at(&self, time: Timestamp) -> &'static str {
        let output = clock::at(
            time,
            self.room.embargo().args(["check", "--json", CONTAINER]),
        )
        .output()
        .unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let reported = answer["found"][0]["messages"].to_string();
        let words = [
            ("is not judged", "untold"),
            ("past its grace, and is still enforced", "overdue"),
            ("and is still enforced", "stale"),
        ];
        words
            .into_iter()
            .find(|(said, _)| reported.contains(said))
            .map_or("fresh", |(_, word)| word)
    }
}

impl Node {
    /// Starts this many containers that are like the node's own. Each container has a process, and
    /// the state that crun would keep.
    pub(crate) fn running(&self, containers: usize) -> Running {
        // The owner of a directory controls its contents, so the tests' user must own the room.
        self.room.take(&self.room.path(""));
        let docker = self.room.path("docker");
        let start = |number: usize| {
            let id = format!("{:064x}", number + 1);
            for directory in ["containers", "image/vfs/layerdb/mounts"] {
                copy(
                    &docker.join(directory).join(CONTAINER),
                    &docker.join(directory).join(&id),
                );
            }
            let record = docker.join("containers").join(&id).join("config.v2.json");
            fs::write(
                &record,
                fs::read_to_string(&record).unwrap().replace(CONTAINER, &id),
            )
            .unwrap();
            copy(
                &self.room.path(BUNDLE).join(CONTAINER),
                &self.room.path(BUNDLE).join(&id),
            );
            let process = Command::new("/bin/sleep").arg("600").spawn().unwrap();
            let state = self.room.path("node/run/crun").join(&id);
            fs::create_dir_all(&state).unwrap();
            let status = serde_json::json!({ "pid": process.id(), "bundle": self.room.path(BUNDLE).join(&id) });
            fs::write(state.join("status"), status.to_string()).unwrap();
            process
        };
        Running((0..containers).map(start).collect())
    }
}

/// Containers that run until this value is dropped.
pub(crate) struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for process in &mut self.0 {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

/// A list before it is built. By default it bans the base of the node's container.
pub(crate) struct List<'a> {
    node: &'a Node,
    version: u64,
    keyset: u64,
    origin: &'a str,
    options: Vec<String>,
    source: String,
}

impl<'a> List<'a> {
    /// The same list for this keyset. The default is keyset 1.
    pub(crate) fn keyset(self, keyset: u64) -> Self {
        Self { keyset, ..self }
    }

    /// The same list for this origin. The default is the node's.
    pub(crate) fn origin(self, origin: &'a str) -> Self {
        Self { origin, ..self }
    }

    /// The same list, whose signers acknowledge what it refuses.
    pub(crate) fn acknowledged(mut self) -> Self {
        self.options.push("--acknowledge-impact".to_owned());
        self
    }

    /// The same list with these times.
    pub(crate) fn times(mut self, issued: Timestamp, expires: Timestamp) -> Self {
        self.options
            .extend([format!("--issued={issued}"), format!("--expires={expires}")]);
        self
    }

    /// The same list with one ban, `BAN-1`, of these digests instead of the base.
    pub(crate) fn banning(self, kind: &str, digests: &[&str]) -> Self {
        let ban = "[[ban]]\nid = \"BAN-1\"\nreason = \"why\"\nseverity = \"high\"\neffective = 2026-11-01\n";
        let matches: String = digests
            .iter()
            .map(|digest| format!("[[ban.match]]\n{kind} = \"{digest}\"\n"))
            .collect();
        self.source(ban.to_owned() + &matches)
    }

    /// The same list with this source.
    pub(crate) fn source(self, source: String) -> Self {
        Self { source, ..self }
    }

    /// Builds the list without signatures.
    pub(crate) fn unsigned(self) -> Vec<u8> {
        if self.source.is_empty() {
            return self.banning("base", &[BASE]).unsigned();
        }
        let Self {
            node,
            version,
            keyset,
            origin,
            options,
            source,
        } = self;
        fs::write(node.room.path("bans.toml"), source).unwrap();
        let (version, keyset) = (version.to_string(), keyset.to_string());
        let mut words = vec![
            "list",
            "build",
            "--origin",
            origin,
            "--version",
            &version,
            "--keyset",
            &keyset,
            "--out",
            "built.lst",
        ];
        words.extend(options.iter().map(String::as_str));
        node.run(&words).unwrap();
        fs::read(node.room.path("built.lst")).unwrap()
    }

    /// Builds the list, signed by the keys of these seeds.
    pub(crate) fn by(self, seeds: &[u8]) -> Vec<u8> {
        let list = self.unsigned();
        let text = text(&list);
        let lines: Vec<_> = seeds.iter().map(|seed| signer(*seed).sign(&text)).collect();
        signed(&list, &lines)
    }
}

/// The text of a list's head, over which signatures are made.
pub(crate) fn text(list: &[u8]) -> String {
    let head = String::from_utf8(list[..HEAD_SIZE].to_vec()).unwrap();
    let text = head.trim_end_matches('\0');
    text.split_once("\n\n")
        .map_or(text.to_owned(), |(text, _)| format!("{text}\n"))
}

/// The list with only these signature lines.
pub(crate) fn signed(list: &[u8], lines: &[String]) -> Vec<u8> {
    with_head(list, &format!("{}\n{}", text(list), lines.concat()))
}

/// The list with these bytes in place of its head.
pub(crate) fn with_head(list: &[u8], head: &str) -> Vec<u8> {
    let mut changed = list.to_vec();
    changed[..HEAD_SIZE].fill(0);
    changed[..head.len()].copy_from_slice(head.as_bytes());
    changed
}

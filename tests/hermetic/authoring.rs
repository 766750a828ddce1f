//! Tests the whole way from an image to a ban to a verdict with the real programs: `embargo check`
//! uses the list that `embargoctl` writes.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::room::Room;

/// The chain ID of the fixture's image `base:1`, and the image ID of `app:1`, which is built on it.
const BASE: &str = "sha256:7a6b42c194afeebb4e29dd9bbf2c3b65f7f8d1066e1409285feda9993e5a8782";
const APP: &str = "sha256:4448f3d13a0677195694f44f664e86406aea51b99a178ffc41a37dae540cc32d";

/// A room with the files of a list's author, and with Docker's store.
struct Desk(Room);

impl Desk {
    fn new() -> Self {
        let room = Room::armed("");
        let store = room.path("docker");
        room.keep(0o755);
        copy(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/docker-20.10-overlay2"),
            &store,
        );
        // The settings belong to the author. The node's user trusts them if the author is root.
        fs::remove_file(room.path("node/etc/embargo/config.toml")).unwrap();
        fs::write(
            room.path("node/etc/embargo/config.toml"),
            format!("[engines]\ndocker = [{store:?}]\n"),
        )
        .unwrap();
        Self(room)
    }

    /// Runs `embargoctl` with the room's node as its root.
    fn embargoctl(&self, words: &str, input: &[u8]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_embargoctl"));
        command
            .env_clear()
            .current_dir(self.0.path("."))
            .arg("--root")
            .arg(self.0.path("node"))
            .args(words.split(' '));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not read its input closes the input, so writing may fail.
        drop(child.stdin.take().unwrap().write_all(input));
        child.wait_with_output().unwrap()
    }

    /// The output of `embargoctl` when it succeeds.
    fn done(&self, words: &str) -> String {
        let output = self.embargoctl(words, b"");
        assert!(output.status.success(), "{words}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Signs the source as a list of this version, and installs it.
    fn publish(&self, version: u32) {
        self.done(&format!(
            "list build --origin bans.example.com/test --version {version} --out list.lst"
        ));
        self.done("list sign --key author.pem list.lst");
        self.done("install list.lst");
    }

    /// The exit status and the output of `embargo check`.
    fn check(&self, words: &str) -> (Option<i32>, String) {
        let output = self
            .0
            .embargo()
            .arg("check")
            .args(words.split(' '))
            .output()
            .unwrap();
        (
            output.status.code(),
            text(&output.stderr) + &text(&output.stdout),
        )
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to): (PathBuf, PathBuf) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&from, &to);
        } else if kind.is_file() {
            // The copy is readable, whatever the mode of the original is.
            fs::write(&to, fs::read(&from).unwrap()).unwrap();
        }
    }
}

#[test]
fn what_an_author_bans_is_banned_on_the_node_until_it_is_excepted() {
    let desk = Desk::new();
    desk.done("keygen --out author.pem");
    desk.done("keyset new --origin bans.example.com/test --list-key author.pem.pub --out node/etc/embargo/keyset");
    let said =
        desk.done("ban --id BAN-2026-0007 --reason backdoor --severity critical --effective 2026-11-20 --successor base:2 docker:base:1");
    assert_eq!(
        said,
        format!(
            "added BAN-2026-0007 to bans.toml, effective 2026-11-20T00:00:00Z:\n  base {BASE} (linux/amd64)\n"
        )
    );
    desk.publish(1);
    let (status, said) = desk.check("web-1");
    assert_eq!(status, Some(2), "{said}");
    assert!(
        said.contains(
            "built on base:1, banned by BAN-2026-0007 (critical) since 2026-11-20; use base:2\n"
        ),
        "{said}"
    );
    assert_eq!(desk.check("--json app:1").0, Some(2));
    assert_eq!(desk.check("empty-1").0, Some(0));

    let said =
        desk.done("except --ban BAN-2026-0007 --until 7d --reason moving --ticket OPS-4711 app:1");
    assert!(said.ends_with(&format!("\n  image {APP}\n")), "{said}");
    desk.publish(2);
    let (status, said) = desk.check("web-1");
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("excepted by OPS-4711 until "), "{said}");
    assert_eq!(desk.check("base:1").0, Some(2));
}

#[test]
fn a_ban_is_lifted_by_two_keys_and_not_by_one() {
    let desk = Desk::new();
    for key in ["alice", "bob"] {
        desk.done(&format!("keygen --out {key}"));
    }
    let keys = "--list-key alice.pub --list-key bob.pub --lift-threshold 2";
    desk.done(&format!(
        "keyset new --origin bans.example.com/test {keys} --out node/etc/embargo/keyset"
    ));
    let build = |version: u32| {
        desk.done(&format!(
            "list build --origin bans.example.com/test --version {version} --out list.lst"
        ))
    };
    desk.done("ban --id BAN-2026-0007 --reason backdoor --effective 2026-11-20 docker:base:1");
    build(1);
    desk.done("list sign --key alice list.lst");
    assert_eq!(
        desk.done("install list.lst"),
        "installed version 1 for bans.example.com/test: 1 ban, 1 digest\n"
    );
    assert_eq!(desk.check("web-1").0, Some(2));

    // An exception also covers everything that is built on its image.
    desk.done("except --ban BAN-2026-0007 --until 7d --reason moving app:1");
    build(2);
    let said = desk.done("list diff node/var/lib/embargo/banlist.lst list.lst");
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines[..2],
        [
            "version 1 (keyset 1) -> version 2 of bans.example.com/test (keyset 1)",
            "lifts BAN-2026-0007 (high): 1 digest"
        ]
    );
    assert!(
        lines[2].starts_with(&format!("  weaker: exception for image {APP} until 20")),
        "{said}"
    );
    assert_eq!(
        lines[3..],
        [
            "0 digests added, 1 lifted",
            "lifts 1 ban: 2 signatures of keyset 1 needed, 0 there"
        ]
    );
    desk.done("list sign --key bob list.lst");
    for words in ["install list.lst", "install --dry-run list.lst"] {
        let refused = desk.embargoctl(words, b"");
        assert_eq!(
            (refused.status.code(), text(&refused.stdout)),
            (Some(1), String::new())
        );
        let line = "embargoctl: cannot install \"list.lst\": it lifts BAN-2026-0007, which takes 2 signatures of keyset 1; it has 1\n";
        assert!(
            text(&refused.stderr).starts_with(line),
            "{}",
            text(&refused.stderr)
        );
        assert!(
            text(&refused.stderr).contains("\nhint: embargoctl list diff "),
            "{}",
            text(&refused.stderr)
        );
    }
    assert_eq!(desk.check("web-1").0, Some(2));
    desk.done("list sign --key alice list.lst");
    let said = desk.done("install list.lst");
    assert!(
        said.ends_with("\nlifts 1 ban: 2 signatures of keyset 1 needed, 2 there\n"),
        "{said}"
    );
    assert_eq!(desk.check("web-1").0, Some(0));
}

#[test]
fn a_store_that_is_closed_to_the_caller_is_reported_with_what_to_do() {
    let desk = Desk::new();
    let closed = desk.0.path("closed");
    fs::create_dir(&closed).unwrap();
    desk.0
        .set(&format!("[engines]\nstorage = [{{ root = {closed:?} }}]\n"));
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let (status, said) = desk.check("app:1");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(status, Some(3));
    assert!(
        said.contains(&format!(
            "warning: cannot read {closed:?}: access refused\n"
        )),
        "{said}"
    );
    assert!(
        said.ends_with("could not be read\nhint: run as root, who may read every engine's store\n"),
        "{said}"
    );
}

#[test]
fn check_says_what_it_cannot_tell_and_what_it_cannot_understand() {
    let desk = Desk::new();
    let (status, said) = desk.check("web-1");
    assert_eq!(status, Some(3));
    assert!(
        said.contains("\nverdict   unknown: it would not start\n")
            && said.contains("\nlist      none (cannot read "),
        "{said}"
    );
    let (status, said) = desk.check("nothing-of-that-name");
    // The test's user may not be able to read where this machine's own engines are.
    assert_eq!(
        status,
        Some(if said.contains("could not be read") {
            3
        } else {
            4
        })
    );
    assert!(said.contains("embargo check: cannot find a container or an image \"nothing-of-that-name\" on this node"), "{said}");
    let misunderstood =
        "embargo check: cannot understand \"--no-such-flag\"\nhint: embargo check --help\n"
            .to_owned();
    assert_eq!(
        desk.check("--no-such-flag web-1"),
        (Some(64), misunderstood)
    );
    let version = format!("embargo {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (desk.check("--version"), desk.check("-V")),
        ((Some(0), version.clone()), (Some(0), version))
    );
    let (status, help) = desk.check("--help");
    assert_eq!(status, Some(0));
    assert!(
        help.contains("Exit status: 0 clear, 2 banned, 3 could not tell, 4 not found"),
        "{help}"
    );
}

#[test]
fn a_config_on_standard_input_has_the_lineage_that_its_engine_would_give_it() {
    let desk = Desk::new();
    let config = fs::read(
        desk.0
            .path("docker/image/overlay2/imagedb/content/sha256")
            .join(&APP[7..]),
    )
    .unwrap();
    let piped = desk.embargoctl("lineage --json -", &config);
    let stored = desk.done("lineage --json docker:app:1");
    let layers = |json: &str| {
        serde_json::from_str::<serde_json::Value>(json).unwrap()["images"][0]["layers"].clone()
    };
    assert_eq!(layers(&text(&piped.stdout)), layers(&stored));
    let refused = desk.embargoctl("lineage -", b"[]");
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        text(&refused.stderr),
        "embargoctl: cannot read standard input as an image config: it is not a JSON object\n"
    );
}

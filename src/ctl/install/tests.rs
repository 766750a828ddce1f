//! Tests what `install` changes on a node, and which lists it refuses.

mod as_json;
mod lifts;
mod recovery;
mod refusals;
mod times;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::banlist::ban::MatchKind;
use crate::banlist::floor::{Edition, Floor};
use crate::banlist::head::{Claim, HEAD_SIZE};
use crate::banlist::keyset::Keyset;
use crate::banlist::note::{Enough, Signature};
use crate::banlist::store::{Bans, ListAnswer, Placement, Query, Rules, Slot, look_up};
use crate::banlist::terms::HeadTerms;
use crate::banlist::testing::{ISSUED, digest, key, keyset, list, source, terms};
use crate::sys::file::Guard;
use crate::sys::replace::{self, replace};

/// The files that an installation leaves in the state directory.
const FILES: [&str; 5] = [
    ".lock",
    "banlist.copy.lst",
    "banlist.lst",
    "floor",
    "last-install.json",
];

/// A node whose keyset has the keys 1, 2 and 3. One signature is enough for a list, and two are
/// needed to lift a ban.
struct Node {
    directory: tempfile::TempDir,
    paths: Paths,
    rules: Rules,
}

impl Node {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::below(&directory.path().join("node"));
        fs::create_dir_all(paths.keyset.parent().unwrap()).unwrap();
        let keyset = Keyset {
            lift_threshold: 2,
            ..keyset(&[1, 2, 3], 1)
        };
        replace(&paths.keyset, 0o644, keyset.text().as_bytes()).unwrap();
        Self {
            directory,
            paths,
            rules: Rules::default(),
        }
    }

    fn staged(&self, bytes: &[u8]) -> PathBuf {
        let path = self.directory.path().join("staged.lst");
        replace(&path, 0o644, bytes).unwrap();
        path
    }

    fn install(&self, bytes: &[u8]) -> Result<String, String> {
        self.attempt(&self.staged(bytes), false)
    }

    fn at(&self, now: Timestamp) -> super::NodeState<'_> {
        super::NodeState {
            paths: &self.paths,
            settings: None,
            rules: self.rules.clone(),
            now,
        }
    }

    /// Installs a list. Returns the output, or the error with its hint, without the directory's
    /// path.
    fn attempt(&self, staged: &Path, dry_run: bool) -> Result<String, String> {
        let node = self.at(ISSUED.plus(60));
        let done = if dry_run {
            super::dry_run(staged, &node).map(|reported| reported.text)
        } else {
            install(staged, &node, None)
        };
        done.map(|text| text.replace(self.directory.path().to_str().unwrap(), ""))
            .map_err(|error| {
                let hint = error
                    .hint()
                    .map(|hint| format!(" / {hint}"))
                    .unwrap_or_default();
                format!("{error}{hint}").replace(self.directory.path().to_str().unwrap(), "")
            })
    }

    fn known(&self) -> ListAnswer {
        let query = Query {
            digest: digest(1),
            kind: MatchKind::Base,
        };
        match look_up(&self.paths, &self.rules, &[query]) {
            Bans::Known(known) => known,
            Bans::Missing(fault) => panic!("{fault}"),
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(&self.paths.state)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn floor(&self) -> Floor {
        Floor::parse(&file::read_text(&self.paths.floor, 512, Guard::Owned).unwrap()).unwrap()
    }
}

/// A list with this version. The list bans `digest(1)`, and each version bans one image more than
/// the version before.
fn version(version: u64) -> Vec<u8> {
    signed(version, &[1])
}

fn signed(version: u64, seeds: &[u8]) -> Vec<u8> {
    let images = (1..=version).map(|version| ("image", digest(1_000 + version)));
    list(
        &source(
            &[("base", digest(1))]
                .into_iter()
                .chain(images)
                .collect::<Vec<_>>(),
        ),
        &terms(version),
        seeds,
    )
}

fn head_digest(bytes: &[u8]) -> crate::lineage::digest::Digest {
    Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap())
        .unwrap()
        .digest()
}

#[test]
fn each_new_list_asks_for_its_patches_where_the_settings_say_so() {
    let node = Node::new();
    fs::create_dir_all(node.paths.root.join("run")).unwrap();
    for (number, auto_patch, bytes, asks) in [
        (1, AutoPatch::Off, version(1), false),
        (2, AutoPatch::OnInstall, version(2), true),
        // Installed again, or refused.
        (3, AutoPatch::OnInstall, version(2), false),
        (4, AutoPatch::OnInstall, version(1), false),
        (5, AutoPatch::OnInstall, version(3), true),
    ] {
        let settings = Settings {
            auto_patch,
            ..Settings::unset()
        };
        let state = super::NodeState {
            settings: Some(&settings),
            ..node.at(ISSUED.plus(60))
        };
        let done = install(&node.staged(&bytes), &state, None);
        assert_eq!(done.is_ok(), number != 4, "{number}");
        let asked = fs::remove_file(&node.paths.patch_wanted).is_ok();
        assert_eq!(asked, asks, "{number}");
    }
}

#[test]
fn a_list_is_put_in_force_twice_and_the_floor_rises() {
    let node = Node::new();
    let (first, second, third) = (version(1), version(2), version(7));
    assert_eq!(
        node.install(&first).unwrap(),
        "installed version 1 for bans.example.com/prod: 1 ban, 2 digests\n"
    );
    assert_eq!(node.names(), FILES);
    assert_eq!(
        (node.known().version, node.known().floor_issued),
        (1, Some(ISSUED))
    );
    assert_eq!(
        node.install(&second).unwrap(),
        "installed version 2 for bans.example.com/prod: 1 ban, 3 digests\n"
    );
    node.install(&third).unwrap();
    assert_eq!(node.names(), FILES);
    assert_eq!(
        file::read(&node.paths.list, 1 << 20, Guard::Owned).unwrap(),
        third
    );
    assert_eq!(
        file::read(&node.paths.copy, 1 << 20, Guard::Owned).unwrap(),
        third
    );
    // The copies are two files, not two names of one file, so damage to one copy leaves the other
    // copy intact.
    assert_ne!(
        fs::metadata(&node.paths.list).unwrap().ino(),
        fs::metadata(&node.paths.copy).unwrap().ino()
    );
    let floor = node.floor();
    assert_eq!(
        (floor.edition.version, floor.head),
        (7, head_digest(&third))
    );
    assert_eq!(
        fs::metadata(&node.paths.list).unwrap().permissions().mode() & 0o777,
        0o644
    );
}

#[test]
fn the_same_list_again_changes_nothing() {
    let node = Node::new();
    node.install(&version(1)).unwrap();
    node.install(&version(2)).unwrap();
    let inodes = || {
        [&node.paths.list, &node.paths.copy, &node.paths.floor]
            .map(|path| fs::metadata(path).unwrap().ino())
    };
    let before = inodes();
    assert_eq!(
        node.install(&version(2)).unwrap(),
        "already in force: version 2 for bans.example.com/prod: 1 ban, 3 digests\n"
    );
    assert_eq!(inodes(), before);
    // The same list with one more signature is written as both copies.
    assert!(
        node.install(&signed(2, &[1, 2]))
            .unwrap()
            .starts_with("installed version 2")
    );
    assert_eq!(
        file::read(&node.paths.copy, 1 << 20, Guard::Owned).unwrap(),
        signed(2, &[1, 2])
    );
}

#[test]
fn a_second_copy_that_is_missing_broken_or_another_list_is_made_anew() {
    let mut torn = version(2);
    torn[HEAD_SIZE + 100] ^= 1;
    let fault = "its second copy was not usable: cannot trust list \"/node/var/lib/embargo/banlist.copy.lst\": node 0/0 of its tree is corrupt\n";
    let old = "its second copy was not usable: cannot go back to version 1 (keyset 1) of the list, in \
               \"/node/var/lib/embargo/banlist.copy.lst\": this node had version 2 (keyset 1)\n";
    for (copy, reported) in [(None, ""), (Some(torn), fault), (Some(version(1)), old)] {
        let node = Node::new();
        node.install(&version(1)).unwrap();
        node.install(&version(2)).unwrap();
        match copy {
            Some(bytes) => replace(&node.paths.copy, 0o644, &bytes).unwrap(),
            None => fs::remove_file(&node.paths.copy).unwrap(),
        }
        let before = (fs::metadata(&node.paths.list).unwrap().ino(), node.floor());
        let plan = node.attempt(&node.staged(&version(2)), true).unwrap();
        assert!(
            plan.contains(
                "\nwould put a second copy of version 2 in /node/var/lib/embargo/banlist.copy.lst\n"
            ),
            "{plan}"
        );
        assert_eq!(
            node.install(&version(2)).unwrap(),
            format!(
                "already in force: version 2 for bans.example.com/prod: 1 ban, 3 digests\nits second copy was made anew\n{reported}"
            )
        );
        assert_eq!(
            (fs::metadata(&node.paths.list).unwrap().ino(), node.floor()),
            before
        );
        assert_eq!(
            file::read(&node.paths.copy, 1 << 20, Guard::Owned).unwrap(),
            version(2)
        );
    }
}

/// An earlier version of this program kept the previous list where the second copy is now, and the
/// floor named this previous list.
#[test]
fn a_node_of_the_old_layout_is_healed_by_any_installation() {
    for next in [version(2), version(3)] {
        let node = Node::new();
        node.install(&version(2)).unwrap();
        fs::rename(&node.paths.copy, &node.paths.previous).unwrap();
        replace(&node.paths.previous, 0o644, &version(1)).unwrap();
        let floor = format!(
            "{}previous {}\n",
            node.floor().text(),
            head_digest(&version(1))
        );
        replace(&node.paths.floor, 0o644, floor.as_bytes()).unwrap();
        assert_eq!(
            (node.known().version, node.known().slot),
            (2, Slot::Current)
        );
        node.install(&next).unwrap();
        assert_eq!(node.names(), FILES);
        replace(&node.paths.list, 0o644, b"torn").unwrap();
        assert_eq!(
            (node.known().head, node.known().slot),
            (head_digest(&next), Slot::Copy)
        );
    }
}

#[test]
fn a_dry_run_says_each_step_and_writes_nothing() {
    let node = Node::new();
    let staged = node.staged(&version(1));
    let state = "/node/var/lib/embargo";
    assert_eq!(
        node.attempt(&staged, true).unwrap(),
        format!(
            "would install version 1 for bans.example.com/prod: 1 ban, 2 digests\n\
             no list to compare it with: 1 signature of keyset 1 needed, 1 there\n\
             no containers run\n\
             would put a second copy of version 1 in {state}/banlist.copy.lst\n\
             would put version 1 in force as {state}/banlist.lst\n\
             would raise {state}/floor to version 1\n"
        )
    );
    assert!(fs::metadata(&node.paths.state).is_err());
    node.install(&version(1)).unwrap();
    let staged = node.staged(&version(2));
    assert_eq!(
        node.attempt(&staged, true).unwrap(),
        format!(
            "would install version 2 for bans.example.com/prod: 1 ban, 3 digests\n\
             changes BAN-1 (high)\n\
             lifts nothing: 1 signature of keyset 1 needed, 1 there\n\
             no containers run\n\
             would note in {state}/floor that it is about to come\n\
             would put a second copy of version 2 in {state}/banlist.copy.lst\n\
             would put version 2 in force as {state}/banlist.lst\n\
             would raise {state}/floor to version 2\n"
        )
    );
    let before = (node.names(), node.floor());
    assert_eq!(
        (node.known().version, (node.names(), node.floor())),
        (1, before)
    );
    // A dry run refuses what an installation would refuse.
    assert!(
        node.attempt(&node.staged(&without_images(2, &[1])), true)
            .unwrap_err()
            .starts_with("cannot install \"/staged.lst\": it lifts BAN-1")
    );
    assert_eq!(
        node.attempt(&node.staged(&version(1)), true).unwrap(),
        "already in force: version 1 for bans.example.com/prod: 1 ban, 2 digests\nlifts nothing: 1 signature of keyset 1 needed, 1 there\n"
    );
}

#[test]
fn what_cannot_be_read_is_no_all_clear() {
    for place in ["run/runc", "run/crun", "run/docker/runtime-runc"] {
        let node = Node::new();
        let staged = node.staged(&version(1));
        let path = node.paths.root.join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(&path, &path).unwrap();
        let reported = super::dry_run(&staged, &node.at(ISSUED.plus(60))).unwrap();
        assert_eq!(reported.exit, Exit::CouldNotTell, "{}", reported.text);
        let said = format!(
            "\nno running containers could be read\ncannot tell for all of them: 1 place could not be read\n  cannot list {path:?}"
        );
        assert!(
            reported.text.contains(&said) && !reported.text.contains("no containers run"),
            "{}",
            reported.text
        );
        // An installation succeeds nevertheless, and prints the same warning.
        assert!(
            node.install(&version(1))
                .unwrap()
                .contains("\ncannot tell for all of them: 1 place could not be read\n")
        );
    }
    let node = Node::new();
    assert_eq!(
        super::dry_run(&node.staged(&version(1)), &node.at(ISSUED.plus(60)))
            .unwrap()
            .exit,
        Exit::Clear
    );
}

/// A list with this version that only bans `digest(1)`.
fn without_images(version: u64, seeds: &[u8]) -> Vec<u8> {
    list(&source(&[("base", digest(1))]), &terms(version), seeds)
}

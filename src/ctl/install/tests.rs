//! Tests what `install` changes on a node, and which lists it refuses.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::banlist::compile::HeadTerms;
use crate::banlist::floor::Edition;
use crate::banlist::floor::Floor;
use crate::banlist::head::{Claim, HEAD_SIZE};
use crate::banlist::note::Signature;
use crate::banlist::record::MatchKind;
use crate::banlist::store::{Bans, ListAnswer, Query, Rules, Slot, look_up};
use crate::banlist::testing::{ISSUED, digest, key, keyset, list, source, terms};
use crate::sys::replace::{self, replace};

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
            super::dry_run(staged, &node).map(|told| told.text)
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

/// A list with this version. It bans `digest(1)`, and each version bans one image more than the
/// version before.
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
fn a_list_is_put_in_force_twice_and_the_floor_rises() {
    let node = Node::new();
    let (first, second, third) = (version(1), version(2), version(7));
    assert_eq!(
        node.install(&first).unwrap(),
        "installed version 1 for bans.example.com/prod: 1 ban, 2 digests\n"
    );
    assert_eq!(
        node.names(),
        [".lock", "banlist.copy.lst", "banlist.lst", "floor"]
    );
    assert_eq!(
        (node.known().version, node.known().floor_issued),
        (1, Some(ISSUED))
    );
    assert_eq!(
        node.install(&second).unwrap(),
        "installed version 2 for bans.example.com/prod: 1 ban, 3 digests\n"
    );
    node.install(&third).unwrap();
    assert_eq!(
        node.names(),
        [".lock", "banlist.copy.lst", "banlist.lst", "floor"]
    );
    assert_eq!(
        file::read(&node.paths.list, 1 << 20, Guard::Owned).unwrap(),
        third
    );
    assert_eq!(
        file::read(&node.paths.copy, 1 << 20, Guard::Owned).unwrap(),
        third
    );
    // The copies are two files, not two names of one file, so damage to one leaves the other
    // intact.
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
    // The same list with one more signature is written to both places.
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
    for (copy, told) in [(None, ""), (Some(torn), fault), (Some(version(1)), old)] {
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
                "already in force: version 2 for bans.example.com/prod: 1 ban, 3 digests\nits second copy was made anew\n{told}"
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

/// An earlier version of this program kept the previous list in place of a second copy, and the
/// floor named it.
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
        assert_eq!(
            node.names(),
            [".lock", "banlist.copy.lst", "banlist.lst", "floor"]
        );
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
        let told = super::dry_run(&staged, &node.at(ISSUED.plus(60))).unwrap();
        assert_eq!(told.exit, Exit::CouldNotTell, "{}", told.text);
        let said = format!(
            "\nno running containers could be read\ncannot tell for all of them: 1 place could not be read\n  cannot list {path:?}"
        );
        assert!(
            told.text.contains(&said) && !told.text.contains("no containers run"),
            "{}",
            told.text
        );
        // An installation succeeds all the same, and prints the same warning.
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

#[test]
fn a_list_that_lifts_a_ban_takes_the_lift_threshold() {
    let node = Node::new();
    node.install(&version(1)).unwrap();
    let state = "/node/var/lib/embargo";
    // A second signature by the same key does not count, nor does one by an unknown key.
    for seeds in [&[1][..], &[1, 1], &[1, 9]] {
        let fault = node.install(&without_images(2, seeds)).unwrap_err();
        let (line, hint) = fault.split_once(" / ").unwrap();
        assert_eq!(
            line,
            "cannot install \"/staged.lst\": it lifts BAN-1, which takes 2 signatures of keyset 1; it has 1"
        );
        assert!(
            hint.starts_with(&format!("embargoctl list diff {state}/banlist.lst /")),
            "{hint}"
        );
        assert_eq!((node.known().version, node.floor().next), (1, None));
    }
    assert_eq!(
        node.install(&without_images(2, &[2, 3])).unwrap(),
        "installed version 2 for bans.example.com/prod: 1 ban, 1 digest\n\
         lifts 1 ban: 2 signatures of keyset 1 needed, 2 there\n"
    );
    // Weakening a ban needs as many signatures as removing it.
    let weaker = |seeds| {
        let mut weaker = source(&[("base", digest(1))]);
        weaker.bans[0].action = crate::banlist::record::Action::Warn;
        list(&weaker, &terms(3), seeds)
    };
    assert!(
        node.install(&weaker(&[3]))
            .unwrap_err()
            .starts_with("cannot install \"/staged.lst\": it lifts BAN-1,")
    );
    node.install(&weaker(&[3, 1])).unwrap();
}

#[test]
fn a_node_that_lost_its_lists_takes_the_lift_threshold_or_the_list_it_had() {
    let lost = || {
        let node = Node::new();
        node.install(&version(1)).unwrap();
        node.install(&version(2)).unwrap();
        fs::remove_file(&node.paths.list).unwrap();
        replace(&node.paths.copy, 0o644, b"nothing").unwrap();
        node
    };
    let node = lost();
    let fault = node.install(&version(3)).unwrap_err();
    let line = "cannot install \"/staged.lst\": this node lost the list to compare it with, so it takes 2 signatures of keyset 1, as one that lifts bans; it has 1";
    assert_eq!(fault.split_once(" / ").unwrap().0, line);
    // The lost list can be installed again with one signature.
    assert_eq!(
        node.install(&version(2)).unwrap(),
        "installed version 2 for bans.example.com/prod: 1 ban, 3 digests\n\
         its second copy was not usable: cannot use \"/node/var/lib/embargo/banlist.copy.lst\": not a ban list: it has no head\n"
    );
    node.install(&version(3)).unwrap();
    // With enough signatures to lift a ban, no comparison is needed.
    lost().install(&signed(3, &[1, 2])).unwrap();
}

/// When the newest list is lost, a comparison with an older list is not enough: the older list may
/// lack the ban that a new list lifts. Otherwise one stolen key and damaged files would be enough
/// to lift it.
#[test]
fn where_the_newest_list_is_no_good_in_both_copies_nothing_is_a_measure() {
    let mut corrupt = version(2);
    corrupt[HEAD_SIZE + 100] ^= 1;
    // The bans of version 1 and one more, but not the ban that version 2 added.
    let images = [
        ("base", digest(1)),
        ("image", digest(1_001)),
        ("image", digest(1_003)),
    ];
    let as_the_first = |seeds: &[u8]| list(&source(&images), &terms(3), seeds);
    for broken in [Some(&b"torn"[..]), Some(&corrupt), Some(&version(1)), None] {
        let node = Node::new();
        node.install(&version(1)).unwrap();
        node.install(&version(2)).unwrap();
        for place in [&node.paths.list, &node.paths.copy] {
            match broken {
                Some(bytes) => replace(place, 0o644, bytes).unwrap(),
                None => fs::remove_file(place).unwrap(),
            }
        }
        let takes = "takes 2 signatures of keyset 1, as one that lifts bans; it has 1";
        let line = format!(
            "cannot install \"/staged.lst\": this node lost the list to compare it with, so it {takes}"
        );
        for one in [as_the_first(&[1]), without_images(3, &[2]), version(3)] {
            let fault = node.install(&one).unwrap_err();
            let (said, hint) = fault.split_once(" / ").unwrap();
            assert_eq!(said, line);
            assert!(
                hint.starts_with(
                    "install the list that it had last first, or have another key sign: "
                ),
                "{hint}"
            );
        }
        let planned = node
            .attempt(&node.staged(&as_the_first(&[1, 3])), true)
            .unwrap();
        assert!(
            planned.contains(
                "\nno list to compare it with: 2 signatures of keyset 1 needed, 2 there\n"
            ),
            "{planned}"
        );
        // The lost list can be installed again with one signature. The next list is compared with
        // it.
        node.install(&version(2)).unwrap();
        let fault = node.install(&as_the_first(&[1])).unwrap_err();
        assert!(
            fault.starts_with(
                "cannot install \"/staged.lst\": it lifts BAN-1, which takes 2 signatures"
            ),
            "{fault}"
        );
        node.install(&version(3)).unwrap();
    }
}

/// When the first copy is lost, a new list is compared with the second copy.
#[test]
fn where_the_first_copy_is_lost_the_second_is_the_measure() {
    for lose in [None, Some(&b"torn"[..])] {
        let node = Node::new();
        node.install(&version(1)).unwrap();
        match lose {
            None => fs::remove_file(&node.paths.list).unwrap(),
            Some(bytes) => replace(&node.paths.list, 0o644, bytes).unwrap(),
        }
        assert!(
            node.install(&without_images(2, &[1]))
                .unwrap_err()
                .starts_with("cannot install \"/staged.lst\": it lifts BAN-1,")
        );
        node.install(&version(2)).unwrap();
        assert_eq!(
            file::read(&node.paths.copy, 1 << 20, Guard::Owned).unwrap(),
            version(2)
        );
    }
}

#[test]
fn a_broken_list_in_force_is_reported() {
    let node = Node::new();
    node.install(&version(1)).unwrap();
    node.install(&version(2)).unwrap();
    let mut broken = version(2);
    broken[HEAD_SIZE + 100] ^= 1;
    replace(&node.paths.list, 0o644, &broken).unwrap();
    assert_eq!(
        node.install(&signed(3, &[1, 2])).unwrap(),
        "installed version 3 for bans.example.com/prod: 1 ban, 4 digests\n\
         the list in force was not usable: cannot trust list \"/node/var/lib/embargo/banlist.lst\": node 0/0 of its tree is corrupt\n"
    );
}

#[test]
fn nothing_is_installed_over_what_cannot_be_looked_at() {
    let node = Node::new();
    node.install(&version(1)).unwrap();
    fs::remove_file(&node.paths.list).unwrap();
    let told = "cannot read \"/node/var/lib/embargo/banlist.lst\": not a regular file / remove it: the list in force is a regular file";
    fs::create_dir(&node.paths.list).unwrap();
    assert_eq!(node.install(&version(2)).unwrap_err(), told);
    fs::remove_dir(&node.paths.list).unwrap();
    nix::unistd::mkfifo(&node.paths.list, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(node.install(&version(2)).unwrap_err(), told);
    fs::remove_file(&node.paths.list).unwrap();
    symlink(node.staged(&version(1)), &node.paths.list).unwrap();
    assert_eq!(
        node.install(&version(2)).unwrap_err(),
        told.replace(": not a regular file", "")
    );
}

/// The installed list is a copy, so whoever holds a hard link to the staged file cannot change it.
#[test]
fn a_hard_link_to_a_staged_list_is_no_way_into_the_list_in_force() {
    let node = Node::new();
    let staged = node.staged(&version(1));
    let other = node.directory.path().join("other");
    fs::hard_link(&staged, &other).unwrap();
    node.attempt(&other, false).unwrap();
    assert_ne!(
        fs::metadata(&node.paths.list).unwrap().ino(),
        fs::metadata(&other).unwrap().ino()
    );
    fs::OpenOptions::new()
        .write(true)
        .open(&other)
        .unwrap()
        .set_len(0)
        .unwrap();
    assert_eq!(
        file::read(&node.paths.list, 1 << 20, Guard::Owned).unwrap(),
        version(1)
    );
}

#[test]
fn a_list_may_not_be_older_than_one_in_force_that_the_floor_does_not_have_yet() {
    let node = Node::new();
    node.install(&version(1)).unwrap();
    // The list was put in place by hand, with enough signatures for that.
    replace(&node.paths.list, 0o644, &signed(5, &[1, 2])).unwrap();
    let fault = node.install(&version(4)).unwrap_err();
    assert!(
        fault.starts_with("cannot go back to version 4 (keyset 1) of the list"),
        "{fault}"
    );
    let other = list(&source(&[("base", digest(1))]), &terms(5), &[1, 2]);
    assert!(
        node.install(&other)
            .unwrap_err()
            .contains("version 5 (keyset 1) was installed with other content")
    );
    node.install(&version(6)).unwrap();
    fs::remove_file(&node.paths.list).unwrap();
    assert_eq!(node.known().version, 6);
}

#[test]
fn a_version_far_above_the_floor_is_refused() {
    let node = Node::new();
    node.install(&version(1)).unwrap();
    let far = HeadTerms {
        edition: Edition {
            keyset: 1,
            version: 2 + (1 << 20),
        },
        ..terms(2)
    };
    let fault = node
        .install(&list(&source(&[("base", digest(1))]), &far, &[1, 2]))
        .unwrap_err();
    assert!(
        fault.starts_with("cannot go to version 1048578 (keyset 1) of the list"),
        "{fault}"
    );
    assert!(
        fault.ends_with("a newer keyset starts versions again"),
        "{fault}"
    );
}

#[test]
fn every_installation_and_every_refusal_is_reported_to_the_system_log() {
    let node = Node::new();
    let sockets = Sockets {
        journal: node.directory.path().join("journal"),
        syslog: node.directory.path().join("log"),
    };
    let journald = std::os::unix::net::UnixDatagram::bind(&sockets.journal).unwrap();
    journald.set_nonblocking(true).unwrap();
    let told = |bytes: &[u8]| {
        _ = install(
            &node.staged(bytes),
            &node.at(ISSUED.plus(60)),
            Some(&sockets),
        );
        let mut record = [0; 8_192];
        let length = journald.recv(&mut record).unwrap_or(0);
        String::from_utf8(record[..length].to_vec()).unwrap()
    };
    let record = told(&version(1));
    let words = "MESSAGE=embargo: installed version 1 for bans.example.com/prod: 1 ban, 2 digests; signed by key-1\nPRIORITY=5\n";
    assert!(record.starts_with(words), "{record}");
    assert!(
        record
            .contains("\nEMBARGO_EVENT=list-installed\nEMBARGO_LIST_VERSION=1\nEMBARGO_KEYSET=1\n"),
        "{record}"
    );
    let facts = "\nEMBARGO_BANS=1\nEMBARGO_DIGESTS=2\nEMBARGO_IMPACT=guarded\nEMBARGO_NEWLY_REFUSED=0\nEMBARGO_RUNNING=0\nEMBARGO_SIGNER=key-1\n";
    assert!(record.ends_with(facts), "{record}");
    // Installing the same list again is not reported.
    assert_eq!(told(&version(1)), "");
    let record = told(&without_images(2, &[3]));
    assert!(
        record.starts_with("MESSAGE=embargo: cannot install "),
        "{record}"
    );
    assert!(
        record.contains("; lifts BAN-1; signed by key-3\nPRIORITY=4\n"),
        "{record}"
    );
    assert!(
        record.contains("\nEMBARGO_EVENT=list-refused\nEMBARGO_LIST_VERSION=2\n"),
        "{record}"
    );
    assert!(
        record.ends_with("\nEMBARGO_LIFTED=BAN-1\nEMBARGO_SIGNER=key-3\n"),
        "{record}"
    );
    // The record about a list without signatures has no fields from this list.
    let record = told(&signed(3, &[]));
    assert!(record.ends_with("EMBARGO_EVENT=list-refused\n"), "{record}");
    assert!(told(&signed(3, &[1, 2])).contains("; signed by key-1, key-2\n"));
}

#[test]
fn a_full_disk_is_reported_with_what_is_needed() {
    let fault = |errno| {
        let cause = std::io::Error::from_raw_os_error(errno);
        error::of_disk(
            replace::WriteError::new(Path::new("/var/lib/embargo/banlist.lst"), cause),
            5 << 20,
        )
    };
    let full = fault(libc::ENOSPC);
    assert_eq!(
        line::causes(&full),
        "cannot write \"/var/lib/embargo/banlist.lst\": the disk is full"
    );
    assert_eq!(
        full.hint(),
        Some("the list needs 5 MiB there, beside the one in force, which stays")
    );
    assert_eq!(fault(libc::EIO).hint(), None);
}

#[test]
fn what_must_not_be_in_force_is_refused_and_changes_nothing() {
    let mut node = Node::new();
    let good = version(5);
    node.install(&good).unwrap();
    let mut flipped = version(6);
    *flipped.last_mut().unwrap() ^= 1;
    let other = HeadTerms {
        origin: "o".to_owned(),
        ..terms(6)
    };
    let future = HeadTerms {
        issued: ISSUED.plus(90_000),
        expires: ISSUED.plus(900_000),
        ..terms(6)
    };
    let bans = source(&[("base", digest(1))]);
    let same = list(&bans, &terms(5), &[1]);
    for (bytes, fault) in [
        (
            version(4),
            "cannot go back to version 4 (keyset 1) of the list, in \"/staged.lst\": this node had version 5 (keyset 1) / build the list again with a higher --version",
        ),
        (
            same,
            "cannot trust list \"/staged.lst\": version 5 (keyset 1) was installed with other content / each list that is published needs a version of its own",
        ),
        (
            signed(6, &[9]),
            "cannot trust list \"/staged.lst\": 0 of 1 trusted signatures (0 bad, 1 by unknown keys) / embargoctl list verify shows what became of each signature",
        ),
        (
            list(&bans, &other, &[1]),
            "cannot use list \"/staged.lst\": it is for \"o\", not for \"bans.example.com/prod\"",
        ),
        (
            list(&bans, &future, &[1]),
            "cannot install \"/staged.lst\": it is issued at 2026-11-21T15:00:00Z, more than a day from now / this node's clock says 2026-11-20T14:01:00Z",
        ),
        (
            flipped,
            "cannot trust list \"/staged.lst\": its block table is corrupt",
        ),
        (
            version(6)[..5_000].to_vec(),
            "cannot use list \"/staged.lst\": it has 5000 bytes, its head says 5330",
        ),
        (
            Vec::new(),
            "cannot use \"/staged.lst\": not a ban list: it has no head",
        ),
        (
            version(6)[..4_000].to_vec(),
            "cannot use \"/staged.lst\": not a ban list: it has no head",
        ),
        (
            vec![b'{'; 5_000],
            "cannot use \"/staged.lst\": not a ban list: it has no head",
        ),
    ] {
        assert_eq!(node.install(&bytes).unwrap_err(), fault);
        assert_eq!(
            node.names(),
            [".lock", "banlist.copy.lst", "banlist.lst", "floor"],
            "{fault}"
        );
        assert_eq!(node.known().version, 5);
    }
    let fault = node.install(&signed(6, &[])).unwrap_err();
    assert!(
        fault.starts_with(
            "cannot trust list \"/staged.lst\": not signed, and 1 trusted signature needed / embargoctl list sign --key KEY /"
        )
    );
    node.rules.min_version = 9;
    let fault = "cannot use list \"/staged.lst\": version 8 is below min_version 9 / build the list again with a higher --version";
    assert_eq!(node.install(&version(8)).unwrap_err(), fault);
}

#[test]
fn only_a_regular_file_is_installed() {
    let node = Node::new();
    let real = node.staged(&version(1));
    let path = node.directory.path().join("other");
    symlink(&real, &path).unwrap();
    assert_eq!(
        node.attempt(&path, false).unwrap_err(),
        "cannot read \"/other\""
    );
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(
        node.attempt(&path, false).unwrap_err(),
        "cannot read \"/other\": not a regular file"
    );
    assert_eq!(
        node.attempt(node.directory.path(), false).unwrap_err(),
        "cannot read \"\": not a regular file"
    );
    assert_eq!(
        node.attempt(Path::new("/dev/zero"), false).unwrap_err(),
        "cannot read \"/dev/zero\": not a regular file"
    );
}

#[test]
fn an_installation_cut_short_is_finished_by_the_next() {
    let (first, second, third) = (version(1), version(2), version(3));
    // The installation of the second list is interrupted after each of its steps.
    for step in 1..=4 {
        let cut_short = || {
            let node = Node::new();
            node.install(&first).unwrap();
            replace(
                &node.paths.state.join(".banlist.lst.draft-77"),
                0o600,
                b"half",
            )
            .unwrap();
            replace(
                &node.paths.state.join(".banlist.copy.lst.draft-77"),
                0o600,
                b"half",
            )
            .unwrap();
            if step >= 2 {
                let announced = Floor {
                    next: Some(head_digest(&second)),
                    ..node.floor()
                };
                replace(&node.paths.floor, 0o644, announced.text().as_bytes()).unwrap();
            }
            if step >= 3 {
                replace(&node.paths.copy, 0o644, &second).unwrap();
            }
            if step >= 4 {
                replace(&node.paths.list, 0o644, &second).unwrap();
            }
            // Before the next installation, the node has either the old list or the new one.
            assert_eq!(
                node.known().version,
                if step >= 4 { 2 } else { 1 },
                "step {step}"
            );
            node
        };
        // If either copy is lost after the interruption, the other copy is used, but never an older
        // list in place of a newer one.
        for (place, answers) in [(0, [1, 1, 2, 2]), (1, [1, 1, 1, 2])] {
            let node = cut_short();
            replace([&node.paths.list, &node.paths.copy][place], 0o644, b"torn").unwrap();
            assert_eq!(
                node.known().version,
                answers[step - 1],
                "step {step}, place {place}"
            );
            node.install(&second).unwrap();
            assert_eq!(
                (node.known().version, node.known().slot),
                (2, Slot::Current)
            );
        }
        let node = cut_short();
        node.install(&second).unwrap();
        assert_eq!(
            node.names(),
            [".lock", "banlist.copy.lst", "banlist.lst", "floor"],
            "step {step}"
        );
        assert_eq!(
            (
                node.known().version,
                node.floor().edition.version,
                node.floor().next
            ),
            (2, 2, None),
            "step {step}"
        );
        fs::remove_file(&node.paths.list).unwrap();
        assert_eq!(node.known().version, 2, "step {step}");
        // The next installation may also be of a third list. It is interrupted too, after each of
        // its steps, and one of the copies is lost before it starts.
        for (cut, lost) in [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1)] {
            let node = cut_short();
            if lost == 1 && step < 4 {
                replace(&node.paths.copy, 0o644, b"torn").unwrap();
            }
            if lost == 0 && step >= 3 {
                replace(&node.paths.list, 0o644, b"torn").unwrap();
            }
            let before = node.known().version;
            let staged = node.staged(&third);
            let trust = Trust::load(&node.paths, &node.rules).unwrap();
            let (file, size) = file::open(&staged, Guard::NoLink).unwrap();
            let (list, at) = (
                Reader {
                    path: &staged,
                    bytes: &file,
                },
                node.at(ISSUED.plus(60)),
            );
            let found = trust
                .authenticate(&list, size, Placement::Staged, Enough::All)
                .unwrap();
            let plan =
                plan::draw(New::of(&list, &found), &at, &trust, &(), &mut Vec::new()).unwrap();
            for done in plan.steps.iter().take(cut) {
                match done {
                    plan::InstallStep::Announce(floor) | plan::InstallStep::Raise(floor) => {
                        replace(&node.paths.floor, 0o644, floor.text().as_bytes()).unwrap()
                    }
                    plan::InstallStep::Copy(_) => replace(&node.paths.copy, 0o644, &third).unwrap(),
                    plan::InstallStep::Put(_) => replace(&node.paths.list, 0o644, &third).unwrap(),
                }
                assert!(
                    [before, 3].contains(&node.known().version),
                    "step {step}, cut {cut}, lost {lost}, {done:?}"
                );
            }
            node.install(&third).unwrap();
            assert_eq!(
                (
                    node.known().version,
                    node.floor().edition.version,
                    node.floor().next
                ),
                (3, 3, None),
                "step {step}, cut {cut}"
            );
            assert_eq!(
                node.names(),
                [".lock", "banlist.copy.lst", "banlist.lst", "floor"],
                "step {step}, cut {cut}"
            );
        }
    }
}

#[test]
fn a_broken_list_in_force_is_replaced_and_not_kept() {
    let node = Node::new();
    node.install(&version(1)).unwrap();
    node.install(&version(2)).unwrap();
    let mut broken = version(2);
    broken[HEAD_SIZE + 100] ^= 1;
    replace(&node.paths.list, 0o644, &broken).unwrap();
    assert_eq!(
        node.install(&version(2)).unwrap(),
        "installed version 2 for bans.example.com/prod: 1 ban, 3 digests\n\
         the list in force was not usable: cannot trust list \"/node/var/lib/embargo/banlist.lst\": node 0/0 of its tree is corrupt\n"
    );
    let both = || {
        [&node.paths.list, &node.paths.copy]
            .map(|path| file::read(path, 1 << 20, Guard::Owned).unwrap())
    };
    assert_eq!(both(), [version(2), version(2)]);
    replace(&node.paths.list, 0o644, &broken).unwrap();
    node.install(&version(3)).unwrap();
    assert_eq!(both(), [version(3), version(3)]);
}

#[test]
fn bad_signatures_and_an_expiry_are_reported() {
    let node = Node::new();
    let old = HeadTerms {
        issued: Timestamp::from_seconds(0),
        expires: Timestamp::from_seconds(86_400),
        ..terms(1)
    };
    let mut bytes = list(&source(&[("base", digest(1))]), &old, &[1]);
    let mut claim = Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap()).unwrap();
    claim.signatures.push(key(2).signature("another text\n"));
    bytes[..HEAD_SIZE].copy_from_slice(&claim.block().unwrap());
    assert_eq!(
        node.install(&bytes).unwrap(),
        "installed version 1 for bans.example.com/prod: 1 ban, 1 digest\n\
         beside 1 good signatures 1 do not verify: embargoctl list verify says which\n\
         it expired at 1970-01-02T00:00:00Z: it is enforced all the same, and reported as stale\n"
    );
}

#[test]
fn a_keyset_that_expires_soon_is_reported_and_changes_nothing() {
    let node = Node::new();
    let old = Keyset {
        expires: ISSUED.plus(90 * 86_400),
        ..keyset(&[1, 2, 3], 1)
    };
    replace(&node.paths.keyset, 0o644, old.text().as_bytes()).unwrap();
    assert_eq!(
        node.install(&version(1)).unwrap(),
        "installed version 1 for bans.example.com/prod: 1 ban, 2 digests\n\
         keyset 1 expires at 2027-02-18T14:00:00Z, in 89 days: it stays in force; make the next one: embargoctl keyset next\n"
    );
}

#[test]
fn a_later_keyset_starts_the_time_floor_again_as_it_does_the_versions() {
    let node = Node::new();
    let far = HeadTerms {
        issued: Timestamp::parse("2099-01-01").unwrap(),
        expires: Timestamp::parse("2099-02-01").unwrap(),
        ..terms(900)
    };
    let staged = node.staged(&list(&source(&[("base", digest(1))]), &far, &[1]));
    // A thief's list is installed while the node's clock is far ahead.
    install(&staged, &node.at(far.issued), None).unwrap();
    node.install(&version(901)).unwrap();
    assert_eq!(node.floor().issued, far.issued);
    replace(
        &node.paths.keyset,
        0o644,
        Keyset {
            number: 2,
            ..keyset(&[1, 2, 3], 1)
        }
        .text()
        .as_bytes(),
    )
    .unwrap();
    let images: Vec<_> = (1..=901)
        .map(|version| ("image", digest(1_000 + version)))
        .chain([("base", digest(1))])
        .collect();
    let next = HeadTerms {
        edition: Edition {
            keyset: 2,
            version: 1,
        },
        ..terms(1)
    };
    node.install(&list(&source(&images), &next, &[1])).unwrap();
    assert_eq!(
        (node.floor().edition, node.floor().issued),
        (next.edition, ISSUED)
    );
}

#[test]
fn a_clock_that_was_never_set_judges_nothing() {
    let node = Node::new();
    let staged = node.staged(&version(1));
    for now in [
        Timestamp::from_seconds(0),
        Timestamp::parse("2026-10-31").unwrap(),
    ] {
        super::dry_run(&staged, &node.at(now)).unwrap();
    }
    // If the clock is behind the list in force, the clock is wrong, and a new list is accepted.
    node.install(&version(1)).unwrap();
    let staged = node.staged(&version(2));
    super::dry_run(&staged, &node.at(Timestamp::parse("2026-11-02").unwrap())).unwrap();
    // No list may be issued after its keyset expires, whatever the clock says.
    let expires = keyset(&[1], 1).expires;
    let fault = "cannot install \"/staged.lst\": it is issued at 2028-11-19T14:00:01Z, after the keyset expires, and the clock of this node cannot be trusted";
    for clock in ["1970-01-01", "2026-11-02"] {
        let clock = Timestamp::parse(clock).unwrap();
        let told = |seconds| {
            let issued = expires.plus(seconds);
            let terms = HeadTerms {
                issued,
                expires: issued.plus(60),
                ..terms(2)
            };
            let staged = node.staged(&list(
                &source(&[("base", digest(1)), ("image", digest(1_001))]),
                &terms,
                &[1],
            ));
            super::dry_run(&staged, &node.at(clock)).map_err(|error| {
                (
                    error
                        .to_string()
                        .replace(node.directory.path().to_str().unwrap(), ""),
                    error.hint().map(str::to_owned),
                )
            })
        };
        told(0).unwrap();
        assert_eq!(
            told(1).unwrap_err(),
            (
                fault.to_owned(),
                Some(format!("this node's clock says {clock}: set it"))
            )
        );
    }
}

#[test]
fn the_time_floor_starts_no_earlier_than_the_keyset() {
    let node = Node::new();
    let old = HeadTerms {
        issued: Timestamp::from_seconds(0),
        ..terms(1)
    };
    node.install(&list(&source(&[("base", digest(1))]), &old, &[1]))
        .unwrap();
    assert_eq!(node.floor().issued, keyset(&[1], 1).issued);
}

#[test]
fn a_list_in_force_that_comes_again_loses_no_signature() {
    let node = Node::new();
    let with = |signatures: &[Signature]| {
        let mut bytes = version(1);
        let claim = Claim {
            signatures: signatures.to_vec(),
            ..Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap()).unwrap()
        };
        bytes[..HEAD_SIZE].copy_from_slice(&claim.block().unwrap());
        bytes
    };
    let in_force = || {
        Claim::parse(
            file::read(&node.paths.list, 1 << 20, Guard::Owned).unwrap()[..HEAD_SIZE]
                .try_into()
                .unwrap(),
        )
        .unwrap()
    };
    let text = Claim::parse(version(1)[..HEAD_SIZE].try_into().unwrap())
        .unwrap()
        .text;
    let [one, two, three, nine] = [1, 2, 3, 9].map(|seed| key(seed).signature(&text));
    node.install(&with(&[one.clone(), two.clone()])).unwrap();
    let inode = || fs::metadata(&node.paths.list).unwrap().ino();
    let before = inode();
    for fewer in [
        &[two.clone()][..],
        std::slice::from_ref(&one),
        &[two.clone(), one.clone()],
        &[
            two.clone(),
            Signature {
                name: "bob".to_owned(),
                ..one.clone()
            },
        ],
    ] {
        assert!(
            node.install(&with(fewer))
                .unwrap()
                .starts_with("already in force: version 1 ")
        );
        assert_eq!(
            (inode(), in_force().signatures),
            (before, vec![one.clone(), two.clone()])
        );
    }
    // New signatures are added to the present ones, even by a key that this node does not know yet.
    assert!(
        node.install(&with(std::slice::from_ref(&three)))
            .unwrap()
            .starts_with("installed version 1 ")
    );
    assert_eq!(
        in_force().signatures,
        [one.clone(), two.clone(), three.clone()]
    );
    node.install(&with(&[nine.clone(), one.clone()])).unwrap();
    assert_eq!(
        in_force().signatures,
        [one.clone(), two.clone(), three.clone(), nine.clone()]
    );
    // Forged signatures, as many as fit, replace neither the good ones nor those of unknown keys.
    let made_up = |at: u8| Signature {
        name: "x".to_owned(),
        id: [0, 0, 0, at],
        bytes: vec![0; 64],
    };
    let crowd: Vec<_> = (0..15).map(made_up).chain([one.clone()]).collect();
    node.install(&with(&crowd)).unwrap();
    assert_eq!(
        in_force().signatures[..4],
        [one.clone(), two.clone(), three.clone(), made_up(0)]
    );
    node.install(&with(&[nine.clone(), one.clone()])).unwrap();
    assert_eq!(in_force().signatures[..4], [one, two, three, nine]);
    assert_eq!((in_force().signatures.len(), node.known().version), (16, 1));
}

#[test]
fn without_a_keyset_or_with_a_broken_floor_nothing_is_installed() {
    let node = Node::new();
    node.install(&version(1)).unwrap();
    replace(&node.paths.floor, 0o644, b"").unwrap();
    let fault = "cannot use floor \"/node/var/lib/embargo/floor\": line 1: expected \"keyset NUMBER\" / remove it only if you know which list this node had last";
    assert_eq!(node.install(&version(2)).unwrap_err(), fault);
    fs::remove_file(&node.paths.keyset).unwrap();
    let fault = "cannot read \"/node/etc/embargo/keyset\" / put the keyset of your list there: embargoctl keyset new";
    assert_eq!(node.install(&version(2)).unwrap_err(), fault);
}

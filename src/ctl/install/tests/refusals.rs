//! Tests which lists are not installed, and what is reported to the system log.

use super::*;

#[test]
fn nothing_is_installed_over_what_cannot_be_looked_at() {
    let node = Node::new();
    node.install(&version(1)).unwrap();
    fs::remove_file(&node.paths.list).unwrap();
    let reported = "cannot read \"/node/var/lib/embargo/banlist.lst\": not a regular file / remove it: the list in force is a regular file";
    fs::create_dir(&node.paths.list).unwrap();
    assert_eq!(node.install(&version(2)).unwrap_err(), reported);
    fs::remove_dir(&node.paths.list).unwrap();
    nix::unistd::mkfifo(&node.paths.list, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(node.install(&version(2)).unwrap_err(), reported);
    fs::remove_file(&node.paths.list).unwrap();
    symlink(node.staged(&version(1)), &node.paths.list).unwrap();
    assert_eq!(
        node.install(&version(2)).unwrap_err(),
        reported.replace(": not a regular file", "")
    );
}

/// The installed list is a copy, so somebody who holds a hard link to the staged file cannot change
/// the installed list.
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
    // The list was copied to the node by hand, with enough signatures for a list that was not
    // installed.
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
    let sockets = Sockets::inside(node.directory.path());
    let journald = std::os::unix::net::UnixDatagram::bind(&sockets.journal).unwrap();
    journald.set_nonblocking(true).unwrap();
    let reported = |bytes: &[u8]| {
        _ = install(
            &node.staged(bytes),
            &node.at(ISSUED.plus(60)),
            Some(&sockets),
        );
        let mut record = [0; 8_192];
        let length = journald.recv(&mut record).unwrap_or(0);
        String::from_utf8(record[..length].to_vec()).unwrap()
    };
    let record = reported(&version(1));
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
    assert_eq!(reported(&version(1)), "");
    let record = reported(&without_images(2, &[3]));
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
    let record = reported(&signed(3, &[]));
    assert!(record.ends_with("EMBARGO_EVENT=list-refused\n"), "{record}");
    assert!(reported(&signed(3, &[1, 2])).contains("; signed by key-1, key-2\n"));
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
        assert_eq!(node.names(), FILES, "{fault}");
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

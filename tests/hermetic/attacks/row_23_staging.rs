//! Tests links, FIFOs, directories, sockets and devices in place of a list, a keyset, a floor or a
//! signature. The programs do not follow these files, do not wait for them, and do not read them
//! without end.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;

use super::node::{Answer, Node, keyset, text};
use super::signer::signer;

/// Creates something that is not a regular file; `false` if this user may not create it.
type Make = fn(&Path, &Path) -> bool;

/// Each kind, with a function that creates it at the first path. The second path is a real file
/// with the right content.
const KINDS: [(&str, Make); 7] = [
    ("symlink", |path, real| symlink(real, path).is_ok()),
    ("dangling symlink", |path, _| {
        symlink("nowhere", path).is_ok()
    }),
    ("FIFO", |path, _| {
        mkfifo(path, Mode::from_bits_truncate(0o666)).is_ok()
    }),
    ("directory", |path, _| fs::create_dir(path).is_ok()),
    ("socket", |path, _| UnixListener::bind(path).is_ok()),
    ("character device", |path, _| device(path, SFlag::S_IFCHR)),
    ("block device", |path, _| device(path, SFlag::S_IFBLK)),
];

/// A device that has no driver. Only root may create a device, and not on every machine.
fn device(path: &Path, kind: SFlag) -> bool {
    mknod(path, kind, Mode::from_bits_truncate(0o666), makedev(511, 0)).is_ok()
}

/// Calls `act` for each kind at `path`, and asserts that no call waits long.
fn each_kind(path: &Path, real: &Path, act: impl Fn(&str)) {
    for (kind, make) in KINDS {
        let began = Instant::now();
        if !make(path, real) {
            assert!(kind.ends_with("device"), "{kind}");
            continue;
        }
        act(kind);
        if kind == "directory" {
            fs::remove_dir(path).unwrap()
        } else {
            fs::remove_file(path).unwrap()
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{kind}");
    }
}

#[test]
fn each_kind_as_the_staged_list() {
    let node = Node::with_list(1);
    let (staged, real) = (node.room.path("staged.lst"), node.room.path("real.lst"));
    fs::rename(&staged, &real).unwrap();
    fs::write(&real, node.list(2).by(&[1])).unwrap();
    let before = node.everything();
    each_kind(&staged, &real, |kind| {
        let fault = node.run(&["install", "staged.lst"]).unwrap_err();
        assert!(
            fault.starts_with("cannot read \"staged.lst\""),
            "{kind}: {fault}"
        );
        assert!(node.everything() == before, "{kind}");
    });
    // A hard link is the same file, so it is accepted.
    fs::hard_link(&real, &staged).unwrap();
    node.run(&["install", "staged.lst"]).unwrap();
    assert_eq!(node.gate(), Answer::Banned(2));
    // Later changes of the staged file do not change the list in force.
    fs::write(&real, b"").unwrap();
    assert_eq!(node.gate(), Answer::Banned(2));
}

#[test]
fn each_kind_as_the_list_in_force() {
    let node = Node::trusting(&keyset(&[1], 1));
    let (list, real) = (node.state("banlist.lst"), node.room.path("real.lst"));
    fs::write(&real, node.list(1).by(&[1])).unwrap();
    each_kind(&list, &real, |kind| {
        assert!(
            matches!(node.gate(), Answer::NoList(fault) if fault.starts_with("cannot read \"/var/lib/embargo/banlist.lst\"")),
            "{kind}"
        );
    });
}

#[test]
fn each_kind_as_the_keyset() {
    let node = Node::with_list(1);
    let (path, real) = (
        node.room.path("node/etc/embargo/keyset"),
        node.room.path("real"),
    );
    fs::rename(&path, &real).unwrap();
    let staged = node.list(2).by(&[1]);
    each_kind(&path, &real, |kind| {
        let fault = node.install(&staged).unwrap_err();
        assert!(
            fault.starts_with("cannot read \"/node/etc/embargo/keyset\""),
            "{kind}: {fault}"
        );
        assert!(
            matches!(node.gate(), Answer::NoList(fault) if fault.starts_with("cannot read \"/etc/embargo/keyset\"")),
            "{kind}"
        );
    });
}

#[test]
fn each_kind_as_the_floor() {
    let node = Node::with_list(1);
    let (path, real) = (node.state("floor"), node.room.path("real"));
    fs::rename(&path, &real).unwrap();
    let staged = node.list(2).by(&[1]);
    each_kind(&path, &real, |kind| {
        let fault = node.install(&staged).unwrap_err();
        assert!(
            fault.starts_with("cannot read \"/node/var/lib/embargo/floor\""),
            "{kind}: {fault}"
        );
        assert!(
            matches!(node.gate(), Answer::NoList(fault) if fault.starts_with("cannot read \"/var/lib/embargo/floor\"")),
            "{kind}"
        );
    });
}

/// A signature's file may be a link, because the person who attaches the signature chose it.
/// Nothing else that is not a regular file is accepted.
#[test]
fn each_kind_as_a_signature() {
    let node = Node::trusting(&keyset(&[1], 1));
    let (unsigned, one) = (node.list(1).unsigned(), signer(1));
    fs::write(node.room.path("list.lst"), &unsigned).unwrap();
    fs::write(node.room.path("author.pub"), one.key_line("list")).unwrap();
    let (path, real) = (node.room.path("sig"), node.room.path("real"));
    fs::write(&real, one.raw(text(&unsigned).as_bytes())).unwrap();
    each_kind(&path, &real, |kind| {
        let attached = node.run(&[
            "list",
            "attach",
            "--key",
            "author.pub",
            "--signature",
            "sig",
            "list.lst",
        ]);
        let list = fs::read(node.room.path("list.lst")).unwrap();
        match kind {
            "symlink" => assert!(attached.is_ok() && list != unsigned, "{attached:?}"),
            _other => assert!(
                attached.unwrap_err().starts_with("cannot read \"sig\"") && list != unsigned,
                "{kind}"
            ),
        }
    });
}

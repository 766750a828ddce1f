//! Tests several installations at the same time, while containers start.

use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use embargo::banlist::ban::MatchKind;
use embargo::banlist::store::{self, Bans, Query, Rules};
use embargo::lineage::digest::Digest;
use embargo::paths::Paths;

use super::node::{Answer, BASE, Node, OTHER, keyset};

/// A node, and this many lists of rising versions on its disk, named `N.lst`. Each list bans the
/// base; every second list also bans another image.
fn node(lists: u64) -> Node {
    let node = Node::trusting(&keyset(&[1], 1));
    for version in 1..=lists {
        let list = node.list(version);
        let list = if version % 2 == 0 {
            list.banning("base", &[BASE, OTHER])
        } else {
            list
        };
        fs::write(node.room.path(&format!("{version}.lst")), list.by(&[1])).unwrap();
    }
    node
}

#[test]
fn installations_at_once_end_with_the_newest_list() {
    let node = node(8);
    let start = |version: u64| {
        let mut install = node.ctl(&["install", &format!("{version}.lst")]);
        (
            version,
            install
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap(),
        )
    };
    let started: Vec<_> = (1..=8)
        .flat_map(|version| [version, version])
        .map(start)
        .collect();
    for (version, install) in started {
        let output = install.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let is_late =
            said.starts_with(&format!("embargoctl: cannot go back to version {version} "));
        assert!(
            output.status.success() || (is_late && version < 8),
            "{version}: {said}"
        );
    }
    assert_eq!(node.gate(), Answer::Banned(8));
    assert!(
        fs::read_to_string(node.state("floor"))
            .unwrap()
            .starts_with("keyset 1\nversion 8\n")
    );
    assert!(node.names().iter().all(|name| {
        [".lock", "banlist.copy.lst", "banlist.lst", "floor"].contains(&name.as_str())
    }));
    // The first copy is unusable now, so the second copy must be used.
    node.put(b"torn");
    assert_eq!(node.gate(), Answer::BannedByCopy(8));
}

/// Two readers, the gate and a look-up alone, work while one list replaces another 200 times. Each
/// result comes wholly from one of the two lists, and never from an older list than the result
/// before.
#[test]
fn readers_during_200_installations_see_one_list_or_the_other() {
    const LISTS: u64 = 200;
    let node = node(LISTS);
    node.run(&["install", "1.lst"]).unwrap();
    let (stop, begun, done) = (AtomicBool::new(false), AtomicU64::new(1), AtomicU64::new(1));
    // Checks a result. The arguments also give the versions in force when the reader started and
    // ended.
    let holds = |before: u64, seen: u64, last: u64, after: u64| {
        assert!(before <= seen && last <= seen && seen <= after, "{seen}")
    };
    let reads = std::thread::scope(|scope| {
        let by_gate = scope.spawn(|| {
            let (mut last, mut reads) = (1, 0);
            while !stop.load(Ordering::SeqCst) {
                let before = done.load(Ordering::SeqCst);
                let Answer::Banned(seen) = node.gate() else {
                    panic!("not banned")
                };
                holds(before, seen, last, begun.load(Ordering::SeqCst));
                (last, reads) = (seen, reads + 1);
            }
            reads
        });
        let by_look_up = scope.spawn(|| {
            let (mut last, mut reads) = (1, 0);
            let paths = Paths::below(&node.room.path("node"));
            let query = |digest| Query {
                digest: Digest::parse(digest).unwrap(),
                kind: MatchKind::Base,
            };
            while !stop.load(Ordering::SeqCst) {
                let before = done.load(Ordering::SeqCst);
                let known =
                    match store::look_up(&paths, &Rules::default(), &[query(BASE), query(OTHER)]) {
                        Bans::Known(known) => known,
                        Bans::Missing(fault) => panic!("{fault}"),
                    };
                holds(before, known.version, last, begun.load(Ordering::SeqCst));
                assert!(
                    known.fault.is_none() && known.hits.len() as u64 == 2 - known.version % 2,
                    "{known:?}"
                );
                (last, reads) = (known.version, reads + 1);
            }
            reads
        });
        for version in 2..=LISTS {
            begun.store(version, Ordering::SeqCst);
            node.run(&["install", &format!("{version}.lst")]).unwrap();
            done.store(version, Ordering::SeqCst);
        }
        stop.store(true, Ordering::SeqCst);
        (by_gate.join().unwrap(), by_look_up.join().unwrap())
    });
    assert!(reads.0 > 50 && reads.1 > 1_000, "{reads:?}");
}

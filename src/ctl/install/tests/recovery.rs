//! Tests the state of a node after a failed or interrupted installation.

use super::*;
use crate::ctl::consequences::plan;

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
        // list in place of a newer list.
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
        assert_eq!(node.names(), FILES, "step {step}");
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
        // The next installation may also be of a third list. This installation is interrupted too,
        // after each of its steps, and one of the copies is lost before it starts.
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
            assert_eq!(node.names(), FILES, "step {step}, cut {cut}");
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

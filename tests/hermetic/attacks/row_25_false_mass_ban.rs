//! Tests that a list that would stop a whole fleet at its next restart is refused at installation,
//! where a person still reads the message. `integration/impact.bats` tests pause containers of
//! running pods, with real engines.

use super::node::{Answer, BASE, Node, OTHER, keyset, keyset_of};
use super::signer::signer;

#[test]
fn mass_ban() {
    let node = Node::trusting(&keyset(&[1], 1));
    node.install(&node.list(1).banning("base", &[OTHER]).by(&[1]))
        .unwrap();
    let running = node.running(4);
    let list = node.list(2);
    let fault = node.refuses(&list.by(&[1]));
    let said = "cannot install \"staged.lst\": 4 of the 4 running containers would not start again (web-1, web-1, web-1 and 1 more)";
    assert_eq!(
        fault,
        format!("{said}, which is more than max_impact = \"50%\"")
    );
    assert_eq!(node.gate(), Answer::Admitted);
    // The signers may acknowledge the impact.
    node.install(&node.list(2).acknowledged().by(&[1])).unwrap();
    assert_eq!(node.gate(), Answer::Banned(2));
    // The next version may undo a mistake.
    node.install(&node.list(3).banning("base", &[OTHER]).by(&[1]))
        .unwrap();
    assert_eq!(node.gate(), Answer::Admitted);
    drop(running);
    node.install(&node.list(4).by(&[1])).unwrap();
    assert_eq!(node.gate(), Answer::Banned(4));
}

/// Acknowledging the impact takes as many signers as lifting a ban. A thief with one key must not
/// be able to stop the fleet by acknowledging the impact.
#[test]
fn one_key_acknowledges_nothing() {
    let keys = [1, 2].map(|seed| signer(seed).key_line("list")).concat();
    let node = Node::trusting(&keyset_of(1, "root=0 list=1 lift=2", &keys));
    node.install(&node.list(1).banning("base", &[OTHER]).by(&[1]))
        .unwrap();
    let _running = node.running(4);
    let refused = node.refuses(&node.list(2).banning("base", &[OTHER, BASE]).by(&[1]));
    assert!(
        refused.starts_with(
            "cannot install \"staged.lst\": 4 of the 4 running containers would not start again ("
        ),
        "{refused}"
    );
    for thief in [&[1][..], &[1, 1], &[2]] {
        assert_eq!(
            node.refuses(
                &node
                    .list(2)
                    .banning("base", &[OTHER, BASE])
                    .acknowledged()
                    .by(thief)
            ),
            refused
        );
    }
    node.install(
        &node
            .list(2)
            .banning("base", &[OTHER, BASE])
            .acknowledged()
            .by(&[1, 2]),
    )
    .unwrap();
    assert_eq!(node.gate(), Answer::Banned(2));
}

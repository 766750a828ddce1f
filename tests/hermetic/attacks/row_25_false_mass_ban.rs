//! A list that would take a fleet down at its next restart: it is stopped at the installation, where somebody still reads the message. Pause containers
//! of running pods, with the engines that make them: `integration/impact.bats`.

use super::node::{Answer, Node, OTHER, keyset};

#[test]
fn mass_ban() {
    let node = Node::trusting(&keyset(&[1], 1));
    node.install(&node.list(1).banning("base", &[OTHER]).by(&[1])).unwrap();
    let running = node.running(4);
    let list = node.list(2);
    let fault = node.refuses(&list.by(&[1]));
    let said = "cannot install \"staged.lst\": 4 of the 4 running containers would not start again (web-1, web-1, web-1 and 1 more)";
    assert_eq!(fault, format!("{said}, which is more than max_impact = \"50%\""));
    assert_eq!(node.gate(), Answer::Admitted);
    // The signers may know what they do.
    node.install(&node.list(2).acknowledged().by(&[1])).unwrap();
    assert_eq!(node.gate(), Answer::Banned(2));
    // And a mistake is undone by the next version.
    node.install(&node.list(3).banning("base", &[OTHER]).by(&[1])).unwrap();
    assert_eq!(node.gate(), Answer::Admitted);
    drop(running);
    node.install(&node.list(4).by(&[1])).unwrap();
    assert_eq!(node.gate(), Answer::Banned(4));
}

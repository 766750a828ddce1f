//! Tests what happens when newer lists are withheld and the list in force grows old. All its bans
//! still hold, no start fails because of the list's age, and the age is reported.

use embargo::sys::clock::Timestamp;

use super::clock::{DAY, at};
use super::node::{Answer, BASE, Node, OTHER, keyset};

/// A node whose list was issued at this time and expires 14 days later.
fn node(issued: Timestamp, banned: &str) -> Node {
    let node = Node::trusting(&keyset(&[1], 1));
    node.put(
        &node
            .list(412)
            .times(issued, issued.plus(14 * DAY))
            .banning("base", &[banned])
            .by(&[1]),
    );
    node
}

/// The gate's verdict, and the list's age according to `check`, this many days after the list was
/// issued.
fn after(node: &Node, issued: Timestamp, days: u64) -> (Answer, &'static str) {
    let now = issued.plus(days * DAY);
    (node.answer(at(now, &mut node.create())), node.age_at(now))
}

#[test]
fn plus_13_d_15_d_60_d() {
    let issued = Timestamp::parse("2026-11-20T14:00:00Z").unwrap();
    let (bans, admits) = (node(issued, BASE), node(issued, OTHER));
    for (days, age) in [
        (0, "fresh"),
        (13, "fresh"),
        (15, "stale"),
        (43, "stale"),
        (60, "overdue"),
    ] {
        assert_eq!(
            after(&bans, issued, days),
            (Answer::Banned(412), age),
            "+{days} d"
        );
        assert_eq!(
            after(&admits, issued, days),
            (Answer::Admitted, age),
            "+{days} d"
        );
    }
}

/// A list past its grace period refuses other containers only if the operator chose so in the
/// settings.
#[test]
fn plus_60_d_where_overdue_lists_refuse() {
    let issued = Timestamp::parse("2026-11-20T14:00:00Z").unwrap();
    let node = node(issued, OTHER);
    node.set("on_overdue_list = \"refuse\"");
    for days in [13, 15, 43] {
        assert_eq!(after(&node, issued, days).0, Answer::Admitted, "+{days} d");
    }
    assert_eq!(
        after(&node, issued, 60).0,
        Answer::Refused("the ban list is overdue since 2027-01-03; list 412".to_owned())
    );
    // The next list ends the refusals, even if it is old itself: a newer list is never worse.
    let issued = Timestamp::parse("2026-11-21T14:00:00Z").unwrap();
    let late = node
        .list(413)
        .times(issued, issued.plus(70 * DAY))
        .banning("base", &[OTHER])
        .by(&[1]);
    node.install(&late).unwrap();
    assert_eq!(after(&node, issued, 60).0, Answer::Admitted);
}

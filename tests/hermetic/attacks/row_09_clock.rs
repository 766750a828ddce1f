//! Tests a clock that was never set, or that is far off. Such a clock lifts no ban, makes no list
//! look fresh, and by itself refuses nothing.

use embargo::sys::clock::Timestamp;

use super::clock::{DAY, at};
use super::node::{Answer, BASE, Node, OTHER, keyset, keyset_of, rotated};
use super::signer::signer;

const ISSUED: &str = "2026-11-20T14:00:00Z";

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// Clocks, and the list's age according to each clock.
const CLOCKS: [(&str, &str); 10] = [
    ("1970-01-01T00:00:00Z", "untold"),
    ("1970-01-01T00:00:01Z", "untold"),
    ("2000-01-01T00:00:00Z", "untold"),
    ("2026-11-19T13:59:59Z", "untold"),
    ("2026-11-19T14:00:00Z", "fresh"),
    ("2026-12-04T13:59:59Z", "fresh"),
    ("2026-12-04T14:00:00Z", "stale"),
    ("2038-01-19T03:14:08Z", "overdue"),
    ("2099-12-31T23:59:59Z", "overdue"),
    ("2106-02-07T06:28:16Z", "overdue"),
];

#[test]
fn clock_matrix() {
    for (banned, answer) in [(BASE, Answer::Banned(412)), (OTHER, Answer::Admitted)] {
        let node = Node::trusting(&keyset(&[1], 1));
        let issued = time(ISSUED);
        node.put(
            &node
                .list(412)
                .times(issued, issued.plus(14 * DAY))
                .banning("base", &[banned])
                .by(&[1]),
        );
        for (clock, age) in CLOCKS {
            assert_eq!(
                node.answer(at(time(clock), &mut node.create())),
                answer,
                "{clock}"
            );
            assert_eq!(node.age_at(time(clock)), age, "{clock}");
        }
    }
}

/// Bans and exceptions are judged by the latest signed time. So a clock turned back to before a ban
/// does not lift the ban, and a clock turned back to before the end of an exception does not renew
/// the exception.
#[test]
fn a_clock_turned_back_lifts_no_ban_and_renews_no_exception() {
    let node = Node::trusting(&keyset(&[1], 1));
    let ban = format!(
        "[[ban]]\nid = \"BAN-1\"\nreason = \"why\"\nseverity = \"high\"\neffective = 2026-11-01\n[[ban.match]]\nbase = \"{BASE}\"\n\
         [[ban.except]]\nbase = \"{BASE}\"\nuntil = 2026-11-10\nreason = \"moving\"\n"
    );
    let issued = time(ISSUED);
    node.put(
        &node
            .list(412)
            .times(issued, issued.plus(14 * DAY))
            .source(ban)
            .by(&[1]),
    );
    for clock in [
        "1970-01-01T00:00:00Z",
        "2026-10-01T00:00:00Z",
        "2026-11-09T00:00:00Z",
        ISSUED,
    ] {
        assert_eq!(
            node.answer(at(time(clock), &mut node.create())),
            Answer::Banned(412),
            "{clock}"
        );
    }
}

/// The time at which the list in force was issued is the earliest possible time. Both copies of the
/// list prove this time.
#[test]
fn the_floor_is_a_time_floor() {
    let node = Node::trusting(&keyset(&[1], 1));
    let ban = format!(
        "[[ban]]\nid = \"BAN-1\"\nreason = \"why\"\nseverity = \"high\"\neffective = 2026-11-15\n[[ban.match]]\nbase = \"{BASE}\"\n"
    );
    let (early, late) = (time("2026-11-10T00:00:00Z"), time(ISSUED));
    for (version, issued) in [(411, early), (412, late)] {
        node.install(
            &node
                .list(version)
                .times(issued, issued.plus(14 * DAY))
                .source(ban.clone())
                .by(&[1]),
        )
        .unwrap();
    }
    node.put(b"torn");
    assert_eq!(
        node.answer(at(time("1970-01-01T00:00:00Z"), &mut node.create())),
        Answer::BannedByCopy(412)
    );
}

/// A list from the future would move the time that the node assumes forward for good, so the list
/// is not installed. A clock that was never set cannot show that a list is from the future.
#[test]
fn a_list_from_the_future_is_not_installed_by_a_clock_that_was_set() {
    let node = Node::trusting(&keyset(&[1], 1));
    let issued = time("2099-01-01T00:00:00Z");
    let list = node.list(1).times(issued, issued.plus(14 * DAY)).by(&[1]);
    for clock in ["2026-11-20T14:00:00Z", "2098-12-30T23:59:59Z"] {
        let fault = node.install_at(time(clock), &list).unwrap_err();
        assert_eq!(
            fault,
            "cannot install \"staged.lst\": it is issued at 2099-01-01T00:00:00Z, more than a day from now"
        );
    }
    node.install_at(time("2098-12-31T00:00:00Z"), &list)
        .unwrap();
}

/// With a stolen list key, a node whose clock was never set must not be moved to the end of time:
/// each ban that lapses, and each exception, would be over for good.
#[test]
fn a_clock_that_was_never_set_lets_no_list_in_that_its_keyset_does_not_outlast() {
    let node = Node::with_list(412);
    let ban = format!(
        "[[ban]]\nid = \"BAN-1\"\nreason = \"why\"\nseverity = \"high\"\neffective = 2026-11-01\nlapses = 2029-01-01\n\
         [[ban.match]]\nbase = \"{BASE}\"\n"
    );
    for issued in ["2028-11-01T00:00:01Z", "9999-01-01T00:00:00Z"] {
        let list = node
            .list(413)
            .times(time(issued), time(issued).plus(14 * DAY))
            .source(ban.clone())
            .by(&[1]);
        let fault = node
            .install_at(time("1970-01-01T00:01:00Z"), &list)
            .unwrap_err();
        let said = "after the keyset expires, and the clock of this node cannot be trusted";
        assert_eq!(
            fault,
            format!("cannot install \"staged.lst\": it is issued at {issued}, {said}")
        );
    }
    assert_eq!(node.gate(), Answer::Banned(412));
}

/// The first list of a node, and the first list of a later keyset, set the earliest possible time.
/// The earliest possible time is at least the time that the root keys signed, whatever a list key
/// signed.
#[test]
fn no_list_takes_the_time_floor_away() {
    let ban = format!(
        "[[ban]]\nid = \"BAN-1\"\nreason = \"why\"\nseverity = \"high\"\neffective = 2026-10-15\n[[ban.match]]\nbase = \"{BASE}\"\n"
    );
    let keys = |seeds: &[u8]| {
        seeds
            .iter()
            .map(|seed| signer(*seed).key_line("list"))
            .collect::<String>()
    };
    let root = signer(5).key_line("root");
    let node = Node::trusting(&keyset_of(
        1,
        "root=1 list=1 lift=1",
        &(root.clone() + &keys(&[1, 2])),
    ));
    let (boot, zero) = (time("1970-01-01T00:01:00Z"), time("1970-01-01T00:00:00Z"));
    let early = |version| {
        node.list(version)
            .times(zero, zero.plus(14 * DAY))
            .source(ban.clone())
    };
    node.install(&early(1).by(&[2])).unwrap();
    assert_eq!(node.answer(at(boot, &mut node.create())), Answer::Banned(1));
    let next = rotated(
        &keyset_of(2, "root=1 list=1 lift=1", &(root + &keys(&[2, 3]))),
        &[5],
    );
    node.rotate(&[&next], &[]).unwrap();
    node.install(&early(1).keyset(2).by(&[3])).unwrap();
    assert_eq!(node.answer(at(boot, &mut node.create())), Answer::Banned(1));
}

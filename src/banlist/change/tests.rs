//! Tests that every way to make a ban less strict is a lift, and that nothing else is.

use std::path::Path;

use super::*;
use crate::banlist::bytes::Reader;
use crate::banlist::head::{Claim, HEAD_SIZE};
use crate::banlist::testing::{digest, list, parse, terms};

mod catalogue;
mod strictness;
mod whole_lists;

/// The time from which bans are compared in these tests.
const AT: Timestamp = Timestamp::from_seconds(1_795_183_200);

fn head_of(bytes: &[u8]) -> crate::banlist::head::Head {
    Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap())
        .unwrap()
        .head
}

fn compared(old: &[u8], new: &[u8], at: Timestamp) -> Result<Change, String> {
    let (old_head, new_head) = (head_of(old), head_of(new));
    let old = Reader {
        path: Path::new("old"),
        bytes: old,
    };
    let new = Reader {
        path: Path::new("new"),
        bytes: new,
    };
    let whole = WholeList::open(&old, &old_head)
        .and_then(|old| compare(old, WholeList::open(&new, &new_head)?, at));
    whole.map_err(|fault| fault.to_string())
}

/// The change from one source to another.
fn between(old: &str, new: &str) -> Change {
    let [old, new] = [old, new].map(|source| list(&parse(source), &terms(1), &[]));
    compared(&old, &new, AT).unwrap()
}

/// The text of a ban with these lines, for the bases `digest(n)` with `n` in `bases`.
fn ban(id: &str, lines: &str, bases: &[u64]) -> String {
    let matches: String = bases
        .iter()
        .map(|base| format!("[[ban.match]]\nbase = \"{}\"\n", digest(*base)))
        .collect();
    // Lines with keys of the ban must come before the tables of the ban.
    let (own, tables) = lines
        .split_once("\n[")
        .map_or((lines, String::new()), |(own, rest)| {
            (own, format!("[{rest}"))
        });
    let defaults = [
        ("reason", "\"why\""),
        ("severity", "\"high\""),
        ("effective", "2026-11-20"),
    ];
    let defaults = defaults
        .iter()
        .filter(|(key, _)| !own.contains(&format!("{key} =")));
    let defaults: String = defaults
        .map(|(key, value)| format!("{key} = {value}\n"))
        .collect();
    format!("[[ban]]\nid = \"{id}\"\n{defaults}{own}\n{tables}\n{matches}")
}

fn except(kind: &str, what: u64, until: &str) -> String {
    format!(
        "\n[[ban.except]]\n{kind} = \"{}\"\nuntil = {until}\nreason = \"moving\"\n",
        digest(what)
    )
}

fn ids(changes: &[BanChange]) -> Vec<&str> {
    changes
        .iter()
        .map(|change| change.ban.id.as_str())
        .collect()
}

/// The IDs of the lifted, the added and the changed bans.
fn sorted_ids(change: &Change) -> [Vec<&str>; 3] {
    [
        ids(&change.lifted),
        ids(&change.added),
        ids(&change.changed),
    ]
}

#[test]
fn what_is_past_weakens_nothing() {
    let with = |lines: &str| ban("BAN-1", lines, &[1]);
    for (was, now) in [
        // Both bans are in effect at [`AT`].
        ("effective = 2026-11-01", "effective = 2026-11-20"),
        // At [`AT`], the exception has ended, and so has the ban.
        ("", &*except("image", 7, "2026-11-20T14:00:00Z")),
        (
            "lapses = 2026-11-20T14:00:00Z",
            "lapses = 2026-11-20T13:00:00Z\naction = \"warn\"",
        ),
    ] {
        let change = between(&with(was), &with(now));
        assert_eq!(
            (change.is_lift(), change.changed.len()),
            (false, 1),
            "{was} -> {now}"
        );
    }
    // If one of these times is a second later, the change is a lift.
    for (was, now) in [
        ("effective = 2026-11-01", "effective = 2026-11-20T14:00:01Z"),
        ("", &*except("image", 7, "2026-11-20T14:00:01Z")),
        (
            "lapses = 2026-11-20T14:00:01Z",
            "lapses = 2026-11-20T13:00:00Z",
        ),
    ] {
        assert!(between(&with(was), &with(now)).is_lift(), "{was} -> {now}");
    }
    // The time of the comparison also matters.
    let [old, new] = [
        with("effective = 2026-11-01"),
        with("effective = 2026-11-20"),
    ]
    .map(|source| list(&parse(&source), &terms(1), &[]));
    assert!(
        compared(&old, &new, Timestamp::from_seconds(0))
            .unwrap()
            .is_lift()
    );
}

#[test]
fn a_ban_that_has_lapsed_may_go() {
    let lapsed = ban("BAN-1", "lapses = 2026-11-20T14:00:00Z", &[1]);
    let change = between(&(lapsed + &ban("BAN-2", "", &[2])), &ban("BAN-2", "", &[2]));
    assert_eq!(sorted_ids(&change), [vec![], vec![], vec!["BAN-1"]]);
    assert_eq!(
        (
            change.changed[0].status,
            change.changed[0].dropped.all,
            change.digests_lifted
        ),
        (BanStatus::Expired, 1, 0)
    );
    let ends_later = ban("BAN-1", "lapses = 2026-11-20T14:00:01Z", &[1]);
    assert!(
        between(
            &(ends_later + &ban("BAN-2", "", &[2])),
            &ban("BAN-2", "", &[2])
        )
        .is_lift()
    );
}

/// No gate that has the new list assumes a time before that list was issued.
#[test]
fn a_ban_that_the_new_lists_issue_ends_early_is_lifted() {
    let hour = 3_600;
    let lapsing =
        |id: &str, hours: u64| ban(id, &format!("lapses = {}", AT.plus(hours * hour)), &[1]);
    let issued = |source: &str, hours: u64| {
        let issued = AT.plus(hours * hour);
        list(
            &parse(source),
            &crate::banlist::terms::HeadTerms {
                issued,
                expires: issued.plus(86_400),
                ..terms(2)
            },
            &[],
        )
    };
    let old = issued(&lapsing("BAN-1", 20), 0);
    for (new, hours, lifts) in [
        (lapsing("BAN-1", 20), 19, false),
        (lapsing("BAN-1", 20), 20, true),
        (lapsing("BAN-1", 20), 23, true),
        (lapsing("BAN-1", 22), 23, true),
        (lapsing("BAN-1", 24), 23, false),
        (ban("BAN-1", "", &[1]), 23, false),
        (lapsing("BAN-2", 20), 23, true),
        (lapsing("BAN-1", 20) + &ban("BAN-2", "", &[1]), 23, false),
    ] {
        let change = compared(&old, &issued(&new, hours), AT).unwrap();
        assert_eq!(change.is_lift(), lifts, "{hours}: {new}");
    }
    let change = compared(&old, &issued(&lapsing("BAN-1", 20), 23), AT).unwrap();
    let text: Vec<_> = change.lifted[0]
        .alterations
        .iter()
        .map(|one| (one.to_string(), one.weakens))
        .collect();
    assert_eq!(
        text,
        [(
            "ends early: the list is issued after it lapses".to_owned(),
            true
        )]
    );
    // A ban that has lapsed by the clock was not ended by the new list.
    assert!(
        !compared(&old, &issued(&lapsing("BAN-1", 20), 23), AT.plus(20 * hour))
            .unwrap()
            .is_lift()
    );
}

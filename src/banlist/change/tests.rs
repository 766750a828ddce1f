//! Tests that each way to weaken a ban is a lift, and that nothing else is.

use std::path::Path;

use super::*;
use crate::banlist::bytes::Reader;
use crate::banlist::head::{Claim, HEAD_SIZE};
use crate::banlist::testing::{digest, list, parse, terms};

/// The time from which the comparison counts in these tests.
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

/// The change between two sources.
fn between(old: &str, new: &str) -> Change {
    let [old, new] = [old, new].map(|source| list(&parse(source), &terms(1), &[]));
    compared(&old, &new, AT).unwrap()
}

/// A ban with these lines, of the base `digest(n)` for each of `bases`.
fn ban(id: &str, lines: &str, bases: &[u64]) -> String {
    let matches: String = bases
        .iter()
        .map(|base| format!("[[ban.match]]\nbase = \"{}\"\n", digest(*base)))
        .collect();
    // Lines of the ban itself come before its tables.
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

/// The three lists of IDs.
fn sorted_ids(change: &Change) -> [Vec<&str>; 3] {
    [
        ids(&change.lifted),
        ids(&change.added),
        ids(&change.changed),
    ]
}

#[test]
fn each_weakening_of_a_ban_lifts_it_and_each_strengthening_only_changes_it() {
    let until = |until| except("image", 7, until);
    let cure = |layers: &[u64]| {
        format!(
            "cure = {:?}",
            layers
                .iter()
                .map(|layer| digest(*layer).to_string())
                .collect::<Vec<_>>()
        )
    };
    let seven = digest(7);
    let rows: Vec<(String, String, &str, &str)> = [
        // The text of the weaker ban, that of the stricter one, and the words for the change to the
        // weaker and back.
        (
            "action = \"warn\"".to_owned(),
            String::new(),
            "action refuse -> warn".to_owned(),
            "action warn -> refuse".to_owned(),
        ),
        (
            "effective = 2026-12-01".to_owned(),
            String::new(),
            "effective 2026-11-20T00:00:00Z -> 2026-12-01T00:00:00Z".to_owned(),
            "effective 2026-12-01T00:00:00Z -> 2026-11-20T00:00:00Z".to_owned(),
        ),
        (
            "lapses = 2027-01-01".to_owned(),
            String::new(),
            "lapses never -> 2027-01-01T00:00:00Z".to_owned(),
            "lapses 2027-01-01T00:00:00Z -> never".to_owned(),
        ),
        (
            "lapses = 2027-01-01".to_owned(),
            "lapses = 2027-01-02".to_owned(),
            "lapses 2027-01-02T00:00:00Z -> 2027-01-01T00:00:00Z".to_owned(),
            "lapses 2027-01-01T00:00:00Z -> 2027-01-02T00:00:00Z".to_owned(),
        ),
        (
            until("2026-12-01"),
            String::new(),
            format!("exception for image {seven} until 2026-12-01T00:00:00Z added"),
            format!("exception for image {seven} dropped"),
        ),
        (
            until("2026-12-02"),
            until("2026-12-01"),
            format!(
                "exception for image {seven} until 2026-12-01T00:00:00Z -> 2026-12-02T00:00:00Z"
            ),
            format!(
                "exception for image {seven} until 2026-12-02T00:00:00Z -> 2026-12-01T00:00:00Z"
            ),
        ),
        (
            cure(&[7]),
            String::new(),
            format!("cure {seven} added"),
            format!("cure {seven} dropped"),
        ),
        (
            cure(&[8, 7]),
            cure(&[8]),
            format!("cure {seven} added"),
            format!("cure {seven} dropped"),
        ),
    ]
    .map(|(weak, strict, there, back)| (weak, strict, there.leak() as &str, back.leak() as &str))
    .into();
    for (weak, strict, there, back) in rows {
        let (weak, strict) = (ban("BAN-1", &weak, &[1, 2]), ban("BAN-1", &strict, &[1, 2]));
        let change = between(&strict, &weak);
        assert_eq!(
            sorted_ids(&change),
            [vec!["BAN-1"], vec![], vec![]],
            "{there}"
        );
        assert!(change.is_lift());
        let lifted = &change.lifted[0];
        assert_eq!(
            lifted
                .alterations
                .iter()
                .map(|alteration| (alteration.to_string(), alteration.weakens))
                .collect::<Vec<_>>(),
            [(there.to_owned(), true)]
        );
        assert_eq!(
            (
                lifted.lifted.all,
                lifted.lifted.base,
                lifted.dropped.all,
                change.digests_lifted,
                change.digests_added
            ),
            (2, 2, 0, 2, 0)
        );
        let change = between(&weak, &strict);
        assert_eq!(
            sorted_ids(&change),
            [vec![], vec![], vec!["BAN-1"]],
            "{back}"
        );
        let changed = &change.changed[0];
        assert_eq!(
            changed
                .alterations
                .iter()
                .map(|alteration| (alteration.to_string(), alteration.weakens))
                .collect::<Vec<_>>(),
            [(back.to_owned(), false)]
        );
        assert_eq!(
            (
                change.is_lift(),
                change.digests_lifted,
                change.digests_added
            ),
            (false, 0, 0)
        );
    }
}

#[test]
fn an_exception_for_another_thing_or_kind_is_not_covered() {
    let was = ban("BAN-1", &except("image", 7, "2026-12-01"), &[1]);
    for (now, dropped) in [
        (except("image", 8, "2026-11-30"), 7),
        (except("base", 7, "2026-11-30"), 7),
    ] {
        let change = between(&was, &ban("BAN-1", &now, &[1]));
        assert!(change.is_lift(), "{now}");
        assert_eq!(
            change.lifted[0].alterations[1].to_string(),
            format!("exception for image {} dropped", digest(dropped))
        );
    }
}

#[test]
fn texts_about_a_ban_change_it_and_lift_nothing() {
    let was = ban("BAN-1", "advisories = [\"CVE-2026-1\"]", &[1]);
    for (now, text) in [
        (
            "advisories = [\"CVE-2026-1\"]\nseverity = \"low\"",
            "severity high -> low",
        ),
        (
            "advisories = [\"CVE-2026-1\"]\nreason = \"because\"",
            "reason \"why\" -> \"because\"",
        ),
        ("", "advisories \"CVE-2026-1\" -> none"),
        (
            "advisories = [\"CVE-2026-1\"]\nsuccessor = \"base:2\"",
            "successor none -> \"base:2\"",
        ),
        (
            "advisories = [\"CVE-2026-1\"]\n[ban.patch]\nrun = [\"true\"]\n",
            "patch changed",
        ),
    ] {
        let change = between(&was, &ban("BAN-1", now, &[1]));
        assert_eq!(
            sorted_ids(&change),
            [vec![], vec![], vec!["BAN-1"]],
            "{text}"
        );
        assert_eq!(
            change.changed[0]
                .alterations
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            [text]
        );
    }
    let named = was.replace("[[ban.match]]\n", "[[ban.match]]\nname = \"base:1\"\n");
    let change = between(&was, &named);
    assert_eq!(
        (
            change.is_lift(),
            change.changed[0].alterations[0].to_string().as_str()
        ),
        (false, "names changed")
    );
    let ticket = |ticket: &str| ban("BAN-1", &(except("image", 7, "2026-12-01") + ticket), &[1]);
    let change = between(&ticket(""), &ticket("ticket = \"OPS-1\"\n"));
    let text = format!(
        "reason or ticket of the exception for image {} changed",
        digest(7)
    );
    assert_eq!(
        (
            change.is_lift(),
            change.changed[0].alterations[0].to_string()
        ),
        (false, text)
    );
    assert_eq!(
        sorted_ids(&between(&was, &was)),
        [[""; 0].to_vec(), vec![], vec![]]
    );
}

#[test]
fn what_is_past_weakens_nothing() {
    let with = |lines: &str| ban("BAN-1", lines, &[1]);
    for (was, now) in [
        // Both in effect by then.
        ("effective = 2026-11-01", "effective = 2026-11-20"),
        // Ended by then: the exception, the ban.
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
    // One second later each of them counts.
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
    // And the time of the comparison matters.
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
fn a_ban_that_goes_lifts_unless_others_ban_the_same_as_strictly() {
    let one = |bases: &[u64]| ban("BAN-1", "", bases);
    let two = |lines: &str, bases: &[u64]| ban("BAN-2", lines, bases);
    let three = one(&[1, 2, 3]);
    // The ban is gone, and what it banned with it.
    let change = between(&(one(&[1, 2]) + &two("", &[9])), &two("", &[9]));
    assert_eq!(sorted_ids(&change), [vec!["BAN-1"], vec![], vec![]]);
    assert_eq!(
        (
            change.lifted[0].status,
            change.lifted[0].lifted.all,
            change.lifted[0].heirs.len()
        ),
        (BanStatus::Removed, 2, 0)
    );
    // One of its digests is gone.
    let change = between(&three, &one(&[1, 3]));
    assert_eq!(
        (
            change.lifted[0].status,
            change.lifted[0].dropped.all,
            change.digests_lifted
        ),
        (BanStatus::Kept, 1, 1)
    );
    // It has another name.
    let change = between(&three, &two("", &[1, 2, 3]));
    assert_eq!(sorted_ids(&change), [vec![], vec!["BAN-2"], vec!["BAN-1"]]);
    assert_eq!(
        (change.changed[0].status, change.changed[0].heirs.as_slice()),
        (BanStatus::Removed, &["BAN-2".to_owned()][..])
    );
    assert_eq!((change.added[0].added.all, change.digests_added), (3, 0));
    // Another name, and one digest less.
    assert_eq!(between(&three, &two("", &[1, 2])).lifted[0].lifted.all, 1);
    // It is split in two, and merged again.
    let split = one(&[1]) + &two("", &[2, 3]);
    let change = between(&three, &split);
    assert_eq!(sorted_ids(&change), [vec![], vec!["BAN-2"], vec!["BAN-1"]]);
    assert_eq!(
        (
            change.changed[0].status,
            change.changed[0].dropped.all,
            change.changed[0].heirs.len()
        ),
        (BanStatus::Kept, 2, 1)
    );
    let change = between(&split, &three);
    assert_eq!(
        sorted_ids(&change),
        [vec![], vec![], vec!["BAN-1", "BAN-2"]]
    );
    assert_eq!(
        (change.changed[0].added.all, change.changed[1].status),
        (2, BanStatus::Removed)
    );
    // Two bans have it, and one of them goes.
    let both = one(&[1]) + &two("", &[1]);
    for (rest, lifts) in [
        (two("", &[1]), false),
        (two("action = \"warn\"", &[1]), true),
        (two("lapses = 2027-01-01", &[1]), true),
    ] {
        assert_eq!(between(&both, &rest).is_lift(), lifts, "{rest}");
    }
    // A strict and a weak ban have it: without the weak one it is as strict as before, without the
    // strict one it is not.
    let mixed = one(&[1]) + &two("action = \"warn\"", &[1]);
    assert_eq!(
        sorted_ids(&between(&mixed, &one(&[1]))),
        [vec![], vec![], vec!["BAN-2"]]
    );
    assert_eq!(
        sorted_ids(&between(&mixed, &two("action = \"warn\"", &[1]))),
        [vec!["BAN-1"], vec![], vec![]]
    );
    // A weaker ban that is added takes nothing away.
    assert_eq!(
        sorted_ids(&between(&one(&[1]), &mixed)),
        [vec![], vec!["BAN-2"], vec![]]
    );
    // Two bans of which one follows the other hold only together, so this counts as lifted: the
    // safe side.
    let halves = one(&[1]).replace("2026-11-20", "2026-12-24") + &two("lapses = 2026-12-24", &[1]);
    assert!(between(&one(&[1]), &halves).is_lift());
}

#[test]
fn kinds_are_kept_each_for_itself() {
    let as_kinds = |kinds: &[&str]| {
        let matches: String = kinds
            .iter()
            .map(|kind| format!("[[ban.match]]\n{kind} = \"{}\"\n", digest(1)))
            .collect();
        ban("BAN-1", "", &[]) + &matches
    };
    let change = between(&as_kinds(&["base", "layer"]), &as_kinds(&["base", "image"]));
    let lifted = &change.lifted[0];
    assert_eq!(
        (
            lifted.lifted.all,
            lifted.lifted.layer,
            lifted.lifted.base,
            lifted.added.image,
            lifted.added.base
        ),
        (1, 1, 0, 1, 0)
    );
    assert_eq!((change.digests_lifted, change.digests_added), (1, 1));
    assert!(!between(&as_kinds(&["base"]), &as_kinds(&["base", "image"])).is_lift());
    assert!(between(&as_kinds(&["layer"]), &as_kinds(&["base"])).is_lift());
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

/// The new list's issue is the earliest time that it can be now wherever the list is.
#[test]
fn a_ban_that_the_new_lists_issue_ends_early_is_lifted() {
    let hour = 3_600;
    let lapsing =
        |id: &str, hours: u64| ban(id, &format!("lapses = {}", AT.plus(hours * hour)), &[1]);
    let issued = |source: &str, hours: u64| {
        let issued = AT.plus(hours * hour);
        list(
            &parse(source),
            &crate::banlist::compile::HeadTerms {
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
    // What had lapsed by the clock had ended anyway.
    assert!(
        !compared(&old, &issued(&lapsing("BAN-1", 20), 23), AT.plus(20 * hour))
            .unwrap()
            .is_lift()
    );
}

/// Compares it with a comparison digest by digest, without lines, pairs or a memory.
#[test]
fn any_two_lists_differ_as_their_digests_do_one_by_one() {
    let mut random = 7_u64;
    let mut roll = |sides: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % sides
    };
    let variants = [
        "",
        "action = \"warn\"",
        "lapses = 2027-01-01",
        "effective = 2026-12-01",
        "lapses = 2026-11-19T00:00:00Z\neffective = 2026-11-01",
    ];
    for round in 0..60 {
        let mut source = |bans: u64| {
            let bans = (0..bans).map(|number| {
                let mut bases: Vec<_> = (0..40).filter(|_| roll(3) == 0).collect();
                bases.push(100 + number);
                (
                    format!("BAN-{number}"),
                    variants[usize::try_from(roll(variants.len() as u64)).unwrap()],
                    bases,
                )
            });
            bans.collect::<Vec<_>>()
        };
        let (old, new) = (source(round % 4 + 1), source(round % 5 + 1));
        let text = |bans: &[(String, &str, Vec<u64>)]| {
            bans.iter()
                .map(|(id, lines, bases)| ban(id, lines, bases))
                .collect::<String>()
        };
        let (old_source, new_source) = (parse(&text(&old)), parse(&text(&new)));
        let change = between(&text(&old), &text(&new));
        let mut lifted: Vec<(&str, u64)> = Vec::new();
        for ((id, _, bases), ban) in old.iter().zip(&old_source.bans) {
            let is_lost = |base: &&u64| {
                let held = new
                    .iter()
                    .zip(&new_source.bans)
                    .any(|((_, _, bases), new)| bases.contains(base) && is_as_strict(new, ban, AT));
                !held && !has_lapsed(ban, AT)
            };
            let lost = bases.iter().filter(is_lost).count() as u64;
            lifted.extend((lost > 0).then_some((id.as_str(), lost)));
        }
        let found: Vec<_> = change
            .lifted
            .iter()
            .map(|change| (change.ban.id.as_str(), change.lifted.all))
            .collect();
        assert_eq!(found, lifted, "round {round}");
        // Every lift without a dropped digest says why.
        for change in change
            .lifted
            .iter()
            .filter(|change| change.dropped.all == 0)
        {
            assert!(
                change
                    .alterations
                    .iter()
                    .any(|alteration| alteration.weakens),
                "round {round}: {change:?}"
            );
        }
    }
}

#[test]
fn nothing_is_reported_about_a_list_that_is_not_whole() {
    let bytes = |bases: &[u64]| list(&parse(&ban("BAN-1", "", bases)), &terms(1), &[]);
    let (old, new) = (
        bytes(&(0..60).collect::<Vec<_>>()),
        bytes(&(0..70).collect::<Vec<_>>()),
    );
    for at in (HEAD_SIZE..old.len()).step_by(7) {
        let mut broken = old.clone();
        broken[at] ^= 1;
        assert!(
            compared(&broken, &new, AT).unwrap_err().contains("\"old\""),
            "byte {at}"
        );
        assert!(
            compared(&new, &broken, AT).unwrap_err().contains("\"new\""),
            "byte {at}"
        );
    }
}

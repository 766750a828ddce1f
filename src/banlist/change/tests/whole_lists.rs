//! Tests whole lists in which bans are removed, lapse, or pass their digests to other bans.

use super::*;

#[test]
fn a_ban_that_goes_lifts_unless_others_ban_the_same_as_strictly() {
    let one = |bases: &[u64]| ban("BAN-1", "", bases);
    let two = |lines: &str, bases: &[u64]| ban("BAN-2", lines, bases);
    let three = one(&[1, 2, 3]);
    // The ban is removed, with all its digests.
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
    // One digest of the ban is removed.
    let change = between(&three, &one(&[1, 3]));
    assert_eq!(
        (
            change.lifted[0].status,
            change.lifted[0].dropped.all,
            change.digests_lifted
        ),
        (BanStatus::Kept, 1, 1)
    );
    // The ban gets another ID.
    let change = between(&three, &two("", &[1, 2, 3]));
    assert_eq!(sorted_ids(&change), [vec![], vec!["BAN-2"], vec!["BAN-1"]]);
    assert_eq!(
        (change.changed[0].status, change.changed[0].heirs.as_slice()),
        (BanStatus::Removed, &["BAN-2".to_owned()][..])
    );
    assert_eq!((change.added[0].added.all, change.digests_added), (3, 0));
    // The ban gets another ID and loses one digest.
    assert_eq!(between(&three, &two("", &[1, 2])).lifted[0].lifted.all, 1);
    // The ban is split into two, and merged again.
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
    // Two bans cover a digest, and one of them is removed.
    let both = one(&[1]) + &two("", &[1]);
    for (rest, lifts) in [
        (two("", &[1]), false),
        (two("action = \"warn\"", &[1]), true),
        (two("lapses = 2027-01-01", &[1]), true),
    ] {
        assert_eq!(between(&both, &rest).is_lift(), lifts, "{rest}");
    }
    // A strict and a weak ban cover a digest. Removing the weak ban lifts nothing; removing the
    // strict ban lifts the digest.
    let mixed = one(&[1]) + &two("action = \"warn\"", &[1]);
    assert_eq!(
        sorted_ids(&between(&mixed, &one(&[1]))),
        [vec![], vec![], vec!["BAN-2"]]
    );
    assert_eq!(
        sorted_ids(&between(&mixed, &two("action = \"warn\"", &[1]))),
        [vec!["BAN-1"], vec![], vec![]]
    );
    // Adding a weaker ban lifts nothing.
    assert_eq!(
        sorted_ids(&between(&one(&[1]), &mixed)),
        [vec![], vec!["BAN-2"], vec![]]
    );
    // Two bans cover the digest only together: one begins when the other ends. The digest is
    // treated as lifted, which is the safe result.
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

/// Compares the result with that of a plain comparison, digest by digest, without entry lines,
/// pairs or remembered results.
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
        // If a ban lifts digests but drops none, an alteration says why.
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

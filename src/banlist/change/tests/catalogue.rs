//! Tests that everything that the catalogue permits anew is a lift, and that nothing else is.

use super::*;
use crate::banlist::catalogue::CatalogueBase;
use crate::banlist::testing::with_catalogue;
use crate::lineage::digest::Digest;

fn base(id: &str, only_for: &[&str]) -> CatalogueBase {
    CatalogueBase {
        id: id.to_owned(),
        names: vec![format!("docker.io/library/{id}")],
        support_until: None,
        successor: None,
        only_for: only_for
            .iter()
            .map(|project| (*project).to_owned())
            .collect(),
    }
}

/// A catalogue: bases and the numbers of their digests.
type Bases<'a> = &'a [(&'a CatalogueBase, &'a [u64])];

/// What is changed, the catalogue before and after, whether the change is a lift, and how many
/// entries are added and removed.
type Case<'a> = (&'a str, Bases<'a>, Bases<'a>, bool, (u64, u64));

fn built(bases: Bases<'_>) -> Vec<u8> {
    let mut owned = Vec::new();
    for (base, numbers) in bases {
        let digests: Vec<Digest> = numbers.iter().map(|number| digest(*number)).collect();
        owned.push((*base, digests));
    }
    let bases: Vec<_> = owned
        .iter()
        .map(|(base, digests)| (*base, &digests[..]))
        .collect();
    with_catalogue(&parse(&ban("BAN-1", "", &[1])), &bases, &[])
}

fn from_to(old: Bases<'_>, new: Bases<'_>) -> Change {
    compared(&built(old), &built(new), AT).unwrap()
}

#[test]
fn what_the_catalogue_permits_anew_is_a_lift() {
    let (everybody, one, two) = (
        &base("debian", &[]),
        &base("debian", &["a"]),
        &base("debian", &["a", "b"]),
    );
    let other = &base("alpine", &[]);
    let cases: [Case<'_>; 10] = [
        (
            "the same",
            &[(everybody, &[5])],
            &[(everybody, &[5])],
            false,
            (0, 0),
        ),
        ("a first base", &[], &[(everybody, &[5])], true, (1, 0)),
        (
            "a digest more",
            &[(everybody, &[5])],
            &[(everybody, &[5, 6])],
            true,
            (1, 0),
        ),
        (
            "a digest less",
            &[(everybody, &[5, 6])],
            &[(everybody, &[5])],
            false,
            (0, 1),
        ),
        (
            "a project more",
            &[(one, &[5])],
            &[(two, &[5])],
            true,
            (1, 0),
        ),
        (
            "a project less",
            &[(two, &[5])],
            &[(one, &[5])],
            false,
            (0, 1),
        ),
        (
            "for everybody",
            &[(two, &[5])],
            &[(everybody, &[5])],
            true,
            (1, 0),
        ),
        (
            "for projects",
            &[(everybody, &[5])],
            &[(two, &[5])],
            false,
            (0, 1),
        ),
        (
            "another ID",
            &[(everybody, &[5])],
            &[(other, &[5])],
            false,
            (0, 0),
        ),
        (
            "the last base gone",
            &[(everybody, &[5])],
            &[],
            true,
            (0, 1),
        ),
    ];
    for (case, old, new, is_lift, counts) in cases {
        let change = from_to(old, new);
        assert_eq!(change.is_lift(), is_lift, "{case}");
        let CatalogueChange {
            permitted,
            withdrawn,
            has_ended,
            ..
        } = change.catalogue;
        assert_eq!((permitted, withdrawn), counts, "{case}");
        assert_eq!(has_ended, new.is_empty(), "{case}");
        assert!(
            change.lifted.is_empty() && change.digests_added == 0,
            "{case}"
        );
    }
}

#[test]
fn each_base_that_differs_is_named_with_its_digests() {
    let change = from_to(
        &[
            (&base("gone", &[]), &[5, 6]),
            (&base("debian", &["a"]), &[7, 8]),
        ],
        &[
            (&base("debian", &["b"]), &[8, 9, 10]),
            (&base("new", &[]), &[5]),
        ],
    );
    let bases: Vec<_> = change
        .catalogue
        .bases
        .iter()
        .map(|base| (base.base.id.as_str(), base.status, base.added, base.dropped))
        .collect();
    assert_eq!(
        bases,
        [
            ("debian", BaseStatus::Kept, 2, 1),
            ("new", BaseStatus::Added, 1, 0),
            ("gone", BaseStatus::Removed, 0, 2),
        ]
    );
    let [only_for] = &change.catalogue.bases[0].alterations[..] else {
        panic!("{change:?}")
    };
    assert_eq!(
        (only_for.to_string().as_str(), only_for.weakens),
        ("only_for \"a\" -> \"b\"", true)
    );
}

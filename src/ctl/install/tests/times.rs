//! Tests how an installation judges times and keysets.

use super::*;

#[test]
fn bad_signatures_and_an_expiry_are_reported() {
    let node = Node::new();
    let old = HeadTerms {
        issued: Timestamp::from_seconds(0),
        expires: Timestamp::from_seconds(86_400),
        ..terms(1)
    };
    let mut bytes = list(&source(&[("base", digest(1))]), &old, &[1]);
    let mut claim = Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap()).unwrap();
    claim.signatures.push(key(2).signature("another text\n"));
    bytes[..HEAD_SIZE].copy_from_slice(&claim.block().unwrap());
    assert_eq!(
        node.install(&bytes).unwrap(),
        "installed version 1 for bans.example.com/prod: 1 ban, 1 digest\n\
         beside 1 good signatures 1 do not verify: embargoctl list verify says which\n\
         it expired at 1970-01-02T00:00:00Z: it is enforced all the same, and reported as stale\n"
    );
}

#[test]
fn a_keyset_that_expires_soon_is_reported_and_changes_nothing() {
    let node = Node::new();
    let old = Keyset {
        expires: ISSUED.plus(90 * 86_400),
        ..keyset(&[1, 2, 3], 1)
    };
    replace(&node.paths.keyset, 0o644, old.text().as_bytes()).unwrap();
    assert_eq!(
        node.install(&version(1)).unwrap(),
        "installed version 1 for bans.example.com/prod: 1 ban, 2 digests\n\
         keyset 1 expires at 2027-02-18T14:00:00Z, in 89 days: it stays in force; make the next one: embargoctl keyset next\n"
    );
}

#[test]
fn a_later_keyset_starts_the_time_floor_again_as_it_does_the_versions() {
    let node = Node::new();
    let far = HeadTerms {
        issued: Timestamp::parse("2099-01-01").unwrap(),
        expires: Timestamp::parse("2099-02-01").unwrap(),
        ..terms(900)
    };
    let staged = node.staged(&list(&source(&[("base", digest(1))]), &far, &[1]));
    // A thief's list is installed while the node's clock is far in the future.
    install(&staged, &node.at(far.issued), None).unwrap();
    node.install(&version(901)).unwrap();
    assert_eq!(node.floor().issued, far.issued);
    replace(
        &node.paths.keyset,
        0o644,
        Keyset {
            number: 2,
            ..keyset(&[1, 2, 3], 1)
        }
        .text()
        .as_bytes(),
    )
    .unwrap();
    let images: Vec<_> = (1..=901)
        .map(|version| ("image", digest(1_000 + version)))
        .chain([("base", digest(1))])
        .collect();
    let next = HeadTerms {
        edition: Edition {
            keyset: 2,
            version: 1,
        },
        ..terms(1)
    };
    node.install(&list(&source(&images), &next, &[1])).unwrap();
    assert_eq!(
        (node.floor().edition, node.floor().issued),
        (next.edition, ISSUED)
    );
}

#[test]
fn a_clock_that_was_never_set_judges_nothing() {
    let node = Node::new();
    let staged = node.staged(&version(1));
    for now in [
        Timestamp::from_seconds(0),
        Timestamp::parse("2026-10-31").unwrap(),
    ] {
        super::dry_run(&staged, &node.at(now)).unwrap();
    }
    // If the clock is behind the list in force, the clock is wrong, and a new list is accepted.
    node.install(&version(1)).unwrap();
    let staged = node.staged(&version(2));
    super::dry_run(&staged, &node.at(Timestamp::parse("2026-11-02").unwrap())).unwrap();
    // No list may be issued after its keyset expires, whatever the clock says.
    let expires = keyset(&[1], 1).expires;
    let fault = "cannot install \"/staged.lst\": it is issued at 2028-11-19T14:00:01Z, after the keyset expires, and the clock of this node cannot be trusted";
    for clock in ["1970-01-01", "2026-11-02"] {
        let clock = Timestamp::parse(clock).unwrap();
        let told = |seconds| {
            let issued = expires.plus(seconds);
            let terms = HeadTerms {
                issued,
                expires: issued.plus(60),
                ..terms(2)
            };
            let staged = node.staged(&list(
                &source(&[("base", digest(1)), ("image", digest(1_001))]),
                &terms,
                &[1],
            ));
            super::dry_run(&staged, &node.at(clock)).map_err(|error| {
                (
                    error
                        .to_string()
                        .replace(node.directory.path().to_str().unwrap(), ""),
                    error.hint().map(str::to_owned),
                )
            })
        };
        told(0).unwrap();
        assert_eq!(
            told(1).unwrap_err(),
            (
                fault.to_owned(),
                Some(format!("this node's clock says {clock}: set it"))
            )
        );
    }
}

#[test]
fn the_time_floor_starts_no_earlier_than_the_keyset() {
    let node = Node::new();
    let old = HeadTerms {
        issued: Timestamp::from_seconds(0),
        ..terms(1)
    };
    node.install(&list(&source(&[("base", digest(1))]), &old, &[1]))
        .unwrap();
    assert_eq!(node.floor().issued, keyset(&[1], 1).issued);
}

#[test]
fn a_list_in_force_that_comes_again_loses_no_signature() {
    let node = Node::new();
    let with = |signatures: &[Signature]| {
        let mut bytes = version(1);
        let claim = Claim {
            signatures: signatures.to_vec(),
            ..Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap()).unwrap()
        };
        bytes[..HEAD_SIZE].copy_from_slice(&claim.block().unwrap());
        bytes
    };
    let in_force = || {
        Claim::parse(
            file::read(&node.paths.list, 1 << 20, Guard::Owned).unwrap()[..HEAD_SIZE]
                .try_into()
                .unwrap(),
        )
        .unwrap()
    };
    let text = Claim::parse(version(1)[..HEAD_SIZE].try_into().unwrap())
        .unwrap()
        .text;
    let [one, two, three, nine] = [1, 2, 3, 9].map(|seed| key(seed).signature(&text));
    node.install(&with(&[one.clone(), two.clone()])).unwrap();
    let inode = || fs::metadata(&node.paths.list).unwrap().ino();
    let before = inode();
    for fewer in [
        &[two.clone()][..],
        std::slice::from_ref(&one),
        &[two.clone(), one.clone()],
        &[
            two.clone(),
            Signature {
                name: "bob".to_owned(),
                ..one.clone()
            },
        ],
    ] {
        assert!(
            node.install(&with(fewer))
                .unwrap()
                .starts_with("already in force: version 1 ")
        );
        assert_eq!(
            (inode(), in_force().signatures),
            (before, vec![one.clone(), two.clone()])
        );
    }
    // New signatures are added to the present ones, even by a key that this node does not know yet.
    assert!(
        node.install(&with(std::slice::from_ref(&three)))
            .unwrap()
            .starts_with("installed version 1 ")
    );
    assert_eq!(
        in_force().signatures,
        [one.clone(), two.clone(), three.clone()]
    );
    node.install(&with(&[nine.clone(), one.clone()])).unwrap();
    assert_eq!(
        in_force().signatures,
        [one.clone(), two.clone(), three.clone(), nine.clone()]
    );
    // Forged signatures, as many as fit, replace neither the good signatures nor those of unknown
    // keys.
    let made_up = |at: u8| Signature {
        name: "x".to_owned(),
        id: [0, 0, 0, at],
        bytes: vec![0; 64],
    };
    let crowd: Vec<_> = (0..15).map(made_up).chain([one.clone()]).collect();
    node.install(&with(&crowd)).unwrap();
    assert_eq!(
        in_force().signatures[..4],
        [one.clone(), two.clone(), three.clone(), made_up(0)]
    );
    node.install(&with(&[nine.clone(), one.clone()])).unwrap();
    assert_eq!(in_force().signatures[..4], [one, two, three, nine]);
    assert_eq!((in_force().signatures.len(), node.known().version), (16, 1));
}

#[test]
fn without_a_keyset_or_with_a_broken_floor_nothing_is_installed() {
    let node = Node::new();
    node.install(&version(1)).unwrap();
    replace(&node.paths.floor, 0o644, b"").unwrap();
    let fault = "cannot use floor \"/node/var/lib/embargo/floor\": line 1: expected \"keyset NUMBER\" / remove it only if you know which list this node had last";
    assert_eq!(node.install(&version(2)).unwrap_err(), fault);
    fs::remove_file(&node.paths.keyset).unwrap();
    let fault = "cannot read \"/node/etc/embargo/keyset\" / put the keyset of your list there: embargoctl keyset new";
    assert_eq!(node.install(&version(2)).unwrap_err(), fault);
}

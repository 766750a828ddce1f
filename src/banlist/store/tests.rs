//! Tests a node's list under attack: each test is named for what holds against one attack.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::bytes::ReadAt;
use super::super::floor::Edition;
use super::super::record::MAX_MATCHES;
use super::super::section::{MAX_BLOCKS, MAX_START};
use super::super::testing::{ISSUED, digest, key, keyset, list, parse, source, terms};
use super::super::whole;
use super::*;
use crate::sys::file::FileError;
use crate::sys::replace::replace;

/// A node below its own directory.
struct TestNode {
    directory: tempfile::TempDir,
    paths: Paths,
}

impl TestNode {
    /// A node whose keyset has keys 1, 2 and 3, of which `threshold` must sign.
    fn new(threshold: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::below(directory.path());
        fs::create_dir_all(paths.keyset.parent().unwrap()).unwrap();
        fs::create_dir_all(&paths.state).unwrap();
        fs::set_permissions(&paths.state, fs::Permissions::from_mode(0o755)).unwrap();
        let node = Self { directory, paths };
        node.put(
            &node.paths.keyset,
            keyset(&[1, 2, 3], threshold).text().as_bytes(),
        );
        node
    }

    fn put(&self, path: &Path, bytes: &[u8]) {
        assert!(path.starts_with(self.directory.path()));
        replace(path, 0o644, bytes).unwrap();
    }

    fn list(&self, bytes: &[u8]) {
        self.put(&self.paths.list, bytes);
    }

    fn floor(&self, version: u64, text: &str) {
        let floor = Floor {
            edition: Edition { keyset: 1, version },
            head: Digest::of(text.as_bytes()),
            issued: ISSUED,
            next: None,
        };
        self.put(&self.paths.floor, floor.text().as_bytes());
    }

    fn ask(&self, number: u64) -> Bans {
        look_up(&self.paths, &Rules::default(), &[base(number)])
    }

    /// The fault, with the node's directory cut out of it.
    fn fault(&self) -> String {
        match self.ask(1) {
            Bans::Missing(fault) => self.without_directory(&fault),
            Bans::Known(known) => panic!("{known:?}"),
        }
    }

    fn without_directory(&self, fault: &ListError) -> String {
        fault
            .to_string()
            .replace(self.directory.path().to_str().unwrap(), "")
    }
}

fn base(number: u64) -> Query {
    Query {
        digest: digest(number),
        kind: MatchKind::Base,
    }
}

fn banned(numbers: &[u64]) -> super::super::source::Source {
    source(
        &numbers
            .iter()
            .map(|number| ("base", digest(*number)))
            .collect::<Vec<_>>(),
    )
}

/// The text of a list's head.
fn head_text(bytes: &[u8]) -> String {
    Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap())
        .unwrap()
        .text
}

fn known(bans: Bans) -> ListAnswer {
    match bans {
        Bans::Known(known) => known,
        Bans::Missing(fault) => panic!("{fault}"),
    }
}

#[test]
fn a_digest_is_found_as_the_kinds_it_is_banned_as_with_its_bans() {
    let source = parse(&format!(
        "[[ban]]\nid = \"A\"\nreason = \"a\"\nseverity = \"low\"\neffective = 2026-11-20\n\
         [[ban.match]]\nbase = \"{0}\"\nname = \"debian:12.4\"\nplatform = \"linux/amd64\"\n[[ban.match]]\nlayer = \"{1}\"\n\
         [[ban]]\nid = \"B\"\nreason = \"b\"\nseverity = \"high\"\neffective = 2026-11-20\n[[ban.match]]\nbase = \"{0}\"\n[[ban.match]]\nlayer = \"{0}\"\n",
        digest(1),
        digest(2)
    ));
    let node = TestNode::new(1);
    node.list(&list(&source, &terms(1), &[1]));
    let query = |number, kind| Query {
        digest: digest(number),
        kind,
    };
    use MatchKind::{Base, Image, Layer};
    let queries = [
        query(9, Base),
        query(2, Layer),
        query(1, Base),
        query(1, Image),
        query(1, Layer),
        query(2, Base),
        query(1, Base),
    ];
    let found = known(look_up(&node.paths, &Rules::default(), &queries));
    let hits: Vec<_> = found
        .hits
        .iter()
        .map(|hit| {
            (
                hit.digest,
                hit.kind,
                hit.name.as_deref(),
                hit.ban.id.as_str(),
            )
        })
        .collect();
    let name = Some("debian:12.4");
    let both = [(digest(1), Base, name, "A"), (digest(1), Base, None, "B")];
    assert_eq!(
        hits,
        [
            &[(digest(2), Layer, None, "A")][..],
            &both,
            &[(digest(1), Layer, None, "B")],
            &both
        ]
        .concat()
    );
    assert_eq!(found.hits[1].platform.as_deref(), Some("linux/amd64"));
    assert_eq!(
        (found.keyset, found.version, found.issued, found.expires),
        (1, 1, ISSUED, ISSUED.plus(14 * 86_400))
    );
    assert_eq!(
        (found.slot, found.floor_issued, found.bad_signatures),
        (Slot::Current, None, 0)
    );
}

#[test]
fn an_empty_list_bans_nothing() {
    let node = TestNode::new(1);
    node.list(&list(&parse(""), &terms(1), &[1]));
    assert_eq!(known(node.ask(1)).hits, []);
}

#[test]
fn a_list_needs_enough_signatures_by_keys_of_the_keyset() {
    let node = TestNode::new(2);
    let text = |good, bad, unknown| {
        format!(
            "cannot trust list \"/var/lib/embargo/banlist.lst\": {good} of 2 trusted signatures ({bad} bad, {unknown} by unknown keys)"
        )
    };
    for (signers, fault) in [
        (&[][..], Some("cannot trust list \"/var/lib/embargo/banlist.lst\": not signed, and 2 trusted signatures needed".to_owned())),
        (&[1], Some(text(1, 0, 0))),
        (&[1, 9], Some(text(1, 0, 1))),
        (&[8, 9], Some(text(0, 0, 2))),
        (&[1, 1], Some(text(1, 0, 0))),
        (&[1, 2], None),
        (&[3, 1], None),
        (&[9, 1, 8, 3], None),
        (&[1, 2, 3], None),
    ] {
        node.list(&list(&banned(&[1]), &terms(1), signers));
        match fault {
            Some(fault) => assert_eq!(node.fault(), fault, "{signers:?}"),
            None => assert_eq!(known(node.ask(1)).hits.len(), 1, "{signers:?}"),
        }
    }
}

#[test]
fn a_bad_signature_beside_enough_good_ones_is_skipped_and_counted() {
    let node = TestNode::new(1);
    let mut bytes = list(&banned(&[1]), &terms(1), &[1]);
    let mut claim = Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap()).unwrap();
    let mut bad = key(2).signature(&claim.text);
    bad.bytes[0] ^= 1;
    claim.signatures.insert(0, bad);
    bytes[..HEAD_SIZE].copy_from_slice(&claim.block().unwrap());
    node.list(&bytes);
    let found = known(node.ask(1));
    assert_eq!((found.hits.len(), found.bad_signatures), (1, 1));
}

#[test]
fn rows_4_and_13_a_list_for_another_origin_is_refused() {
    let node = TestNode::new(1);
    let other = super::super::compile::HeadTerms {
        origin: "bans.example.com/staging".to_owned(),
        ..terms(1)
    };
    node.list(&list(&banned(&[1]), &other, &[1]));
    let fault = "cannot use list \"/var/lib/embargo/banlist.lst\": it is for \"bans.example.com/staging\", not for \"bans.example.com/prod\"";
    assert_eq!(node.fault(), fault);
    // The settings can only name the keyset's origin.
    node.list(&list(&banned(&[1]), &terms(1), &[1]));
    let rules = Rules {
        origin: Some("bans.example.com/staging".to_owned()),
        min_version: 0,
    };
    assert!(matches!(
        look_up(&node.paths, &rules, &[base(1)]),
        Bans::Missing(ListError::Origin(..))
    ));
}

#[test]
fn an_older_list_is_refused() {
    let node = TestNode::new(1);
    let (old, new) = (
        list(&banned(&[2]), &terms(411), &[1]),
        list(&banned(&[1]), &terms(412), &[1]),
    );
    node.floor(412, &head_text(&new));
    node.list(&new);
    assert_eq!(known(node.ask(1)).floor_issued, Some(ISSUED));
    node.list(&old);
    assert_eq!(
        node.fault(),
        "cannot go back to version 411 (keyset 1) of the list, in \"/var/lib/embargo/banlist.lst\": this node had version 412 (keyset 1)"
    );
    // A newer list than the floor: the installer was interrupted before it raised the floor.
    node.list(&list(&banned(&[1]), &terms(413), &[1]));
    assert_eq!(known(node.ask(1)).version, 413);
    let rules = Rules {
        origin: None,
        min_version: 414,
    };
    let Bans::Missing(fault) = look_up(&node.paths, &rules, &[base(1)]) else {
        panic!()
    };
    assert_eq!(
        node.without_directory(&fault),
        "cannot use list \"/var/lib/embargo/banlist.lst\": version 413 is below min_version 414"
    );
}

#[test]
fn another_list_of_the_same_version_is_refused() {
    let node = TestNode::new(1);
    let (first, second) = (
        list(&banned(&[1]), &terms(412), &[1]),
        list(&banned(&[2]), &terms(412), &[1]),
    );
    node.floor(412, &head_text(&first));
    node.list(&second);
    assert_eq!(
        node.fault(),
        "cannot trust list \"/var/lib/embargo/banlist.lst\": version 412 (keyset 1) was installed with other content"
    );
    // More signatures on the same text are the same list.
    node.list(&list(&banned(&[1]), &terms(412), &[2, 1]));
    assert_eq!(known(node.ask(1)).hits.len(), 1);
}

/// A keyset of keys 1, 2 and 3: one signs a list, two sign one that lifts a ban.
fn two_lift() -> Keyset {
    Keyset {
        lift_threshold: 2,
        ..keyset(&[1, 2, 3], 1)
    }
}

#[test]
fn a_list_that_was_not_installed_must_be_signed_like_one_that_lifts_bans() {
    let node = TestNode::new(1);
    node.put(&node.paths.keyset, two_lift().text().as_bytes());
    // A node that never had a list has no ban to lift.
    let (kept, installed) = (
        list(&banned(&[1]), &terms(411), &[1]),
        list(&banned(&[1]), &terms(412), &[1]),
    );
    node.list(&installed);
    assert_eq!(known(node.ask(1)).version, 412);
    // Through an installation it needs the list threshold, both before and after the last step.
    let floor = |next| {
        let head = Digest::of(head_text(&installed).as_bytes());
        let floor = Floor {
            edition: Edition {
                keyset: 1,
                version: 412,
            },
            head,
            issued: ISSUED,
            next,
        };
        node.put(&node.paths.floor, floor.text().as_bytes());
    };
    floor(None);
    assert_eq!(known(node.ask(1)).version, 412);
    let (stolen, vetted) = (
        list(&banned(&[2]), &terms(413), &[1]),
        list(&banned(&[2]), &terms(413), &[1, 3]),
    );
    node.list(&stolen);
    let fault = "cannot trust list \"/var/lib/embargo/banlist.lst\": it was not installed, so it must be signed like one that lifts bans: \
                 1 of 2 trusted signatures (0 bad, 0 by unknown keys)";
    assert_eq!(node.fault(), fault);
    node.list(&vetted);
    assert_eq!(known(node.ask(1)).version, 413);
    floor(Some(Digest::of(head_text(&stolen).as_bytes())));
    node.list(&stolen);
    assert_eq!(known(node.ask(1)).version, 413);
    // The place of the second copy is no way around it, and a list that was installed needs no more
    // there than before.
    floor(None);
    node.put(&node.paths.copy, &stolen);
    assert_eq!(node.fault(), fault);
    node.put(&node.paths.copy, &kept);
    assert_eq!(node.fault(), fault);
    node.put(&node.paths.list, b"torn");
    node.put(&node.paths.copy, &installed);
    let stand_in = known(node.ask(1));
    assert_eq!((stand_in.version, stand_in.slot), (412, Slot::Copy));
    // In the place of the current one an older list is a rollback; with too few signatures even to
    // add a ban, that is the fault reported.
    node.put(&node.paths.list, &kept);
    fs::remove_file(&node.paths.copy).unwrap();
    assert!(node.fault().starts_with("cannot go back to version 411"));
    node.list(&list(&banned(&[2]), &terms(413), &[9]));
    assert!(
        node.fault()
            .ends_with(": 0 of 1 trusted signatures (0 bad, 1 by unknown keys)"),
        "{}",
        node.fault()
    );
}

#[test]
fn an_older_list_in_the_first_place_never_answers_for_a_newer_copy() {
    let node = TestNode::new(1);
    let [older, newer] =
        [411, 412].map(|version| list(&banned(&[version - 410]), &terms(version), &[1]));
    let floor = |version, head: &[u8], next: Option<&[u8]>| {
        let digest = |list| Digest::of(head_text(list).as_bytes());
        let floor = Floor {
            edition: Edition { keyset: 1, version },
            head: digest(head),
            issued: ISSUED,
            next: next.map(digest),
        };
        node.put(&node.paths.floor, floor.text().as_bytes());
    };
    node.list(&older);
    node.put(&node.paths.copy, &newer);
    // Without a floor, and with that of a list before both.
    let before = list(&banned(&[3]), &terms(410), &[1]);
    for case in 0..2 {
        if case == 1 {
            floor(410, &before, None);
        }
        let found = known(node.ask(2));
        assert_eq!(
            (found.version, found.slot, found.hits.len()),
            (412, Slot::Copy, 1),
            "{case}"
        );
        let fault = "cannot go back to version 411 (keyset 1) of the list, in \"/var/lib/embargo/banlist.lst\": this node had version 412 (keyset 1)";
        assert_eq!(
            node.without_directory(&found.fault.unwrap()),
            fault,
            "{case}"
        );
        // A newer one that is torn is no reason to go back either.
        let mut torn = newer.clone();
        torn[HEAD_SIZE + 40] ^= 1;
        node.put(&node.paths.copy, &torn);
        assert!(
            node.fault().contains("banlist.copy.lst"),
            "{case}: {}",
            node.fault()
        );
        node.put(&node.paths.copy, &newer);
    }
    // The list that the floor names is in force until another is installed whole. A copy that is no
    // newer, or is not a list, changes nothing.
    for next in [None, Some(newer.as_slice())] {
        floor(411, &older, next);
        let found = known(node.ask(1));
        assert_eq!((found.version, found.fault.is_none()), (411, true));
    }
    fs::remove_file(&node.paths.floor).unwrap();
    for other in [older.as_slice(), before.as_slice(), b"torn", b""] {
        node.put(&node.paths.copy, other);
        let found = known(node.ask(1));
        assert_eq!(
            (found.version, found.slot, found.fault.is_none()),
            (411, Slot::Current, true)
        );
    }
}

#[test]
fn without_a_floor_a_copy_that_one_key_signed_lifts_nothing() {
    let node = TestNode::new(1);
    node.put(&node.paths.keyset, two_lift().text().as_bytes());
    node.list(&list(&banned(&[1]), &terms(411), &[1]));
    for (signers, version) in [(&[1][..], 411), (&[1, 3], 412), (&[9], 411)] {
        node.put(&node.paths.copy, &list(&banned(&[2]), &terms(412), signers));
        let found = known(node.ask(1));
        assert_eq!(
            (found.version, found.hits.len()),
            (version, usize::from(version == 411)),
            "{signers:?}"
        );
    }
}

/// Keyset and floor are read before an installation, the list after it.
#[test]
fn a_list_that_is_installed_during_the_look_up_is_trusted() {
    let node = TestNode::new(1);
    node.put(&node.paths.keyset, two_lift().text().as_bytes());
    let lists = [1, 2].map(|digest| list(&banned(&[digest]), &terms(411 + digest), &[1]));
    let texts = [0, 1].map(|number| head_text(&lists[number]));
    // NotInstalled, and, as after restoring a snapshot, Rollback and Equivocation.
    for (version, text) in [(412, &*texts[0]), (414, "another\n"), (413, "another\n")] {
        node.floor(version, text);
        let before = Trust::load(&node.paths, &Rules::default()).unwrap();
        node.put(&node.paths.copy, &lists[1]);
        node.list(&lists[1]);
        node.floor(413, &texts[1]);
        let found = known(look_up_by(before, &node.paths, &[base(2)], Budget::Start));
        assert_eq!(
            (
                found.slot,
                found.version,
                found.hits.len(),
                found.fault.is_none()
            ),
            (Slot::Current, 413, 1, true),
            "{version}"
        );
    }
    // A keyset that came with the list.
    let before = Trust::load(&node.paths, &Rules::default()).unwrap();
    node.put(
        &node.paths.keyset,
        Keyset {
            number: 2,
            ..two_lift()
        }
        .text()
        .as_bytes(),
    );
    let edition = Edition {
        keyset: 2,
        version: 1,
    };
    let newer = list(
        &banned(&[2]),
        &super::super::compile::HeadTerms {
            edition,
            ..terms(1)
        },
        &[1, 2],
    );
    node.list(&newer);
    assert_eq!(
        known(look_up_by(before, &node.paths, &[base(2)], Budget::Start)).version,
        1
    );
}

#[test]
fn the_bans_of_a_digest_are_reported_once_each_whatever_their_names() {
    let matched = |name: usize| {
        format!(
            "[[ban.match]]\nbase = \"{}\"\nname = \"n{name:02}\"\n",
            digest(1)
        )
    };
    let ban = |id| {
        format!(
            "[[ban]]\nid = \"{id}\"\nreason = \"a\"\nseverity = \"low\"\neffective = 2026-11-20\n"
        )
    };
    let names: String = (0..40).map(matched).collect();
    let bytes = list(
        &parse(&(ban("A") + &names + &ban("B") + &matched(0))),
        &terms(1),
        &[1],
    );
    let node = TestNode::new(1);
    node.list(&bytes);
    let hits = known(node.ask(1)).hits;
    let described: Vec<_> = hits
        .iter()
        .map(|hit| (hit.ban.id.as_str(), hit.name.as_deref()))
        .collect();
    assert_eq!(described, [("A", Some("n00")), ("B", Some("n00"))]);
}

#[test]
fn an_entry_with_more_matches_than_can_be_is_malformed() {
    let entry = |matches: usize| {
        format!(
            "{{\"matches\":[{}]}}",
            vec![r#"{"kind":"base","ban":0}"#; matches].join(",")
        )
    };
    for (matches, is_entry) in [
        (0, false),
        (1, true),
        (64, true),
        (65, false),
        (4_001, false),
    ] {
        assert_eq!(
            super::super::record::ListEntry::parse(entry(matches).as_bytes()).is_some(),
            is_entry,
            "{matches}"
        );
    }
}

#[test]
fn ff_then_rotate_recovers() {
    let node = TestNode::new(1);
    let edition = |keyset, version| super::super::compile::HeadTerms {
        edition: Edition { keyset, version },
        ..terms(1)
    };
    let had = list(&banned(&[1]), &terms(412), &[1]);
    node.floor(412, &head_text(&had));
    let jump = "in \"/var/lib/embargo/banlist.lst\": more than 1048576 above version 412 (keyset 1), the highest that this node had";
    // The row of the table, and the highest version that the thief of a key can reach at once.
    for (version, fault) in [
        (u64::MAX, true),
        (412 + MAX_JUMP + 1, true),
        (412 + MAX_JUMP, false),
    ] {
        node.list(&list(&banned(&[1]), &terms(version), &[1]));
        match fault {
            true => assert_eq!(
                node.fault(),
                format!("cannot go to version {version} (keyset 1) of the list, {jump}")
            ),
            false => assert_eq!(known(node.ask(1)).version, version),
        }
    }
    // A floor at its maximum takes no newer list of this keyset; the next keyset starts again, and
    // may not jump either.
    node.floor(u64::MAX, "head\n");
    node.list(&list(&banned(&[1]), &terms(u64::MAX - 1), &[1]));
    assert!(node.fault().starts_with("cannot go back to "));
    node.put(
        &node.paths.keyset,
        Keyset {
            number: 2,
            ..keyset(&[2, 3], 1)
        }
        .text()
        .as_bytes(),
    );
    node.list(&list(&banned(&[1]), &edition(2, 1), &[2]));
    assert_eq!(
        (known(node.ask(1)).keyset, known(node.ask(1)).version),
        (2, 1)
    );
    node.floor(412, &head_text(&had));
    node.list(&list(&banned(&[1]), &edition(2, u64::MAX), &[2]));
    assert_eq!(
        node.fault(),
        format!(
            "cannot go to version {} (keyset 2) of the list, {jump}",
            u64::MAX
        )
    );
    // A node that never had a list takes whatever version there is.
    fs::remove_file(&node.paths.floor).unwrap();
    assert_eq!(known(node.ask(1)).version, u64::MAX);
}

#[test]
fn older_keyset() {
    let node = TestNode::new(1);
    let edition = |keyset, version| super::super::compile::HeadTerms {
        edition: Edition { keyset, version },
        ..terms(1)
    };
    let newer = Keyset {
        number: 2,
        ..keyset(&[1, 2, 3], 1)
    };
    node.put(&node.paths.keyset, newer.text().as_bytes());
    let had = list(&banned(&[1]), &edition(2, 3), &[1]);
    let floor = Floor {
        edition: Edition {
            keyset: 2,
            version: 3,
        },
        head: Digest::of(head_text(&had).as_bytes()),
        issued: ISSUED,
        next: None,
    };
    node.put(&node.paths.floor, floor.text().as_bytes());
    node.list(&had);
    assert_eq!(known(node.ask(1)).version, 3);
    // A higher version under an older keyset is older.
    node.list(&list(&banned(&[1]), &edition(1, 500), &[1]));
    let fault = "cannot go back to version 500 (keyset 1) of the list, in \"/var/lib/embargo/banlist.lst\": this node had version 3 (keyset 2)";
    assert_eq!(node.fault(), fault);
    // An older keyset put back by hand does not make the list newer, and cannot check the list that
    // the node had.
    node.put(&node.paths.keyset, keyset(&[1, 2, 3], 1).text().as_bytes());
    assert_eq!(node.fault(), fault);
    node.list(&had);
    assert_eq!(
        node.fault(),
        "cannot use list \"/var/lib/embargo/banlist.lst\": it needs keyset 2, this node has keyset 1"
    );
}

#[test]
fn a_list_for_a_newer_keyset_waits_for_it_and_one_for_an_older_keyset_holds() {
    let node = TestNode::new(1);
    let edition = |keyset| super::super::compile::HeadTerms {
        edition: Edition { keyset, version: 1 },
        ..terms(1)
    };
    node.list(&list(&banned(&[1]), &edition(2), &[1]));
    assert_eq!(
        node.fault(),
        "cannot use list \"/var/lib/embargo/banlist.lst\": it needs keyset 2, this node has keyset 1"
    );
    let newer = Keyset {
        number: 3,
        ..keyset(&[1, 2, 3], 1)
    };
    node.put(&node.paths.keyset, newer.text().as_bytes());
    assert_eq!(known(node.ask(1)).keyset, 2);
}

#[test]
fn the_tree_of_another_version_is_refused() {
    let node = TestNode::new(1);
    let (one, two) = (
        list(&banned(&[1, 2]), &terms(1), &[1]),
        list(&banned(&[3, 4]), &terms(2), &[1]),
    );
    assert_eq!(one.len(), two.len());
    node.list(&[&two[..HEAD_SIZE], &one[HEAD_SIZE..]].concat());
    assert_eq!(
        node.fault(),
        "cannot trust list \"/var/lib/embargo/banlist.lst\": node 0/0 of its tree is corrupt"
    );
}

#[test]
fn a_flipped_byte_anywhere_gives_the_truth_or_an_error() {
    // Every match has its own name, so that the records need several blocks and a line crosses from
    // one to the next.
    let matches = |number| {
        format!(
            "[[ban.match]]\nbase = \"{}\"\nname = \"{}\"\n",
            digest(number),
            "n".repeat(50 + number as usize)
        )
    };
    let ban = "[[ban]]\nid = \"A\"\nreason = \"a\"\nseverity = \"low\"\neffective = 2026-11-20\n";
    let bytes = list(
        &parse(&(ban.to_owned() + &(0..60).map(matches).collect::<String>())),
        &terms(1),
        &[1, 2],
    );
    let trust = Trust {
        keyset: keyset(&[1, 2], 1),
        floor: None,
        rules: Rules::default(),
    };
    let queries: Vec<_> = (0..80).map(base).collect();
    let reader = Reader {
        path: Path::new("list"),
        bytes: bytes.as_slice(),
    };
    let authentic = trust
        .authenticate(&reader, bytes.len() as u64, Placement::Staged, Enough::All)
        .unwrap();
    let head = &authentic.head;
    assert!(head.blocks() > 1);
    let truth = hits(&reader, head, &queries, Budget::Start).unwrap();
    assert_eq!(truth.len(), 60);
    whole::check(&reader, head).unwrap();
    let mut changed = bytes.clone();
    for at in 0..bytes.len() {
        let flip = 1 << (at % 8);
        changed[at] ^= flip;
        let list = Reader {
            path: Path::new("list"),
            bytes: changed.as_slice(),
        };
        if at < HEAD_SIZE {
            // A bad signature may be beside a good one; what was signed stays the same.
            let found = trust.authenticate(
                &list,
                bytes.len() as u64,
                Placement::Staged,
                Enough::Threshold,
            );
            assert!(
                found.is_err()
                    || found.is_ok_and(
                        |found| (found.head, found.digest) == (head.clone(), authentic.digest)
                    ),
                "byte {at}"
            );
        } else {
            let found = hits(&list, head, &queries, Budget::Start);
            assert!(
                found.is_err() || found.is_ok_and(|found| found == truth),
                "byte {at}"
            );
            // The whole check finds every changed byte.
            assert!(whole::check(&list, head).is_err(), "byte {at}");
        }
        changed[at] ^= flip;
    }
}

#[test]
fn every_truncation_and_every_addition_is_an_error() {
    let bytes = list(&banned(&[1, 2, 3]), &terms(1), &[1]);
    let trust = Trust {
        keyset: keyset(&[1], 1),
        floor: None,
        rules: Rules::default(),
    };
    let size = |bytes: &[u8]| {
        let list = Reader {
            path: Path::new("list"),
            bytes,
        };
        trust
            .authenticate(&list, bytes.len() as u64, Placement::Staged, Enough::All)
            .map(|_| ())
            .map_err(|fault| fault.to_string())
    };
    assert_eq!(size(&bytes), Ok(()));
    for end in 0..bytes.len() {
        let fault = match end {
            0..HEAD_SIZE => "cannot use \"list\": not a ban list: it has no head".to_owned(),
            HEAD_SIZE.. => format!(
                "cannot use list \"list\": it has {end} bytes, its head says {}",
                bytes.len()
            ),
        };
        assert_eq!(size(&bytes[..end]), Err(fault));
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(size(&longer).is_err());
    // Line ends changed by a careless transfer.
    let turned: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| {
            if *byte == b'\n' {
                vec![b'\r', b'\n']
            } else {
                vec![*byte]
            }
        })
        .collect();
    assert!(size(&turned).is_err());
}

#[test]
fn a_file_that_shrinks_after_it_was_measured_is_an_error() {
    let bytes = list(&banned(&[1]), &terms(1), &[1]);
    let trust = Trust {
        keyset: keyset(&[1], 1),
        floor: None,
        rules: Rules::default(),
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("list");
    replace(&path, 0o644, &bytes).unwrap();
    let (file, size) = file::open(&path, Guard::NoLink).unwrap();
    let list = Reader {
        path: &path,
        bytes: &file,
    };
    let head = trust
        .authenticate(&list, size, Placement::Staged, Enough::All)
        .unwrap()
        .head;
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(HEAD_SIZE as u64)
        .unwrap();
    let fault = hits(&list, &head, &[base(1)], Budget::Start).unwrap_err();
    assert_eq!(fault.to_string(), format!("cannot read {path:?}"));
}

#[test]
fn a_writer_in_place_never_makes_a_reader_wrong() {
    let (one, two) = (
        list(&banned(&[1, 2]), &terms(1), &[1]),
        list(&banned(&[3, 4]), &terms(1), &[1]),
    );
    let trust = Trust {
        keyset: keyset(&[1], 1),
        floor: None,
        rules: Rules::default(),
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("list");
    replace(&path, 0o644, &one).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                for bytes in [&two, &one] {
                    bytes
                        .chunks(64)
                        .enumerate()
                        .for_each(|(at, chunk)| file.write_all_at(chunk, at as u64 * 64).unwrap());
                }
            }
        });
        let (file, size) = file::open(&path, Guard::NoLink).unwrap();
        let list = Reader {
            path: &path,
            bytes: &file,
        };
        for _ in 0..2_000 {
            let answer = trust
                .authenticate(&list, size, Placement::Staged, Enough::Threshold)
                .and_then(|found| {
                    hits(
                        &list,
                        &found.head,
                        &[base(1), base(2), base(3), base(4)],
                        Budget::Start,
                    )
                });
            if let Ok(hits) = answer {
                let found: Vec<_> = hits.iter().map(|hit| hit.digest).collect();
                assert!(
                    found == [digest(1), digest(2)] || found == [digest(3), digest(4)],
                    "{found:?}"
                );
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn only_a_regular_file_is_a_list() {
    let node = TestNode::new(1);
    let bytes = list(&banned(&[1]), &terms(1), &[1]);
    let elsewhere = node.paths.state.join("elsewhere");
    node.put(&elsewhere, &bytes);
    assert_eq!(node.fault(), "cannot read \"/var/lib/embargo/banlist.lst\"");
    symlink(&elsewhere, &node.paths.list).unwrap();
    assert_eq!(node.fault(), "cannot read \"/var/lib/embargo/banlist.lst\"");
    fs::remove_file(&node.paths.list).unwrap();
    fs::create_dir(&node.paths.list).unwrap();
    assert_eq!(
        node.fault(),
        "cannot read \"/var/lib/embargo/banlist.lst\": not a regular file"
    );
    fs::remove_dir(&node.paths.list).unwrap();
    nix::unistd::mkfifo(&node.paths.list, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(
        node.fault(),
        "cannot read \"/var/lib/embargo/banlist.lst\": not a regular file"
    );
}

#[test]
fn a_broken_keyset_or_floor_is_named() {
    let node = TestNode::new(1);
    let bytes = list(&banned(&[1]), &terms(1), &[1]);
    node.list(&bytes);
    node.put(&node.paths.floor, b"");
    assert_eq!(
        node.fault(),
        "cannot use floor \"/var/lib/embargo/floor\": line 1: expected \"keyset NUMBER\""
    );
    node.put(&node.paths.floor, &[b'x'; 600]);
    assert_eq!(
        node.fault(),
        "cannot read \"/var/lib/embargo/floor\": larger than 512 bytes"
    );
    node.put(&node.paths.floor, b"\xff");
    assert_eq!(
        node.fault(),
        "cannot read \"/var/lib/embargo/floor\": not UTF-8"
    );
    fs::remove_file(&node.paths.floor).unwrap();
    node.put(&node.paths.keyset, b"embargo/banlist-keyset/v1\n");
    assert_eq!(
        node.fault(),
        "cannot use keyset \"/etc/embargo/keyset\": line 2: expected \"origin: NAME\""
    );
    node.put(&node.paths.keyset, &vec![b'x'; 17 << 10]);
    assert_eq!(
        node.fault(),
        "cannot read \"/etc/embargo/keyset\": larger than 16384 bytes"
    );
    replace(&node.paths.keyset, 0o666, keyset(&[1], 1).text().as_bytes()).unwrap();
    assert_eq!(
        node.fault(),
        "cannot trust \"/etc/embargo/keyset\": owned or writable by another user"
    );
    fs::remove_file(&node.paths.keyset).unwrap();
    assert_eq!(node.fault(), "cannot read \"/etc/embargo/keyset\"");
}

#[test]
fn the_second_copy_answers_and_an_older_list_never_does() {
    let node = TestNode::new(1);
    let (old, new) = (
        list(&banned(&[1]), &terms(411), &[1]),
        list(&banned(&[1, 2]), &terms(412), &[1]),
    );
    node.floor(412, &head_text(&new));
    let mut broken = new.clone();
    broken[HEAD_SIZE + 30] ^= 1;
    let fault = "cannot use \"/var/lib/embargo/banlist.lst\": not a ban list: it has no head";
    for (first, expected) in [
        (vec![0; HEAD_SIZE], Some(fault)),
        (broken, None),
        (old.clone(), None),
        (Vec::new(), Some(fault)),
    ] {
        node.list(&first);
        node.put(&node.paths.copy, &new);
        let stand_in = known(node.ask(2));
        assert_eq!(
            (stand_in.slot, stand_in.version, stand_in.hits.len()),
            (Slot::Copy, 412, 1)
        );
        let described = node.without_directory(&stand_in.fault.unwrap());
        assert!(
            expected.is_none_or(|expected| expected == described),
            "{described}"
        );
        // Any older list is a rollback, however authentic, in either place.
        node.put(&node.paths.copy, &old);
        assert_eq!(node.fault(), described);
    }
    fs::remove_file(&node.paths.list).unwrap();
    assert_eq!(node.fault(), "cannot read \"/var/lib/embargo/banlist.lst\"");
    node.put(&node.paths.copy, &new);
    assert_eq!(known(node.ask(1)).slot, Slot::Copy);
    // A sound first copy is never skipped.
    node.list(&new);
    assert_eq!(known(node.ask(1)).slot, Slot::Current);
}

#[test]
fn a_ban_that_the_first_copy_proves_is_reported_by_the_second_if_that_is_the_same_list() {
    let node = TestNode::new(1);
    let all: Vec<_> = (0..60).collect();
    let (old, new) = (
        list(&banned(&[2]), &terms(411), &[1]),
        list(&banned(&all), &terms(412), &[1]),
    );
    node.floor(411, &head_text(&old));
    let head = Claim::parse(new[..HEAD_SIZE].try_into().unwrap())
        .unwrap()
        .head;
    let break_at = |at: u64| {
        let mut broken = new.clone();
        broken[usize::try_from(at).unwrap()] ^= 1;
        node.list(&broken);
        broken
    };
    let mut digests: Vec<_> = all.iter().map(|number| base(*number)).collect();
    digests.sort_unstable();
    let (first, last) = (digests[0], digests[59]);
    for (at, asked, banned, fault) in [
        (
            head.records_at(),
            vec![first],
            first,
            "block 0 of its records is corrupt",
        ),
        (
            head.table_at(),
            vec![first],
            first,
            "its block table is corrupt",
        ),
        // A leaf of another query in the same look-up.
        (
            HEAD_SIZE as u64 + 30,
            vec![first, last],
            last,
            "node 0/0 of its tree is corrupt",
        ),
        (
            HEAD_SIZE as u64 + 2 * 1_024 + 30,
            vec![first, last],
            first,
            "node 0/2 of its tree is corrupt",
        ),
    ] {
        let broken = break_at(at);
        let list = "cannot trust list \"/var/lib/embargo/banlist.lst\"";
        let fault = format!("cannot read the ban of {}: {list}: {fault}", banned.digest);
        // Another list may lack the ban; a second copy that is broken in the same place proves it,
        // too.
        for copy in [&old, &broken] {
            node.put(&node.paths.copy, copy);
            let Bans::Missing(error) = look_up(&node.paths, &Rules::default(), &asked) else {
                panic!("{fault}")
            };
            assert_eq!(node.without_directory(&error), fault);
        }
        node.put(&node.paths.copy, &new);
        let answer = known(look_up(&node.paths, &Rules::default(), &asked));
        assert_eq!(
            (
                answer.slot,
                answer.hits.len(),
                node.without_directory(&answer.fault.unwrap())
            ),
            (Slot::Copy, asked.len(), fault)
        );
    }
    // For what is not banned the records are not read.
    break_at(head.table_at());
    assert_eq!(known(node.ask(1_000)).slot, Slot::Current);
}

#[test]
fn a_list_that_the_system_cannot_read_is_passed_over_for_its_second_copy_alone() {
    let io = |code| std::io::Error::from_raw_os_error(code);
    let opening = |code| ListError::File(FileError::Io("/list".into(), io(code)));
    for (fault, is_of_the_system) in [
        (opening(libc::EMFILE), true),
        (opening(libc::EACCES), true),
        (ListError::Read("/list".into(), io(libc::EIO)), true),
        (opening(libc::ENOENT), false),
        (opening(libc::ENOTDIR), false),
        (opening(libc::ELOOP), false),
        (
            ListError::Read("/list".into(), std::io::ErrorKind::UnexpectedEof.into()),
            false,
        ),
        (
            ListError::File(FileError::NotRegular("/list".into())),
            false,
        ),
        (ListError::Counts("/list".into()), false),
    ] {
        assert_eq!(fault.is_of_the_system(), is_of_the_system, "{fault:?}");
    }
    let node = TestNode::new(1);
    let (old, new) = (
        list(&banned(&[2]), &terms(411), &[1]),
        list(&banned(&[1]), &terms(412), &[1]),
    );
    node.floor(412, &head_text(&new));
    node.put(&node.paths.copy, &old);
    // A path that is too long says nothing about the list either; its second copy answers, an older
    // list does not.
    let paths = Paths {
        list: node.paths.state.join("x".repeat(300)),
        ..node.paths.clone()
    };
    let answer = look_up(&paths, &Rules::default(), &[base(1)]);
    assert!(
        matches!(&answer, Bans::Missing(fault) if fault.is_of_the_system()),
        "{answer:?}"
    );
    node.put(&node.paths.copy, &new);
    let answer = known(look_up(&paths, &Rules::default(), &[base(1)]));
    assert_eq!((answer.slot, answer.hits.len()), (Slot::Copy, 1));
}

#[test]
fn the_bytes_of_a_list_are_pinned() {
    let source = parse(&format!(
        "[[ban]]\nid = \"BAN-2026-0007\"\nreason = \"remote code execution in the resolver\"\nadvisories = [\"CVE-2026-1234\"]\nseverity = \"critical\"\n\
         effective = 2026-11-20\nsuccessor = \"docker.io/library/debian:12.5\"\n[[ban.match]]\nbase = \"{}\"\nname = \"docker.io/library/debian:12.4\"\n\
         platform = \"linux/amd64\"\n[[ban.match]]\nimage = \"{}\"\n",
        digest(1),
        digest(2)
    ));
    let bytes = list(&source, &terms(412), &[1, 2]);
    let golden =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/list/two-digests.lst");
    if std::env::var_os("EMBARGO_WRITE_FIXTURES").is_some() {
        replace(&golden, 0o644, &bytes).unwrap();
    }
    let pinned = file::read(&golden, 1 << 20, Guard::Any).unwrap();
    assert!(
        pinned == bytes,
        "the format changed: nodes in the field could not read what is built now"
    );
    assert_eq!(bytes, list(&source, &terms(412), &[1, 2]));
}

#[test]
fn the_digests_of_a_file_share_one_entry() {
    let digests: Vec<_> = (0..100_000_u64).map(digest).collect();
    let text = "[[ban]]\nid = \"A\"\nreason = \"a\"\nseverity = \"low\"\neffective = 2026-11-20\n[[ban.match]]\nimage_file = \"all\"\n";
    let file: String = digests.iter().map(|digest| format!("{digest}\n")).collect();
    let source = super::super::source::Source::parse(Path::new("bans.toml"), text, |_| {
        Ok(file.clone().into_bytes())
    })
    .unwrap();
    let bytes = list(&source, &terms(1), &[1]);
    assert!(bytes.len() < 4_500_000, "{}", bytes.len());
    let list = Reader {
        path: Path::new("list"),
        bytes: bytes.as_slice(),
    };
    let trust = Trust {
        keyset: keyset(&[1], 1),
        floor: None,
        rules: Rules::default(),
    };
    let head = trust
        .authenticate(&list, bytes.len() as u64, Placement::Staged, Enough::All)
        .unwrap()
        .head;
    let queries = [3, 2_000_000].map(|number| Query {
        digest: digest(number),
        kind: MatchKind::Image,
    });
    assert_eq!(
        hits(&list, &head, &queries, Budget::Start).unwrap().len(),
        1
    );
}

#[test]
fn a_directory_that_others_may_write_holds_no_list() {
    let node = TestNode::new(1);
    node.list(&list(&source(&[("base", digest(1))]), &terms(412), &[1]));
    let mode =
        |mode| fs::set_permissions(&node.paths.state, fs::Permissions::from_mode(mode)).unwrap();
    for (bits, is_trusted) in [
        (0o755, true),
        (0o777, false),
        (0o1777, false),
        (0o775, false),
        (0o700, true),
    ] {
        mode(bits);
        match look_up(&node.paths, &Rules::default(), &[]) {
            Bans::Known(_) => assert!(is_trusted, "{bits:o}"),
            Bans::Missing(fault) => {
                assert!(!is_trusted && !fault.is_of_the_system(), "{bits:o}");
                assert_eq!(
                    fault.to_string(),
                    format!(
                        "cannot trust {:?}: owned or writable by another user",
                        node.paths.state
                    )
                );
            }
        }
    }
}

/// A list in memory that counts the bytes read from it.
struct Counting<'a> {
    bytes: &'a [u8],
    read: AtomicUsize,
}

impl ReadAt for Counting<'_> {
    fn read_into(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.read.fetch_add(buffer.len(), Ordering::Relaxed);
        self.bytes.read_into(buffer, offset)
    }
}

/// The answer to a look-up of these digests as layers, and how many bytes of the list it read.
fn counted(
    bytes: &[u8],
    digests: &[Digest],
    reading: Budget,
) -> (Result<Vec<Hit>, ListError>, usize) {
    let counting = Counting {
        bytes,
        read: AtomicUsize::new(0),
    };
    let head = Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap())
        .unwrap()
        .head;
    let queries: Vec<_> = digests
        .iter()
        .map(|digest| Query {
            digest: *digest,
            kind: MatchKind::Layer,
        })
        .collect();
    let answer = hits(
        &Reader {
            path: Path::new("list"),
            bytes: &counting,
        },
        &head,
        &queries,
        reading,
    );
    (answer, counting.read.into_inner())
}

/// So many bans, of one layer each or all of the same one, each with so many advisories.
fn heavy(bans: u64, advisories: usize, layer: impl Fn(u64) -> Digest) -> Vec<u8> {
    let advisories = vec![format!("\"{}\"", "x".repeat(64)); advisories].join(", ");
    let ban = |number| {
        let head = format!(
            "[[ban]]\nid = \"BAN-{number}\"\nreason = \"a\"\nseverity = \"low\"\neffective = 2026-11-20\n"
        );
        format!(
            "{head}advisories = [{advisories}]\n[[ban.match]]\nlayer = \"{}\"\n",
            layer(number)
        )
    };
    list(
        &parse(&(0..bans).map(ban).collect::<String>()),
        &terms(1),
        &[1],
    )
}

#[test]
fn what_one_start_reads_of_the_heaviest_list_is_bounded() {
    // As much as a list may say about one digest, and about the four that a start reads in any
    // case.
    for (bans, advisories) in [(1, 950), (16, 60), (MAX_MATCHES as u64, 10)] {
        let bytes = heavy(4 * bans, advisories, |ban| digest(ban % 4));
        let (answer, read) = counted(&bytes, &[0, 1, 2, 3].map(digest), Budget::Start);
        let fits = answer.is_ok_and(|hits| hits.len() as u64 == 4 * bans);
        assert!(
            fits || 4 * bans > MAX_BANS as u64,
            "{bans} bans of {advisories}"
        );
        assert!(read <= MAX_BLOCKS * 4_096 + (512 << 10), "{read}");
        let (answer, _) = counted(&bytes, &[digest(3)], Budget::Start);
        assert_eq!(answer.unwrap().len() as u64, bans, "{advisories}");
    }
    // However many of a container's digests the list speaks about, and however far apart they are,
    // a start reads no more, and knows that the container is banned.
    for (bans, advisories, fits) in [
        (60, 40, true),
        (120, 1, true),
        (300, 40, false),
        (300, 1, false),
        (1_000, 10, false),
    ] {
        let layers: Vec<_> = (0..bans).map(digest).collect();
        let bytes = heavy(bans, advisories, digest);
        let (answer, read) = counted(&bytes, &layers, Budget::Start);
        let tree = layers.len() * 10 * 1_024;
        assert!(
            read <= MAX_BLOCKS * 4_096 + (256 << 10) + tree,
            "{bans} of {advisories}: {read}"
        );
        match answer {
            Ok(hits) => assert!(fits && hits.len() as u64 == bans, "{bans} of {advisories}"),
            Err(ListError::Unread(first, fault)) => {
                assert!(
                    !fits && first == layers[0] && matches!(*fault, ListError::Excess(_)),
                    "{bans} of {advisories}: {fault}"
                );
            }
            Err(fault) => panic!("{fault}"),
        }
        // A survey of a whole node reads everything.
        assert_eq!(
            counted(&bytes, &layers, Budget::Unlimited).0.unwrap().len() as u64,
            bans
        );
    }
    const { assert!(MAX_START <= 512 << 10) };
}

#[test]
fn a_head_that_denies_what_its_tree_holds_lets_nothing_pass() {
    let bytes = list(&banned(&[1, 2]), &terms(1), &[1]);
    let mut head = Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap())
        .unwrap()
        .head;
    (head.entries.base, head.entries.image) = (0, 2);
    let reader = Reader {
        path: Path::new("list"),
        bytes: bytes.as_slice(),
    };
    let fault = hits(&reader, &head, &[base(1)], Budget::Start).unwrap_err();
    assert!(
        matches!(&fault, ListError::Unread(found, why) if *found == digest(1) && matches!(**why, ListError::Counts(_))),
        "{fault}"
    );
    // What the list has only as another kind is reported, too.
    let image = Query {
        digest: digest(1),
        kind: MatchKind::Image,
    };
    assert!(matches!(
        hits(&reader, &head, &[image], Budget::Start),
        Err(ListError::Counts(_))
    ));
    assert_eq!(hits(&reader, &head, &[base(7)], Budget::Start).unwrap(), []);
    assert!(matches!(
        whole::check(&reader, &head),
        Err(ListError::Counts(_))
    ));
}

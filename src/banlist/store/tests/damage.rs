//! Tests lists that are damaged, truncated, or written while they are read.

use super::*;

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
            super::super::super::ban::ListEntry::parse(entry(matches).as_bytes()).is_some(),
            is_entry,
            "{matches}"
        );
    }
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
    // Every match has a name of its own. So the records need several blocks, and one line lies in
    // two blocks.
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
            // A list may have an invalid signature beside a valid signature. What was signed stays
            // the same.
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
            // The check of the whole list finds every changed byte.
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
    // A careless transfer changed the line ends.
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
    assert_eq!(
        node.fault(),
        "cannot read \"/var/lib/embargo/banlist.lst\": it is missing"
    );
    symlink(&elsewhere, &node.paths.list).unwrap();
    assert_eq!(
        node.fault(),
        "cannot read \"/var/lib/embargo/banlist.lst\": it is a symbolic link"
    );
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
    // A digest that the list has only as another kind is reported as well.
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

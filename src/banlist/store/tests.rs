//! Tests a node's list under attack. The name of a test says what must hold against one attack.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::ban::MAX_MATCHES;
use super::super::bytes::ReadAt;
use super::super::catalogue::CatalogueBase;
use super::super::floor::{Floor, MAX_JUMP};
use super::super::head::{Claim, Format, HEAD_SIZE};
use super::super::section::{MAX_BLOCKS, MAX_START};
use super::super::terms::HeadTerms;
use super::super::testing::{
    ISSUED, digest, key, keyset, list, parse, source, terms, with_catalogue,
};
use super::super::whole;
use super::*;
use crate::report::line;
use crate::sys::file::FileError;
use crate::sys::replace::replace;

mod signatures;
mod copies;
mod damage;
mod cost;

/// A node whose files are in a temporary directory.
struct TestNode {
    directory: tempfile::TempDir,
    paths: Paths,
}

impl TestNode {
    /// A node whose keyset has the keys 1, 2 and 3. `threshold` of them must sign.
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

    /// The error, with the node's directory removed from the text.
    fn fault(&self) -> String {
        match self.ask(1) {
            Bans::Missing(fault) => self.without_directory(&fault),
            Bans::Known(known) => panic!("{known:?}"),
        }
    }

    fn without_directory(&self, fault: &ListError) -> String {
        line::causes(fault).replace(self.directory.path().to_str().unwrap(), "")
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

/// A keyset of the keys 1, 2 and 3. One key must sign a list; two must sign a list that lifts a
/// ban.
fn two_lift() -> Keyset {
    Keyset {
        lift_threshold: 2,
        ..keyset(&[1, 2, 3], 1)
    }
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
fn the_bytes_of_a_list_are_pinned() {
    let source = parse(&format!(
        "[[ban]]\nid = \"BAN-2026-0007\"\nreason = \"remote code execution in the resolver\"\nadvisories = [\"CVE-2026-1234\"]\nseverity = \"critical\"\n\
         effective = 2026-11-20\nsuccessor = \"docker.io/library/debian:12.5\"\n[[ban.match]]\nbase = \"{}\"\nname = \"docker.io/library/debian:12.4\"\n\
         platform = \"linux/amd64\"\n[[ban.match]]\nimage = \"{}\"\n",
        digest(1),
        digest(2)
    ));
    for (format, name) in [
        (Format::V1, "two-digests.lst"),
        (Format::V2, "two-digests-v2.lst"),
    ] {
        let terms = HeadTerms {
            format,
            ..terms(412)
        };
        let bytes = list(&source, &terms, &[1, 2]);
        let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/list")
            .join(name);
        if std::env::var_os("EMBARGO_WRITE_FIXTURES").is_some() {
            replace(&golden, 0o644, &bytes).unwrap();
        }
        let pinned = file::read(&golden, 1 << 20, Guard::Any).unwrap();
        assert!(
            pinned == bytes,
            "the format changed: nodes in the field could not read what is built now"
        );
        assert_eq!(bytes, list(&source, &terms, &[1, 2]));
        assert_eq!(found_in(&pinned, &[1, 2, 3]), ["base", "image"], "{name}");
    }
}

/// The kinds as which a list bans these digests, as a container start would find them.
fn found_in(bytes: &[u8], digests: &[u64]) -> Vec<&'static str> {
    let list = Reader {
        path: Path::new("list"),
        bytes,
    };
    let trust = Trust {
        keyset: keyset(&[1, 2], 2),
        floor: None,
        rules: Rules::default(),
    };
    let head = trust
        .authenticate(
            &list,
            bytes.len() as u64,
            Placement::Current,
            Enough::Threshold,
        )
        .unwrap()
        .head;
    let mut queries = Vec::new();
    for kind in [MatchKind::Base, MatchKind::Image, MatchKind::Layer] {
        for number in digests {
            queries.push(Query {
                digest: digest(*number),
                kind,
            });
        }
    }
    let hits = hits(&list, &head, &queries, Budget::Start).unwrap();
    hits.iter().map(|hit| hit.kind.word()).collect()
}

#[test]
fn a_digest_in_the_catalogue_is_not_banned() {
    let source = source(&[("base", digest(1)), ("image", digest(2))]);
    let base = CatalogueBase {
        id: "debian-12".to_owned(),
        names: vec!["docker.io/library/debian:12".to_owned()],
        support_until: None,
        successor: None,
        only_for: Vec::new(),
    };
    let bytes = with_catalogue(&source, &[(&base, &[digest(1), digest(3)])], &[1, 2]);
    // The first digest is in the catalogue and banned: the ban counts.
    assert_eq!(found_in(&bytes, &[1, 2, 3]), ["base", "image"]);
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

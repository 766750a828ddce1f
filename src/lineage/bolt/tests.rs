//! Tests that databases of containerd are read completely, and that damaged or changing databases
//! never give a wrong answer.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use super::meta::{MAGIC, VERSION, fnv1a};
use super::node::PAGE_HEADER;
use super::*;
use crate::lineage::containerd::records::{FactsQuery, facts};
use crate::sys::file;

const PAGE: usize = 4096;
const BRANCH_FLAG: u16 = 1;
const LEAF_FLAG: u16 = 2;
const BUCKET: u32 = 1;

fn soon() -> &'static Deadline {
    Box::leak(Box::new(Duration::from_secs(20).into()))
}

fn fixture() -> Vec<u8> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/containerd-1.6/io.containerd.metadata.v1.bolt/meta.db"
    );
    file::read(std::path::Path::new(path), 1 << 20, file::Guard::Any).unwrap()
}

/// The meta page of one version.
fn meta(page: u64, txid: u64, root: u64, page_count: u64) -> Vec<u8> {
    let mut bytes = [&page.to_le_bytes()[..], &4_u16.to_le_bytes(), &[0; 6]].concat();
    for number in [MAGIC, VERSION, PAGE as u32, 0] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for number in [root, 0, u64::MAX, page_count, txid] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&fnv1a(&bytes[PAGE_HEADER..]).to_le_bytes());
    bytes.resize(PAGE, 0);
    bytes
}

/// The page of a node. Each element has 16 bytes; all keys and values follow the elements.
fn node(id: u64, flags: u16, count: u16, overflow: u32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = [
        &id.to_le_bytes()[..],
        &flags.to_le_bytes(),
        &count.to_le_bytes(),
        &overflow.to_le_bytes(),
        rest,
    ]
    .concat();
    bytes.resize(PAGE, 0);
    bytes
}

fn leaf(flags: u32, key: &[u8], value: &[u8]) -> Vec<u8> {
    let numbers = [flags, 16, key.len() as u32, value.len() as u32];
    [numbers.map(u32::to_le_bytes).as_flattened(), key, value].concat()
}

fn branch(key: &[u8], child: u64) -> Vec<u8> {
    [
        &16_u32.to_le_bytes()[..],
        &(key.len() as u32).to_le_bytes(),
        &child.to_le_bytes(),
        key,
    ]
    .concat()
}

/// A database whose root bucket is at page 2. The given pages start at page 2.
fn database(pages: &[Vec<u8>]) -> Vec<u8> {
    let count = 2 + pages.len() as u64;
    [meta(0, 6, 2, count), meta(1, 5, 2, count), pages.concat()].concat()
}

fn root_value(bytes: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, BoltError> {
    Database::new(bytes).view(soon(), |view| {
        let value = view
            .bucket(&[])?
            .map_or(Ok(None), |bucket| bucket.get(key))?;
        Ok(value.map(|value| value.to_vec()))
    })
}

#[test]
fn a_database_of_containerd_is_read() {
    let bytes = fixture();
    let database = Database::new(bytes.as_slice());
    let found = database.view(soon(), |view| {
        let Some(container) = view.bucket(&[b"v1", b"default", b"containers", b"c1"])? else {
            return Ok(None);
        };
        assert!(container.get(b"labels")?.is_none(), "a bucket is no value");
        assert!(
            container.bucket(b"image")?.is_none(),
            "a value is no bucket"
        );
        assert!(container.get(b"imagf")?.is_none());
        Ok(container.get(b"image")?.map(|value| value.to_vec()))
    });
    assert_eq!(found.unwrap().as_deref(), Some(&b"localhost/app:1"[..]));
    let missing: [&[&[u8]]; 4] = [
        &[b"v2"],
        &[b"v1", b"defaul"],
        &[b"v1", b"default", b"containers", b"c"],
        &[b"v1", b"version", b"x"],
    ];
    for path in missing {
        assert!(
            database
                .view(soon(), |view| Ok(view.bucket(path)?.is_none()))
                .unwrap()
        );
    }
}

#[test]
fn a_walk_gives_every_key_in_order_until_it_is_broken_off() {
    let bytes = fixture();
    let walk = |limit: usize| {
        Database::new(bytes.as_slice()).view(soon(), |view| {
            let mut keys = Vec::new();
            view.bucket(&[b"v1", b"default", b"containers"])?
                .unwrap()
                .walk(|key, below| {
                    assert!(below.is_some());
                    keys.push(String::from_utf8_lossy(key).into_owned());
                    Ok(if keys.len() == limit {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    })
                })?;
            Ok(keys.join(" "))
        })
    };
    assert_eq!(walk(usize::MAX).unwrap(), "b1 c1 d1 e1 n1 r1 t1 u1 x1");
    assert_eq!(walk(2).unwrap(), "b1 c1");
}

#[test]
fn of_two_versions_the_newest_whole_one_counts() {
    let leaf_page = |id, value: &[u8]| node(id, LEAF_FLAG, 1, 0, &leaf(0, b"k", value));
    let pages = [leaf_page(2, b"old"), leaf_page(3, b"new")].concat();
    let with = |first: Vec<u8>, second: Vec<u8>| [first, second, pages.clone()].concat();
    let broken = |mut meta: Vec<u8>| {
        meta[PAGE_HEADER + 48] ^= 1;
        meta
    };
    for (bytes, expected) in [
        (with(meta(0, 6, 2, 4), meta(1, 7, 3, 4)), "new"),
        (with(meta(0, 8, 2, 4), meta(1, 7, 3, 4)), "old"),
        (with(broken(meta(0, 8, 2, 4)), meta(1, 7, 3, 4)), "new"),
        (with(meta(0, 6, 2, 4), broken(meta(1, 7, 3, 4))), "old"),
    ] {
        assert_eq!(
            root_value(&bytes, b"k").unwrap().as_deref(),
            Some(expected.as_bytes())
        );
    }
    let neither = with(broken(meta(0, 6, 2, 4)), broken(meta(1, 7, 3, 4)));
    assert!(matches!(
        root_value(&neither, b"k"),
        Err(BoltError::Foreign)
    ));
}

#[test]
fn what_is_no_database_is_foreign() {
    let mut other_version = database(&[node(2, LEAF_FLAG, 0, 0, b"")]);
    other_version[PAGE_HEADER + 4] = 3;
    other_version[PAGE + PAGE_HEADER + 4] = 3;
    let page_size = |size: u32| {
        let mut bytes = meta(0, 6, 2, 4);
        bytes[PAGE_HEADER + 8..PAGE_HEADER + 12].copy_from_slice(&size.to_le_bytes());
        let sum = fnv1a(&bytes[PAGE_HEADER..PAGE_HEADER + 56]);
        bytes[PAGE_HEADER + 56..PAGE_HEADER + 64].copy_from_slice(&sum.to_le_bytes());
        bytes.resize(1 << 17, 0);
        bytes
    };
    for bytes in [
        vec![],
        vec![0; 100],
        vec![0; 1 << 17],
        b"SQLite format 3\0".repeat(4096),
        other_version,
        page_size(0),
        page_size(4097),
        page_size(1 << 31),
    ] {
        assert!(
            matches!(root_value(&bytes, b"k"), Err(BoltError::Foreign)),
            "{} bytes",
            bytes.len()
        );
    }
}

#[test]
fn a_page_that_the_format_does_not_allow_is_named() {
    let far = [1_u32, 0xffff_fff0, 1, 1].map(u32::to_le_bytes).concat();
    for (pages, page, fault) in [
        (
            vec![node(2, 16, 1, 0, &leaf(0, b"k", b"v"))],
            2,
            "is neither branch nor leaf",
        ),
        (
            vec![node(3, LEAF_FLAG, 1, 0, &leaf(0, b"k", b"v"))],
            2,
            "has another page's number",
        ),
        (
            vec![node(2, LEAF_FLAG, u16::MAX, 0, b"")],
            2,
            "counts wrong",
        ),
        (vec![node(2, BRANCH_FLAG, 0, 0, b"")], 2, "counts wrong"),
        (vec![node(2, LEAF_FLAG, 1, u32::MAX, b"")], 2, "too long"),
        (vec![node(2, LEAF_FLAG, 1, 1, b"")], 2, "too long"),
        (
            vec![node(2, LEAF_FLAG, 1, 0, &far)],
            2,
            "points past its end",
        ),
        (
            vec![node(
                2,
                LEAF_FLAG,
                1,
                0,
                &[
                    &[0_u32, 16, 1, u32::MAX].map(u32::to_le_bytes).concat(),
                    &b"k"[..],
                ]
                .concat(),
            )],
            2,
            "points past its end",
        ),
        (
            vec![node(2, BRANCH_FLAG, 1, 0, &branch(b"a", 2))],
            2,
            "is too deep",
        ),
        (
            vec![
                node(2, BRANCH_FLAG, 1, 0, &branch(b"a", 3)),
                node(3, BRANCH_FLAG, 1, 0, &branch(b"a", 2)),
            ],
            2,
            "is too deep",
        ),
        (
            vec![node(2, BRANCH_FLAG, 1, 0, &branch(b"a", 9))],
            9,
            "no such page",
        ),
        (
            vec![node(2, BRANCH_FLAG, 1, 0, &branch(b"a", 1))],
            1,
            "no such page",
        ),
        (
            vec![node(2, BRANCH_FLAG, 1, 0, &branch(b"a", u64::MAX))],
            u64::MAX,
            "no such page",
        ),
    ] {
        let found = root_value(&database(&pages), b"k");
        assert!(
            matches!(found, Err(BoltError::Damaged(p, f)) if (p, f) == (page, fault)),
            "{found:?} instead of {page} {fault}"
        );
    }
    let mut cut = database(&[node(2, LEAF_FLAG, 1, 0, &leaf(0, b"k", b"v"))]);
    cut.truncate(2 * PAGE + 100);
    assert!(matches!(
        root_value(&cut, b"k"),
        Err(BoltError::Damaged(2, "is past the end of the file"))
    ));
}

#[test]
fn a_bucket_that_contains_itself_or_is_cut_short_ends() {
    let itself = database(&[node(
        2,
        LEAF_FLAG,
        1,
        0,
        &leaf(BUCKET, b"k", &[2_u64.to_le_bytes(), [0; 8]].concat()),
    )]);
    let deep: Vec<&[u8]> = vec![b"k"; 2000];
    let found =
        Database::new(itself.as_slice()).view(soon(), |view| Ok(view.bucket(&deep)?.is_some()));
    assert!(found.unwrap(), "as deep as it was asked for, and no deeper");
    for value in [&b""[..], &[0; 7], &[0; 16], &[0; 31]] {
        let bytes = database(&[node(2, LEAF_FLAG, 1, 0, &leaf(BUCKET, b"k", value))]);
        let found = Database::new(bytes.as_slice())
            .view(soon(), |view| Ok(view.bucket(&[b"k"])?.is_some()));
        assert!(
            matches!(found, Err(BoltError::Damaged(2, _))),
            "{value:?}: {found:?}"
        );
    }
}

#[test]
fn a_walk_through_a_tree_that_meets_itself_ends() {
    // Each of the two branches names the other branch a hundred times. Without a limit, a walk
    // would take 100^32 steps.
    let many = |id: u64, child: u64| {
        let elements: Vec<u8> = (0..100)
            .flat_map(|_| {
                [
                    &16_u32.to_le_bytes()[..],
                    &0_u32.to_le_bytes(),
                    &child.to_le_bytes(),
                ]
                .concat()
            })
            .collect();
        node(id, BRANCH_FLAG, 100, 0, &elements)
    };
    let bytes = database(&[many(2, 3), many(3, 2)]);
    let found = Database::new(bytes.as_slice()).view(soon(), |view| {
        view.bucket(&[])?
            .unwrap()
            .walk::<()>(|_, _| Ok(ControlFlow::Continue(())))
    });
    assert!(matches!(found, Err(BoltError::Damaged(_, "is too deep"))));
}

/// Makes every kind of query that Embargo makes. The queries must end without a panic.
fn exercise(bytes: &[u8]) -> Result<usize, BoltError> {
    Database::new(bytes).view(soon(), |view| {
        let mut count = 0;
        let found = facts(view, "default", FactsQuery::Container("d1"))?;
        count += usize::from(found.is_some());
        for path in [
            &[&b"v1"[..], b"default", b"snapshots", b"overlayfs"][..],
            &[b"v1", b"default", b"content", b"blob"],
        ] {
            if let Some(bucket) = view.bucket(path)? {
                bucket.walk::<()>(|_, below| {
                    count += usize::from(
                        below.is_some_and(|below| matches!(below.get(b"name"), Ok(Some(_)))),
                    );
                    Ok(ControlFlow::Continue(()))
                })?;
            }
        }
        Ok(count)
    })
}

#[test]
fn cut_anywhere_it_is_an_error_and_nothing_else() {
    let bytes = fixture();
    let whole = exercise(&bytes).unwrap();
    for length in
        (0..bytes.len())
            .step_by(1021)
            .chain([1, PAGE - 1, PAGE, PAGE + 79, PAGE + 80, 2 * PAGE])
    {
        match exercise(&bytes[..length]) {
            Ok(count) => assert_eq!(count, whole, "cut at {length}"),
            Err(BoltError::Foreign | BoltError::Damaged(..)) => {}
            Err(error) => panic!("cut at {length}: {error:?}"),
        }
    }
}

#[test]
fn flipped_anywhere_it_ends() {
    let mut bytes = fixture();
    for at in (0..bytes.len()).step_by(97) {
        let bit = 1 << (at % 8);
        bytes[at] ^= bit;
        assert!(
            !matches!(
                exercise(&bytes),
                Err(BoltError::Deadline | BoltError::Io(_))
            ),
            "flipped at {at}"
        );
        bytes[at] ^= bit;
    }
}

/// A list of databases. After a number of reads, each database is replaced by the next in the list.
struct Changing<'a> {
    versions: Vec<&'a [u8]>,
    every: usize,
    reads: Cell<usize>,
}

impl Pages for Changing<'_> {
    fn fill(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let reads = self.reads.replace(self.reads.get() + 1);
        self.versions[(reads / self.every).min(self.versions.len() - 1)].fill(buffer, offset)
    }
}

#[test]
fn an_answer_counts_only_when_the_version_stayed_the_same() {
    let version = |txid: u64, value: &[u8], pages: Vec<Vec<u8>>| {
        let leaf = [pages, vec![node(3, LEAF_FLAG, 1, 0, &leaf(0, b"k", value))]]
            .concat()
            .concat();
        [meta(0, txid, 2, 4), meta(1, txid - 1, 2, 4), leaf].concat()
    };
    let down = || vec![node(2, BRANCH_FLAG, 1, 0, &branch(b"k", 3))];
    let one = version(10, b"one", down());
    let two = version(12, b"two", down());
    // In the middle of the first look, the page is gone, or is empty. Neither the error nor "not
    // there" may be returned.
    let gone = version(12, b"gone", vec![node(2, 16, 0, 0, b"")]);
    let empty = version(12, b"gone", vec![node(2, LEAF_FLAG, 0, 0, b"")]);
    for between in [&gone, &empty] {
        let pages = Changing {
            versions: vec![&one, between, &two],
            every: 1,
            reads: Cell::new(0),
        };
        let found = Database::new(pages).view(soon(), |view| {
            Ok(view
                .bucket(&[])?
                .unwrap()
                .get(b"k")?
                .map(|value| value.to_vec()))
        });
        assert_eq!(found.unwrap().as_deref(), Some(&b"two"[..]));
    }
}

#[test]
fn a_database_that_always_changes_is_given_up_at_the_deadline() {
    let versions: Vec<Vec<u8>> = (0..100_000_u64)
        .map(|txid| [meta(0, 2 * txid, 2, 3), meta(1, 0, 2, 3)].concat()[..PAGE + 80].to_vec())
        .collect();
    let pages = Changing {
        versions: versions.iter().map(Vec::as_slice).collect(),
        every: 1,
        reads: Cell::new(0),
    };
    let found = Database::new(pages)
        .view(&(Instant::now() + Duration::from_millis(5)).into(), |_| {
            Ok(())
        });
    assert!(matches!(found, Err(BoltError::Deadline)));
}

#[test]
fn of_many_pages_only_some_are_kept() {
    let pages: Vec<Vec<u8>> = (2..402).map(|id| node(id, LEAF_FLAG, 0, 0, &[])).collect();
    let bytes = database(&pages);
    let kept = Database::new(bytes.as_slice()).view(soon(), |view| {
        for id in 2..402 {
            view.node(id)?;
        }
        Ok(view.seen.borrow().len())
    });
    assert_eq!(kept.unwrap(), MAX_KEPT);
}

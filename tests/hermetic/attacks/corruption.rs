//! Tests that a list is never read wrongly, whatever happens to its bytes.
//!
//! One test flips every bit of a small list; another cuts the list off at every length; others flip
//! random bits in a list of a million digests, or write into the file that is being read. Each
//! look-up must give the right result or an error. Counts at the end show that both outcomes
//! happened, so the tests do test something.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use embargo::banlist::ban::MatchKind::{self, Base, Image, Layer};
use embargo::banlist::bytes::{ReadAt, Reader};
use embargo::banlist::error::ListError;
use embargo::banlist::head::{HEAD_SIZE, Head};
use embargo::banlist::keyset::Keyset;
use embargo::banlist::note::Enough;
use embargo::banlist::section::Budget;
use embargo::banlist::store::{self, Placement, Query, Rules, Trust};
use embargo::lineage::digest::Digest;
use embargo::sys::file::{self, Guard};

use super::craft::Parts;
use super::node::{Node, keyset, signed, text};
use super::signer::signer;

/// The result of a look-up: for each digest that was found, its kind and the ban's ID.
type Found = Vec<(Digest, MatchKind, String)>;

fn trust() -> Trust {
    Trust {
        keyset: Keyset::parse(&keyset(&[1, 2], 1)).unwrap(),
        floor: None,
        rules: Rules::default(),
    }
}

/// A pseudo-random sequence that is the same in every run (xorshift).
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

fn digest(number: u64) -> Digest {
    Digest::of(&number.to_le_bytes())
}

fn authenticate<R: ReadAt + ?Sized>(list: &R, size: usize) -> Result<Head, ListError> {
    let list = Reader {
        path: Path::new("list"),
        bytes: list,
    };
    trust()
        .authenticate(&list, size as u64, Placement::Staged, Enough::Threshold)
        .map(|found| found.head)
}

fn look_up<R: ReadAt + ?Sized>(
    list: &R,
    head: &Head,
    queries: &[Query],
) -> Result<Found, ListError> {
    let hits = store::hits(
        &Reader {
            path: Path::new("list"),
            bytes: list,
        },
        head,
        queries,
        Budget::Start,
    )?;
    Ok(hits
        .into_iter()
        .map(|hit| (hit.digest, hit.kind, hit.ban.id.clone()))
        .collect())
}

/// A small list with everything that a list can have: two bans, all kinds, names, exceptions, a
/// digest that both bans name, and an entry that many digests share. The list's tree has two
/// levels; its records have several blocks, with lines that cross the blocks' edges.
fn small() -> Vec<u8> {
    let ban = |id: &str| {
        format!(
            "[[ban]]\nid = \"{id}\"\nreason = \"{}\"\nseverity = \"high\"\neffective = 2026-11-01\n",
            "why ".repeat(40).trim_end()
        )
    };
    let named = |number: u64| {
        format!(
            "[[ban.match]]\nbase = \"{}\"\nname = \"registry.example/{number:0120}\"\n",
            digest(number)
        )
    };
    let plain = |kind: &'static str| {
        move |number: u64| format!("[[ban.match]]\n{kind} = \"{}\"\n", digest(number))
    };
    let except = format!(
        "[[ban.except]]\nbase = \"{}\"\nuntil = 2027-01-01\nreason = \"moving\"\n",
        digest(999)
    );
    let first: String = (0..40)
        .map(named)
        .chain((40..60).map(plain("image")))
        .collect();
    let second: String = (38..45)
        .map(plain("layer"))
        .chain((60..80).map(plain("layer")))
        .collect();
    let node = Node::trusting(&keyset(&[1, 2], 1));
    node.list(1)
        .source(ban("A") + &first + &except + &ban("B") + &second)
        .by(&[1, 2])
}

/// The right result of a look-up in the list [`small`].
fn truth(query: &Query) -> Option<(Digest, MatchKind, String)> {
    let banned = [
        (Base, 0..40, "A"),
        (Image, 40..60, "A"),
        (Layer, 38..45, "B"),
        (Layer, 60..80, "B"),
    ];
    let holds = |(kind, numbers, _): &(MatchKind, Range<u64>, &str)| {
        *kind == query.kind && numbers.clone().any(|number| digest(number) == query.digest)
    };
    banned
        .iter()
        .find(|ban| holds(ban))
        .map(|(kind, _, id)| (query.digest, *kind, (*id).to_owned()))
}

#[test]
fn every_bit_of_a_small_list() {
    let list = small();
    let head = authenticate(list.as_slice(), list.len()).unwrap();
    assert!(
        head.shape().bytes() > 4 * 1_024 && head.blocks() > 2,
        "{head:?}"
    );
    let queries: Vec<_> = (0..100)
        .flat_map(|number| {
            [Base, Image, Layer].map(|kind| Query {
                digest: digest(number),
                kind,
            })
        })
        .collect();
    let all: Found = queries.iter().filter_map(truth).collect();
    assert_eq!(
        (
            look_up(list.as_slice(), &head, &queries).unwrap(),
            all.len()
        ),
        (all.clone(), 87)
    );
    // A few look-ups that together read every node of the tree and some of the records.
    let few: Vec<_> = queries.iter().step_by(17).copied().collect();
    let of_few: Found = few.iter().filter_map(truth).collect();
    let mut flipped = list.clone();
    let (mut kept, mut refused, mut unread) = (0, 0, 0);
    for (at, bit) in (0..list.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        flipped[at] ^= 1 << bit;
        if at < HEAD_SIZE {
            match authenticate(flipped.as_slice(), list.len()) {
                // Only a signature that is not needed is broken; the signed text is unchanged.
                Ok(found) => {
                    assert_eq!(found, head, "byte {at}");
                    kept += 1;
                }
                Err(_) => refused += 1,
            }
        } else {
            match look_up(flipped.as_slice(), &head, &few) {
                Ok(found) => {
                    assert_eq!(found, of_few, "byte {at}");
                    unread += 1;
                }
                Err(_) => refused += 1,
            }
            // Together the look-ups read every byte, so no flipped bit may go unnoticed.
            assert!(
                bit != at % 8 || look_up(flipped.as_slice(), &head, &queries).is_err(),
                "byte {at}"
            );
        }
        flipped[at] ^= 1 << bit;
    }
    assert_eq!(kept + refused + unread, list.len() * 8);
    assert!(
        kept > 500 && unread > 500 && refused > list.len() * 5,
        "{kept} {unread} {refused}"
    );
}

#[test]
fn every_truncation_and_some_additions() {
    let list = small();
    let head = authenticate(list.as_slice(), list.len()).unwrap();
    let queries: Vec<_> = (0..100)
        .step_by(9)
        .map(|number| Query {
            digest: digest(number),
            kind: Base,
        })
        .collect();
    let truth: Found = queries.iter().filter_map(truth).collect();
    for end in 0..list.len() {
        let cut = &list[..end];
        assert!(authenticate(cut, end).is_err(), "{end}");
        // The list shrinks after its head was read.
        let found = look_up(cut, &head, &queries);
        assert!(
            found.is_err() || found.is_ok_and(|found| found == truth && end >= HEAD_SIZE + 1_024),
            "{end}"
        );
    }
    for more in [1, 32, 1_024, HEAD_SIZE, list.len()] {
        for longer in [
            [&list[..], &vec![0; more]].concat(),
            [&list[..], &list[..more]].concat(),
        ] {
            assert!(
                authenticate(longer.as_slice(), longer.len()).is_err(),
                "{more}"
            );
        }
    }
}

/// Bytes that remember which of their positions were read.
struct Watched<'a> {
    bytes: &'a [u8],
    read: RefCell<Vec<Range<usize>>>,
}

impl ReadAt for Watched<'_> {
    fn read_into(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        self.read.borrow_mut().push(start..start + buffer.len());
        self.bytes.read_into(buffer, offset)
    }
}

/// Flips 4,000 bits, half of them anywhere and half in bytes that are read, each under 60 look-ups.
/// If a changed byte was read, the look-up must fail; if not, the result must be right.
#[test]
fn random_bits_in_a_list_of_a_million_entries() {
    const MANY: u64 = 1_000_000;
    let spread = |number: u64| {
        let mut bytes = [0x5a; 32];
        bytes[..8].copy_from_slice(&(number * (u64::MAX / MANY)).to_be_bytes());
        bytes
    };
    let node = Node::trusting(&keyset(&[1, 2], 1));
    let digests: Vec<_> = (0..MANY).map(spread).collect();
    let list = Parts::of(&node.list(1).by(&[1])).filled(&digests).sealed();
    let mut list = signed(&list, &[signer(1).sign(&text(&list))]);
    let head = authenticate(list.as_slice(), list.len()).unwrap();
    assert!(list.len() > 43_000_000);
    let mut random = Sequence(0x9e37_79b9_7f4a_7c15);
    let (mut reported, mut true_answers) = (0, 0);
    for flip in 0..4_000 {
        // Every second query is for a digest next to a listed one.
        let queries: Vec<_> = (0..60)
            .map(|number| {
                let mut bytes = digests[random.below(digests.len())];
                bytes[31] ^= number % 2;
                Query {
                    digest: Digest::from_bytes(bytes),
                    kind: Base,
                }
            })
            .collect();
        let truth: Found = queries
            .iter()
            .step_by(2)
            .map(|query| (query.digest, Base, "BAN-1".to_owned()))
            .collect();
        let at = if flip % 2 == 0 {
            HEAD_SIZE + random.below(list.len() - HEAD_SIZE)
        } else {
            let watched = Watched {
                bytes: &list,
                read: RefCell::default(),
            };
            assert_eq!(look_up(&watched, &head, &queries).unwrap(), truth);
            let read = watched.read.into_inner();
            let piece = read[random.below(read.len())].clone();
            piece.start + random.below(piece.len())
        };
        let bit = 1 << random.below(8);
        list[at] ^= bit;
        let watched = Watched {
            bytes: &list,
            read: RefCell::default(),
        };
        let found = look_up(&watched, &head, &queries);
        let was_read = watched
            .read
            .borrow()
            .iter()
            .any(|piece| piece.contains(&at));
        match found {
            Ok(found) => {
                assert!(!was_read && found == truth, "byte {at}");
                true_answers += 1;
            }
            Err(fault) => {
                assert!(was_read, "byte {at}: {fault}");
                reported += 1;
            }
        }
        list[at] ^= bit;
    }
    assert_eq!(reported + true_answers, 4_000);
    assert!(
        reported >= 2_000 && true_answers >= 1_500,
        "{reported} {true_answers}"
    );
}

/// Somebody overwrites a file in place, as `curl -o`, `scp` and `cp` do. The file gets one
/// authentic list and another in turn, and is truncated in between.
#[test]
fn a_writer_in_place_beside_a_million_reads() {
    const READS: usize = 1_000_000;
    let node = Node::trusting(&keyset(&[1, 2], 1));
    // Two lists of the same size with nothing in common: digests with even numbers in the first,
    // with odd numbers in the second.
    let numbered = |first: u64| {
        (0..200)
            .map(|number| digest(2 * number + first).to_string())
            .collect::<Vec<_>>()
    };
    let list = |version: u64| {
        let digests = numbered(version - 1);
        node.list(version)
            .banning(
                "base",
                &digests.iter().map(String::as_str).collect::<Vec<_>>(),
            )
            .by(&[1])
    };
    let lists = [list(1), list(2)];
    assert_eq!(lists[0].len(), lists[1].len());
    let path = node.room.path("written.lst");
    std::fs::write(&path, &lists[0]).unwrap();
    // One digest in ten is banned by one of the lists.
    let digests: Vec<_> = (0..2_000).map(digest).collect();
    let stop = AtomicBool::new(false);
    let mut counts = [0; 5];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            let mut random = Sequence(7);
            while !stop.load(Ordering::Relaxed) {
                let list = &lists[random.below(2)];
                let piece = [64, 512, 1_024, 4_096, list.len()][random.below(5)];
                if random.below(4) == 0 {
                    file.set_len(random.next() % list.len() as u64).unwrap();
                }
                list.chunks(piece)
                    .enumerate()
                    .for_each(|(at, bytes)| file.write_all_at(bytes, (at * piece) as u64).unwrap());
                // The writer pauses; otherwise no reader would ever see a whole list.
                (0..random.below(20_000)).for_each(|_| std::hint::spin_loop());
            }
        });
        let mut random = Sequence(11);
        let mut reads = 0;
        while reads < READS {
            let (file, size) = file::open(&path, Guard::NoLink).unwrap();
            let Ok(head) = authenticate(&file, usize::try_from(size).unwrap()) else {
                counts[0] += 1;
                continue;
            };
            let version = head.edition.version;
            for _ in 0..25 {
                let number = random.below(digests.len());
                let banned = number < 400 && (number % 2) as u64 == version - 1;
                reads += 1;
                match look_up(
                    &file,
                    &head,
                    &[Query {
                        digest: digests[number],
                        kind: Base,
                    }],
                ) {
                    Ok(found) => {
                        assert_eq!(!found.is_empty(), banned, "{number} in list {version}");
                        counts[usize::try_from(version).unwrap() + if banned { 2 } else { 0 }] += 1;
                    }
                    Err(_) => counts[0] += 1,
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    // There were errors, and right results from each list, both banned and not banned.
    assert!(counts.iter().all(|count| *count > 1_000), "{counts:?}");
}

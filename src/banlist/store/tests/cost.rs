//! Tests how much of a list one container start reads.

use super::super::super::hits::MAX_BANS;
use super::*;

/// A list in memory, which counts how many of its bytes are read.
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

/// Looks up these digests as layers. Returns the result, and how many bytes of the list were read.
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

/// A list of `bans` bans with `advisories` advisories each. `layer` gives the layer of each ban.
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
    // The most that a list may say about one digest, and about the four digests that a start always
    // reads in full.
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
    // However many of a container's digests the list speaks about, and however far apart their
    // records are: a start reads no more than the limit, and knows that the container is banned.
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

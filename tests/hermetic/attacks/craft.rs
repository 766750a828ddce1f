//! Makes lists that no builder makes, for tests of signed mistakes.
//!
//! A list is taken apart and changed, and every hash is computed again, from the leaves up to the
//! head. Only the intended fault remains. In the test, somebody signed the faulty list by mistake,
//! or with a stolen key. The layout is written down here a second time, from the documentation of
//! `banlist::tree` and `banlist::head`.

use embargo::banlist::head::HEAD_SIZE;
use embargo::lineage::digest::Digest;

use super::node::{text, with_head};

/// The size of a node in bytes.
pub(super) const NODE: usize = 1_024;
/// How many bytes come before a node's records.
pub(super) const HEADER: usize = 24;
/// The size of a leaf's record in bytes.
pub(super) const LEAF: usize = 40;
/// The size of an inner node's record in bytes: a child's hash, and the child's first digest.
pub(super) const INNER: usize = 64;

const PER_LEAF: usize = 25;
const PER_INNER: usize = 15;
const BLOCK: usize = 4_096;

/// A list in parts.
#[derive(Clone)]
pub(super) struct Parts {
    text: String,
    /// The nodes of each level, the leaves first.
    pub(super) levels: Vec<Vec<[u8; NODE]>>,
    /// The records section.
    pub(super) records: Vec<u8>,
}

impl Parts {
    /// Takes a valid list apart.
    pub(super) fn of(list: &[u8]) -> Self {
        let text = text(list);
        let entries: usize = field(&text, "entries: ")
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let records_size: usize = field(&text, "records: ").split(' ').nth(1).unwrap()
            ["size=".len()..]
            .parse()
            .unwrap();
        let (mut levels, mut at, mut count) =
            (Vec::new(), HEAD_SIZE, entries.div_ceil(PER_LEAF).max(1));
        loop {
            levels.push(list[at..at + count * NODE].as_chunks().0.to_vec());
            at += count * NODE;
            if count == 1 {
                return Self {
                    text,
                    levels,
                    records: list[at..at + records_size].to_vec(),
                };
            }
            count = count.div_ceil(PER_INNER);
        }
    }

    /// The same list with these digests in place of its own digests, in ascending order. Each new
    /// digest has the kinds and the entry line of the list's first digest. Levels, fences and
    /// counts match the number of digests.
    pub(super) fn filled(mut self, digests: &[[u8; 32]]) -> Self {
        let first = self.levels[0][0][HEADER + 32..HEADER + LEAF].to_vec();
        let leaves = digests.chunks(PER_LEAF).enumerate();
        let leaf = |(index, digests): (usize, &[[u8; 32]])| {
            let mut node = header(0, digests.len(), index);
            for (record, digest) in node[HEADER..]
                .as_chunks_mut::<LEAF>()
                .0
                .iter_mut()
                .zip(digests)
            {
                record[..32].copy_from_slice(digest);
                record[32..].copy_from_slice(&first);
            }
            node
        };
        self.levels = vec![leaves.map(leaf).collect()];
        while self.levels.last().unwrap().len() > 1 {
            let (level, below) = (self.levels.len(), self.levels.last().unwrap());
            let inner = |(index, children): (usize, &[[u8; NODE]])| {
                let mut node = header(level, children.len(), index);
                for (record, child) in node[HEADER..]
                    .as_chunks_mut::<INNER>()
                    .0
                    .iter_mut()
                    .zip(children)
                {
                    let key = if level == 1 { HEADER } else { HEADER + 32 };
                    record[32..].copy_from_slice(&child[key..key + 32]);
                }
                node
            };
            self.levels
                .push(below.chunks(PER_INNER).enumerate().map(inner).collect());
        }
        let kinds = field(&self.text, "entries: ")
            .split_once(' ')
            .unwrap()
            .1
            .to_owned();
        let counts: Vec<_> = kinds
            .split(' ')
            .map(|kind| (kind.split_once('=').unwrap().0, !kind.ends_with("=0")))
            .collect();
        let counts: String = counts
            .iter()
            .map(|(kind, any)| format!(" {kind}={}", if *any { digests.len() } else { 0 }))
            .collect();
        self.set("entries: ", &format!("{}{counts}", digests.len()));
        self.set(
            "tree-size: ",
            &(self.levels.iter().map(Vec::len).sum::<usize>() * NODE).to_string(),
        );
        self
    }

    /// Replaces a line of the head.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let line = format!("{name}{}\n", field(&self.text, name));
        self.text = self.text.replace(&line, &format!("{name}{value}\n"));
    }

    /// The leaf that has this digest, and the position in that leaf.
    pub(super) fn place_of(&self, digest: &str) -> (usize, usize) {
        let digest = Digest::parse(digest).unwrap();
        let places =
            (0..self.levels[0].len()).flat_map(|leaf| (0..PER_LEAF).map(move |at| (leaf, at)));
        places
            .into_iter()
            .find(|(leaf, at)| {
                self.levels[0][*leaf][HEADER + at * LEAF..][..32] == digest.as_bytes()[..]
            })
            .unwrap()
    }

    /// The list, unsigned, with every hash computed from its parts. Fences stay as they are.
    pub(super) fn sealed(mut self) -> Vec<u8> {
        for level in 1..self.levels.len() {
            let (below, above) = self.levels.split_at_mut(level);
            for (index, child) in below[level - 1].iter().enumerate() {
                let at = HEADER + index % PER_INNER * INNER;
                above[0][index / PER_INNER][at..at + 32]
                    .copy_from_slice(Digest::of(child).as_bytes());
            }
        }
        let root = Digest::of(&self.levels.last().unwrap()[0]);
        let table: Vec<u8> = self
            .records
            .chunks(BLOCK)
            .flat_map(|block| *Digest::of(block).as_bytes())
            .collect();
        self.set("tree-root: ", &root.to_string());
        let sizes = format!("size={} block-size={BLOCK}", self.records.len());
        self.set("records: ", &format!("{} {sizes}", Digest::of(&table)));
        let body = [self.levels.concat().concat(), self.records, table].concat();
        with_head(&[vec![0; HEAD_SIZE], body].concat(), &self.text)
    }
}

/// A node without records.
fn header(level: usize, count: usize, index: usize) -> [u8; NODE] {
    let mut node = [0; NODE];
    node[..4].copy_from_slice(b"EBLN");
    node[4] = u8::try_from(level).unwrap();
    node[6..8].copy_from_slice(&u16::try_from(count).unwrap().to_le_bytes());
    node[8..16].copy_from_slice(&(index as u64).to_le_bytes());
    node
}

/// The value of a line of the head.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap()
}

//! How does a signer sign a list that no builder makes?
//!
//! A list is taken apart, changed, and every hash put right again, from the leaves up to the head: what remains wrong is what was signed by mistake,
//! or by whoever stole the key. The layout is written down here a second time, from the documents of `banlist::tree` and `banlist::head`.

use embargo::banlist::head::HEAD_SIZE;
use embargo::lineage::digest::Digest;

use super::node::{text, with_head};

/// Bytes of a node.
pub(super) const NODE: usize = 1_024;
/// Bytes before a node's records.
pub(super) const HEADER: usize = 24;
/// Bytes of a leaf's record.
pub(super) const LEAF: usize = 40;
/// Bytes of an inner node's record: a child's hash, and its first digest.
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
    /// The parts of a sound list.
    pub(super) fn of(list: &[u8]) -> Self {
        let text = text(list);
        let entries: usize = field(&text, "entries: ").split(' ').next().unwrap().parse().unwrap();
        let records_size: usize = field(&text, "records: ").split(' ').nth(1).unwrap()["size=".len()..].parse().unwrap();
        let (mut levels, mut at, mut count) = (Vec::new(), HEAD_SIZE, entries.div_ceil(PER_LEAF).max(1));
        loop {
            levels.push(list[at..at + count * NODE].as_chunks().0.to_vec());
            at += count * NODE;
            if count == 1 {
                return Self { text, levels, records: list[at..at + records_size].to_vec() };
            }
            count = count.div_ceil(PER_INNER);
        }
    }

    /// Replaces a line of the head.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let line = format!("{name}{}\n", field(&self.text, name));
        self.text = self.text.replace(&line, &format!("{name}{value}\n"));
    }

    /// The leaf, and the place in it, that has this digest.
    pub(super) fn place_of(&self, digest: &str) -> (usize, usize) {
        let digest = Digest::parse(digest).unwrap();
        let places = (0..self.levels[0].len()).flat_map(|leaf| (0..PER_LEAF).map(move |at| (leaf, at)));
        places.into_iter().find(|(leaf, at)| self.levels[0][*leaf][HEADER + at * LEAF..][..32] == digest.as_bytes()[..]).unwrap()
    }

    /// The list with every hash as its parts want it, unsigned. Fences stay as they are.
    pub(super) fn sealed(mut self) -> Vec<u8> {
        for level in 1..self.levels.len() {
            let (below, above) = self.levels.split_at_mut(level);
            for (index, child) in below[level - 1].iter().enumerate() {
                let at = HEADER + index % PER_INNER * INNER;
                above[0][index / PER_INNER][at..at + 32].copy_from_slice(Digest::of(child).as_bytes());
            }
        }
        let root = Digest::of(&self.levels.last().unwrap()[0]);
        let table: Vec<u8> = self.records.chunks(BLOCK).flat_map(|block| *Digest::of(block).as_bytes()).collect();
        self.set("tree-root: ", &root.to_string());
        let sizes = format!("size={} block-size={BLOCK}", self.records.len());
        self.set("records: ", &format!("{} {sizes}", Digest::of(&table)));
        let body = [self.levels.concat().concat(), self.records, table].concat();
        with_head(&[vec![0; HEAD_SIZE], body].concat(), &self.text)
    }
}

/// The value of a line of the head.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap()
}

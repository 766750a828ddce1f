//! Puts a list's head together.
//!
//! In: what the signers decide ([`HeadTerms`]), and what follows from the source ([`Contents`]).
//! Out: the [`Head`]. Pure. Not checked: whether the terms fit the node's keyset or floor.

use crate::lineage::digest::Digest;
use crate::sys::clock::Timestamp;

use super::floor::Edition;
use super::head::{Entries, Format, Head, Impact, Urgency};

/// The values of the head that do not follow from the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadTerms {
    /// The format of the list.
    pub format: Format,
    /// The origin: who publishes the list, and for what.
    pub origin: String,
    /// The keyset's number and the list's version.
    pub edition: Edition,
    /// When the list is issued.
    pub issued: Timestamp,
    /// When a newer list should have replaced this list.
    pub expires: Timestamp,
    /// Whether the signers know what the list refuses.
    pub impact: Impact,
    /// Whether the signers ask that the list be installed without delay.
    pub urgency: Urgency,
}

/// The values of the head that follow from the source.
#[derive(Clone, Copy, Debug)]
pub struct Contents {
    /// How many digests the list has, by kind.
    pub entries: Entries,
    /// SHA-256 of the tree's root node.
    pub tree_root: Digest,
    /// SHA-256 of the block table.
    pub records: Digest,
    /// The size of the records section, in bytes.
    pub records_size: u64,
    /// SHA-256 of the source.
    pub source: Digest,
    /// The size of the source, in bytes.
    pub source_size: u64,
}

impl HeadTerms {
    /// The terms of a list that exists.
    #[must_use]
    pub fn of(head: &Head) -> Self {
        Self {
            format: head.format,
            origin: head.origin.clone(),
            edition: head.edition,
            issued: head.issued,
            expires: head.expires,
            impact: head.impact,
            urgency: head.urgency,
        }
    }

    /// The head of a list with these terms and contents.
    pub fn head(&self, contents: Contents) -> Head {
        Head {
            format: self.format,
            origin: self.origin.clone(),
            edition: self.edition,
            issued: self.issued,
            expires: self.expires,
            impact: self.impact,
            urgency: self.urgency,
            entries: contents.entries,
            tree_root: contents.tree_root,
            records: contents.records,
            records_size: contents.records_size,
            source: contents.source,
            source_size: contents.source_size,
        }
    }
}

//! Splits the answers to a joint query into those for each container.
//!
//! In: a list's hits for the queries of many containers together. Out: for each container, what the
//! list would have answered to its own queries alone. Pure. A list is opened and authenticated once
//! for all of them, which for a node of 200 containers is most of the time that it takes.

use std::collections::HashMap;

use super::record::Hit;
use super::store::{ListAnswer, Query};

/// A list's answers to every query, by query.
#[derive(Debug, Default)]
pub struct Answers(HashMap<Query, Vec<Hit>>);

impl Answers {
    /// The answers in these hits.
    #[must_use]
    pub fn of(hits: &[Hit]) -> Self {
        let mut answers = Self::default();
        for hit in hits {
            answers
                .0
                .entry(Query {
                    digest: hit.digest,
                    kind: hit.kind,
                })
                .or_default()
                .push(hit.clone());
        }
        answers
    }

    /// What `list`, whose answers these are, would have answered to these queries alone.
    #[must_use]
    pub fn to(&self, queries: &[Query], list: &ListAnswer) -> ListAnswer {
        ListAnswer {
            keyset: list.keyset,
            version: list.version,
            head: list.head,
            issued: list.issued,
            expires: list.expires,
            floor_issued: list.floor_issued,
            image_digests: list.image_digests,
            hits: queries
                .iter()
                .filter_map(|query| self.0.get(query))
                .flatten()
                .cloned()
                .collect(),
            slot: list.slot,
            fault: None,
            bad_signatures: list.bad_signatures,
        }
    }
}

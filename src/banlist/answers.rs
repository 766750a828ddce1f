//! Divides the result of one joint query among the containers whose queries it joins.
//!
//! In: a list's hits for the queries of many containers together. Out: for each container, the hits
//! that a look-up for this container alone would give. Pure. So the list is opened and
//! authenticated only once. On a node of 200 containers, this saves most of the time.

use std::collections::HashMap;

use super::ban::Hit;
use super::store::{ListAnswer, Query};

/// The hits of a list, by query.
#[derive(Debug, Default)]
pub struct Answers(HashMap<Query, Vec<Hit>>);

impl Answers {
    /// Groups these hits by query.
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

    /// The hits that a look-up of these queries alone in `list` would give. The hits that were
    /// grouped must come from `list`.
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

//! Judges the containers and images of a node by two lists: a draft, and the list in force.
//!
//! In: a draft, signed or not, the node's lists, and the subjects to judge: containers or images.
//! Out: both verdicts on each subject, by the gate's own evaluator in `enforce` mode; see
//! [`InForce`], by whose rules both lists are asked. Each piece of either list is hashed before it
//! is parsed. The draft's signatures are not checked here.

use std::fs::File;

use super::Surveyed;
use super::in_force::{self, InForce};
use crate::banlist::answers::Answers;
use crate::banlist::ban::MatchKind;
use crate::banlist::bytes::Reader;
use crate::banlist::error::ListError;
use crate::banlist::head::Head;
use crate::banlist::section::Budget;
use crate::banlist::store::{self, Bans, ListAnswer, Query, Slot, Trust};
use crate::lineage::digest::Digest;
use crate::lineage::image::SourceLabels;
use crate::node::judged::{self, Judged};
use crate::node::subject::Subject;
use crate::paths::Paths;
use crate::settings::Settings;
use crate::sys::clock::Timestamp;
use crate::verdict::Judgement;

/// The draft and the list in force, with the results of looking up all subjects.
pub struct Lists<'a> {
    file: &'a Reader<'a, File>,
    head: &'a Head,
    draft: ListAnswer,
    draft_answers: Answers,
    in_force: InForce<'a>,
}

impl<'a> Lists<'a> {
    /// Looks up the digests of all `subjects` in both lists.
    ///
    /// # Errors
    /// [`ListError`] when the draft cannot be read. A missing or broken list in force is no error,
    /// but one of the possible results.
    pub fn ask<'s>(
        draft: &'a Reader<'a, File>,
        head: &'a Head,
        paths: &'a Paths,
        settings: Option<&Settings>,
        subjects: impl Iterator<Item = &'s Subject>,
        now: Timestamp,
    ) -> Result<Self, ListError> {
        let queries = in_force::queries(subjects);
        let rules = settings.map(Settings::rules).unwrap_or_default();
        let floor = match Trust::load(paths, &rules) {
            Ok(trust) => trust.floor,
            Err(_) => None,
        };
        let known = ListAnswer {
            keyset: head.edition.keyset,
            version: head.edition.version,
            head: Digest::of(head.text().as_bytes()),
            issued: head.issued,
            expires: head.expires,
            floor_issued: floor.map(|floor| floor.issued),
            image_digests: head.entries.of(MatchKind::Image),
            hits: store::hits(draft, head, &queries, Budget::Unlimited)?,
            slot: Slot::Current,
            fault: None,
            bad_signatures: 0,
        };
        let draft_answers = Answers::of(&known.hits);
        Ok(Self {
            file: draft,
            head,
            draft: known,
            draft_answers,
            in_force: InForce::ask(paths, settings, &queries, now),
        })
    }

    /// The result of looking up all digests in the list in force.
    #[must_use]
    pub const fn in_force(&self) -> &Bans {
        self.in_force.bans()
    }

    /// The verdicts of the draft and of the list in force on one subject.
    #[must_use]
    pub fn judge(&self, subject: &Subject) -> (Judged, Judgement) {
        let queries = judged::queries(subject);
        let bans = self.by_draft(&queries);
        let judgement = self.in_force.verdict(subject, &bans);
        (
            Judged {
                bans,
                judgement,
                labels: SourceLabels::default(),
            },
            self.in_force.judge_by(subject, &queries),
        )
    }

    /// The result of these queries at a start, if the draft were in force.
    fn by_draft(&self, queries: &[Query]) -> Bans {
        let known = self.draft_answers.to(queries, &self.draft);
        if known.hits.is_empty() {
            return Bans::Known(known);
        }
        match store::hits(self.file, self.head, queries, Budget::Start) {
            Ok(hits) => Bans::Known(ListAnswer { hits, ..known }),
            Err(fault) => Bans::Missing(fault),
        }
    }

    /// Judges one subject by both lists. The result says that the subject is no pause container and
    /// is trusted; the caller corrects these two fields if they are wrong.
    #[must_use]
    pub fn surveyed(&self, subject: Subject) -> Surveyed {
        let (draft, in_force) = self.judge(&subject);
        Surveyed {
            subject,
            draft,
            in_force,
            is_pause: false,
            is_trusted: true,
            is_unaccounted: false,
        }
    }
}

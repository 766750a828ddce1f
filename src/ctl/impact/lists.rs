//! Judges the containers and images of a node by two lists: a draft, and the list in force.
//!
//! In: a draft, signed or not, the node's lists, and the subjects to judge: containers or images.
//! Out: both verdicts on each subject, by the gate's own evaluator in `enforce` mode. The digests
//! of all subjects are first looked up in each list together. If a list has entries for a subject,
//! the digests of this subject are looked up again alone, as at a start: a start is refused when
//! the list says more about the container than a start may read. Each piece of either list is
//! hashed before it is parsed. The draft's signatures are not checked here.

use std::fs::File;

use super::Surveyed;
use crate::banlist::answers::Answers;
use crate::banlist::ban::MatchKind;
use crate::banlist::bytes::Reader;
use crate::banlist::error::ListError;
use crate::banlist::head::Head;
use crate::banlist::section::Budget;
use crate::banlist::store::{self, Bans, ListAnswer, Query, Slot, Trust};
use crate::lineage::Origin;
use crate::lineage::digest::Digest;
use crate::lineage::image::SourceLabels;
use crate::node::judged::{self, Judged};
use crate::node::subject::{Kind, Subject};
use crate::paths::Paths;
use crate::settings::{Mode, Settings};
use crate::sys::clock::Timestamp;
use crate::verdict::{self, Case, Judgement, Labels};

/// The draft and the list in force, with the results of looking up all subjects.
pub struct Lists<'a> {
    paths: &'a Paths,
    /// The node's settings, in `enforce` mode.
    settings: Settings,
    now: Timestamp,
    file: &'a Reader<'a, File>,
    head: &'a Head,
    draft: ListAnswer,
    in_force: Bans,
    draft_answers: Answers,
    in_force_answers: Answers,
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
        let mut queries: Vec<Query> = subjects.flat_map(judged::queries).collect();
        queries.sort_unstable();
        queries.dedup();
        let settings = Settings {
            mode: Mode::Enforce,
            ..settings.cloned().unwrap_or_else(Settings::unset)
        };
        let rules = settings.rules();
        let floor = match Trust::load(paths, &rules) {
            Ok(trust) => trust.floor,
            Err(_) => None,
        };
        let in_force = store::survey(paths, &rules, &queries);
        let in_force_answers = match &in_force {
            Bans::Known(known) => Answers::of(&known.hits),
            Bans::Missing(_) => Answers::default(),
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
            paths,
            settings,
            now,
            file: draft,
            head,
            draft: known,
            in_force,
            draft_answers,
            in_force_answers,
        })
    }

    /// The result of looking up all digests in the list in force.
    #[must_use]
    pub const fn in_force(&self) -> &Bans {
        &self.in_force
    }

    /// The verdicts of the draft and of the list in force on one subject.
    #[must_use]
    pub fn judge(&self, subject: &Subject) -> (Judged, Judgement) {
        let queries = judged::queries(subject);
        let bans = self.by_draft(&queries);
        let judgement = self.verdict(subject, &bans);
        (
            Judged {
                bans,
                judgement,
                labels: SourceLabels::default(),
            },
            self.by_list_in_force(subject, &queries),
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

    fn by_list_in_force(&self, subject: &Subject, queries: &[Query]) -> Judgement {
        let known = match &self.in_force {
            Bans::Known(known) => self.in_force_answers.to(queries, known),
            // One digest is banned, and the record of its ban cannot be read. The fault concerns
            // that digest only, so the digests of this subject are looked up alone.
            Bans::Missing(ListError::Unread(..)) => {
                return self.verdict(subject, &self.at_start(queries));
            }
            missing @ Bans::Missing(_) => return self.verdict(subject, missing),
        };
        let bans = if known.hits.is_empty() {
            Bans::Known(known)
        } else {
            self.at_start(queries)
        };
        self.verdict(subject, &bans)
    }

    /// The result of these queries at a start, from the list in force.
    fn at_start(&self, queries: &[Query]) -> Bans {
        store::look_up(self.paths, &self.settings.rules(), queries)
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

    fn verdict(&self, subject: &Subject, bans: &Bans) -> Judgement {
        let (container, name) = match &subject.kind {
            Kind::Container { id, names, .. } => (
                id.as_str(),
                names.first().map(|name| name.trim_start_matches('/')),
            ),
            Kind::Image => {
                let facts = subject.origin.as_ref().ok().and_then(Origin::facts);
                let name = facts.and_then(|facts| facts.name.as_deref());
                (name.unwrap_or("an image"), None)
            }
        };
        verdict::judge(&Case {
            container,
            name,
            engine: subject.engine,
            origin: subject.origin.as_ref(),
            labels: Labels::default(),
            bans,
            settings: &self.settings,
            break_glass: None,
            created: subject.created,
            now: self.now,
        })
    }
}

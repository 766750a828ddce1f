//! Judges the containers and images of a node by its list in force.
//!
//! In: the node's lists, and the subjects to judge. Out: the verdict on each subject, by the gate's
//! own evaluator in `enforce` mode, whatever mode the settings say. The digests of all subjects are
//! first looked up together. If the list has entries for a subject, the digests of this subject are
//! looked up again alone, as at a start: a start is refused when the list says more about the
//! container than a start may read.

use crate::banlist::answers::Answers;
use crate::banlist::error::ListError;
use crate::banlist::store::{self, Bans, Query};
use crate::lineage::Origin;
use crate::node::judged;
use crate::node::subject::{Kind, Subject};
use crate::paths::Paths;
use crate::settings::{Mode, Settings};
use crate::sys::clock::Timestamp;
use crate::verdict::{self, Case, Judgement, Labels};

/// The list in force, with the results of looking up all subjects.
pub struct InForce<'a> {
    paths: &'a Paths,
    /// The node's settings, in `enforce` mode.
    settings: Settings,
    now: Timestamp,
    bans: Bans,
    answers: Answers,
}

/// The digests of all these subjects, each once.
pub fn queries<'s>(subjects: impl Iterator<Item = &'s Subject>) -> Vec<Query> {
    let mut queries: Vec<Query> = subjects.flat_map(judged::queries).collect();
    queries.sort_unstable();
    queries.dedup();
    queries
}

impl<'a> InForce<'a> {
    /// Looks up the digests of all subjects. A missing or broken list is no error, but one of the
    /// possible results.
    #[must_use]
    pub fn ask(
        paths: &'a Paths,
        settings: Option<&Settings>,
        queries: &[Query],
        now: Timestamp,
    ) -> Self {
        let settings = Settings {
            mode: Mode::Enforce,
            ..settings.cloned().unwrap_or_else(Settings::unset)
        };
        let bans = store::survey(paths, &settings.rules(), queries);
        let answers = match &bans {
            Bans::Known(known) => Answers::of(&known.hits),
            Bans::Missing(_) => Answers::default(),
        };
        Self {
            paths,
            settings,
            now,
            bans,
            answers,
        }
    }

    /// The result of looking up all digests.
    #[must_use]
    pub const fn bans(&self) -> &Bans {
        &self.bans
    }

    /// The verdict on one subject.
    #[must_use]
    pub fn judge(&self, subject: &Subject) -> Judgement {
        self.judge_by(subject, &judged::queries(subject))
    }

    /// The verdict on one subject, whose digests are `queries`.
    #[must_use]
    pub fn judge_by(&self, subject: &Subject, queries: &[Query]) -> Judgement {
        let known = match &self.bans {
            Bans::Known(known) => self.answers.to(queries, known),
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

    /// The result of these queries at a start.
    fn at_start(&self, queries: &[Query]) -> Bans {
        store::look_up(self.paths, &self.settings.rules(), queries)
    }

    /// The verdict on one subject by these bans, which may come from another list.
    #[must_use]
    pub fn verdict(&self, subject: &Subject, bans: &Bans) -> Judgement {
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

//! Judges a container or an image on this node as the gate would judge it at a start.
//!
//! In: the container or image, its bans in a list, and the operator's decisions. Out: the verdict,
//! made by the function that also makes the gate's verdict, and the facts behind the verdict.

use super::subject::Subject;
use super::{places, wire};
use crate::banlist::store::{Bans, Query};
use crate::lineage::Origin;
use crate::lineage::image::{self, SourceLabels};
use crate::settings::Settings;
use crate::sys::clock::Timestamp;
use crate::verdict::break_glass::BreakGlass;
use crate::verdict::{self, Case, Judgement, Labels};

/// The digests of a container or image to look up in a list; empty if the lineage is not known.
#[must_use]
pub fn queries(subject: &Subject) -> Vec<Query> {
    subject
        .origin
        .as_ref()
        .map(verdict::queries)
        .unwrap_or_default()
}

/// The judgement of a container or an image, and the facts behind the judgement.
#[derive(Debug)]
pub struct Judged {
    /// The bans and exceptions that the list contains for the container or image.
    pub bans: Bans,
    /// The verdict.
    pub judgement: Judgement,
    /// The labels in which the image's author says what source the image was built from.
    pub labels: SourceLabels,
}

/// The labels in which the author of a subject's image says where the source is; empty if the
/// image's config cannot be read.
fn labels(subject: &Subject) -> SourceLabels {
    let facts = subject.origin.as_ref().ok().and_then(Origin::facts);
    let Some(facts) = facts else {
        return SourceLabels::default();
    };
    // The images of a rootless engine are controlled by the engine's user.
    let user = facts.config_file.as_deref().map_or(0, places::controller);
    let labels = wire::ask(user, || image::labels(facts).unwrap_or_default());
    labels.unwrap_or_default()
}

/// The inputs of the gate's verdict, except for the container or image.
pub struct Judge<'a> {
    /// The operator's decisions.
    pub settings: &'a Settings,
    /// The break-glass file, if there is one.
    pub glass: Option<&'a BreakGlass>,
    /// The current time.
    pub now: Timestamp,
}

impl Judge<'_> {
    /// Judges a container or an image by its bans in a list.
    #[must_use]
    pub fn judge(&self, word: &str, subject: &Subject, bans: Bans) -> Judged {
        let labels = labels(subject);
        let case = Case {
            container: word,
            name: None,
            engine: subject.engine,
            origin: subject.origin.as_ref(),
            labels: Labels {
                source: labels.source.as_deref(),
                revision: labels.revision.as_deref(),
            },
            bans: &bans,
            settings: self.settings,
            break_glass: self.glass,
            created: subject.created,
            now: self.now,
        };
        let judgement = verdict::judge(&case);
        Judged {
            bans,
            judgement,
            labels,
        }
    }
}

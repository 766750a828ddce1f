//! Judges what is on this node as the gate would judge it at a start.
//!
//! In: a container or an image, what a list answered, and the operator's decisions. Out: the
//! verdict of the one evaluator, with what it is based on.

use super::subject::Subject;
use crate::banlist::store::Bans;
use crate::lineage::Origin;
use crate::lineage::image::{self, SourceLabels};
use crate::settings::Settings;
use crate::sys::clock::Timestamp;
use crate::verdict::break_glass::BreakGlass;
use crate::verdict::{self, Case, Judgement, Labels};

/// A subject's judgement, and what it is based on.
#[derive(Debug)]
pub struct Judged {
    /// What the list answered.
    pub bans: Bans,
    /// What follows from it.
    pub judgement: Judgement,
    /// What the image's author says about where it came from.
    pub labels: SourceLabels,
}

/// The gate's evaluator, with everything it needs except a subject.
pub struct Judge<'a> {
    /// The operator's decisions.
    pub settings: &'a Settings,
    /// The break-glass file, if it counts.
    pub glass: Option<&'a BreakGlass>,
    /// The time.
    pub now: Timestamp,
}

impl Judge<'_> {
    /// Judges a subject by what a list answered.
    #[must_use]
    pub fn judge(&self, word: &str, subject: &Subject, bans: Bans) -> Judged {
        let labels = subject
            .origin
            .as_ref()
            .ok()
            .and_then(Origin::facts)
            .and_then(image::labels)
            .unwrap_or_default();
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

//! Finds the reason that keeps a container from starting.
//!
//! In: one [`Case`], what is known about one container; and its matches with the list. Out: the
//! most severe reason for a refusal, or none. The settings decide which facts are reasons. Certain
//! reasons come before uncertain reasons. Not decided here: whether the mode or break-glass lets
//! the container start nevertheless.

use crate::banlist::error::ListError;
use crate::banlist::store::Bans;
use crate::lineage::{Evidence, LineageError, Origin};
use crate::report::line;
use crate::settings::{OnMissingList, OnNoImage, OnOverdueList, OnUnknownImage};

use super::moment::{Freshness, Moment};
use super::{Case, Finding, Grounds, Refusal, sentence};

/// The first reason, in order of precedence, not to start the container. A ban that matches comes
/// first; reasons that rest on missing knowledge come later.
pub(super) fn obstacle(case: &Case<'_>, findings: &[Finding], moment: &Moment) -> Option<Refusal> {
    for finding in findings {
        if finding.standing.is_in_effect() {
            let because = sentence::finding(finding, case.origin.ok());
            return refusal(case, Grounds::Banned, &because);
        }
    }
    if let Err(error @ LineageError::Corrupt(_)) = case.origin {
        let because = format!("cannot trust its engine's store: {}", line::causes(error));
        return refusal(case, Grounds::CorruptStore, &because);
    }
    // The list has a ban that matches, but the ban's record cannot be read. The setting
    // `on_missing_list` is only for a node without a list.
    if let Bans::Missing(error @ ListError::Unread(..)) = case.bans {
        let because = sentence::unread(error, case.labels);
        return refused(case, Grounds::Banned, &because);
    }
    if let (Bans::Missing(error), OnMissingList::Refuse) =
        (case.bans, case.settings.on_missing_list)
    {
        let because = sentence::no_list(error, case.labels);
        return refused(case, Grounds::MissingList, &because);
    }
    if let (Some(doubt), OnUnknownImage::Refuse) = (doubt(case), case.settings.on_unknown_image) {
        return refusal(case, Grounds::UnknownImage, &doubt);
    }
    if let (Ok(Origin::NoImage), OnNoImage::Refuse) = (case.origin, case.settings.on_no_image) {
        return refusal(case, Grounds::NoImage, "it is made from no image");
    }
    if let (Freshness::Overdue(since), OnOverdueList::Refuse) =
        (moment.freshness, case.settings.on_overdue_list)
    {
        let because = format!("the ban list is overdue since {}", since.date());
        return refusal(case, Grounds::OverdueList, &because);
    }
    None
}

/// A refusal for the reason `because`; its line also names the list and the image's labels.
fn refusal(case: &Case<'_>, grounds: Grounds, because: &str) -> Option<Refusal> {
    refused(case, grounds, &format!("{because}{}", sentence::tail(case)))
}

/// A refusal with exactly this reason.
fn refused(case: &Case<'_>, grounds: Grounds, because: &str) -> Option<Refusal> {
    let help = case.settings.help.as_deref();
    Some(Refusal::new(grounds, case.called(), because, help))
}

/// Why the container's lineage is unknown; `None` if it is known.
pub(super) fn doubt(case: &Case<'_>) -> Option<String> {
    match case.origin {
        Err(error @ LineageError::Unknown(_)) => Some(sentence::unknown(error)),
        Ok(Origin::Image(image)) => match image.evidence {
            // The chain IDs are known, so a banned base is found. A banned layer is not found.
            Evidence::Claimed if image.chain.diff_ids().is_empty() => {
                Some("cannot tell what it is made of: its image is gone, and only the names of its layers' stacks are left".to_owned())
            }
            Evidence::Claimed => Some("cannot tell what it is made of: its layers are only claimed by the image's author".to_owned()),
            Evidence::Metadata | Evidence::Mount => None,
        },
        Ok(Origin::NoLayers(_) | Origin::NoImage) | Err(LineageError::Corrupt(_)) => None,
    }
}

/// Why a ban of the container's image may have been missed: the list bans images by digest, and not
/// every digest of this image is known. `None` if no ban can have been missed for this reason. A
/// container is not refused for an unknown digest: bans by base, by layer and by image ID are still
/// found.
#[must_use]
pub fn pull_doubt(origin: Option<&Origin>, bans: &Bans) -> Option<String> {
    let fault = origin?.facts()?.pull_fault.as_ref()?;
    match bans {
        Bans::Known(list) if list.image_digests > 0 => Some(format!(
            "cannot tell by which digests its image was pulled: {fault}"
        )),
        Bans::Known(_) | Bans::Missing(_) => None,
    }
}

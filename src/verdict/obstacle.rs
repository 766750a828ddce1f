//! Decides what keeps a container from starting.
//!
//! In: one case, and what the list says about it. Out: the most severe reason for a refusal, as far
//! as the settings make it one. Certain reasons come before uncertain ones. Not decided here:
//! whether the mode or break-glass lets the container start all the same.

use crate::banlist::error::ListError;
use crate::banlist::store::Bans;
use crate::lineage::{Evidence, LineageError, Origin};
use crate::report::line;
use crate::settings::{OnMissingList, OnNoImage, OnOverdueList, OnUnknownImage};

use super::moment::{Freshness, Moment};
use super::{Case, Finding, Grounds, Refusal, words};

/// The most severe obstacle to starting the container: certain ones before unknown ones.
pub(super) fn obstacle(case: &Case<'_>, findings: &[Finding], moment: &Moment) -> Option<Refusal> {
    let refusal = |grounds, because: String| {
        Some(Refusal::new(
            grounds,
            case.called(),
            &format!("{because}{}", words::tail(case)),
        ))
    };
    if let Some(finding) = findings
        .iter()
        .find(|finding| finding.standing.is_in_effect())
    {
        return refusal(Grounds::Banned, words::finding(finding, case.origin.ok()));
    }
    if let Err(error @ LineageError::Corrupt(_)) = case.origin {
        return refusal(
            Grounds::CorruptStore,
            format!("cannot trust its engine's store: {}", line::causes(error)),
        );
    }
    // The settings decide what happens without a list, not what happens with a ban.
    if let Bans::Missing(error @ ListError::Unread(..)) = case.bans {
        return Some(Refusal::new(
            Grounds::Banned,
            case.called(),
            &words::unread(error, case.labels),
        ));
    }
    if let (Bans::Missing(error), OnMissingList::Refuse) =
        (case.bans, case.settings.on_missing_list)
    {
        return Some(Refusal::new(
            Grounds::MissingList,
            case.called(),
            &words::no_list(error, case.labels),
        ));
    }
    if let (Some(doubt), OnUnknownImage::Refuse) = (doubt(case), case.settings.on_unknown_image) {
        return refusal(Grounds::UnknownImage, doubt);
    }
    if let (Ok(Origin::NoImage), OnNoImage::Refuse) = (case.origin, case.settings.on_no_image) {
        return refusal(Grounds::NoImage, "it is made from no image".to_owned());
    }
    if let (Freshness::Overdue(since), OnOverdueList::Refuse) =
        (moment.freshness, case.settings.on_overdue_list)
    {
        return refusal(
            Grounds::OverdueList,
            format!("the ban list is overdue since {}", since.date()),
        );
    }
    None
}

/// Why it is not known what the container is made of, if so.
pub(super) fn doubt(case: &Case<'_>) -> Option<String> {
    match case.origin {
        Err(error @ LineageError::Unknown(_)) => Some(words::unknown(error)),
        Ok(Origin::Image(image)) => match image.evidence {
            // Its chain IDs can be looked up, and a banned base is found by them; a banned layer
            // cannot be.
            Evidence::Claimed if image.chain.diff_ids().is_empty() => {
                Some("cannot tell what it is made of: its image is gone, and only the names of its layers' stacks are left".to_owned())
            }
            Evidence::Claimed => Some("cannot tell what it is made of: its layers are only claimed by the image's author".to_owned()),
            Evidence::Metadata | Evidence::Mount => None,
        },
        Ok(Origin::NoLayers(_) | Origin::NoImage) | Err(LineageError::Corrupt(_)) => None,
    }
}

/// Why a ban of its image may have been missed, if so: the list bans images, and not every digest
/// of this one is known. Nothing is refused for that: bans by base, by layer and by image ID are
/// still found.
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

//! Decides what to do at a runtime's place, from what is there now.
//!
//! Pure. Whatever moment a command was interrupted at, the next command finds one of the rows below
//! and completes the work. "Old" and "new" are versions of the runtime.
//!
//! | at the place | beside it | means |
//! |---|---|---|
//! | runtime | nothing | not diverted, or interrupted before the second name |
//! | runtime | the same file | interrupted before the link |
//! | Embargo | runtime | diverted |
//! | nothing | runtime | somebody removed the link |
//! | new | old | without dpkg: an update put the runtime back at its place |
//! | old | new | with dpkg's diversion: interrupted before the link, then updated |
//! | one | another | neither recorded nor diverted: unknown which one counts |
//! | Embargo | nothing | the runtime's package was removed |

use super::error::DivertError;
use super::place::{Content, DpkgDiversion, PlaceFacts, are_one};
use crate::node::diversions::Keeper;

/// One change at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DivertStep {
    /// Record the diversion.
    Record,
    /// Tell dpkg to put the runtime's updates beside the place.
    Divert,
    /// Give the runtime its second name beside the place.
    Keep,
    /// Put the link to Embargo at the place.
    Take,
    /// Move the runtime back to its place.
    Restore,
    /// Remove the runtime's second name.
    RemoveReal,
    /// Remove the link to Embargo: no runtime is left.
    RemoveLink,
    /// Tell dpkg that the place is no longer diverted.
    Undivert,
    /// Remove the diversion from the record.
    Forget,
}

/// The steps that put Embargo at the place; none if it is there.
///
/// # Errors
/// [`DivertError`]: the place cannot be taken.
pub(super) fn divert(facts: &PlaceFacts) -> Result<Vec<DivertStep>, DivertError> {
    let mut steps = Vec::new();
    if !facts.is_recorded {
        steps.push(DivertStep::Record);
    }
    match &facts.dpkg {
        DpkgDiversion::Other(target) => {
            let place = facts.diversion.place.clone();
            return Err(DivertError::Elsewhere(place, target.clone()));
        }
        DpkgDiversion::None if facts.diversion.keeper == Keeper::Dpkg => {
            steps.push(DivertStep::Divert);
        }
        DpkgDiversion::None | DpkgDiversion::Ours => {}
    }
    let (place, real) = (&facts.diversion.place, &facts.diversion.real);
    match (facts.at_place, facts.at_real) {
        (Content::Other, _) => return Err(DivertError::NoProgram(place.clone())),
        (_, Content::Other | Content::Embargo) => return Err(DivertError::Occupied(real.clone())),
        (Content::Embargo, Content::Program(_)) => {}
        (Content::Embargo, Content::Nothing) => {
            return Err(DivertError::Gone(place.clone(), real.clone()));
        }
        (Content::Nothing, Content::Nothing) => return Err(DivertError::Missing(place.clone())),
        (Content::Nothing, Content::Program(_)) => steps.push(DivertStep::Take),
        (Content::Program(_), Content::Nothing) => {
            steps.extend([DivertStep::Keep, DivertStep::Take]);
        }
        (Content::Program(_), Content::Program(_)) => {
            steps.extend(of_two(facts)?);
        }
    }
    Ok(steps)
}

/// The steps if there is a runtime at the place and another name of one beside it.
fn of_two(facts: &PlaceFacts) -> Result<Vec<DivertStep>, DivertError> {
    // What dpkg puts beside the place is the package's own program.
    if are_one(facts.at_place, facts.at_real) || facts.dpkg == DpkgDiversion::Ours {
        return Ok(vec![DivertStep::Take]);
    }
    if facts.is_recorded && facts.diversion.keeper == Keeper::Nobody {
        return Ok(vec![DivertStep::Keep, DivertStep::Take]);
    }
    Err(two(facts))
}

fn two(facts: &PlaceFacts) -> DivertError {
    DivertError::Two(facts.diversion.place.clone(), facts.diversion.real.clone())
}

/// The steps that give the place back to its runtime.
///
/// # Errors
/// [`DivertError`]: it is unknown which program belongs there.
pub(super) fn undo(facts: &PlaceFacts) -> Result<Vec<DivertStep>, DivertError> {
    let mut steps = Vec::new();
    match (facts.at_place, facts.at_real) {
        (Content::Other, _) => {
            return Err(DivertError::NoProgram(facts.diversion.place.clone()));
        }
        (_, Content::Other | Content::Embargo) => {
            return Err(DivertError::Occupied(facts.diversion.real.clone()));
        }
        (Content::Embargo | Content::Nothing, Content::Program(_)) => {
            steps.push(DivertStep::Restore);
        }
        (Content::Embargo, Content::Nothing) => steps.push(DivertStep::RemoveLink),
        (Content::Program(_), Content::Program(_)) => {
            let is_updated = facts.diversion.keeper == Keeper::Nobody;
            if are_one(facts.at_place, facts.at_real) || is_updated {
                steps.push(DivertStep::RemoveReal);
            } else if facts.dpkg == DpkgDiversion::Ours {
                steps.push(DivertStep::Restore);
            } else {
                return Err(two(facts));
            }
        }
        (Content::Program(_) | Content::Nothing, Content::Nothing) => {}
    }
    if facts.dpkg == DpkgDiversion::Ours {
        steps.push(DivertStep::Undivert);
    }
    if facts.is_recorded {
        steps.push(DivertStep::Forget);
    }
    Ok(steps)
}

//! Describes the node that a list is meant for, and refuses a list from its future.
//!
//! In: the node's files, its settings and its clock. Out: what else is asked about a list here.

use std::path::Path;

use super::super::CtlError;
use super::error::InstallError;
use crate::banlist::head::Head;
use crate::banlist::store::{Rules, Trust};
use crate::paths::Paths;
use crate::settings::Settings;
use crate::sys::clock::Timestamp;

/// The node that a list is installed on.
#[derive(Clone, Debug)]
pub struct NodeState<'a> {
    /// Its files.
    pub paths: &'a Paths,
    /// The settings of its operator, if there are any.
    pub settings: Option<&'a Settings>,
    /// What the settings say about the list.
    pub rules: Rules,
    /// The time.
    pub now: Timestamp,
}

/// A day: how far a list may be ahead of the clock.
const AHEAD: u64 = 86_400;

/// 2026-11-01: a clock that shows an earlier time was never set, and nothing is judged by it.
pub const CLOCK_SET: Timestamp = Timestamp::from_seconds(1_793_491_200);

/// Refuses a list from the future: it would move the node's idea of the time. A clock that was
/// never set, or is behind the floor, judges nothing. There a list may be as new as the keyset may
/// be old; no list key controls that.
pub fn not_ahead(path: &Path, head: &Head, trust: &Trust, now: Timestamp) -> Result<(), CtlError> {
    let floor = trust
        .floor
        .map_or(Timestamp::from_seconds(0), |floor| floor.issued);
    let is_set = now >= CLOCK_SET && floor <= now.plus(AHEAD);
    let latest = if is_set {
        now.plus(AHEAD)
    } else {
        floor.max(trust.keyset.expires)
    };
    if head.issued <= latest {
        return Ok(());
    }
    let (path, clock) = (path.to_owned(), format!("this node's clock says {now}"));
    Err(match is_set {
        true => CtlError::with_hint(InstallError::Future(path, head.issued), clock),
        false => CtlError::with_hint(
            InstallError::Clock(path, head.issued),
            format!("{clock}: set it"),
        ),
    })
}

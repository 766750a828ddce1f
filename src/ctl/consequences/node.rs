//! Describes the node on which a list is installed, and refuses a list from the future.
//!
//! In: the node's files, settings and clock. Out: a [`NodeState`], and an error for a list that is
//! issued in the future.

use std::path::Path;

use super::super::CtlError;
use super::error::InstallError;
use crate::banlist::head::Head;
use crate::banlist::store::{Rules, Trust};
use crate::paths::Paths;
use crate::settings::Settings;
use crate::sys::clock::Timestamp;

/// The node on which a list is installed.
#[derive(Clone, Debug)]
pub struct NodeState<'a> {
    /// The paths of the node's files.
    pub paths: &'a Paths,
    /// The operator's settings, if the node has any.
    pub settings: Option<&'a Settings>,
    /// The part of the settings that concerns the list.
    pub rules: Rules,
    /// The current time.
    pub now: Timestamp,
}

/// How far a list's time of issue may be later than the clock, in seconds: one day.
const AHEAD: u64 = 86_400;

/// 2026-11-01. A clock that shows an earlier time was never set, so such a clock is not used to
/// judge a list.
pub const CLOCK_SET: Timestamp = Timestamp::from_seconds(1_793_491_200);

/// Refuses a list from the future: such a list would move the time that the node assumes forward. A
/// clock that was never set, or that is behind the floor, cannot show whether a list is from the
/// future. With such a clock, the list may be issued as late as the keyset's expiry, a time that no
/// list key controls.
pub fn not_ahead(path: &Path, head: &Head, trust: &Trust, now: Timestamp) -> Result<(), CtlError> {
    let floor = match trust.floor {
        Some(floor) => floor.issued,
        None => Timestamp::from_seconds(0),
    };
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

//! Lists the reasons why a node starts containers that its list bans.
//!
//! In: the node's settings, its break-glass file, and the time. Out: each reason why banned
//! containers start here, and a broken break-glass file. Commands that report what a list would
//! refuse must also report these reasons; otherwise their report would be incomplete. Pure.

use std::fmt;

use crate::report::line::name;
use crate::settings::{BREAK_GLASS_MAX, Mode, Settings};
use crate::sys::clock::Timestamp;

use super::break_glass::{BreakGlass, Open, Shut};

/// One reason why banned containers start on this node.
#[derive(Clone, Copy, Debug)]
pub enum Leniency<'a> {
    /// There are no settings.
    NotArmed,
    /// The settings say `mode = "audit"`.
    Audit,
    /// Break-glass is open.
    Open(Open<'a>),
    /// There is a break-glass file, but it opens nothing.
    Shut(Shut<'a>),
}

/// All reasons that have an effect. On a node that is not armed nothing is refused, so there is no
/// other reason. While break-glass is open, the mode has no effect.
#[must_use]
pub fn all<'a>(
    settings: Option<&Settings>,
    glass: Option<&'a BreakGlass>,
    now: Timestamp,
) -> Vec<Leniency<'a>> {
    let Some(settings) = settings else {
        return vec![Leniency::NotArmed];
    };
    let audit = (settings.mode == Mode::Audit).then_some(Leniency::Audit);
    match glass.map(|glass| glass.state(now, settings.break_glass_max)) {
        Some(Ok(open)) => vec![Leniency::Open(open)],
        Some(Err(shut)) => [Some(Leniency::Shut(shut)), audit]
            .into_iter()
            .flatten()
            .collect(),
        None => audit.into_iter().collect(),
    }
}

/// The reason on a node whose settings cannot be used: such a node refuses everything unless
/// break-glass is open.
#[must_use]
pub fn of_broken_settings(glass: Option<&BreakGlass>, now: Timestamp) -> Option<Leniency<'_>> {
    glass.map(|glass| match glass.state(now, BREAK_GLASS_MAX) {
        Ok(open) => Leniency::Open(open),
        Err(shut) => Leniency::Shut(shut),
    })
}

impl fmt::Display for Leniency<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotArmed => f.write_str(
                "this node is not armed: it has no settings, and whatever is banned starts",
            ),
            Self::Audit => f.write_str(
                "the settings say mode = \"audit\": what is refused starts all the same",
            ),
            Self::Open(Open { reason, until }) => {
                write!(
                    f,
                    "break-glass is open until {until} ({}): what is refused starts all the same",
                    name(reason)
                )
            }
            Self::Shut(shut) => shut.fmt(f),
        }
    }
}

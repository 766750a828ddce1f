//! Lists what on a node lets containers start that a list refuses.
//!
//! In: the node's settings, its break-glass file, the time. Out: every such thing, and a
//! break-glass file that is broken, for the commands that report what would be refused here:
//! without it their answer would be incomplete. Pure.

use std::fmt;

use crate::report::line::name;
use crate::settings::{BREAK_GLASS_MAX, Mode, Settings};
use crate::sys::clock::Timestamp;

use super::break_glass::{BreakGlass, Open, Shut};

/// One of these things.
#[derive(Clone, Copy, Debug)]
pub enum Leniency<'a> {
    /// There are no settings.
    NotArmed,
    /// The settings' mode is `audit`.
    Audit,
    /// Break-glass is open.
    Open(Open<'a>),
    /// There is a break-glass file, but it opens nothing.
    Shut(Shut<'a>),
}

/// All of them that matter: a node that is not armed refuses nothing, whatever else there is, and
/// open break-glass takes precedence over the mode.
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

/// The same where the settings cannot be used, and all is refused but for break-glass.
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

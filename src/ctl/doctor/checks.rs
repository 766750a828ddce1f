//! Lists the checks of `doctor`.
//!
//! An ID never changes its meaning: monitoring and configuration management name it. The table in
//! `docs/doctor.md` has the same rows in the same order; a test compares the two.

use super::examination::Examination;
use super::finding::Found;
use super::{engines, files, list, names, programs, settings_read, trial};

/// A check.
#[derive(Clone, Copy)]
pub struct DoctorCheck {
    /// The ID.
    pub id: &'static str,
    /// What the check asks, for people.
    pub question: &'static str,
    /// Finds the answer.
    pub(super) examine: fn(&Examination<'_>) -> Vec<Found>,
}

const fn check(
    id: &'static str,
    question: &'static str,
    examine: fn(&Examination<'_>) -> Vec<Found>,
) -> DoctorCheck {
    DoctorCheck {
        id,
        question,
        examine,
    }
}

/// The ID of the check that runs only on request.
pub const TRIAL: &str = "trial";

/// Every check, in the order in which they are reported.
pub const CHECKS: [DoctorCheck; 24] = [
    check("not-root", "may the caller see everything", files::not_root),
    check("armed", "is there a settings file", list::armed),
    check("settings", "can the settings be used", list::settings),
    check("mode", "are refusals carried out", list::mode),
    check("break-glass", "is break-glass shut", list::glass),
    check(
        "list",
        "is there a list, authentic and fresh",
        list::in_force,
    ),
    check(
        "second-copy",
        "is the second copy the same list",
        list::second_copy,
    ),
    check("floor", "does the floor fit the list", list::floor),
    check(
        "clock",
        "is the clock later than what was signed",
        list::clock,
    ),
    check(
        "keyset",
        "can the keyset be used, and until when",
        list::keyset,
    ),
    check(
        "permissions",
        "may only root change Embargo's files",
        files::permissions,
    ),
    check("log-socket", "does a system log listen", files::log_socket),
    check(
        "journal-size",
        "are the journals of exec-patch small",
        files::journal_size,
    ),
    check(
        "versions",
        "are embargo and embargoctl of one version",
        programs::versions,
    ),
    check(
        "delegate",
        "is the real runtime there, and does it work",
        programs::delegate,
    ),
    check(
        "engine-settings",
        "can the engines' settings be read",
        names::engine_settings,
    ),
    check(
        "coverage",
        "is Embargo behind each name of a runtime",
        names::coverage,
    ),
    check(
        "default-runtime",
        "is Embargo behind each engine's default",
        names::default_runtime,
    ),
    check(
        "settings-read",
        "have the engines that run read their settings",
        settings_read::settings_read,
    ),
    check("buildkit", "is Embargo behind BuildKit", names::buildkit),
    check(
        "missing-binary",
        "do all named programs exist",
        names::missing_binary,
    ),
    check(
        "unnamed-engine",
        "is every engine where the settings say",
        engines::unnamed_engine,
    ),
    check(
        "live-restore",
        "do banned containers outlive a restart of Docker",
        engines::live_restore,
    ),
    check(
        TRIAL,
        "is a trial image refused through each engine (`--trial`)",
        trial::trial,
    ),
];

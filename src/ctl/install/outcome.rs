//! Describes an installation, done or planned, as lines of text.
//!
//! In: the new list, the plan and the survey. Out: the lines to print. Names in them are untrusted,
//! and are quoted.

use super::super::consequences::node::{CLOCK_SET, NodeState};
use super::super::consequences::plan::{InstallPlan, InstallStep};
use super::super::impact::{Survey, objection::on_a_later_day};
use super::super::{amount, change as wording, keyset};
use super::assessment::Assessment;
use crate::banlist::change::Change;
use crate::banlist::store::{Authentic, Trust};
use crate::report::line;

/// The most bans that get a line of their own.
const MOST_LISTED: usize = 20;

/// Describes what an installation has done.
pub(super) fn installed(
    found: &Authentic,
    judged: &Assessment,
    trust: &Trust,
    node: &NodeState<'_>,
) -> Vec<String> {
    let plan = &judged.plan;
    let mut lines = vec![title(
        if plan.puts() {
            "installed"
        } else {
            "already in force:"
        },
        found,
        plan,
    )];
    if plan.only_copies() {
        lines.push("its second copy was made anew".to_owned());
    }
    if let Some(change) = &plan.change
        && change.is_lift()
    {
        lines.push(threshold(Some(change), found, plan, trust));
    }
    lines.extend(brought(found, plan, trust));
    // The survey is printed only if it found something: refused or unknown containers, or
    // directories and files that could not be read.
    if let Some(survey) = &judged.survey
        && (survey.newly_refused().next().is_some()
            || !survey.ahead().is_empty()
            || survey.unknown() > 0
            || !survey.faults.is_empty())
    {
        lines.extend(hit(survey));
    }
    lines.extend(remarks(found, plan, trust, node));
    lines
}

/// Describes what an installation would do.
pub(super) fn planned(
    found: &Authentic,
    judged: &Assessment,
    trust: &Trust,
    node: &NodeState<'_>,
) -> Vec<String> {
    let plan = &judged.plan;
    let mut lines = vec![title(
        if plan.puts() {
            "would install"
        } else {
            "already in force:"
        },
        found,
        plan,
    )];
    if let Some(change) = &plan.change {
        let changes = wording::all(change).count();
        lines.extend(
            wording::all(change)
                .take(MOST_LISTED)
                .map(wording::headline),
        );
        if changes > MOST_LISTED {
            let more = amount(changes - MOST_LISTED, "ban");
            lines.push(format!("and {more} more: embargoctl list diff"));
        }
        lines.extend(wording::catalogue(change));
    }
    lines.push(threshold(plan.change.as_ref(), found, plan, trust));
    lines.extend(brought(found, plan, trust));
    if let Some(survey) = &judged.survey {
        lines.extend(hit(survey));
    }
    for step in &plan.steps {
        lines.push(describe_step(step, node));
    }
    lines.extend(remarks(found, plan, trust, node));
    lines
}

fn title(verb: &str, found: &Authentic, plan: &InstallPlan) -> String {
    let head = &found.head;
    let (bans, digests) = (
        amount(plan.bans.len(), "ban"),
        amount(head.entries.all, "digest"),
    );
    format!(
        "{verb} version {} for {}: {bans}, {digests}{}",
        head.edition.version,
        line::name(&head.origin),
        if head.urgency.is_urgent() {
            ", urgent"
        } else {
            ""
        }
    )
}

fn threshold(
    change: Option<&Change>,
    found: &Authentic,
    plan: &InstallPlan,
    trust: &Trust,
) -> String {
    // When the newest list is lost, a comparison with an older list cannot show that no ban is
    // lifted.
    let change = change.filter(|change| change.is_lift() || !plan.is_lost);
    let needed = wording::Needed {
        keyset: trust.keyset.number,
        needed: plan.needed,
        good: found.tally.good,
    };
    wording::sentence(change, trust.keyset.number, Some(needed))
}

/// Lists the patches, successors and severities that are new, changed or gone. Such a change lifts
/// no ban, so one key alone can make it.
fn brought(found: &Authentic, plan: &InstallPlan, trust: &Trust) -> Vec<String> {
    let mut lines = Vec::new();
    for brought in plan.brought() {
        lines.push(brought.line);
    }
    lines.extend(wording::withheld(
        &trust.keyset,
        found.tally.good,
        &plan.bans,
    ));
    lines
}

/// Says how many running containers would be refused. If some containers could not be read, the
/// text also says that the number may be too low, and why.
fn hit(survey: &Survey) -> Vec<String> {
    let (newly, running, unread) = (
        survey.newly_refused().count(),
        survey.counted().count(),
        survey.faults.len(),
    );
    let unclear = survey.unknown();
    let of_them = on_a_later_day(survey.later());
    let refused = format!(
        "{newly} of {} would newly be refused at the next start{of_them}",
        amount(running, "running container")
    );
    let unknown = format!("cannot tell what {} made of", are(unclear));
    let of_those = match (running, unclear) {
        (0, 0) if unread == 0 => "no containers run".to_owned(),
        (0, 0) => "no running containers could be read".to_owned(),
        (0, _) => unknown,
        (_, 0) => refused,
        (_, _) => format!("{refused}; {unknown}"),
    };
    let mut lines = vec![of_those];
    for ahead in survey.ahead() {
        lines.push(ahead.text());
    }
    if unread > 0 {
        lines.push(format!(
            "cannot tell for all of them: {} could not be read",
            amount(unread, "place")
        ));
    }
    for fault in &survey.faults {
        lines.push(format!("  {}", line::one_line(fault)));
    }
    lines
}

fn are(containers: usize) -> String {
    let verb = if containers == 1 { "is" } else { "are" };
    format!("{} {verb}", amount(containers, "running container"))
}

fn describe_step(step: &InstallStep, node: &NodeState<'_>) -> String {
    let paths = node.paths;
    match step {
        InstallStep::Announce(_) => format!(
            "would note in {} that it is about to come",
            line::path(&paths.floor)
        ),
        InstallStep::Copy(edition) => format!(
            "would put a second copy of version {} in {}",
            edition.version,
            line::path(&paths.copy)
        ),
        InstallStep::Put(edition) => format!(
            "would put version {} in force as {}",
            edition.version,
            line::path(&paths.list)
        ),
        InstallStep::Raise(floor) => format!(
            "would raise {} to version {}",
            line::path(&paths.floor),
            floor.edition.version
        ),
    }
}

/// Further warnings: damaged copies, bad signatures, an expired list, a keyset that expires soon.
fn remarks(
    found: &Authentic,
    plan: &InstallPlan,
    trust: &Trust,
    node: &NodeState<'_>,
) -> Vec<String> {
    let head = &found.head;
    let mut lines = Vec::new();
    for (which, fault) in [
        ("the list in force", &plan.broken),
        ("its second copy", &plan.broken_copy),
    ] {
        if let Some(fault) = fault {
            lines.push(format!("{which} was not usable: {}", line::causes(fault)));
        }
    }
    if found.tally.bad > 0 {
        let (good, bad) = (found.tally.good, found.tally.bad);
        lines.push(format!(
            "beside {good} good signatures {bad} do not verify: embargoctl list verify says which"
        ));
    }
    if head.expires <= node.now && node.now >= CLOCK_SET {
        lines.push(format!(
            "it expired at {}: it is enforced all the same, and reported as stale",
            head.expires
        ));
    }
    lines.extend(keyset::renewal(&trust.keyset, node.now));
    lines
}

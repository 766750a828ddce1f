//! Formats the text output of a run.
//!
//! In: the events of the run. Out: lines in which every name and all output is safe for a terminal;
//! and a bar on standard error if that is a terminal.

use std::cell::Cell;
use std::collections::{HashSet, VecDeque};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::tally::OutcomeTally;
use crate::exec_patch::enter::output;
use crate::exec_patch::job::{Container, container_name, place};
use crate::exec_patch::journal::halt::Halt;
use crate::exec_patch::journal::line::Ended;
use crate::exec_patch::outcome::{Outcome, OutcomeKind, Stage};
use crate::exec_patch::plan::{PatchStep, Plan};
use crate::node::unaccounted::Unaccounted;
use crate::report::{amount, line, span};

/// How many of the last lines of output are shown for a failed patch.
const TAIL: usize = 12;

/// How many lines of output of failed patches are shown in a whole run. More lines about similar
/// failures help nobody; the files with the output have all lines.
const MOST_TAILS: usize = 600;

/// The greatest width of a column.
const WIDEST: usize = 48;

/// How many container names the progress bar shows.
const MOST_NAMED: usize = 4;

/// The template of the progress bar.
const BAR: &str = "[{bar:30}] {pos}/{len} {elapsed} {wide_msg}";

/// The width of the column of outcomes.
const OUTCOME: usize = 19;

/// The widths of the columns, and facts that need not be repeated in each row.
#[derive(Debug)]
pub(super) struct Columns {
    /// The ban, if the first plan runs only that ban's patch.
    ban: Option<String>,
    name: usize,
    place: usize,
    image: usize,
    /// How many more lines of output of failed patches may be shown; `None` after the message that
    /// no more lines are shown.
    tails: Cell<Option<usize>>,
}

impl Columns {
    /// Columns that are wide enough for the planned containers.
    pub(super) fn of(plan: &Plan) -> Self {
        let mut bans = Vec::new();
        for payload in plan.steps().filter_map(PatchStep::payload) {
            bans.push(payload.ban.clone());
        }
        bans.dedup();
        Self {
            ban: match &mut bans[..] {
                [ban] => ban.take(),
                [] | [_, _, ..] => None,
            },
            name: widest(plan, "CONTAINER", container_name),
            place: widest(plan, "ENGINE", place),
            image: widest(plan, "IMAGE", image),
            tails: Cell::new(Some(MOST_TAILS)),
        }
    }

    /// The first line of a run's output.
    pub(super) fn began(&self, run: &str) -> String {
        match &self.ban {
            Some(ban) => format!("run {run}: patch of {}", line::name(ban)),
            None => format!("run {run}"),
        }
    }

    pub(super) fn head(&self) -> String {
        self.line("OUTCOME", "CONTAINER", "ENGINE", "IMAGE", "TIME")
    }

    fn line(&self, outcome: &str, name: &str, place: &str, image: &str, time: &str) -> String {
        let (a, b, c) = (self.name, self.place, self.image);
        format!("{outcome:<OUTCOME$}  {name:<a$}  {place:<b$}  {image:<c$}  {time:>7}")
            .trim_end()
            .to_owned()
    }

    /// The row of a finished patch: the container, the details, and the last lines of output if the
    /// patch failed. A container that never started gets no row, but is in the summary.
    pub(super) fn row(&self, ended: &Ended) -> Vec<String> {
        let (container, outcome) = (&ended.container, &ended.outcome);
        if *outcome == Outcome::NotStarted {
            return Vec::new();
        }
        let time = match &ended.found {
            Some(found) => span(found.duration_ms),
            None => String::new(),
        };
        let mut lines = vec![self.line(
            outcome.word(),
            &container_name(container),
            &place(container),
            &image(container),
            &time,
        )];
        let mut details = Vec::new();
        if let Some(ban) = &ended.ban
            && self.ban.as_ref() != Some(ban)
        {
            details.push(format!("patch of {}", line::name(ban)));
        }
        details.extend(detail(outcome));
        if !details.is_empty() {
            lines.push(format!("    {}", line::one_line(&details.join(": "))));
        }
        let Some(found) = &ended.found else {
            return lines;
        };
        if !found.background.is_empty() {
            lines.push(format!(
                "    left in the background: {}",
                line::one_line(&found.background.join(", "))
            ));
        }
        if !found.zombies.is_empty() {
            let zombies = line::one_line(&found.zombies.join(", "));
            lines.push(format!(
                "    ended, and stays until the container's first process waits for it: {zombies}"
            ));
        }
        if has_run(outcome) && !outcome.is_ok() {
            lines.extend(self.shown(tail(&found.output_tail)));
        }
        lines
    }

    /// The lines of `tail`, as long as the run has shown fewer than [`MOST_TAILS`] lines of output.
    /// After that, one message says that no more output is shown, and then there are no lines.
    fn shown(&self, tail: Vec<String>) -> Vec<String> {
        match self.tails.get() {
            Some(left) if tail.len() <= left => {
                self.tails.set(Some(left - tail.len()));
                tail
            }
            Some(_) => {
                self.tails.set(None);
                vec![
                    "    | (no more output is shown; --history RUN names the files that have it)"
                        .to_owned(),
                ]
            }
            None => Vec::new(),
        }
    }

    /// The row of a container that cannot be identified.
    pub(super) fn unidentified(&self, unidentified: &Unaccounted) -> [String; 2] {
        let row = self.line(
            OutcomeKind::NotUnderstood.word(),
            &self::unidentified(unidentified),
            unidentified.engine.word(),
            "",
            "",
        );
        [row, format!("    {}", line::one_line(&unidentified.why))]
    }
}

/// The width of the column with this title.
fn widest(plan: &Plan, title: &str, text: fn(&Container) -> String) -> usize {
    let mut width = title.len();
    for planned in &plan.planned {
        width = width.max(text(&planned.container).chars().count());
    }
    width.min(WIDEST)
}

/// The name to show for a container that cannot be identified.
pub(super) fn unidentified(unidentified: &Unaccounted) -> String {
    let id = if unidentified.id.is_empty() {
        unidentified.place.to_string_lossy()
    } else {
        unidentified.id.as_str().into()
    };
    line::name(unidentified.name.as_deref().unwrap_or(&id))
}

fn image(container: &Container) -> String {
    match (&container.image, &container.image_id) {
        (Some(image), _) | (None, Some(image)) => line::name(image),
        (None, None) => String::new(),
    }
}

/// Whether the output comes from the patch's commands. If nothing ran, the output is the runtime's,
/// and the reason already quotes it.
const fn has_run(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Patched
        | Outcome::AlreadyFine
        | Outcome::Failed { .. }
        | Outcome::TimedOut
        | Outcome::Survived { .. }
        | Outcome::Cancelled { .. }
        | Outcome::LeftUnpaused { .. }
        | Outcome::Vanished
        | Outcome::Interrupted => true,
        Outcome::PatchedBefore { .. }
        | Outcome::Paused
        | Outcome::Restarting { .. }
        | Outcome::CouldNotEnter { .. }
        | Outcome::NotUnderstood { .. }
        | Outcome::NotStarted => false,
    }
}

/// The details that follow the outcome's name.
fn detail(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Patched
        | Outcome::AlreadyFine
        | Outcome::TimedOut
        | Outcome::Vanished
        | Outcome::NotStarted
        | Outcome::Interrupted => None,
        Outcome::Restarting { starts } => Some(format!(
            "it has been started again more often than {starts} times in this run"
        )),
        Outcome::Paused => Some("--unpause resumes it for the patch".to_owned()),
        Outcome::PatchedBefore { run } => Some(format!("by run {run}")),
        Outcome::Failed { stage, status } => Some(match stage {
            Stage::CheckBefore => format!("the check before it ended with {status}"),
            Stage::Command => format!("the command ended with {status}"),
            Stage::CheckAfter => format!("the check after it ended with {status}"),
        }),
        Outcome::Cancelled { left } if left.is_empty() => None,
        Outcome::Survived { left } | Outcome::Cancelled { left } => {
            Some(format!("still there: {}", left.join(", ")))
        }
        Outcome::LeftUnpaused { why }
        | Outcome::CouldNotEnter { why }
        | Outcome::NotUnderstood { why } => Some(why.clone()),
    }
}

/// The last lines of a command's output. Each line begins with a mark, so that it cannot look like
/// a line of this program.
fn tail(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for text in output::strip(text.as_bytes()).lines() {
        if !text.trim().is_empty() {
            lines.push(format!("    | {text}"));
        }
    }
    lines.split_off(lines.len().saturating_sub(TAIL))
}

/// The lines at the end of a run: why it stopped, the failed containers, and the counts.
pub(super) fn summary(run: &str, tally: &OutcomeTally, stopped: Option<Halt>) -> Vec<String> {
    let (mut not_ok, mut not_started) = (Vec::new(), HashSet::new());
    for one in tally.not_ok() {
        if one.kind == OutcomeKind::NotStarted {
            not_started.insert(&one.container);
        } else {
            not_ok.push(format!("  {}: {}", one.kind.word(), one.name));
        }
    }
    let mut lines = vec![String::new()];
    if !not_ok.is_empty() {
        lines.push("not ok:".to_owned());
        lines.extend(not_ok);
    }
    if !not_started.is_empty() {
        lines.push(format!(
            "not started: {}; --history {run} names them",
            amount(not_started.len(), "container")
        ));
    }
    if let Some(why) = stopped {
        lines.push(format!("stopped: {why}"));
    }
    let mut counts = Vec::new();
    for (kind, count) in tally.counts() {
        counts.push(format!("{count} {}", kind.word()));
    }
    lines.push(match tally.total() {
        0 => "no container matches".to_owned(),
        total => format!(
            "{}: {}; run {run}",
            amount(total, "outcome"),
            counts.join(", ")
        ),
    });
    lines
}

/// A progress bar at a terminal, with the names of the containers under way.
#[derive(Debug)]
pub(super) struct Bar {
    bar: ProgressBar,
    under_way: VecDeque<String>,
}

impl Bar {
    /// A progress bar for `total` patches; hidden if standard error is not a terminal.
    pub(super) fn new(total: usize) -> Self {
        let bar = ProgressBar::with_draw_target(
            Some(total as u64),
            ProgressDrawTarget::stderr_with_hz(10),
        );
        let bar = match ProgressStyle::with_template(BAR) {
            Ok(style) => bar.with_style(style.progress_chars("=> ")),
            Err(_) => bar,
        };
        Self {
            bar,
            under_way: VecDeque::new(),
        }
    }

    pub(super) fn more(&mut self, number: usize) {
        self.bar.inc_length(number as u64);
    }

    pub(super) fn started(&mut self, container: &Container) {
        self.under_way.push_back(container_name(container));
        self.show();
    }

    /// Adds a finished patch to the bar, whether or not a worker had started it.
    pub(super) fn ended(&mut self, container: &Container, was_under_way: bool) {
        let name = container_name(container);
        if was_under_way && let Some(at) = self.under_way.iter().position(|known| *known == name) {
            self.under_way.remove(at);
        }
        self.bar.inc(1);
        self.show();
    }

    pub(super) fn tick(&mut self) {
        self.bar.tick();
    }

    pub(super) fn clear(&mut self) {
        self.bar.finish_and_clear();
    }

    /// Runs `write`, which prints lines, with the bar hidden.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    fn show(&self) {
        let named: Vec<_> = self.under_way.iter().take(MOST_NAMED).cloned().collect();
        let more = self.under_way.len() - named.len();
        let mut message = named.join(", ");
        if more > 0 {
            message += &format!(" and {more} more");
        }
        self.bar.set_message(message);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

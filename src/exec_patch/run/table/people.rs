//! Formats the text output of a run.
//!
//! In: the events of the run. Out: lines in which every name and all output is safe for a terminal;
//! and a bar on standard error if that is a terminal.

use std::cell::Cell;
use std::collections::{HashSet, VecDeque};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::tally::OutcomeTally;
use crate::exec_patch::enter::output;
use crate::exec_patch::job::{Container, JobResult, container_name, place};
use crate::exec_patch::journal::halt::Halt;
use crate::exec_patch::outcome::{Outcome, OutcomeKind, Stage};
use crate::exec_patch::plan::{PatchStep, Plan};
use crate::exec_patch::request::payload::Payload;
use crate::node::unaccounted::Unaccounted;
use crate::report::{amount, line, span};

/// How many of the last lines of output are shown for a failed patch.
const TAIL: usize = 12;

/// How many such lines are shown in a whole run. More output of similar failures helps nobody; the
/// files have all of it.
const MOST_TAILS: usize = 600;

/// The greatest width of a column.
const WIDEST: usize = 48;

/// How many container names the bar shows.
const MOST_NAMED: usize = 4;

/// The width of the column of outcomes.
const OUTCOME: usize = 19;

/// The widths of the columns, and facts that need not be repeated in each row.
#[derive(Debug)]
pub(super) struct Columns {
    /// The ban, if the first plan runs only that ban's patch.
    ban: Option<String>,
    called: usize,
    place: usize,
    image: usize,
    /// How many more lines of output may be shown; `None` after the message that no more are shown.
    tails: Cell<Option<usize>>,
}

impl Columns {
    /// Columns that are wide enough for the planned containers.
    pub(super) fn of(plan: &Plan) -> Self {
        let payloads = plan.steps().filter_map(PatchStep::payload);
        let mut bans: Vec<_> = payloads.map(|payload| payload.ban.clone()).collect();
        bans.dedup();
        let ban = if bans.len() == 1 {
            bans.remove(0)
        } else {
            None
        };
        Self {
            ban,
            called: widest(plan, "CONTAINER", container_name),
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

    fn line(&self, outcome: &str, called: &str, place: &str, image: &str, time: &str) -> String {
        let (a, b, c) = (self.called, self.place, self.image);
        format!("{outcome:<OUTCOME$}  {called:<a$}  {place:<b$}  {image:<c$}  {time:>7}")
            .trim_end()
            .to_owned()
    }

    /// The row of a finished patch: the container, the details, and the last lines of output if it
    /// failed. A container that never started gets no row; the summary counts it.
    pub(super) fn row(
        &self,
        container: &Container,
        payload: Option<&Payload>,
        outcome: &Outcome,
        done: Option<&JobResult>,
    ) -> Vec<String> {
        if *outcome == Outcome::NotStarted {
            return Vec::new();
        }
        let time = done.map(|done| span(done.took)).unwrap_or_default();
        let mut lines = vec![self.line(
            outcome.word(),
            &container_name(container),
            &place(container),
            &image(container),
            &time,
        )];
        let ban = payload
            .and_then(|payload| payload.ban.as_ref())
            .filter(|ban| self.ban.as_ref() != Some(ban))
            .map(|ban| format!("patch of {}", line::name(ban)));
        let said: Vec<_> = ban.into_iter().chain(detail(outcome)).collect();
        if !said.is_empty() {
            lines.push(format!("    {}", line::one_line(&said.join(": "))));
        }
        let Some(done) = done else { return lines };
        if !done.left.is_empty() {
            lines.push(format!(
                "    left in the background: {}",
                line::one_line(&done.left.join(", "))
            ));
        }
        if !done.zombies.is_empty() {
            let zombies = line::one_line(&done.zombies.join(", "));
            lines.push(format!(
                "    ended, and stays until the container's first process waits for it: {zombies}"
            ));
        }
        if has_run(outcome) && !outcome.is_ok() {
            lines.extend(self.shown(tail(&done.tail)));
        }
        lines
    }

    /// These lines of output, as long as the run has not shown too many. After that, one message
    /// says that there are more.
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
    pub(super) fn unidentified(
        &self,
        unidentified: &Unaccounted,
        outcome: &Outcome,
    ) -> Vec<String> {
        let mut lines = vec![self.line(
            outcome.word(),
            &self::unidentified(unidentified),
            unidentified.engine.word(),
            "",
            "",
        )];
        lines.push(format!("    {}", line::one_line(&unidentified.why)));
        lines
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
    container
        .image
        .as_deref()
        .or(container.image_id.as_deref())
        .map(line::name)
        .unwrap_or_default()
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

/// The last lines of a command's output, each with a mark, so that no line looks like our own.
fn tail(text: &str) -> Vec<String> {
    let fit = output::strip(text.as_bytes());
    let lines: Vec<_> = fit.lines().filter(|text| !text.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL)..]
        .iter()
        .map(|text| format!("    | {text}"))
        .collect()
}

/// The lines at the end of a run: why it stopped, the failed containers, and the counts.
pub(super) fn summary(run: &str, tally: &OutcomeTally, stopped: Option<Halt>) -> Vec<String> {
    let mut lines = vec![String::new()];
    let (not_started, not_ok): (Vec<_>, Vec<_>) = tally
        .not_ok()
        .partition(|one| one.kind == OutcomeKind::NotStarted);
    if !not_ok.is_empty() {
        lines.push("not ok:".to_owned());
        lines.extend(
            not_ok
                .iter()
                .map(|one| format!("  {}: {}", one.kind.word(), one.called)),
        );
    }
    let not_started: HashSet<_> = not_started.iter().map(|one| &one.container).collect();
    if !not_started.is_empty() {
        lines.push(format!(
            "not started: {}; --history {run} names them",
            amount(not_started.len(), "container")
        ));
    }
    lines.extend(stopped.map(|why| format!("stopped: {why}")));
    let counts: Vec<_> = tally
        .counts()
        .map(|(kind, count)| format!("{count} {}", kind.word()))
        .collect();
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
    /// A bar with this many steps; hidden if standard error is not a terminal.
    pub(super) fn new(total: usize) -> Self {
        let bar = ProgressBar::with_draw_target(
            Some(total as u64),
            ProgressDrawTarget::stderr_with_hz(10),
        );
        let style = ProgressStyle::with_template("[{bar:30}] {pos}/{len} {elapsed} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        Self {
            bar: bar.with_style(style.progress_chars("=> ")),
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

    /// Counts a finished patch, whether it was under way or not.
    pub(super) fn ended(&mut self, container: &Container, was_under_way: bool) {
        let called = container_name(container);
        if was_under_way && let Some(at) = self.under_way.iter().position(|known| *known == called)
        {
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
        let named: Vec<_> = self
            .under_way
            .iter()
            .take(MOST_NAMED)
            .map(String::as_str)
            .collect();
        let more = self.under_way.len() - named.len();
        let more = if more == 0 {
            String::new()
        } else {
            format!(" and {more} more")
        };
        self.bar.set_message(named.join(", ") + &more);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

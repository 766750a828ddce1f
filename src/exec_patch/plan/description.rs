//! Writes a plan as text and as JSON.
//!
//! In: a plan, with hostile names and reasons. Out: text lines, each escaped; and JSON lines, whose
//! fields embargo-exec-patch(8) explains.

use std::collections::HashSet;

use super::{PatchStep, Plan, PlannedContainer};
use crate::exec_patch::job::{Container, full_name, short};
use crate::exec_patch::journal::ids::ContainerKey;
use crate::exec_patch::journal::line::{self, Line};
use crate::exec_patch::outcome::Outcome;
use crate::exec_patch::request::payload::Payload;
use crate::exec_patch::select::LeftOut;
use crate::node::unaccounted::Unaccounted;
use crate::report::{self, amount, line as said};

impl Plan {
    /// The plan as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines: Vec<String> = self.planned.iter().flat_map(planned).collect();
        lines.extend(self.gone.iter().flat_map(gone));
        lines.extend(self.left_out.iter().flat_map(left_out));
        lines.extend(self.unidentified.iter().flat_map(unidentified));
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(summary(self));
        lines
            .iter()
            .map(|text| said::one_line(text) + "\n")
            .collect()
    }

    /// The plan as JSON: the same lines as in a journal.
    #[must_use]
    pub fn json(&self) -> String {
        let carried = self.carried().into_iter().map(Line::Carried);
        let planned = self
            .planned
            .iter()
            .map(|planned| Line::Planned(Box::new(planned.line())));
        let gone = self.gone.iter().map(|(container, outcome)| {
            Line::Gone(Box::new(line::Gone {
                container: container.clone(),
                ok: outcome.is_ok(),
                outcome: outcome.clone(),
            }))
        });
        let left = self.left_out.iter().map(|LeftOut { container, reasons }| {
            Line::LeftOut(Box::new(line::LeftOutLine {
                container: container.clone(),
                reasons: reasons.clone(),
            }))
        });
        let unclear = self
            .unidentified
            .iter()
            .map(|unidentified| Line::NotUnderstood(line::NotUnderstood::of(unidentified)));
        let Plan {
            list_version,
            warnings,
            ..
        } = self;
        let whole = Line::Plan(line::PlanTotals {
            matches: self.planned.len(),
            list_version: *list_version,
            warnings: warnings.clone(),
        });
        let lines = carried
            .chain(planned)
            .chain(gone)
            .chain(left)
            .chain(unclear)
            .chain([whole]);
        lines.map(|line| report::json::line(&line) + "\n").collect()
    }
}

fn planned(planned: &PlannedContainer) -> Vec<String> {
    let mut lines = vec![title(&planned.container)];
    lines.extend(planned.reasons.iter().map(|reason| format!("  {reason}")));
    lines.extend(planned.steps.iter().flat_map(step));
    lines
}

fn title(container: &Container) -> String {
    match &container.image {
        Some(image) => format!("{}, {}", full_name(container), said::name(image)),
        None => full_name(container),
    }
}

fn step(step: &PatchStep) -> Vec<String> {
    match step {
        PatchStep::Run(payload) => {
            let ban = payload
                .ban
                .as_ref()
                .map(|ban| format!(" the patch of {}", said::name(ban)))
                .unwrap_or_default();
            let mut lines = vec![format!("  would run{ban}: {}", payload.describe())];
            lines.push(format!("    {}", terms(payload)));
            lines
        }
        PatchStep::Before(_, run) => vec![format!("  nothing to do: patched by run {run}")],
        PatchStep::Stands(_, outcome) => {
            vec![format!("  left as it is: {} in this run", outcome.word())]
        }
        PatchStep::Cannot(why) => vec![format!("  could not be patched: {why}")],
    }
}

/// How the payload would run: `as 0:0, within 600 seconds, checked by sh -c 'test -e /x'`.
fn terms(payload: &Payload) -> String {
    let work = &payload.work;
    let mut terms = vec![
        format!("as {}:{}", work.user.0, work.user.1),
        format!("within {}", amount(work.timeout, "second")),
    ];
    if let Some(directory) = &work.directory {
        terms.push(format!("in {}", said::shell_word(directory)));
    }
    for variable in &work.environment {
        terms.push(format!("with {}", said::shell_word(variable)));
    }
    if let Some(program) = &payload.program {
        terms.push(format!("program {}", program.digest));
    }
    if let Some(check) = &work.check {
        let words: Vec<_> = check.iter().map(|word| said::shell_word(word)).collect();
        terms.push(format!("checked by {}", words.join(" ")));
    }
    terms.join(", ")
}

fn gone((container, outcome): &(Container, Outcome)) -> Vec<String> {
    vec![
        title(container),
        format!("  no longer matches: {} in this run", outcome.word()),
    ]
}

fn left_out(left: &LeftOut) -> Vec<String> {
    let mut lines = vec![title(&left.container)];
    for reason in &left.reasons {
        lines.push(format!("  left out: {reason}"));
    }
    lines
}

fn unidentified(unidentified: &Unaccounted) -> Vec<String> {
    let name = unidentified
        .name
        .as_deref()
        .unwrap_or_else(|| short(&unidentified.id));
    let name = if name.is_empty() {
        said::name(&unidentified.place.to_string_lossy())
    } else {
        said::name(name)
    };
    vec![
        format!("{name}, {}", unidentified.engine),
        format!("  not understood: {}", unidentified.why),
    ]
}

fn summary(plan: &Plan) -> String {
    let (mut to_patch, mut before, mut stands, mut cannot) = (0, 0, 0, 0);
    for step in plan.steps() {
        match step {
            PatchStep::Run(_) => to_patch += 1,
            PatchStep::Before(..) => before += 1,
            PatchStep::Stands(..) => stands += 1,
            PatchStep::Cannot(_) => cannot += 1,
        }
    }
    let gone = plan
        .gone
        .iter()
        .map(|(container, _)| ContainerKey::of(container))
        .collect::<HashSet<_>>()
        .len();
    let parts = [
        (to_patch, "to patch"),
        (before, "patched before"),
        (stands, "left as it is"),
        (cannot, "could not be patched"),
        (gone, "no longer matching"),
        (plan.left_out.len(), "left out"),
        (plan.unidentified.len(), "not understood"),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    let found = match plan.planned.len() {
        0 => "no container matches".to_owned(),
        1 => "1 container matches".to_owned(),
        number => format!("{number} containers match"),
    };
    if parts.is_empty() {
        found
    } else {
        format!("{found}: {}", parts.join(", "))
    }
}

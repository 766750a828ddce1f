//! Writes a plan as text and as JSON.
//!
//! In: a plan, with hostile names and reasons. Out: text lines, each escaped; and JSON lines, whose
//! fields embargo-exec-patch(8) explains.

use std::collections::HashSet;

use super::{PatchStep, Plan, PlannedContainer};
use crate::exec_patch::job::{Container, full_name, short};
use crate::exec_patch::journal::ids::ContainerKey;
use crate::exec_patch::journal::line::{Gone, Line, NotUnderstood, PlanTotals};
use crate::exec_patch::request::payload::Payload;
use crate::exec_patch::select::LeftOut;
use crate::node::unaccounted::Unaccounted;
use crate::report::line::{name, one_line, shell_word};
use crate::report::{self, amount};

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
        let mut text = String::new();
        for line in &lines {
            text += &one_line(line);
            text.push('\n');
        }
        text
    }

    /// The plan as JSON: the same lines as in a journal.
    #[must_use]
    pub fn json(&self) -> String {
        let mut lines: Vec<_> = self.carried().into_iter().map(Line::Carried).collect();
        for planned in &self.planned {
            lines.push(Line::Planned(Box::new(planned.line())));
        }
        for gone in &self.gone {
            lines.push(Line::Gone(Box::new(gone.clone())));
        }
        for left in &self.left_out {
            lines.push(Line::LeftOut(Box::new(left.clone())));
        }
        for unidentified in &self.unidentified {
            lines.push(Line::NotUnderstood(NotUnderstood::of(unidentified)));
        }
        lines.push(Line::Plan(PlanTotals {
            matches: self.planned.len(),
            list_version: self.list_version,
            warnings: self.warnings.clone(),
        }));
        let mut text = String::new();
        for line in &lines {
            text += &report::json::line(line);
            text.push('\n');
        }
        text
    }
}

fn planned(planned: &PlannedContainer) -> Vec<String> {
    let mut lines = vec![title(&planned.container)];
    for reason in &planned.reasons {
        lines.push(format!("  {reason}"));
    }
    lines.extend(planned.steps.iter().flat_map(step));
    lines
}

fn title(container: &Container) -> String {
    match &container.image {
        Some(image) => format!("{}, {}", full_name(container), name(image)),
        None => full_name(container),
    }
}

fn step(step: &PatchStep) -> Vec<String> {
    match step {
        PatchStep::Run(payload) => {
            let command = payload.describe();
            let first = match &payload.ban {
                Some(ban) => format!("  would run the patch of {}: {command}", name(ban)),
                None => format!("  would run: {command}"),
            };
            vec![first, format!("    {}", terms(payload))]
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
        terms.push(format!("in {}", shell_word(directory)));
    }
    for variable in &work.environment {
        terms.push(format!("with {}", shell_word(variable)));
    }
    if let Some(program) = &payload.program {
        terms.push(format!("program {}", program.digest));
    }
    if let Some(check) = &work.check {
        let words: Vec<_> = check.iter().map(|word| shell_word(word)).collect();
        terms.push(format!("checked by {}", words.join(" ")));
    }
    terms.join(", ")
}

fn gone(gone: &Gone) -> [String; 2] {
    [
        title(&gone.container),
        format!("  no longer matches: {} in this run", gone.outcome.word()),
    ]
}

fn left_out(left: &LeftOut) -> Vec<String> {
    let mut lines = vec![title(&left.container)];
    for reason in &left.reasons {
        lines.push(format!("  left out: {reason}"));
    }
    lines
}

fn unidentified(unidentified: &Unaccounted) -> [String; 2] {
    let known = match &unidentified.name {
        Some(name) => name,
        None => short(&unidentified.id),
    };
    let title = if known.is_empty() {
        name(&unidentified.place.to_string_lossy())
    } else {
        name(known)
    };
    [
        format!("{title}, {}", unidentified.engine),
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
    let mut gone = HashSet::new();
    for one in &plan.gone {
        gone.insert(ContainerKey::of(&one.container));
    }
    let counts = [
        (to_patch, "to patch"),
        (before, "patched before"),
        (stands, "left as it is"),
        (cannot, "could not be patched"),
        (gone.len(), "no longer matching"),
        (plan.left_out.len(), "left out"),
        (plan.unidentified.len(), "not understood"),
    ];
    let mut parts = Vec::new();
    for (number, what) in counts {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
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

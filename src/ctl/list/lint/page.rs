//! Formats the findings of `list lint`, as text or as JSON.
//!
//! In: findings. Some of their texts contain untrusted names. Out: text or one JSON object. The
//! text has one line for each finding, `FILE:LINE: LEVEL: BAN: TEXT [CODE]`, a form that editors
//! know from compilers; then a line with a hint; and at the end a line with counts.

use std::path::Path;

use serde::Serialize;

use super::finding::{Level, LintFinding};
use crate::ctl::amount;
use crate::report::line;

/// The number of findings of each level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct LevelCounts {
    pub(super) errors: usize,
    pub(super) warnings: usize,
    pub(super) notes: usize,
}

impl LevelCounts {
    pub(super) fn of(findings: &[LintFinding]) -> Self {
        let count = |level| {
            findings
                .iter()
                .filter(|finding| finding.code.level() == level)
                .count()
        };
        Self {
            errors: count(Level::Error),
            warnings: count(Level::Warning),
            notes: count(Level::Note),
        }
    }
}

/// Formats the findings as text.
pub(super) fn text(source: &Path, bans: usize, findings: &[LintFinding]) -> String {
    let name = |path: &Path| line::name(&path.to_string_lossy());
    let mut page = String::new();
    for LintFinding {
        code,
        file,
        line,
        ban,
        text,
        hint,
    } in findings
    {
        let ban = ban
            .as_ref()
            .map(|id| format!("{}: ", line::name(id)))
            .unwrap_or_default();
        let reports = format!(
            "{}:{line}: {}: {ban}{text} [{}]",
            name(file),
            code.level().word(),
            code.word()
        );
        page += &format!("{}\n", line::one_line(&reports));
        page.extend(
            hint.iter()
                .map(|hint| format!("    hint: {}\n", line::one_line(hint))),
        );
    }
    let LevelCounts {
        errors,
        warnings,
        notes,
    } = LevelCounts::of(findings);
    let mut counts = vec![amount(bans, "ban")];
    counts.extend(
        [(errors, "error"), (warnings, "warning"), (notes, "note")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| amount(count, what)),
    );
    if errors + warnings == 0 {
        counts.push("nothing wrong was found".to_owned());
    }
    page + &format!("{}: {}\n", name(source), counts.join(", "))
}

/// The JSON output. Its fields are stable: no field is renamed or removed.
#[derive(Serialize)]
struct LintReport<'a> {
    source: String,
    bans: usize,
    #[serde(flatten)]
    counts: LevelCounts,
    findings: Vec<FindingReport<'a>>,
}

#[derive(Serialize)]
struct FindingReport<'a> {
    code: &'static str,
    level: &'static str,
    file: String,
    line: usize,
    ban: Option<&'a str>,
    text: &'a str,
    hint: Option<&'a str>,
}

impl<'a> FindingReport<'a> {
    fn of(finding: &'a LintFinding) -> Self {
        Self {
            code: finding.code.word(),
            level: finding.code.level().word(),
            file: finding.file.to_string_lossy().into_owned(),
            line: finding.line,
            ban: finding.ban.as_deref(),
            text: &finding.text,
            hint: finding.hint.as_deref(),
        }
    }
}

/// Formats the findings as JSON.
pub(super) fn json(source: &Path, bans: usize, findings: &[LintFinding]) -> String {
    let reports = findings.iter().map(FindingReport::of).collect();
    let report = LintReport {
        source: source.to_string_lossy().into_owned(),
        bans,
        counts: LevelCounts::of(findings),
        findings: reports,
    };
    crate::report::json::pretty(&report) + "\n"
}

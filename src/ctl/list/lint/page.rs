//! Formats the findings of `list lint`, as text or as JSON.
//!
//! In: findings. Some of their texts contain untrusted names. Out: text or one JSON object. The
//! text has one line for each finding, `FILE:LINE: LEVEL: BAN: TEXT [CODE]`, a form that editors
//! know from compilers; then a line with a hint; and at the end a line with the number of findings
//! of each level.

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
        let mut counts = Self::default();
        for finding in findings {
            match finding.code.level() {
                Level::Error => counts.errors += 1,
                Level::Warning => counts.warnings += 1,
                Level::Note => counts.notes += 1,
            }
        }
        counts
    }
}

/// Formats the findings as text.
pub(super) fn text(source: &Path, bans: usize, findings: &[LintFinding]) -> String {
    let mut page = String::new();
    for found in findings {
        let ban = match &found.ban {
            Some(id) => format!("{}: ", line::name(id)),
            None => String::new(),
        };
        let reported = format!(
            "{}:{}: {}: {ban}{} [{}]",
            line::path(&found.file),
            found.line,
            found.code.level().word(),
            found.text,
            found.code.word()
        );
        page += &format!("{}\n", line::one_line(&reported));
        if let Some(hint) = &found.hint {
            page += &format!("    hint: {}\n", line::one_line(hint));
        }
    }
    let LevelCounts {
        errors,
        warnings,
        notes,
    } = LevelCounts::of(findings);
    let mut counts = vec![amount(bans, "ban")];
    for (count, what) in [(errors, "error"), (warnings, "warning"), (notes, "note")] {
        if count > 0 {
            counts.push(amount(count, what));
        }
    }
    if errors + warnings == 0 {
        counts.push("nothing wrong was found".to_owned());
    }
    page + &format!("{}: {}\n", line::path(source), counts.join(", "))
}

/// The JSON output. The fields of this output are stable: no field is renamed or removed.
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

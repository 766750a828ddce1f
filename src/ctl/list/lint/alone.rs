//! Checks each ban by itself, for `list lint`.
//!
//! These checks need only the source and the time. The checks look at syntax, dates, exceptions,
//! texts and patches. Pure.

use std::collections::{HashMap, HashSet};

use super::finding::{Code, Findings, Location};
use super::reference::Reference;
use crate::banlist::ban::{Action, Severity};
use crate::banlist::source::draft::{
    Draft, DraftBan, DraftException, DraftMatch, DraftPatch, Placed,
};
use crate::ctl::amount;
use crate::report::line;
use crate::sys::clock::Timestamp;

const DAY: u64 = 86_400;
/// In seconds. A date that is more than a year away probably has a typing error in its year.
const YEAR: u64 = 366 * DAY;
/// In seconds. Every package manager needs more time than this.
const SHORTEST_PATCH: u64 = 10;
/// In seconds. Nobody waits longer than this for a patch.
const LONGEST_PATCH: u64 = 2 * 3_600;

/// Words that only a shell understands.
const FOR_SHELLS: [&str; 9] = ["&&", "||", "|", ";", ">", "<", ">>", "2>&1", "&"];

/// Checks every ban.
pub(super) fn check(draft: &Draft, now: Timestamp, findings: &mut Findings<'_>) {
    for fault in &draft.faults {
        let file = Some(fault.file.as_path());
        findings.add(
            Code::Unreadable,
            Location {
                file,
                line: fault.line,
                ban: None,
            },
            &fault.what,
            "see embargo-bans.toml(5)",
        );
    }
    ids(draft, findings);
    for ban in &draft.bans {
        matches(ban, findings);
        times(ban, now, findings);
        exceptions(ban, now, findings);
        texts(ban, now, findings);
        if let Some(patch) = &ban.patch {
            patch_of(ban, patch, findings);
        }
    }
}

/// The location of a line that belongs to this ban, in `bans.toml` itself.
pub(super) fn at(ban: &DraftBan, line: usize) -> Location<'_> {
    Location {
        file: None,
        line,
        ban: value(ban.id.as_ref()).map(String::as_str),
    }
}

/// The location of a digest of a match of this ban: in the source, or in the match's file.
pub(super) fn at_digest<'a>(ban: &'a DraftBan, found: &'a DraftMatch, line: u32) -> Location<'a> {
    Location {
        file: found.file.as_deref(),
        ..at(ban, line as usize)
    }
}

/// The value of a key that a source may leave out.
pub(super) fn value<T>(placed: Option<&Placed<T>>) -> Option<&T> {
    placed.map(|placed| &placed.value)
}

fn ids(draft: &Draft, findings: &mut Findings<'_>) {
    let mut lines: HashMap<&str, usize> = HashMap::new();
    for ban in &draft.bans {
        let Some(Placed { value, line }) = &ban.id else {
            continue;
        };
        if let Some(first) = lines.get(value.as_str()) {
            let text = format!("the ID is already in line {first}");
            findings.add(
                Code::IdTwice,
                at(ban, *line),
                text,
                "give this ban an ID of its own, or make one ban of both",
            );
        } else {
            lines.insert(value, *line);
        }
    }
}

fn matches(ban: &DraftBan, findings: &mut Findings<'_>) {
    if !ban.has_match {
        let text = "the ban has no [[ban.match]], so it bans nothing";
        findings.add(
            Code::NoMatch,
            at(ban, ban.line),
            text,
            "embargoctl ban fills in an image's digests",
        );
    }
    for found in &ban.matches {
        if !found.digests.is_empty() {
            continue;
        }
        let file = found.file.as_deref().map(line::path).unwrap_or_default();
        let hint = "was it written by a command that failed? Remove the match if it is meant";
        findings.add(
            Code::NoDigest,
            at(ban, found.line),
            format!("{file} has no digest in it, so it bans nothing"),
            hint,
        );
    }
}

fn times(ban: &DraftBan, now: Timestamp, findings: &mut Findings<'_>) {
    if let (Some(effective), Some(lapses)) = (&ban.effective, &ban.lapses)
        && lapses.value <= effective.value
    {
        let text = format!(
            "the ban lapses at {}, before it takes effect at {}",
            lapses.value, effective.value
        );
        findings.add(
            Code::LapsesFirst,
            at(ban, lapses.line),
            text,
            "one of the two dates is wrong",
        );
    } else if let Some(lapses) = &ban.lapses
        && lapses.value <= now
    {
        let text = format!("the ban lapsed at {}: it refuses nothing", lapses.value);
        findings.add(
            Code::Lapsed,
            at(ban, lapses.line),
            text,
            "remove it, which lifts nothing any more; or move its end",
        );
    }
    if let (Some(effective), Some(until)) = (&ban.effective, &ban.existing_until)
        && until.value <= effective.value
    {
        let text = format!(
            "existing containers may start until {}, before the ban takes effect at {}",
            until.value, effective.value
        );
        findings.add(
            Code::ExistingFirst,
            at(ban, until.line),
            text,
            "one of the two dates is wrong",
        );
    }
    if let Some(effective) = &ban.effective
        && effective.value.since(now) > YEAR
    {
        let text = format!(
            "the ban takes effect in more than a year, at {}",
            effective.value
        );
        findings.add(
            Code::FarAhead,
            at(ban, effective.line),
            text,
            "is the year right?",
        );
    }
}

fn exceptions(ban: &DraftBan, now: Timestamp, findings: &mut Findings<'_>) {
    let mut seen = HashSet::new();
    for except in &ban.except {
        if !seen.insert((except.kind, except.digest)) {
            let text = format!(
                "the exception for {} {} is already in this ban",
                except.kind.word(),
                except.digest
            );
            findings.add(
                Code::ExceptionTwice,
                at(ban, except.line),
                text,
                "the one that ends last counts; keep one of them",
            );
        }
        end_of(ban, except, now, findings);
    }
}

fn end_of(ban: &DraftBan, except: &DraftException, now: Timestamp, findings: &mut Findings<'_>) {
    let Some(until) = &except.until else {
        if !except.has_end {
            let text = "the exception has no end";
            let hint = "add until = YYYY-MM-DD; what should never be refused should not be banned";
            findings.add(Code::EndlessException, at(ban, except.line), text, hint);
        }
        return;
    };
    if until.value <= now {
        let text = format!("the exception ended at {}", until.value);
        findings.add(
            Code::ExceptionOver,
            at(ban, until.line),
            text,
            "remove it, or agree on a later end",
        );
    } else if let Some(effective) = &ban.effective
        && until.value <= effective.value
    {
        let text = format!(
            "the exception ends at {}, before the ban takes effect at {}",
            until.value, effective.value
        );
        findings.add(
            Code::ExceptionIdle,
            at(ban, until.line),
            text,
            "is its end right? Otherwise remove it",
        );
    } else if until.value.since(now) > YEAR {
        let text = format!(
            "the exception runs for more than a year, until {}",
            until.value
        );
        findings.add(
            Code::LongException,
            at(ban, until.line),
            text,
            "is the year right? An exception is renewed, not forgotten",
        );
    }
}

fn texts(ban: &DraftBan, now: Timestamp, findings: &mut Findings<'_>) {
    for advisory in &ban.advisories {
        if is_advisory(&advisory.value, now) {
            continue;
        }
        let text = format!("{} is no advisory's ID", line::name(&advisory.value));
        findings.add(
            Code::AdvisoryForm,
            at(ban, advisory.line),
            text,
            "CVE-2026-1234 or GHSA-xxxx-xxxx-xxxx, as its source writes it",
        );
    }
    if ban.severity == Some(Severity::Critical) && ban.action == Action::Warn {
        let line = ban.id.as_ref().map_or(ban.line, |id| id.line);
        let text = "the ban is critical and only warns: every container starts";
        findings.add(
            Code::CriticalWarns,
            at(ban, line),
            text,
            "action = \"refuse\", or a lower severity",
        );
    }
    let Some(successor) = &ban.successor else {
        return;
    };
    match Reference::parse(&successor.value) {
        None => {
            let text = format!(
                "{} is no image reference, so nobody can pull it",
                line::name(&successor.value)
            );
            findings.add(
                Code::SuccessorForm,
                at(ban, successor.line),
                text,
                "registry.example/path:tag@sha256:DIGEST, without https://",
            );
        }
        Some(reference) if reference.is_floating() => {
            let text = format!(
                "the successor {} is another image tomorrow",
                line::name(&successor.value)
            );
            findings.add(
                Code::SuccessorFloating,
                at(ban, successor.line),
                text,
                "name the version, and its digest: NAME:TAG@sha256:DIGEST",
            );
        }
        Some(_) => {}
    }
}

/// Whether an advisory has the right format. For CVE and GitHub advisories the format is known (CVE
/// Record Format, `cveId`; OSV schema, "GHSA"). Other advisories only need a digit and a separator.
fn is_advisory(text: &str, now: Timestamp) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let (prefix, parts) = (parts[0], &parts[1..]);
    if prefix.eq_ignore_ascii_case("cve") {
        return prefix == "CVE" && is_cve(parts, now);
    }
    if prefix.eq_ignore_ascii_case("ghsa") {
        return prefix == "GHSA" && parts.len() == 3 && parts.iter().all(is_ghsa_part);
    }
    // A text without digits or separators, such as CVE20261234 or TODO, does not help a reader.
    text.contains(['-', ':', '/']) && text.as_bytes().iter().any(u8::is_ascii_digit)
}

fn is_cve(parts: &[&str], now: Timestamp) -> bool {
    let [year, number] = parts else {
        return false;
    };
    let this_year: u32 = now.date()[..4].parse().unwrap_or(u32::MAX);
    let is_year = matches!(year.parse(), Ok(year) if (1999..=this_year + 1).contains(&year));
    is_number(year) && is_number(number) && is_year
}

/// Whether the text is a number of four digits or more.
fn is_number(text: &str) -> bool {
    text.len() >= 4 && text.as_bytes().iter().all(u8::is_ascii_digit)
}

fn is_ghsa_part(part: &&str) -> bool {
    part.len() == 4
        && part
            .chars()
            .all(|letter| "23456789cfghjmpqrvwx".contains(letter))
}

fn patch_of(ban: &DraftBan, patch: &DraftPatch, findings: &mut Findings<'_>) {
    let DraftPatch {
        line,
        timeout_line,
        run_line,
        patch,
    } = patch;
    if patch.check.is_none() {
        let text = "the patch has no check, so it runs where it is not needed, and again each time";
        findings.add(
            Code::PatchWithoutCheck,
            at(ban, *line),
            text,
            "check = [...], a command that exits 0 where nothing needs to be done",
        );
    }
    if !(SHORTEST_PATCH..=LONGEST_PATCH).contains(&patch.timeout) {
        let text = format!("the patch has {} to run", amount(patch.timeout, "second"));
        findings.add(
            Code::PatchTimeout,
            at(ban, *timeout_line),
            text,
            "give it between 10s and 2h",
        );
    }
    // If the patch is a script, only its digest is known here, so it is not checked.
    let run = if patch.script.is_none() {
        Some(&patch.run)
    } else {
        None
    };
    for words in patch.check.iter().chain(run) {
        let program = words.first().map_or("", String::as_str);
        let fault = if program.contains(char::is_whitespace) {
            format!("there is no program of the name {}", line::name(program))
        } else if let Some(word) = words
            .iter()
            .find(|word| FOR_SHELLS.contains(&word.as_str()))
        {
            format!(
                "{} gets {word:?} as a word: no shell reads this",
                line::name(program)
            )
        } else {
            continue;
        };
        findings.add(
            Code::PatchWords,
            at(ban, *run_line),
            fault,
            r#"one string for each word, or ["sh", "-c", "COMMAND"]"#,
        );
    }
}

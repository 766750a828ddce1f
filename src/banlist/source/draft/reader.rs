//! Reads the tables of a source one by one, for `list lint`, and collects every error.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::super::fault::SourceFault;
use super::super::written::{
    MatchTarget, WrittenBan, WrittenException, WrittenMatch, WrittenPatch, WrittenTime,
};
use super::super::{beside, digests, values};
use super::ban::{DraftBan, DraftException, DraftMatch, DraftPatch, Mistake, Placed};
use crate::banlist::ban::{Action, Patch};
use crate::lineage::digest::Digest;
use crate::report::line;
use crate::sys::clock::Timestamp;
use crate::sys::file::FileError;

/// How many errors of one file are reported.
pub(super) const MAX_FAULTS: usize = 20;

/// Reads one source.
pub(super) struct DraftReader<'a, F> {
    path: &'a Path,
    lines: LineStarts,
    open: F,
    pub(super) faults: Vec<Mistake>,
}

/// A table without the keys that cannot be read.
struct PartialTable<T> {
    at: usize,
    read: T,
    unread: Vec<String>,
}

impl<T> PartialTable<T> {
    fn is_missing<U>(&self, value: Option<&U>, key: &str) -> bool {
        value.is_none() && !self.is_unread(key)
    }

    fn is_unread(&self, key: &str) -> bool {
        self.unread.iter().any(|unread| unread == key)
    }
}

impl<'a, F: Fn(&Path) -> Result<Vec<u8>, FileError>> DraftReader<'a, F> {
    /// A reader of `text`. `path` is its name in errors.
    pub(super) fn new(path: &'a Path, text: &str, open: F) -> Self {
        Self {
            path,
            lines: LineStarts::of(text),
            open,
            faults: Vec::new(),
        }
    }

    pub(super) fn document(&mut self, root: DeTable<'_>) -> Vec<DraftBan> {
        let mut bans = Vec::new();
        for (key, value) in root {
            if key.get_ref() == "ban" {
                bans = self.tables(Some(value), "[[ban]]");
            } else {
                self.fault(SourceFault::new(
                    &key,
                    format!("unknown field `{}`, expected `ban`", key.get_ref()),
                ));
            }
        }
        let mut read = Vec::new();
        for ban in bans {
            read.extend(self.ban(ban));
        }
        read
    }

    fn ban(&mut self, mut table: Spanned<DeTable<'_>>) -> Option<DraftBan> {
        let below = table.get_mut();
        let (matches, except, patch) = (
            below.remove("match"),
            below.remove("except"),
            below.remove("patch"),
        );
        let has_match = matches.is_some();
        let mut below = (Vec::new(), Vec::new(), None);
        for table in self.tables(matches, "[[ban.match]]") {
            below.0.extend(self.found(table));
        }
        for table in self.tables(except, "[[ban.except]]") {
            below.1.extend(self.exception(table));
        }
        if let Some(patch) = patch {
            below.2 = self.patch(patch);
        }
        let (matches, except, patch) = below;
        let ban: PartialTable<WrittenBan> = self.table(table)?;
        self.report_missing(&ban);
        let (at, written) = (ban.at, &ban.read);
        self.placed(written.reason.as_ref(), values::reason);
        Some(DraftBan {
            line: self.lines.of_byte(at),
            id: self.placed(written.id.as_ref(), values::id_of_ban),
            advisories: self.all_placed(&written.advisories, values::advisory),
            severity: written.severity,
            action: written.action.unwrap_or(Action::Refuse),
            effective: self.time(written.effective.as_ref()),
            lapses: self.time(written.lapses.as_ref()),
            existing_until: self.time(written.existing_until.as_ref()),
            successor: self.placed(written.successor.as_ref(), values::successor),
            cure: self.all_placed(&written.cure, values::digest),
            has_match,
            matches,
            except,
            patch,
        })
    }

    /// Adds a fault for each required key that the ban lacks.
    fn report_missing(&mut self, ban: &PartialTable<WrittenBan>) {
        let written = &ban.read;
        for (key, is_missing) in [
            ("id", ban.is_missing(written.id.as_ref(), "id")),
            ("reason", ban.is_missing(written.reason.as_ref(), "reason")),
            (
                "severity",
                ban.is_missing(written.severity.as_ref(), "severity"),
            ),
            (
                "effective",
                ban.is_missing(written.effective.as_ref(), "effective"),
            ),
        ] {
            if is_missing {
                self.fault(SourceFault {
                    at: ban.at,
                    what: format!("missing field `{key}`"),
                });
            }
        }
    }

    fn found(&mut self, table: Spanned<DeTable<'_>>) -> Option<DraftMatch> {
        let PartialTable { at, read, .. } = self.table::<WrittenMatch>(table)?;
        // If a match names no digest, the error is placed at the table of the match.
        let checked = match read.checked() {
            Err(fault) if fault.at == 0 => Err(SourceFault { at, ..fault }),
            checked => checked,
        };
        let found = self.keep(checked)?;
        let line = self.lines.of_byte(found.at);
        let (file, digests) = match found.target {
            MatchTarget::Digest(digest) => (
                None,
                vec![(digest, u32::try_from(line).unwrap_or(u32::MAX))],
            ),
            MatchTarget::File(name, place) => self.digests(name, place)?,
        };
        Some(DraftMatch {
            line,
            kind: found.kind,
            file,
            digests,
            name: self.unchecked(read.name.as_ref()),
            platform: self.unchecked(read.platform.as_ref()),
        })
    }

    /// The digests of a file, with their lines.
    #[expect(clippy::type_complexity, reason = "two fields of a match")]
    fn digests(&mut self, name: &str, at: usize) -> Option<(Option<PathBuf>, Vec<(Digest, u32)>)> {
        let name = self.keep(beside(name, at))?;
        let bytes = match (self.open)(name) {
            Ok(bytes) => bytes,
            Err(error) => {
                let what = line::causes(&error);
                self.fault(SourceFault { at, what });
                return None;
            }
        };
        let file = self.path.with_file_name(name);
        let (mut digests, mut bad) = (Vec::with_capacity(bytes.len() / 72), 0);
        for (text, line) in bytes.split(|byte| *byte == b'\n').zip(1_u32..) {
            if matches!(text, [] | [b'#', ..]) {
                continue;
            }
            if let Ok(Ok(digest)) = std::str::from_utf8(text).map(Digest::parse) {
                digests.push((digest, line));
            } else if bad < MAX_FAULTS {
                bad += 1;
                self.faults.push(Mistake {
                    file: file.clone(),
                    line: line as usize,
                    what: digests::fault(text),
                });
            }
        }
        // A file with unreadable lines only is not the same as a file without digests.
        (bad == 0 || !digests.is_empty()).then_some((Some(file), digests))
    }

    fn exception(&mut self, table: Spanned<DeTable<'_>>) -> Option<DraftException> {
        let table: PartialTable<WrittenException> = self.table(table)?;
        let (at, written) = (table.at, &table.read);
        let has_end = !table.is_missing(written.until.as_ref(), "until");
        if !table.is_unread("reason") {
            self.keep(written.reason(at));
        }
        self.keep(written.ticket());
        let (kind, digest, place) = self.keep(written.named(at))?;
        Some(DraftException {
            line: self.lines.of_byte(place),
            kind,
            digest,
            until: self.time(written.until.as_ref()),
            has_end,
        })
    }

    fn patch(&mut self, value: Spanned<DeValue<'_>>) -> Option<DraftPatch> {
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            self.fault(SourceFault {
                at: span.start,
                what: "expected a table: [ban.patch]".to_owned(),
            });
            return None;
        };
        let table: PartialTable<WrittenPatch> = self.table(Spanned::new(span, table))?;
        let (at, read) = (table.at, &table.read);
        let run = if table.is_unread("run") {
            None
        } else {
            self.keep(read.run(at))
        };
        let (check, script) = (self.keep(read.check()), self.keep(read.script()));
        let (timeout, user) = (self.keep(read.timeout()), self.keep(read.user()));
        let patch = Patch {
            check: check?,
            script: script?,
            run: run?,
            timeout: timeout?,
            user: user?,
        };
        Some(DraftPatch {
            line: self.lines.of_byte(at),
            timeout_line: self.line_of(read.timeout.as_ref(), at),
            run_line: self.line_of(read.run.as_ref(), at),
            patch,
        })
    }

    /// The tables in an array of tables.
    fn tables<'i>(
        &mut self,
        value: Option<Spanned<DeValue<'i>>>,
        header: &str,
    ) -> Vec<Spanned<DeTable<'i>>> {
        let Some(value) = value else {
            return Vec::new();
        };
        let at = value.span().start;
        let DeValue::Array(items) = value.into_inner() else {
            self.fault(SourceFault {
                at,
                what: format!("expected {header}, in two brackets, for each of them"),
            });
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items {
            let span = item.span();
            match item.into_inner() {
                DeValue::Table(table) => tables.push(Spanned::new(span, table)),
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_) => self.fault(SourceFault {
                    at: span.start,
                    what: format!("expected a table: {header}"),
                }),
            }
        }
        tables
    }

    /// Reads a table. A key that cannot be read is an error; the table is then read again without
    /// that key.
    fn table<'i, T: Deserialize<'i>>(
        &mut self,
        mut table: Spanned<DeTable<'i>>,
    ) -> Option<PartialTable<T>> {
        let (span, mut unread) = (table.span(), Vec::new());
        loop {
            let value = Spanned::new(span.clone(), DeValue::Table(table.get_ref().clone()));
            let fault = match T::deserialize(ValueDeserializer::from(value)) {
                Ok(read) => {
                    return Some(PartialTable {
                        at: span.start,
                        read,
                        unread,
                    });
                }
                Err(error) => SourceFault::of_toml(&error),
            };
            let culprit = key_at(table.get_ref(), fault.at);
            self.fault(fault);
            let culprit = culprit?;
            table.get_mut().remove(culprit.as_str());
            unread.push(culprit);
        }
    }

    /// The line of a value; without a value, the line of the byte at `at`.
    fn line_of<T>(&self, value: Option<&Spanned<T>>, at: usize) -> usize {
        match value {
            Some(value) => self.lines.of_byte(value.span().start),
            None => self.lines.of_byte(at),
        }
    }

    /// A value that has already been checked, or needs no check.
    fn unchecked(&self, text: Option<&Spanned<String>>) -> Option<Placed<String>> {
        let text = text?;
        Some(Placed {
            value: text.get_ref().clone(),
            line: self.line_of(Some(text), 0),
        })
    }

    fn time(&self, moment: Option<&Spanned<WrittenTime>>) -> Option<Placed<Timestamp>> {
        Some(Placed {
            value: moment?.get_ref().0,
            line: self.line_of(moment, 0),
        })
    }

    fn placed<T, U>(
        &mut self,
        text: Option<&Spanned<T>>,
        check: impl FnOnce(&Spanned<T>) -> Result<U, SourceFault>,
    ) -> Option<Placed<U>> {
        let text = text?;
        let value = self.keep(check(text))?;
        Some(Placed {
            value,
            line: self.line_of(Some(text), 0),
        })
    }

    fn all_placed<U>(
        &mut self,
        texts: &[Spanned<String>],
        check: fn(&Spanned<String>) -> Result<U, SourceFault>,
    ) -> Vec<Placed<U>> {
        let mut placed = Vec::new();
        for text in texts {
            placed.extend(self.placed(Some(text), check));
        }
        placed
    }

    /// Returns the value, or adds the error to the faults.
    fn keep<T>(&mut self, read: Result<T, SourceFault>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(fault) => {
                self.fault(fault);
                None
            }
        }
    }

    pub(super) fn fault(&mut self, fault: SourceFault) {
        self.faults.push(Mistake {
            file: self.path.to_owned(),
            line: self.lines.of_byte(fault.at),
            what: fault.what,
        });
    }
}

/// The key at this byte, or the key whose value is at this byte.
fn key_at(table: &DeTable<'_>, at: usize) -> Option<String> {
    for (key, value) in table {
        for span in [key.span(), value.span()] {
            if (span.start..=span.end).contains(&at) {
                return Some(key.get_ref().clone().into_owned());
            }
        }
    }
    None
}

/// Where the lines of a text end.
struct LineStarts(Vec<usize>);

impl LineStarts {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line that contains the byte at `at`, counted from 1.
    fn of_byte(&self, at: usize) -> usize {
        self.0.partition_point(|end| *end < at) + 1
    }
}

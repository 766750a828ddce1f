//! Reads what the authors of a list write, mistakes included.
//!
//! In: what [`super::Source`] reads, `bans.toml` and its files of digests. Out: [`Draft`]: each ban
//! as far as it can be read, every value with its line, and every fault that keeps a list from
//! being built, not only the first. `list lint` works on it; no list is built from it. Three
//! mistakes that the strict reading refuses are values here and no faults, because the linter has
//! more to say about them: an ID that occurs twice, a ban without a match, an exception without an
//! end. Not checked: whether a ban lapses before it holds, and whatever else takes more than one
//! value.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::written::{
    self, MatchTarget, SourceFault, WrittenBan, WrittenException, WrittenMatch, WrittenPatch,
    WrittenTime,
};
use super::{MAX_DIGESTS, MAX_SOURCE, beside};
use crate::banlist::record::{Action, MatchKind, Patch, Severity};
use crate::lineage::digest::Digest;
use crate::report::line;
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, FileError, Guard};

/// The most faults of one file that are reported.
const MAX_FAULTS: usize = 20;

/// A value and its line, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// The line.
    pub line: usize,
}

/// A source as far as it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The file.
    pub path: PathBuf,
    /// Its bans, in its order.
    pub bans: Vec<DraftBan>,
    /// The faults that keep it from being read.
    pub faults: Vec<Mistake>,
}

/// Something that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// `bans.toml`, or one of its files of digests.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftBan {
    /// The line of its table.
    pub line: usize,
    /// Its name.
    pub id: Option<Placed<String>>,
    /// Advisories.
    pub advisories: Vec<Placed<String>>,
    /// How bad it is.
    pub severity: Option<Severity>,
    /// What a match does.
    pub action: Action,
    /// When it takes effect.
    pub effective: Option<Placed<Timestamp>>,
    /// When it lapses.
    pub lapses: Option<Placed<Timestamp>>,
    /// What to use instead.
    pub successor: Option<Placed<String>>,
    /// Layers that cure it.
    pub cure: Vec<Placed<Digest>>,
    /// Whether a match was written, readable or not.
    pub has_match: bool,
    /// What it applies to.
    pub matches: Vec<DraftMatch>,
    /// What it does not apply to.
    pub except: Vec<DraftException>,
    /// What to run.
    pub patch: Option<DraftPatch>,
}

/// One match of a ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftMatch {
    /// The line of its digest, or of its file's name.
    pub line: usize,
    /// The kind as which the digests are banned.
    pub kind: MatchKind,
    /// The file of digests; `None` for a digest in the source itself.
    pub file: Option<PathBuf>,
    /// The digests, each with its line in its file.
    pub digests: Vec<(Digest, u32)>,
    /// The name for people.
    pub name: Option<Placed<String>>,
    /// The platform for people.
    pub platform: Option<Placed<String>>,
}

/// One exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftException {
    /// The line of its digest.
    pub line: usize,
    /// What the digest is compared with.
    pub kind: MatchKind,
    /// The digest.
    pub digest: Digest,
    /// Its end.
    pub until: Option<Placed<Timestamp>>,
    /// Whether an end was written, readable or not.
    pub has_end: bool,
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftPatch {
    /// The line of its table.
    pub line: usize,
    /// The line of its timeout, else of its table.
    pub timeout_line: usize,
    /// The line of its command, else of its table.
    pub run_line: usize,
    /// The patch.
    pub patch: Patch,
}

impl Draft {
    /// Reads `bans.toml` at `path` and the files that it names.
    ///
    /// # Errors
    /// [`FileError`] when `path` itself cannot be read.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let text = file::read_text(path, MAX_SOURCE, Guard::Any)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let mut draft = Self::parse(path, &text, |name| {
            file::read(&directory.join(name), MAX_DIGESTS, Guard::Any)
        });
        let fault = written::check_not_empty(&text).err();
        draft.faults.extend(fault.map(|fault| Mistake {
            file: path.to_owned(),
            line: 1,
            what: fault.what,
        }));
        Ok(draft)
    }

    /// Reads the text of a `bans.toml` that is called `path`; `open` reads the files of digests
    /// that it names.
    #[must_use]
    pub fn parse(
        path: &Path,
        text: &str,
        open: impl Fn(&Path) -> Result<Vec<u8>, FileError>,
    ) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut reading = DraftReader {
            path,
            lines: LineStarts::of(text),
            open,
            faults: Vec::new(),
        };
        errors
            .iter()
            .take(MAX_FAULTS)
            .for_each(|error| reading.fault(SourceFault::of_toml(error)));
        // What follows a syntax error is guesswork, and would be reported as a mistake of its own.
        let bans = if errors.is_empty() {
            reading.document(root.into_inner())
        } else {
            Vec::new()
        };
        Self {
            path: path.to_owned(),
            bans,
            faults: reading.faults,
        }
    }
}

/// A source while it is read.
struct DraftReader<'a, F> {
    path: &'a Path,
    lines: LineStarts,
    open: F,
    faults: Vec<Mistake>,
}

/// What a table says, without the keys that cannot be read.
struct PartialTable<T> {
    at: usize,
    read: T,
    unread: Vec<String>,
}

impl<T> PartialTable<T> {
    fn is_missing<U>(&self, value: Option<&U>, key: &str) -> bool {
        value.is_none() && !self.unread.iter().any(|unread| unread == key)
    }
}

impl<F: Fn(&Path) -> Result<Vec<u8>, FileError>> DraftReader<'_, F> {
    fn document(&mut self, root: DeTable<'_>) -> Vec<DraftBan> {
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
        bans.into_iter().filter_map(|ban| self.ban(ban)).collect()
    }

    fn ban(&mut self, mut table: Spanned<DeTable<'_>>) -> Option<DraftBan> {
        let below = table.get_mut();
        let (matches, except, patch) = (
            below.remove("match"),
            below.remove("except"),
            below.remove("patch"),
        );
        let has_match = matches.is_some();
        let matches = self
            .tables(matches, "[[ban.match]]")
            .into_iter()
            .filter_map(|table| self.found(table))
            .collect();
        let except = self
            .tables(except, "[[ban.except]]")
            .into_iter()
            .filter_map(|table| self.exception(table))
            .collect();
        let patch = patch.and_then(|patch| self.patch(patch));
        let ban: PartialTable<WrittenBan> = self.table(table)?;
        let (at, written) = (ban.at, &ban.read);
        for (key, missing) in [
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
            if missing {
                self.fault(SourceFault {
                    at,
                    what: format!("missing field `{key}`"),
                });
            }
        }
        self.placed(written.reason.as_ref(), written::reason);
        Some(DraftBan {
            line: self.lines.of_byte(at),
            id: self.placed(written.id.as_ref(), written::id_of_ban),
            advisories: written
                .advisories
                .iter()
                .filter_map(|text| self.placed(Some(text), written::advisory))
                .collect(),
            severity: written.severity,
            action: written.action.unwrap_or(Action::Refuse),
            effective: self.time(written.effective.as_ref()),
            lapses: self.time(written.lapses.as_ref()),
            successor: self.placed(written.successor.as_ref(), written::successor),
            cure: written
                .cure
                .iter()
                .filter_map(|text| self.placed(Some(text), written::digest))
                .collect(),
            has_match,
            matches,
            except,
            patch,
        })
    }

    fn found(&mut self, table: Spanned<DeTable<'_>>) -> Option<DraftMatch> {
        let PartialTable { at, read, .. } = self.table::<WrittenMatch>(table)?;
        // A match that names nothing has no better place than its table.
        let checked = read.checked().map_err(|fault| {
            if fault.at == 0 {
                SourceFault { at, ..fault }
            } else {
                fault
            }
        });
        let found = self.keep(checked)?;
        let line = self.lines.of_byte(found.at);
        let (file, digests) = match found.target {
            MatchTarget::Digest(digest) => (
                None,
                vec![(digest, u32::try_from(line).unwrap_or(u32::MAX))],
            ),
            MatchTarget::File(name, place) => self.digests(name, place)?,
        };
        let placed = |text: &Spanned<String>| Placed {
            value: text.get_ref().clone(),
            line: self.lines.of_byte(text.span().start),
        };
        let (name, platform) = (
            read.name.as_ref().map(placed),
            read.platform.as_ref().map(placed),
        );
        Some(DraftMatch {
            line,
            kind: found.kind,
            file,
            digests,
            name,
            platform,
        })
    }

    /// The digests of a file, with their lines.
    #[expect(clippy::type_complexity, reason = "two fields of a match")]
    fn digests(&mut self, name: &str, at: usize) -> Option<(Option<PathBuf>, Vec<(Digest, u32)>)> {
        let beside = beside(name).ok_or_else(|| SourceFault {
            at,
            what: format!("{name:?} is not a file beside this one"),
        });
        let name = self.keep(beside)?;
        let bytes = self.keep((self.open)(name).map_err(|error| SourceFault {
            at,
            what: line::causes(&error),
        }))?;
        let file = self.path.with_file_name(name);
        let (mut digests, mut bad) = (Vec::with_capacity(bytes.len() / 72), 0);
        for (text, line) in bytes
            .split(|byte| *byte == b'\n')
            .zip(1_u32..)
            .filter(|(text, _)| !text.is_empty() && text[0] != b'#')
        {
            if let Some(digest) = std::str::from_utf8(text)
                .ok()
                .and_then(|text| Digest::parse(text).ok())
            {
                digests.push((digest, line));
            } else if bad < MAX_FAULTS {
                bad += 1;
                self.faults.push(Mistake {
                    file: file.clone(),
                    line: line as usize,
                    what: super::digests::fault(text),
                });
            }
        }
        // An unreadable file is not the same as a file without digests.
        (bad == 0 || !digests.is_empty()).then_some((Some(file), digests))
    }

    fn exception(&mut self, table: Spanned<DeTable<'_>>) -> Option<DraftException> {
        let table: PartialTable<WrittenException> = self.table(table)?;
        let (at, written) = (table.at, &table.read);
        let has_end = !table.is_missing(written.until.as_ref(), "until");
        if !table.unread.iter().any(|key| key == "reason") {
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
        let PartialTable { at, read, unread } =
            self.table::<WrittenPatch>(Spanned::new(span, table))?;
        let run = if unread.iter().any(|key| key == "run") {
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
        let line_of = |place: Option<usize>| self.lines.of_byte(place.unwrap_or(at));
        let timeout_line = line_of(read.timeout.as_ref().map(|text| text.span().start));
        let run_line = line_of(read.run.as_ref().map(|arguments| arguments.span().start));
        Some(DraftPatch {
            line: line_of(None),
            timeout_line,
            run_line,
            patch,
        })
    }

    /// The tables of an array of them.
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

    /// What a table says. A key that cannot be read is a fault, and the table is read again without
    /// it.
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
            let holds = |span: std::ops::Range<usize>| (span.start..=span.end).contains(&fault.at);
            let culprit = table
                .get_ref()
                .iter()
                .find(|(key, value)| holds(key.span()) || holds(value.span()));
            let culprit = culprit.map(|(key, _)| key.get_ref().clone().into_owned());
            self.fault(fault);
            let culprit = culprit?;
            table.get_mut().remove(culprit.as_str());
            unread.push(culprit);
        }
    }

    fn time(&self, moment: Option<&Spanned<WrittenTime>>) -> Option<Placed<Timestamp>> {
        moment.map(|moment| Placed {
            value: moment.get_ref().0,
            line: self.lines.of_byte(moment.span().start),
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
            line: self.lines.of_byte(text.span().start),
        })
    }

    /// The value; a fault is kept.
    fn keep<T>(&mut self, read: Result<T, SourceFault>) -> Option<T> {
        read.map_err(|fault| self.fault(fault)).ok()
    }

    fn fault(&mut self, fault: SourceFault) {
        self.faults.push(Mistake {
            file: self.path.to_owned(),
            line: self.lines.of_byte(fault.at),
            what: fault.what,
        });
    }
}

/// Where the lines of a text end.
struct LineStarts(Vec<usize>);

impl LineStarts {
    fn of(text: &str) -> Self {
        Self(
            text.bytes()
                .enumerate()
                .filter(|(_, byte)| *byte == b'\n')
                .map(|(at, _)| at)
                .collect(),
        )
    }

    /// The line, counted from 1, that contains the byte at `at`.
    fn of_byte(&self, at: usize) -> usize {
        self.0.partition_point(|end| *end < at) + 1
    }
}

#[cfg(test)]
mod tests;

//! Reads the real runtime's path from the settings, even if other parts of the file are wrong.
//!
//! A call such as `kill` must reach the same runtime as the `create` before it, even while the file
//! is half written or another value is invalid. In: the bytes of the settings file. Out: the value
//! of the key `runtime` before the first table, or none. The same TOML parser splits the text as in
//! [`super::parse`], which accepts only a valid file. So for a file that [`super::parse`] accepts,
//! both find the same path. For any other file, the path is taken from the parts that can still be
//! read.

use std::borrow::Cow;
use std::path::PathBuf;

use toml_parser::decoder::{Encoding, ScalarKind};
use toml_parser::parser::{self, EventReceiver};
use toml_parser::{ErrorSink, ParseError, Raw, Source, Span};

use super::value::AbsolutePath;

/// The path in `bytes`, if there is one.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(bytes);
    let path = find(&text)?;
    // Invalid bytes became replacement characters. A path that contains one is not the path in the
    // file.
    let is_whole = matches!(text, Cow::Borrowed(_))
        || !path.to_string_lossy().contains(char::REPLACEMENT_CHARACTER);
    is_whole.then_some(path)
}

/// Reads line by line, as long as each line is complete in itself; nearly all lines are. So the
/// lines after `runtime` need not be read.
fn find(text: &str) -> Option<PathBuf> {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    while let Some(line) = rest.split_inclusive('\n').next() {
        match line.trim_ascii_start().bytes().next() {
            None | Some(b'#') => {}
            Some(b'[') => return None,
            Some(_) => match scan(line) {
                (None, 0) => {}
                (found, 0) => return found,
                (_, _) => return find_in_any(rest),
            },
        }
        rest = &rest[line.len()..];
    }
    None
}

/// Reads the rest of the file as a whole. `rest` starts at a line that is wrong, or that continues
/// in the next line.
fn find_in_any(rest: &str) -> Option<PathBuf> {
    let (found, faults) = scan(rest);
    if found.is_some() || faults == 0 {
        return found;
    }
    // An unclosed string or array may contain the wanted line. No result is certain in that case;
    // the best result is the line read by itself.
    for line in rest.lines() {
        if line.trim_ascii_start().starts_with('[') {
            break;
        }
        if let (Some(found), _) = scan(line) {
            return Some(found);
        }
    }
    None
}

/// The path in this text, and how many syntax errors the text has.
fn scan(text: &str) -> (Option<PathBuf>, usize) {
    let source = Source::new(text);
    let mut scan = Scan {
        source,
        place: Place::Start,
        opened: 0,
        faults: 0,
        found: None,
    };
    let mut faults = Vec::new();
    parser::parse_document(&source.lex().into_vec(), &mut scan, &mut faults);
    (scan.found, faults.len() + scan.faults + scan.opened)
}

/// The position of the scan in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before a key.
    Start,
    /// After the key `runtime` alone.
    Runtime,
    /// After another key, or after a dotted key.
    Other,
    /// In a table: the rest of the text cannot have the key.
    Table,
}

struct Scan<'a> {
    source: Source<'a>,
    place: Place,
    /// How many arrays and inline tables are open: at most one, because the contents are skipped.
    opened: usize,
    /// How many values are malformed.
    faults: usize,
    found: Option<PathBuf>,
}

impl Scan<'_> {
    /// The end of a key and its value.
    fn start(&mut self) {
        if self.place != Place::Table {
            self.place = Place::Start;
        }
    }

    fn raw(&self, span: Span, encoding: Option<Encoding>) -> Option<Raw<'_>> {
        let text = self.source.get(span)?.as_str();
        Some(Raw::new_unchecked(text, encoding, span))
    }

    fn is_runtime(&self, span: Span, encoding: Option<Encoding>) -> bool {
        let mut key = Cow::Borrowed("");
        if let Some(raw) = self.raw(span, encoding) {
            raw.decode_key(&mut key, &mut ());
        }
        key == "runtime"
    }

    /// The path in a value; `None` if the value is not an absolute path. A malformed value, such as
    /// a string without an end, is recorded as a fault.
    fn path(&mut self, span: Span, encoding: Option<Encoding>) -> Option<PathBuf> {
        let (mut value, mut fault): (_, Option<ParseError>) = (Cow::Borrowed(""), None);
        let kind = self
            .raw(span, encoding)?
            .decode_scalar(&mut value, &mut fault);
        if fault.is_some() {
            self.faults += 1;
            return None;
        }
        if kind != ScalarKind::String {
            return None;
        }
        AbsolutePath::try_from(value.into_owned())
            .map(PathBuf::from)
            .ok()
    }
}

impl EventReceiver for Scan<'_> {
    fn std_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.place = Place::Table;
    }

    fn array_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.place = Place::Table;
    }

    // Skips the contents of a value, however deeply they are nested.
    fn inline_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) -> bool {
        self.opened = 1;
        false
    }

    fn array_open(&mut self, _: Span, _: &mut dyn ErrorSink) -> bool {
        self.opened = 1;
        false
    }

    fn simple_key(&mut self, span: Span, encoding: Option<Encoding>, _: &mut dyn ErrorSink) {
        self.place = match self.place {
            Place::Start if self.found.is_none() && self.is_runtime(span, encoding) => {
                Place::Runtime
            }
            Place::Start | Place::Runtime | Place::Other => Place::Other,
            Place::Table => Place::Table,
        };
    }

    fn scalar(&mut self, span: Span, encoding: Option<Encoding>, _: &mut dyn ErrorSink) {
        let path = self.path(span, encoding);
        if self.place == Place::Runtime {
            self.found = path;
        }
        self.start();
    }

    fn inline_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.opened = 0;
        self.start();
    }

    fn array_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.opened = 0;
        self.start();
    }

    fn newline(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.start();
    }
}

#[cfg(test)]
mod tests;

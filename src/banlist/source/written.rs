//! What does one `[[ban]]` say?
//!
//! In: the text of `bans.toml`. Out: the values of each table, checked one by one; each fault knows where in the text it stands.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use toml::{Spanned, Value};

use crate::lineage::digest::Digest;
use crate::sys::clock::{self, Timestamp};

use super::super::record::{Action, Ban, Exception, MatchKind, Patch, Severity};

/// Something wrong, and the byte where it stands.
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) what: String,
}

impl Fault {
    pub(super) fn new<T>(place: &Spanned<T>, what: impl fmt::Display) -> Self {
        Self { at: place.span().start, what: what.to_string() }
    }
}

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    #[serde(default, rename = "ban")]
    pub(super) bans: Vec<WrittenBan>,
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        toml::from_str(text).map_err(|error| {
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            Fault { at: error.span().map_or(0, |span: Range<usize>| span.start), what: message }
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenBan {
    pub(super) id: Spanned<String>,
    reason: Spanned<String>,
    #[serde(default)]
    advisories: Vec<Spanned<String>>,
    severity: Severity,
    action: Option<Action>,
    effective: Spanned<Moment>,
    lapses: Option<Spanned<Moment>>,
    successor: Option<Spanned<String>>,
    #[serde(default)]
    cure: Vec<Spanned<String>>,
    #[serde(default, rename = "match")]
    pub(super) matches: Vec<WrittenMatch>,
    #[serde(default)]
    except: Vec<WrittenException>,
    patch: Option<WrittenPatch>,
}

/// A time, as a TOML date or as text.
struct Moment(Timestamp);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let expected = || D::Error::custom("expected a time in UTC: YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ");
        let text = match Value::deserialize(from)? {
            Value::String(text) => text,
            Value::Datetime(time) => time.to_string(),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Array(_) | Value::Table(_) => return Err(expected()),
        };
        Timestamp::parse(&text).map(Self).ok_or_else(expected)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenMatch {
    base: Option<Spanned<String>>,
    image: Option<Spanned<String>>,
    layer: Option<Spanned<String>>,
    base_file: Option<Spanned<String>>,
    image_file: Option<Spanned<String>>,
    layer_file: Option<Spanned<String>>,
    name: Option<Spanned<String>>,
    platform: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenException {
    base: Option<Spanned<String>>,
    image: Option<Spanned<String>>,
    layer: Option<Spanned<String>>,
    until: Moment,
    reason: Spanned<String>,
    ticket: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPatch {
    check: Option<Spanned<Vec<String>>>,
    run: Spanned<Vec<String>>,
    timeout: Option<Spanned<String>>,
    user: Option<Spanned<String>>,
}

/// A match, checked.
pub(super) struct Found<'a> {
    pub(super) kind: MatchKind,
    pub(super) target: Target<'a>,
    pub(super) name: Option<String>,
    pub(super) platform: Option<String>,
}

/// What a match names.
pub(super) enum Target<'a> {
    Digest(Digest),
    /// A file of digests, and where its name stands.
    File(&'a str, usize),
}

impl WrittenBan {
    /// The ban, without what it matches.
    pub(super) fn ban(&self) -> Result<Ban, Fault> {
        let (effective, lapses) = (self.effective.get_ref().0, self.lapses.as_ref().map(|lapses| lapses.get_ref().0));
        if let (Some(place), Some(lapses)) = (&self.lapses, lapses)
            && lapses <= effective
        {
            return Err(Fault::new(place, "lapses is not later than effective"));
        }
        if self.matches.is_empty() {
            return Err(Fault::new(&self.id, "the ban has no [[ban.match]], so it bans nothing"));
        }
        Ok(Ban {
            id: word(&self.id, "id", MAX_ID, is_of_id)?,
            reason: phrase(&self.reason, "reason", MAX_REASON)?,
            advisories: self.advisories.iter().map(|text| word(text, "an advisory", 64, |_| true)).collect::<Result<_, _>>()?,
            severity: self.severity,
            action: self.action.unwrap_or(Action::Refuse),
            effective,
            lapses,
            successor: optional(self.successor.as_ref(), |text| word(text, "successor", 512, |_| true))?,
            except: self.except.iter().map(WrittenException::checked).collect::<Result<_, _>>()?,
            cure: self.cure.iter().map(digest).collect::<Result<_, _>>()?,
            patch: optional(self.patch.as_ref(), WrittenPatch::checked)?,
        })
    }
}

impl WrittenMatch {
    pub(super) fn checked(&self) -> Result<Found<'_>, Fault> {
        use MatchKind::{Base, Image, Layer};
        let digests = [(Base, &self.base), (Image, &self.image), (Layer, &self.layer)];
        let files = [(Base, &self.base_file), (Image, &self.image_file), (Layer, &self.layer_file)];
        let mut named = Vec::new();
        for (kind, text) in digests {
            if let Some(text) = text {
                named.push((kind, text, Target::Digest(digest(text)?)));
            }
        }
        for (kind, text) in files {
            if let Some(text) = text {
                named.push((kind, text, Target::File(text.get_ref(), text.span().start)));
            }
        }
        if let Some((_, second, _)) = named.get(1) {
            return Err(Fault::new(*second, "a match names one thing; write a second [[ban.match]]"));
        }
        let at = self.name.as_ref().or(self.platform.as_ref()).map_or(0, |text| text.span().start);
        let what = "a match needs base, image, layer, base_file, image_file or layer_file".to_owned();
        let (kind, _, target) = named.pop().ok_or(Fault { at, what })?;
        Ok(Found {
            kind,
            target,
            name: optional(self.name.as_ref(), |text| phrase(text, "name", 512))?,
            platform: optional(self.platform.as_ref(), platform)?,
        })
    }
}

impl WrittenException {
    fn checked(&self) -> Result<Exception, Fault> {
        let kinds = [(MatchKind::Base, &self.base), (MatchKind::Image, &self.image), (MatchKind::Layer, &self.layer)];
        let mut named = kinds.into_iter().filter_map(|(kind, text)| Some((kind, text.as_ref()?)));
        let (kind, text) = named.next().ok_or_else(|| Fault::new(&self.reason, "an exception needs base, image or layer"))?;
        if let Some((_, second)) = named.next() {
            return Err(Fault::new(second, "an exception names one thing; write a second [[ban.except]]"));
        }
        Ok(Exception {
            kind,
            digest: digest(text)?,
            until: self.until.0,
            reason: phrase(&self.reason, "reason", 200)?,
            ticket: optional(self.ticket.as_ref(), |text| word(text, "ticket", 200, |_| true))?,
        })
    }
}

impl WrittenPatch {
    fn checked(&self) -> Result<Patch, Fault> {
        let timeout = match &self.timeout {
            None => 600,
            Some(text) => clock::duration(text.get_ref())
                .filter(|seconds| (1..=86_400).contains(seconds))
                .ok_or_else(|| Fault::new(text, "timeout: expected a duration from \"1s\" to \"24h\""))?,
        };
        Ok(Patch {
            check: optional(self.check.as_ref(), |words| command(words, "check"))?,
            run: command(&self.run, "run")?,
            timeout,
            user: optional(self.user.as_ref(), user)?.unwrap_or_else(|| "0:0".to_owned()),
        })
    }
}

/// The checked value of something that may be left out.
fn optional<T, U>(value: Option<&T>, check: impl FnOnce(&T) -> Result<U, Fault>) -> Result<Option<U>, Fault> {
    value.map(check).transpose()
}

fn digest(text: &Spanned<String>) -> Result<Digest, Fault> {
    Digest::parse(text.get_ref()).map_err(|_| Fault::new(text, format!("expected sha256:DIGEST, found {:?}", text.get_ref())))
}

/// The most characters of a ban's ID.
const MAX_ID: usize = 64;

/// The most characters of a ban's reason.
pub const MAX_REASON: usize = 200;

/// Whether `text` can be the ID of a ban.
#[must_use]
pub fn is_id(text: &str) -> bool {
    is_word(text, MAX_ID, is_of_id)
}

/// Whether `text` can be the reason of a ban.
#[must_use]
pub fn is_reason(text: &str) -> bool {
    is_phrase(text, MAX_REASON)
}

fn is_of_id(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
}

fn is_word(text: &str, most: usize, legal: impl Fn(u8) -> bool) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && legal(byte))
}

fn is_phrase(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && text.trim() == text && !text.chars().any(char::is_control)
}

/// A word of visible ASCII characters.
fn word(text: &Spanned<String>, key: &str, most: usize, legal: impl Fn(u8) -> bool) -> Result<String, Fault> {
    let found = text.get_ref();
    if is_word(found, most, legal) {
        Ok(found.clone())
    } else {
        Err(Fault::new(text, format!("{key}: expected a word of 1 to {most} legal characters, found {found:?}")))
    }
}

/// A phrase on one line.
fn phrase(text: &Spanned<String>, key: &str, most: usize) -> Result<String, Fault> {
    let found = text.get_ref();
    if is_phrase(found, most) {
        Ok(found.clone())
    } else {
        Err(Fault::new(text, format!("{key}: expected one line of 1 to {most} characters, found {found:?}")))
    }
}

fn platform(text: &Spanned<String>) -> Result<String, Fault> {
    let found = text.get_ref();
    let part =
        |part: &str| (1..=32).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let fits = (2..=3).contains(&found.split('/').count()) && found.split('/').all(part);
    if fits { Ok(found.clone()) } else { Err(Fault::new(text, format!("platform: expected os/architecture[/variant], found {found:?}"))) }
}

/// A command: words without NUL, of which the first is not empty.
fn command(words: &Spanned<Vec<String>>, key: &str) -> Result<Vec<String>, Fault> {
    let found = words.get_ref();
    let fits = found.first().is_some_and(|first| !first.is_empty()) && found.len() <= 256 && found.iter().all(|word| !word.contains('\0'));
    if fits { Ok(found.clone()) } else { Err(Fault::new(words, format!("{key}: expected a command and its words"))) }
}

fn user(text: &Spanned<String>) -> Result<String, Fault> {
    let numeric = |id: &str| id.parse::<u32>().is_ok_and(|number| number.to_string() == id);
    let fits = text.get_ref().split_once(':').is_some_and(|(user, group)| numeric(user) && numeric(group));
    if fits {
        Ok(text.get_ref().clone())
    } else {
        Err(Fault::new(text, format!("user: expected UID:GID in numbers, found {:?}", text.get_ref())))
    }
}

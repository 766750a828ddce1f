//! Reads one `[[ban]]` of a source.
//!
//! In: the text of `bans.toml`. Out: the values of each table, checked one by one. Each fault has
//! its place in the text.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use toml::{Spanned, Value};

use crate::lineage::digest::Digest;
use crate::sys::clock::{self, Timestamp};

use super::super::record::{Action, Ban, Exception, MatchKind, Patch, Severity};

/// Something wrong, and its byte position.
pub(super) struct SourceFault {
    pub(super) at: usize,
    pub(super) what: String,
}

impl SourceFault {
    pub(super) fn new<T>(place: &Spanned<T>, what: impl fmt::Display) -> Self {
        Self {
            at: place.span().start,
            what: what.to_string(),
        }
    }

    /// The message of the TOML reader, on one line.
    pub(super) fn of_toml(error: &toml::de::Error) -> Self {
        let what = error.message().lines().collect::<Vec<_>>().join(", ");
        Self {
            at: error.span().map_or(0, |span: Range<usize>| span.start),
            what,
        }
    }
}

/// Refuses an empty file: a crash or a full disk leaves such files, and a list made from one would
/// lift every ban.
pub(super) fn check_not_empty(text: &str) -> Result<(), SourceFault> {
    let what =
        "the file is empty, as after a crash; if nothing is to be banned, say so in a comment";
    if text.trim().is_empty() {
        Err(SourceFault {
            at: 0,
            what: what.to_owned(),
        })
    } else {
        Ok(())
    }
}

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenSource {
    #[serde(default, rename = "ban")]
    pub(super) bans: Vec<Spanned<WrittenBan>>,
}

impl WrittenSource {
    pub(super) fn parse(text: &str) -> Result<Self, SourceFault> {
        toml::from_str(text).map_err(|error| SourceFault::of_toml(&error))
    }
}

/// Every key may be missing here, so that a missing one leaves the others readable; [`required`]
/// checks those that must not be missing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenBan {
    pub(super) id: Option<Spanned<String>>,
    pub(super) reason: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) advisories: Vec<Spanned<String>>,
    pub(super) severity: Option<Severity>,
    pub(super) action: Option<Action>,
    pub(super) effective: Option<Spanned<WrittenTime>>,
    pub(super) lapses: Option<Spanned<WrittenTime>>,
    pub(super) successor: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) cure: Vec<Spanned<String>>,
    #[serde(default, rename = "match")]
    pub(super) matches: Vec<WrittenMatch>,
    #[serde(default)]
    except: Vec<Spanned<WrittenException>>,
    patch: Option<Spanned<WrittenPatch>>,
}

/// A time, as a TOML date or as text.
pub(super) struct WrittenTime(pub(super) Timestamp);

impl<'de> Deserialize<'de> for WrittenTime {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let expected =
            || D::Error::custom("expected a time in UTC: YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ");
        let text = match Value::deserialize(from)? {
            Value::String(text) => text,
            Value::Datetime(time) => time.to_string(),
            Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Array(_)
            | Value::Table(_) => return Err(expected()),
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
    pub(super) name: Option<Spanned<String>>,
    pub(super) platform: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenException {
    base: Option<Spanned<String>>,
    image: Option<Spanned<String>>,
    layer: Option<Spanned<String>>,
    pub(super) until: Option<Spanned<WrittenTime>>,
    pub(super) reason: Option<Spanned<String>>,
    ticket: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenPatch {
    check: Option<Spanned<Vec<String>>>,
    script: Option<Spanned<String>>,
    pub(super) run: Option<Spanned<Vec<String>>>,
    pub(super) timeout: Option<Spanned<String>>,
    user: Option<Spanned<String>>,
}

/// A match, checked.
pub(super) struct CheckedMatch<'a> {
    pub(super) kind: MatchKind,
    /// The place of its digest, or of its file's name.
    pub(super) at: usize,
    pub(super) target: MatchTarget<'a>,
    pub(super) name: Option<String>,
    pub(super) platform: Option<String>,
}

/// What a match names.
pub(super) enum MatchTarget<'a> {
    Digest(Digest),
    /// A file of digests, and the place of its name.
    File(&'a str, usize),
}

impl WrittenBan {
    /// The ban, without what it matches. `at` is the start of its table.
    pub(super) fn ban(&self, at: usize) -> Result<Ban, SourceFault> {
        let id = required(self.id.as_ref(), "id", at)?;
        let effective = required(self.effective.as_ref(), "effective", at)?
            .get_ref()
            .0;
        if let Some(lapses) = self
            .lapses
            .as_ref()
            .filter(|lapses| lapses.get_ref().0 <= effective)
        {
            return Err(SourceFault::new(
                lapses,
                "lapses is not later than effective",
            ));
        }
        if self.matches.is_empty() {
            return Err(SourceFault::new(
                id,
                "the ban has no [[ban.match]], so it bans nothing",
            ));
        }
        let except =
            |written: &Spanned<WrittenException>| written.get_ref().checked(written.span().start);
        let patch =
            |written: &Spanned<WrittenPatch>| written.get_ref().checked(written.span().start);
        Ok(Ban {
            id: id_of_ban(id)?,
            reason: reason(required(self.reason.as_ref(), "reason", at)?)?,
            advisories: self
                .advisories
                .iter()
                .map(advisory)
                .collect::<Result<_, _>>()?,
            severity: required(self.severity, "severity", at)?,
            action: self.action.unwrap_or(Action::Refuse),
            effective,
            lapses: self.lapses.as_ref().map(|lapses| lapses.get_ref().0),
            successor: optional(self.successor.as_ref(), successor)?,
            except: self.except.iter().map(except).collect::<Result<_, _>>()?,
            cure: self.cure.iter().map(digest).collect::<Result<_, _>>()?,
            patch: optional(self.patch.as_ref(), patch)?,
        })
    }
}

impl WrittenMatch {
    pub(super) fn checked(&self) -> Result<CheckedMatch<'_>, SourceFault> {
        use MatchKind::{Base, Image, Layer};
        let digests = [
            (Base, &self.base),
            (Image, &self.image),
            (Layer, &self.layer),
        ];
        let files = [
            (Base, &self.base_file),
            (Image, &self.image_file),
            (Layer, &self.layer_file),
        ];
        let mut named = Vec::new();
        for (kind, text) in digests {
            if let Some(text) = text {
                named.push((kind, text, MatchTarget::Digest(digest(text)?)));
            }
        }
        for (kind, text) in files {
            if let Some(text) = text {
                named.push((
                    kind,
                    text,
                    MatchTarget::File(text.get_ref(), text.span().start),
                ));
            }
        }
        if let Some((_, second, _)) = named.get(1) {
            return Err(SourceFault::new(
                *second,
                "a match names one thing; write a second [[ban.match]]",
            ));
        }
        let at = self
            .name
            .as_ref()
            .or(self.platform.as_ref())
            .map_or(0, |text| text.span().start);
        let what =
            "a match needs base, image, layer, base_file, image_file or layer_file".to_owned();
        let (kind, place, target) = named.pop().ok_or(SourceFault { at, what })?;
        Ok(CheckedMatch {
            kind,
            at: place.span().start,
            target,
            name: optional(self.name.as_ref(), |text| phrase(text, "name", 512))?,
            platform: optional(self.platform.as_ref(), platform)?,
        })
    }
}

impl WrittenException {
    /// The exception. `at` is the start of its table.
    pub(super) fn checked(&self, at: usize) -> Result<Exception, SourceFault> {
        let until = required(self.until.as_ref(), "until", at)?.get_ref().0;
        let (kind, digest, _) = self.named(at)?;
        Ok(Exception {
            kind,
            digest,
            until,
            reason: self.reason(at)?,
            ticket: self.ticket()?,
        })
    }

    /// What is excepted, and its place.
    pub(super) fn named(&self, at: usize) -> Result<(MatchKind, Digest, usize), SourceFault> {
        let kinds = [
            (MatchKind::Base, &self.base),
            (MatchKind::Image, &self.image),
            (MatchKind::Layer, &self.layer),
        ];
        let mut named = kinds
            .into_iter()
            .filter_map(|(kind, text)| Some((kind, text.as_ref()?)));
        let needed = || SourceFault {
            at,
            what: "an exception needs base, image or layer".to_owned(),
        };
        let (kind, text) = named.next().ok_or_else(needed)?;
        match named.next() {
            Some((_, second)) => Err(SourceFault::new(
                second,
                "an exception names one thing; write a second [[ban.except]]",
            )),
            None => Ok((kind, digest(text)?, text.span().start)),
        }
    }

    pub(super) fn reason(&self, at: usize) -> Result<String, SourceFault> {
        reason(required(self.reason.as_ref(), "reason", at)?)
    }

    pub(super) fn ticket(&self) -> Result<Option<String>, SourceFault> {
        optional(self.ticket.as_ref(), |text| {
            word(text, "ticket", 200, |_| true)
        })
    }
}

impl WrittenPatch {
    /// The patch. `at` is the start of its table.
    pub(super) fn checked(&self, at: usize) -> Result<Patch, SourceFault> {
        Ok(Patch {
            check: self.check()?,
            script: self.script()?,
            run: self.run(at)?,
            timeout: self.timeout()?,
            user: self.user()?,
        })
    }

    pub(super) fn check(&self) -> Result<Option<Vec<String>>, SourceFault> {
        optional(self.check.as_ref(), |arguments| command(arguments, "check"))
    }

    pub(super) fn script(&self) -> Result<Option<Digest>, SourceFault> {
        optional(self.script.as_ref(), digest)
    }

    /// The command, or the arguments of the script, which needs none.
    pub(super) fn run(&self, at: usize) -> Result<Vec<String>, SourceFault> {
        match (&self.script, &self.run) {
            (None, run) => command(required(run.as_ref(), "run", at)?, "run"),
            (Some(_), Some(arguments)) if !are_arguments(arguments.get_ref()) => Err(
                SourceFault::new(arguments, "run: expected arguments for the script"),
            ),
            (Some(_), arguments) => Ok(arguments
                .as_ref()
                .map(|arguments| arguments.get_ref().clone())
                .unwrap_or_default()),
        }
    }

    pub(super) fn timeout(&self) -> Result<u64, SourceFault> {
        let Some(text) = &self.timeout else {
            return Ok(600);
        };
        let seconds =
            clock::duration(text.get_ref()).filter(|seconds| (1..=86_400).contains(seconds));
        seconds.ok_or_else(|| {
            SourceFault::new(text, "timeout: expected a duration from \"1s\" to \"24h\"")
        })
    }

    pub(super) fn user(&self) -> Result<String, SourceFault> {
        Ok(optional(self.user.as_ref(), user)?.unwrap_or_else(|| "0:0".to_owned()))
    }
}

/// The value of a key that must not be missing; `at` is the start of its table.
fn required<T>(value: Option<T>, key: &str, at: usize) -> Result<T, SourceFault> {
    value.ok_or_else(|| SourceFault {
        at,
        what: format!("missing field `{key}`"),
    })
}

pub(super) fn id_of_ban(text: &Spanned<String>) -> Result<String, SourceFault> {
    word(text, "id", MAX_ID, is_of_id)
}

pub(super) fn reason(text: &Spanned<String>) -> Result<String, SourceFault> {
    phrase(text, "reason", MAX_REASON)
}

pub(super) fn advisory(text: &Spanned<String>) -> Result<String, SourceFault> {
    word(text, "an advisory", 64, |_| true)
}

pub(super) fn successor(text: &Spanned<String>) -> Result<String, SourceFault> {
    word(text, "successor", 512, |_| true)
}

/// The checked value of something optional.
fn optional<T, U>(
    value: Option<&T>,
    check: impl FnOnce(&T) -> Result<U, SourceFault>,
) -> Result<Option<U>, SourceFault> {
    value.map(check).transpose()
}

pub(super) fn digest(text: &Spanned<String>) -> Result<Digest, SourceFault> {
    Digest::parse(text.get_ref()).map_err(|_| {
        SourceFault::new(
            text,
            format!("expected sha256:DIGEST, found {:?}", text.get_ref()),
        )
    })
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
    (1..=most).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && legal(byte))
}

fn is_phrase(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

/// A word of visible ASCII characters.
fn word(
    text: &Spanned<String>,
    key: &str,
    most: usize,
    legal: impl Fn(u8) -> bool,
) -> Result<String, SourceFault> {
    let found = text.get_ref();
    if is_word(found, most, legal) {
        Ok(found.clone())
    } else {
        Err(SourceFault::new(
            text,
            format!("{key}: expected a word of 1 to {most} legal characters, found {found:?}"),
        ))
    }
}

/// A phrase on one line.
fn phrase(text: &Spanned<String>, key: &str, most: usize) -> Result<String, SourceFault> {
    let found = text.get_ref();
    if is_phrase(found, most) {
        Ok(found.clone())
    } else {
        Err(SourceFault::new(
            text,
            format!("{key}: expected one line of 1 to {most} characters, found {found:?}"),
        ))
    }
}

fn platform(text: &Spanned<String>) -> Result<String, SourceFault> {
    let found = text.get_ref();
    let part = |part: &str| {
        (1..=32).contains(&part.len())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let fits = (2..=3).contains(&found.split('/').count()) && found.split('/').all(part);
    if fits {
        Ok(found.clone())
    } else {
        Err(SourceFault::new(
            text,
            format!("platform: expected os/architecture[/variant], found {found:?}"),
        ))
    }
}

/// A command: arguments without NUL, of which the first is not empty.
fn command(arguments: &Spanned<Vec<String>>, key: &str) -> Result<Vec<String>, SourceFault> {
    let found = arguments.get_ref();
    let fits = found.first().is_some_and(|first| !first.is_empty()) && are_arguments(found);
    if fits {
        Ok(found.clone())
    } else {
        Err(SourceFault::new(
            arguments,
            format!("{key}: expected a command and its arguments"),
        ))
    }
}

/// Whether the kernel accepts these arguments.
fn are_arguments(arguments: &[String]) -> bool {
    arguments.len() <= 256 && arguments.iter().all(|word| !word.contains('\0'))
}

fn user(text: &Spanned<String>) -> Result<String, SourceFault> {
    let numeric = |id: &str| {
        id.parse::<u32>()
            .is_ok_and(|number| number.to_string() == id)
    };
    let fits = text
        .get_ref()
        .split_once(':')
        .is_some_and(|(user, group)| numeric(user) && numeric(group));
    if fits {
        Ok(text.get_ref().clone())
    } else {
        Err(SourceFault::new(
            text,
            format!(
                "user: expected UID:GID in numbers, found {:?}",
                text.get_ref()
            ),
        ))
    }
}

//! Reads one `[[ban]]` of a source.
//!
//! In: the text of `bans.toml`. Out: the values of every table, checked one by one. Every error has
//! its position in the text.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use toml::{Spanned, Value};

use crate::lineage::digest::Digest;
use crate::sys::clock::{self, Timestamp};

use super::super::ban::{Action, Ban, Exception, MatchKind, Patch, Severity};
use super::fault::SourceFault;
use super::values::{
    advisory, are_arguments, command, digest, id_of_ban, name, optional, platform, reason,
    required, successor, ticket, user,
};

/// Refuses an empty file. A crash or a full disk leaves such files behind, and a list made from an
/// empty file would lift every ban.
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

/// The whole `bans.toml`.
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

/// A table `[[ban]]`. Every key is optional here, so that one missing key does not keep the other
/// keys from being read. [`required`] checks the keys that must be there.
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
    pub(super) existing_until: Option<Spanned<WrittenTime>>,
    pub(super) successor: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) cure: Vec<Spanned<String>>,
    #[serde(default, rename = "match")]
    pub(super) matches: Vec<WrittenMatch>,
    #[serde(default)]
    except: Vec<Spanned<WrittenException>>,
    patch: Option<Spanned<WrittenPatch>>,
}

/// A time, written as a TOML date or as text.
pub(super) struct WrittenTime(pub(super) Timestamp);

impl<'de> Deserialize<'de> for WrittenTime {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let time = match Value::deserialize(from)? {
            Value::String(text) => Timestamp::parse(&text),
            Value::Datetime(time) => Timestamp::parse(&time.to_string()),
            Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Array(_)
            | Value::Table(_) => None,
        };
        let expected = "expected a time in UTC: YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ";
        match time {
            Some(time) => Ok(Self(time)),
            None => Err(D::Error::custom(expected)),
        }
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

/// A match whose values have been checked.
pub(super) struct CheckedMatch<'a> {
    pub(super) kind: MatchKind,
    /// The position of the digest, or of the name of the file of digests.
    pub(super) at: usize,
    pub(super) target: MatchTarget<'a>,
    pub(super) name: Option<String>,
    pub(super) platform: Option<String>,
}

/// The digest or digests that a match names.
pub(super) enum MatchTarget<'a> {
    Digest(Digest),
    /// A file of digests, and the position of its name.
    File(&'a str, usize),
}

impl WrittenBan {
    /// Checks the ban, without its matches. `at` is where its table begins.
    pub(super) fn ban(&self, at: usize) -> Result<Ban, SourceFault> {
        let id = required(self.id.as_ref(), "id", at)?;
        let effective = required(self.effective.as_ref(), "effective", at)?;
        let effective = effective.get_ref().0;
        let lapses = later(self.lapses.as_ref(), effective, "lapses")?;
        let existing_until = later(self.existing_until.as_ref(), effective, "existing_until")?;
        if self.matches.is_empty() {
            return Err(SourceFault::new(
                id,
                "the ban has no [[ban.match]], so it bans nothing",
            ));
        }
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
            lapses,
            existing_until,
            successor: optional(self.successor.as_ref(), successor)?,
            except: self
                .except
                .iter()
                .map(WrittenException::checked)
                .collect::<Result<_, _>>()?,
            cure: self.cure.iter().map(digest).collect::<Result<_, _>>()?,
            patch: optional(self.patch.as_ref(), WrittenPatch::checked)?,
        })
    }
}

/// The time under `key`, if there is one. It must be later than `effective`.
fn later(
    time: Option<&Spanned<WrittenTime>>,
    effective: Timestamp,
    key: &str,
) -> Result<Option<Timestamp>, SourceFault> {
    match time {
        Some(time) if time.get_ref().0 <= effective => {
            let what = format_args!("{key} is not later than effective");
            Err(SourceFault::new(time, what))
        }
        Some(time) => Ok(Some(time.get_ref().0)),
        None => Ok(None),
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
        let at = match (&self.name, &self.platform) {
            (Some(text), _) | (None, Some(text)) => text.span().start,
            (None, None) => 0,
        };
        let what =
            "a match needs base, image, layer, base_file, image_file or layer_file".to_owned();
        let (kind, place, target) = named.pop().ok_or(SourceFault { at, what })?;
        Ok(CheckedMatch {
            kind,
            at: place.span().start,
            target,
            name: optional(self.name.as_ref(), name)?,
            platform: optional(self.platform.as_ref(), platform)?,
        })
    }
}

impl WrittenException {
    fn checked(table: &Spanned<Self>) -> Result<Exception, SourceFault> {
        let (at, written) = (table.span().start, table.get_ref());
        let until = required(written.until.as_ref(), "until", at)?.get_ref().0;
        let (kind, digest, _) = written.named(at)?;
        Ok(Exception {
            kind,
            digest,
            until,
            reason: written.reason(at)?,
            ticket: written.ticket()?,
        })
    }

    /// The digest that is excepted, its kind, and its position.
    pub(super) fn named(&self, at: usize) -> Result<(MatchKind, Digest, usize), SourceFault> {
        let kinds = [
            (MatchKind::Base, &self.base),
            (MatchKind::Image, &self.image),
            (MatchKind::Layer, &self.layer),
        ];
        let mut named = None;
        for (kind, text) in kinds {
            let Some(text) = text else { continue };
            if named.replace((kind, text)).is_some() {
                return Err(SourceFault::new(
                    text,
                    "an exception names one thing; write a second [[ban.except]]",
                ));
            }
        }
        let Some((kind, text)) = named else {
            let what = "an exception needs base, image or layer".to_owned();
            return Err(SourceFault { at, what });
        };
        Ok((kind, digest(text)?, text.span().start))
    }

    pub(super) fn reason(&self, at: usize) -> Result<String, SourceFault> {
        reason(required(self.reason.as_ref(), "reason", at)?)
    }

    pub(super) fn ticket(&self) -> Result<Option<String>, SourceFault> {
        optional(self.ticket.as_ref(), ticket)
    }
}

impl WrittenPatch {
    fn checked(table: &Spanned<Self>) -> Result<Patch, SourceFault> {
        let (at, written) = (table.span().start, table.get_ref());
        Ok(Patch {
            check: written.check()?,
            script: written.script()?,
            run: written.run(at)?,
            timeout: written.timeout()?,
            user: written.user()?,
        })
    }

    pub(super) fn check(&self) -> Result<Option<Vec<String>>, SourceFault> {
        optional(self.check.as_ref(), |arguments| command(arguments, "check"))
    }

    pub(super) fn script(&self) -> Result<Option<Digest>, SourceFault> {
        optional(self.script.as_ref(), digest)
    }

    /// Checks the command. With a script, the command is the arguments of the script, which may be
    /// empty.
    pub(super) fn run(&self, at: usize) -> Result<Vec<String>, SourceFault> {
        match (&self.script, &self.run) {
            (None, run) => command(required(run.as_ref(), "run", at)?, "run"),
            (Some(_), Some(arguments)) if !are_arguments(arguments.get_ref()) => Err(
                SourceFault::new(arguments, "run: expected arguments for the script"),
            ),
            (Some(_), Some(arguments)) => Ok(arguments.get_ref().clone()),
            (Some(_), None) => Ok(Vec::new()),
        }
    }

    pub(super) fn timeout(&self) -> Result<u64, SourceFault> {
        let Some(text) = &self.timeout else {
            return Ok(600);
        };
        match clock::duration(text.get_ref()) {
            Some(seconds @ 1..=86_400) => Ok(seconds),
            Some(_) | None => Err(SourceFault::new(
                text,
                "timeout: expected a duration from \"1s\" to \"24h\"",
            )),
        }
    }

    pub(super) fn user(&self) -> Result<String, SourceFault> {
        Ok(optional(self.user.as_ref(), user)?.unwrap_or_else(|| "0:0".to_owned()))
    }
}

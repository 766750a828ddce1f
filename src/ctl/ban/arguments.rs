//! Defines the arguments of `embargoctl ban` and `embargoctl except`.
//!
//! In: the options of the command line. Out: the ban or the exception that they describe. IDs and
//! reasons are checked here as the source's reader checks them.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::super::image::ImageArgs;
use crate::banlist::ban::{Action, Ban, MatchKind, Patch, Severity};
use crate::banlist::source;
use crate::lineage::digest::Digest;
use crate::sys::clock::{self, Timestamp};

/// The arguments of `embargoctl ban`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  embargoctl ban --id BAN-2026-0007 --reason \"remote code execution\" \\
      --severity critical --advisory CVE-2026-1234 \\
      --successor registry.example/base:2 docker:registry.example/base:1
  embargoctl ban --id BAN-2026-0008 --reason \"end of life\" --effective 14d \\
      oci-archive:base.tar")]
pub struct BanArgs {
    /// The source to which the ban is added; created if it is missing.
    #[arg(long, value_name = "FILE", default_value = "bans.toml")]
    pub(super) source: PathBuf,
    /// The ban's ID, which refusals show.
    #[arg(long, value_name = "ID", value_parser = id)]
    pub(super) id: String,
    /// Why the image is banned, in a few words.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(super) reason: String,
    /// How severe the problem is.
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "high")]
    pub(super) severity: SeverityWord,
    /// An advisory such as CVE-2026-1234; may be given more than once.
    #[arg(long, value_name = "ID")]
    pub(super) advisory: Vec<String>,
    /// What happens when a container matches the ban.
    #[arg(long, value_enum, default_value = "refuse")]
    pub(super) action: ActionWord,
    /// When the ban takes effect: a time such as 2026-11-20 or 2026-11-20T14:00:00Z, or a span from
    /// now such as 7d. Default: now.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    pub(super) effective: Option<When>,
    /// When the ban ends. Default: never.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    pub(super) lapses: Option<When>,
    /// Until when containers that were made before the ban took effect may start again. Default:
    /// they may not.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    pub(super) existing_until: Option<When>,
    /// The image to use instead.
    #[arg(long, value_name = "REFERENCE")]
    pub(super) successor: Option<String>,
    /// What is banned: everything built on the image, only the image itself, or its top layer in
    /// whatever image it occurs.
    #[arg(long = "as", value_enum, value_name = "KIND", default_value = "base")]
    pub(super) kind: KindWord,
    /// Also ban each of the image's own layers, in whatever image they occur. This finds an image
    /// that has another layer inserted below the base's unchanged layers.
    #[arg(long)]
    pub(super) with_layers: bool,
    /// A shell command that patches containers which already run on the banned image.
    #[arg(long, value_name = "COMMAND", group = "patch")]
    pub(super) patch_run: Option<String>,
    /// A script to run in place of --patch-run. The ban has only the script's digest. Copy the file
    /// to the nodes yourself, for exec-patch --script.
    #[arg(long, value_name = "FILE", group = "patch")]
    pub(super) patch_script: Option<PathBuf>,
    /// A shell command that exits with 0 in a container that needs no patch.
    #[arg(long, value_name = "COMMAND", requires = "patch")]
    pub(super) patch_check: Option<String>,
    /// How long the patch may take.
    #[arg(long, value_name = "SPAN", requires = "patch", default_value = "10m", value_parser = span)]
    pub(super) patch_timeout: u64,
    /// The user as which the patch runs.
    #[arg(
        long,
        value_name = "UID:GID",
        requires = "patch",
        default_value = "0:0"
    )]
    pub(super) patch_user: String,
    #[command(flatten)]
    pub(super) image: ImageArgs,
}

/// The arguments of `embargoctl except`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  embargoctl except --ban BAN-2026-0007 --until 14d \\
      --reason \"moves next week\" --ticket OPS-12 \\
      docker:registry.example/app:1")]
pub struct ExceptArgs {
    /// The source that has the ban.
    #[arg(long, value_name = "FILE", default_value = "bans.toml")]
    pub(super) source: PathBuf,
    /// The ID of the ban.
    #[arg(long, value_name = "ID")]
    pub(super) ban: String,
    /// When the exception ends: a time such as 2026-11-20 or 2026-11-20T14:00:00Z, or a span from
    /// now such as 14d.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    pub(super) until: When,
    /// Why the exception is made.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(super) reason: String,
    /// The ticket in which the exception was agreed.
    #[arg(long, value_name = "ID")]
    pub(super) ticket: Option<String>,
    /// What is excepted: only the image itself, everything built on it, or every image that has its
    /// top layer.
    #[arg(long = "as", value_enum, value_name = "KIND", default_value = "image")]
    pub(super) kind: KindWord,
    #[command(flatten)]
    pub(super) image: ImageArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum KindWord {
    Base,
    Image,
    Layer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SeverityWord {
    Low,
    Medium,
    High,
    Critical,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ActionWord {
    Refuse,
    Warn,
}

/// A point in time, or a time span that counts from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    At(Timestamp),
    In(u64),
}

impl When {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(time) = Timestamp::parse(text) {
            return Ok(Self::At(time));
        }
        match clock::duration(text) {
            Some(span) => Ok(Self::In(span)),
            None => Err("expected a time such as 2026-11-20T14:00:00Z, or a span such as 14d"),
        }
    }

    pub(super) const fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::In(seconds) => now.plus(seconds),
        }
    }
}

/// Checks a ban's ID with the rules of the source's reader.
fn id(text: &str) -> Result<String, &'static str> {
    if source::is_id(text) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    }
}

/// Checks a reason with the rules of the source's reader.
fn reason(text: &str) -> Result<String, String> {
    if source::is_reason(text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "expected one line of 1 to {} characters, without spaces around it",
        source::MAX_REASON
    ))
}

fn span(text: &str) -> Result<u64, &'static str> {
    clock::duration(text).ok_or("expected a span such as 90s or 10m")
}

/// The words that make a shell run a command.
fn shell(command: &str) -> Vec<String> {
    vec!["sh".to_owned(), "-c".to_owned(), command.to_owned()]
}

impl BanArgs {
    /// The ban that the options describe, at the time `now`. `script` is the digest of the patch
    /// script, if there is one.
    pub(super) fn ban(&self, now: Timestamp, script: Option<Digest>) -> Ban {
        let patch = if self.patch_run.is_some() || script.is_some() {
            Some(Patch {
                check: self.patch_check.as_deref().map(shell),
                script,
                run: self.patch_run.as_deref().map(shell).unwrap_or_default(),
                timeout: self.patch_timeout,
                user: self.patch_user.clone(),
            })
        } else {
            None
        };
        Ban {
            id: self.id.clone(),
            reason: self.reason.clone(),
            advisories: self.advisory.clone(),
            severity: self.severity.severity(),
            action: self.action.action(),
            effective: self.effective.unwrap_or(When::In(0)).from(now),
            lapses: self.lapses.map(|when| when.from(now)),
            existing_until: self.existing_until.map(|when| when.from(now)),
            successor: self.successor.clone(),
            except: Vec::new(),
            cure: Vec::new(),
            patch,
        }
    }
}

impl KindWord {
    pub(super) const fn kind(self) -> MatchKind {
        match self {
            Self::Base => MatchKind::Base,
            Self::Image => MatchKind::Image,
            Self::Layer => MatchKind::Layer,
        }
    }
}

impl SeverityWord {
    const fn severity(self) -> Severity {
        match self {
            Self::Low => Severity::Low,
            Self::Medium => Severity::Medium,
            Self::High => Severity::High,
            Self::Critical => Severity::Critical,
        }
    }
}

impl ActionWord {
    const fn action(self) -> Action {
        match self {
            Self::Refuse => Action::Refuse,
            Self::Warn => Action::Warn,
        }
    }
}

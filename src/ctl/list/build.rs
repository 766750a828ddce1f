//! Implements `embargoctl list build`: compiles a source into an unsigned list.
//!
//! In: `bans.toml` (checked by `banlist::source`), and origin, version and times from the command
//! line. Out: an unsigned list in a file. The output file may replace an older list, but no other
//! file. The same source and options give the same bytes; only the times depend on the clock,
//! unless they are given.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::super::keys::{span, time};
use super::super::progress::Progress;
use super::super::{CtlError, amount};
use super::{AuthoringError, lint};
use crate::banlist::compile::{CompileError, Compiled};
use crate::banlist::floor::Edition;
use crate::banlist::head::{self, Entries, Format, HEAD_SIZE, Impact, Urgency};
use crate::banlist::source::{self, MAX_SOURCE, Source, SourceError};
use crate::banlist::terms::HeadTerms;
use crate::banlist::text;
use crate::lineage::digest::Digest;
use crate::report::{self, line};
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, FileError, Guard};
use crate::sys::replace::Draft;

/// The largest source, in bans, that is also checked for mistakes while its list is built.
const MAX_LINTED: usize = 10_000;

/// Compile a reviewed source (bans.toml) into an unsigned list.
///
/// The same source, version and times give the same bytes on every machine. Then sign the list:
/// with `list sign`, or with `list head` and `list attach`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  embargoctl list build --origin bans.example.com/prod --version 412")]
pub struct BuildArgs {
    /// The source.
    #[arg(long, value_name = "FILE", default_value = "bans.toml")]
    source: PathBuf,
    /// The origin of the list. It must be the origin of the nodes' keyset.
    #[arg(long, value_name = "NAME")]
    origin: String,
    /// The list's version. It must be higher than that of the last published list.
    #[arg(long, value_name = "N")]
    version: u64,
    /// The number of the keyset whose keys sign the list.
    #[arg(long, value_name = "N", default_value_t = 1)]
    keyset: u64,
    /// The list's time of issue, YYYY-MM-DDThh:mm:ssZ. Default: now.
    #[arg(long, value_name = "TIME", value_parser = time)]
    issued: Option<Timestamp>,
    /// When a newer list should replace this one. After this time the list is still enforced, and
    /// is reported as stale.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "valid")]
    expires: Option<Timestamp>,
    /// The same as --expires, as a span after the time of issue.
    #[arg(long, value_name = "SPAN", default_value = "14d", value_parser = span)]
    valid: u64,
    /// Say in the list's head that its signers know how many running containers it refuses.
    #[arg(long)]
    acknowledge_impact: bool,
    /// Say in the list's head that it is urgent, for an emergency. Nodes show it.
    #[arg(long)]
    urgent: bool,
    /// The output file.
    #[arg(long, value_name = "FILE", default_value = "banlist.lst")]
    out: PathBuf,
}

/// Builds the list.
///
/// # Errors
/// [`AuthoringError`] and errors in writing the list.
pub(super) fn run(args: &BuildArgs) -> Result<String, CtlError> {
    let terms = terms(args)?;
    let out = vacant(&args.out)?;
    let (source, compiled) = compile(&args.source)?;
    warn(args, &source, &terms);
    let draft = Draft::open(&out, 0o644)?;
    let writing = compiled.write(&terms, draft.file(), &Progress::start("writing", 0));
    let head = writing.map_err(AuthoringError::Compile)?;
    draft.replace()?;
    let Entries {
        all,
        base,
        image,
        layer,
        catalogue: _,
    } = head.entries;
    let (list, bans, all) = (
        line::path(&args.out),
        amount(source.bans.len(), "ban"),
        amount(all, "digest"),
    );
    let counts = format!("{bans}, {all} ({base} base, {image} image, {layer} layer)");
    Ok(format!(
        "{list}: version {} for {}: {counts}\nissued {}, expires {}{}\nnot signed yet: embargoctl \
         list sign --key KEY {list}\n",
        head.edition.version,
        head.origin,
        head.issued,
        head.expires,
        super::show::urgent(&head)
    ))
}

/// The path of the output file. The file must be missing, empty or an older list. Nothing else is
/// overwritten: `--out` could by mistake name a source, a private key or a device.
fn vacant(out: &Path) -> Result<PathBuf, CtlError> {
    match file::open(out, Guard::Any) {
        Ok((file, size)) => {
            let mut block = Vec::with_capacity(HEAD_SIZE);
            file.take(HEAD_SIZE as u64)
                .read_to_end(&mut block)
                .map_err(|error| FileError::Io(out.to_owned(), error))?;
            // The first line is enough to recognise a list, even a list that was cut short.
            block.resize(HEAD_SIZE, 0);
            if size == 0 || head::may_be_head(&block) {
                return Ok(file::target(out));
            }
        }
        Err(error) if error.is_absent() => return Ok(file::target(out)),
        Err(FileError::NotRegular(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Err(CtlError::with_hint(
        AuthoringError::Occupied(out.to_owned()),
        "choose another --out, or remove it",
    ))
}

/// Warns about a list that can be built, but has expired or has errors that the linter finds.
fn warn(args: &BuildArgs, source: &Source, terms: &HeadTerms) {
    let now = Timestamp::now();
    if terms.expires <= now {
        report::warning(
            "embargoctl",
            &format!("the list expired already, at {}", terms.expires),
        );
    }
    let errors = if source.bans.len() <= MAX_LINTED {
        faults(&args.source, now)
    } else {
        0
    };
    if errors > 0 {
        let (errors, source) = (amount(errors, "error"), line::path(&args.source));
        report::warning(
            "embargoctl",
            &format!("embargoctl list lint --source {source} finds {errors} in this source"),
        );
    }
}

/// How many errors the linter finds in the source. Bans with a file of digests are left out, so
/// that these files are not read a second time.
fn faults(path: &Path, now: Timestamp) -> usize {
    let Ok(text) = file::read_text(path, MAX_SOURCE, Guard::Any) else {
        return 0;
    };
    let mut draft = source::draft::Draft::parse(path, &text, |_| Ok(Vec::new()));
    draft
        .bans
        .retain(|ban| ban.matches.iter().all(|found| found.file.is_none()));
    let found = lint::findings(&draft, &lint::KnownImages::default(), None, now);
    found
        .iter()
        .filter(|finding| finding.code.level() == lint::Level::Error)
        .count()
}

/// Reads a source and compiles it.
///
/// # Errors
/// [`AuthoringError`].
pub(super) fn compile(path: &Path) -> Result<(Source, Compiled), CtlError> {
    let source = match Source::load_watched(path, &Progress::start("reading", 0)) {
        Ok(source) => source,
        Err(error) => return Err(unread(path, error)),
    };
    match Compiled::of(&source) {
        Ok(compiled) => Ok((source, compiled)),
        Err(error @ CompileError::Twice(digest, _)) => {
            Err(CtlError::from(AuthoringError::Compile(error)).detailed(places(&source, &digest)))
        }
        Err(error) => Err(AuthoringError::Compile(error).into()),
    }
}

/// The error for a source that cannot be used. If the source has a mistake, its other mistakes are
/// listed too, so that the author can fix all of them at once.
fn unread(path: &Path, error: SourceError) -> CtlError {
    let others = match &error {
        SourceError::Line(file, line, _) => other_faults(path, (file, *line)),
        SourceError::File(_) => Vec::new(),
    };
    CtlError::from(AuthoringError::Source(error)).detailed(others)
}

/// The mistakes in a source except the known one, one line each. `known` is the file and line of
/// the known mistake.
fn other_faults(path: &Path, known: (&Path, usize)) -> Vec<String> {
    let Ok(draft) = source::draft::Draft::load(path) else {
        return Vec::new();
    };
    let mut others = Vec::new();
    for fault in &draft.faults {
        if (fault.file.as_path(), fault.line) != known {
            let file = line::path(&fault.file);
            others.push(format!("  {file} line {}: {}", fault.line, fault.what));
        }
    }
    others
}

/// Where a digest occurs in the source: one line of text for each occurrence.
fn places(source: &Source, digest: &Digest) -> Vec<String> {
    let mut lines = Vec::new();
    for (file, number) in source.places(digest) {
        lines.push(format!("  {} line {number}", line::path(file)));
    }
    lines
}

fn terms(args: &BuildArgs) -> Result<HeadTerms, AuthoringError> {
    let issued = args.issued.unwrap_or_else(Timestamp::now);
    let expires = args.expires.unwrap_or_else(|| issued.plus(args.valid));
    if !text::is_origin(&args.origin) {
        return Err(AuthoringError::Origin(args.origin.clone()));
    }
    if expires <= issued {
        return Err(AuthoringError::Expires);
    }
    let impact = if args.acknowledge_impact {
        Impact::Acknowledged
    } else {
        Impact::Guarded
    };
    let edition = Edition {
        keyset: args.keyset,
        version: args.version,
    };
    let urgency = if args.urgent {
        Urgency::Urgent
    } else {
        Urgency::Routine
    };
    Ok(HeadTerms {
        format: Format::V2,
        origin: args.origin.clone(),
        edition,
        issued,
        expires,
        impact,
        urgency,
    })
}

#[cfg(test)]
mod tests;

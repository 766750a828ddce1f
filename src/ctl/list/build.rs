//! `embargoctl list build`: which list does this source make?
//!
//! In: `bans.toml` (checked by `banlist::source`) and the terms on the command line. Out: an unsigned list, in place of any older one of that name. The
//! same source and terms give the same bytes; only the times default to the clock.

use std::path::{Path, PathBuf};

use super::super::keys::{span, time};
use super::super::progress::Progress;
use super::super::{CtlError, amount};
use super::AuthoringError;
use crate::banlist::compile::{CompileError, Compiled, Terms};
use crate::banlist::error::Edition;
use crate::banlist::head::{Entries, Impact};
use crate::banlist::source::Source;
use crate::banlist::text;
use crate::lineage::digest::Digest;
use crate::report::line;
use crate::sys::clock::Timestamp;
use crate::sys::replace::Draft;

/// Compile a reviewed source (bans.toml) into an unsigned list.
///
/// The same source, version and times give the same bytes on every machine. The list then wants signatures: `list sign`, or `list head` and `list attach`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The source.
    #[arg(long, value_name = "FILE", default_value = "bans.toml")]
    source: PathBuf,
    /// Whose list, and for what: the origin of the nodes' keyset.
    #[arg(long, value_name = "NAME")]
    origin: String,
    /// The list's version; each list that is published counts up.
    #[arg(long, value_name = "N")]
    version: u64,
    /// Number of the keyset whose keys sign it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    keyset: u64,
    /// When it is issued, YYYY-MM-DDThh:mm:ssZ; now when left out.
    #[arg(long, value_name = "TIME", value_parser = time)]
    issued: Option<Timestamp>,
    /// When a newer one should have come. A list past it is still enforced, and reported.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "valid")]
    expires: Option<Timestamp>,
    /// The same as a span after the issue.
    #[arg(long, value_name = "SPAN", default_value = "14d", value_parser = span)]
    valid: u64,
    /// Say in the head that the signers know how many running containers it refuses.
    #[arg(long)]
    acknowledge_impact: bool,
    /// Where the list goes.
    #[arg(long, value_name = "FILE", default_value = "banlist.lst")]
    out: PathBuf,
}

/// Builds the list.
///
/// # Errors
/// [`AuthoringError`] and errors in writing the list.
pub(super) fn run(args: &Args) -> Result<String, CtlError> {
    let terms = terms(args)?;
    let (source, compiled) = compile(&args.source)?;
    let draft = Draft::open(&args.out, 0o644)?;
    let writing = compiled.write(&terms, draft.file(), &Progress::start("writing", 0));
    let head = writing.map_err(AuthoringError::Compile)?;
    draft.replace()?;
    let Entries { all, base, image, layer } = head.entries;
    let (list, bans, all) = (line::name(&args.out.to_string_lossy()), amount(source.bans.len(), "ban"), amount(all, "digest"));
    let counts = format!("{bans}, {all} ({base} base, {image} image, {layer} layer)");
    Ok(format!(
        "{list}: version {} for {}: {counts}\nissued {}, expires {}\nnot signed yet: embargoctl list sign --key KEY {list}\n",
        head.edition.version, head.origin, head.issued, head.expires
    ))
}

/// Reads a source and compiles it.
///
/// # Errors
/// [`AuthoringError`].
pub(super) fn compile(path: &Path) -> Result<(Source, Compiled), CtlError> {
    let source = Source::load_watched(path, &Progress::start("reading", 0)).map_err(AuthoringError::Source)?;
    let compiled = Compiled::of(&source).map_err(|error| match error {
        CompileError::Twice(digest, _) => CtlError::from(AuthoringError::Compile(error)).detailed(places(&source, &digest)),
        CompileError::TooOften(..)
        | CompileError::TooLong(_)
        | CompileError::TooManyRecords
        | CompileError::TooManyEntries
        | CompileError::Write(_) => AuthoringError::Compile(error).into(),
    })?;
    Ok((source, compiled))
}

/// Where a digest stands, a line for each.
fn places(source: &Source, digest: &Digest) -> Vec<String> {
    let place = |(file, number): (&Path, usize)| format!("  {} line {number}", line::name(&file.to_string_lossy()));
    source.places(digest).into_iter().map(place).collect()
}

fn terms(args: &Args) -> Result<Terms, AuthoringError> {
    let issued = args.issued.unwrap_or_else(Timestamp::now);
    let expires = args.expires.unwrap_or_else(|| issued.plus(args.valid));
    if !text::is_origin(&args.origin) {
        return Err(AuthoringError::Origin(args.origin.clone()));
    }
    if expires <= issued {
        return Err(AuthoringError::Expires);
    }
    let impact = if args.acknowledge_impact { Impact::Acknowledged } else { Impact::Guarded };
    let edition = Edition { keyset: args.keyset, version: args.version };
    Ok(Terms { origin: args.origin.clone(), edition, issued, expires, impact })
}

#[cfg(test)]
mod tests;

//! Makes, signs, checks and shows ban lists.
//!
//! `build` compiles a source. `sign` and `attach` add signatures to the head, and `head` prints the
//! bytes to sign. `verify` checks every byte and every signature. `show` prints what a list bans,
//! `diff` compares two lists, `lint` finds mistakes in a source, and `preview` shows what a list
//! would do on this node. A list is one file; signing rewrites its head and copies the rest. A list
//! is hostile until its signatures are checked; the output of `show` says that the signatures were
//! not checked.

mod build;
mod diff;
pub mod lint;
mod preview;
mod rebuild;
mod show;
mod sign;
mod verify;

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{CtlError, Output, signing};
use crate::banlist::bytes::Reader;
use crate::banlist::compile::CompileError;
use crate::banlist::error::ListError;
use crate::banlist::head::Claim;
use crate::banlist::keyset::{Keyset, Role};
use crate::banlist::source::SourceError;
use crate::banlist::store;
use crate::paths::Paths;
use crate::sys::file::{self, Guard};

pub use rebuild::RebuildError;

/// Commands on lists.
#[derive(Debug, Subcommand)]
#[expect(
    missing_docs,
    reason = "each shows the text of its `Args`, which is longer"
)]
pub enum ListCommand {
    Lint(lint::LintArgs),
    Build(Box<build::BuildArgs>),
    Show(show::ListShowArgs),
    Diff(diff::DiffArgs),
    Sign(sign::ListSignArgs),
    Head(sign::ListHeadArgs),
    Attach(sign::ListAttachArgs),
    Verify(verify::ListVerifyArgs),
    Preview(preview::PreviewArgs),
}

/// Why a list cannot be made or signed.
#[derive(Debug, thiserror::Error)]
pub enum AuthoringError {
    /// The source cannot be read or has a mistake.
    #[error(transparent)]
    Source(SourceError),
    /// No list can be built from the source.
    #[error(transparent)]
    Compile(CompileError),
    /// The list would expire before it is issued.
    #[error("cannot build the list: it would expire before it is issued")]
    Expires,
    /// The origin has a wrong form.
    #[error("cannot build a list for {0:?}: an origin has 1 to 128 visible characters")]
    Origin(String),
    /// The list was not made from the given source.
    #[error(transparent)]
    Rebuild(RebuildError),
    /// The output file exists and is not a list.
    #[error("cannot replace {0:?} by a list: it is something else")]
    Occupied(PathBuf),
}

/// Runs a command on a list.
///
/// # Errors
/// [`AuthoringError`], [`ListError`] and errors in reading and writing files.
pub fn run(command: &ListCommand, paths: &Paths) -> Result<Output, CtlError> {
    let text = match command {
        ListCommand::Build(args) => build::run(args),
        ListCommand::Sign(args) => sign::sign(args, paths),
        ListCommand::Head(args) => sign::head(args),
        ListCommand::Attach(args) => sign::attach(args, paths),
        ListCommand::Verify(args) => verify::run(args, paths),
        ListCommand::Show(args) => show::run(args),
        ListCommand::Diff(args) => diff::run(args, paths),
        ListCommand::Lint(args) => return lint::run(args, paths),
        ListCommand::Preview(args) => return preview::run(args, paths),
    };
    text.map(Output::from)
}

/// A hint for a list that has too few signatures: which keys of the keyset have not signed it, and
/// the command to sign.
pub(super) fn wanting(keyset: &Keyset, error: &ListError) -> Option<String> {
    let (ListError::Signatures(path, tally) | ListError::NotInstalled(path, tally)) = error else {
        return None;
    };
    let (_, _, claim) = open(path).ok()?;
    let mut names = Vec::new();
    for key in keyset.keys_of(Role::List) {
        if !signing::has_signed(key, &claim.text, &claim.signatures) {
            names.push(key.name.as_str());
        }
    }
    if names.is_empty() {
        return None;
    }
    Some(format!(
        "{} more of {} to sign: {}",
        tally.needed.saturating_sub(tally.good),
        names.join(", "),
        signing::sign_command(path)
    ))
}

/// Opens a list and parses its head. The signatures are not checked.
fn open(path: &Path) -> Result<(File, u64, Claim), ListError> {
    let (file, size) = file::open(path, Guard::Any)?;
    let claim = store::claim(&Reader { path, bytes: &file }, size)?;
    if size != claim.head.file_size() {
        return Err(ListError::Size(
            path.to_owned(),
            size,
            claim.head.file_size(),
        ));
    }
    Ok((file, size, claim))
}

#[cfg(test)]
mod tests;

//! Implements `embargoctl list lint`: finds the mistakes in a source of bans.
//!
//! In: a `bans.toml`, valid or not; the images on this machine; the list that was published last,
//! if the command line names one; and the time. Out: all findings, as text or as JSON, and an exit
//! status. Each finding has a stable name, a file and line, one sentence and a hint. [`findings`]
//! makes the findings and is pure; `search` looks for images. Every mistake for which `list build`
//! refuses a source is an error here, and all these mistakes are reported, not only the first. Not
//! checked: signatures, and the effect on running containers, which `list preview` shows.

mod alone;
mod digests;
mod finding;
mod images;
mod known;
mod last;
mod page;
mod permits;
mod reference;
mod search;
mod successors;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::open;
use crate::banlist::bytes::Reader;
use crate::banlist::source::draft::{Draft, DraftBan, Placed};
use crate::banlist::whole;
use crate::ctl::image::{EngineArgs, Images};
use crate::ctl::{CtlError, Output};
use crate::node::stores::Stores;
use crate::paths::Paths;
use crate::report::{Exit, line};
use crate::sys::clock::Timestamp;
use digests::Uses;
pub use finding::{Code, Level, LintFinding};
use finding::{Findings, Location};
use known::ImageIndex;
pub(in crate::ctl) use known::platform;
pub use known::{Group, KnownImages};
pub use last::Last;
use page::LevelCounts;
pub(in crate::ctl) use search::images;

/// Check a source (bans.toml) for mistakes, all at once.
///
/// Checks the source with the images on this machine that it names or hits, with the images of
/// --image, and with the list that was published last. The exit status is 1 if there are errors, or
/// with --deny-warnings also if there are warnings; else it is 0. `embargoctl(8)` has the table of
/// findings.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl list lint
  embargoctl list lint --last banlist.lst --deny-warnings --json")]
pub struct LintArgs {
    /// The source.
    #[arg(long, value_name = "FILE", default_value = "bans.toml")]
    source: PathBuf,
    /// The list that was published last.
    #[arg(long, value_name = "LIST")]
    last: Option<PathBuf>,
    /// Another image to check with, such as a successor that is in no engine on this machine. NAME
    /// is the image's name in the source. May be given more than once.
    #[arg(long, value_name = "[NAME=]IMAGE")]
    image: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Also fail if there are warnings.
    #[arg(long)]
    deny_warnings: bool,
    #[command(flatten)]
    engines: EngineArgs,
}

/// Runs the command.
///
/// # Errors
/// [`CtlError`] when the source, the list or an image cannot be read.
pub(super) fn run(args: &LintArgs, paths: &Paths) -> Result<Output, CtlError> {
    let draft = Draft::load(&args.source)?;
    let last = args.last.as_deref().map(load).transpose()?;
    let known = search::search(&draft, &args.image, &args.engines.stores(paths))?;
    let found = findings(&draft, &known, last.as_ref(), Timestamp::now());
    let format = if args.json { page::json } else { page::text };
    let LevelCounts {
        errors, warnings, ..
    } = LevelCounts::of(&found);
    let fails = errors > 0 || args.deny_warnings && warnings > 0;
    Ok(Output {
        text: format(&args.source, draft.bans.len(), &found),
        exit: if fails { Exit::Failed } else { Exit::Clear },
    })
}

/// Reads the list at `path`, and checks every byte against its head. The signatures are not
/// checked, because the list is the author's own.
fn load(path: &Path) -> Result<Last, CtlError> {
    let (file, _, claim) = open(path)?;
    let bans = whole::check(&Reader { path, bytes: &file }, &claim.head)?;
    let (version, issued) = (claim.head.edition.version, claim.head.issued);
    Ok(Last {
        version,
        issued,
        bans: bans.into_iter().map(|counted| counted.ban).collect(),
    })
}

/// The findings about one ban of a valid source, for `embargoctl ban`. `found` is the banned image
/// and `word` its name on the command line. Platforms that the ban leaves out are not reported.
pub(in crate::ctl) fn of_ban(
    path: &Path,
    text: &str,
    id: &str,
    (word, found): (&str, Images),
    stores: &Stores,
) -> Vec<LintFinding> {
    // The other bans are dropped, and files of digests are not read.
    let mut draft = Draft::parse(path, text, |_| Ok(Vec::new()));
    draft.bans.retain(|ban| alone::at(ban, 0).ban == Some(id));
    let known = search::search_beside(&draft, word, found, stores);
    let mut found = findings(&draft, &known, None, Timestamp::now());
    found.retain(|finding| !matches!(finding.code, Code::NotChecked | Code::MissingPlatform));
    found
}

/// All mistakes in a source. `known` are the images on this machine, `last` is the list that was
/// published last, and `now` is the time.
#[must_use]
pub fn findings(
    draft: &Draft,
    known: &KnownImages,
    last: Option<&Last>,
    now: Timestamp,
) -> Vec<LintFinding> {
    let mut findings = Findings::new(&draft.path);
    alone::check(draft, now, &mut findings);
    let index = ImageIndex::of(known);
    let uses = Uses::of(draft, &index);
    digests::check(draft, &index, &uses, &mut findings);
    digests::wrong_kinds(&index, &uses, &mut findings);
    permits::check(draft, &index, &uses, now, &mut findings);
    successors::check(draft, known, &uses, now, &mut findings);
    images::check(draft, known, &index, &uses, &mut findings);
    if let Some(last) = last {
        last::check(draft, last, now, &mut findings);
    }
    not_checked(draft, known, &mut findings);
    findings.sorted()
}

/// Reports which images and successors of the source could not be checked.
fn not_checked(draft: &Draft, known: &KnownImages, findings: &mut Findings<'_>) {
    for why in &known.unseen {
        findings.add(Code::NotChecked, Location::of_source(None), why, "");
    }
    let mut reported = HashSet::new();
    for ban in &draft.bans {
        for (what, name) in named(ban) {
            let Some(why) = known.unknown.get(&name.value) else {
                continue;
            };
            if !reported.insert(&name.value) {
                continue;
            }
            let place = Location {
                line: name.line,
                ..Location::of_source(None)
            };
            let name = line::name(&name.value);
            let text = format!("{what} {name}: {why}, not checked");
            let hint = format!("name it with --image {name}=IMAGE");
            findings.add(Code::NotChecked, place, text, hint);
        }
    }
}

/// The images that a ban names. Each name comes with a word for the image's role in the ban.
fn named(ban: &DraftBan) -> Vec<(&'static str, &Placed<String>)> {
    let mut names = Vec::new();
    if let Some(successor) = &ban.successor {
        names.push(("successor", successor));
    }
    for found in &ban.matches {
        if let Some(name) = &found.name {
            names.push(("image", name));
        }
    }
    names
}

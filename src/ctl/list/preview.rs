//! Implements `embargoctl list preview`: shows what a draft would do on this node.
//!
//! In: a draft, signed or not, and the node: its running containers, its engines' stores and its
//! list in force. Out: what the draft would refuse, as a table or as one JSON document, and whether
//! an installation would fail because of what the draft refuses or lifts. Every byte of the draft
//! is checked against its head. Missing signatures are reported and are no error. Nothing on the
//! node is changed. The node need not be armed, and may have no list in force. A caller who is not
//! root is told what could not be read. Not covered: images without a name, and whether Podman
//! restarts a container by itself (only libpod's database has this policy, and the database is not
//! read).

mod report;
mod signed;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::consequences::node::NodeState;
use super::super::impact::lists::Lists;
use super::super::impact::{self, RunningSubject, Survey, Surveyed};
use super::super::{CtlError, Output};
use super::open;
use crate::banlist::bytes::Reader;
use crate::lineage::digest::ImageId;
use crate::lineage::{LineageError, Origin, Unknown};
use crate::node::Node;
use crate::node::stores::Store;
use crate::node::subject::{self, Kind, Known, Subject};
use crate::paths::Paths;
use crate::report::warning;
use crate::settings::{self, Engines, Settings};
use crate::sys::clock::Timestamp;
use crate::verdict::{break_glass, leniency};
use report::PreviewReport;
use signed::Signed;

/// Show what a draft would refuse on this node: running containers, stopped ones, images.
///
/// Nothing is changed, and the draft needs no signatures. A list never stops a running container: a
/// refused container keeps running, but does not start again. The exit status is 0 when the draft
/// would refuse nothing on this node, 2 when it would refuse something, 3 when that is unknown, and
/// 1 on a failure.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  embargoctl list preview banlist.lst")]
pub struct PreviewArgs {
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// The list.
    #[arg(value_name = "DRAFT")]
    draft: PathBuf,
}

/// The time limit for one image in an engine's store.
const PATIENCE: Duration = Duration::from_secs(10);

/// The verdicts on everything on the node.
struct Preview {
    survey: Survey,
    stopped: Vec<Surveyed>,
    images: Vec<PreviewedImage>,
}

/// An image, with all its names in one store.
struct PreviewedImage {
    names: Vec<String>,
    judged: Surveyed,
}

/// Runs the command. Returns the text to print and the exit status.
pub(super) fn run(args: &PreviewArgs, paths: &Paths) -> Result<Output, CtlError> {
    let (file, size, claim) = open(&args.draft)?;
    let draft = Reader {
        path: &args.draft,
        bytes: &file,
    };
    let stored = settings::load(paths)?;
    let settings = stored.as_ref();
    let now = Timestamp::now();
    let node = match settings {
        Some(settings) => Node::whole(paths, &settings.engines),
        None => Node::whole(paths, &Engines::default()),
    };
    let mut faults = Vec::new();
    let mut known = node.containers(&mut faults);
    // Names are only shown.
    subject::add_names(&mut known, &mut Vec::new());
    let found = FoundHere::on(&node, &known, &mut faults);
    let lists = Lists::ask(&draft, &claim.head, paths, settings, found.all(), now)?;
    let faults = impact::lines_of(node.faults(), &faults);
    let preview = found.judged(&args.draft, &lists, faults);
    let node = NodeState {
        paths,
        settings,
        rules: settings.map(Settings::rules).unwrap_or_default(),
        now,
    };
    let signed = Signed::ask(&draft, size, &claim, &node);
    let glass = break_glass::load(paths);
    let notes = leniency::all(settings, glass.as_ref(), now)
        .iter()
        .map(ToString::to_string)
        .collect();
    let report = PreviewReport::new(&preview, &claim.head, &lists, signed, settings, notes, now);
    for fault in &preview.survey.faults {
        warning("embargoctl", fault);
    }
    Ok(Output {
        text: if args.json {
            report.json()
        } else {
            report.text()
        },
        exit: report.exit(),
    })
}

/// Everything on the node that a draft may refuse.
struct FoundHere<'a> {
    running: Vec<RunningSubject<'a>>,
    stopped: Vec<Subject>,
    /// Images with their names.
    images: Vec<(Vec<String>, Subject)>,
}

impl<'a> FoundHere<'a> {
    fn on(node: &'a Node<'_>, known: &[Known<'a>], faults: &mut Vec<LineageError>) -> Self {
        let mut found = Self {
            running: impact::running_subjects(known, node),
            stopped: Vec::new(),
            images: Vec::new(),
        };
        for known in known {
            if known.store.is_some() {
                let subject = node.container(known);
                if matches!(subject.kind, Kind::Container { runs: false, .. }) {
                    found.stopped.push(subject);
                }
            }
        }
        for store in &node.stores.open {
            found.images.extend(images(store, faults));
        }
        found
    }

    fn all(&self) -> impl Iterator<Item = &Subject> {
        self.running
            .iter()
            .map(|running| &running.subject)
            .chain(&self.stopped)
            .chain(self.images.iter().map(|(_, subject)| subject))
    }

    fn judged(self, draft: &Path, lists: &Lists<'_>, faults: Vec<String>) -> Preview {
        let mut stopped = Vec::new();
        for subject in self.stopped {
            stopped.push(lists.surveyed(subject));
        }
        let mut images = Vec::new();
        for (names, subject) in self.images {
            let judged = lists.surveyed(subject);
            images.push(PreviewedImage { names, judged });
        }
        Preview {
            survey: Survey {
                draft: draft.to_owned(),
                running: impact::judged(self.running, lists),
                faults,
            },
            stopped,
            images,
        }
    }
}

/// The named images of a store, each of them once. An image that is deleted in the meantime is left
/// out.
fn images(store: &Store, faults: &mut Vec<LineageError>) -> Vec<(Vec<String>, Subject)> {
    let names = store.records.image_names().unwrap_or_else(|fault| {
        faults.push(fault);
        Vec::new()
    });
    let mut images: Vec<(Vec<String>, Subject)> = Vec::new();
    for name in names {
        let origin = store.records.image(&name, Instant::now() + PATIENCE);
        if matches!(origin, Err(LineageError::Unknown(Unknown::NoRecord(..)))) {
            continue;
        }
        let own = id(&origin);
        let same = images
            .iter_mut()
            .find(|(_, known)| own.is_some() && id(&known.origin) == own);
        match same {
            Some((names, _)) => names.push(name),
            None => images.push((vec![name], Subject::of_image(store, origin))),
        }
    }
    images
}

/// The image ID.
fn id(origin: &Result<Origin, LineageError>) -> Option<ImageId> {
    origin.as_ref().ok()?.facts()?.image_id
}

#[cfg(test)]
mod tests;

//! Implements `embargoctl list preview`: shows what a draft would do on this node.
//!
//! In: a draft, signed or not, and the node: its running containers, its engines' stores and its
//! list in force. Out: what the draft would refuse, as a table or as one JSON document, and whether
//! an installation would fail because of what the draft refuses or lifts. Every byte of the draft
//! is checked against its head. Missing signatures are reported and are no error. Nothing on the
//! node is changed. The node need not be armed, and may have no list in force. A caller who is not
//! root is told what could not be read. Not covered: images without a name, and whether Podman
//! restarts a container by itself (only libpod's database says that, and it is not read).

mod report;
mod restart;
mod signed;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::super::consequences::node::NodeState;
use super::super::impact::lists::Lists;
use super::super::impact::{self, Survey, Surveyed};
use super::super::{CtlError, Output};
use super::open;
use crate::banlist::bytes::Reader;
use crate::lineage::digest::ImageId;
use crate::lineage::{LineageError, Origin, Unknown};
use crate::node::stores::Store;
use crate::node::subject::{Kind, Subject};
use crate::paths::Paths;
use crate::report::{line, warning};
use crate::settings::{self, Settings};
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
    let settings = settings::load(paths)?;
    let now = Timestamp::now();
    let engines = settings
        .as_ref()
        .map(|settings| settings.engines.clone())
        .unwrap_or_default();
    let node = crate::node::Node::whole(paths, &engines);
    let mut faults = Vec::new();
    let known = node.containers(&mut faults);
    let running = impact::running_subjects(&known, &node);
    let stopped: Vec<_> = known
        .iter()
        .filter(|known| known.store.is_some())
        .map(|known| node.container(known))
        .filter(is_stopped)
        .collect();
    let images: Vec<_> = node
        .stores
        .open
        .iter()
        .flat_map(|store| images(store, &mut faults))
        .collect();
    let all = running
        .iter()
        .map(|running| &running.subject)
        .chain(&stopped)
        .chain(images.iter().map(|(_, subject)| subject));
    let lists = Lists::ask(&draft, &claim.head, paths, settings.as_ref(), all, now)?;
    let faults: Vec<_> = node
        .faults()
        .into_iter()
        .chain(faults.iter().map(|fault| line::causes(fault)))
        .collect();
    let preview = Preview {
        survey: Survey {
            draft: args.draft.clone(),
            running: impact::judged(running, &lists),
            faults,
        },
        stopped: stopped
            .into_iter()
            .map(|subject| lists.surveyed(subject))
            .collect(),
        images: images
            .into_iter()
            .map(|(names, subject)| PreviewedImage {
                names,
                judged: lists.surveyed(subject),
            })
            .collect(),
    };
    let rules = settings.as_ref().map(Settings::rules).unwrap_or_default();
    let signed = Signed::ask(
        &draft,
        size,
        &claim,
        &NodeState {
            paths,
            settings: settings.as_ref(),
            rules,
            now,
        },
    );
    let glass = break_glass::load(paths);
    let notes = leniency::all(settings.as_ref(), glass.as_ref(), now)
        .iter()
        .map(ToString::to_string)
        .collect();
    let report = PreviewReport::new(
        &preview,
        &claim.head,
        &lists,
        signed,
        settings.as_ref(),
        notes,
        now,
    );
    preview
        .survey
        .faults
        .iter()
        .for_each(|fault| warning("embargoctl", fault));
    Ok(Output {
        text: if args.json {
            report.json()
        } else {
            report.text()
        },
        exit: report.exit(),
    })
}

fn is_stopped(subject: &Subject) -> bool {
    matches!(subject.kind, Kind::Container { runs: false, .. })
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
        let same =
            images.iter_mut().find(|(_, known)| matches!((id(&known.origin), id(&origin)), (Some(known), Some(new)) if known == new));
        match same {
            Some((names, _)) => names.push(name),
            None => images.push((
                vec![name],
                Subject {
                    kind: Kind::Image,
                    engine: store.engine,
                    place: store.place.clone(),
                    origin,
                },
            )),
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

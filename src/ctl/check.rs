//! Answers `embargo check` for an image outside any engine, for instance in a CI pipeline.
//!
//! In: `oci:DIRECTORY[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME]` or `-`, an
//! image config on standard input (all hostile). The list and the keyset are those named on the
//! command line, else the node's. Out: the same answer and exit status as for an image in an
//! engine, for every platform in the archive. `embargo` does not read archives: for these arguments
//! it executes `embargoctl`. The image config says which layers the image has. Not checked: whether
//! the archive has these layers. An engine that unpacks the image compares each layer with its diff
//! ID, and the gate judges the container again when it starts.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::PathBuf;

use super::CtlError;
use super::image::{self, FoundImage, ImageError};
use crate::banlist::keyset::Keyset;
use crate::banlist::store::{self, Bans, Query};
use crate::check::answer::{self, Answer};
use crate::check::found::CheckOutcome;
use crate::check::{self, NoAnswer, OutsideImage, Ran};
use crate::container::engine::Engine;
use crate::lineage::archive::ArchiveError;
use crate::lineage::{Evidence, ImageFacts, ImageLineage, Origin};
use crate::node::judged::{self, Judge};
use crate::node::subject::{Kind, Subject};
use crate::paths::Paths;
use crate::report::Exit;
use crate::settings::{self, Settings, SettingsError};
use crate::sys::clock::Timestamp;
use crate::sys::file::Guard;
use crate::sys::process;
use crate::verdict::break_glass;

/// The name of this command: the first argument of `embargoctl check`.
pub const COMMAND: &str = "check";

/// Runs the command with the arguments after `check`. The image may be in an engine or outside.
#[must_use]
pub fn main(arguments: &[OsString]) -> Exit {
    let paths = Paths::for_caller(
        std::env::var_os("EMBARGO_ROOT").as_deref(),
        process::is_privileged(),
    );
    let arguments: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).collect();
    let outside = match check::run(&arguments, &paths) {
        Ran::Done(exit) => return exit,
        Ran::Outside(outside) => outside,
    };
    match answer(&outside, &paths, &mut io::stdin().lock(), Timestamp::now()) {
        Ok(answer) => check::say(&answer, outside.form),
        Err(error) => {
            let outcome = match error.cause() {
                Some(ImageError::Archive(ArchiveError::NoReference(..))) => CheckOutcome::NotFound,
                Some(_) | None => CheckOutcome::Unknown,
            };
            let is_of_node = outside.list.is_none() && outside.keyset.is_none();
            let notes = match error.cause::<SettingsError>() {
                Some(_) if is_of_node => check::notes_on_broken_settings(&paths, Timestamp::now()),
                Some(_) | None => Vec::new(),
            };
            let none = NoAnswer {
                error: &error,
                faults: &[],
                hint: error.hint(),
                notes: &notes,
                outcome,
            };
            check::fail(&outside.name, &none, outside.form)
        }
    }
}

/// Which list is used.
enum ListSource<'a> {
    /// The list of this node.
    Node(&'a Paths, &'a Settings),
    /// A list in a file, which must be signed for this keyset. The version of the list may be lower
    /// than that of the node's list.
    File(PathBuf, Keyset, &'a Settings),
}

impl<'a> ListSource<'a> {
    fn of(
        outside: &OutsideImage,
        paths: &'a Paths,
        settings: &'a Settings,
    ) -> Result<Self, CtlError> {
        if outside.list.is_none() && outside.keyset.is_none() {
            return Ok(Self::Node(paths, settings));
        }
        let keyset = outside.keyset.as_deref().unwrap_or(&paths.keyset);
        let keyset = store::keyset(keyset, Guard::Any)?.keyset;
        let list = outside.list.as_deref().unwrap_or(&paths.list);
        // The list's path may be a symbolic link: pipelines mount secrets and volumes that way.
        Ok(Self::File(
            list.canonicalize().unwrap_or_else(|_| list.to_owned()),
            keyset,
            settings,
        ))
    }

    fn bans(&self, queries: &[Query]) -> Bans {
        match self {
            Self::Node(paths, settings) => store::look_up(paths, &settings.rules(), queries),
            Self::File(list, keyset, settings) => {
                store::look_up_in(list, keyset, &settings.rules(), queries)
            }
        }
    }

    /// Whether the node's own list is used. Only then does the answer apply to starts on this node.
    const fn is_of_node(&self) -> bool {
        matches!(self, Self::Node(..))
    }
}

/// Judges the image, and returns the answer to print.
fn answer(
    outside: &OutsideImage,
    paths: &Paths,
    input: &mut dyn Read,
    now: Timestamp,
) -> Result<Answer, CtlError> {
    let stored = settings::load(paths)?;
    let unset = Settings::unset();
    let settings = stored.as_ref().unwrap_or(&unset);
    let asked = ListSource::of(outside, paths, settings)?;
    let images = image::outside(&outside.name, input)?;
    let glass = if asked.is_of_node() {
        break_glass::load(paths)
    } else {
        None
    };
    let judge = Judge {
        settings,
        glass: glass.as_ref(),
        now,
    };
    let mut judged = Vec::new();
    for image in &images.images {
        let subject = subject(image);
        let bans = asked.bans(&judged::queries(&subject));
        let judgement = judge.judge(&outside.name, &subject, bans);
        judged.push((subject, judgement));
    }
    let faults = images
        .absent
        .iter()
        .map(|platform| format!("cannot check {platform}: it is not there"))
        .collect();
    let mut answer = Answer::new(&outside.name, &judged, stored.as_ref(), faults, now);
    if asked.is_of_node() {
        answer.notes = answer::notes(&judged, stored.as_ref(), glass.as_ref(), now);
    }
    Ok(answer)
}

/// Describes an image as an engine would know it after unpacking.
fn subject(image: &FoundImage) -> Subject {
    let facts = ImageFacts {
        name: image.names.first().cloned(),
        image_id: image.image_id,
        manifests: image.manifests.iter().map(|(_, digest)| *digest).collect(),
        config_file: None,
        pull_fault: None,
    };
    let origin = match &image.chain {
        Some(chain) => Origin::Image(ImageLineage {
            chain: chain.clone(),
            facts,
            evidence: Evidence::Metadata,
        }),
        None => Origin::NoLayers(facts),
    };
    let place = image.places.first().map(PathBuf::from).unwrap_or_default();
    Subject {
        kind: Kind::Image,
        engine: Engine::Unknown,
        namespace: None,
        place,
        origin: Ok(origin),
        created: None,
    }
}

//! Implements `embargoctl ban` and `except`: adds bans and exceptions to a list's source.
//!
//! `embargoctl ban` adds a `[[ban]]` with an image's digests to `bans.toml`. `embargoctl except`
//! adds an exception to an existing ban. In: an image as [`ImageArgs`] takes it, and the options of
//! the command. Out: the source file, replaced as a whole, with the new entry; and a summary to
//! print. The new text is first parsed as `list build` parses it; if that fails, the file is not
//! changed. What the linter finds in a new ban is printed as a warning; the author decides.

mod edit;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::CtlError;
use super::image::{FoundImage, Images};
use super::list::lint;
use crate::banlist::record::{Exception, MAX_SCRIPT, MatchKind};
use crate::banlist::source::{MAX_DIGESTS, MAX_SOURCE, Source, SourceError};
use crate::lineage::digest::Digest;
use crate::paths::Paths;
use crate::report::{self, line};
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};
use crate::sys::replace;
use edit::{EditError, NewMatch};
use words::When;
pub use words::{BanArgs, ExceptArgs};

/// The diff ID of the layer that contains no file: a tar archive of 1,024 zero bytes. Many builders
/// write it (moby: layer.DigestSHA256EmptyTar).
const EMPTY_LAYER: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// The diff ID of a layer of zero bytes: the SHA-256 of nothing.
const NO_BYTES: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn is_empty(layer: Digest) -> bool {
    [EMPTY_LAYER, NO_BYTES].contains(&layer.to_string().as_str())
}

/// Why a ban or an exception could not be added.
#[derive(Debug)]
pub enum BanError {
    /// The entry cannot be inserted into the source's text.
    Edit(PathBuf, EditError),
    /// With the new entry the source would not be valid. Nothing was written.
    Source(SourceError),
    /// The image has no layers, so nothing is built on it.
    NoLayers(String),
    /// The layer to name is empty. Countless images have such a layer.
    EmptyLayer(String),
    /// `--with-layers` found no layer of the image's own: each layer is empty, or also occurs in an
    /// image that is not built on this image.
    NoOwnLayer(String),
    /// The engine kept only the image's chain IDs, no diff IDs.
    NoDiffId(String),
    /// The engine does not know the image's image ID.
    NoDigest(String),
    /// An option sets an end that is in the past. Holds the option and the time.
    Past(&'static str, Timestamp),
}

impl fmt::Display for BanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edit(path, error) => write!(f, "cannot use {path:?}: {error}"),
            Self::Source(error) => error.fmt(f),
            Self::NoLayers(image) => write!(
                f,
                "cannot name {image:?} as a base or a layer: it has no layers"
            ),
            Self::EmptyLayer(image) => write!(
                f,
                "cannot name {image:?} by the empty layer: countless images have it"
            ),
            Self::NoOwnLayer(image) => write!(
                f,
                "cannot name the layers of {image:?}: it has none of its own that is not empty"
            ),
            Self::NoDiffId(image) => write!(
                f,
                "cannot name {image:?} as a layer: its engine does not tell its diff IDs"
            ),
            Self::Past(option, time) => write!(f, "cannot end at {option} {time}: it is past"),
            Self::NoDigest(image) => write!(
                f,
                "cannot name {image:?} as an image: its engine does not tell its image ID"
            ),
        }
    }
}

impl std::error::Error for BanError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Edit(_, error) => error.source(),
            Self::Source(error) => error.source(),
            Self::NoLayers(_)
            | Self::EmptyLayer(_)
            | Self::NoOwnLayer(_)
            | Self::NoDiffId(_)
            | Self::NoDigest(_)
            | Self::Past(..) => None,
        }
    }
}

/// Runs `embargoctl ban`, and returns the text to print.
///
/// # Errors
/// [`CtlError`]. The source file is then unchanged.
pub fn run(args: &BanArgs, paths: &Paths) -> Result<String, CtlError> {
    let now = Timestamp::now();
    args.lapses
        .map_or(Ok(()), |lapses| to_come("--lapses", lapses, now))?;
    let found = args.image.find(paths)?;
    let mut matches = matches(&found, args.kind.kind(), args.image.word())?;
    if args.with_layers {
        add_layers(
            &mut matches,
            &found,
            &lint::images(&args.image.stores(paths)),
            args.image.word(),
        )?;
    }
    let script = args
        .patch_script
        .as_deref()
        .map(|script| file::read(script, MAX_SCRIPT, Guard::Any))
        .transpose()?;
    let ban = args.ban(now, script.map(|bytes| Digest::of(&bytes)));
    let before = Text::load(&args.source)?;
    let after = edit::add_ban(&before.text, &ban, &matches)
        .map_err(|error| BanError::Edit(args.source.clone(), error))?;
    before.replace(&after)?;
    warn_of_absent(&found);
    for finding in lint::of_ban(
        &args.source,
        &after,
        &ban.id,
        (args.image.word(), found),
        &args.image.stores(paths),
    ) {
        report::warning("embargoctl", &finding.text);
        finding.hint.iter().for_each(|hint| report::hint(hint));
    }
    let of = |found: &NewMatch| {
        format!(
            "  {} {}{}",
            found.kind.word(),
            found.digest,
            found
                .platform
                .as_ref()
                .map(|platform| format!(" ({platform})"))
                .unwrap_or_default()
        )
    };
    let lines: Vec<_> = matches.iter().map(of).collect();
    Ok(format!(
        "added {} to {}, effective {}:\n{}\n",
        line::name(&ban.id),
        line::name(&args.source.to_string_lossy()),
        ban.effective,
        lines.join("\n")
    ))
}

/// Runs `embargoctl except`, and returns the text to print.
///
/// # Errors
/// [`CtlError`]. The source file is then unchanged.
pub fn run_except(args: &ExceptArgs, paths: &Paths) -> Result<String, CtlError> {
    let now = Timestamp::now();
    to_come("--until", args.until, now)?;
    let found = args.image.find(paths)?;
    let exceptions = exceptions(args, &found, now)?;
    let before = Text::load(&args.source)?;
    let after = edit::add_exceptions(&before.text, &args.ban, &exceptions)
        .map_err(|error| BanError::Edit(args.source.clone(), error))?;
    before.replace(&after)?;
    warn_of_absent(&found);
    let lines: Vec<_> = exceptions
        .iter()
        .map(|exception| format!("  {} {}", exception.kind.word(), exception.digest))
        .collect();
    let until = args.until.from(now);
    Ok(format!(
        "excepted from {} in {} until {until}:\n{}\n",
        line::name(&args.ban),
        line::name(&args.source.to_string_lossy()),
        lines.join("\n")
    ))
}

/// The matches of a ban of these images, with each digest once.
fn matches(found: &Images, kind: MatchKind, word: &str) -> Result<Vec<NewMatch>, BanError> {
    let mut matches: Vec<NewMatch> = Vec::new();
    for image in &found.images {
        add(&mut matches, image, kind, digests(image, kind, word)?, word);
    }
    Ok(matches)
}

fn add(
    matches: &mut Vec<NewMatch>,
    image: &FoundImage,
    kind: MatchKind,
    digests: Vec<Digest>,
    word: &str,
) {
    for digest in digests {
        let name = Some(image.names.first().map_or(word, String::as_str).to_owned())
            .filter(|name| name != "-");
        let platform = image
            .platform
            .as_ref()
            .map(ToString::to_string)
            .filter(|text| text.split('/').all(|part| !part.is_empty()));
        match matches
            .iter_mut()
            .find(|known| (known.kind, known.digest) == (kind, digest))
        {
            None => matches.push(NewMatch {
                kind,
                digest,
                name,
                platform,
            }),
            // A digest that several platforms share, such as that of an index, is stored without a
            // platform.
            Some(known) if known.platform != platform => known.platform = None,
            Some(_) => {}
        }
    }
}

/// Adds matches for the images' own layers. `here` are the images on this machine.
fn add_layers(
    matches: &mut Vec<NewMatch>,
    found: &Images,
    here: &[FoundImage],
    word: &str,
) -> Result<(), BanError> {
    for image in &found.images {
        add(
            matches,
            image,
            MatchKind::Layer,
            own_layers(image, here, word)?,
            word,
        );
    }
    Ok(())
}

/// The image's own layers: those that did not come with the image's own base. They are the layers
/// above the last one that also occurs in another image, where images that are built on this image
/// are ignored. If no other image has any of the layers, the boundary is unknown. Then only the top
/// layer is returned: banning a layer of the image's own base would ban that base.
fn own_layers(
    image: &FoundImage,
    here: &[FoundImage],
    word: &str,
) -> Result<Vec<Digest>, BanError> {
    let chain = image
        .chain
        .as_ref()
        .ok_or_else(|| BanError::NoLayers(word.to_owned()))?;
    if chain.diff_ids().is_empty() {
        return Err(BanError::NoDiffId(word.to_owned()));
    }
    let layers: Vec<Digest> = chain
        .diff_ids()
        .iter()
        .map(|layer| layer.0)
        .filter(|layer| !is_empty(*layer))
        .collect();
    let others: Vec<_> = here
        .iter()
        .filter_map(|other| other.chain.as_ref())
        .filter(|other| !other.chain_ids().contains(&chain.top()))
        .collect();
    let is_shared = |layer: &Digest| {
        others
            .iter()
            .any(|other| other.diff_ids().iter().any(|known| known.0 == *layer))
    };
    let own = match layers.iter().rposition(is_shared) {
        Some(at) => &layers[at + 1..],
        None => &layers[layers.len().saturating_sub(1)..],
    };
    if own.is_empty() {
        Err(BanError::NoOwnLayer(word.to_owned()))
    } else {
        Ok(own.to_vec())
    }
}

fn digests(image: &FoundImage, kind: MatchKind, word: &str) -> Result<Vec<Digest>, BanError> {
    let chain = image
        .chain
        .as_ref()
        .ok_or_else(|| BanError::NoLayers(word.to_owned()));
    let solid = |digest: Digest| {
        if is_empty(digest) {
            Err(BanError::EmptyLayer(word.to_owned()))
        } else {
            Ok(vec![digest])
        }
    };
    match kind {
        MatchKind::Base => solid(chain?.top().0),
        MatchKind::Layer => solid(
            chain?
                .diff_ids()
                .last()
                .ok_or_else(|| BanError::NoDiffId(word.to_owned()))?
                .0,
        ),
        MatchKind::Image => {
            let all: Vec<_> = image
                .image_id
                .map(|id| id.0)
                .into_iter()
                .chain(image.manifests.iter().map(|(_, digest)| *digest))
                .collect();
            if all.is_empty() {
                Err(BanError::NoDigest(word.to_owned()))
            } else {
                Ok(all)
            }
        }
    }
}

/// Refuses an end that is in the past: such a ban or exception would never hold.
fn to_come(option: &'static str, end: When, now: Timestamp) -> Result<(), BanError> {
    let end = end.from(now);
    if end > now {
        Ok(())
    } else {
        Err(BanError::Past(option, end))
    }
}

fn exceptions(
    args: &ExceptArgs,
    found: &Images,
    now: Timestamp,
) -> Result<Vec<Exception>, BanError> {
    let (kind, word) = (args.kind.kind(), args.image.word());
    let mut named = BTreeSet::new();
    for image in &found.images {
        match kind {
            // The image ID is enough: every engine knows it, and it identifies one platform.
            MatchKind::Image => named.insert(
                image
                    .image_id
                    .ok_or_else(|| BanError::NoDigest(word.to_owned()))?
                    .0,
            ),
            MatchKind::Base | MatchKind::Layer => digests(image, kind, word)?
                .into_iter()
                .fold(false, |_, digest| named.insert(digest)),
        };
    }
    let (until, reason, ticket) = (args.until.from(now), &args.reason, &args.ticket);
    let exception = |digest| Exception {
        kind,
        digest,
        until,
        reason: reason.clone(),
        ticket: ticket.clone(),
    };
    Ok(named.into_iter().map(exception).collect())
}

/// The source file.
struct Text {
    path: PathBuf,
    mode: u32,
    text: String,
}

impl Text {
    /// Reads the source. The text is empty if the file is missing.
    fn load(path: &Path) -> Result<Self, CtlError> {
        // If the path is a symbolic link, its target is replaced, not the link.
        let path = replace::target(path);
        let mode = fs::metadata(&path).map_or(0o644, |facts| facts.permissions().mode() & 0o777);
        match file::read_text(&path, MAX_SOURCE, Guard::Any) {
            Ok(text) => Ok(Self { path, mode, text }),
            Err(error) if error.is_absent() => Ok(Self {
                path,
                mode,
                text: String::new(),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the file, after a check that the new text is a valid source.
    fn replace(&self, text: &str) -> Result<(), CtlError> {
        let directory = self.path.parent().unwrap_or(Path::new(""));
        let open = |name: &Path| file::read(&directory.join(name), MAX_DIGESTS, Guard::Any);
        Source::parse(&self.path, text, open).map_err(BanError::Source)?;
        Ok(replace::replace(&self.path, self.mode, text.as_bytes())?)
    }
}

fn warn_of_absent(found: &Images) {
    if !found.absent.is_empty() {
        report::warning(
            "embargoctl",
            &format!(
                "not covered, because not at hand: {}",
                found.absent.join(", ")
            ),
        );
    }
}

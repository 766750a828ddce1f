//! Implements `embargoctl ban` and `except`: adds bans and exceptions to a list's source.
//!
//! `embargoctl ban` adds a `[[ban]]` with an image's digests to `bans.toml`. `embargoctl except`
//! adds an exception to an existing ban. In: an image as [`ImageArgs`] takes it, and the options of
//! the command. Out: the source file, replaced as a whole, with the new entry; and a summary to
//! print. The new text is first parsed as `list build` parses it; if that fails, the file is not
//! changed. The mistakes that the linter finds in a new ban are printed as warnings; the author
//! decides whether to correct them.

mod edit;
#[cfg(test)]
mod tests;
mod arguments;

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::CtlError;
use super::image::{FoundImage, Images};
use super::list::lint;
use crate::banlist::ban::{Exception, MAX_SCRIPT, MatchKind};
use crate::banlist::source::{MAX_DIGESTS, MAX_SOURCE, Source, SourceError};
use crate::lineage::chain::Chain;
use crate::lineage::digest::{DiffId, Digest};
use crate::paths::Paths;
use crate::report::{self, line};
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};
use crate::sys::replace;
use arguments::When;
pub use arguments::{BanArgs, ExceptArgs};
use edit::{EditError, NewMatch};

/// The diff ID of the layer that contains no file: a tar archive of 1,024 zero bytes. Many builders
/// write this layer (moby: layer.DigestSHA256EmptyTar).
const EMPTY_LAYER: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// The diff ID of a layer of zero bytes: the SHA-256 of nothing.
const NO_BYTES: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn is_empty(layer: Digest) -> bool {
    [EMPTY_LAYER, NO_BYTES].contains(&layer.to_string().as_str())
}

/// Why a ban or an exception could not be added.
#[derive(Debug, thiserror::Error)]
pub enum BanError {
    /// The entry cannot be inserted into the source's text.
    #[error("cannot use {0:?}: {1}")]
    Edit(PathBuf, EditError),
    /// With the new entry the source would not be valid. Nothing was written.
    #[error(transparent)]
    Source(SourceError),
    /// The image has no layers, so nothing is built on it.
    #[error("cannot name {0:?} as a base or a layer: it has no layers")]
    NoLayers(String),
    /// The layer to name is empty. Countless images have such a layer.
    #[error("cannot name {0:?} by the empty layer: countless images have it")]
    EmptyLayer(String),
    /// `--with-layers` found no layer of the image's own: each layer is empty, or also occurs in an
    /// image that is not built on this image.
    #[error("cannot name the layers of {0:?}: it has none of its own that is not empty")]
    NoOwnLayer(String),
    /// The engine kept only the image's chain IDs, no diff IDs.
    #[error("cannot name {0:?} as a layer: its engine does not know its diff IDs")]
    NoDiffId(String),
    /// The engine does not know the image's image ID.
    #[error("cannot name {0:?} as an image: its engine does not know its image ID")]
    NoDigest(String),
    /// An option sets an end that is in the past. Holds the option and the time.
    #[error("cannot end at {0} {1}: it is past")]
    Past(&'static str, Timestamp),
}

/// Runs `embargoctl ban`, and returns the text to print.
///
/// # Errors
/// [`CtlError`]. The source file is then unchanged.
pub fn run(args: &BanArgs, paths: &Paths) -> Result<String, CtlError> {
    let now = Timestamp::now();
    if let Some(lapses) = args.lapses {
        to_come("--lapses", lapses, now)?;
    }
    if let Some(until) = args.existing_until {
        to_come("--existing-until", until, now)?;
    }
    let (word, found) = (args.image.word(), args.image.find(paths)?);
    let mut matches = matches(&found, args.kind.kind(), word)?;
    if args.with_layers {
        let here = lint::images(&args.image.stores(paths));
        add_layers(&mut matches, &found, &here, word)?;
    }
    let script = match &args.patch_script {
        Some(script) => Some(Digest::of(&file::read(script, MAX_SCRIPT, Guard::Any)?)),
        None => None,
    };
    let ban = args.ban(now, script);
    let before = Text::load(&args.source)?;
    let after = edit::add_ban(&before.text, &ban, &matches)
        .map_err(|error| BanError::Edit(args.source.clone(), error))?;
    before.replace(&after)?;
    warn_of_absent(&found);
    let stores = args.image.stores(paths);
    for finding in lint::of_ban(&args.source, &after, &ban.id, (word, found), &stores) {
        report::warning("embargoctl", &finding.text);
        if let Some(hint) = finding.hint {
            report::hint(&hint);
        }
    }
    let lines: Vec<_> = matches.iter().map(describe).collect();
    Ok(format!(
        "added {} to {}, effective {}:\n{}\n",
        line::name(&ban.id),
        line::path(&args.source),
        ban.effective,
        lines.join("\n")
    ))
}

fn describe(added: &NewMatch) -> String {
    let platform = match &added.platform {
        Some(platform) => format!(" ({platform})"),
        None => String::new(),
    };
    format!("  {} {}{platform}", added.kind.word(), added.digest)
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
    let mut lines = Vec::new();
    for exception in &exceptions {
        lines.push(format!("  {} {}", exception.kind.word(), exception.digest));
    }
    let until = args.until.from(now);
    Ok(format!(
        "excepted from {} in {} until {until}:\n{}\n",
        line::name(&args.ban),
        line::path(&args.source),
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
    let name = match image.names.first() {
        Some(name) => Some(name.clone()),
        None if word == "-" => None,
        None => Some(word.to_owned()),
    };
    let platform = lint::platform(image);
    for digest in digests {
        let known = matches
            .iter_mut()
            .find(|known| (known.kind, known.digest) == (kind, digest));
        match known {
            None => matches.push(NewMatch {
                kind,
                digest,
                name: name.clone(),
                platform: platform.clone(),
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

/// The image's own layers: those that did not come with the image's own base. Own layers are the
/// layers above the last layer that also occurs in another image, where images that are built on
/// this image are ignored. If no other image has any of the layers, the boundary is unknown. Then
/// only the top layer is returned: banning a layer of the image's own base would ban that base.
fn own_layers(
    image: &FoundImage,
    here: &[FoundImage],
    word: &str,
) -> Result<Vec<Digest>, BanError> {
    let chain = chain(image, word)?;
    if chain.diff_ids().is_empty() {
        return Err(BanError::NoDiffId(word.to_owned()));
    }
    let mut shared: HashSet<DiffId> = HashSet::new();
    for other in here.iter().filter_map(|other| other.chain.as_ref()) {
        if !other.chain_ids().contains(&chain.top()) {
            shared.extend(other.diff_ids().iter().copied());
        }
    }
    let mut layers = chain.diff_ids().to_vec();
    layers.retain(|layer| !is_empty(layer.0));
    let own = match layers.iter().rposition(|layer| shared.contains(layer)) {
        Some(at) => &layers[at + 1..],
        None => &layers[layers.len().saturating_sub(1)..],
    };
    if own.is_empty() {
        Err(BanError::NoOwnLayer(word.to_owned()))
    } else {
        Ok(own.iter().map(|layer| layer.0).collect())
    }
}

fn chain<'a>(image: &'a FoundImage, word: &str) -> Result<&'a Chain, BanError> {
    match &image.chain {
        Some(chain) => Ok(chain),
        None => Err(BanError::NoLayers(word.to_owned())),
    }
}

fn no_empty_layer(digest: Digest, word: &str) -> Result<Vec<Digest>, BanError> {
    if is_empty(digest) {
        Err(BanError::EmptyLayer(word.to_owned()))
    } else {
        Ok(vec![digest])
    }
}

fn digests(image: &FoundImage, kind: MatchKind, word: &str) -> Result<Vec<Digest>, BanError> {
    match kind {
        MatchKind::Base => no_empty_layer(chain(image, word)?.top().0, word),
        MatchKind::Layer => match chain(image, word)?.diff_ids().last() {
            Some(layer) => no_empty_layer(layer.0, word),
            None => Err(BanError::NoDiffId(word.to_owned())),
        },
        MatchKind::Image => {
            let mut all = Vec::new();
            if let Some(id) = image.image_id {
                all.push(id.0);
            }
            for (_, digest) in &image.manifests {
                all.push(*digest);
            }
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
        match (kind, image.image_id) {
            // The image ID is enough: every engine knows the image ID, and an image ID identifies
            // one platform.
            (MatchKind::Image, Some(id)) => {
                named.insert(id.0);
            }
            (MatchKind::Image, None) => return Err(BanError::NoDigest(word.to_owned())),
            (MatchKind::Base | MatchKind::Layer, _) => {
                named.extend(digests(image, kind, word)?);
            }
        }
    }
    let mut exceptions = Vec::new();
    for digest in named {
        exceptions.push(Exception {
            kind,
            digest,
            until: args.until.from(now),
            reason: args.reason.clone(),
            ticket: args.ticket.clone(),
        });
    }
    Ok(exceptions)
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
        let path = file::target(path);
        let mode = match fs::metadata(&path) {
            Ok(facts) => facts.permissions().mode() & 0o777,
            Err(_) => 0o644,
        };
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

//! Finds the image that an author names, and what it is made of.
//!
//! In: a name such as `docker:debian:12`, `oci:directory`, `-`, or a bare reference, with options that
//! say where else to look. Out: the image, once for each platform, with every digest that is known.
//! Nothing is fetched: the image is in an engine's store on this machine, in an archive, or on
//! standard input. A bare reference that means different layers to different engines is refused,
//! because the wrong one would be banned.

mod error;
mod found;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
pub use error::ImageError;
pub use found::{FoundImage, Images, Role, Sureness};

use super::CtlError;
use crate::container::engine::Engine;
use crate::lineage::archive::{self, Archive, ArchiveError, ArchivedImage, Form};
use crate::lineage::chain::Chain;
use crate::lineage::image::{ImageConfig, MAX_DOCUMENT, Platform, is_name};
use crate::lineage::{Evidence, ImageFacts, ImageLineage, LineageError, Origin, Unknown};
use crate::node::stores::{Store, Stores};
use crate::node::{discovery, places, processes};
use crate::paths::Paths;
use crate::report::{self, line};
use crate::settings::{self, ContainerdPlace, Engines, StoragePlace};

/// How long reading one image of an engine may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The forms of an image's name, for help texts.
const FORMS: &str = "\
docker:NAME, podman:NAME, containerd:NAMESPACE/NAME (an image in that engine's store); oci:DIRECTORY[:TAG], oci-archive:FILE[:TAG], \
docker-archive:FILE[:NAME] (of `docker save`); - (an image config on standard input); or a bare NAME, looked for in every engine, as is docker:27-dind where \
Docker has no image 27-dind";

/// What to do where a name means several images.
const NAME_THE_ENGINE: &str =
    "name the engine: docker:NAME, podman:NAME or containerd:NAMESPACE/NAME";

/// An image, and where to look for it.
#[derive(Clone, Debug, Args)]
pub struct ImageArgs {
    #[arg(help = FORMS, value_name = "IMAGE")]
    image: String,
    /// Only this platform, such as linux/arm64; may be given more than once.
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Vec<String>,
    #[command(flatten)]
    engines: EngineArgs,
    /// Hash every layer of an archive, too.
    #[arg(long)]
    verify_layers: bool,
}

/// Where the engines' stores are.
#[derive(Clone, Debug, Args)]
pub struct EngineArgs {
    /// Docker's data root.
    #[arg(long, value_name = "DIR", help_heading = "Where engines are")]
    docker_root: Vec<PathBuf>,
    /// The graph root of Podman, Buildah or CRI-O.
    #[arg(long, value_name = "DIR", help_heading = "Where engines are")]
    storage_root: Option<PathBuf>,
    /// The run root beside it.
    #[arg(
        long,
        value_name = "DIR",
        requires = "storage_root",
        help_heading = "Where engines are"
    )]
    run_root: Option<PathBuf>,
    /// containerd's root.
    #[arg(long, value_name = "DIR", help_heading = "Where engines are")]
    containerd_root: Option<PathBuf>,
    /// containerd's socket.
    #[arg(
        long,
        value_name = "SOCKET",
        requires = "containerd_root",
        help_heading = "Where engines are"
    )]
    containerd_address: Option<PathBuf>,
}

/// Where a name says that its image is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place<'a> {
    Engine {
        engine: Engine,
        namespace: Option<&'a str>,
        reference: &'a str,
    },
    Archive {
        form: Form,
        path: PathBuf,
        reference: Option<&'a str>,
    },
    Config,
    Anywhere(&'a str),
}

impl ImageArgs {
    /// The image, as its author typed it.
    #[must_use]
    pub fn word(&self) -> &str {
        &self.image
    }

    /// Finds the image; warnings about stores that cannot be read go to standard error.
    ///
    /// # Errors
    /// [`ImageError`], with a hint where one helps.
    pub fn find(&self, paths: &Paths) -> Result<Images, CtlError> {
        self.find_with(paths, &mut io::stdin().lock())
    }

    fn find_with(&self, paths: &Paths, input: &mut dyn Read) -> Result<Images, CtlError> {
        let found = match place(&self.image)? {
            Place::Archive {
                form,
                path,
                reference,
            } if self.verify_layers => hashed(form, &path, reference)?,
            Place::Engine { .. } | Place::Anywhere(_) if self.verify_layers => {
                return Err(ImageError::NoLayers(self.image.clone()).into());
            }
            place @ (Place::Engine { .. }
            | Place::Archive { .. }
            | Place::Config
            | Place::Anywhere(_)) => find_at(&self.image, place, || self.stores(paths), input)?,
        };
        self.of_platform(found)
    }

    /// The engines' stores on this machine.
    #[must_use]
    pub fn stores(&self, paths: &Paths) -> Stores {
        self.engines.stores(paths)
    }

    fn of_platform(&self, mut found: Images) -> Result<Images, CtlError> {
        if self.platform.is_empty() {
            return Ok(found);
        }
        let told = |image: &FoundImage| {
            image
                .platform
                .as_ref()
                .map_or_else(|| "an unknown platform".to_owned(), ToString::to_string)
        };
        let is = |image: &FoundImage, wanted: &String| {
            told(image) == *wanted || told(image).starts_with(&format!("{wanted}/"))
        };
        if let Some(missing) = self
            .platform
            .iter()
            .find(|wanted| !found.images.iter().any(|image| is(image, wanted)))
        {
            let there: BTreeSet<_> = found.images.iter().map(told).collect();
            return Err(ImageError::Platform(
                self.image.clone(),
                missing.clone(),
                there.into_iter().collect(),
            )
            .into());
        }
        found
            .images
            .retain(|image| self.platform.iter().any(|wanted| is(image, wanted)));
        found.absent.clear();
        Ok(found)
    }
}

/// Finds the image that a name means, of every platform, in these stores or where the name says.
///
/// # Errors
/// [`ImageError`], with a hint where one helps.
pub fn find(word: &str, stores: &Stores) -> Result<Images, CtlError> {
    find_at(word, place(word)?, || stores, &mut io::stdin().lock())
}

/// Finds the image of this name, of every platform, in these stores. Unlike a name that was typed,
/// a name in a document is never a place: `docker:27-dind` is an image of that name.
///
/// # Errors
/// As [`find`].
pub fn find_named(name: &str, stores: &Stores) -> Result<Images, CtlError> {
    engines(stores, name, |_| true)
}

/// Finds the image that `word` says is in that place. `docker:27-dind` or `oci:1.0` is also a name
/// with a tag. It means that where there is no such image in that place. Where both exist and
/// differ, it is refused.
fn find_at<S: Borrow<Stores>>(
    word: &str,
    place: Place<'_>,
    stores: impl FnOnce() -> S,
    input: &mut dyn Read,
) -> Result<Images, CtlError> {
    match place {
        Place::Config => Ok(Images {
            images: vec![config(input)?],
            absent: Vec::new(),
        }),
        Place::Anywhere(reference) => find_named(reference, stores().borrow()),
        Place::Engine {
            engine,
            namespace,
            reference,
        } => {
            let stores = stores();
            let there = of_engine(stores.borrow(), engine, namespace, reference);
            if is_name(word) {
                either(word, there, find_named(word, stores.borrow()))
            } else {
                there
            }
        }
        Place::Archive {
            form,
            path,
            reference,
        } => match Archive::open(form, &path, reference) {
            Ok(archive) => Ok(all_of(archive, &path, Sureness::Claimed)),
            Err(error) if is_name(word) && path.symlink_metadata().is_err() => {
                find_named(word, stores().borrow()).map_err(|other| {
                    if is_nowhere(&other) {
                        ImageError::Archive(error).into()
                    } else {
                        other
                    }
                })
            }
            Err(error) => Err(ImageError::Archive(error).into()),
        },
    }
}

/// Finds the images outside any engine that a name means, of every platform: in an archive, or the
/// one whose config comes from `input`.
///
/// # Errors
/// [`ImageError`], also when the name means no such place.
pub fn outside(word: &str, input: &mut dyn Read) -> Result<Images, ImageError> {
    match place(word)? {
        Place::Archive {
            form,
            path,
            reference,
        } => Ok(all_of(
            Archive::open(form, &path, reference).map_err(ImageError::Archive)?,
            &path,
            Sureness::Claimed,
        )),
        Place::Config => Ok(Images {
            images: vec![config(input)?],
            absent: Vec::new(),
        }),
        Place::Engine { .. } | Place::Anywhere(_) => Err(ImageError::Word(
            word.to_owned(),
            "an image outside any engine",
        )),
    }
}

/// Chooses between an engine's image and one of that whole name: the one that exists.
fn either(
    word: &str,
    there: Result<Images, CtlError>,
    named: Result<Images, CtlError>,
) -> Result<Images, CtlError> {
    match (there, named) {
        (Ok(there), Ok(named)) if !have_same_layers(&there, &named) => {
            let meanings = [&there, &named]
                .map(|found| found.images.first().map_or_else(String::new, meaning));
            Err(CtlError::with_hint(
                ImageError::Ambiguous(word.to_owned(), meanings.into()),
                NAME_THE_ENGINE,
            ))
        }
        (there, Err(nowhere)) if is_nowhere(&nowhere) => there,
        (Err(nowhere), named) if is_nowhere(&nowhere) => named,
        (there, named) => named.and(there),
    }
}

fn is_nowhere(error: &CtlError) -> bool {
    matches!(error.cause.downcast_ref(), Some(ImageError::Nowhere(..)))
}

fn have_same_layers(one: &Images, other: &Images) -> bool {
    let tops = |found: &Images| {
        found
            .images
            .iter()
            .map(|image| image.chain.as_ref().map(Chain::top))
            .collect::<BTreeSet<_>>()
    };
    tops(one) == tops(other)
}

/// The images of an archive, with every layer hashed.
fn hashed(form: Form, path: &Path, reference: Option<&str>) -> Result<Images, CtlError> {
    let archive = Archive::open(form, path, reference).map_err(ImageError::Archive)?;
    archive.verify_layers().map_err(ImageError::Archive)?;
    Ok(all_of(archive, path, Sureness::Hashed))
}

/// Finds what one store calls `reference`.
///
/// # Errors
/// As [`find`].
pub fn find_in(store: &Store, stores: &Stores, reference: &str) -> Result<Images, CtlError> {
    engines(stores, reference, |other| std::ptr::eq(store, other))
}

/// The image in the stores of one engine.
fn of_engine(
    stores: &Stores,
    engine: Engine,
    namespace: Option<&str>,
    reference: &str,
) -> Result<Images, CtlError> {
    // Docker's namespace in containerd may be given by either name.
    let here = |store: &Store| match namespace {
        None => store.engine == engine,
        Some(_) => store.namespace.as_deref() == namespace,
    };
    engines(stores, reference, here)
}

/// The images of an archive.
fn all_of(archive: Archive, path: &Path, evidence: Sureness) -> Images {
    let places = vec![line::name(&path.to_string_lossy())];
    let images = archive
        .images
        .iter()
        .map(|image| FoundImage {
            evidence,
            ..archived(image, places.clone())
        })
        .collect();
    Images {
        images,
        absent: archive.absent,
    }
}

impl EngineArgs {
    /// The engines' stores on this machine; warnings about those that cannot be read go to standard
    /// error.
    #[must_use]
    pub fn stores(&self, paths: &Paths) -> Stores {
        let stores = Stores::open(&self.places(paths), paths);
        stores
            .faults
            .iter()
            .for_each(|fault| report::warning("embargoctl", &line::causes(fault)));
        stores
    }

    /// Where engines are: as the options say, else as the settings say, else in the usual places.
    fn places(&self, paths: &Paths) -> Engines {
        let given = Engines {
            docker: self.docker_root.clone(),
            containerd: self
                .containerd_root
                .iter()
                .map(|root| ContainerdPlace {
                    root: root.clone(),
                    state: None,
                    address: self.containerd_address.clone(),
                })
                .collect(),
            storage: self
                .storage_root
                .iter()
                .map(|root| StoragePlace {
                    root: root.clone(),
                    run_root: self.run_root.clone(),
                })
                .collect(),
            runtime_roots: Vec::new(),
        };
        if given != Engines::default() {
            return given;
        }
        // Under another root the usual places would be this machine's. A broken settings file does
        // not prevent authoring a list here.
        let is_here = *paths == Paths::below(Path::new("/"));
        let usual = if is_here {
            places::of_caller()
        } else {
            Engines::default()
        };
        let settings = settings::load(paths).ok().flatten();
        let known = places::joined(
            usual,
            &settings
                .map(|settings| settings.engines)
                .unwrap_or_default(),
        );
        if !is_here {
            return known;
        }
        let mut faults = Vec::new();
        let known = discovery::with_found(known, &processes::all(), paths, &mut faults);
        faults
            .iter()
            .for_each(|fault| report::warning("embargoctl", &line::causes(fault)));
        known
    }
}

fn place(word: &str) -> Result<Place<'_>, ImageError> {
    let named = |engine, reference, form| match reference {
        "" => Err(ImageError::Word(word.to_owned(), form)),
        reference => Ok(Place::Engine {
            engine,
            namespace: None,
            reference,
        }),
    };
    let (transport, rest) = word.split_once(':').unwrap_or(("", word));
    match transport {
        "docker" => named(Engine::Docker, rest, "docker:NAME"),
        "podman" => named(Engine::ContainersStorage, rest, "podman:NAME"),
        "storage" => named(Engine::ContainersStorage, rest, "storage:NAME"),
        "containerd" => match rest.split_once('/') {
            Some((namespace, reference)) if !namespace.is_empty() && !reference.is_empty() => {
                Ok(Place::Engine {
                    engine: Engine::Containerd,
                    namespace: Some(namespace),
                    reference,
                })
            }
            None if is_name(word) => Ok(Place::Anywhere(word)),
            Some(_) | None => Err(ImageError::Word(
                word.to_owned(),
                "containerd:NAMESPACE/NAME",
            )),
        },
        "oci" => archive_place(Form::Layout, rest),
        "oci-archive" => archive_place(Form::OciArchive, rest),
        "docker-archive" => archive_place(Form::DockerArchive, rest),
        _ if word == "-" => Ok(Place::Config),
        _ if word.is_empty() => Err(ImageError::Word(word.to_owned(), "an image")),
        _ => Ok(Place::Anywhere(word)),
    }
}

/// A path, with the reference behind its first colon unless the whole is a file (skopeo reads it
/// the same way).
fn archive_place(form: Form, rest: &str) -> Result<Place<'_>, ImageError> {
    let (path, reference) = match rest.split_once(':') {
        Some((path, reference)) if Path::new(rest).symlink_metadata().is_err() => {
            (path, Some(reference).filter(|text| !text.is_empty()))
        }
        Some(_) | None => (rest, None),
    };
    if path.is_empty() {
        return Err(ImageError::Word(rest.to_owned(), "a path"));
    }
    Ok(Place::Archive {
        form,
        path: path.into(),
        reference,
    })
}

fn config(input: &mut dyn Read) -> Result<FoundImage, ImageError> {
    let mut bytes = Vec::new();
    input
        .take(MAX_DOCUMENT + 1)
        .read_to_end(&mut bytes)
        .map_err(ImageError::Input)?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(ImageError::Archive(ArchiveError::Input(format!(
            "it is larger than {MAX_DOCUMENT} bytes"
        ))));
    }
    archive::from_config(&bytes)
        .map(|image| archived(&image, vec!["standard input".to_owned()]))
        .map_err(ImageError::Archive)
}

fn archived(image: &ArchivedImage, places: Vec<String>) -> FoundImage {
    let manifest = image.manifest.map(|digest| (Role::Manifest, digest.0));
    let indexes = image.indexes.iter().map(|digest| (Role::Index, digest.0));
    FoundImage {
        names: image.names.clone(),
        places,
        platform: Some(image.platform.clone()),
        image_id: Some(image.image_id),
        manifests: manifest.into_iter().chain(indexes).collect(),
        chain: image.chain.clone(),
        evidence: Sureness::Claimed,
    }
}

/// The image in the stores that `here` chooses: returned once, although several engines may have
/// it.
fn engines(
    stores: &Stores,
    reference: &str,
    here: impl Fn(&Store) -> bool,
) -> Result<Images, CtlError> {
    let mut found: Vec<FoundImage> = Vec::new();
    let (mut others, mut absent) = (Vec::new(), Vec::new());
    let mut places = Vec::new();
    for store in stores.open.iter().filter(|store| here(store)) {
        places.push(store.to_string());
        match store.records.image(reference, Instant::now() + PATIENCE) {
            Ok(origin) => {
                let image = stored(&origin, reference, store);
                if let Some((images, missing)) = image
                    .as_ref()
                    .and_then(|image| all_platforms(&origin, image))
                {
                    others.extend(images);
                    absent.extend(missing);
                }
                found.extend(image);
            }
            Err(LineageError::Unknown(Unknown::NoRecord(..))) => {}
            Err(error) => {
                return Err(
                    CtlError::from(ImageError::Store(reference.to_owned(), error)).for_root(),
                );
            }
        }
    }
    let chains: BTreeSet<_> = found
        .iter()
        .map(|image| image.chain.as_ref().map(Chain::top))
        .collect();
    if chains.len() > 1 {
        let meanings = found.iter().map(meaning).collect();
        return Err(CtlError::with_hint(
            ImageError::Ambiguous(reference.to_owned(), meanings),
            NAME_THE_ENGINE,
        ));
    }
    if found.is_empty() {
        let unread = stores.faults.len();
        return Err(CtlError::with_hint(
            ImageError::Nowhere(reference.to_owned(), places, unread),
            error::where_else(unread),
        ));
    }
    found.extend(others);
    Ok(Images {
        images: merged(found),
        absent,
    })
}

/// What an image is, and where.
fn meaning(image: &FoundImage) -> String {
    let top = image
        .chain
        .as_ref()
        .map_or_else(|| "no layers".to_owned(), |chain| chain.top().to_string());
    format!("{top} in {}", image.places.join(" and "))
}

/// The same image for every platform in containerd's content store, and the platforms that are
/// missing there.
fn all_platforms(origin: &Origin, image: &FoundImage) -> Option<(Vec<FoundImage>, Vec<String>)> {
    let (Origin::Image(ImageLineage { facts, .. }) | Origin::NoLayers(facts)) = origin else {
        return None;
    };
    let content = facts
        .config_file
        .as_deref()?
        .parent()
        .filter(|directory| directory.ends_with("blobs/sha256"))?
        .ancestors()
        .nth(2)?;
    let walked = facts
        .manifests
        .iter()
        .filter_map(|digest| archive::below(content, *digest).ok());
    let (images, absent) = walked.max_by_key(|(images, absent)| images.len() + absent.len())?;
    let found = |other| FoundImage {
        names: image.names.clone(),
        ..archived(other, image.places.clone())
    };
    Some((images.iter().map(found).collect(), absent))
}

/// One entry for each image ID, with all places where it is.
fn merged(found: Vec<FoundImage>) -> Vec<FoundImage> {
    let mut images: Vec<FoundImage> = Vec::new();
    for image in found {
        match images
            .iter_mut()
            .find(|known| known.image_id.is_some() && known.image_id == image.image_id)
        {
            None => images.push(image),
            Some(known) => known.learn(image),
        }
    }
    images
}

/// An image of an engine; `None` for what is no image.
#[must_use]
pub fn stored(origin: &Origin, reference: &str, store: &Store) -> Option<FoundImage> {
    let (chain, facts, evidence) = match origin {
        Origin::NoImage => return None,
        Origin::NoLayers(facts) => (None, facts, Sureness::Recorded),
        Origin::Image(image) => {
            let evidence = match image.evidence {
                Evidence::Claimed => Sureness::Claimed,
                Evidence::Metadata | Evidence::Mount => Sureness::Recorded,
            };
            (Some(image.chain.clone()), &image.facts, evidence)
        }
    };
    Some(FoundImage {
        names: vec![facts.name.clone().unwrap_or_else(|| reference.to_owned())],
        places: vec![store.to_string()],
        platform: platform(facts),
        image_id: facts.image_id,
        manifests: facts
            .manifests
            .iter()
            .map(|digest| (Role::Either, *digest))
            .collect(),
        chain,
        evidence,
    })
}

fn platform(facts: &ImageFacts) -> Option<Platform> {
    let (path, image_id) = (facts.config_file.as_deref()?, facts.image_id?);
    ImageConfig::load(path, image_id)
        .ok()
        .map(|image_config| image_config.platform)
}

//! Parses how an author names an image, and finds that image.
//!
//! In: the image's name, and options for the platform and for the directories of engines. Out: the
//! image, found by [`images`](crate::node::images).

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;

use super::CtlError;
use crate::node::images::{self, Place};
pub use crate::node::images::{
    FoundImage, ImageError, Images, Role, Sureness, find, find_in, find_named, outside,
};
use crate::node::stores::Stores;
use crate::node::{discovery, places, processes};
use crate::paths::Paths;
use crate::report::{self, line};
use crate::settings::{self, ContainerdPlace, Engines, StoragePlace};

/// The forms in which an image can be named. Help texts show them.
const FORMS: &str = "\
docker:NAME, podman:NAME, containerd:NAMESPACE/NAME (an image in that engine's store); oci:DIRECTORY[:TAG], oci-archive:FILE[:TAG], \
docker-archive:FILE[:NAME] (of `docker save`); - (an image config on standard input); or a bare NAME, looked for in every engine, as is docker:27-dind where \
Docker has no image 27-dind";

/// The image that a command is about, and where to look for it.
#[derive(Clone, Debug, Args)]
pub struct ImageArgs {
    #[arg(help = FORMS, value_name = "IMAGE")]
    image: String,
    /// Use only the image for this platform, such as linux/arm64. May be given more than once.
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Vec<String>,
    #[command(flatten)]
    engines: EngineArgs,
    /// Also hash every layer of an archive.
    #[arg(long)]
    verify_layers: bool,
}

/// The directories of the engines' stores.
#[derive(Clone, Debug, Args)]
pub struct EngineArgs {
    /// Docker's data root.
    #[arg(long, value_name = "DIR", help_heading = "Where engines are")]
    docker_root: Vec<PathBuf>,
    /// The graph root of Podman, Buildah or CRI-O.
    #[arg(long, value_name = "DIR", help_heading = "Where engines are")]
    storage_root: Option<PathBuf>,
    /// The run root that belongs to --storage-root.
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
}

impl ImageArgs {
    /// The image's name, as the user typed it.
    #[must_use]
    pub fn word(&self) -> &str {
        &self.image
    }

    /// Finds the image. Warnings about unreadable stores go to standard error.
    ///
    /// # Errors
    /// [`ImageError`], with a hint if there is one.
    pub fn find(&self, paths: &Paths) -> Result<Images, CtlError> {
        self.find_with(paths, &mut io::stdin().lock())
    }

    fn find_with(&self, paths: &Paths, input: &mut dyn Read) -> Result<Images, CtlError> {
        let found = match images::place(&self.image)? {
            Place::Archive {
                form,
                path,
                reference,
            } if self.verify_layers => images::hashed(form, &path, reference)?,
            Place::Engine { .. } | Place::Anywhere(_) if self.verify_layers => {
                return Err(ImageError::NoLayers(self.image.clone()).into());
            }
            place @ (Place::Engine { .. }
            | Place::Archive { .. }
            | Place::Config
            | Place::Anywhere(_)) => {
                images::find_at(&self.image, place, || self.stores(paths), input)?
            }
        };
        self.of_platform(found)
    }

    /// Opens the engines' stores on this machine.
    #[must_use]
    pub fn stores(&self, paths: &Paths) -> Stores {
        self.engines.stores(paths)
    }

    fn of_platform(&self, mut found: Images) -> Result<Images, CtlError> {
        if self.platform.is_empty() {
            return Ok(found);
        }
        for asked in &self.platform {
            if !found.images.iter().any(|image| is_for(image, asked)) {
                let there: BTreeSet<_> = found.images.iter().map(platform).collect();
                return Err(ImageError::Platform(
                    self.image.clone(),
                    asked.clone(),
                    there.into_iter().collect(),
                )
                .into());
            }
        }
        found
            .images
            .retain(|image| self.platform.iter().any(|asked| is_for(image, asked)));
        found.absent.clear();
        Ok(found)
    }
}

/// An image's platform, as text for messages.
fn platform(image: &FoundImage) -> String {
    match &image.platform {
        Some(platform) => platform.to_string(),
        None => "an unknown platform".to_owned(),
    }
}

/// Whether an image is for the platform `asked`. The text `asked` may leave out the variant.
fn is_for(image: &FoundImage, asked: &str) -> bool {
    match platform(image).strip_prefix(asked) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

impl EngineArgs {
    /// Opens the engines' stores on this machine. Warnings about unreadable stores go to standard
    /// error.
    #[must_use]
    pub fn stores(&self, paths: &Paths) -> Stores {
        let stores = Stores::open(&self.places(paths), paths);
        for fault in &stores.faults {
            report::warning("embargoctl", &line::causes(fault));
        }
        stores
    }

    /// The directories of the engines: those of the command's options, else those of the settings
    /// together with the usual directories.
    fn places(&self, paths: &Paths) -> Engines {
        let mut given = Engines {
            docker: self.docker_root.clone(),
            ..Engines::default()
        };
        if let Some(root) = self.containerd_root.clone() {
            given.containerd.push(ContainerdPlace { root, state: None });
        }
        if let Some(root) = self.storage_root.clone() {
            given.storage.push(StoragePlace {
                root,
                run_root: self.run_root.clone(),
            });
        }
        if given != Engines::default() {
            return given;
        }
        // With another root, the usual directories would be those of this machine, so they are not
        // used. A broken settings file does not keep an author from writing a list on this machine.
        let is_here = *paths == Paths::below(Path::new("/"));
        let usual = if is_here {
            places::of_caller()
        } else {
            Engines::default()
        };
        let known = match settings::load(paths) {
            Ok(Some(settings)) => places::joined(usual, &settings.engines),
            Ok(None) | Err(_) => usual,
        };
        if !is_here {
            return known;
        }
        let mut faults = Vec::new();
        let known = discovery::with_found(known, &processes::all(), paths, &mut faults);
        for fault in &faults {
            report::warning("embargoctl", &line::causes(fault));
        }
        known
    }
}

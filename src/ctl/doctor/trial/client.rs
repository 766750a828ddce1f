//! Asks an engine's own client to load, start and remove the trial image.
//!
//! In: the engine, and the name of the runtime to try. Out: how the client ended. The clients are
//! those in root's usual directories, and they talk to the engine on its usual socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::image;
use crate::ctl::command::{self, Ended};
use crate::delegate;
use crate::paths::Paths;

/// How long one call of a client may take. A refusal takes a second; the rest is for a busy engine.
const PATIENCE: Duration = Duration::from_secs(60);

/// containerd's namespace for the trial: nothing else is in it.
pub(super) const NAMESPACE: &str = "embargo-doctor";

/// The client of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// Docker's.
    Docker,
    /// Podman.
    Podman,
    /// containerd's.
    Ctr,
}

/// What is tried: a runtime name of an engine; for `ctr` the path of a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) client: Client,
    pub(super) runtime: String,
}

/// Why a trial cannot be made.
#[derive(Debug, Error)]
pub(super) enum TrialError {
    /// The client is not installed.
    #[error("cannot try: {0} is in none of the usual directories")]
    Client(&'static str),
    /// The client cannot be run, or does not end.
    #[error("cannot run {0:?}")]
    Run(PathBuf, #[source] io::Error),
    /// The trial image cannot be loaded: what the client says.
    #[error("cannot load the trial image: {0}")]
    Load(String),
    /// The trial image cannot be removed: what the client says.
    #[error("cannot remove the trial image: {0}")]
    Remove(String),
}

impl Client {
    const fn program(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Ctr => "ctr",
        }
    }

    const fn engine(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Ctr => "containerd",
        }
    }

    /// Runs the client.
    fn run(self, words: &[&str], input: &[u8]) -> Result<Ended, TrialError> {
        let path = delegate::installed(self.program(), &Paths::below(Path::new("/")))
            .ok_or(TrialError::Client(self.program()))?;
        command::run(&path, words, input, PATIENCE).map_err(|error| TrialError::Run(path, error))
    }
}

/// The container's name. Another `doctor` may run at the same time.
fn container() -> String {
    format!("embargo-doctor-{}", std::process::id())
}

impl Target {
    /// `docker/embargo`, as coverage calls it.
    pub(super) fn thing(&self) -> String {
        format!(
            "{}/{}",
            self.client.engine(),
            crate::report::line::name(&self.runtime)
        )
    }

    /// Loads the image, and asks for a container of it.
    ///
    /// # Errors
    /// [`TrialError`], if the client did not get as far as that.
    pub(super) fn start(&self) -> Result<Ended, TrialError> {
        let archive = match image::archive() {
            Ok(archive) => archive,
            Err(error) => return Err(TrialError::Load(error.to_string())),
        };
        let load: &[&str] = match self.client {
            Client::Docker | Client::Podman => &["load"],
            Client::Ctr => &["-n", NAMESPACE, "image", "import", "-"],
        };
        let loaded = self.client.run(load, &archive)?;
        if !loaded.is_success {
            return Err(TrialError::Load(loaded.ending()));
        }
        let name = container();
        let (runtime, image) = (self.runtime.as_str(), image::NAME);
        let alone = ["--rm", "--pull", "never", "--network", "none", "--name"];
        let words: Vec<&str> = match self.client {
            Client::Docker => {
                [&["run"], &alone[..], &[&name, "--runtime", runtime, image]].concat()
            }
            Client::Podman => {
                [&["--runtime", runtime, "run"], &alone[..], &[&name, image]].concat()
            }
            Client::Ctr => vec![
                "-n",
                NAMESPACE,
                "run",
                "--rm",
                "--runtime",
                "io.containerd.runc.v2",
                "--runc-binary",
                runtime,
                image,
                &name,
            ],
        };
        self.client.run(&words, b"")
    }

    /// Removes the container and the image.
    ///
    /// # Errors
    /// [`TrialError`], if the image may still be there.
    pub(super) fn remove(&self) -> Result<(), TrialError> {
        let name = container();
        let (container, image): (Vec<&str>, Vec<&str>) = match self.client {
            Client::Docker | Client::Podman => {
                (vec!["rm", "-f", &name], vec!["rmi", "-f", image::NAME])
            }
            Client::Ctr => (
                vec!["-n", NAMESPACE, "container", "rm", &name],
                vec!["-n", NAMESPACE, "image", "rm", "--sync", image::NAME],
            ),
        };
        // Usually the client has removed the container already, and complains here.
        let _gone = self.client.run(&container, b"")?;
        let removed = self.client.run(&image, b"")?;
        if !removed.is_success {
            return Err(TrialError::Remove(removed.ending()));
        }
        if self.client == Client::Ctr {
            // The namespace stays while containerd still removes the snapshot. An empty namespace
            // is only a name.
            let _gone = self.client.run(&["namespace", "rm", NAMESPACE], b"")?;
        }
        Ok(())
    }
}

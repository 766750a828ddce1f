//! Finds and reads the settings file of an engine that `configure` changes.
//!
//! In: the engine, the options, the daemons that run, and the node's files. Out: the files, each
//! with its form. Without an option, it is the file that the engine's daemon was given, else the
//! usual one. Podman and CRI-O get a file of their own among the drop-ins.

use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item};

use super::error::{ConfigureError, EditError};
use super::form::Form;
use super::{ConfigureArgs, ConfiguredEngine};
use crate::ctl::CtlError;
use crate::delegate;
use crate::node::discovery::containerd::{settings_of, texts};
use crate::node::discovery::flag;
use crate::node::processes::Process;
use crate::node::{coverage, drop_ins};
use crate::paths::Paths;
use crate::sys::file::{self, FileError, Guard};
use crate::sys::proc;

/// The largest settings file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// The text of a settings file; `None` if there is no file. A symbolic link is followed, but never
/// out of the node's root directory.
pub(super) fn text(path: &Path, paths: &Paths) -> Result<Option<String>, CtlError> {
    let file = file::target(path);
    let root = file::target(&paths.root);
    if path.symlink_metadata().is_ok() && !file.starts_with(&root) {
        return Err(ConfigureError::Outside(path.to_owned(), file).into());
    }
    match file::read_text(&file, LARGEST, Guard::Owned) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_absent() => absent(path, error),
        Err(error) => Err(error.into()),
    }
}

/// A missing file is no text; a link that leads nowhere is an error.
fn absent(path: &Path, error: FileError) -> Result<Option<String>, CtlError> {
    if path.symlink_metadata().is_ok() {
        Err(error.into())
    } else {
        Ok(None)
    }
}

/// The engines' settings files of a node.
pub(super) struct SettingsFiles<'a> {
    paths: &'a Paths,
    /// The daemons that run.
    daemons: Vec<&'a Process>,
}

impl<'a> SettingsFiles<'a> {
    pub(super) fn of(paths: &'a Paths, processes: &'a [Process]) -> Self {
        Self {
            paths,
            daemons: coverage::daemons(processes),
        }
    }

    fn daemon(&self, program: &str) -> Option<&Process> {
        let mut daemons = self.daemons.iter().copied();
        daemons.find(|daemon| daemon.program() == program)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.paths.of_node(Path::new(path))
    }

    /// The files to change.
    pub(super) fn targets(&self, args: &ConfigureArgs) -> Result<Vec<(PathBuf, Form)>, CtlError> {
        let given = args.config.as_deref().map(|path| self.paths.of_node(path));
        Ok(match args.engine {
            ConfiguredEngine::Docker => {
                let used = self
                    .daemon("dockerd")
                    .and_then(|daemon| flag(daemon, &["--config-file"]));
                let usual = || self.at("/etc/docker/daemon.json");
                vec![(given.or(used).unwrap_or_else(usual), Form::DaemonJson)]
            }
            ConfiguredEngine::Containerd => vec![(self.of_containerd(given)?, Form::Containerd)],
            ConfiguredEngine::Podman => {
                let usual = || self.at("/etc/containers/containers.conf.d/50-embargo.conf");
                vec![(given.unwrap_or_else(usual), Form::Podman)]
            }
            ConfiguredEngine::Crio => {
                let usual = || self.crio_drop_ins().join("50-embargo.conf");
                let path = given.unwrap_or_else(usual);
                let model = self.crio_model(&path)?;
                vec![(path, Form::Crio(model))]
            }
            ConfiguredEngine::Buildkit => self.of_buildkit(given)?,
        })
    }

    /// The file in which the CRI's handlers are: the last one that has the CRI's table, because
    /// before containerd 2.1 that table replaces the table of every earlier file, and later
    /// versions let its values win. If no file has that table, the main file.
    fn of_containerd(&self, given: Option<PathBuf>) -> Result<PathBuf, CtlError> {
        let mut used = self
            .daemons
            .iter()
            .filter(|daemon| daemon.program() == "containerd");
        // The containerd that dockerd starts for itself has no CRI.
        let used = used.find_map(|daemon| {
            let file = settings_of(daemon);
            (!file.to_string_lossy().contains("/docker/containerd/")).then_some(file)
        });
        let main = given
            .or(used)
            .unwrap_or_else(|| self.at("/etc/containerd/config.toml"));
        let mut faults = Vec::new();
        let files = texts(&main, self.paths, &mut faults);
        if let Some(fault) = faults.into_iter().next() {
            return Err(ConfigureError::Settings(fault).into());
        }
        let mut last = main;
        for (file, text) in files {
            if has_cri(&file, &text)? {
                last = file;
            }
        }
        Ok(last)
    }

    fn crio_drop_ins(&self) -> PathBuf {
        let daemon = self.daemon("crio");
        let given = daemon.and_then(|daemon| flag(daemon, &["--config-dir", "-d"]));
        given.unwrap_or_else(|| self.at("/etc/crio/crio.conf.d"))
    }

    /// The keys of CRI-O's default handler, as TOML: its runtime's root directory and its monitor
    /// are also right for Embargo.
    fn crio_model(&self, own: &Path) -> Result<String, CtlError> {
        let daemon = self.daemon("crio");
        let main = daemon.and_then(|daemon| flag(daemon, &["--config", "-c"]));
        let mut files = vec![main.unwrap_or_else(|| self.at("/etc/crio/crio.conf"))];
        files.extend(drop_ins::of(&self.crio_drop_ins(), None));
        let (mut default, mut handlers) = (None, DocumentMut::new());
        for file in files.into_iter().filter(|file| file != own) {
            let Some(text) = text(&file, self.paths)? else {
                continue;
            };
            let document = parsed(&file, &text)?;
            let Some(runtime) = document.get("crio").and_then(|crio| crio.get("runtime")) else {
                continue;
            };
            if let Some(name) = runtime.get("default_runtime").and_then(Item::as_str) {
                default = Some(name.to_owned());
            }
            let listed = runtime.get("runtimes").and_then(Item::as_table_like);
            for (name, handler) in listed.into_iter().flat_map(|listed| listed.iter()) {
                handlers.insert(name, handler.clone());
            }
        }
        let names = default.as_deref().into_iter().chain(["crun", "runc"]);
        for name in names {
            if let Some(handler) = handlers.get(name).and_then(Item::as_table_like) {
                let mut model = DocumentMut::new();
                for (key, item) in handler.iter() {
                    if item.is_value() {
                        model.insert(key, item.clone());
                    }
                }
                return Ok(model.to_string());
            }
        }
        Ok(String::new())
    }

    fn of_buildkit(&self, given: Option<PathBuf>) -> Result<Vec<(PathBuf, Form)>, CtlError> {
        let daemon = self.daemon("buildkitd");
        let used = daemon.and_then(|daemon| flag(daemon, &["--config", "-config"]));
        let usual = self.at("/etc/buildkit/buildkitd.toml");
        if let Some(given) = given {
            return Ok(vec![(given, Form::BuildKit)]);
        }
        let mut files = Vec::new();
        let is_alone = daemon.is_some()
            || delegate::installed("buildkitd", self.paths).is_some()
            || usual.symlink_metadata().is_ok();
        if is_alone {
            files.push((used.unwrap_or(usual), Form::BuildKit));
        }
        let docker = match self.daemon("dockerd") {
            Some(daemon) => Some(proc::path(daemon.pid, "exe")),
            None => delegate::installed("dockerd", self.paths),
        };
        match docker {
            Some(program) if coverage::knows_builder_variable(&program) => {
                let drop_in = "/etc/systemd/system/docker.service.d/50-embargo.conf";
                files.push((self.at(drop_in), Form::Service));
            }
            Some(_) if files.is_empty() => {
                return Err(ConfigureError::OldDocker.into());
            }
            None if files.is_empty() => {
                return Err(ConfigureError::NoBuildKit.into());
            }
            Some(_) | None => {}
        }
        Ok(files)
    }
}

/// Whether a file of containerd's has the table of the CRI.
fn has_cri(file: &Path, text: &str) -> Result<bool, ConfigureError> {
    let document = parsed(file, text)?;
    let plugins = document.get("plugins").and_then(Item::as_table_like);
    let has = |plugin| plugins.is_some_and(|plugins| plugins.contains_key(plugin));
    Ok(coverage::PLUGINS.into_iter().any(has))
}

fn parsed(file: &Path, text: &str) -> Result<DocumentMut, ConfigureError> {
    text.parse().map_err(|fault: toml_edit::TomlError| {
        let fault = EditError::Parse(fault.message().to_owned());
        ConfigureError::Edit(file.to_owned(), fault)
    })
}

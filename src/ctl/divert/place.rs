//! Finds the runtimes' places, and what is at them now.
//!
//! In: the node's file system, and dpkg's diversions. Out: [`PlaceFacts`]. Paths are those of the
//! node, without the directory of `--root` before them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::DivertError;
use crate::ctl::command::{self, Ended};
use crate::delegate::{GATE, USUAL_DIRECTORIES};
use crate::node::diversions::{Diversion, Keeper};
use crate::paths::Paths;
use crate::sys::process::{self, Identity};

/// The names of the runtimes that are looked for.
const RUNTIMES: [&str; 2] = ["runc", "crun"];

/// What is added to a runtime's name when Embargo is in its place.
const SUFFIX: &str = ".real";

/// At most this many links are followed, as in the kernel.
const MOST_LINKS: usize = 40;

const DPKG_DIVERT: &str = "/usr/bin/dpkg-divert";
const DPKG_QUERY: &str = "/usr/bin/dpkg-query";

/// The exit status of dpkg-query if no such package is installed (dpkg-query(1)).
const NO_PACKAGE: i32 = 1;

/// How long a tool of dpkg may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a path leads to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content {
    Nothing,
    Embargo,
    Program(Identity),
    /// A directory, a device, or a file that nobody may execute.
    Other,
}

/// What dpkg says about a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DpkgDiversion {
    /// The place is not diverted, or dpkg does not install this node's packages.
    None,
    /// The place is diverted as `embargoctl divert` does it.
    Ours,
    /// The place is diverted to this path, or for a package.
    Other(PathBuf),
}

/// What is known about one place.
#[derive(Debug)]
pub(super) struct PlaceFacts {
    /// The diversion that is there, or would be there.
    pub(super) diversion: Diversion,
    pub(super) is_recorded: bool,
    pub(super) at_place: Content,
    pub(super) at_real: Content,
    pub(super) dpkg: DpkgDiversion,
}

impl PlaceFacts {
    /// Whether Embargo has taken the place, is about to take it, or is about to give it back.
    pub(super) fn is_taken(&self) -> bool {
        self.is_recorded || matches!(self.at_place, Content::Embargo)
    }
}

/// What a diversion needs to know about the node.
pub(super) struct DivertNode<'a> {
    pub(super) paths: &'a Paths,
    /// The directory above all paths, without links.
    root: PathBuf,
    /// The path of Embargo's runtime program.
    pub(super) gate: PathBuf,
    /// The files of that program.
    pub(super) embargo: Vec<Identity>,
    /// Who would keep a diverted runtime.
    pub(super) keeper: Keeper,
}

impl<'a> DivertNode<'a> {
    /// Finds Embargo's program, and whether dpkg installs this node's packages.
    ///
    /// # Errors
    /// [`DivertError::NoGate`]; or dpkg does not answer.
    pub(super) fn find(paths: &'a Paths) -> Result<Self, DivertError> {
        let root = paths.root.canonicalize();
        let root = root.unwrap_or_else(|_| paths.root.clone());
        let keeper = keeper(&root)?;
        let beside = if root == Path::new("/") {
            std::env::current_exe().ok()
        } else {
            None
        };
        let beside = beside.as_deref().and_then(Path::parent);
        for directory in beside.into_iter().chain(USUAL_DIRECTORIES.map(Path::new)) {
            let gate = directory.join(GATE);
            if let Ok(found) = process::identity(&paths.of_node(&gate))
                && found.is_program()
            {
                return Ok(Self {
                    paths,
                    root,
                    gate,
                    embargo: vec![found],
                    keeper,
                });
            }
        }
        Err(DivertError::NoGate)
    }

    /// The path in the mounted file system.
    pub(super) fn at(&self, path: &Path) -> PathBuf {
        self.paths.of_node(path)
    }

    /// The places that are recorded, and those of every runtime in the usual directories.
    pub(super) fn places(&self, record: &[Diversion]) -> Vec<PathBuf> {
        let mut places = Vec::new();
        for diversion in record {
            places.push(diversion.place.clone());
        }
        for name in RUNTIMES {
            for directory in USUAL_DIRECTORIES {
                if let Some(place) = self.end_of(&Path::new(directory).join(name))
                    && !places.contains(&place)
                {
                    places.push(place);
                }
            }
        }
        places
    }

    /// The places of these paths.
    ///
    /// # Errors
    /// [`DivertError::Missing`].
    pub(super) fn named(&self, paths: &[PathBuf]) -> Result<Vec<PathBuf>, DivertError> {
        let mut places = Vec::new();
        for path in paths {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            match self.end_of(&path) {
                Some(place) if places.contains(&place) => {}
                Some(place) => places.push(place),
                None => return Err(DivertError::Missing(path)),
            }
        }
        Ok(places)
    }

    /// The path at the end of a chain of links: the program's own path, or the link that leads to
    /// Embargo. A link from one runtime's name to another, as from `krun` to `crun`, stays.
    fn end_of(&self, path: &Path) -> Option<PathBuf> {
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            let target = match fs::read_link(self.at(&path)) {
                Ok(target) => path.parent()?.join(target),
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                    return self.without_links(&path);
                }
                Err(_) => return None,
            };
            if target == self.gate {
                return self.without_links(&path);
            }
            path = target;
        }
        None
    }

    /// The same path, if links among its directories are resolved.
    fn without_links(&self, path: &Path) -> Option<PathBuf> {
        let directory = self.at(path.parent()?).canonicalize().ok()?;
        let directory = directory.strip_prefix(&self.root).ok()?;
        Some(Path::new("/").join(directory).join(path.file_name()?))
    }

    /// Looks at a place.
    ///
    /// # Errors
    /// [`DivertError`], if dpkg cannot be asked.
    pub(super) fn look(
        &self,
        place: &Path,
        record: &[Diversion],
    ) -> Result<PlaceFacts, DivertError> {
        let real = OsString::from_iter([place.as_os_str(), OsStr::new(SUFFIX)]);
        let diversion = Diversion {
            place: place.to_owned(),
            real: real.into(),
            keeper: self.keeper,
        };
        Ok(PlaceFacts {
            is_recorded: record.contains(&diversion),
            at_place: self.content(place),
            at_real: self.content(&diversion.real),
            dpkg: self.dpkg_diversion(&diversion)?,
            diversion,
        })
    }

    fn content(&self, path: &Path) -> Content {
        let at = self.at(path);
        let leads_to_gate = fs::read_link(&at).is_ok_and(|target| target == self.gate);
        match process::identity(&at) {
            _ if leads_to_gate => Content::Embargo,
            Ok(found) if found.is_any_of(&self.embargo) => Content::Embargo,
            Ok(found) if found.is_program() => Content::Program(found),
            Ok(_) => Content::Other,
            Err(_) if fs::symlink_metadata(&at).is_ok() => Content::Other,
            Err(_) => Content::Nothing,
        }
    }

    fn dpkg_diversion(&self, diversion: &Diversion) -> Result<DpkgDiversion, DivertError> {
        if diversion.keeper == Keeper::Nobody {
            return Ok(DpkgDiversion::None);
        }
        let owner = self.dpkg_divert(diversion, &["--listpackage"])?;
        if owner.is_empty() {
            return Ok(DpkgDiversion::None);
        }
        let target = PathBuf::from(self.dpkg_divert(diversion, &["--truename"])?);
        if owner == "LOCAL" && target == diversion.real {
            return Ok(DpkgDiversion::Ours);
        }
        Ok(DpkgDiversion::Other(target))
    }

    /// Calls dpkg-divert for a place, and returns its output.
    ///
    /// # Errors
    /// [`DivertError::NoTool`]; [`DivertError::Tool`], with what dpkg-divert says.
    pub(super) fn dpkg_divert(
        &self,
        diversion: &Diversion,
        words: &[&str],
    ) -> Result<String, DivertError> {
        let mut all = below(&self.root);
        all.extend(words.iter().map(OsStr::new));
        all.push(diversion.place.as_os_str());
        let tool = Path::new(DPKG_DIVERT);
        let ended = command::run(tool, &all, b"", PATIENCE)
            .map_err(|fault| DivertError::NoTool(tool.to_owned(), fault))?;
        if ended.is_success {
            Ok(ended.output.trim().to_owned())
        } else {
            Err(DivertError::Tool(diversion.place.clone(), ended.ending()))
        }
    }
}

/// Who installs the packages of the node below `root`: dpkg, if it has installed itself there.
///
/// # Errors
/// [`DivertError::NoTool`]; [`DivertError::NoAnswer`]. Without dpkg's diversion, an update of the
/// runtime's package would take Embargo's place, so a fault is not taken for a node without dpkg.
fn keeper(root: &Path) -> Result<Keeper, DivertError> {
    let tool = Path::new(DPKG_QUERY);
    let mut words = below(root);
    words.extend(["--show", "--showformat", "${db:Status-Status}", "dpkg"].map(OsStr::new));
    match command::run(tool, &words, b"", PATIENCE) {
        Ok(ended) => {
            keeper_by(&ended).ok_or_else(|| DivertError::NoAnswer(tool.to_owned(), ended.ending()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Keeper::Nobody),
        Err(error) => Err(DivertError::NoTool(tool.to_owned(), error)),
    }
}

/// What dpkg-query's answer about dpkg's own package means. `None` if dpkg-query failed.
pub(super) fn keeper_by(ended: &Ended) -> Option<Keeper> {
    match (ended.code, ended.output.trim()) {
        (Some(0), "installed") => Some(Keeper::Dpkg),
        (Some(0 | NO_PACKAGE), _) => Some(Keeper::Nobody),
        (_, _) => None,
    }
}

/// The words with which a tool of dpkg works below `root`.
fn below(root: &Path) -> Vec<&OsStr> {
    if root == Path::new("/") {
        Vec::new()
    } else {
        vec![OsStr::new("--root"), root.as_os_str()]
    }
}

/// Whether both are the same program, under two names.
pub(super) fn are_one(one: Content, other: Content) -> bool {
    match (one, other) {
        (Content::Program(one), Content::Program(other)) => one.is(&other),
        (Content::Nothing | Content::Embargo | Content::Program(_) | Content::Other, _) => false,
    }
}

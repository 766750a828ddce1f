//! Defines the payload: what runs in a container.
//!
//! In: the work, and the file carried with it. Out: a [`Payload`]: the arguments, the check, the
//! user, the carried bytes, and a digest by which a later run recognises the same payload. The file
//! is read once, up to a limit. Each container gets its own sealed copy in memory, so that no
//! container can reach the host's file (CVE-2019-5736) or another container's copy.

pub mod error;
pub mod program;

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

pub use self::error::{NoPatch, NotScript, PayloadError};
use crate::banlist::ban::{MAX_SCRIPT, Severity};
use crate::exec_patch::job::{PROGRAM_FD, Work};
use crate::lineage::digest::Digest;
use crate::report::line;
use crate::sys::file::{self, FileError, Guard};
use crate::sys::memory_file;

/// The largest script or program that can be carried, in bytes.
pub const LARGEST: u64 = MAX_SCRIPT;

/// The name of the copy in `/proc/pid/maps` and in similar files.
const NAME: &std::ffi::CStr = c"embargo-patch";

/// A script or program that is carried into containers.
#[derive(Clone, PartialEq, Eq)]
pub struct ProgramFile {
    /// The file's name on this machine, for messages.
    pub name: String,
    /// The file's bytes.
    pub bytes: Arc<[u8]>,
    /// The digest of those bytes.
    pub digest: Digest,
}

impl fmt::Debug for ProgramFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({})", self.name, self.digest)
    }
}

/// What runs in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The work, in the form that a worker gets.
    pub work: Work,
    /// The carried file; `Some` exactly if [`Work::program`] is set.
    pub program: Option<ProgramFile>,
    /// The digest by which a later run recognises the same work. The digest covers the check, the
    /// command, the user, the variables, the directory and the carried bytes. The digest does not
    /// cover the time limit, nor whether a paused container is resumed.
    pub digest: Digest,
    /// The ban whose signed patch this is; `None` if the command was typed.
    pub ban: Option<String>,
    /// The severity of that ban.
    pub severity: Option<Severity>,
    /// The successor that the ban names.
    pub successor: Option<String>,
    /// The typed options that change the signed patch.
    pub altered: Vec<&'static str>,
}

impl ProgramFile {
    /// Reads a script or program.
    ///
    /// # Errors
    /// If the file cannot be read, is not a regular file, or is larger than [`LARGEST`].
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let bytes = file::read(path, LARGEST, Guard::Any)?;
        let name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned();
        Ok(Self {
            name,
            digest: Digest::of(&bytes),
            bytes: bytes.into(),
        })
    }
}

impl Payload {
    /// A payload of this work and this file.
    #[must_use]
    pub fn new(work: Work, program: Option<ProgramFile>, ban: Option<String>) -> Self {
        let Work {
            check,
            run,
            user,
            environment,
            directory,
            timeout: _,
            unpause: _,
            program: _,
        } = &work;
        // JSON separates the arguments: two arguments cannot look like one.
        let said = serde_json::json!([
            check,
            run,
            user,
            environment,
            directory,
            program.as_ref().map(|program| program.digest)
        ]);
        let digest = Digest::of(said.to_string().as_bytes());
        Self {
            work,
            program,
            digest,
            ban,
            severity: None,
            successor: None,
            altered: Vec::new(),
        }
    }

    /// A sealed copy of the carried file for one worker, which inherits the copy as [`PROGRAM_FD`].
    /// The descriptor is closed on exec until that flag is removed.
    ///
    /// # Errors
    /// If there is not enough memory, if the kernel has no memory files (before Linux 3.17), or if
    /// the kernel does not let memory files be executed (`vm.memfd_noexec`).
    pub fn copy(&self) -> io::Result<Option<OwnedFd>> {
        match &self.program {
            Some(program) => memory_file::executable(NAME, &program.bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The command as text for messages. If the command differs from the signed patch, a shell
    /// comment says how.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut words = &self.work.run[..];
        let mut shown = Vec::new();
        if let Some(program) = &self.program {
            let place = place();
            shown.push(line::shell_word(&program.name));
            while let [word, rest @ ..] = words {
                words = rest;
                if *word == place {
                    break;
                }
            }
        }
        for word in words {
            shown.push(line::shell_word(word));
        }
        let mut text = shown.join(" ");
        if !self.altered.is_empty() {
            text += &format!(" # not as signed: {}", self.altered.join(", "));
        }
        text
    }
}

/// The path at which a process in the container finds the carried file.
pub(super) fn place() -> String {
    format!("/proc/self/fd/{PROGRAM_FD}")
}

//! Holds what runs in a container.
//!
//! In: the work, and the file carried with it. Out: a [`Payload`]: arguments, check, user, the bytes
//! carried, and a digest by which a later run recognises it. A file is read once, whole and bounded;
//! what each container gets is a sealed copy of its own in memory, so that no container reaches the
//! host's file (CVE-2019-5736) or another container's copy.

pub mod error;
pub mod program;

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

pub use self::error::{NoPatch, NotScript, PayloadError};
use crate::banlist::record::{MAX_SCRIPT, Severity};
use crate::exec_patch::job::{PROGRAM_FD, Work};
use crate::lineage::digest::Digest;
use crate::report::line;
use crate::sys::file::{self, FileError, Guard};
use crate::sys::memory_file;

/// The largest script or program that is carried, in bytes.
pub const LARGEST: u64 = MAX_SCRIPT;

/// The carried copy's name in `/proc/pid/maps` and the like.
const NAME: &std::ffi::CStr = c"embargo-patch";

/// A file that is carried into containers.
#[derive(Clone, PartialEq, Eq)]
pub struct ProgramFile {
    /// Its name on this machine, for people.
    pub name: String,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
    /// Their digest.
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
    /// The work as a worker gets it.
    pub work: Work,
    /// The carried file, present exactly if [`Work::program`] says so.
    pub program: Option<ProgramFile>,
    /// A later run recognises the same work by this: check, command, user, variables, directory and
    /// the carried bytes; not the time limit or whether a paused container is resumed.
    pub digest: Digest,
    /// The ban whose signed patch it is; `None` for what was typed.
    pub ban: Option<String>,
    /// That ban's severity.
    pub severity: Option<Severity>,
    /// The successor that the ban names.
    pub successor: Option<String>,
    /// The options by which it differs from what was signed.
    pub altered: Vec<&'static str>,
}

impl ProgramFile {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, is not a regular file, or is larger than [`LARGEST`].
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
    /// This work, with the carried file.
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
        // In JSON, no argument can run into the next one.
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

    /// A sealed copy of the carried file, for one worker, which inherits it as [`PROGRAM_FD`]. It is
    /// closed on exec until that flag is removed.
    ///
    /// # Errors
    /// If there is no memory for it, or the kernel has no such files (before Linux 3.17), or none
    /// that may be executed (`vm.memfd_noexec`).
    pub fn copy(&self) -> io::Result<Option<OwnedFd>> {
        self.program
            .as_ref()
            .map(|program| memory_file::executable(NAME, &program.bytes))
            .transpose()
    }

    /// The command as people read it; after it, as a shell comment, how it differs from the signed
    /// patch.
    #[must_use]
    pub fn describe(&self) -> String {
        let place = place();
        let words: Vec<_> = match &self.program {
            None => self
                .work
                .run
                .iter()
                .map(|word| line::shell_word(word))
                .collect(),
            Some(program) => {
                let own = self
                    .work
                    .run
                    .iter()
                    .skip_while(|word| **word != place)
                    .skip(1);
                std::iter::once(line::shell_word(&program.name))
                    .chain(own.map(|word| line::shell_word(word)))
                    .collect()
            }
        };
        let altered = if self.altered.is_empty() {
            String::new()
        } else {
            format!(" # not as signed: {}", self.altered.join(", "))
        };
        words.join(" ") + &altered
    }
}

/// Where a container's process finds the file carried with the request.
pub(super) fn place() -> String {
    format!("/proc/self/fd/{PROGRAM_FD}")
}

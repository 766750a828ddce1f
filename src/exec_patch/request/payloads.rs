//! Prepares what runs in each container of an order.
//!
//! In: an order, the files that it names, and the bans that apply to a container. Out: a
//! [`Payload`] for each patch. A ban's patch was signed together with the list. A script is not
//! part of the list; the ban has the script's digest, and the file must match that digest. Not
//! checked: whether the container has what the command needs.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::arguments::{Order, PatchSource, ProgramCall, USUAL_TIMEOUT, USUAL_USER};
use super::payload::error::{NoPatch, NotScript, PayloadError};
use super::payload::program::{self, NotProgram};
use super::payload::{Payload, ProgramFile, place};
use crate::banlist::ban::{Ban, Patch};
use crate::exec_patch::job::Work;
use crate::lineage::digest::Digest;
use crate::report::line;

/// The longest time limit that a ban's patch can get for one container, in seconds.
const LONGEST: u64 = 86_400;

/// An order and the contents of its files.
#[derive(Clone, Debug)]
pub struct Payloads {
    order: Order,
    program: Option<ProgramFile>,
    role: ScriptRole,
}

/// Whether a ban signs the script that was typed, and so in which containers the script runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptRole {
    /// No ban signs the script. The script runs in place of the bans' commands. In a container of a
    /// ban that signs another script, the script does not run.
    Unsigned,
    /// A ban signs the script. Each container gets its own ban's patch, as if no script had been
    /// typed.
    Signed,
    /// No ban signs the script, and the list has too few signatures to run its patches. The script
    /// runs in place of all the bans' patches.
    Typed,
}

impl Payloads {
    /// Reads the files that the order names.
    ///
    /// # Errors
    /// [`PayloadError`].
    pub fn load(order: Order) -> Result<Self, PayloadError> {
        let program = match &order.source {
            PatchSource::Signed | PatchSource::Command(_) => None,
            PatchSource::Script(script) => {
                let program = ProgramFile::load(&script.file)?;
                if let Some(fault) = not_script(&program.bytes) {
                    return Err(PayloadError::Script(script.file.clone(), fault));
                }
                Some(program)
            }
            PatchSource::Program(call) => {
                let program = ProgramFile::load(&call.file)?;
                if let Err(fault) = check_program(&call.file, &program.bytes) {
                    return Err(PayloadError::Program(call.file.clone(), fault));
                }
                Some(program)
            }
        };
        Ok(Self::again(order, program, ScriptRole::Unsigned))
    }

    /// The payloads of an earlier order. `program` is the copy of the file that was carried with
    /// that order; `role` is the role that the file had as a script.
    #[must_use]
    pub const fn again(order: Order, program: Option<ProgramFile>, role: ScriptRole) -> Self {
        Self {
            order,
            program,
            role,
        }
    }

    /// Sets the script's role. If a ban signed the script when the run started, the role stays
    /// [`ScriptRole::Signed`], whatever the list says now.
    pub fn set_role(&mut self, role: ScriptRole) {
        if self.role != ScriptRole::Signed {
            self.role = role;
        }
    }

    /// The digest of the typed script; a ban may have signed it.
    #[must_use]
    pub fn script(&self) -> Option<Digest> {
        match &self.order.source {
            PatchSource::Script(_) => Some(self.program.as_ref()?.digest),
            PatchSource::Signed | PatchSource::Command(_) | PatchSource::Program(_) => None,
        }
    }

    /// A warning about a script that no ban signs. The warning names the bans whose signed patches
    /// the script replaces.
    #[must_use]
    pub fn in_place_of<'b>(&self, bans: impl IntoIterator<Item = &'b Arc<Ban>>) -> Option<String> {
        self.script()?;
        let mut ids = BTreeSet::new();
        for ban in bans {
            let is_replaced = match (self.role, &ban.patch) {
                (ScriptRole::Signed, _) | (_, None) => false,
                (ScriptRole::Unsigned, Some(patch)) => patch.script.is_none(),
                (ScriptRole::Typed, Some(_)) => true,
            };
            if is_replaced {
                ids.insert(line::name(&ban.id));
            }
        }
        if ids.is_empty() {
            return None;
        }
        Some(format!(
            "no ban signs {}: it runs in place of the signed patch of {}",
            line::name(&self.program.as_ref()?.name),
            Vec::from_iter(ids).join(", ")
        ))
    }

    /// The order from which these payloads are made.
    #[must_use]
    pub const fn order(&self) -> &Order {
        &self.order
    }

    /// The file carried with the order, of which the journal keeps a copy.
    #[must_use]
    pub const fn program(&self) -> Option<&ProgramFile> {
        self.program.as_ref()
    }

    /// What runs in a container to which these bans apply. If a command was typed, the result is
    /// that one payload. Otherwise the result has the patch of each ban, the most severe ban's
    /// first; equal patches run once.
    #[must_use]
    pub fn of_bans(&self, bans: &[Arc<Ban>]) -> Vec<Result<Payload, NoPatch>> {
        let mut bans: Vec<&Ban> = bans.iter().map(AsRef::as_ref).collect();
        bans.sort_by_key(|ban| (Reverse(ban.severity), &ban.id));
        let (mut payloads, mut seen) = (Vec::new(), Vec::new());
        for ban in bans {
            match self.of_ban(ban) {
                Some(Ok(payload)) if seen.contains(&payload.digest) => {}
                Some(Ok(payload)) => {
                    seen.push(payload.digest);
                    payloads.push(Ok(payload));
                }
                Some(Err(why)) => payloads.push(Err(why)),
                None => {}
            }
        }
        if payloads.is_empty() {
            payloads.push(self.typed());
        }
        payloads
    }

    /// The payload that this ban requires; `None` if the typed payload runs instead.
    fn of_ban(&self, ban: &Ban) -> Option<Result<Payload, NoPatch>> {
        let script = match &self.order.source {
            PatchSource::Command(_) | PatchSource::Program(_) => return None,
            PatchSource::Signed => None,
            PatchSource::Script(call) => Some((call, self.program.as_ref()?)),
        };
        let needed = ban.patch.as_ref().and_then(|patch| patch.script);
        let runs_as_typed = match self.role {
            ScriptRole::Unsigned => needed.is_none(),
            ScriptRole::Signed => false,
            ScriptRole::Typed => true,
        };
        if script.is_some() && runs_as_typed {
            return None;
        }
        let id = ban.id.clone();
        Some(match (&ban.patch, needed, script) {
            (None, ..) => Err(NoPatch::None(id)),
            (Some(patch), None, _) => self.signed(ban, patch, patch.run.clone(), None),
            (Some(_), Some(needed), None) => Err(NoPatch::NeedsScript(id, needed)),
            (Some(_), Some(needed), Some((_, program))) if needed != program.digest => {
                Err(NoPatch::OtherScript(id, needed, program.digest))
            }
            (Some(patch), Some(_), Some((call, program))) => {
                let words = if call.arguments.is_empty() {
                    &patch.run
                } else {
                    &call.arguments
                };
                self.signed(ban, patch, of_script(&program.bytes, words), Some(program))
            }
        })
    }

    fn signed(
        &self,
        ban: &Ban,
        patch: &Patch,
        run: Vec<String>,
        program: Option<&ProgramFile>,
    ) -> Result<Payload, NoPatch> {
        let id = ban.id.clone();
        let Some(user) = user(&patch.user) else {
            let why = "its user is not UID:GID in numbers";
            return Err(NoPatch::Unusable(id, why));
        };
        if !is_command(&run) {
            return Err(NoPatch::Unusable(id, "it has no command"));
        }
        let check = self.check().or(patch.check.clone());
        if check.as_deref().is_some_and(|check| !is_command(check)) {
            return Err(NoPatch::Unusable(id, "its check is no command"));
        }
        let timeout = self.order.timeout.unwrap_or(patch.timeout);
        let mut work = self.work(run, program);
        work.check = check;
        work.user = self.order.user.unwrap_or(user);
        work.timeout = timeout.clamp(1, LONGEST);
        Ok(Payload {
            altered: self.altered(patch, &work, user),
            severity: Some(ban.severity),
            successor: ban.successor.clone(),
            ..Payload::new(work, program.cloned(), Some(id))
        })
    }

    /// The typed options that change signed values. The time limit is not among them, because every
    /// node may set its own.
    fn altered(&self, patch: &Patch, work: &Work, user: (u32, u32)) -> Vec<&'static str> {
        let has_words = match &self.order.source {
            PatchSource::Script(ProgramCall { arguments, .. }) => {
                work.program && !arguments.is_empty() && *arguments != patch.run
            }
            PatchSource::Signed | PatchSource::Command(_) | PatchSource::Program(_) => false,
        };
        let typed = [
            ("--check", work.check != patch.check),
            ("--user", work.user != user),
            ("--env", !work.environment.is_empty()),
            ("--workdir", work.directory.is_some()),
            ("ARG", has_words),
        ];
        let mut altered = Vec::new();
        for (option, is_other) in typed {
            if is_other {
                altered.push(option);
            }
        }
        altered
    }

    /// The payload that was typed.
    fn typed(&self) -> Result<Payload, NoPatch> {
        let program = self.program.as_ref();
        let run = match (&self.order.source, program) {
            (PatchSource::Command(words), _) => words.clone(),
            (PatchSource::Script(script), Some(program)) => {
                of_script(&program.bytes, &script.arguments)
            }
            (PatchSource::Program(call), Some(_)) => of_program(&call.arguments),
            // Not reached for signed patches: without a ban, a container does not match.
            (PatchSource::Signed | PatchSource::Script(_) | PatchSource::Program(_), _) => {
                return Err(NoPatch::None("no ban".to_owned()));
            }
        };
        let work = self.work(run, program);
        Ok(Payload::new(work, program.cloned(), None))
    }

    /// The typed check; the shell runs it.
    fn check(&self) -> Option<Vec<String>> {
        let command = self.order.check.as_deref()?;
        Some(["sh", "-c", command].map(str::to_owned).to_vec())
    }

    /// The work that was typed, with this command.
    fn work(&self, run: Vec<String>, program: Option<&ProgramFile>) -> Work {
        let order = &self.order;
        Work {
            check: self.check(),
            run,
            user: order.user.unwrap_or(USUAL_USER),
            environment: order.environment.clone(),
            directory: order.directory.clone(),
            timeout: order.timeout.unwrap_or(USUAL_TIMEOUT),
            unpause: order.unpause,
            program: program.is_some(),
        }
    }
}

/// Reads `UID:GID`.
fn user(text: &str) -> Option<(u32, u32)> {
    let (user, group) = text.split_once(':')?;
    Some((user.parse().ok()?, group.parse().ok()?))
}

fn is_command(words: &[String]) -> bool {
    words.first().is_some_and(|word| !word.is_empty())
}

fn of_program(words: &[String]) -> Vec<String> {
    let mut command = vec![place()];
    command.extend_from_slice(words);
    command
}

/// The command for a script. The kernel starts the interpreter that the script's first line names;
/// without such a line, the shell does.
fn of_script(bytes: &[u8], words: &[String]) -> Vec<String> {
    let mut command = of_program(words);
    if !bytes.starts_with(b"#!") {
        command.insert(0, "/bin/sh".to_owned());
    }
    command
}

/// Checks the file, its name, and the name of the link's target: `rm` may be a link to busybox.
fn check_program(path: &Path, bytes: &[u8]) -> Result<(), NotProgram> {
    let target = path.canonicalize().ok();
    for path in [Some(path), target.as_deref()] {
        if let Some(name) = path.and_then(Path::file_name) {
            program::check_name(name)?;
        }
    }
    program::check(bytes)
}

/// Why the file is not a script; `None` if it is one.
fn not_script(bytes: &[u8]) -> Option<NotScript> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    if bytes.trim_ascii().is_empty() {
        Some(NotScript::Empty)
    } else if bytes.starts_with(program::MAGIC) {
        Some(NotScript::Program)
    } else if first.starts_with(b"#!") && first.ends_with(b"\r") {
        Some(NotScript::CarriageReturn)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;

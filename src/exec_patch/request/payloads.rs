//! Prepares what runs in each container of an order.
//!
//! In: an order, the files that it names, and the bans that apply to a container. Out: a
//! [`Payload`] for each patch. A ban's patch was signed together with the list. A script is not
//! part of the list; the ban has its digest, and the file must match it. Not checked: whether the
//! container has what the command needs.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::arguments::{Order, PatchSource, USUAL_TIMEOUT, USUAL_USER};
use super::payload::error::{NoPatch, NotScript, PayloadError};
use super::payload::program::{self, NotProgram};
use super::payload::{Payload, ProgramFile, place};
use crate::banlist::record::{Ban, Patch};
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
    /// Whether a ban signed the script. Then the script runs only as the patch of such bans.
    is_signed: bool,
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
                is_script(&program.bytes)
                    .map_err(|fault| PayloadError::Script(script.file.clone(), fault))?;
                Some(program)
            }
            PatchSource::Program(call) => {
                let program = ProgramFile::load(&call.file)?;
                let checked = check_names(&call.file).and_then(|()| program::check(&program.bytes));
                checked.map_err(|fault| PayloadError::Program(call.file.clone(), fault))?;
                Some(program)
            }
        };
        Ok(Self {
            order,
            program,
            is_signed: false,
        })
    }

    /// The payloads of an earlier order, with the copy of the file that was carried then. If a ban
    /// had signed the script then (`is_signed`), that still counts, whatever the list says now.
    #[must_use]
    pub const fn again(order: Order, program: Option<ProgramFile>, is_signed: bool) -> Self {
        Self {
            order,
            program,
            is_signed,
        }
    }

    /// Records whether one of this order's bans signs the script. Then each container gets the
    /// patches of its own bans, as without a script.
    pub const fn set_signed(&mut self, is_signed: bool) {
        self.is_signed |= is_signed;
    }

    /// The digest of the typed script; a ban may have signed it.
    #[must_use]
    pub fn script(&self) -> Option<Digest> {
        match &self.order.source {
            PatchSource::Script(_) => self.program.as_ref().map(|program| program.digest),
            PatchSource::Signed | PatchSource::Command(_) | PatchSource::Program(_) => None,
        }
    }

    /// A warning about a script that no ban signs: it names the bans whose signed patches it
    /// replaces.
    #[must_use]
    pub fn in_place_of<'b>(&self, bans: impl IntoIterator<Item = &'b Arc<Ban>>) -> Option<String> {
        let script = self
            .script()
            .filter(|_| !self.is_signed)
            .and(self.program.as_ref())?;
        let has_own = |ban: &&Arc<Ban>| {
            ban.patch
                .as_ref()
                .is_some_and(|patch| patch.script.is_none())
        };
        let ids: BTreeSet<_> = bans
            .into_iter()
            .filter(has_own)
            .map(|ban| line::name(&ban.id))
            .collect();
        let ids = Vec::from_iter(ids).join(", ");
        (!ids.is_empty()).then(|| {
            format!(
                "no ban signs {}: it runs in place of the signed patch of {ids}",
                line::name(&script.name)
            )
        })
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

    /// What runs in a container to which these bans apply. If a command was typed, it is that one
    /// payload. Otherwise it is the patch of each ban, the most severe ban's first; equal patches
    /// run once.
    #[must_use]
    pub fn of_bans(&self, bans: &[Arc<Ban>]) -> Vec<Result<Payload, NoPatch>> {
        let mut bans: Vec<_> = bans.iter().map(AsRef::as_ref).collect();
        bans.sort_by(|one: &&Ban, other: &&Ban| {
            other
                .severity
                .cmp(&one.severity)
                .then_with(|| one.id.cmp(&other.id))
        });
        let mut payloads: Vec<Result<Payload, NoPatch>> = Vec::new();
        let mut seen = Vec::new();
        let for_each: Vec<_> = bans.iter().filter_map(|ban| self.of_ban(ban)).collect();
        let all = if for_each.is_empty() {
            vec![self.typed()]
        } else {
            for_each
        };
        for payload in all {
            let digest = payload.as_ref().map(|payload| payload.digest).ok();
            if digest.is_none_or(|digest| !seen.contains(&digest)) {
                seen.extend(digest);
                payloads.push(payload);
            }
        }
        payloads
    }

    /// What this ban requires to run; `None` if what was typed runs instead.
    fn of_ban(&self, ban: &Ban) -> Option<Result<Payload, NoPatch>> {
        let needed = ban.patch.as_ref().and_then(|patch| patch.script);
        match (&self.order.source, &ban.patch, needed, &self.program) {
            (PatchSource::Command(_) | PatchSource::Program(_), ..) => None,
            (PatchSource::Script(_), _, None, _) if !self.is_signed => None,
            (PatchSource::Signed | PatchSource::Script(_), None, ..) => {
                Some(Err(NoPatch::None(ban.id.clone())))
            }
            (PatchSource::Signed, Some(_), Some(needed), _) => {
                Some(Err(NoPatch::NeedsScript(ban.id.clone(), needed)))
            }
            (PatchSource::Signed | PatchSource::Script(_), Some(patch), None, _) => {
                Some(self.signed(ban, patch, patch.run.clone(), None))
            }
            (PatchSource::Script(script), Some(patch), Some(needed), Some(program))
                if needed == program.digest =>
            {
                let words = if script.arguments.is_empty() {
                    &patch.run
                } else {
                    &script.arguments
                };
                Some(self.signed(ban, patch, of_script(&program.bytes, words), Some(program)))
            }
            (PatchSource::Script(_), _, Some(needed), program) => {
                let found = program
                    .as_ref()
                    .map_or_else(|| Digest::of(b""), |program| program.digest);
                Some(Err(NoPatch::OtherScript(ban.id.clone(), needed, found)))
            }
        }
    }

    fn signed(
        &self,
        ban: &Ban,
        patch: &Patch,
        run: Vec<String>,
        program: Option<&ProgramFile>,
    ) -> Result<Payload, NoPatch> {
        let unusable = |why| NoPatch::Unusable(ban.id.clone(), why);
        let user = patch
            .user
            .split_once(':')
            .and_then(|(user, group)| Some((user.parse().ok()?, group.parse().ok()?)));
        let user = user.ok_or_else(|| unusable("its user is not UID:GID in numbers"))?;
        if run.first().is_none_or(String::is_empty) {
            return Err(unusable("it has no command"));
        }
        let check = self
            .order
            .check
            .as_deref()
            .map(shell)
            .or_else(|| patch.check.clone());
        if check
            .as_ref()
            .is_some_and(|check| check.first().is_none_or(String::is_empty))
        {
            return Err(unusable("its check is no command"));
        }
        let timeout = self
            .order
            .timeout
            .unwrap_or(patch.timeout)
            .clamp(1, LONGEST);
        let work = self.work(
            check,
            run,
            self.order.user.unwrap_or(user),
            timeout,
            program.is_some(),
        );
        let altered = self.altered(patch, &work, user);
        let (severity, successor) = (Some(ban.severity), ban.successor.clone());
        Ok(Payload {
            altered,
            severity,
            successor,
            ..Payload::new(work, program.cloned(), Some(ban.id.clone()))
        })
    }

    /// The typed options that change signed values. The time limit does not count: it is the node's
    /// own decision.
    fn altered(&self, patch: &Patch, work: &Work, user: (u32, u32)) -> Vec<&'static str> {
        let has_words = matches!(&self.order.source, PatchSource::Script(script) if work.program && !script.arguments.is_empty() && script.arguments != patch.run);
        let typed = [
            ("--check", work.check != patch.check),
            ("--user", work.user != user),
            ("--env", !work.environment.is_empty()),
            ("--workdir", work.directory.is_some()),
            ("ARG", has_words),
        ];
        typed
            .into_iter()
            .filter(|(_, is_other)| *is_other)
            .map(|(option, _)| option)
            .collect()
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
        let (user, timeout) = (
            self.order.user.unwrap_or(USUAL_USER),
            self.order.timeout.unwrap_or(USUAL_TIMEOUT),
        );
        let work = self.work(
            self.order.check.as_deref().map(shell),
            run,
            user,
            timeout,
            program.is_some(),
        );
        Ok(Payload::new(work, program.cloned(), None))
    }

    fn work(
        &self,
        check: Option<Vec<String>>,
        run: Vec<String>,
        user: (u32, u32),
        timeout: u64,
        program: bool,
    ) -> Work {
        let Order {
            environment,
            directory,
            unpause,
            ..
        } = &self.order;
        Work {
            check,
            run,
            user,
            environment: environment.clone(),
            directory: directory.clone(),
            timeout,
            unpause: *unpause,
            program,
        }
    }
}

fn shell(command: &str) -> Vec<String> {
    ["sh", "-c", command].map(str::to_owned).to_vec()
}

fn of_program(words: &[String]) -> Vec<String> {
    std::iter::once(place())
        .chain(words.iter().cloned())
        .collect()
}

/// The command for a script. The kernel starts the interpreter that the script's first line names;
/// without such a line, the shell does.
fn of_script(bytes: &[u8], words: &[String]) -> Vec<String> {
    let shell = if bytes.starts_with(b"#!") {
        None
    } else {
        Some("/bin/sh".to_owned())
    };
    shell.into_iter().chain(of_program(words)).collect()
}

/// Checks the given name, and the name of the file that a link leads to: `rm` may be a link to
/// busybox.
fn check_names(path: &Path) -> Result<(), NotProgram> {
    let led_to = path.canonicalize().ok();
    [Some(path), led_to.as_deref()]
        .into_iter()
        .flatten()
        .filter_map(Path::file_name)
        .try_for_each(program::check_name)
}

fn is_script(bytes: &[u8]) -> Result<(), NotScript> {
    let first = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    if bytes.trim_ascii().is_empty() {
        Err(NotScript::Empty)
    } else if bytes.starts_with(program::MAGIC) {
        Err(NotScript::Program)
    } else if first.starts_with(b"#!") && first.ends_with(b"\r") {
        Err(NotScript::CarriageReturn)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;

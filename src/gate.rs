//! Runs one call of the runtime.
//!
//! In: the process's argv and environment. Out: this process turned into the real runtime, or the
//! exit status of a refusal. This file calls the other modules, which do the work, in the order of
//! the diagram in `lib.rs`. A call that starts nothing needs only the real runtime's path and, if
//! it names a container, a look at the runtimes' state directories. As an OCI hook, this program
//! judges the container in the same way, and then ends: the runtime that called it is running
//! already.

use std::error::Error;
use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use crate::argv::Reading;
use crate::audit;
use crate::banlist::store::{self, Bans};
use crate::call::{self, Call, LogTarget, PassOn, Starts};
use crate::check::{self, Ran};
use crate::container::ContainerId;
use crate::container::bundle::Bundle;
use crate::container::engine::{self, Engine};
use crate::container::state::{State, StateInputError};
use crate::delegate::{self, DelegateError, RuntimeFamily};
use crate::handover;
use crate::lineage::{self, LineageError, Origin, Unknown, image};
use crate::paths::Paths;
use crate::refusal::{self, LogDialect};
use crate::report::{self, Exit};
use crate::settings::{self, Settings, SettingsError};
use crate::sys::clock::Timestamp;
use crate::sys::file::{self, Guard};
use crate::sys::process::{self, Given};
use crate::verdict::{self, Case, Judgement, Labels, Verdict, break_glass};

/// Runs one call and returns the exit status. Does not return if this process becomes the real
/// runtime.
#[must_use]
pub fn run(given: &Given<'_>) -> u8 {
    let paths = Paths::for_caller(given.variable("EMBARGO_ROOT"), process::is_privileged());
    let words = given.words();
    let exit = match call::read(&words) {
        Call::Check(words) => match check::run(words, &paths) {
            Ran::Done(exit) => exit,
            Ran::Outside(_) => hand_over(given, "embargo check", Exit::CouldNotTell),
        },
        Call::ExecPatch => hand_over(given, "embargo exec-patch", Exit::Failed),
        Call::PassOn(call) => {
            hint_at_typo(&words);
            pass_on(&call, &paths, given)
        }
        Call::Hook => gate(&paths, given).hook(),
        Call::Starts(starts) => gate(&paths, given).pass(starts),
    };
    exit.code()
}

/// Lets `embargoctl` run the command. `otherwise` is the exit status if `embargoctl` cannot be run.
fn hand_over(given: &Given<'_>, command: &str, otherwise: Exit) -> Exit {
    let error = handover::become_embargoctl(given);
    report::failure(command, &error);
    report::hint(error.hint());
    otherwise
}

/// Prints a hint for a person at a terminal who mistyped one of Embargo's own commands. The runtime
/// itself will only say that the command is unknown.
fn hint_at_typo(words: &[&OsStr]) {
    if let Some(own) = call::nearly_own(words)
        && io::stderr().is_terminal()
    {
        report::hint(&format!("did you mean embargo {own}?"));
    }
}

/// Passes on a call that starts no container: to the runtime that made the container in question,
/// or else to the real runtime.
fn pass_on(call: &PassOn<'_>, paths: &Paths, given: &Given<'_>) -> Exit {
    let error = match delegate::find(settings::runtime_line(paths), given) {
        Ok(runtime) => {
            let former = call
                .named()
                .and_then(|named| delegate::former(&runtime, named, paths, given));
            delegate::become_runtime(
                verdict::nothing_starts(call),
                &former.unwrap_or(runtime),
                given,
            )
        }
        Err(error) => error,
    };
    report::remark(&refusal::failure_line(&error));
    report::hint(error.hint());
    Exit::Failed
}

/// Handles a call that may start a container.
struct Gate<'a> {
    paths: &'a Paths,
    given: &'a Given<'a>,
    now: Timestamp,
}

fn gate<'a>(paths: &'a Paths, given: &'a Given<'a>) -> Gate<'a> {
    Gate {
        paths,
        given,
        now: Timestamp::now(),
    }
}

impl Gate<'_> {
    /// Judges the container whose state a runtime writes to standard input. Both runc and crun end
    /// a start when one of its hooks at `createRuntime` fails.
    fn hook(&self) -> Exit {
        let settings = settings::load(self.paths);
        match self.judge(&settings, Start::of_hook(State::read(io::stdin().lock()))) {
            Verdict::Refuse(refusal) => refusal::announce_as_hook(refusal.line(), self.now),
            Verdict::Admit(_) => Exit::Clear,
        }
    }

    fn pass(&self, mut starts: Starts<'_>) -> Exit {
        let settings = settings::load(self.paths);
        let runtime = delegate::find(self.configured_runtime(&settings), self.given);
        let kind = match &runtime {
            Ok(runtime) => runtime.kind(),
            Err(_) => RuntimeFamily::Other,
        };
        let dialect = match kind {
            RuntimeFamily::Crun => LogDialect::Crun,
            RuntimeFamily::Runc | RuntimeFamily::Youki | RuntimeFamily::Other => LogDialect::Path,
        };
        if let Some(spoken) = kind.grammars() {
            starts.settle(spoken);
        }
        let log = starts
            .readings
            .first()
            .and_then(|reading| LogTarget::of(&reading.globals));
        starts.readings.retain(has_spec_file);
        match (self.verdict(&settings, &starts), runtime) {
            (Verdict::Refuse(refusal), _) => {
                refusal::announce(refusal.line(), log.as_ref(), dialect, self.now)
            }
            (Verdict::Admit(admission), Ok(runtime)) => {
                let error = delegate::become_runtime(admission, &runtime, self.given);
                self.fail(&error, log.as_ref(), dialect)
            }
            (Verdict::Admit(_), Err(error)) => self.fail(&error, log.as_ref(), dialect),
        }
    }

    /// The real runtime's path in the settings. If other parts of the settings have errors, the
    /// path is still read.
    fn configured_runtime(
        &self,
        settings: &Result<Option<Settings>, SettingsError>,
    ) -> Option<PathBuf> {
        match settings {
            Ok(settings) => settings.as_ref()?.runtime.clone(),
            Err(_) => settings::runtime_line(self.paths),
        }
    }

    fn fail(
        &self,
        error: &DelegateError,
        log: Option<&LogTarget<'_>>,
        dialect: LogDialect,
    ) -> Exit {
        let exit = refusal::announce(&refusal::failure_line(error), log, dialect, self.now);
        report::hint(error.hint());
        exit
    }

    /// The verdict on all ways to read the arguments. If the container of one reading is refused,
    /// the call is refused.
    fn verdict(
        &self,
        settings: &Result<Option<Settings>, SettingsError>,
        starts: &Starts<'_>,
    ) -> Verdict {
        if let Some(admission) = verdict::no_start(starts) {
            return Verdict::Admit(admission);
        }
        let (last, others) = match starts.readings.split_last() {
            Some((last, others)) if !starts.cut_short => (Start::of(last), others),
            Some(_) | None => (Start::unread(starts), &starts.readings[..]),
        };
        for reading in others {
            if let refused @ Verdict::Refuse(_) = self.judge(settings, Start::of(reading)) {
                return refused;
            }
        }
        self.judge(settings, last)
    }

    /// The verdict on one start. Sends its events to the system log.
    fn judge(&self, settings: &Result<Option<Settings>, SettingsError>, start: Start) -> Verdict {
        let judgement = match settings {
            Ok(Some(settings)) => self.judge_armed(settings, start),
            Ok(None) => {
                let judgement =
                    verdict::not_armed(&start.container, start.engine, &self.paths.settings);
                if !file::mark(&self.paths.not_armed) {
                    return judgement.verdict;
                }
                judgement
            }
            Err(error) => {
                let glass = break_glass::load(self.paths);
                verdict::settings_unreadable(
                    &start.container,
                    start.engine,
                    error,
                    glass.as_ref(),
                    self.now,
                )
            }
        };
        audit::send(self.paths, &judgement.events);
        judgement.verdict
    }

    fn judge_armed(&self, settings: &Settings, start: Start) -> Judgement {
        let (mut origin, bundle) = match start.bundle {
            Ok(bundle) => (
                lineage::resolve_without_names(&bundle, self.paths, settings.resolve_timeout),
                Some(bundle),
            ),
            Err(error) => (Err(error), None),
        };
        let mut bans = self.look_up(settings, origin.as_ref().ok());
        // Reading the names by which an image was pulled is only worth the time if the list bans
        // images.
        if let (Bans::Known(list), Ok(origin), Some(bundle)) = (&bans, &mut origin, &bundle)
            && list.image_digests > 0
            && lineage::add_pulled_digests(bundle, origin) > 0
        {
            bans = self.look_up(settings, Some(origin));
        }
        let glass = break_glass::load(self.paths);
        let case = Case {
            container: &start.container,
            name: None,
            engine: start.engine,
            origin: origin.as_ref(),
            labels: Labels::default(),
            bans: &bans,
            settings,
            break_glass: glass.as_ref(),
            created: None,
            now: self.now,
        };
        let judgement = verdict::judge(&case);
        if judgement.events.is_empty() {
            return judgement;
        }
        // The container's name and the image's labels are only shown, and reading them takes time.
        // So they are read only if there is an event. Then the [`Case`] is judged again, because
        // the texts of the refusal and of each event contain them.
        let name = match &bundle {
            Some(bundle) => lineage::called(bundle).ok().flatten(),
            None => None,
        };
        // When the container was made matters only if a ban spares containers that existed before.
        let created = match &bundle {
            Some(bundle) if judgement.depends_on_creation() => {
                lineage::created(bundle).unwrap_or_default()
            }
            Some(_) | None => None,
        };
        let facts = case.origin.ok().and_then(Origin::facts);
        let labels = facts.and_then(image::labels).unwrap_or_default();
        let labels = Labels {
            source: labels.source.as_deref(),
            revision: labels.revision.as_deref(),
        };
        verdict::judge(&Case {
            name: name.as_deref(),
            labels,
            created,
            ..case
        })
    }

    /// The list's matches for a container made of `origin`. If there is no `origin`, the result
    /// only tells which list is in force.
    fn look_up(&self, settings: &Settings, origin: Option<&Origin>) -> Bans {
        let queries = origin.map(verdict::queries).unwrap_or_default();
        store::look_up(self.paths, &settings.rules(), &queries)
    }
}

/// The start of a container, in one way to read the arguments.
struct Start {
    container: String,
    engine: Engine,
    bundle: Result<Bundle, LineageError>,
}

impl Start {
    fn of(reading: &Reading<'_>) -> Self {
        Self::new(reading.id.to_string_lossy().into_owned(), bundle(reading))
    }

    /// The start that a runtime is carrying out while it calls this program as a hook.
    fn of_hook(state: Result<State, StateInputError>) -> Self {
        match state {
            Ok(State { id, bundle }) => Self::new(id.to_string(), loaded(&bundle, &id, None)),
            Err(error) => Self::new(String::new(), Err(unusable(error))),
        }
    }

    fn new(container: String, bundle: Result<Bundle, LineageError>) -> Self {
        let engine = match &bundle {
            Ok(bundle) => engine::place(bundle).family(),
            Err(_) => Engine::Unknown,
        };
        Self {
            container,
            engine,
            bundle,
        }
    }

    /// Stands for the start of an unknown container, when the arguments have too many readings.
    fn unread(starts: &Starts<'_>) -> Self {
        let container = match starts.readings.first() {
            Some(reading) => reading.id.to_string_lossy().into_owned(),
            None => String::new(),
        };
        Self {
            container,
            engine: Engine::Unknown,
            bundle: Err(Unknown::Call.into()),
        }
    }
}

fn bundle(reading: &Reading<'_>) -> Result<Bundle, LineageError> {
    let Some(id) = reading.id.to_str().and_then(ContainerId::parse) else {
        return Err(Unknown::Id(reading.id.to_owned()).into());
    };
    let path = Path::new(reading.bundle.unwrap_or_default());
    loaded(path, &id, reading.spec_file.map(Path::new))
}

fn loaded(path: &Path, id: &ContainerId, spec_file: Option<&Path>) -> Result<Bundle, LineageError> {
    Bundle::load(path, id, spec_file).map_err(unusable)
}

fn unusable(error: impl Error + Send + Sync + 'static) -> LineageError {
    Unknown::Bundle(Box::new(error)).into()
}

/// Whether the spec file exists, which says what to start. If there is no spec file, the runtime
/// starts nothing and reports the missing file itself. A file that appears after this check is not
/// a bypass: whoever can write to the bundle can also call the real runtime directly.
fn has_spec_file(reading: &Reading<'_>) -> bool {
    let bundle = Path::new(reading.bundle.unwrap_or_default());
    let spec_file = match reading.spec_file {
        Some(file) => PathBuf::from(file),
        None => bundle.join("config.json"),
    };
    !matches!(file::open(&spec_file, Guard::Any), Err(error) if error.is_absent())
}

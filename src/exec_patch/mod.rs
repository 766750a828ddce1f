//! Patches the running containers that are built on a banned base.
//!
//! `embargo exec-patch`: one command patches every running container built on a banned base, and
//! reports for each container whether it was patched, and if not, why.
//!
//! ```text
//! request ─▶ select ─▶ plan ─────────▶ run ────────────▶ enter
//! what was   which      what follows,   canary, window,   one worker for each container:
//! typed      containers earlier runs    limit, rescan     the runtime's own exec, the deadline, the survivors
//!                                         └▶ journal
//! ```
//!
//! `run::runner` calls all of these parts.
//!
//! The main process plans the run and starts one worker process for each container. A worker
//! outlives the main process: even if the terminal is closed, it enforces the deadline and writes
//! the outcome to the journal. So no patch runs twice because somebody closed a window.

pub mod outcome;
pub mod job;
pub mod request;
pub mod select;
pub mod journal;
pub mod enter;
pub mod plan;
pub mod run;
pub mod state;

use std::ffi::OsString;

use self::journal::history;
use self::journal::past::RunLog;
use self::journal::runs::Runs;
use self::plan::error::PatchError;
use self::plan::request::Request;
use self::plan::signatures;
use self::request::arguments::{self, Options, Order, PROGRAM, Task};
use self::run::prune;
use self::run::runner::Runner;
use crate::paths::Paths;
use crate::report::{self, Exit};
use crate::settings::{self, Settings};
use crate::sys::process;

/// The name of the subcommand, which is the first argument of its command line.
pub const COMMAND: &str = "exec-patch";

/// Runs `exec-patch` with the arguments that follow this word.
#[must_use]
pub fn main(arguments: &[OsString]) -> Exit {
    let options = match arguments::read(arguments.iter().cloned()) {
        Ok(options) => options,
        Err(refusal) => return arguments::refused(&refusal),
    };
    let error = match carry_out(options, arguments) {
        Ok(exit) => return exit,
        Err(error) => error,
    };
    report::failure(PROGRAM, &error);
    for text in error.details() {
        report::remark(&text);
    }
    if let Some(hint) = error.hint() {
        report::hint(&hint);
    }
    error.exit()
}

fn carry_out(options: Options, argv: &[OsString]) -> Result<Exit, PatchError> {
    let root = std::env::var_os("EMBARGO_ROOT");
    let paths = Paths::for_caller(root.as_deref(), process::is_privileged());
    let settings = match settings::load(&paths)? {
        Some(settings) => settings,
        None => Settings::unset(),
    };
    let runner = Runner {
        paths: &paths,
        settings: &settings,
        argv,
        json: options.json,
        patience: options.wait,
    };
    let (pace, json, output_limit) = (options.pace, options.json, options.output_limit);
    let mut request = match options.action {
        Task::History(run) => return history(run.as_deref(), &Runs::load(&paths)?, json),
        Task::Prune(age) if options.dry_run => return prune::show(&paths, age, json),
        Task::Prune(age) => return prune::carry_out(&paths, age, options.wait, json),
        Task::Start(order) => Request::typed(*order, pace, output_limit)?,
        Task::OnlyFailed(run) => Request::failures(&run, &Runs::load(&paths)?, pace, output_limit)?,
        Task::Auto => match signatures::list(&paths, &settings)? {
            None => return Ok(Exit::Clear),
            list => Request {
                list,
                ..Request::typed(Order::automatic(), pace, output_limit)?
            },
        },
        Task::Resume(run) => {
            let runs = Runs::load(&paths)?;
            let past = runs.read(runs.find(&run)?)?;
            let again = |past: RunLog| -> Result<_, PatchError> {
                let list = signatures::again(past.header.trigger, &paths, &settings)?;
                Ok(Request {
                    list,
                    ..Request::resumed(past, pace)?
                })
            };
            if !options.dry_run {
                return runner.resume(&past, again);
            }
            again(past)?
        }
    };
    let exit = if options.dry_run {
        runner.show(&mut request, &Runs::load(&paths)?)?
    } else {
        runner.start(&mut request)?
    };
    // After the installation of a list (`--auto`) there is often nothing to patch. In that case,
    // the unit that runs `--auto` must not fail.
    let may_match_none = options.none_ok || request.list.is_some();
    if may_match_none && exit == Exit::NothingMatched {
        Ok(Exit::Clear)
    } else {
        Ok(exit)
    }
}

/// Prints the table of all runs, or one run.
fn history(run: Option<&str>, runs: &Runs, json: bool) -> Result<Exit, PatchError> {
    let (text, exit) = match (run, json) {
        (None, false) => history::table(runs)?,
        (None, true) => history::lines(runs)?,
        (Some(run), false) => (history::run(runs, runs.find(run)?)?, Exit::Clear),
        (Some(run), true) => (history::run_lines(runs, runs.find(run)?)?, Exit::Clear),
    };
    report::document(text.as_bytes()).map_err(PatchError::Print)?;
    if exit == Exit::Failed {
        report::hint(prune::UNREADABLE_HINT);
    }
    Ok(exit)
}

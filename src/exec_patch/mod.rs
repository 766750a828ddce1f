//! Patches the running containers that are built on a banned base.
//!
//! `embargo exec-patch`: one command patches every running container built on a banned base, and
//! reports for each container whether it was patched, and if not, why.
//!
//! ```text
//! request ─▶ select ─▶ plan ─────────▶ run ────────────▶ enter
//! what was   which      what follows,   canary, window,   one worker for each container:
//! typed      containers earlier runs    limit, rescan     the runtime's own exec, its deadline, what is left over
//!                                         └▶ journal
//! ```
//!
//! `run::runner` leads through all of it.
//!
//! One process plans and paces; each container gets a worker, a process of its own, which outlives
//! the main process: it keeps the deadline and writes the outcome into the journal whatever happens
//! to the terminal. So nothing runs twice because somebody closed a window.

pub mod outcome;
pub mod job;
pub mod request;
pub mod select;
pub mod journal;
pub mod enter;
pub mod plan;
pub mod run;

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

/// The subcommand's name, the first argument of a command line.
pub const COMMAND: &str = "exec-patch";

/// Does what the arguments after `exec-patch` ask for.
#[must_use]
pub fn main(words: &[OsString]) -> Exit {
    let options = match arguments::read(words.iter().cloned()) {
        Ok(options) => options,
        Err(refusal) => return arguments::refused(&refusal),
    };
    carried_out(options, words).unwrap_or_else(|error| {
        report::failure(PROGRAM, &error);
        error.details().iter().for_each(|text| report::remark(text));
        error.hint().iter().for_each(|hint| report::hint(hint));
        error.exit()
    })
}

fn carried_out(options: Options, argv: &[OsString]) -> Result<Exit, PatchError> {
    let paths = Paths::for_caller(
        std::env::var_os("EMBARGO_ROOT").as_deref(),
        process::is_privileged(),
    );
    let settings = settings::load(&paths)?.unwrap_or_else(Settings::unset);
    let runner = Runner {
        paths: &paths,
        settings: &settings,
        argv,
        json: options.json,
        patience: options.wait,
    };
    let Options {
        action,
        pace,
        dry_run,
        json,
        output_limit,
        wait,
        none_ok,
    } = options;
    let mut request = match action {
        Task::History(run) => return history(run.as_deref(), &Runs::load(&paths)?, json),
        Task::Prune(age) if dry_run => return prune::show(&paths, age, json),
        Task::Prune(age) => return prune::carry_out(&paths, age, wait, json),
        Task::Begin(order) => Request::typed(*order, pace, output_limit)?,
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
            if !dry_run {
                return runner.resume(&past, again);
            }
            again(past)?
        }
    };
    let exit = if dry_run {
        runner.show(&mut request, &Runs::load(&paths)?)?
    } else {
        runner.begin(&mut request)?
    };
    // If nothing has to be patched, the unit that runs after each installation has not failed.
    let may_match_none = none_ok || request.list.is_some();
    Ok(if may_match_none && exit == Exit::NothingMatched {
        Exit::Clear
    } else {
        exit
    })
}

/// Shows the runs, or one of them.
fn history(run: Option<&str>, runs: &Runs, json: bool) -> Result<Exit, PatchError> {
    let (text, exit) = match (run, json) {
        (None, false) => history::table(runs)?,
        (None, true) => history::lines(runs)?,
        (Some(run), false) => (history::run(runs, runs.find(run)?)?, Exit::Clear),
        (Some(run), true) => (history::run_lines(runs, runs.find(run)?)?, Exit::Clear),
    };
    report::document(text.as_bytes()).map_err(PatchError::Print)?;
    Ok(exit)
}

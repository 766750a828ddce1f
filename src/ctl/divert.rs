//! Implements `embargoctl divert`: puts Embargo in the place of runc and crun themselves.
//!
//! In: the paths of runtimes, or else every runc and crun in the usual directories; and what is at
//! these paths now. Out: at each path a link to Embargo, and beside it the runtime, with `.real`
//! added to its name, where Embargo looks for it. So whatever calls the runtime by its path is
//! judged: BuildKit, `docker run --runtime runc`, Podman. By a diversion, dpkg puts updates of the
//! runtime's package under the new name. All places are planned before the first one is changed. At
//! every moment a working runtime is at each place, because each change is one rename. A record is
//! written before the first change, so an interrupted command is completed, or undone, by the next
//! one. Not checked: whether the runtime works.

mod carry_out;
mod error;
mod place;
mod plan;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use self::place::{DivertNode, PlaceFacts};
use self::plan::DivertStep;
use super::{CtlError, lock};
use crate::delegate::{self, RuntimeFamily};
use crate::node::diversions::{self, Diversion, Keeper};
use crate::paths::Paths;
use crate::report::line;
use crate::settings;

pub use self::error::DivertError;

/// Put Embargo in the place of runc and crun themselves.
///
/// A link to Embargo takes the place of each runtime, and the runtime stays beside it, with .real
/// added to its name. Then everything that calls a runtime by its own path is judged too: BuildKit,
/// docker run --runtime runc, Podman. No engine needs a restart, and running containers are not
/// affected. Where dpkg installed the runtime, its updates go to the new name. Elsewhere an update
/// puts the runtime back at its place, and this command must be run again. A second run changes
/// nothing, or completes a run that was interrupted.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl divert --dry-run
  embargoctl divert
  embargoctl divert --undo")]
pub struct DivertArgs {
    /// Give each place back to its runtime.
    #[arg(long)]
    undo: bool,
    /// Only print what would be done.
    #[arg(long)]
    dry_run: bool,
    /// The runtimes. Default: every runc and crun in the usual directories; with --undo, every
    /// place that Embargo has taken.
    #[arg(value_name = "PATH")]
    places: Vec<PathBuf>,
}

/// One place with what is to be done there.
struct PlacePlan {
    diversion: Diversion,
    steps: Vec<DivertStep>,
}

/// Carries the command out, and returns the text to print.
///
/// # Errors
/// [`CtlError`]: what keeps the runtimes or Embargo from being found, or a fault of the system.
pub fn run(args: &DivertArgs, paths: &Paths) -> Result<String, CtlError> {
    divert(args, paths).map_err(CtlError::for_root)
}

fn divert(args: &DivertArgs, paths: &Paths) -> Result<String, CtlError> {
    let _lock = if args.dry_run {
        None
    } else {
        Some(lock::take(&paths.state)?)
    };
    let node = DivertNode::find(paths)?;
    let mut record = diversions::load(&paths.diversions)?;
    let plans = plans(args, &node, &record)?;
    let mut text = String::new();
    for plan in &plans {
        if !args.dry_run {
            carry_out::sweep(&plan.diversion, &node)?;
            for step in &plan.steps {
                carry_out::carry_out(*step, &plan.diversion, &node, &mut record)?;
            }
        }
        text += &describe(plan, args);
    }
    if plans.is_empty() {
        text += "embargo is in no runtime's place\n";
    }
    let is_taken = !args.undo && node.keeper == Keeper::Nobody;
    if is_taken {
        text +=
            "an update of a runtime puts it back at its place: then run embargoctl divert again\n";
    }
    Ok(text)
}

fn plans(
    args: &DivertArgs,
    node: &DivertNode<'_>,
    record: &[Diversion],
) -> Result<Vec<PlacePlan>, CtlError> {
    let places = if args.places.is_empty() {
        node.places(record)
    } else {
        node.named(&args.places)?
    };
    if places.is_empty() && !args.undo {
        return Err(DivertError::NoRuntime.into());
    }
    let configured = settings::runtime_line(node.paths).map(|path| match path.is_absolute() {
        true => node.at(&path),
        false => path,
    });
    let mut plans = Vec::new();
    for place in places {
        let facts = node.look(&place, record)?;
        let steps = if args.undo {
            if !facts.is_taken() {
                continue;
            }
            plan::undo(&facts)?
        } else {
            if !facts.is_recorded && RuntimeFamily::of(&place) == RuntimeFamily::Other {
                return Err(DivertError::NotRuntime(place).into());
            }
            let found = delegate::would_find(&node.at(&place), configured.clone(), &node.embargo);
            found.map_err(|fault| DivertError::NotFound(place, fault))?;
            plan::divert(&facts)?
        };
        let PlaceFacts { diversion, .. } = facts;
        plans.push(PlacePlan { diversion, steps });
    }
    Ok(plans)
}

/// What was done at a place, or would be done.
fn describe(plan: &PlacePlan, args: &DivertArgs) -> String {
    let (place, real) = (
        line::path(&plan.diversion.place),
        line::path(&plan.diversion.real),
    );
    match (args.undo, args.dry_run, plan.steps.is_empty()) {
        (false, _, true) => format!("{place}: embargo is in its place already\n"),
        (false, false, false) => {
            format!("{place}: embargo is in its place, and the runtime is {real}\n")
        }
        (false, true, false) => {
            format!("{place}: embargo would take its place, and the runtime would be {real}\n")
        }
        (true, false, _) => format!("{place}: the runtime is in its place\n"),
        (true, true, _) => format!("{place}: the runtime would be put back from {real}\n"),
    }
}

//! Describes a run that is about to start.
//!
//! Plain data; the header of the run's journal is made from it.

use super::header::{Carried, ProgramCopy, RunHeader, RunTerms, Trigger};
use super::ids::RunId;
use crate::audit::who::Who;
use crate::exec_patch::request::arguments::Order;
use crate::exec_patch::request::payload::ProgramFile;
use crate::sys::clock::Timestamp;

/// What is recorded when a run starts.
#[derive(Debug)]
pub struct NewRun<'a> {
    /// Who starts the run.
    pub by: Who,
    /// What caused the run.
    pub trigger: Trigger,
    /// The arguments that were typed, after the program's own name.
    pub argv: Vec<String>,
    /// What must run, and in which containers.
    pub order: Order,
    /// The limits of the run.
    pub terms: RunTerms,
    /// The payloads that are known at the start.
    pub carried: Vec<Carried>,
    /// The file carried with the request.
    pub program: Option<&'a ProgramFile>,
    /// The earlier run whose failed containers this run patches (`--only-failed`).
    pub only_failed: Option<RunId>,
    /// The version of the list in force.
    pub list_version: Option<u64>,
}

impl NewRun<'_> {
    /// The header of the run's journal.
    pub(super) fn header(self, id: RunId, started: Timestamp, boot: String) -> RunHeader {
        RunHeader {
            id,
            started,
            boot,
            by: self.by,
            trigger: self.trigger,
            argv: self.argv,
            order: self.order,
            terms: self.terms,
            carried: self.carried,
            program: self.program.map(ProgramCopy::of),
            only_failed: self.only_failed,
            list_version: self.list_version,
        }
    }
}

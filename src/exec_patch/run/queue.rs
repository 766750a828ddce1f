//! Queues the containers that scans find.
//!
//! In: plans. Out: the containers in which something runs. Outcomes that are known without running
//! anything are recorded at once.

use super::QueuedContainer;
use super::instances::{SeenInstances, Sighting};
use super::recorder::Recorder;
use crate::exec_patch::enter::runtimes::Runtimes;
use crate::exec_patch::outcome::Outcome;
use crate::exec_patch::plan::error::PatchError;
use crate::exec_patch::plan::{PatchStep, Plan, PlannedContainer};
use crate::exec_patch::select::Selection;
use crate::paths::Paths;
use crate::settings::Settings;

/// Makes the queue from the scans' results.
#[derive(Debug)]
pub(super) struct Queue {
    instances: SeenInstances,
    runtimes: Runtimes,
}

impl Queue {
    /// An empty queue.
    pub(super) fn new(settings: &Settings, paths: &Paths) -> Self {
        Self {
            instances: SeenInstances::default(),
            runtimes: Runtimes::find(settings, paths),
        }
    }

    /// Removes from a later scan's result everything that is not new to the run.
    pub(super) fn keep_new(&mut self, found: &mut Selection, record: &mut Recorder<'_>) {
        found.unidentified.retain(|one| record.is_new(one));
        found
            .matches
            .retain(|found| match self.instances.meet(&found.container) {
                Sighting::New => true,
                Sighting::Known => false,
                Sighting::Restarting => {
                    record.restarting(&found.container);
                    false
                }
            });
    }

    /// Records a plan and makes turns from it. Outcomes that are known without running anything are
    /// reported at once.
    pub(super) fn of(
        &mut self,
        plan: Plan,
        record: &mut Recorder<'_>,
    ) -> Result<Vec<QueuedContainer>, PatchError> {
        record.plan(&plan)?;
        let mut turns = Vec::new();
        for PlannedContainer {
            container, steps, ..
        } in plan.planned
        {
            self.instances.meet(&container);
            let mut payloads = Vec::new();
            for step in steps {
                match step {
                    PatchStep::Run(payload) => payloads.push(payload),
                    PatchStep::Before(payload, run) => {
                        record.settle(&container, Some(&payload), &Outcome::PatchedBefore { run })
                    }
                    PatchStep::Stands(payload, outcome) => {
                        record.known(&container, Some(&payload), &outcome)
                    }
                    PatchStep::Cannot(why) => record.settle(
                        &container,
                        None,
                        &Outcome::CouldNotEnter {
                            why: why.to_string(),
                        },
                    ),
                }
            }
            if payloads.is_empty() {
                continue;
            }
            match self.runtimes.of(container.kind) {
                Ok(runtime) => turns.push(QueuedContainer {
                    runtime: runtime.to_owned(),
                    container,
                    payloads,
                }),
                Err(why) => {
                    for payload in &payloads {
                        record.settle(&container, Some(payload), &why);
                    }
                }
            }
        }
        Ok(turns)
    }
}

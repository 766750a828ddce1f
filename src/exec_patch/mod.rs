//! What is run in the containers that are built on a banned base?
//!
//! `embargo exec-patch`: one command patches every running container built on a banned base, and says afterwards, container by container, what was
//! patched, what was not and why.
//!
//! ```text
//! words ─▶ payload ─▶ select ─▶ plan ─▶ run ─────────────▶ enter ─▶ tree, output
//! what was  what would  which      what     canary, window,  one worker for each container:
//! typed     run         containers follows  limit, rescan    the runtime's own exec, its deadline, what is left of it
//!                                             └▶ journal, table
//! ```
//!
//! One process plans and paces; each container gets a worker, a process of its own, which outlives the first one's end: it keeps the deadline and
//! writes the outcome into the journal whatever becomes of the terminal. So nothing is run twice because somebody closed a window.

pub mod enter;
pub mod journal;
pub mod job;
pub mod outcome;
pub mod output;
pub mod pace;
pub mod payload;
pub mod plan;
pub mod run;
pub mod select;
pub mod table;
pub mod tree;
pub mod words;

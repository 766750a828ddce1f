//! Describes a run in a few words.
//!
//! In: a run's header. Out: one line of text for tables, messages and the system log. Names in it
//! are quoted unless they are plain.

use super::line::RunHeader;
use crate::exec_patch::request::arguments::PatchSource;
use crate::exec_patch::request::target::{Selector, Target};
use crate::report::line;

/// At most this many bans are named.
const MOST_BANS: usize = 3;

impl RunHeader {
    /// Which containers the run is for: `BAN-2026-0007`, `all that are banned`, `base debian:12.4,
    /// engine docker`.
    #[must_use]
    pub fn subject(&self) -> String {
        let Target {
            selector,
            engines,
            namespaces,
            containers,
        } = &self.order.target;
        let selected = match selector {
            Selector::Bans(bans) => several(bans),
            Selector::AllBanned => "all that are banned".to_owned(),
            Selector::Base(base) => format!("base {}", line::name(base)),
            Selector::Image(image) => format!("image {}", line::name(image)),
        };
        let engines = engines.iter().map(ToString::to_string).collect();
        let narrowed = [
            ("engine", &engines),
            ("namespace", namespaces),
            ("container", containers),
        ];
        let narrowed = narrowed
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(word, names)| format!(", {word} {}", several(names)));
        let failed = self
            .only_failed
            .as_ref()
            .map(|run| format!(", what was not ok in {run}"));
        selected + &narrowed.chain(failed).collect::<String>()
    }

    /// What runs in the containers: the command as it was typed, or a text that says that the bans'
    /// own patches run.
    #[must_use]
    pub fn command(&self) -> String {
        match (&self.order.source, self.carried.as_slice()) {
            (
                PatchSource::Command(_) | PatchSource::Script(_) | PatchSource::Program(_),
                [carried, ..],
            ) => line::one_line(&carried.command),
            (PatchSource::Script(program) | PatchSource::Program(program), []) => {
                line::name(&program.file.to_string_lossy())
            }
            (PatchSource::Command(words), []) => line::one_line(&words.join(" ")),
            (PatchSource::Signed, [carried]) => {
                format!("its signed patch: {}", line::one_line(&carried.command))
            }
            (PatchSource::Signed, _) => "the signed patch of each ban".to_owned(),
        }
    }

    /// The bans that are the reason for the run, if any.
    #[must_use]
    pub fn bans(&self) -> Vec<String> {
        match &self.order.target.selector {
            Selector::Bans(bans) => bans.clone(),
            Selector::AllBanned | Selector::Base(_) | Selector::Image(_) => {
                let mut bans: Vec<_> = self
                    .carried
                    .iter()
                    .filter_map(|carried| carried.ban.clone())
                    .collect();
                bans.sort();
                bans.dedup();
                bans
            }
        }
    }
}

/// The first few names, and the number of the remaining ones.
fn several(names: &[String]) -> String {
    let named: Vec<_> = names
        .iter()
        .take(MOST_BANS)
        .map(|name| line::name(name))
        .collect();
    let more = names.len() - named.len();
    named.join(", ")
        + &if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        }
}

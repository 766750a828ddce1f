//! Describes a run in a few words.
//!
//! In: its header. Out: text for one line, for tables, messages and the system log; names in it are
//! quoted unless they are plain.

use super::line::Header;
use crate::exec_patch::select::{Wanted, What};
use crate::exec_patch::words::Means;
use crate::report::line;

/// The most bans that are named.
const MOST_BANS: usize = 3;

impl Header {
    /// Which containers it is for: `BAN-2026-0007`, `all that are banned`,
    /// `base debian:12.4, engine docker`.
    #[must_use]
    pub fn subject(&self) -> String {
        let Wanted {
            what,
            engines,
            namespaces,
            containers,
        } = &self.order.wanted;
        let what = match what {
            What::Bans(bans) => several(bans),
            What::AllBanned => "all that are banned".to_owned(),
            What::Base(base) => format!("base {}", line::name(base)),
            What::Image(image) => format!("image {}", line::name(image)),
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
            .map(|run| format!(", what was not well in {run}"));
        what + &narrowed.chain(failed).collect::<String>()
    }

    /// What runs in them, as a person typed it, or a text that it is the bans' own patches.
    #[must_use]
    pub fn command(&self) -> String {
        match (&self.order.means, self.carried.as_slice()) {
            (Means::Command(_) | Means::Script(_) | Means::Program(_), [carried, ..]) => {
                line::one_line(&carried.told)
            }
            (Means::Script(brought) | Means::Program(brought), []) => {
                line::name(&brought.file.to_string_lossy())
            }
            (Means::Command(words), []) => line::one_line(&words.join(" ")),
            (Means::Signed, [carried]) => {
                format!("its signed patch: {}", line::one_line(&carried.told))
            }
            (Means::Signed, _) => "the signed patch of each ban".to_owned(),
        }
    }

    /// The bans that it is for, if any.
    #[must_use]
    pub fn bans(&self) -> Vec<String> {
        match &self.order.wanted.what {
            What::Bans(bans) => bans.clone(),
            What::AllBanned | What::Base(_) | What::Image(_) => {
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

/// The first few names, and how many more.
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

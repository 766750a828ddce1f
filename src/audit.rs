//! Sends the verdict's events to the system log.
//!
//! In: events from the verdict, with hostile names in them. Out: one record for each event, with a
//! field for every fact. So the logs of many nodes can answer "who was refused by this ban, from
//! which source revision?". Sending never waits long and never prints, and a machine without a
//! system log is not an error: when a container is admitted, the engine must not notice Embargo.
//! Embargo itself stores no record, only how many there were (`counts`).

pub mod counts;
#[cfg(feature = "ctl")]
pub mod emergency;
#[cfg(feature = "ctl")]
pub mod installation;
#[cfg(feature = "ctl")]
pub mod patching;
#[cfg(feature = "ctl")]
pub mod rotation;
#[cfg(feature = "ctl")]
pub mod who;

use std::path::Path;
use std::time::Instant;

use nix::errno::Errno;

use crate::banlist::ban::Severity;
use crate::lineage::Evidence;
use crate::paths::Paths;
use crate::report::line;
use crate::sys::file::{self, Guard};
use crate::sys::system_log::{self, DAEMON, Record, Sockets};
use crate::verdict::Grounds;
use crate::verdict::event::Event;

/// The longest field, in characters. No real name is longer.
const LONGEST_FIELD: usize = 1_000;

/// The result of an action that a person started.
#[cfg(feature = "ctl")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The action succeeded.
    Done,
    /// The action was refused, or failed.
    Refused,
}

#[cfg(feature = "ctl")]
impl Ending {
    /// The priority (RFC 5424, table 2): 4 warning, 5 notice.
    const fn priority(self) -> u8 {
        match self {
            Self::Refused => 4,
            Self::Done => 5,
        }
    }
}

/// Counts every event, and sends it to the system log, if a system log listens.
pub fn send(paths: &Paths, events: &[Event]) {
    if !events.is_empty() {
        counts::add(paths, owner(), events);
        send_to(&Sockets::system(), events);
    }
}

/// Sends the events to the system log that listens on these sockets. If the log's queue is full,
/// this function waits once for all events together, and then gives up.
pub fn send_to(sockets: &Sockets, events: &[Event]) {
    let (until, owner) = (system_log::soon(), owner());
    for event in events {
        let head = Head {
            priority: event.kind.priority(),
            message_id: event.kind.message_id(),
        };
        // A missing system log is not reported: nothing may be printed among a container's own
        // output.
        if record(sockets, head, &event.message, fields(event, owner), until) == Err(Errno::EAGAIN)
        {
            return;
        }
    }
}

/// The facts with which every record begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    priority: u8,
    message_id: &'static str,
}

/// The fields of a record, in their order.
#[derive(Default)]
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    /// Adds a field of this name for each value. An unknown fact has no value, and so no field.
    fn add<T: ToString>(&mut self, name: &'static str, values: impl IntoIterator<Item = T>) {
        for value in values {
            self.0.push((name, value.to_string()));
        }
    }
}

/// Sends one record. The fields are cut and escaped; `message` already is one safe line.
fn record(
    sockets: &Sockets,
    head: Head,
    message: &str,
    mut fields: Vec<(&'static str, String)>,
    until: Instant,
) -> nix::Result<()> {
    for (_, value) in &mut fields {
        *value = line::one_line(&value.chars().take(LONGEST_FIELD).collect::<String>());
    }
    fields.insert(0, ("MESSAGE_ID", head.message_id.to_owned()));
    system_log::record(
        sockets,
        &Record {
            identifier: "embargo",
            facility: DAEMON,
            priority: head.priority,
            message,
            fields,
        },
        until,
    )
}

/// The user who owns the container: the user as whom the calling engine runs. In an engine's user
/// namespace, that user's number on the host differs from the one that this process sees. `uid_map`
/// (user_namespaces(7)) has three numbers in each line: the first user inside, the first user
/// outside, and how many there are.
fn owner() -> u32 {
    let inside = nix::unistd::geteuid().as_raw();
    let map =
        file::read_text(Path::new("/proc/self/uid_map"), 4_096, Guard::Any).unwrap_or_default();
    map.lines()
        .find_map(|line| outside(line, inside))
        .unwrap_or(inside)
}

/// The user's number outside, if this line of a `uid_map` has the number `inside`.
fn outside(line: &str, inside: u32) -> Option<u32> {
    let mut numbers = line.split_ascii_whitespace().map(str::parse::<u32>);
    let first = numbers.next()?.ok()?;
    let above = numbers.next()?.ok()?;
    let count = numbers.next()?.ok()?;
    let at = inside.checked_sub(first)?;
    if at < count {
        above.checked_add(at)
    } else {
        None
    }
}

/// The event's known facts, with the names of their fields. Each ban and each matched digest has a
/// field of its own.
fn fields(event: &Event, owner: u32) -> Vec<(&'static str, String)> {
    let subject = &event.subject;
    let mut fields = Fields::default();
    fields.add("EMBARGO_EVENT", [event.kind.word()]);
    fields.add("EMBARGO_BAN", &event.bans);
    fields.add(
        "EMBARGO_SEVERITY",
        event.severities.iter().max().copied().map(Severity::word),
    );
    fields.add("EMBARGO_SUCCESSOR", &event.successors);
    fields.add("EMBARGO_MATCH", &event.matched);
    fields.add("EMBARGO_GROUNDS", event.grounds.map(Grounds::word));
    fields.add("EMBARGO_DAYS_LEFT", event.days_left);
    fields.add("EMBARGO_BAD_SIGNATURES", event.bad_signatures);
    fields.add("EMBARGO_CONTAINER", [&subject.container]);
    fields.add("EMBARGO_NAME", &subject.name);
    fields.add("EMBARGO_OWNER", [owner]);
    fields.add("EMBARGO_IMAGE", &subject.image);
    fields.add("EMBARGO_IMAGE_ID", subject.image_id);
    fields.add("EMBARGO_CHAIN_ID", subject.chain_id);
    fields.add("EMBARGO_ENGINE", [subject.engine.word()]);
    fields.add("EMBARGO_LIST_VERSION", subject.list_version);
    fields.add("EMBARGO_EVIDENCE", subject.evidence.map(Evidence::word));
    fields.add("EMBARGO_SOURCE", &subject.source);
    fields.add("EMBARGO_REVISION", &subject.revision);
    fields.0
}

#[cfg(test)]
mod tests;

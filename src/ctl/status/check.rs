//! Says in one line and by an exit status how the node is, for a monitor.
//!
//! In: the state of a node. Out: what an operator should know, each as a [`Trouble`], and the line
//! and the exit status that Nagios, Icinga and node-problem-detector read: 0 ok, 1 warning, 2
//! critical, 3 unknown. What could not be read is unknown, which hides a warning but nothing
//! that is critical.

use super::coverage::engines_of_defaults;
use super::facts::{NodeMode, NodeStatus};
use super::stored;
use crate::container::engine::Engine;
use crate::ctl::last_install::InstallResult;
use crate::report::{Exit, amount, line};

/// How bad something is, the least bad first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Ok,
    Warning,
    Unknown,
    Critical,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Unknown => "UNKNOWN",
            Self::Critical => "CRITICAL",
        }
    }

    const fn exit(self) -> Exit {
        match self {
            Self::Ok => Exit::Clear,
            Self::Warning => Exit::Warning,
            Self::Unknown => Exit::CouldNotTell,
            Self::Critical => Exit::Critical,
        }
    }
}

/// What an operator should know about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    SettingsBroken,
    NoList,
    NoRuntime,
    PauseDoomed,
    ListOverdue,
    NotArmed,
    BreakGlassOpen,
    BreakGlassFault,
    ListFault,
    ListExpired,
    ListBehind,
    KeysetEnds,
    InstallRefused,
    Doomed,
    DefaultPastEmbargo,
    VersionsDiffer,
    TrustUnread,
    BansUnread,
    InstallUnread,
    CountsUnread,
    GateUnread,
    ContainersUnread,
    ContainersIncomplete,
    ContainersUnidentified,
    ContainersOld,
    RuntimesUnread,
    DefaultUnknown,
}

impl Trouble {
    /// Every trouble, the worst first.
    const ALL: [Self; 27] = [
        Self::SettingsBroken,
        Self::NoList,
        Self::NoRuntime,
        Self::PauseDoomed,
        Self::ListOverdue,
        Self::TrustUnread,
        Self::BansUnread,
        Self::InstallUnread,
        Self::CountsUnread,
        Self::GateUnread,
        Self::ContainersUnread,
        Self::ContainersIncomplete,
        Self::ContainersUnidentified,
        Self::ContainersOld,
        Self::RuntimesUnread,
        Self::DefaultUnknown,
        Self::NotArmed,
        Self::BreakGlassOpen,
        Self::BreakGlassFault,
        Self::DefaultPastEmbargo,
        Self::ListFault,
        Self::ListExpired,
        Self::ListBehind,
        Self::KeysetEnds,
        Self::InstallRefused,
        Self::Doomed,
        Self::VersionsDiffer,
    ];

    const fn level(self) -> Level {
        match self {
            Self::SettingsBroken
            | Self::NoList
            | Self::NoRuntime
            | Self::PauseDoomed
            | Self::ListOverdue => Level::Critical,
            Self::TrustUnread
            | Self::BansUnread
            | Self::InstallUnread
            | Self::CountsUnread
            | Self::GateUnread
            | Self::ContainersUnread
            | Self::ContainersIncomplete
            | Self::ContainersUnidentified
            | Self::ContainersOld
            | Self::RuntimesUnread
            | Self::DefaultUnknown => Level::Unknown,
            Self::NotArmed
            | Self::BreakGlassOpen
            | Self::BreakGlassFault
            | Self::ListFault
            | Self::ListExpired
            | Self::ListBehind
            | Self::KeysetEnds
            | Self::InstallRefused
            | Self::Doomed
            | Self::DefaultPastEmbargo
            | Self::VersionsDiffer => Level::Warning,
        }
    }

    /// The trouble in words, if this node has it.
    fn of(self, status: &NodeStatus) -> Option<String> {
        match self {
            Self::SettingsBroken => status.settings_fault.clone(),
            Self::NoList => no_list(status),
            Self::NoRuntime => status.programs.runtime_fault.clone(),
            Self::NotArmed => (!status.armed).then(|| "not armed".to_owned()),
            Self::BreakGlassOpen | Self::BreakGlassFault => self.of_break_glass(status),
            Self::ListOverdue | Self::ListFault | Self::ListExpired | Self::ListBehind => {
                self.of_list(status)
            }
            Self::KeysetEnds => status.keyset.as_ref()?.renewal.clone(),
            Self::InstallRefused => install_refused(status),
            Self::VersionsDiffer => {
                let (gate, ctl) = (status.programs.gate.as_ref()?, status.programs.ctl);
                (gate != ctl).then(|| format!("embargo is {gate}, embargoctl is {ctl}"))
            }
            Self::TrustUnread => status.trust_fault.clone().filter(|_| status.armed),
            Self::BansUnread => status.in_force.as_ref()?.bans_fault.clone(),
            Self::InstallUnread => status.last_install_fault.clone(),
            Self::CountsUnread => status.counts_fault.clone(),
            Self::GateUnread => status.programs.gate_fault.clone(),
            Self::ContainersUnread => status.containers_fault.clone(),
            Self::RuntimesUnread | Self::DefaultUnknown | Self::DefaultPastEmbargo => {
                self.of_runtimes(status)
            }
            Self::PauseDoomed
            | Self::Doomed
            | Self::ContainersIncomplete
            | Self::ContainersUnidentified
            | Self::ContainersOld => self.of_containers(status),
        }
    }

    fn of_break_glass(self, status: &NodeStatus) -> Option<String> {
        let glass = status.break_glass.as_ref()?;
        match (&glass.fault, glass.until) {
            (Some(fault), _) => (self == Self::BreakGlassFault).then(|| fault.clone()),
            (None, Some(until)) if self == Self::BreakGlassOpen => {
                Some(format!("break-glass is open until {until}"))
            }
            (None, _) => None,
        }
    }

    fn of_list(self, status: &NodeStatus) -> Option<String> {
        let list = status.in_force.as_ref()?;
        let floor = status.floor.as_ref();
        if self == Self::ListFault {
            status.in_force_fault.clone()
        } else if self == Self::ListOverdue && list.overdue {
            Some(format!("list {} is overdue", list.version))
        } else if self == Self::ListExpired && list.expired && !list.overdue {
            Some(format!("list {} expired at {}", list.version, list.expires))
        } else if self == Self::ListBehind
            && floor
                .is_some_and(|floor| (list.keyset, list.version) < (floor.keyset, floor.version))
        {
            Some(format!("list {} is behind the floor", list.version))
        } else {
            None
        }
    }

    /// A name that somebody has to choose is no trouble here: Docker's `runc` is open on every
    /// node where nothing is diverted, and a warning for ever is none.
    fn of_runtimes(self, status: &NodeStatus) -> Option<String> {
        if self == Self::RuntimesUnread {
            return runtimes_unread(status);
        }
        let runtimes = status.runtimes.as_ref().filter(|_| status.armed)?;
        let (engines, fact) = if self == Self::DefaultUnknown {
            let engines = engines_of_defaults(runtimes.doubtful());
            (engines, "may start past Embargo")
        } else {
            (engines_of_defaults(runtimes.open()), "start past Embargo")
        };
        let engines: Vec<&str> = engines.into_iter().map(Engine::word).collect();
        (!engines.is_empty()).then(|| format!("containers of {} {fact}", engines.join(", ")))
    }

    fn of_containers(self, status: &NodeStatus) -> Option<String> {
        let containers = status.containers.as_ref()?;
        let (_, _, unknown) = containers.totals();
        let doomed = containers.doomed.len();
        if self == Self::ContainersIncomplete && !containers.faults.is_empty() {
            let places = amount(containers.faults.len(), "place");
            Some(format!("{places} could not be read"))
        } else if self == Self::ContainersUnidentified && unknown > 0 {
            let containers = amount(unknown, "running container");
            Some(format!("{containers} could not be identified"))
        } else if self == Self::ContainersOld {
            stored::doubt(containers, status.at)
        } else if self == Self::PauseDoomed && containers.doomed.iter().any(|one| one.pause) {
            Some("no pod could start: a pause container would be refused".to_owned())
        } else if self == Self::Doomed && doomed > 0 {
            let containers = amount(doomed, "container");
            Some(format!("{containers} could not start again"))
        } else {
            None
        }
    }
}

fn no_list(status: &NodeStatus) -> Option<String> {
    let fault = status.in_force_fault.as_ref()?;
    (status.armed && status.in_force.is_none()).then(|| format!("no list: {fault}"))
}

/// What keeps the runtime names from being known, unless it also keeps the containers from it.
fn runtimes_unread(status: &NodeStatus) -> Option<String> {
    let fault = match &status.runtimes {
        Some(runtimes) => runtimes.faults.first(),
        None => status.runtimes_fault.as_ref(),
    };
    fault
        .filter(|_| status.containers_fault.is_none())
        .map(|fault| format!("runtime names are not known: {fault}"))
}

fn install_refused(status: &NodeStatus) -> Option<String> {
    let last = status.last_install.as_ref()?;
    let reason = last.reason.as_deref().unwrap_or_default();
    (last.result != InstallResult::Ok)
        .then(|| format!("last installation: {}: {reason}", last.result.word()))
}

/// The line, with its line end, and the exit status.
pub(super) fn result(status: &NodeStatus) -> (String, Exit) {
    let (mut level, mut texts) = (Level::Ok, Vec::new());
    for trouble in Trouble::ALL {
        if let Some(text) = trouble.of(status) {
            level = level.max(trouble.level());
            texts.push(text);
        }
    }
    if texts.is_empty() {
        texts.push(summary(status));
    }
    let line = line::one_line(&format!("{}: {}", level.word(), texts.join("; ")));
    (line + "\n", level.exit())
}

/// What a monitor shows of a node without trouble.
fn summary(status: &NodeStatus) -> String {
    let list = match &status.in_force {
        Some(list) => format!("list {}", list.version),
        None => "no list".to_owned(),
    };
    let running = status
        .containers
        .as_ref()
        .map_or(0, |found| found.totals().0);
    let containers = amount(running, "running container");
    let mode = match status.mode {
        NodeMode::Audit => "audit: nothing is refused",
        NodeMode::Off | NodeMode::Enforce => status.mode.word(),
    };
    format!("{mode}; {list}; {containers}")
}

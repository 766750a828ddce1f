//! Finds out who runs this command.
//!
//! In: the process itself: its effective user, the login session it comes from
//! (`/proc/self/loginuid`, which a login sets and `su` and `sudo` do not change), what sudo says in
//! the environment, and its terminal. Out: [`Who`], for the journal and the system log. The kernel
//! guarantees the first two. What sudo says is believed because only root writes journals, and root
//! may lie in its own. Names come from the user database, or are missing.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::Path;

use nix::unistd::{Uid, User};
use serde::{Deserialize, Serialize};

use crate::report::line;
use crate::sys::file::{self, Guard};

/// The login of a process without a login session (Linux: include/uapi/linux/audit.h,
/// `AUDIT_UID_UNSET`).
const NO_LOGIN: u32 = u32::MAX;

/// Who runs a command, from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// The effective user.
    pub user: Account,
    /// Who logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Account>,
    /// Who typed `sudo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo: Option<Account>,
    /// The terminal, if there is one: `/dev/pts/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<String>,
    /// The machine's name.
    pub host: String,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The number.
    pub uid: u32,
    /// The name, if the user database has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Account {
    /// The user of this number, with the name that the user database has.
    #[must_use]
    pub fn of(uid: u32) -> Self {
        let name = User::from_uid(Uid::from_raw(uid))
            .ok()
            .flatten()
            .map(|user| user.name);
        Self { uid, name }
    }

    /// The name, else the number.
    #[must_use]
    pub fn describe(&self) -> String {
        self.name
            .as_deref()
            .map_or_else(|| self.uid.to_string(), line::name)
    }
}

impl Who {
    /// Who runs this process; `variable` is the environment.
    #[must_use]
    pub fn here(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let number = |text: &str| {
            text.trim()
                .parse::<u32>()
                .ok()
                .filter(|uid| *uid != NO_LOGIN)
        };
        let of_proc = |path: &str| file::read_text(Path::new(path), 4_096, Guard::Any).ok();
        let of_environment = |name: &str| variable(name).and_then(|value| value.into_string().ok());
        Self {
            user: Account::of(nix::unistd::geteuid().as_raw()),
            login: of_proc("/proc/self/loginuid")
                .as_deref()
                .and_then(number)
                .map(Account::of),
            sudo: sudo(
                of_environment("SUDO_UID").as_deref().and_then(number),
                of_environment("SUDO_USER"),
            ),
            terminal: terminal(),
            host: of_proc("/proc/sys/kernel/hostname")
                .unwrap_or_default()
                .trim()
                .to_owned(),
        }
    }

    /// The person behind it, as far as known: who logged in, else who typed `sudo`, else the
    /// effective user.
    #[must_use]
    pub fn person(&self) -> &Account {
        self.login
            .as_ref()
            .or(self.sudo.as_ref())
            .unwrap_or(&self.user)
    }

    /// The person, and the user they acted as if that is another: `alice as root`.
    #[must_use]
    pub fn describe(&self) -> String {
        let (person, user) = (self.person(), &self.user);
        if person.uid == user.uid {
            person.describe()
        } else {
            format!("{} as {}", person.describe(), user.describe())
        }
    }
}

/// The user who typed `sudo`: its number by sudo(8), its name by the user database, else by sudo.
fn sudo(uid: Option<u32>, name: Option<String>) -> Option<Account> {
    let person = Account::of(uid?);
    Some(Account {
        name: person.name.or(name),
        ..person
    })
}

/// The terminal at one of the first three descriptors.
fn terminal() -> Option<String> {
    let at = [
        std::io::stdin().is_terminal(),
        std::io::stdout().is_terminal(),
        std::io::stderr().is_terminal(),
    ];
    let descriptor = at.iter().position(|is_terminal| *is_terminal)?;
    let path = std::fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()?;
    Some(path.to_string_lossy().into_owned())
}

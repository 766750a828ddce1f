//! Finds out who runs this command.
//!
//! In: facts about this process: its effective user, the user of its login session
//! (`/proc/self/loginuid`, which a login sets and `su` and `sudo` do not change), sudo's variables
//! in the environment, and the terminal. Out: [`Who`], for the journal and the system log. The
//! kernel guarantees the effective user and the user of the login session. sudo's variables are
//! trusted: only root writes journals, and root could write anything into a journal anyway. Names
//! come from the user database, or are missing.

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

/// Who runs a command, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// The effective user.
    pub user: Account,
    /// The user who logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Account>,
    /// The user who typed `sudo`.
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
    /// The user's number.
    pub uid: u32,
    /// The user's name, if the user database has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Account {
    /// The user with this number, and the name from the user database.
    #[must_use]
    pub fn of(uid: u32) -> Self {
        let name = match User::from_uid(Uid::from_raw(uid)) {
            Ok(Some(user)) => Some(user.name),
            Ok(None) | Err(_) => None,
        };
        Self { uid, name }
    }

    /// The user's name, or else the number.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.name {
            Some(name) => line::name(name),
            None => self.uid.to_string(),
        }
    }
}

impl Who {
    /// Who runs this process; `variable` reads the environment.
    #[must_use]
    pub fn here(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let login = of_proc("/proc/self/loginuid");
        let host = of_proc("/proc/sys/kernel/hostname");
        Self {
            user: Account::of(nix::unistd::geteuid().as_raw()),
            login: login.as_deref().and_then(number).map(Account::of),
            sudo: sudo(variable("SUDO_UID"), variable("SUDO_USER")),
            terminal: terminal(),
            host: host.unwrap_or_default().trim().to_owned(),
        }
    }

    /// The person who acts, as far as known: the user who logged in, else the user who typed
    /// `sudo`, else the effective user.
    #[must_use]
    pub fn person(&self) -> &Account {
        self.login
            .as_ref()
            .or(self.sudo.as_ref())
            .unwrap_or(&self.user)
    }

    /// The person, and the effective user if the two differ: `alice as root`.
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

fn of_proc(path: &str) -> Option<String> {
    file::read_text(Path::new(path), 4_096, Guard::Any).ok()
}

/// A user's number.
fn number(text: &str) -> Option<u32> {
    match text.trim().parse() {
        Ok(NO_LOGIN) | Err(_) => None,
        Ok(uid) => Some(uid),
    }
}

/// The user who typed `sudo`. The number comes from sudo (sudo(8)); the name comes from the user
/// database, else from sudo.
fn sudo(uid: Option<OsString>, name: Option<OsString>) -> Option<Account> {
    let mut person = Account::of(number(uid?.to_str()?)?);
    if person.name.is_none() {
        person.name = name.and_then(|name| name.into_string().ok());
    }
    Some(person)
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

//! Lists the flags that the runtimes know, and which of them take a value.
//!
//! The tables cover runc 1.0 to 1.5 and its main branch, crun 1.8 to 1.29 and youki's main branch.
//! Each table has the flags of all versions. Flags of other versions do no harm: a version that
//! lacks a flag ends with an error, and no container starts.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::grammar::StartCommand;
use super::reading::Stop;

/// What the scan assumes about flags that are in no table.
#[derive(Clone, Debug, Default)]
pub(super) struct Guesses<'a> {
    /// The assumption for each flag that has no value attached.
    pub(super) made: Vec<(&'a [u8], Takes)>,
    /// Whether an unknown flag with a value attached is assumed to take that value.
    pub(super) attached: bool,
}

/// The value that a flag takes, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing: the flag is a switch.
    Nothing,
    /// A value, after `=` or as the next argument.
    Value,
    /// A value as the next argument, never after `=`. An example is crun's `--network-lock`, which
    /// is declared without a value and read with one.
    NextArgument,
    /// A value only when it is attached (argp's `OPTION_ARG_OPTIONAL`).
    Attached,
}

/// What Embargo uses a flag for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Bundle,
    SpecFile,
    Root,
    Log,
    LogFormat,
    /// Help, usage or version: the runtime does nothing else.
    Help,
    Other,
}

/// A flag. `short` is its one-letter form, or 0 if the flag has no such form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag {
    pub(super) long: &'static str,
    pub(super) short: u8,
    pub(super) takes: Takes,
    pub(super) purpose: Purpose,
}

/// The flags of one command, divided into up to three tables.
pub(super) type FlagTable = [&'static [Flag]];

const fn flag(long: &'static str, short: u8, takes: Takes, purpose: Purpose) -> Flag {
    Flag {
        long,
        short,
        takes,
        purpose,
    }
}

const fn value(long: &'static str) -> Flag {
    flag(long, 0, Takes::Value, Purpose::Other)
}

const fn switch(long: &'static str) -> Flag {
    flag(long, 0, Takes::Nothing, Purpose::Other)
}

const BUNDLE: Flag = flag("bundle", b'b', Takes::Value, Purpose::Bundle);
const DETACH: Flag = flag("detach", b'd', Takes::Nothing, Purpose::Other);
const HELP: Flag = flag("help", b'h', Takes::Nothing, Purpose::Help);

const GO_GLOBAL: &[Flag] = &[
    flag("root", 0, Takes::Value, Purpose::Root),
    flag("log", 0, Takes::Value, Purpose::Log),
    flag("log-format", 0, Takes::Value, Purpose::LogFormat),
    switch("systemd-cgroup"),
    switch("debug"),
    value("rootless"),
    value("criu"),
];
const GO_VERSION: &[Flag] = &[HELP, flag("version", b'v', Takes::Nothing, Purpose::Help)];
const GO_CREATE: &[Flag] = &[
    BUNDLE,
    value("pid-file"),
    value("console-socket"),
    value("pidfd-socket"),
    value("preserve-fds"),
    switch("no-pivot"),
    switch("no-new-keyring"),
    HELP,
];
const GO_RUN: &[Flag] = &[DETACH, switch("keep"), switch("no-subreaper")];
const GO_RESTORE: &[Flag] = &[
    BUNDLE,
    DETACH,
    value("pid-file"),
    value("console-socket"),
    value("image-path"),
    value("work-path"),
    value("manage-cgroups-mode"),
    value("empty-ns"),
    value("lsm-profile"),
    value("lsm-mount-context"),
    switch("tcp-established"),
    switch("ext-unix-sk"),
    switch("shell-job"),
    switch("file-locks"),
    switch("no-subreaper"),
    switch("no-pivot"),
    switch("auto-dedup"),
    switch("lazy-pages"),
    HELP,
];

/// The flags that argp itself adds (glibc: argp/argp-parse.c, `argp_default_options`).
const ARGP: &[Flag] = &[
    flag("help", b'?', Takes::Nothing, Purpose::Help),
    flag("usage", 0, Takes::Nothing, Purpose::Help),
    flag("version", b'V', Takes::Nothing, Purpose::Help),
    value("program-name"),
    flag("HANG", 0, Takes::Attached, Purpose::Other),
];
const CRUN_GLOBAL: &[Flag] = &[
    flag("root", 0, Takes::Value, Purpose::Root),
    flag("log", 0, Takes::Value, Purpose::Log),
    flag("log-format", 0, Takes::Value, Purpose::LogFormat),
    flag("version", b'v', Takes::Nothing, Purpose::Help),
    switch("systemd-cgroup"),
    switch("debug"),
    value("log-level"),
    value("rootless"),
    value("cgroup-manager"),
];
const CRUN_CREATE: &[Flag] = &[
    BUNDLE,
    flag("config", b'f', Takes::Value, Purpose::SpecFile),
    value("pid-file"),
    value("console-socket"),
    value("preserve-fds"),
    switch("no-pivot"),
    switch("no-new-keyring"),
    switch("no-subreaper"),
];
const CRUN_RUN: &[Flag] = &[DETACH, switch("keep")];
const CRUN_RESTORE: &[Flag] = &[
    BUNDLE,
    DETACH,
    value("pid-file"),
    value("console-socket"),
    value("image-path"),
    value("work-path"),
    value("manage-cgroups-mode"),
    value("lsm-profile"),
    value("lsm-mount-context"),
    flag("network-lock", 0, Takes::NextArgument, Purpose::Other),
    switch("tcp-established"),
    switch("tcp-close"),
    switch("ext-unix-sk"),
    switch("shell-job"),
    switch("file-locks"),
];

const YOUKI_GLOBAL: &[Flag] = &[
    flag("root", b'r', Takes::Value, Purpose::Root),
    flag("log", b'l', Takes::Value, Purpose::Log),
    flag("log-format", 0, Takes::Value, Purpose::LogFormat),
    flag("systemd-cgroup", b's', Takes::Nothing, Purpose::Other),
    flag("version", b'v', Takes::Nothing, Purpose::Help),
    value("log-level"),
    switch("debug"),
    switch("systemd-log"),
    HELP,
];
const YOUKI_CREATE: &[Flag] = &[
    BUNDLE,
    flag("console-socket", b'c', Takes::Value, Purpose::Other),
    flag("pid-file", b'p', Takes::Value, Purpose::Other),
    value("preserve-fds"),
    switch("no-pivot"),
    switch("no-new-keyring"),
    HELP,
];
const YOUKI_RUN: &[Flag] = &[DETACH, switch("keep"), switch("no-subreaper")];

/// The flag tables of one runtime.
pub(super) struct Tables {
    pub(super) global: &'static FlagTable,
    create: &'static FlagTable,
    run: &'static FlagTable,
    restore: &'static FlagTable,
}

impl Tables {
    pub(super) const fn of(&self, command: StartCommand) -> &'static FlagTable {
        match command {
            StartCommand::Create => self.create,
            StartCommand::Run => self.run,
            StartCommand::Restore => self.restore,
        }
    }
}

pub(super) const RUNC: Tables = Tables {
    global: &[GO_GLOBAL, GO_VERSION],
    create: &[GO_CREATE],
    run: &[GO_CREATE, GO_RUN],
    restore: &[GO_RESTORE],
};
/// urfave/cli v3 allows the global flags after the command too, except help and version.
pub(super) const RUNC_NEXT: Tables = Tables {
    global: &[GO_GLOBAL, GO_VERSION],
    create: &[GO_CREATE, GO_GLOBAL],
    run: &[GO_CREATE, GO_RUN, GO_GLOBAL],
    restore: &[GO_RESTORE, GO_GLOBAL],
};
pub(super) const CRUN: Tables = Tables {
    global: &[CRUN_GLOBAL, ARGP],
    create: &[CRUN_CREATE, ARGP],
    run: &[CRUN_CREATE, CRUN_RUN, ARGP],
    restore: &[CRUN_RESTORE, ARGP],
};
/// youki has no `restore`.
pub(super) const YOUKI: Tables = Tables {
    global: &[YOUKI_GLOBAL],
    create: &[YOUKI_CREATE],
    run: &[YOUKI_CREATE, YOUKI_RUN],
    restore: &[&[HELP]],
};

/// The flag with exactly this name, which is a long name or a letter, without dashes.
pub(super) fn find(table: &FlagTable, name: &[u8]) -> Option<Flag> {
    all(table)
        .find(|flag| flag.long.as_bytes() == name || (flag.short != 0 && name == [flag.short]))
}

/// The flag for the letter at position `at` of letters that are joined after one dash. All unknown
/// letters of a group are guessed together, in two ways. Either the first unknown letter takes the
/// rest of the argument as its value; or no letter does, and the last letter may take the next
/// argument. Other guesses for the letters between would not change the result.
pub(super) fn letter<'a>(
    table: &FlagTable,
    guesses: &Guesses<'a>,
    letters: &'a [u8],
    at: usize,
    unknown_before: &mut bool,
) -> Result<Flag, Stop<'a>> {
    let name = &letters[at..];
    if let Some(flag) = lettered(table, letters[at]) {
        return Ok(flag);
    }
    // A `=` separates a flag from its value, and is not a letter.
    if at > 0 && name.starts_with(b"=") {
        return Err(Stop::Rejected);
    }
    if *unknown_before && name.len() > 1 {
        return Ok(switch(""));
    }
    // A value is attached. If no known letter stands before the value, the value belongs to the
    // first letter or to no letter.
    if guesses.attached
        && let ([_, between @ ..], Some(_)) = split(name)
        && !between
            .iter()
            .any(|letter| lettered(table, *letter).is_some())
    {
        return Ok(value(""));
    }
    let flag = or_assumed(None, guesses, name, None)?;
    *unknown_before |= flag.takes == Takes::Nothing;
    Ok(flag)
}

/// The flag with this letter.
fn lettered(table: &FlagTable, letter: u8) -> Option<Flag> {
    all(table).find(|flag| flag.short == letter)
}

/// Every flag of a table.
pub(super) fn all(table: &FlagTable) -> impl Iterator<Item = Flag> {
    table.iter().copied().flatten().copied()
}

/// The flag with this long name.
pub(super) fn long(table: &FlagTable, name: &[u8]) -> Option<Flag> {
    all(table).find(|flag| flag.long.as_bytes() == name)
}

/// The assumed flag for a name that is in no table. If a value is attached, the flag takes that
/// value, and nothing is guessed.
pub(super) fn assumed(guesses: &Guesses<'_>, name: &[u8], value: Option<&[u8]>) -> Option<Flag> {
    for (guessed, takes) in &guesses.made {
        if *guessed == name {
            return Some(flag("", 0, *takes, Purpose::Other));
        }
    }
    if guesses.attached {
        value?;
        return Some(flag("", 0, Takes::Value, Purpose::Other));
    }
    None
}

/// The flag `known`, or else the assumed flag for an unknown flag of this name.
pub(super) fn or_assumed<'a>(
    known: Option<Flag>,
    guesses: &Guesses<'_>,
    name: &'a [u8],
    value: Option<&[u8]>,
) -> Result<Flag, Stop<'a>> {
    let flag = known.or(assumed(guesses, name, value));
    flag.ok_or(Stop::Unknown(name))
}

/// Splits `name=value`.
pub(super) fn split(arg: &[u8]) -> (&[u8], Option<&[u8]>) {
    match arg.iter().position(|byte| *byte == b'=') {
        Some(at) => (&arg[..at], Some(&arg[at + 1..])),
        None => (arg, None),
    }
}

/// The argument at `at`.
pub(super) fn bytes_at<'a>(args: &[&'a OsStr], at: usize) -> Option<&'a [u8]> {
    Some(args.get(at)?.as_bytes())
}

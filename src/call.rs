//! Decides what a command line asks for, and whether it starts a container.
//!
//! In: the command line's arguments (hostile). Out: a [`Call`]: one of Embargo's own commands,
//! `check` and `exec-patch`, a call that starts nothing and is passed on, or every way in which the
//! arguments start a container. Pure. Not checked: whether the bundle exists or the container ID is
//! valid.
//!
//! Embargo's own commands are recognised in the very first argument only, and no runtime has a
//! command of that name. So no container, directory or flag value can be mistaken for one, and
//! every other argument belongs to the runtime.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::argv::{self, Globals, Grammars, NamedContainer, Reading};

/// What a call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call<'a> {
    /// `embargo check`, and the arguments after it.
    Check(&'a [&'a OsStr]),
    /// `embargo exec-patch`: another program gets all arguments.
    ExecPatch,
    /// It starts no container: the runtime gets it at once.
    PassOn(PassOn<'a>),
    /// It may start a container.
    Starts(Starts<'a>),
}

/// A call that starts no container in any reading. Only [`read`] makes it, so having one proves
/// that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassOn<'a> {
    named: Option<NamedContainer<'a>>,
}

impl<'a> PassOn<'a> {
    /// The container that it names, if any.
    #[must_use]
    pub const fn named(&self) -> Option<&NamedContainer<'a>> {
        self.named.as_ref()
    }
}

/// The ways in which a call may start a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starts<'a> {
    /// Each reading, all different; nearly always one. None only when the call cannot be read to
    /// its end.
    pub readings: Vec<Reading<'a>>,
    /// Whether readings may be missing because there are too many unknown flags to try: then it is
    /// not known what starts.
    pub cut_short: bool,
}

/// Where the runtime writes its log, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogTarget<'a> {
    /// `--log`: a path, or with crun also `file:PATH`, `journald:ID` or `syslog:ID`.
    pub target: &'a OsStr,
    /// `--log-format`: `text` or `json`; text when it is missing.
    pub format: Option<&'a OsStr>,
}

impl<'a> LogTarget<'a> {
    /// The target that these flags name, if any; an empty `--log` is none (runc main.go,
    /// `configLogrus`).
    #[must_use]
    pub fn of(globals: &Globals<'a>) -> Option<Self> {
        let target = globals.log.filter(|log| !log.is_empty())?;
        Some(Self {
            target,
            format: globals.log_format,
        })
    }
}

impl Starts<'_> {
    /// Keeps only the readings of the `spoken` grammars, if there are any: the runtime that gets
    /// the call is known to use these.
    pub fn settle(&mut self, spoken: Grammars) {
        if self
            .readings
            .iter()
            .any(|reading| reading.grammars.overlaps(spoken))
        {
            self.readings
                .retain(|reading| reading.grammars.overlaps(spoken));
        }
    }
}

/// Reads `args`, argv without its first element, as a call.
#[must_use]
pub fn read<'a>(args: &'a [&'a OsStr]) -> Call<'a> {
    match args.split_first() {
        Some((arg, rest)) if arg.as_bytes() == b"check" => return Call::Check(rest),
        Some((arg, _)) if arg.as_bytes() == b"exec-patch" => return Call::ExecPatch,
        Some(_) | None => {}
    }
    let scan = argv::scan(args);
    let cut_short = scan.cut_short
        && args
            .iter()
            .any(|arg| argv::StartCommand::perhaps(arg).is_some());
    if scan.readings.is_empty() && !cut_short {
        return Call::PassOn(PassOn { named: scan.named });
    }
    Call::Starts(Starts {
        readings: scan.readings,
        cut_short,
    })
}

/// Embargo's own commands.
const OWN: [&str; 2] = ["check", "exec-patch"];

/// How many letters of a command may be wrong, missing, extra or swapped.
const MOST_WRONG: usize = 2;

/// Embargo's own command that the first argument nearly matches. No runtime's command is that close
/// to one.
#[must_use]
pub fn nearly_own(args: &[&OsStr]) -> Option<&'static str> {
    let arg = args
        .first()
        .map(|arg| arg.as_bytes())
        .filter(|arg| !arg.starts_with(b"-"))?;
    OWN.into_iter().find(|own| {
        arg.len() <= own.len() + MOST_WRONG
            && (1..=MOST_WRONG).contains(&distance(arg, own.as_bytes()))
    })
}

/// How many letters must be changed, added, removed or swapped with the next to turn one into the
/// other.
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut next = vec![at + 1];
        for (column, with) in other.iter().enumerate() {
            let mut least = (row[column + 1] + 1)
                .min(next[column] + 1)
                .min(row[column] + usize::from(letter != with));
            if at > 0 && column > 0 && *letter == other[column - 1] && one[at - 1] == *with {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argv::{Grammar, StartCommand};

    fn args(text: &str) -> Vec<&OsStr> {
        text.split(' ')
            .filter(|arg| !arg.is_empty())
            .map(OsStr::new)
            .collect()
    }

    #[test]
    fn embargos_own_commands_are_the_first_argument_and_no_other() {
        assert_eq!(
            read(&args("check web-1 --json")),
            Call::Check(&args("web-1 --json"))
        );
        for text in [
            "exec-patch",
            "exec-patch --ban BAN-1 -- create --bundle /b web-1",
            "exec-patch check",
        ] {
            assert_eq!(read(&args(text)), Call::ExecPatch, "{text}");
        }
        for text in [
            "--debug check web-1",
            "-- check",
            "--root check list",
            "check-all",
            "start check",
            "features",
            "--version",
            "help create",
            "",
        ] {
            assert!(matches!(read(&args(text)), Call::PassOn(_)), "{text}");
            assert!(
                matches!(
                    read(&args(&text.replace("check", "exec-patch"))),
                    Call::PassOn(_)
                ),
                "{text}"
            );
        }
        for text in [
            "kill exec-patch 9",
            "exec exec-patch exec-patch",
            "delete --force exec-patch",
            "--log exec-patch state c1",
            "exec-patches",
        ] {
            assert!(matches!(read(&args(text)), Call::PassOn(_)), "{text}");
        }
        for text in [
            "create --bundle /b check",
            "create --bundle exec-patch exec-patch",
            "--root exec-patch run -b /b exec-patch",
        ] {
            let typed = args(text);
            assert!(
                matches!(read(&typed), Call::Starts(Starts { readings, cut_short: false }) if readings.len() == 1),
                "{text}"
            );
        }
    }

    #[test]
    fn a_command_of_embargos_own_is_known_by_a_typo_and_none_of_a_runtimes_is() {
        let nearly = |arg: &str| nearly_own(&[OsStr::new(arg), OsStr::new("web-1")]);
        for arg in [
            "chek", "checks", "cehck", "chcek", "Check", "chk", "check\n",
        ] {
            assert_eq!(nearly(arg), Some("check"), "{arg:?}");
        }
        for arg in [
            "exec-pach",
            "execpatch",
            "exec_patch",
            "exec-patches",
            "exce-patch",
            "exec-ptach",
        ] {
            assert_eq!(nearly(arg), Some("exec-patch"), "{arg:?}");
        }
        let runtimes = "checkpoint completion create delete events exec features help info init kill list mounts pause ps restore resume run spec \
                        start state update version -h --help --check";
        for arg in runtimes.split(' ').chain([
            "check",
            "exec-patch",
            "",
            "check-all",
            &"check".repeat(9_000),
        ]) {
            assert_eq!(nearly(arg), None, "{arg:?}");
        }
        assert_eq!(nearly_own(&[]), None);
    }

    #[test]
    fn a_call_that_starts_nothing_names_its_container() {
        for (text, id, root) in [
            (
                "--root /r --log /l kill --all web-1 15",
                "web-1",
                Some("/r"),
            ),
            (
                "--root=/r exec --process /tmp/p --detach --pid-file /p web-1",
                "web-1",
                Some("/r"),
            ),
            ("exec -t -e A=b -u 0:0 web-1 sh -c create", "web-1", None),
            ("delete --force create", "create", None),
            ("state -- web-1", "web-1", None),
        ] {
            let named = NamedContainer {
                id: OsStr::new(id),
                root: root.map(OsStr::new),
            };
            assert_eq!(
                read(&args(text)),
                Call::PassOn(PassOn { named: Some(named) }),
                "{text}"
            );
        }
        for text in [
            "list",
            "--root /r features",
            "spec web-1",
            "kill --all",
            "help start",
        ] {
            assert_eq!(
                read(&args(text)),
                Call::PassOn(PassOn { named: None }),
                "{text}"
            );
        }
    }

    #[test]
    fn doubt_is_reported_and_settled_by_the_runtimes_own_grammar() {
        let typed = args("create -b=/x web-1");
        let Call::Starts(mut starts) = read(&typed) else {
            panic!("it starts")
        };
        assert_eq!(
            starts
                .readings
                .iter()
                .map(|reading| reading.bundle)
                .collect::<Vec<_>>(),
            [Some(OsStr::new("/x")), Some(OsStr::new("=/x"))]
        );
        starts.settle(Grammars::only(Grammar::Crun));
        assert_eq!(starts.readings.len(), 1);
        assert_eq!(
            (starts.readings[0].bundle, starts.readings[0].command),
            (Some(OsStr::new("=/x")), StartCommand::Create)
        );
    }

    #[test]
    fn a_call_with_too_many_unknown_flags_cannot_be_read() {
        let typed = args("--f1 --f2 --f3 --f4 --f5 --f6 create --bundle /b web-1");
        let Call::Starts(starts) = read(&typed) else {
            panic!("it may start")
        };
        assert!(starts.cut_short);
        let spaced = [
            "--f1", "--f2", "--f3", "--f4", "--f5", "--f6", " run\n", "--bundle", "/b", "web-1",
        ]
        .map(OsStr::new);
        assert!(matches!(
            read(&spaced),
            Call::Starts(Starts {
                cut_short: true,
                ..
            })
        ));
        // With its value attached, a flag leaves nothing to guess at.
        let typed =
            args("--f1=a --f2=b --f3=c --f4=d --f5=e --f6=f create --f7=g --bundle /b web-1");
        let Call::Starts(starts) = read(&typed) else {
            panic!("it starts")
        };
        assert_eq!(
            (
                starts.cut_short,
                starts.readings.len(),
                starts.readings[0].id
            ),
            (false, 1, OsStr::new("web-1"))
        );
        let typed = args("--f1 --f2 --f3 --f4 --f5 --f6 kill web-1 9");
        assert!(matches!(read(&typed), Call::PassOn(_)));
    }

    #[test]
    fn the_log_is_where_the_flags_say() {
        let target = |text| {
            let typed = args(text);
            let Call::Starts(starts) = read(&typed) else {
                panic!("it starts")
            };
            LogTarget::of(&starts.readings[0].globals)
                .map(|log| (log.target.to_owned(), log.format.map(OsStr::to_owned)))
        };
        let expected = |log: &str, format: Option<&str>| Some((log.into(), format.map(Into::into)));
        assert_eq!(
            target("--log-format=json --log /l create c1"),
            expected("/l", Some("json"))
        );
        assert_eq!(target("--log=/l create c1"), expected("/l", None));
        assert_eq!(target("--log= create c1"), None);
        assert_eq!(target("create c1"), None);
    }
}

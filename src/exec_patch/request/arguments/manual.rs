//! Checks that the manual page names every option and outcome of `embargo exec-patch`, and no
//! others.
//!
//! In: the command line as clap knows it, and the text of `packaging/man/embargo-exec-patch.8`. Not
//! checked: whether the page describes them correctly.

use clap::Arg;

use super::command_line;
use crate::report::Exit;

const PAGE: &str = include_str!("../../../../packaging/man/embargo-exec-patch.8");

/// What the page says about an option: the option's line and the lines up to the next option.
fn described(long: &str) -> Vec<String> {
    let flag = format!(".It Fl -{long}");
    let is_flag = |line: &str| {
        line.strip_prefix(&flag)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let lines: Vec<_> = PAGE.lines().collect();
    let places = (0..lines.len()).filter(|at| is_flag(lines[*at]));
    let text = |at: usize| {
        let rest = lines[at + 1..]
            .iter()
            .take_while(|line| !line.starts_with(".It") && !line.starts_with(".El"));
        std::iter::once(&lines[at])
            .chain(rest)
            .copied()
            .collect::<Vec<_>>()
            .join("\n")
    };
    places.map(text).collect()
}

#[test]
fn every_option_stands_in_the_manual_once_with_its_default_and_its_values() {
    let line = command_line();
    for argument in line.get_arguments() {
        let Some(long) = argument.get_long() else {
            continue;
        };
        let [text] = &described(long)[..] else {
            panic!("--{long} stands there {} times", described(long).len())
        };
        for default in argument
            .get_default_values()
            .iter()
            .filter_map(|value| value.to_str())
        {
            assert!(
                text.contains(default),
                "--{long}: its default {default:?} is missing"
            );
        }
        for value in argument
            .get_possible_values()
            .iter()
            .filter(|_| argument.get_action().takes_values())
        {
            assert!(
                text.contains(value.get_name()),
                "--{long}: its value {:?} is missing",
                value.get_name()
            );
        }
        // The help names the default itself. clap has no default value for these options, because
        // the value of a ban's patch or of an earlier run comes first.
        let help = argument
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        for word in help
            .split_whitespace()
            .zip(help.split_whitespace().skip(2))
            .filter(|(_, next)| next.starts_with("default"))
            .map(|(word, _)| word)
        {
            assert!(text.contains(word), "--{long}: {word:?} is missing");
        }
    }
}

#[test]
fn no_option_stands_in_the_manual_that_is_not_there() {
    let line = command_line();
    let longs: Vec<_> = line.get_arguments().filter_map(Arg::get_long).collect();
    let flags = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix(".It Fl -")?.split(' ').next())
        .filter(|flag| !flag.is_empty());
    for flag in flags {
        assert!(longs.contains(&flag), "there is no --{flag}");
    }
}

#[test]
fn every_outcome_and_exit_status_stands_in_the_manual() {
    let outcomes = "patched, already fine, patched before, failed, timed out, timed out, survived, cancelled, left unpaused, paused, vanished, could not enter, not understood, \
                    not started, interrupted";
    for word in outcomes
        .replace("timed out, survived", "timed out survived")
        .split(", ")
    {
        let item = format!(
            ".It Li {}",
            word.replace("timed out survived", "timed out, survived")
        );
        assert!(
            PAGE.lines()
                .any(|line| line == item || line.starts_with(&format!("{item} "))),
            "{word}"
        );
    }
    let help = command_line().render_long_help().to_string();
    for exit in [
        Exit::Clear,
        Exit::Failed,
        Exit::NothingMatched,
        Exit::NotAllWell,
        Exit::Usage,
        Exit::Blocked,
    ] {
        assert!(
            PAGE.contains(&format!("\n.It {}\n", exit.code())),
            "{exit:?}"
        );
        assert!(
            help.contains(&format!("\n  {:<4}", exit.code())),
            "{exit:?}"
        );
    }
}

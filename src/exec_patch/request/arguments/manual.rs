//! Checks that the manual page names every option and outcome of `embargo exec-patch`, and no
//! others.
//!
//! In: the command line as clap knows it, and the text of `packaging/man/embargo-exec-patch.8`. Not
//! checked: whether the page describes the options and outcomes correctly.

use clap::Arg;

use super::command_line;
use crate::exec_patch::outcome::OutcomeKind;
use crate::report::Exit;
use crate::report::testing::{described, flags, has_values};

const PAGE: &str = include_str!("../../../../packaging/man/embargo-exec-patch.8");

#[test]
fn every_option_stands_in_the_manual_once_with_its_default_and_its_values() {
    let (page, line): (Vec<_>, _) = (PAGE.lines().collect(), command_line());
    for argument in line.get_arguments() {
        let Some(long) = argument.get_long() else {
            continue;
        };
        let found = described(&page, long);
        let [text] = &found[..] else {
            panic!("--{long} stands there {} times", found.len())
        };
        has_values(text, &format!("--{long}"), argument);
        // The help names the default itself. clap has no default value for these options, because
        // the value of a ban's patch or of an earlier run comes first.
        let help = argument.get_help().map(ToString::to_string);
        let words: Vec<_> = help
            .iter()
            .flat_map(|help| help.split_whitespace())
            .collect();
        for three in words.windows(3) {
            if three[2].starts_with("default") {
                assert!(
                    text.contains(three[0]),
                    "--{long}: {:?} is missing",
                    three[0]
                );
            }
        }
    }
}

#[test]
fn no_option_stands_in_the_manual_that_is_not_there() {
    let line = command_line();
    let longs: Vec<_> = line.get_arguments().filter_map(Arg::get_long).collect();
    for flag in flags(&PAGE.lines().collect::<Vec<_>>()) {
        assert!(longs.contains(&flag), "there is no --{flag}");
    }
}

#[test]
fn every_outcome_and_exit_status_stands_in_the_manual() {
    for kind in OutcomeKind::ALL {
        let item = format!(".It Li {}", kind.word());
        let mut lines = PAGE.lines();
        assert!(
            lines.any(|line| line == item || line.starts_with(&format!("{item} "))),
            "{kind:?}"
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

//! Checks that the manual page describes every command and option of `embargoctl`, and no others.
//!
//! In: the command line as clap defines it, and the text of `packaging/man/embargoctl.8`. Each
//! command has a section. The options that say which image is meant have a section of their own,
//! for all commands that accept them. No section lists an option twice. Not checked: whether the
//! page describes the options correctly.

use clap::{Arg, Command, CommandFactory, Parser};

use crate::report::testing::{described, flags, has_values};

const PAGE: &str = include_str!("../../../packaging/man/embargoctl.8");

/// The section of the options that several commands share.
const SHARED: &str = "Naming an image";

/// The lines of a section, up to the next one.
fn section(title: &str) -> Vec<&'static str> {
    let is_title = |line: &&str| line.starts_with(".Ss ") || line.starts_with(".Sh ");
    let mut lines = PAGE
        .lines()
        .skip_while(|line| !is_title(line) || !titles(line[4..].trim(), title));
    assert!(lines.next().is_some(), "no section {title:?}");
    lines.take_while(|line| !is_title(line)).collect()
}

/// Whether a heading belongs to the section `title`. A heading may add operands: `ban Ar image` is
/// the heading of the section `ban`.
fn titles(heading: &str, title: &str) -> bool {
    heading == title
        || [" Ar ", " Op "]
            .iter()
            .any(|macro_name| heading.starts_with(&format!("{title}{macro_name}")))
}

/// The lines about one option: its own line, and those before the next option.
fn description(lines: &[&'static str], long: &str) -> Option<String> {
    described(lines, long).into_iter().next()
}

/// Collects every command without subcommands, each with the words that call it.
fn commands(command: &Command, typed: &str, found: &mut Vec<(String, Command)>) {
    for below in command.get_subcommands() {
        let typed = format!("{typed} {}", below.get_name()).trim().to_owned();
        if below.has_subcommands() {
            commands(below, &typed, found)
        } else {
            found.push((typed, below.clone()))
        }
    }
}

fn all_commands() -> Vec<(String, Command)> {
    let mut found = Vec::new();
    commands(&crate::ctl::Cli::command(), "", &mut found);
    found
}

fn options(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    command
        .get_arguments()
        .filter_map(|argument| Some((argument.get_long()?, argument)))
}

/// Splits a command line into arguments as a shell does, up to a redirection.
fn arguments(line: &str) -> Vec<String> {
    let line = line.split(" > ").next().unwrap_or_default();
    line.split('"')
        .enumerate()
        .flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

#[test]
fn the_help_of_every_command_ends_with_examples_that_can_be_typed() {
    let mut all = all_commands();
    all.extend(
        crate::ctl::Cli::command()
            .get_subcommands()
            .filter(|command| command.has_subcommands())
            .map(|command| (command.get_name().to_owned(), command.clone())),
    );
    for (typed, command) in all {
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default()
            .replace("\\\n", " ");
        let own = format!("  embargoctl {typed} ");
        assert!(
            format!("{help} ").replace('\n', " \n").contains(&own),
            "{typed} has no example"
        );
        for line in help.lines().filter(|line| line.contains("embargoctl ")) {
            if let Err(error) = crate::ctl::Cli::try_parse_from(arguments(line)) {
                panic!("{line}: {error}");
            }
        }
    }
}

#[test]
fn every_command_and_option_stands_in_the_manual() {
    for (typed, command) in all_commands() {
        let own = section(&typed);
        for (long, argument) in options(&command) {
            let shared = || {
                section(SHARED)
                    .into_iter()
                    .filter(|_| own.iter().any(|line| line.contains(SHARED)))
                    .collect::<Vec<_>>()
            };
            let text = description(&own, long)
                .or_else(|| description(&shared(), long))
                .unwrap_or_else(|| panic!("{typed} --{long} is missing"));
            has_values(&text, &format!("{typed} --{long}"), argument);
        }
    }
    for (long, _) in options(&crate::ctl::Cli::command()) {
        assert!(
            description(&section("DESCRIPTION"), long).is_some(),
            "--{long} is missing"
        );
    }
}

#[test]
fn no_option_stands_in_the_manual_that_is_not_there_or_stands_there_twice() {
    let commands = all_commands();
    for (typed, command) in &commands {
        for flag in flags(&section(typed)) {
            assert!(
                options(command).any(|(long, _)| long == flag),
                "{typed} has no --{flag}"
            );
        }
        let mut own = flags(&section(typed));
        own.sort_unstable();
        let twice: Vec<_> = own
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .map(|pair| pair[0])
            .collect();
        assert!(twice.is_empty(), "{typed} has these twice: {twice:?}");
    }
    for flag in flags(&section(SHARED)) {
        assert!(
            commands
                .iter()
                .any(|(_, command)| options(command).any(|(long, _)| long == flag)),
            "no command has --{flag}"
        );
    }
}

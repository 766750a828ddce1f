//! Tests the command line of `embargoctl`.

mod manual;

use clap::{CommandFactory, Parser};

#[test]
fn the_command_line_is_consistent() {
    super::Cli::command().debug_assert();
}

fn help(arguments: &str) -> String {
    let arguments = format!("embargoctl {arguments}");
    super::Cli::try_parse_from(arguments.split(' '))
        .unwrap_err()
        .to_string()
}

#[test]
fn help_is_also_a_command_and_is_the_same_as_the_option() {
    assert_eq!(help("help list build"), help("list build --help"));
    assert!(help("help list build").starts_with("Compile a reviewed source"));
    assert!(help("help").starts_with("Author, sign and install"));
}

#[test]
fn commands_are_listed_in_the_order_of_their_use() {
    let names = |help: &str| -> Vec<String> {
        help.lines()
            .skip_while(|line| *line != "Commands:")
            .skip(1)
            .take_while(|line| !line.is_empty())
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
            .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
            .collect()
    };
    for (command, expected) in [
        (
            "-h",
            "keygen keyset lineage ban except list install status restart-check settings break-glass configure divert doctor completions help",
        ),
        (
            "list -h",
            "lint build show diff sign head attach verify preview help",
        ),
        (
            "keyset -h",
            "new next show sign head attach verify rotate help",
        ),
    ] {
        assert_eq!(names(&help(command)).join(" "), expected, "{command}");
    }
}

//! Implements `embargoctl completions`: prints a script that completes the commands and options of
//! `embargoctl` in a shell.
//!
//! In: the name of a shell. Out: the script, made from the command line as clap defines it. The
//! packages install the scripts where the shells look for them. Not checked: whether the shell is
//! installed.

use clap::{CommandFactory, ValueEnum};
use clap_complete::aot;

use super::Cli;

/// Print a script with which a shell completes commands and options.
///
/// The packages install these scripts.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  embargoctl completions bash > /etc/bash_completion.d/embargoctl
  embargoctl completions zsh > /usr/local/share/zsh/site-functions/_embargoctl
  embargoctl completions fish > /etc/fish/completions/embargoctl.fish")]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// A shell that scripts are made for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl From<Shell> for aot::Shell {
    fn from(shell: Shell) -> Self {
        match shell {
            Shell::Bash => Self::Bash,
            Shell::Zsh => Self::Zsh,
            Shell::Fish => Self::Fish,
        }
    }
}

/// Returns the script.
pub(super) fn run(args: &CompletionsArgs) -> String {
    let mut script = Vec::new();
    let shell = aot::Shell::from(args.shell);
    aot::generate(shell, &mut Cli::command(), "embargoctl", &mut script);
    // clap's own texts are UTF-8.
    String::from_utf8(script).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::ctl::testing::Desk;

    #[test]
    fn each_script_knows_the_commands_and_their_options() {
        for shell in ["bash", "zsh", "fish"] {
            let script = Desk::new().run(&format!("completions {shell}")).unwrap();
            for word in ["embargoctl", "keyset", "rotate", "without-list", "p256"] {
                assert!(script.contains(word), "{shell}: no {word}");
            }
        }
    }
}

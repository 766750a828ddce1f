//! Names the files of a run.
//!
//! In: the directory of a run, and what distinguishes a file in that directory. Out: names that
//! cannot lead out of that directory, whatever characters a container's ID has.

use std::path::{Path, PathBuf};

/// The journal's name in the directory of its run.
pub const JOURNAL: &str = "journal.jsonl";

/// The name of a run's copy of the file carried with the request.
pub(super) const PROGRAM: &str = "program";

/// The name of the directory with the outputs, in the directory of a run.
pub const OUTPUT: &str = "output";

/// The name of the marker file of a run that was resumed in this boot of the machine.
pub(super) fn resumed(boot: &str) -> String {
    format!("resumed-{}", plain(boot, "-"))
}

/// The size in bytes of all files in a directory; 0 if the directory does not exist.
#[must_use]
pub fn bytes_in(directory: &Path) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if let Ok(facts) = entry.metadata()
            && facts.is_file()
        {
            bytes += facts.len();
        }
    }
    bytes
}

/// The path of the file with a container's output, in the directory of its run.
pub(super) fn output(run: &Path, number: usize, id: &str) -> PathBuf {
    let mut short = plain(id, "_+.-");
    short.truncate(12);
    run.join(OUTPUT).join(format!("{number}-{short}"))
}

/// The characters of a text that are ASCII letters, ASCII digits, or in `others`.
fn plain(text: &str, others: &str) -> String {
    text.chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || others.contains(*letter))
        .collect()
}

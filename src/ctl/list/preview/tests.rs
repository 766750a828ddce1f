//! What a preview says, of a node with Docker's store and a draft of our own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::report::table;
use super::*;
use crate::banlist::testing::{keyset, list, parse, terms};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A node below a folder of its own, with Docker's store of a fixture copied to the usual place.
struct Place {
    root: tempfile::TempDir,
    paths: Paths,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        copy(&fixture("docker-20.10-overlay2"), &root.path().join("var/lib/docker"));
        Self { paths: Paths::below(root.path()), root }
    }

    fn put(&self, path: &Path, bytes: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).open(path).unwrap();
        file.write_all(bytes).unwrap();
    }

    fn preview(&self, bans: &str, json: bool) -> (String, Exit) {
        let draft = self.root.path().join("draft.lst");
        self.put(&draft, &list(&parse(bans), &terms(413), &[1]));
        let told = run(&Args { json, draft }, &self.paths).unwrap();
        (told.text.replace(&self.root.path().to_string_lossy().into_owned(), "…"), told.exit)
    }

    fn json(&self, bans: &str) -> serde_json::Value {
        serde_json::from_str(&self.preview(bans, true).0).unwrap()
    }

    /// A ban of the base of everything in the fixture, by the chain ID that an unbanned preview's own look-ups would ask for.
    fn ban_of_base(&self) -> String {
        let stores = Site::whole(&self.paths, None).stores;
        let Ok(Origin::Image(image)) = stores.open[0].records.image("base:1", Instant::now() + PATIENCE) else { panic!("no base:1") };
        format!(
            "[[ban]]\nid = \"BAN-2026-0007\"\nreason = \"backdoor\"\nseverity = \"critical\"\neffective = 2026-11-20\n\
             successor = \"base:2\"\n[[ban.match]]\nbase = \"{}\"\nname = \"base:1\"\n",
            image.chain.top()
        )
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn columns_are_aligned_and_hostile_cells_stay_on_their_line() {
    let rows = [["NAME", "BAN", "NOTE"], ["web-1", "B", ""], ["a\nb\u{202e}", "BAN-1", "new"]].map(|row| row.map(str::to_owned));
    assert_eq!(table(&rows), ["NAME              BAN    NOTE", "web-1             B", "a\\u{a}b\\u{202e}  BAN-1  new"]);
}

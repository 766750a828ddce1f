//! Tests the keyset commands, from the first keyset to rotated ones, and the commands that must
//! fail.

mod making;
mod rotation;
mod signing;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use clap::Parser;

use super::*;
use crate::audit::Ending;
use crate::audit::rotation::RotationStep;
use crate::banlist::ban::MatchKind;
use crate::banlist::floor::Edition;
use crate::banlist::floor::Floor;
use crate::banlist::head::{Claim, HEAD_SIZE};
use crate::banlist::store::{Bans, Query, Rules, look_up};
use crate::banlist::testing::{ISSUED, digest, key, keyset, list, source, terms};
use crate::sys::file::{self, Guard};
use crate::sys::replace::replace;

#[derive(clap::Parser)]
struct Words {
    #[command(subcommand)]
    command: KeysetCommand,
}

/// A directory for keysets and a node below it. The private keys of keys 1 to 9 stay in memory.
struct Desk {
    directory: tempfile::TempDir,
    paths: Paths,
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::below(&directory.path().join("node"));
        fs::create_dir_all(paths.keyset.parent().unwrap()).unwrap();
        fs::create_dir_all(&paths.state).unwrap();
        fs::set_permissions(&paths.state, fs::Permissions::from_mode(0o755)).unwrap();
        let desk = Self { directory, paths };
        for seed in 1..=9 {
            let key = Key {
                role: Role::List,
                name: key(seed).name,
                public: key(seed).public(),
            };
            desk.put(
                &format!("{}.pub", key.name),
                format!("{}\n", key.line()).as_bytes(),
            );
        }
        desk
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        replace(&self.directory.path().join(name), 0o644, bytes).unwrap();
    }

    fn read(&self, name: &str) -> String {
        file::read_text(&self.directory.path().join(name), 1 << 20, Guard::Any).unwrap()
    }

    fn command(&self, words: &str) -> KeysetCommand {
        let directory = self.directory.path().to_str().unwrap();
        let words: Vec<_> = words
            .split(' ')
            .map(|word| {
                word.strip_prefix("./")
                    .map_or_else(|| word.to_owned(), |name| format!("{directory}/{name}"))
            })
            .collect();
        Words::try_parse_from([&["embargoctl".to_owned()], words.as_slice()].concat())
            .unwrap_or_else(|error| panic!("{error}"))
            .command
    }

    /// Runs a command. Returns its output, or its error with details and hint, without the
    /// directory's path.
    fn run(&self, words: &str) -> Result<String, String> {
        let directory = format!("{}/", self.directory.path().to_str().unwrap());
        self.tell(run(&self.command(words), &self.paths))
            .map_err(|text| text.replace(&directory, ""))
            .map(|text| text.replace(&directory, ""))
    }

    fn tell(&self, said: Result<String, CtlError>) -> Result<String, String> {
        let directory = format!("{}/", self.directory.path().to_str().unwrap());
        said.map_err(|error| {
            let details: String = error
                .details
                .iter()
                .map(|detail| format!("\n{detail}"))
                .collect();
            let hint = error
                .hint()
                .map(|hint| format!(" / {hint}"))
                .unwrap_or_default();
            format!("{}{details}{hint}", crate::report::line::causes(&error))
                .replace(&directory, "")
        })
    }

    fn done(&self, words: &str) -> String {
        self.run(words).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Rotates at the time of the tests. Also returns the steps that the system log would receive.
    fn rotate(&self, words: &str) -> (Result<String, String>, Vec<RotationStep>) {
        let KeysetCommand::Rotate(args) = self.command(&format!("rotate {words}")) else {
            panic!("{words}")
        };
        let mut steps = Vec::new();
        let said = self.tell(rotate::rotate(&args, &self.paths, ISSUED, &mut steps));
        (said, steps)
    }

    /// Makes the keyset `number` with these root keys and list keys, signed by the keys `signers`.
    fn keyset(
        &self,
        number: u64,
        roots: &[u8],
        threshold: usize,
        lists: &[u8],
        signers: &[u8],
    ) -> Keyset {
        let root = |seed: &u8| Key {
            role: Role::Root,
            name: key(*seed).name,
            public: key(*seed).public(),
        };
        let base = keyset(lists, 1);
        let keyset = Keyset {
            number,
            root_threshold: threshold,
            keys: roots.iter().map(root).chain(base.keys.clone()).collect(),
            ..base
        };
        self.write(&keyset, signers);
        keyset
    }

    fn write(&self, keyset: &Keyset, signers: &[u8]) {
        let text = keyset.text();
        let signatures = signers
            .iter()
            .map(|seed| key(*seed).signature(&text))
            .collect();
        self.put(
            &format!("k{}", keyset.number),
            SignedKeyset {
                keyset: keyset.clone(),
                text,
                signatures,
            }
            .note()
            .as_bytes(),
        );
    }

    /// Puts the keyset `k1` on the node, and a list in force that is signed by the keys `signers`.
    fn arm(&self, signers: &[u8]) {
        self.put("node/etc/embargo/keyset", self.read("k1").as_bytes());
        let bytes = list(&source(&[("base", digest(1))]), &terms(412), signers);
        self.put("node/var/lib/embargo/banlist.lst", &bytes);
        let head = Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap())
            .unwrap()
            .digest();
        let floor = Floor {
            edition: Edition {
                keyset: 1,
                version: 412,
            },
            head,
            issued: ISSUED,
            next: None,
        };
        self.put("node/var/lib/embargo/floor", floor.text().as_bytes());
    }

    fn on_node(&self) -> String {
        self.read("node/etc/embargo/keyset")
    }
}

//! Caches the chains that were resolved before, so that no chain is searched for twice.
//!
//! In: a top chain ID. Without the cache, the engine's records and documents would have to be
//! searched for the chain. Out: the chain, from `/var/lib/embargo/lineage`. Each chain is a file
//! whose name is the 64 hexadecimal digits of the top chain ID. The file contains the diff IDs,
//! lowest first, one on each line. Whenever a chain is read, its chain IDs are computed again. So a
//! file that was truncated, exchanged or planted is never used as another chain. The chain of an ID
//! never changes, so entries never become invalid. Only containerd's chains are cached: Docker's
//! and Podman's own records can be read just as fast.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::chain::{Chain, MAX_LAYERS};
use super::digest::{ChainId, DiffId};
use crate::paths::Paths;
use crate::sys::file::{self, Guard};

/// The length of a line, in bytes: `sha256:`, 64 digits, line feed.
const LINE: usize = 72;

/// How many chains the cache holds. If a node has more images, all chains are removed and the cache
/// starts again.
const MOST_CHAINS: usize = 4_096;

/// The chain with this top chain ID. `None` when the cache has no file for this chain ID, or when
/// the file's contents do not hash to the chain ID.
#[must_use]
pub fn load(paths: &Paths, top: &ChainId) -> Option<Chain> {
    let text = file::read_text(
        &path_of(paths, *top),
        (MAX_LAYERS * LINE) as u64,
        Guard::NoLink,
    )
    .ok()?;
    let chain = parse(&text)?;
    (chain.top() == *top).then_some(chain)
}

/// Reads the contents of a file of the cache.
#[must_use]
pub fn parse(text: &str) -> Option<Chain> {
    let lines = text.strip_suffix('\n')?.split('\n');
    Chain::from_diff_ids(lines.map(DiffId::parse).collect::<Result<_, _>>().ok()?)
}

/// Stores a chain. Errors are ignored: for the next container of the image, the engine's records
/// are searched again.
pub fn store(paths: &Paths, chain: &Chain) {
    try_store(paths, chain).unwrap_or_default();
}

fn try_store(paths: &Paths, chain: &Chain) -> io::Result<()> {
    // Everybody may read the parent directory, because the runtime of a rootless engine reads the
    // ban list there.
    file::make_directory(&paths.state).or_else(|_| fs::create_dir_all(&paths.state))?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&paths.lineage)?;
    make_room(paths)?;
    let target = path_of(paths, chain.top());
    let new = target.with_extension(std::process::id().to_string());
    let written = write(&new, &target, chain);
    if written.is_err() {
        fs::remove_file(&new).unwrap_or_default();
    }
    written
}

/// Writes the file of a chain. The file is not synced to disk. If a power cut leaves the file
/// empty, the file does not match its chain ID, and is written again.
fn write(new: &Path, target: &Path, chain: &Chain) -> io::Result<()> {
    let mut text = String::new();
    for diff_id in chain.diff_ids() {
        text += &format!("{diff_id}\n");
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(new)?
        .write_all(text.as_bytes())?;
    fs::rename(new, target)
}

fn make_room(paths: &Paths) -> io::Result<()> {
    if fs::read_dir(&paths.lineage)?.count() < MOST_CHAINS {
        return Ok(());
    }
    for entry in fs::read_dir(&paths.lineage)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}

fn path_of(paths: &Paths, top: ChainId) -> PathBuf {
    paths.lineage.join(top.0.hex())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::lineage::digest::Digest;

    fn chain(layers: &[&str]) -> Chain {
        Chain::from_diff_ids(
            layers
                .iter()
                .map(|layer| DiffId(Digest::of(layer.as_bytes())))
                .collect(),
        )
        .unwrap()
    }

    fn put(path: &Path, content: &str) {
        fs::remove_file(path).ok();
        OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(path)
            .unwrap()
            .write_all(content.as_bytes())
            .unwrap();
    }

    #[test]
    fn a_chain_is_kept_for_root_alone_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::below(directory.path());
        let chain = chain(&["a", "b", "c"]);
        assert_eq!(load(&paths, &chain.top()), None);
        store(&paths, &chain);
        store(&paths, &chain);
        assert_eq!(load(&paths, &chain.top()), Some(chain.clone()));
        assert_eq!(fs::metadata(&paths.lineage).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(&paths.state).unwrap().mode() & 0o777, 0o755);
        assert_eq!(fs::read_dir(&paths.lineage).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_cut_or_planted_is_no_chain() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::below(directory.path());
        let (banned, clean) = (chain(&["banned", "app"]), chain(&["clean", "app"]));
        store(&paths, &banned);
        let path = path_of(&paths, banned.top());
        let lines = |chain: &Chain| {
            chain
                .diff_ids()
                .iter()
                .map(|diff_id| format!("{diff_id}\n"))
                .collect::<String>()
        };
        for content in [
            "",
            "\n",
            &lines(&clean),
            &lines(&banned)[..LINE],
            &lines(&banned)[..2 * LINE - 1],
            &lines(&banned).repeat(600),
        ] {
            put(&path, content);
            assert_eq!(load(&paths, &banned.top()), None, "{content:.90}");
        }
        put(&path, &lines(&banned));
        assert_eq!(load(&paths, &banned.top()), Some(banned.clone()));
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(load(&paths, &banned.top()), None);
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_no_fault() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::below(directory.path());
        fs::create_dir_all(&paths.state).unwrap();
        put(&paths.lineage, "a file in the directory's place");
        store(&paths, &chain(&["a"]));
        assert_eq!(load(&paths, &chain(&["a"]).top()), None);
    }

    #[test]
    fn a_full_directory_starts_empty_again() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::below(directory.path());
        fs::create_dir_all(&paths.lineage).unwrap();
        for number in 0..MOST_CHAINS {
            put(&paths.lineage.join(number.to_string()), "");
        }
        store(&paths, &chain(&["a"]));
        assert_eq!(fs::read_dir(&paths.lineage).unwrap().count(), 1);
    }
}

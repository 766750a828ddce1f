//! What `install` does to a node, and what it does not let happen.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::banlist::compile::Terms;
use crate::banlist::head::Claim;
use crate::banlist::record::MatchKind;
use crate::banlist::store::{Bans, Known, Query, look_up};
use crate::banlist::testing::{ISSUED, digest, key, keyset, list, source, terms};
use crate::sys::replace::replace;

/// A node with keys 1, 2 and 3, of which one signs.
struct Node {
    folder: tempfile::TempDir,
    paths: Paths,
    rules: Rules,
}

impl Node {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::below(&folder.path().join("node"));
        fs::create_dir_all(paths.keyset.parent().unwrap()).unwrap();
        replace(&paths.keyset, 0o644, keyset(&[1, 2, 3], 1).text().as_bytes()).unwrap();
        Self { folder, paths, rules: Rules::default() }
    }

    fn staged(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("staged.lst");
        replace(&path, 0o644, bytes).unwrap();
        path
    }

    fn install(&self, bytes: &[u8]) -> Result<String, String> {
        self.attempt(&self.staged(bytes), false)
    }

    /// The outcome; of a failure the line and the hint, with the folder cut out.
    fn attempt(&self, staged: &Path, dry_run: bool) -> Result<String, String> {
        install(staged, dry_run, &self.paths, &self.rules, ISSUED.plus(60)).map_err(|error| {
            let hint = error.hint().map(|hint| format!(" / {hint}")).unwrap_or_default();
            format!("{error}{hint}").replace(self.folder.path().to_str().unwrap(), "")
        })
    }

    fn known(&self) -> Known {
        let query = Query { digest: digest(1), kind: MatchKind::Base };
        match look_up(&self.paths, &self.rules, &[query]) {
            Bans::Known(known) => known,
            Bans::Missing(fault) => panic!("{fault}"),
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(&self.paths.state).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn floor(&self) -> Floor {
        Floor::parse(&file::read_text(&self.paths.floor, 512, Guard::Owned).unwrap()).unwrap()
    }
}

/// A list of this version that bans `digest(1)`, and one thing of its own.
fn version(version: u64) -> Vec<u8> {
    signed(version, &[1])
}

fn signed(version: u64, seeds: &[u8]) -> Vec<u8> {
    list(&source(&[("base", digest(1)), ("image", digest(1_000 + version))]), &terms(version), seeds)
}

fn head_digest(bytes: &[u8]) -> crate::lineage::digest::Digest {
    Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap()).unwrap().digest()
}

#[test]
fn a_list_is_put_in_force_the_one_before_is_kept_and_the_floor_rises() {
    let node = Node::new();
    let (first, second, third) = (version(1), version(2), version(7));
    assert_eq!(node.install(&first).unwrap(), "installed version 1 for bans.example.com/prod: 1 ban, 2 digests\n");
    assert_eq!(node.names(), [".lock", "banlist.lst", "floor"]);
    assert_eq!((node.known().version, node.known().floor_issued), (1, Some(ISSUED)));
    assert_eq!(
        node.install(&second).unwrap(),
        "installed version 2 for bans.example.com/prod: 1 ban, 2 digests\nkept version 1 as the previous list\n"
    );
    node.install(&third).unwrap();
    assert_eq!(node.names(), [".lock", "banlist.lst", "banlist.previous.lst", "floor"]);
    assert_eq!(file::read(&node.paths.list, 1 << 20, Guard::Owned).unwrap(), third);
    assert_eq!(file::read(&node.paths.previous, 1 << 20, Guard::Owned).unwrap(), second);
    let floor = node.floor();
    assert_eq!((floor.edition.version, floor.head, floor.previous), (7, head_digest(&third), Some(head_digest(&second))));
    assert_eq!(fs::metadata(&node.paths.list).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn the_same_list_again_changes_nothing() {
    let node = Node::new();
    node.install(&version(1)).unwrap();
    node.install(&version(2)).unwrap();
    let inodes = || [&node.paths.list, &node.paths.previous, &node.paths.floor].map(|path| fs::metadata(path).unwrap().ino());
    let before = inodes();
    assert_eq!(node.install(&version(2)).unwrap(), "already in force: version 2 for bans.example.com/prod: 1 ban, 2 digests\n");
    assert_eq!(inodes(), before);
    // The same list with another signature is put in place; the previous one stays.
    assert!(node.install(&signed(2, &[1, 2])).unwrap().starts_with("installed version 2"));
    assert_eq!(file::read(&node.paths.previous, 1 << 20, Guard::Owned).unwrap(), version(1));
    assert_eq!(node.floor().previous, Some(head_digest(&version(1))));
}

#[test]
fn a_dry_run_says_what_would_be_done_and_writes_nothing() {
    let node = Node::new();
    let staged = node.staged(&version(1));
    assert_eq!(node.attempt(&staged, true).unwrap(), "would install version 1 for bans.example.com/prod: 1 ban, 2 digests\n");
    assert!(fs::metadata(&node.paths.state).is_err());
    node.install(&version(1)).unwrap();
    let staged = node.staged(&version(2));
    assert_eq!(
        node.attempt(&staged, true).unwrap(),
        "would install version 2 for bans.example.com/prod: 1 ban, 2 digests\nwould keep version 1 as the previous list\n"
    );
    assert_eq!(node.known().version, 1);
}

#[test]
fn what_must_not_be_in_force_is_refused_and_changes_nothing() {
    let mut node = Node::new();
    let good = version(5);
    node.install(&good).unwrap();
    let mut flipped = version(6);
    *flipped.last_mut().unwrap() ^= 1;
    let other = Terms { origin: "o".to_owned(), ..terms(6) };
    let future = Terms { issued: ISSUED.plus(90_000), expires: ISSUED.plus(900_000), ..terms(6) };
    let bans = source(&[("base", digest(1))]);
    let same = list(&bans, &terms(5), &[1]);
    for (bytes, fault) in [
        (
            version(4),
            "cannot go back to version 4 (keyset 1) of the list, in \"/staged.lst\": this node had version 5 (keyset 1) / build the list again with a higher --version",
        ),
        (
            same,
            "cannot trust list \"/staged.lst\": version 5 (keyset 1) was installed with other content / each list that is published needs a version of its own",
        ),
        (
            signed(6, &[9]),
            "cannot trust list \"/staged.lst\": 0 of 1 trusted signatures (0 bad, 1 by unknown keys) / embargoctl list verify shows what became of each signature",
        ),
        (list(&bans, &other, &[1]), "cannot use list \"/staged.lst\": it is for \"o\", not for \"bans.example.com/prod\""),
        (
            list(&bans, &future, &[1]),
            "cannot install \"/staged.lst\": it is issued at 2026-11-21T15:00:00Z, more than a day from now / this node's clock says 2026-11-20T14:01:00Z",
        ),
        (flipped, "cannot trust list \"/staged.lst\": its block table is corrupt"),
        (version(6)[..5_000].to_vec(), "cannot use list \"/staged.lst\": it has 5000 bytes, its head says 5330"),
        (Vec::new(), "cannot use \"/staged.lst\": not a ban list: it has no head"),
        (version(6)[..4_000].to_vec(), "cannot use \"/staged.lst\": not a ban list: it has no head"),
        (vec![b'{'; 5_000], "cannot use \"/staged.lst\": not a ban list: it has no head"),
    ] {
        assert_eq!(node.install(&bytes).unwrap_err(), fault);
        assert_eq!(node.names(), [".lock", "banlist.lst", "floor"], "{fault}");
        assert_eq!(node.known().version, 5);
    }
    let fault = node.install(&signed(6, &[])).unwrap_err();
    assert!(
        fault.starts_with(
            "cannot trust list \"/staged.lst\": not signed, and 1 trusted signature needed / embargoctl list sign --key KEY /"
        )
    );
    node.rules.min_version = 9;
    let fault = "cannot use list \"/staged.lst\": version 8 is below min_version 9 / build the list again with a higher --version";
    assert_eq!(node.install(&version(8)).unwrap_err(), fault);
}

#[test]
fn only_a_regular_file_is_installed() {
    let node = Node::new();
    let real = node.staged(&version(1));
    let path = node.folder.path().join("other");
    symlink(&real, &path).unwrap();
    assert_eq!(node.attempt(&path, false).unwrap_err(), "cannot read \"/other\"");
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(node.attempt(&path, false).unwrap_err(), "cannot read \"/other\": not a regular file");
    assert_eq!(node.attempt(node.folder.path(), false).unwrap_err(), "cannot read \"\": not a regular file");
    assert_eq!(node.attempt(Path::new("/dev/zero"), false).unwrap_err(), "cannot read \"/dev/zero\": not a regular file");
}

#[test]
fn an_installation_cut_short_is_finished_by_the_next() {
    let (first, second) = (version(1), version(2));
    // Cut after each step of installing the second list over the first.
    for step in 1..=3 {
        let node = Node::new();
        node.install(&first).unwrap();
        replace(&node.paths.state.join(".banlist.lst.draft-77"), 0o600, b"half").unwrap();
        if step >= 2 {
            replace::link(&node.paths.list, &node.paths.previous).unwrap();
        }
        if step >= 3 {
            replace(&node.paths.list, 0o644, &second).unwrap();
        }
        // Until then the node has the old list or the new one.
        assert_eq!(node.known().version, if step >= 3 { 2 } else { 1 }, "step {step}");
        node.install(&second).unwrap();
        assert_eq!(node.names(), [".lock", "banlist.lst", "banlist.previous.lst", "floor"], "step {step}");
        assert_eq!((node.known().version, node.floor().edition.version), (2, 2), "step {step}");
        assert_eq!(node.floor().previous, Some(head_digest(&first)), "step {step}");
        // And the list kept stands in.
        fs::remove_file(&node.paths.list).unwrap();
        assert_eq!(node.known().version, 1, "step {step}");
    }
}

#[test]
fn a_broken_list_in_force_is_replaced_and_not_kept() {
    let node = Node::new();
    node.install(&version(1)).unwrap();
    node.install(&version(2)).unwrap();
    let mut broken = version(2);
    broken[HEAD_SIZE + 100] ^= 1;
    replace(&node.paths.list, 0o644, &broken).unwrap();
    assert_eq!(node.install(&version(2)).unwrap(), "installed version 2 for bans.example.com/prod: 1 ban, 2 digests\n");
    assert_eq!(file::read(&node.paths.previous, 1 << 20, Guard::Owned).unwrap(), version(1));
    replace(&node.paths.list, 0o644, &broken).unwrap();
    node.install(&version(3)).unwrap();
    assert_eq!(file::read(&node.paths.previous, 1 << 20, Guard::Owned).unwrap(), version(1));
    assert_eq!((node.known().version, node.floor().previous), (3, Some(head_digest(&version(1)))));
}

#[test]
fn bad_signatures_and_an_expiry_are_told() {
    let node = Node::new();
    let old = Terms { issued: Timestamp::from_seconds(0), expires: Timestamp::from_seconds(86_400), ..terms(1) };
    let mut bytes = list(&source(&[("base", digest(1))]), &old, &[1]);
    let mut claim = Claim::parse(bytes[..HEAD_SIZE].try_into().unwrap()).unwrap();
    claim.signatures.push(key(2).signature("another text\n"));
    bytes[..HEAD_SIZE].copy_from_slice(&claim.block().unwrap());
    assert_eq!(
        node.install(&bytes).unwrap(),
        "installed version 1 for bans.example.com/prod: 1 ban, 1 digest\n\
         beside 1 good signatures 1 do not verify: embargoctl list verify says which\n\
         it expired at 1970-01-02T00:00:00Z: it is enforced all the same, and reported as stale\n"
    );
}

#[test]
fn a_clock_that_was_never_set_judges_nothing() {
    let node = Node::new();
    let staged = node.staged(&version(1));
    for now in [Timestamp::from_seconds(0), Timestamp::parse("2026-10-31").unwrap()] {
        install(&staged, true, &node.paths, &node.rules, now).unwrap();
    }
    // A clock that was set and is behind a list installed before: the list knows better.
    node.install(&version(1)).unwrap();
    let staged = node.staged(&version(2));
    install(&staged, true, &node.paths, &node.rules, Timestamp::parse("2026-11-02").unwrap()).unwrap();
}

#[test]
fn without_a_keyset_or_with_a_broken_floor_nothing_is_installed() {
    let node = Node::new();
    node.install(&version(1)).unwrap();
    replace(&node.paths.floor, 0o644, b"").unwrap();
    let fault = "cannot use floor \"/node/var/lib/embargo/floor\": line 1: expected \"keyset NUMBER\" / remove it only if you know which list this node had last";
    assert_eq!(node.install(&version(2)).unwrap_err(), fault);
    fs::remove_file(&node.paths.keyset).unwrap();
    let fault = "cannot read \"/node/etc/embargo/keyset\" / put the keyset of your list there: embargoctl keyset new";
    assert_eq!(node.install(&version(2)).unwrap_err(), fault);
}

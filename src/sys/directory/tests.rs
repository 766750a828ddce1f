//! Tests who can put files into a directory, and that no link leads out of it.

use std::fs::{Permissions, create_dir, rename, set_permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use super::*;

const USER: u32 = 70_000;

fn put(path: &Path, text: &[u8]) {
    io::Write::write_all(
        &mut std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(path)
            .unwrap(),
        text,
    )
    .unwrap();
}

fn fault<T: std::fmt::Debug>(result: Result<T, FileError>) -> String {
    crate::report::line::causes(&result.unwrap_err())
}

#[test]
fn a_file_is_read_in_its_directory_and_never_through_a_link() {
    let top = tempfile::tempdir().unwrap();
    let own = nix::unistd::geteuid().as_raw();
    create_dir(top.path().join("real")).unwrap();
    put(&top.path().join("real/file"), b"text");
    symlink("real", top.path().join("link")).unwrap();
    symlink("file", top.path().join("real/linked")).unwrap();
    for path in ["real", "link", "link/../real/.", "./link/"] {
        let directory = Directory::open(&top.path().join(path)).unwrap();
        let text = directory.read(OsStr::new("file"), 4).unwrap();
        assert_eq!(
            (text.bytes, text.owner, text.writer, directory.owner()),
            (b"text".to_vec(), own, own, own),
            "{path}"
        );
    }
    let directory = Directory::open(top.path()).unwrap();
    assert_eq!(
        fault(directory.directory(OsStr::new("link"))),
        format!(
            "cannot read {:?}: a part of its path is no directory",
            top.path().join("link")
        )
    );
    let real = directory.directory(OsStr::new("real")).unwrap();
    let names: Vec<_> = real
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(
        fault(real.read(OsStr::new("file"), 3)),
        format!(
            "cannot read {:?}: larger than 3 bytes",
            top.path().join("real/file")
        )
    );
    assert!(fault(real.read(OsStr::new("linked"), 4)).ends_with("it is a symbolic link"));
    assert!(
        Directory::open(&top.path().join("none"))
            .unwrap_err()
            .is_absent()
    );
    assert!(
        Directory::open(&top.path().join("real/file"))
            .unwrap_err()
            .is_absent()
    );
}

#[test]
fn a_directory_that_is_swapped_while_it_is_open_stays_what_it_was() {
    let top = tempfile::tempdir().unwrap();
    for name in ["one", "other"] {
        create_dir(top.path().join(name)).unwrap();
        put(&top.path().join(name).join("file"), name.as_bytes());
    }
    let directory = Directory::open(top.path())
        .unwrap()
        .directory(OsStr::new("one"))
        .unwrap();
    rename(top.path().join("one"), top.path().join("away")).unwrap();
    symlink("other", top.path().join("one")).unwrap();
    assert_eq!(directory.read(OsStr::new("file"), 9).unwrap().bytes, b"one");
}

#[test]
fn below_a_users_directory_everything_is_his_word_and_no_link_is_followed() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let top = tempfile::tempdir().unwrap();
    let path = |name: &str| top.path().join(name);
    for name in ["roots", "user", "user/inner"] {
        create_dir(path(name)).unwrap();
    }
    put(&path("roots/file"), b"");
    put(&path("user/inner/file"), b"");
    symlink(path("roots"), path("user/link")).unwrap();
    symlink(path("roots"), path("foreign")).unwrap();
    std::os::unix::fs::lchown(path("foreign"), Some(USER), None).unwrap();
    chown(path("user"), Some(USER), None).unwrap();
    let text = |name: &str| {
        Directory::open(&path(name))
            .unwrap()
            .read(OsStr::new("file"), 1)
            .map(|text| (text.owner, text.writer))
            .unwrap()
    };
    assert_eq!(text("roots"), (0, 0));
    assert_eq!(text("user/inner"), (USER, 0));
    assert_eq!(
        text("user/../roots"),
        (USER, 0),
        "what may have been swapped on the way counts"
    );
    chown(path("roots/file"), Some(USER), None).unwrap();
    assert_eq!(text("roots"), (USER, USER));
    for link in ["user/link", "foreign"] {
        let expected = format!("cannot read {:?}: it is a symbolic link", path(link));
        assert_eq!(fault(Directory::open(&path(link))), expected);
    }
}

#[test]
fn a_directory_is_owned_when_nobody_else_can_put_anything_into_it() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("etc/embargo");
    let owned = |path: &Path| owned(top.path(), path);
    assert!(owned(&path).is_ok(), "it is not there");
    std::fs::create_dir_all(&path).unwrap();
    let mode = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
    for (bits, is_owned) in [
        (0o755, true),
        (0o700, true),
        (0o555, true),
        (0o775, false),
        (0o757, false),
        (0o1777, false),
    ] {
        mode(&path, bits);
        assert_eq!(owned(&path).is_ok(), is_owned, "{bits:o}");
    }
    assert_eq!(
        fault(owned(&path)),
        format!("cannot trust {path:?}: owned or writable by another user")
    );
    mode(&path, 0o755);
    put(&path.join("file"), b"text");
    symlink(&path, top.path().join("link")).unwrap();
    for way in [path.clone(), top.path().join("link")] {
        assert_eq!(
            read_owned(top.path(), &way.join("file"), 4).unwrap(),
            b"text"
        );
    }
    mode(&path.join("file"), 0o664);
    let file = path.join("file");
    assert_eq!(
        fault(read_owned(top.path(), &file, 4)),
        format!("cannot trust {file:?}: owned or writable by another user")
    );
}

#[test]
fn every_directory_on_the_way_counts_and_the_one_at_fault_is_named() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let top = tempfile::tempdir().unwrap();
    let (etc, inner, link) = (
        top.path().join("etc"),
        top.path().join("etc/embargo"),
        top.path().join("link"),
    );
    std::fs::create_dir_all(&inner).unwrap();
    put(&inner.join("file"), b"text");
    symlink("etc/embargo", &link).unwrap();
    let named = |path: &Path| format!("cannot trust {path:?}: owned or writable by another user");
    chown(top.path(), Some(USER), None).unwrap();
    assert_eq!(
        owned(Path::new("/"), &inner).unwrap_err().to_string(),
        named(top.path())
    );
    assert!(
        owned(&etc, &inner).is_ok(),
        "what is above the node's own root is not asked"
    );
    chown(top.path(), Some(0), None).unwrap();
    for (owner, group, mode, is_owned) in [
        (0, 0, 0o755, true),
        (0, 0, 0o1777, true),
        (0, USER, 0o775, false),
        (0, 0, 0o757, false),
        (USER, USER, 0o755, false),
        (USER, 0, 0o700, false),
    ] {
        chown(&etc, Some(owner), Some(group)).unwrap();
        set_permissions(&etc, Permissions::from_mode(mode)).unwrap();
        for way in [&inner, &link] {
            let read =
                read_owned(top.path(), &way.join("file"), 4).map_err(|error| error.to_string());
            let expected = if is_owned {
                Ok(b"text".to_vec())
            } else {
                Err(named(&etc))
            };
            assert_eq!(read, expected, "{owner} {group} {mode:o} {way:?}");
            // In a directory that only root and the caller can change, nobody else can have removed
            // a file, so the error that there is no file is also trusted.
            assert_eq!(
                read_owned(top.path(), &way.join("none"), 4)
                    .unwrap_err()
                    .is_absent(),
                is_owned
            );
        }
    }
}

#[test]
fn nobody_vouches_for_what_root_lets_others_write() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let top = tempfile::tempdir().unwrap();
    create_dir(top.path().join("inner")).unwrap();
    put(&top.path().join("inner/file"), b"");
    for (mode, group, is_trusted) in [
        (0o755, 0, true),
        (0o1777, 0, true),
        (0o775, 0, true),
        (0o775, USER, false),
        (0o1775, USER, true),
        (0o757, 0, false),
    ] {
        chown(top.path(), None, Some(group)).unwrap();
        set_permissions(top.path(), Permissions::from_mode(mode)).unwrap();
        assert_eq!(
            Directory::open(&top.path().join("inner")).is_ok(),
            is_trusted,
            "{mode:o} {group}"
        );
    }
    set_permissions(top.path(), Permissions::from_mode(0o755)).unwrap();
    let inner = Directory::open(&top.path().join("inner")).unwrap();
    set_permissions(top.path().join("inner/file"), Permissions::from_mode(0o666)).unwrap();
    let expected = format!(
        "cannot trust {:?}: owned or writable by another user",
        top.path().join("inner/file")
    );
    assert_eq!(fault(inner.read(OsStr::new("file"), 1)), expected);
}

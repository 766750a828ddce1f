//! Tests what [`Bundle`] reads of a bundle.

use std::error::Error as _;

use super::*;

fn directory_with(spec: &[u8]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::io::Write::write_all(&mut fs_file(&directory.path().join("config.json")), spec).unwrap();
    directory
}

fn fs_file(path: &Path) -> std::fs::File {
    std::fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(path)
        .unwrap()
}

fn load(path: &Path) -> Result<Bundle, BundleError> {
    Bundle::load(path, &ContainerId::parse("web-1").unwrap(), None)
}

#[test]
fn only_the_root_is_read_and_a_newer_spec_is_no_fault() {
    for (spec, root) in [
        (&br#"{"root":{"path":"/a/merged"}}"#[..], Some("/a/merged")),
        (br#"{"ociVersion":"9.9.9-new","root":{"readonly":"not a bool","path":"rootfs"},"linux":{"new":[{}]}}"#, Some("rootfs")),
        (br#"{"process":{"args":[{"path":"/x"}]},"annotations":{"root":"/y"},"root":{"path":"/z"}}"#, Some("/z")),
        (b"{\"hostname\":\"\xff\xfe\",\"root\":{\"path\":\"/z\"}}", Some("/z")),
        (br#"{"root":{"path":"/a\u0020b"}}"#, Some("/a b")),
        (br#"{"root":{"path":""}}"#, None),
        (br#"{"root":null}"#, None),
        (b"{}", None),
    ] {
        assert_eq!(root_path(spec).unwrap(), root.map(PathBuf::from), "{}", String::from_utf8_lossy(spec));
    }
}

#[test]
fn the_root_is_joined_to_the_bundle_when_it_is_relative() {
    let directory = directory_with(br#"{"root":{"path":"rootfs"}}"#);
    assert_eq!(
        load(directory.path()).unwrap().root,
        directory.path().join("rootfs")
    );
    let elsewhere = directory.path().join("other.json");
    std::io::Write::write_all(&mut fs_file(&elsewhere), br#"{"root":{"path":"/abs"}}"#).unwrap();
    let bundle = Bundle::load(
        directory.path(),
        &ContainerId::parse("web-1").unwrap(),
        Some(&elsewhere),
    )
    .unwrap();
    assert_eq!(
        (bundle.root, bundle.path),
        (PathBuf::from("/abs"), directory.path().to_owned())
    );
}

#[test]
fn a_relative_bundle_is_found_from_the_working_directory() {
    let here = std::env::current_dir().unwrap();
    for (path, expected) in [
        ("", here.clone()),
        (".", here.clone()),
        ("a/./b", here.join("a/b")),
        ("a/../b", here.join("a/../b")),
    ] {
        assert_eq!(absolute(Path::new(path)).unwrap(), expected, "{path}");
    }
}

#[test]
fn a_spec_that_cannot_be_read_is_named_with_its_fault() {
    for (spec, message, cause) in [
        (
            &b""[..],
            "cannot parse the runtime spec",
            Some("EOF while parsing a value at line 1 column 0"),
        ),
        (
            b"{\"root\":{\"path\":\"/a",
            "cannot parse the runtime spec",
            Some("EOF while parsing a string at line 1 column 19"),
        ),
        (
            b"{\"root\":{\"path\":\"/a\"}} x",
            "cannot parse the runtime spec",
            Some("trailing characters at line 1 column 24"),
        ),
        (
            b"{\"root\":{\"path\":\"\xff\"}}",
            "cannot parse the runtime spec",
            Some("invalid unicode code point at line 1 column 18"),
        ),
        (
            b"{\"root\":{}}",
            "cannot parse the runtime spec",
            Some("missing field `path` at line 1 column 11"),
        ),
        (
            b"{\"root\":{\"path\":\"/a\"},\"root\":{\"path\":\"/b\"}}",
            "cannot parse the runtime spec",
            Some("duplicate field `root` at line 1 column 28"),
        ),
        (
            br#"{"root":{"path":"rootfs"},"Root":{"path":"OTHER"}}"#,
            "cannot parse the runtime spec",
            Some("`root` in another case at line 1 column 32"),
        ),
        (
            br#"{"\u0052OOT":{"path":"OTHER"}}"#,
            "cannot parse the runtime spec",
            Some("`root` in another case at line 1 column 12"),
        ),
        (
            br#"{"root":{"path":"rootfs","PATH":"OTHER"}}"#,
            "cannot parse the runtime spec",
            Some("`path` in another case at line 1 column 31"),
        ),
        (
            b"[null]",
            "cannot parse the runtime spec",
            Some("invalid type: sequence, expected an object at line 1 column 0"),
        ),
        (b"{}", "cannot find root.path in the runtime spec", None),
    ] {
        let directory = directory_with(spec);
        let error = load(directory.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{message} {:?}", directory.path().join("config.json"))
        );
        assert_eq!(error.source().map(ToString::to_string).as_deref(), cause);
    }
}

#[test]
fn the_bundle_of_a_user_is_read_with_his_rights() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let (user, id) = (70_000, ContainerId::parse("web-1").unwrap());
    let bundle = directory_with(br#"{"root":{"path":"rootfs"}}"#);
    let spec = bundle.path().join("config.json");
    let load = || Bundle::load_of(user, bundle.path(), &id);
    // The directory belongs to root.
    let close = |directory: &Path| {
        std::fs::set_permissions(
            directory,
            std::os::unix::fs::PermissionsExt::from_mode(0o700),
        )
        .unwrap()
    };
    close(bundle.path());
    assert_eq!(
        load().unwrap_err().to_string(),
        format!("cannot read {spec:?}")
    );
    std::os::unix::fs::chown(bundle.path(), Some(user), None).unwrap();
    std::os::unix::fs::chown(&spec, Some(user), None).unwrap();
    assert_eq!(load().unwrap().root, bundle.path().join("rootfs"));
    std::fs::OpenOptions::new()
        .write(true)
        .open(&spec)
        .unwrap()
        .set_len(LARGEST_USERS_SPEC + 1)
        .unwrap();
    assert_eq!(
        load().unwrap_err().to_string(),
        format!("cannot read {spec:?}: larger than 1048576 bytes")
    );
    std::fs::remove_file(&spec).unwrap();
    let secret = directory_with(br#"{"root":{"path":"/secret"}}"#);
    close(secret.path());
    std::os::unix::fs::symlink(secret.path().join("config.json"), &spec).unwrap();
    assert_eq!(
        load().unwrap_err().to_string(),
        format!("cannot read {spec:?}")
    );
    std::fs::remove_file(&spec).unwrap();
    nix::unistd::mkfifo(&spec, nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::os::unix::fs::chown(&spec, Some(user), None).unwrap();
    assert_eq!(
        load().unwrap_err().to_string(),
        format!("cannot read {spec:?}: not a regular file")
    );
}

#[test]
fn what_is_no_bounded_regular_file_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let spec = directory.path().join("config.json");
    assert_eq!(
        load(directory.path()).unwrap_err().to_string(),
        format!("cannot read {spec:?}")
    );
    nix::unistd::mkfifo(&spec, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(
        load(directory.path()).unwrap_err().to_string(),
        format!("cannot read {spec:?}: not a regular file")
    );
    std::fs::remove_file(&spec).unwrap();
    fs_file(&spec).set_len(LARGEST_SPEC + 1).unwrap();
    assert_eq!(
        load(directory.path()).unwrap_err().to_string(),
        format!("cannot read {spec:?}: larger than 16777216 bytes")
    );
}

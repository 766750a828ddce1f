//! Tests what `embargo check` reports about images outside any engine, with a list and a keyset
//! that the caller names.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::attacks::node::{Node, OTHER, keyset};

/// The chain ID of the base on which the archives' images are built.
const BASE: &str = "sha256:c9f0ede05a46ccb285bd43d0e2849a1f6961d902d2091b9fd96a806b5bf3210c";

/// The path of an archive, copied to where the tests' user may read it.
fn archive(node: &Node, name: &str) -> PathBuf {
    let (from, to) = (
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/archive"),
        node.room.path(name),
    );
    fs::copy(from.join(format!("{name}.tar.gz")), &to).unwrap();
    to
}

/// A machine without settings, list and keyset of its own. A list that bans this digest and the
/// list's keyset are in files.
fn machine(digest: &str) -> Node {
    let node = Node::trusting(&keyset(&[1], 1));
    let list = node.list(7).banning("base", &[digest]).by(&[1]);
    for (name, bytes) in [("list", list), ("keyset", keyset(&[1], 1).into_bytes())] {
        fs::write(node.room.path(name), bytes).unwrap();
    }
    fs::remove_dir_all(node.room.path("node/etc/embargo")).unwrap();
    node
}

/// The exit status, the output and the error output of `check` with these arguments.
fn check(node: &Node, words: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut command = node.room.embargo();
    let mut child = command
        .arg("check")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        said(output.stdout),
        said(output.stderr),
    )
}

#[test]
fn a_pipeline_without_an_engine_asks_about_its_image() {
    let (banning, other) = (machine(BASE), machine(OTHER));
    let layout = banning.room.path("layout");
    fs::create_dir(&layout).unwrap();
    let packed = std::process::Command::new("tar")
        .arg("-xzf")
        .arg(archive(&banning, "umoci-0.4-layout"))
        .arg("-C")
        .arg(&layout)
        .status();
    assert!(packed.unwrap().success());
    assert!(
        std::process::Command::new("chmod")
            .args(["-R", "a+rX"])
            .arg(&layout)
            .status()
            .unwrap()
            .success()
    );
    let of = |transport: &str, path: &Path, reference: &str| {
        format!("{transport}:{}{reference}", path.display())
    };
    let files = ["--list", "list", "--keyset", "keyset"];
    for (word, status) in [
        (
            of(
                "docker-archive",
                &archive(&banning, "docker-20.10-save"),
                ":app:1",
            ),
            2,
        ),
        (
            of("docker-archive", &archive(&banning, "podman-4.3-save"), ""),
            2,
        ),
        (
            of(
                "oci-archive",
                &archive(&banning, "skopeo-1.9-oci-archive"),
                "",
            ),
            2,
        ),
        (of("oci", &layout, ":base"), 2),
        (of("oci", &layout, ":app"), 2),
        (of("oci", &layout, ":empty"), 0),
        (of("oci", &layout, ":none"), 4),
        (of("oci", &layout.join("none"), ""), 3),
        (of("oci-archive", &layout, ""), 3),
    ] {
        let (found, text, fault) = check(&banning, &[&files[..], &[&word]].concat(), b"");
        assert_eq!(found, status, "{word}: {text}{fault}");
        assert_eq!(
            text.contains("\nverdict   BANNED"),
            status == 2,
            "{word}: {text}"
        );
        assert_eq!(
            fault.starts_with("embargo check: cannot "),
            status > 2,
            "{word}: {fault}"
        );
        if status < 3 {
            let (found, text, fault) = check(&other, &[&files[..], &[&word]].concat(), b"");
            assert_eq!((found, fault.as_str()), (0, ""), "{word}: {text}");
            assert!(
                text.contains("\nverdict   clear\n") && text.contains("\nlist      7, issued "),
                "{word}: {text}"
            );
        }
    }
}

/// The argument could also be an image's name with a tag. Once, only the engines were searched for
/// this argument.
#[test]
fn an_archive_that_is_missing_is_named_whether_or_not_engines_were_asked() {
    let node = machine(BASE);
    for (word, place) in [
        ("docker-archive:nowhere.tar", "nowhere.tar"),
        ("oci-archive:nowhere.tar", "nowhere.tar"),
        ("oci:nowhere", "nowhere"),
    ] {
        let fault = format!("embargo check: cannot read \"{place}\": it is missing\n");
        for words in [
            &[][..],
            &["--image"],
            &["--list", "list", "--keyset", "keyset"],
        ] {
            assert_eq!(
                check(&node, &[words, &[word]].concat(), b""),
                (3, String::new(), fault.clone()),
                "{words:?} {word}"
            );
        }
        let (status, answer, said) = check(&node, &["--json", word], b"");
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            (status, said, &answer["outcome"], &answer["asked"]),
            (3, fault, &"unknown".into(), &word.into())
        );
    }
    // With `--container`, the argument never means a file.
    let (status, _, said) = check(&node, &["--container", "oci:nowhere"], b"");
    assert!(
        status == 4
            && said
                .starts_with("embargo check: cannot find a container \"oci:nowhere\" on this node"),
        "{said}"
    );
}

#[test]
fn an_image_config_on_standard_input_is_an_image() {
    let node = machine(BASE);
    let files = ["--json", "--list", "list", "--keyset", "keyset", "-"];
    let text = |diff_id: &str| {
        format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#
        )
    };
    for (input, status, outcome) in [
        (text(BASE), 2, "banned"),
        (text(OTHER), 0, "clear"),
        ("{}".to_owned(), 3, "unknown"),
        (String::new(), 3, "unknown"),
    ] {
        let (found, answer, fault) = check(&node, &files, input.as_bytes());
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            (found, &answer["outcome"], &answer["asked"]),
            (status, &outcome.into(), &"-".into()),
            "{input}: {fault}"
        );
    }
}

#[test]
fn a_list_that_nobody_vouches_for_tells_nothing() {
    let node = machine(OTHER);
    let word = format!(
        "docker-archive:{}",
        archive(&node, "docker-20.10-save").display()
    );
    let ask = |words: &[&str]| check(&node, &[words, &[&word]].concat(), b"");
    assert_eq!(ask(&["--list", "list", "--keyset", "keyset"]).0, 0);
    // Without `--list` and `--keyset`, the node's own list and keyset are used, and this node has
    // none.
    for words in [
        &[][..],
        &["--list", "list"],
        &["--keyset", "keyset"],
        &["--list", "none", "--keyset", "keyset"],
    ] {
        let (status, text, fault) = ask(words);
        assert_eq!(status, 3, "{words:?}: {text}{fault}");
        assert!(!text.contains("clear"), "{words:?}: {text}");
    }
    let forged = Node::trusting(&keyset(&[2], 1))
        .list(7)
        .banning("base", &[OTHER])
        .by(&[2]);
    let path = node.room.path("forged");
    fs::write(&path, forged).unwrap();
    let (status, text, _) = ask(&["--list", "forged", "--keyset", "keyset"]);
    let why = format!(
        "\nlist      none (cannot trust list {:?}",
        fs::canonicalize(path).unwrap()
    );
    assert!(status == 3 && text.contains(&why), "{text}");
    // A list may be given only for images outside any engine. In other cases `--list` is an error.
    for words in [
        &["--list", "list", "app:1"][..],
        &["--keyset"],
        &["--container", "--list", "list", "oci:x"],
    ] {
        assert_eq!(check(&node, words, b"").0, 64, "{words:?}");
    }
}

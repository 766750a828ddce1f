//! Tests that the path is found even if other parts of the file are wrong, and that it is the same
//! path as from `parse` if `parse` accepts the file.

use std::path::Path;

use super::super::{Settings, parse};
use super::*;

fn found(text: &[u8]) -> Option<String> {
    read(text).map(|path| path.into_os_string().into_string().unwrap())
}

fn strict(text: &str) -> Option<Settings> {
    parse(text, Path::new("config.toml")).ok()
}

#[test]
fn each_way_to_write_it_is_read_as_the_strict_reading_reads_it() {
    for (text, expected) in [
        ("runtime = \"/usr/bin/runc\"\n", Some("/usr/bin/runc")),
        (
            "\u{feff}runtime = \"/usr/bin/runc\"\n",
            Some("/usr/bin/runc"),
        ),
        (
            "\u{feff}\r\n\"runtime\" = '/usr/bin/runc'\r\nmode = 'audit'\r\n",
            Some("/usr/bin/runc"),
        ),
        ("'runtime'=\"/a\\u0062\" # x", Some("/ab")),
        ("\"\\u0072untime\" = \"/a\"", Some("/a")),
        ("\truntime\t=\t'/a\\b'", Some("/a\\b")),
        ("runtime = \"\"\"/a\"\"\"", Some("/a")),
        ("runtime = '''\n/a'''", Some("/a")),
        ("runtime = \"\"\"\\\n   /a\"\"\"", Some("/a")),
        ("runtime = \"/a # b\" # c", Some("/a # b")),
        ("runtime = \"/\u{fffd}\"", Some("/\u{fffd}")),
        ("origin = \"o\" # \"\"\"\nruntime = \"/a\"\n", Some("/a")),
        (
            "former_runtimes = [\n  '/b', # ]\n  \"/c\",\n]\nruntime = '/a'\n[engines]\ndocker = ['/d']\n",
            Some("/a"),
        ),
        ("[engines]\ndocker = ['/d']\n", None),
        ("engines = { docker = ['/d'] }\nruntime = '/a'", Some("/a")),
        ("engines.docker = ['/d']\nruntime = '/a'", Some("/a")),
        ("#runtime = '/b'\n", None),
        ("former_runtimes = [ '/b', ]\n", None),
    ] {
        assert_eq!(found(text.as_bytes()).as_deref(), expected, "{text:?}");
        let settings = strict(text).unwrap_or_else(|| panic!("{text:?} is good"));
        assert_eq!(
            settings.runtime.as_deref(),
            expected.map(Path::new),
            "{text:?}"
        );
    }
}

#[test]
fn it_is_found_whatever_else_is_wrong() {
    for (text, expected) in [
        (
            &b"mode = \"enforced\"\n  runtime='/x y'  # real\nmode = 3"[..],
            Some("/x y"),
        ),
        (
            b"runtime = \"/usr/bin/crun\"\nmode = \"\xff\"\n[[[",
            Some("/usr/bin/crun"),
        ),
        (b"mode = \"\xff\"\nruntime = \"/a\"\n", Some("/a")),
        (b"mode = \"enf\nruntime = \"/a\"\n", Some("/a")),
        (b"= = =\n}\n]\nruntime = \"/a\"\n", Some("/a")),
        (
            b"former_runtimes = [\n  \"/b\",\nruntime = \"/a\"\n",
            Some("/a"),
        ),
        (b"engines = { docker = [\nruntime = \"/a\"\n", Some("/a")),
        (b"origin = '''o\nruntime = \"/a\"\n", Some("/a")),
        (b"origin = \"\"\"o\nruntime = \"/a\"\nmode", Some("/a")),
        (b"mode\nruntime = \"/a\"\n", Some("/a")),
        (b"\0\0\nruntime = \"/a\"\0\n", Some("/a")),
        (b"runtime = \"/a\"\nruntime = \"/b\"\n", Some("/a")),
        (b"runtime = \"/a\" trailing\n", Some("/a")),
        // A path with invalid bytes is not used.
        (b"runtime = \"/a\xff\"\n", None),
        (b"runtime = \"/a\\u0000\"\n", None),
        (b"runtime = \"runc\"\n", None),
        (b"runtime = \"/usr/b", None),
        (b"runtime = /usr/bin/runc\n", None),
        (b"runtime = [\"/a\"]\n", None),
        (b"runtime = { path = \"/a\" }\n", None),
        (b"runtime.path = \"/a\"\n", None),
        (b"x.runtime = \"/a\"\n", None),
        (b"x = { runtime = \"/a\" }\n", None),
        (b"x = \"\"\"\nruntime = \"/a\"\n\"\"\"\n", None),
        (b"[engines]\nruntime = \"/a\"\n", None),
        (b"[[engines]]\nruntime = \"/a\"\n", None),
        (b"x = [\n[engines]\nruntime = \"/a\"\n", None),
        (b"runtime = ", None),
        (b"runtimes = \"/a\"\nformer_runtimes = [\"/c\"]\n", None),
        (b"", None),
    ] {
        assert_eq!(found(text).as_deref(), expected, "{}", text.escape_ascii());
    }
}

#[test]
fn no_depth_is_too_deep() {
    for open in ["[", "{a=", "[{a=", "x."] {
        let deep = format!("x = {}\n", open.repeat(20_000));
        assert_eq!(found(deep.as_bytes()), None, "{open}");
        assert_eq!(
            found((deep + "runtime = '/a'\n").as_bytes()).as_deref(),
            Some("/a"),
            "{open}"
        );
    }
}

/// Pieces of settings files, right and wrong ones.
const PIECES: [&str; 48] = [
    "runtime = \"/usr/bin/runc\"",
    "runtime = '/a'",
    "\"runtime\" = \"/b\"",
    "'runtime' = '''/c'''",
    "runtime = \"\"\"\n/d\"\"\"",
    "\"\\u0072untime\"='/e'",
    "runtime = \"/f\\u0041\\\\\"",
    " runtime\t=  '/g' # '",
    "runtime = 'runc'",
    "runtime = 3",
    "runtime = ['/h']",
    "runtime.x = '/i'",
    "[runtime]",
    "mode = 'audit'",
    "mode = \"enforce\"",
    "mode = \"enf",
    "origin = \"o\"",
    "origin = \"\"\"o\"\"\"",
    "origin = '''\no'''",
    "origin = \"\"\"\\",
    "former_runtimes = ['/j']",
    "former_runtimes = [",
    "  '/k',",
    "]",
    "former_runtimes = [ # runtime = '/l'\n'/m'\n]",
    "engines = {}",
    "[engines]",
    "docker = ['/n']",
    "engines.docker = [\n\n'/o', ]",
    "engines = { docker = ['/p'], runtime = '/q' }",
    "[[engines]]",
    "{",
    "}",
    "'''",
    "\"\"\"",
    "#",
    "# runtime = '/r'",
    "# \u{e9}",
    "",
    " ",
    "\t",
    "=",
    "runtime =",
    "runtime",
    "\u{feff}",
    "\0",
    "min_version = 1",
    "on_no_image = 'admit'",
];

#[test]
fn both_readings_agree_on_every_file_that_the_strict_one_accepts() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let (mut good, mut named) = (0, 0);
    for _ in 0..20_000 {
        let mut text = String::from(if next(8) == 0 { "\u{feff}" } else { "" });
        for _ in 0..next(6) {
            text += PIECES[next(PIECES.len())];
            text += ["\n", "\n", "\n", "\r\n", "\r", " "][next(6)];
        }
        if let Some(settings) = strict(&text) {
            assert_eq!(read(text.as_bytes()), settings.runtime, "{text:?}");
            good += 1;
            named += usize::from(settings.runtime.is_some());
        }
    }
    assert!(good > 1_500 && named > 300, "{good} {named}");
}

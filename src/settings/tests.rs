//! Tests which settings are accepted, which are refused and at which line, and that the sample and
//! the manual agree with the code.

use super::*;
use std::os::unix::fs::PermissionsExt;

const PATH: &str = "/etc/embargo/config.toml";
const SAMPLE: &str = include_str!("../../packaging/config.toml");

fn parsed(text: &str) -> Settings {
    parse(text, Path::new(PATH)).unwrap()
}

fn fault(text: &str) -> String {
    parse(text, Path::new(PATH)).unwrap_err().to_string()
}

/// A node's directory with these bytes as its settings file.
fn node(bytes: &[u8]) -> (tempfile::TempDir, Paths) {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::below(root.path());
    std::fs::create_dir_all(paths.settings.parent().unwrap()).unwrap();
    std::io::Write::write_all(
        &mut std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&paths.settings)
            .unwrap(),
        bytes,
    )
    .unwrap();
    (root, paths)
}

/// The sample with every key line uncommented.
fn uncommented() -> String {
    let bare = |line: &'static str| {
        line.strip_prefix('#')
            .filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '['))
            .unwrap_or(line)
    };
    SAMPLE.lines().map(bare).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_not_set_has_its_default() {
    let settings = Settings {
        mode: Mode::Enforce,
        help: None,
        runtime: None,
        former_runtimes: vec![],
        on_no_image: OnNoImage::Admit,
        on_unknown_image: OnUnknownImage::Refuse,
        on_missing_list: OnMissingList::Refuse,
        on_overdue_list: OnOverdueList::Admit,
        grace: 2_592_000,
        break_glass_max: 86_400,
        min_version: 0,
        origin: None,
        max_impact: 50,
        auto_patch: AutoPatch::Off,
        resolve_timeout: Duration::from_secs(5),
        engines: Engines::default(),
    };
    assert_eq!(parsed("# nothing\n"), settings);
    assert_eq!(parsed(SAMPLE), settings);
    assert_eq!(Settings::unset(), settings);
}

#[test]
fn the_sample_shows_every_key_and_every_default() {
    let sample = parsed(&uncommented());
    let engines = Engines {
        docker: vec!["/srv/docker".into()],
        containerd: vec![ContainerdPlace {
            root: "/var/lib/rancher/k3s/agent/containerd".into(),
            state: Some("/run/k3s/containerd".into()),
        }],
        storage: vec![StoragePlace {
            root: "/srv/containers/storage".into(),
            run_root: Some("/run/srv-containers".into()),
        }],
        runtime_roots: vec!["/run/k3s/runc".into()],
    };
    let expected = Settings {
        help: Some("https://wiki.example.com/embargo".into()),
        runtime: Some("/usr/sbin/runc".into()),
        former_runtimes: vec!["/usr/bin/crun".into()],
        origin: Some("bans.example.com/prod".into()),
        engines,
        ..parsed(SAMPLE)
    };
    assert_eq!(sample, expected);
    // The parser's error for an unknown key lists all keys: each must be in the sample.
    let keys = fault("no_such_key = 1\n");
    for key in keys.split('`').skip(3).step_by(2) {
        let shown = uncommented()
            .lines()
            .any(|line| line.starts_with(&format!("{key} = ")) || line == format!("[{key}]"));
        assert!(shown, "the sample does not show {key}");
    }
}

#[test]
fn a_socket_of_containerd_may_be_named_and_is_not_used() {
    let settings = |more: &str| {
        parsed(&format!(
            "[engines]\ncontainerd = [{{ root = '/c'{more} }}]\n"
        ))
    };
    assert_eq!(settings(", address = '/c.sock'"), settings(""));
    assert!(fault("[engines]\ncontainerd = [{ root = '/c', address = 'c' }]\n").contains("\"c\""));
}

#[test]
fn every_decision_can_be_turned() {
    let settings = parsed(
        "mode = 'audit'\non_no_image = 'refuse'\non_unknown_image = 'admit'\non_missing_list = 'admit'\non_overdue_list = 'refuse'\n\
         grace = '12h'\nbreak_glass_max = '90m'\nmin_version = 412\nmax_impact = '0%'\nauto_patch = 'on-install'\nresolve_timeout = '2s'\n",
    );
    assert_eq!(settings.mode, Mode::Audit);
    assert_eq!(settings.on_no_image, OnNoImage::Refuse);
    assert_eq!(settings.on_unknown_image, OnUnknownImage::Admit);
    assert_eq!(settings.on_missing_list, OnMissingList::Admit);
    assert_eq!(settings.on_overdue_list, OnOverdueList::Refuse);
    assert_eq!(
        (settings.grace, settings.max_impact, settings.auto_patch),
        (43_200, 0, AutoPatch::OnInstall)
    );
    assert_eq!(settings.break_glass_max, 5_400);
    assert_eq!(settings.resolve_timeout, Duration::from_secs(2));
    assert_eq!(
        settings.rules(),
        Rules {
            origin: None,
            min_version: 412
        }
    );
}

#[test]
fn a_mistake_is_reported_with_its_file_and_line() {
    for (text, line, fault_part) in [
        (
            "mode = \"enforce\"\nruntime = \"runc\"\n",
            2,
            "expected an absolute path, not \"runc\"",
        ),
        (
            "\n\nmod = \"enforce\"\n",
            3,
            "unknown field `mod`, expected one of `mode`, `help`, `runtime`",
        ),
        (
            "mode = \"enforced\"\n",
            1,
            "unknown variant `enforced`, expected `enforce` or `audit`",
        ),
        ("mode = true\n", 1, ""),
        (
            "# x\ngrace = 30\n",
            2,
            "invalid type: integer `30`, expected a string",
        ),
        (
            "grace = \"30\"\n",
            1,
            "expected a time such as \"30d\", at most \"3650d\", not \"30\"",
        ),
        (
            "break_glass_max = \"1 day\"\n",
            1,
            "expected a time such as \"30d\", at most \"3650d\", not \"1 day\"",
        ),
        (
            "auto_patch = \"always\"\n",
            1,
            "unknown variant `always`, expected `off` or `on-install`",
        ),
        (
            "max_impact = 50\n",
            1,
            "invalid type: integer `50`, expected a string",
        ),
        (
            "max_impact = \"150%\"\n",
            1,
            "expected a share such as \"50%\", at most \"100%\", not \"150%\"",
        ),
        (
            "min_version = -1\n",
            1,
            "invalid value: integer `-1`, expected u64",
        ),
        ("mode = \"audit\"\nmode = \"enforce\"\n", 2, "duplicate key"),
        (
            "former_runtimes = [\n \"/usr/bin/crun\",\n \"crun\",\n]\n",
            1,
            "expected an absolute path, not \"crun\"",
        ),
        (
            "mode = \"enforce\"\n[engines]\ndockers = []\n",
            3,
            "unknown field `dockers`, expected one of `docker`",
        ),
        (
            "[engines]\ncontainerd = [{ state = \"/run/x\" }]\n",
            2,
            "missing field `root`",
        ),
        ("mode = \"enf", 1, "invalid basic string"),
        ("mode = \"enforce\"\nruntime", 2, ""),
        ("\u{1b}[2J = 1\n", 1, ""),
    ] {
        let fault = fault(text);
        let start = format!("cannot use settings \"{PATH}\", line {line}: ");
        assert!(
            fault.starts_with(&start) && fault.contains(fault_part) && fault.len() > start.len(),
            "{text:?}: {fault}"
        );
        assert!(!fault.chars().any(char::is_control), "{fault:?}");
    }
}

#[test]
fn only_a_missing_file_leaves_a_node_unarmed() {
    let (root, paths) = node(b"mode = 'audit'\n");
    assert_eq!(load(&paths).unwrap().unwrap().mode, Mode::Audit);
    let reread = |what: &str| line::causes(&load(&paths).expect_err(what));
    let path = format!("{:?}", paths.settings);

    std::fs::set_permissions(&paths.settings, PermissionsExt::from_mode(0o666)).unwrap();
    assert_eq!(
        reread("writable by all"),
        format!("cannot trust {path}: owned or writable by another user")
    );
    assert_eq!(
        runtime_line(&paths),
        None,
        "nor does a call that is passed on trust it"
    );
    std::fs::set_permissions(&paths.settings, PermissionsExt::from_mode(0o644)).unwrap();
    let etc = paths.settings.parent().unwrap();
    for (mode, is_read) in [
        (0o775, false),
        (0o757, false),
        (0o1777, false),
        (0o700, true),
        (0o755, true),
    ] {
        std::fs::set_permissions(etc, PermissionsExt::from_mode(mode)).unwrap();
        let expected = if is_read {
            Ok(())
        } else {
            Err(format!(
                "cannot trust {etc:?}: owned or writable by another user"
            ))
        };
        assert_eq!(
            load(&paths).map(drop).map_err(|error| error.to_string()),
            expected,
            "{mode:o}"
        );
    }
    std::fs::rename(&paths.settings, root.path().join("real")).unwrap();
    assert!(load(&paths).unwrap().is_none(), "no file at all");
    std::os::unix::fs::symlink(root.path().join("none"), &paths.settings).unwrap();
    assert_eq!(
        reread("a link to nothing"),
        format!("cannot read {path}: it is a symbolic link")
    );
    std::fs::remove_file(&paths.settings).unwrap();
    nix::unistd::mkfifo(&paths.settings, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(
        reread("a FIFO"),
        format!("cannot read {path}: not a regular file")
    );
    std::fs::remove_dir_all(paths.settings.parent().unwrap()).unwrap();
    assert!(load(&paths).unwrap().is_none(), "no directory");
    std::os::unix::fs::symlink(root.path().join("real"), paths.settings.parent().unwrap()).unwrap();
    assert_eq!(
        reread("a file for a directory"),
        format!("cannot read {path}: a part of its path is no directory")
    );
}

#[test]
fn a_link_that_leads_nowhere_does_not_disarm_a_node() {
    let (root, paths) = node(b"mode = 'audit'\n");
    let directory = paths.settings.parent().unwrap();
    std::fs::remove_dir_all(directory).unwrap();
    std::os::unix::fs::symlink(root.path().join("none"), directory).unwrap();
    let error = load(&paths).unwrap_err();
    assert_eq!(
        (error.to_string(), error.path()),
        (
            format!("cannot find the settings: the link {directory:?} leads nowhere"),
            directory
        )
    );
    std::fs::create_dir(root.path().join("none")).unwrap();
    assert!(
        load(&paths).unwrap().is_none(),
        "the directory that it leads to has no settings"
    );
}

#[test]
fn settings_cut_short_or_of_no_text_or_far_too_large_are_errors() {
    for (bytes, fault) in [
        (&b""[..], "the file is empty"),
        (b"mode = \"audit\"\nruntime = \"/usr/s", "line 2: "),
        (b"mode = \"\xff\"\n", ": not UTF-8"),
        (&[b'#'; 65_537], ": larger than 65536 bytes"),
        (&[b'['; 60_000], "line 1: "),
    ] {
        let (_root, paths) = node(bytes);
        let reported = load(&paths).unwrap_err().to_string();
        assert!(
            reported.contains(fault)
                && reported.contains("etc/embargo/config.toml\"")
                && reported.len() < 1_000,
            "{reported}"
        );
    }
}

#[test]
fn the_runtime_is_read_alike_by_calls_that_start_something_and_by_those_that_do_not() {
    for text in [
        SAMPLE.to_owned(),
        uncommented(),
        format!("\u{feff}{}", uncommented()),
        uncommented().replace('\n', "\r\n"),
    ] {
        let (_root, paths) = node(text.as_bytes());
        assert_eq!(
            runtime_line(&paths),
            load(&paths).unwrap().unwrap().runtime,
            "{text}"
        );
    }
    // Only as many bytes as the limit for settings are read.
    let (_root, paths) = node(&[&[b'\n'; 65_535][..], b"runtime = '/a'\n"].concat());
    assert_eq!(runtime_line(&paths), None);
    assert_eq!(runtime_line(&Paths::below(Path::new("/nowhere"))), None);
}

#[test]
fn the_manual_names_every_key_with_its_default() {
    const PAGE: &str = include_str!("../../packaging/man/embargo-config.toml.5");
    let sample: toml::Table = toml::from_str(&uncommented()).unwrap();
    let entry = |key: &str| {
        PAGE.lines().find(|line| {
            line.strip_prefix(".It Ic ")
                .is_some_and(|rest| rest.starts_with(&format!("{key} ")))
        })
    };
    let mut keys: Vec<&str> = Vec::new();
    for (key, value) in sample.iter().filter(|(key, _)| *key != "engines") {
        let line = entry(key).unwrap_or_else(|| panic!("{key} is missing"));
        let default = match (value.as_str(), value.as_integer()) {
            // In the manual, a path or an origin is an example; any other value is the default.
            (Some(text), _) if !text.contains('/') => format!(".It Ic {key} Pq string, Qq {text}"),
            (_, Some(number)) => format!(".It Ic {key} Pq whole number, {number}"),
            (Some(_) | None, None) => line.to_owned(),
        };
        assert_eq!(line, default);
        keys.push(key);
    }
    for (key, places) in sample["engines"].as_table().unwrap() {
        entry(key).unwrap_or_else(|| panic!("engines.{key} is missing"));
        keys.push(key);
        for field in places
            .as_array()
            .unwrap()
            .iter()
            .filter_map(toml::Value::as_table)
            .flat_map(toml::Table::keys)
        {
            assert!(
                PAGE.lines()
                    .any(|line| line.starts_with(&format!(".Ic {field}"))),
                "engines.{key}: {field} is missing"
            );
        }
    }
    let reported: Vec<_> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix(".It Ic ")?.split(' ').next())
        .collect();
    assert!(
        reported.iter().all(|key| keys.contains(key)),
        "{reported:?} has more keys than {keys:?}"
    );
}

#[test]
fn no_flipped_bits_turn_a_refusal_into_an_admission() {
    assert_eq!((ADMITS ^ REFUSES).count_ones(), u32::BITS);
    for (admits, refuses) in [
        (Mode::Audit as u32, Mode::Enforce as u32),
        (OnNoImage::Admit as u32, OnNoImage::Refuse as u32),
        (OnUnknownImage::Admit as u32, OnUnknownImage::Refuse as u32),
        (OnMissingList::Admit as u32, OnMissingList::Refuse as u32),
        (OnOverdueList::Admit as u32, OnOverdueList::Refuse as u32),
    ] {
        assert_eq!((admits, refuses), (ADMITS, REFUSES));
    }
}

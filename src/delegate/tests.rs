//! Tests which runtime is found, how a former runtime is found, and what is reported about a
//! runtime that cannot be executed.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::call::{self, Call};
use crate::report::line;
use crate::verdict;

/// A directory with files of these names and modes.
fn directory(files: &[(&str, &[u8], u32)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes, mode) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(&path)
            .unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
        file.set_permissions(PermissionsExt::from_mode(*mode))
            .unwrap();
    }
    directory
}

fn variable(name: &str, value: &Path) -> CString {
    CString::new(format!("{name}={}", value.display())).unwrap()
}

fn with<'a>(environment: &[&'a CStr]) -> Given<'a> {
    Given {
        argv: vec![c"embargo"],
        environment: environment.to_vec(),
    }
}

fn elsewhere(path: PathBuf, depth: u32) -> RealRuntime {
    RealRuntime {
        path,
        place: RuntimePlace::Elsewhere,
        depth,
    }
}

#[test]
fn runc_is_found_before_crun_and_only_programs_count() {
    let first = directory(&[("runc", b"", 0o644), ("crun", b"", 0o755)]);
    let second = directory(&[("runc", b"", 0o755)]);
    let path = format!(
        "PATH=relative:{}::{}",
        first.path().display(),
        second.path().display()
    );
    let path = CString::new(path).unwrap();
    let found = find(None, &with(&[&path])).unwrap();
    assert_eq!(
        (found.path(), found.kind()),
        (second.path().join("runc").as_path(), RuntimeFamily::Runc)
    );
}

#[test]
fn embargo_is_not_its_own_runtime_by_any_path() {
    let itself = std::fs::read_link("/proc/self/exe").unwrap();
    let place = directory(&[("real/runc", b"", 0o755)]);
    let link = place.path().join("runc");
    symlink(&itself, &link).unwrap();
    for path in [itself, link] {
        let error = find(Some(path.clone()), &with(&[])).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot use {path:?} as the real runtime: it is embargo itself")
        );
        assert_eq!(
            error.hint(),
            "set runtime = \"/absolute/path/to/runc\" in /etc/embargo/config.toml"
        );
    }
    let path = CString::new(format!("PATH={0}:{0}/real", place.path().display())).unwrap();
    assert_eq!(
        find(None, &with(&[&path])).unwrap().path(),
        place.path().join("real/runc")
    );
}

#[test]
fn a_runtime_whose_path_embargo_took_is_found_beside_it_where_it_is_named() {
    let itself = std::fs::read_link("/proc/self/exe").unwrap();
    let place = directory(&[
        ("sbin/runc.real", b"", 0o755),
        ("bin/crun.distrib", b"", 0o755),
        ("state/c1/status", b"", 0o600),
    ]);
    let at = |path: &str| place.path().join(path);
    symlink(&itself, at("sbin/runc")).unwrap();
    symlink(&itself, at("bin/crun")).unwrap();
    symlink("../sbin/runc", at("bin/runc")).unwrap();
    // By the settings, and for a container that crun made.
    for named in ["sbin/runc", "bin/runc"] {
        let found = find(Some(at(named)), &with(&[])).unwrap();
        let found = found.path().canonicalize().unwrap();
        assert_eq!(found, at("sbin/runc.real"), "{named}");
    }
    let path = variable("PATH", &at("bin"));
    let (current, root) = (elsewhere(at("sbin/runc.real"), 0), at("state"));
    let named = NamedContainer {
        id: OsStr::new("c1"),
        root: Some(root.as_os_str()),
    };
    let found = former(
        &current,
        &named,
        &Paths::below(place.path()),
        &with(&[&path]),
    );
    assert_eq!(found.unwrap().path(), at("bin/crun.distrib"));
}

#[test]
fn the_runtime_that_stood_at_a_path_is_found_by_every_link_to_it_and_no_other_is() {
    let place = directory(&[
        ("bin/crun", b"", 0o755),
        ("bin/crun.real", b"", 0o755),
        ("bin/runc", b"", 0o755),
        ("opt/embargo", b"", 0o755),
        ("opt/crun-embargo", b"", 0o755),
        ("wasm/crun-wasm.distrib", b"", 0o755),
        ("gone/youki", b"", 0o755),
    ]);
    let at = |path: &str| place.path().join(path);
    let links = [
        ("bin/krun", "crun"),
        ("bin/crun-vm", "krun"),
        ("wasm/crun-wasm", "../opt/embargo"),
        ("gone/krun", "../opt/embargo"),
    ];
    for (link, target) in links {
        symlink(target, at(link)).unwrap();
    }
    symlink(at("opt/embargo"), at("gone/crun")).unwrap();
    let path = variable("PATH", &at("bin"));
    let found = |own: &str, configured: Option<&str>| {
        let runtime = find_for(Some(&at(own)), configured.map(at), &with(&[&path]));
        runtime.map(|runtime| {
            runtime
                .path
                .strip_prefix(place.path())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
    };
    for (own, configured, expected) in [
        ("bin/crun", None, "bin/crun.real"),
        ("bin/krun", None, "bin/crun.real"),
        ("bin/crun-vm", None, "bin/crun.real"),
        ("wasm/crun-wasm", None, "wasm/crun-wasm.distrib"),
        // Embargo has taken no runtime's path: any runtime may be used.
        ("opt/embargo", None, "bin/runc"),
        ("opt/crun-embargo", None, "bin/runc"),
        // The configured runtime is used, unless its family differs from that of the runtime whose
        // path was taken.
        ("bin/krun", Some("gone/crun"), "gone/crun"),
        ("bin/krun", Some("bin/wrapper"), "bin/wrapper"),
        ("bin/krun", Some("bin/runc"), "bin/crun.real"),
        ("bin/runc", Some("bin/crun.real"), "bin/crun.real"),
    ] {
        assert_eq!(
            found(own, configured).as_deref(),
            Ok(expected),
            "{own} {configured:?}"
        );
    }
    for own in ["gone/krun", "gone/crun", "gone/youki", "bin/runc"] {
        assert_eq!(found(own, None), Err(DelegateError::Gone(at(own))), "{own}");
    }
    for (own, configured) in [
        ("gone/krun", "bin/runc"),
        ("gone/crun", "bin/runc"),
        ("gone/youki", "bin/crun.real"),
    ] {
        assert_eq!(
            found(own, Some(configured)),
            Err(DelegateError::Gone(at(own))),
            "{own} {configured}"
        );
    }
    assert_eq!(
        DelegateError::Gone("/usr/bin/crun".into()).to_string(),
        "cannot find the real runtime: embargo is in its place, \"/usr/bin/crun\", and no program beside it has .real or .distrib added"
    );
}

#[test]
fn a_runtime_gets_the_callers_name_for_it_where_it_goes_by_that() {
    let named = |place, name: Option<&'static CStr>| {
        let runtime = RealRuntime {
            path: "/usr/bin/crun".into(),
            place,
            depth: 0,
        };
        runtime
            .name(&Given {
                argv: name.into_iter().collect(),
                environment: vec![],
            })
            .and_then(|name| name.to_str().ok())
    };
    for (name, is_handler) in [
        (c"krun", true),
        (c"/usr/bin/krun", true),
        (c"/opt/crun-wasm", true),
        (c"crun-1.14", true),
        (c"crun-", false),
        (c"/usr/bin/crun", false),
        (c"krun/embargo", false),
        (c"mkrun", false),
        (c"", false),
    ] {
        assert_eq!(
            named(RuntimePlace::Beside, Some(name)),
            name.to_str().ok(),
            "{name:?}"
        );
        assert_eq!(
            named(RuntimePlace::Elsewhere, Some(name)),
            name.to_str().ok().filter(|_| is_handler),
            "{name:?}"
        );
    }
    assert_eq!(
        (
            named(RuntimePlace::Beside, None),
            named(RuntimePlace::Elsewhere, None)
        ),
        (None, None)
    );
}

#[test]
fn embargo_does_not_start_itself_without_end() {
    let deep =
        |depth: &CStr| find(Some("/x/runc".into()), &with(&[depth])).map(|runtime| runtime.depth);
    assert_eq!(deep(c"EMBARGO_DEPTH=7"), Ok(7));
    assert_eq!(deep(c"EMBARGO_DEPTH=x"), Ok(0));
    let error = deep(c"EMBARGO_DEPTH=8").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot become the real runtime: embargo has started itself 8 times in a row"
    );
}

#[test]
fn what_is_wrong_with_a_runtime_is_reported() {
    let place = directory(&[
        ("text", b"just text", 0o644),
        ("garbage", b"\x01\x02", 0o755),
        ("bare", b"echo no first line", 0o755),
        ("orphan", b"#!/nonexistent/interpreter\n", 0o755),
        ("empty", b"", 0o755),
    ]);
    // An ELF header for another machine.
    let mut foreign = std::io::Read::bytes(std::fs::File::open("/proc/self/exe").unwrap())
        .take(4096)
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    foreign[18] ^= 0x55;
    let elsewhere = directory(&[("foreign", &foreign, 0o755)]);
    let Call::PassOn(call) = call::read(&[]) else {
        panic!("no words start nothing")
    };
    let admission = || verdict::nothing_starts(&call);
    let fault_of = |path: PathBuf| {
        let runtime = find(Some(path), &with(&[])).unwrap();
        line::causes(&become_runtime(admission(), &runtime, &with(&[])))
    };
    for (path, end) in [
        (place.path().join("none"), ": the file is missing"),
        (place.path().join("text/none"), ": the file is missing"),
        (
            place.path().to_owned(),
            ": it is not a program that this user may run",
        ),
        (
            place.path().join("text"),
            ": it is not a program that this user may run",
        ),
        (
            place.path().join("orphan"),
            ": the interpreter or loader that it names is missing",
        ),
        (
            place.path().join("garbage"),
            ": it is neither a program for this machine nor a script that names its interpreter",
        ),
        (
            place.path().join("bare"),
            ": it is neither a program for this machine nor a script that names its interpreter",
        ),
        (
            place.path().join("empty"),
            ": it is neither a program for this machine nor a script that names its interpreter",
        ),
        (
            elsewhere.path().join("foreign"),
            ": it is neither a program for this machine nor a script that names its interpreter",
        ),
    ] {
        assert_eq!(
            fault_of(path.clone()),
            format!("cannot become the real runtime {path:?}{end}")
        );
    }
    let relative = find(Some("runc".into()), &with(&[])).unwrap_err();
    assert_eq!(
        relative.to_string(),
        "cannot use \"runc\" as the real runtime: the path must be absolute"
    );
}

#[test]
fn a_container_goes_to_the_kind_of_runtime_that_made_it() {
    let state = directory(&[
        ("by-runc/state.json", b"", 0o600),
        ("by-crun/status", b"", 0o600),
        ("by-both/state.json", b"", 0o600),
        ("by-both/status", b"", 0o600),
    ]);
    let programs = directory(&[("runc", b"", 0o755), ("crun", b"", 0o755)]);
    let path = variable("PATH", programs.path());
    let node = tempfile::tempdir().unwrap();
    let paths = Paths::below(node.path());
    let reached = |current: &str, id: &str| {
        let current = elsewhere(Path::new("/opt").join(current), 3);
        let named = NamedContainer {
            id: OsStr::new(id),
            root: Some(state.path().as_os_str()),
        };
        former(&current, &named, &paths, &with(&[&path]))
    };
    let program = |name: &str| Some(elsewhere(programs.path().join(name), 3));
    for (current, id, expected) in [
        ("crun", "by-runc", program("runc")),
        ("runc", "by-crun", program("crun")),
        ("runc", "by-runc", None),
        ("crun", "by-both", None),
        ("crun", "none", None),
        ("crun", "../by-runc", None),
        ("youki", "by-runc", None),
        ("wrapper", "by-crun", None),
    ] {
        assert_eq!(reached(current, id), expected, "{current} {id}");
    }
}

#[test]
fn a_link_that_leads_to_another_kind_of_runtime_is_of_no_known_kind() {
    let programs = directory(&[
        ("crun", b"", 0o755),
        ("crun-1.14", b"", 0o755),
        ("wrapper", b"", 0o755),
    ]);
    let at = |name: &str| programs.path().join(name);
    for (file, link) in [
        ("crun", "runc"),
        ("crun-1.14", "krun"),
        ("wrapper", "youki"),
        ("none", "runc-1.1"),
    ] {
        std::os::unix::fs::symlink(at(file), at(link)).unwrap();
    }
    for (name, kind) in [
        ("crun", RuntimeFamily::Crun),
        ("runc", RuntimeFamily::Other),
        ("krun", RuntimeFamily::Crun),
        ("youki", RuntimeFamily::Other),
        ("runc-1.1", RuntimeFamily::Runc),
        ("wrapper", RuntimeFamily::Other),
    ] {
        assert_eq!(elsewhere(at(name), 0).kind(), kind, "{name}");
    }
}

#[test]
fn without_a_root_the_container_is_looked_for_where_runtimes_keep_theirs() {
    let user = directory(&[("runc/web-1/state.json", b"", 0o600)]);
    let programs = directory(&[("runc", b"", 0o755)]);
    let (path, xdg) = (
        variable("PATH", programs.path()),
        variable("XDG_RUNTIME_DIR", user.path()),
    );
    let current = elsewhere("/usr/bin/crun".into(), 0);
    let named = NamedContainer {
        id: OsStr::new("web-1"),
        root: None,
    };
    let paths = Paths::below(user.path());
    let found = former(&current, &named, &paths, &with(&[&path, &xdg]));
    assert_eq!(
        found.map(|runtime| runtime.path),
        Some(programs.path().join("runc"))
    );
    assert_eq!(former(&current, &named, &paths, &with(&[&path])), None);
}

#[test]
fn the_settings_name_former_runtimes_and_faulty_settings_stop_nothing() {
    let state = directory(&[("c1/state.json", b"", 0o600)]);
    let programs = directory(&[
        ("runc", b"", 0o755),
        ("old-runc", b"", 0o755),
        ("old-crun", b"", 0o755),
    ]);
    let path = variable("PATH", programs.path());
    let current = elsewhere("/usr/bin/crun".into(), 0);
    let named = NamedContainer {
        id: OsStr::new("c1"),
        root: Some(state.path().as_os_str()),
    };
    for (settings, expected) in [
        (
            format!(
                "former_runtimes = [\"{0}/gone-runc\", \"{0}/old-crun\", \"{0}/old-runc\"]\n",
                programs.path().display()
            ),
            "old-runc",
        ),
        ("former_runtimes = oops".to_owned(), "runc"),
    ] {
        let node = directory(&[("etc/embargo/config.toml", settings.as_bytes(), 0o600)]);
        let found = former(
            &current,
            &named,
            &Paths::below(node.path()),
            &with(&[&path]),
        );
        assert_eq!(
            found.map(|runtime| runtime.path),
            Some(programs.path().join(expected)),
            "{settings}"
        );
    }
}

#[cfg(feature = "ctl")]
#[test]
fn the_runtime_of_a_kind_is_the_settings_then_a_diverted_one_and_never_the_gate() {
    let directory = directory(&[
        ("crun", b"", 0o755),
        ("former-crun", b"", 0o755),
        ("diverted/crun.real", b"", 0o755),
    ]);
    let (gate, former) = (
        directory.path().join("crun"),
        directory.path().join("former-crun"),
    );
    let diverted = directory.path().join("diverted");
    let embargo = [process::identity(&gate).unwrap()];
    let mut settings = crate::settings::Settings::unset();
    let path = std::env::join_paths([directory.path(), &diverted]).unwrap();
    let found = |settings: &crate::settings::Settings| {
        of_kind(RuntimeKind::Crun, Some(settings), &path, &embargo)
    };
    assert_eq!(found(&settings), Some(diverted.join("crun.real")));
    settings.runtime = Some(gate);
    settings.former_runtimes = vec![directory.path().join("runc"), former.clone()];
    assert_eq!(found(&settings), Some(former));
}

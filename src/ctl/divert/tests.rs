//! Tests how Embargo takes the places of runtimes and gives them back, on a node without dpkg below
//! a temporary directory, and what is planned on a node with dpkg.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::plan::{self, DivertStep};
use super::*;
use crate::ctl::command::Ended;
use crate::ctl::testing::Desk;
use crate::sys::process;
use crate::sys::replace;

const NOTE: &str =
    "an update of a runtime puts it back at its place: then run embargoctl divert again\n";

/// A node with a runc in `/usr/sbin`, to which a link leads, a crun, and Embargo.
fn node() -> Desk {
    let desk = Desk::new();
    for directory in ["usr/sbin", "usr/bin", "etc/embargo"] {
        fs::create_dir_all(desk.path(directory)).unwrap();
    }
    for program in ["usr/bin/embargo", "usr/sbin/runc", "usr/bin/crun"] {
        program_at(&desk, program, program);
    }
    symlink("../sbin/runc", desk.path("usr/bin/runc")).unwrap();
    symlink("crun", desk.path("usr/bin/krun")).unwrap();
    desk
}

fn program_at(desk: &Desk, name: &str, text: &str) {
    let path = desk.path(name);
    replace::replace(Path::new(&path), 0o755, text.as_bytes()).unwrap();
}

/// What a path of the node is: the target of a link, or the text of a file.
fn at(desk: &Desk, name: &str) -> String {
    match fs::read_link(desk.path(name)) {
        Ok(target) => format!("-> {}", target.display()),
        Err(_) if fs::symlink_metadata(desk.path(name)).is_err() => "nothing".to_owned(),
        Err(_) => desk.text(name),
    }
}

fn is_diverted(desk: &Desk) {
    for (path, expected) in [
        ("usr/sbin/runc", "-> /usr/bin/embargo"),
        ("usr/sbin/runc.real", "usr/sbin/runc"),
        ("usr/bin/runc", "-> ../sbin/runc"),
        ("usr/bin/crun", "-> /usr/bin/embargo"),
        ("usr/bin/crun.real", "usr/bin/crun"),
        ("usr/bin/krun", "-> crun"),
        ("usr/sbin/.runc.embargo-new", "nothing"),
    ] {
        assert_eq!(at(desk, path), expected, "{path}");
    }
}

fn is_as_before(desk: &Desk) {
    for (path, expected) in [
        ("usr/sbin/runc", "usr/sbin/runc"),
        ("usr/sbin/runc.real", "nothing"),
        ("usr/bin/runc", "-> ../sbin/runc"),
        ("usr/bin/crun", "usr/bin/crun"),
        ("usr/bin/crun.real", "nothing"),
        ("usr/sbin/.runc.embargo-new", "nothing"),
        ("var/lib/embargo/divert.json", "nothing"),
    ] {
        assert_eq!(at(desk, path), expected, "{path}");
    }
}

#[test]
fn embargo_takes_the_place_of_every_runtime_and_gives_it_back() {
    let desk = node();
    let facts = || fs::symlink_metadata(desk.path("usr/sbin/runc")).unwrap();
    let (inode, time) = (facts().ino(), facts().mtime_nsec());
    assert_eq!(
        desk.run("--root @ divert --dry-run").unwrap(),
        format!(
            "/usr/sbin/runc: embargo would take its place, and the runtime would be /usr/sbin/runc.real\n\
             /usr/bin/crun: embargo would take its place, and the runtime would be /usr/bin/crun.real\n{NOTE}"
        )
    );
    is_as_before(&desk);
    assert_eq!(
        desk.run("--root @ divert").unwrap(),
        format!(
            "/usr/sbin/runc: embargo is in its place, and the runtime is /usr/sbin/runc.real\n\
             /usr/bin/crun: embargo is in its place, and the runtime is /usr/bin/crun.real\n{NOTE}"
        )
    );
    is_diverted(&desk);
    assert_eq!(
        desk.run("--root @ divert").unwrap(),
        format!(
            "/usr/sbin/runc: embargo is in its place already\n\
             /usr/bin/crun: embargo is in its place already\n{NOTE}"
        )
    );
    assert_eq!(
        desk.run("--root @ divert --undo --dry-run").unwrap(),
        "/usr/sbin/runc: the runtime would be put back from /usr/sbin/runc.real\n\
         /usr/bin/crun: the runtime would be put back from /usr/bin/crun.real\n"
    );
    is_diverted(&desk);
    assert_eq!(
        desk.run("--root @ divert --undo").unwrap(),
        "/usr/sbin/runc: the runtime is in its place\n/usr/bin/crun: the runtime is in its place\n"
    );
    is_as_before(&desk);
    assert_eq!((facts().ino(), facts().mtime_nsec()), (inode, time));
    assert_eq!(
        desk.run("--root @ divert --undo").unwrap(),
        "embargo is in no runtime's place\n"
    );
}

#[test]
fn only_the_named_runtime_is_taken_and_by_any_of_its_links() {
    let desk = node();
    let runc = desk.path("usr/bin/runc");
    let said = desk.run(&format!("--root @ divert {runc}")).unwrap();
    assert!(
        said.starts_with("/usr/sbin/runc: embargo is in its place, "),
        "{said}"
    );
    assert_eq!(at(&desk, "usr/bin/crun"), "usr/bin/crun");
    desk.run(&format!("--root @ divert --undo {runc}")).unwrap();
    is_as_before(&desk);
}

#[test]
fn a_command_killed_between_two_steps_is_completed_or_undone_by_the_next() {
    let mut cut = 0;
    loop {
        for next in ["divert", "divert --undo"] {
            let desk = node();
            let paths = Paths::below(Path::new(&desk.path("")));
            let done = first_steps(&paths, cut);
            desk.run(&format!("--root @ {next}")).unwrap();
            match next {
                "divert" => is_diverted(&desk),
                _ => is_as_before(&desk),
            }
            if !done {
                assert_eq!(cut, 7);
                return;
            }
        }
        cut += 1;
    }
}

/// Carries out the first steps of a command, and leaves the file of a step that was killed. Returns
/// whether there were so many.
fn first_steps(paths: &Paths, mut count: usize) -> bool {
    fs::create_dir_all(&paths.state).unwrap();
    let node = DivertNode::find(paths).unwrap();
    let mut record = Vec::new();
    for place in node.places(&[]) {
        let facts = node.look(&place, &record).unwrap();
        for step in plan::divert(&facts).unwrap() {
            if count == 0 {
                // No step before the record makes a file.
                if !record.is_empty() {
                    let left = node.at(Path::new("/usr/sbin/.runc.embargo-new"));
                    symlink("x", left).unwrap();
                }
                return true;
            }
            carry_out::carry_out(step, &facts.diversion, &node, &mut record).unwrap();
            count -= 1;
        }
    }
    count == 0
}

#[test]
fn without_dpkg_an_updated_runtime_is_the_real_one_from_then_on() {
    for (next, place, real) in [
        ("divert", "-> /usr/bin/embargo", "new"),
        ("divert --undo", "new", "nothing"),
    ] {
        let desk = node();
        desk.run("--root @ divert").unwrap();
        program_at(&desk, "usr/sbin/runc.new", "new");
        fs::rename(desk.path("usr/sbin/runc.new"), desk.path("usr/sbin/runc")).unwrap();
        desk.run(&format!("--root @ {next}")).unwrap();
        assert_eq!(at(&desk, "usr/sbin/runc"), place);
        assert_eq!(at(&desk, "usr/sbin/runc.real"), real);
    }
}

#[test]
fn a_place_that_cannot_be_taken_is_refused_before_anything_changes() {
    let desk = node();
    let refused = |expected: &str| {
        assert_eq!(desk.run("--root @ divert").unwrap_err(), expected);
        assert_eq!(at(&desk, "usr/sbin/runc"), "usr/sbin/runc");
        assert_eq!(at(&desk, "var/lib/embargo/divert.json"), "nothing");
    };
    program_at(&desk, "usr/bin/crun.real", "another");
    refused(
        "cannot tell which program belongs at \"/usr/bin/crun\": that one or \"/usr/bin/crun.real\" / \
         remove the one that must not run, then run the command again",
    );
    fs::remove_file(desk.path("usr/bin/crun.real")).unwrap();
    fs::create_dir(desk.path("usr/bin/crun.real")).unwrap();
    refused(
        "cannot keep the runtime at \"/usr/bin/crun.real\": there is something else / \
         move it away, then run the command again",
    );
    fs::remove_dir(desk.path("usr/bin/crun.real")).unwrap();
    fs::set_permissions(desk.path("usr/bin/crun"), PermissionsExt::from_mode(0o644)).unwrap();
    refused("cannot divert \"/usr/bin/crun\": it is not a program");
    fs::remove_file(desk.path("usr/bin/crun")).unwrap();
    symlink("/usr/bin/embargo", desk.path("usr/bin/crun")).unwrap();
    refused(
        "cannot divert \"/usr/bin/crun\": embargo is in its place, and there is no runtime at \
         \"/usr/bin/crun.real\" / install the runtime's package again, or run embargoctl divert --undo",
    );
    fs::remove_file(desk.path("usr/bin/embargo")).unwrap();
    refused(
        "cannot find embargo, neither beside embargoctl nor in the usual directories / \
         install embargo beside embargoctl",
    );
}

#[test]
fn a_program_that_is_no_runtime_keeps_its_place() {
    let desk = node();
    program_at(&desk, "usr/bin/ls", "ls");
    for (path, named) in [
        ("usr/bin/ls", "/usr/bin/ls"),
        ("usr/bin/embargo", "/usr/bin/embargo"),
    ] {
        assert_eq!(
            desk.run(&format!("--root @ divert /{path}")).unwrap_err(),
            format!(
                "cannot divert {named:?}: its name is not that of a runtime / give the path of a \
                 runc, crun or youki; other programs stay where they are"
            )
        );
        assert_eq!(at(&desk, &format!("{path}.real")), "nothing");
    }
    assert_eq!(at(&desk, "usr/bin/ls"), "ls");
}

#[test]
fn a_setting_with_which_embargo_would_find_no_runtime_keeps_the_place_from_being_taken() {
    let desk = node();
    let settings = |runtime: &str| {
        desk.write(
            "etc/embargo/config.toml",
            format!("runtime = {runtime:?}\n").as_bytes(),
        );
    };
    settings("/usr/sbin/old-runc");
    let error = desk.run("--root @ divert").unwrap_err();
    assert_eq!(
        error,
        "cannot put embargo at \"/usr/sbin/runc\" / \
         install the runtime there, or set runtime in /etc/embargo/config.toml to where it is"
    );
    settings("/usr/bin/embargo");
    assert!(desk.run("--root @ divert").is_err());
    // The path in the settings is the one that Embargo takes: it finds the runtime beside it.
    settings("/usr/sbin/runc");
    desk.run("--root @ divert").unwrap();
    is_diverted(&desk);
}

#[test]
fn dpkg_learns_of_a_diversion_before_the_files_change_and_of_its_end_after() {
    use super::place::{Content, DpkgDiversion};
    let one = Content::Program(process::identity(Path::new("/proc/self/exe")).unwrap());
    let other = Content::Program(process::identity(Path::new("/bin/sh")).unwrap());
    let facts = |is_recorded, at_place, at_real, dpkg| PlaceFacts {
        diversion: Diversion {
            place: "/usr/sbin/runc".into(),
            real: "/usr/sbin/runc.real".into(),
            keeper: Keeper::Dpkg,
        },
        is_recorded,
        at_place,
        at_real,
        dpkg,
    };
    use DivertStep::{
        Divert, Forget, Keep, Record, RemoveLink, RemoveReal, Restore, Take, Undivert,
    };
    let (nothing, embargo) = (Content::Nothing, Content::Embargo);
    let ours = || DpkgDiversion::Ours;
    for (facts, divert, undo) in [
        (
            facts(false, one, nothing, DpkgDiversion::None),
            vec![Record, Divert, Keep, Take],
            vec![],
        ),
        (
            facts(true, one, nothing, ours()),
            vec![Keep, Take],
            vec![Undivert, Forget],
        ),
        (
            facts(true, one, one, ours()),
            vec![Take],
            vec![RemoveReal, Undivert, Forget],
        ),
        (
            facts(true, embargo, one, ours()),
            vec![],
            vec![Restore, Undivert, Forget],
        ),
        (
            facts(true, nothing, one, ours()),
            vec![Take],
            vec![Restore, Undivert, Forget],
        ),
        (
            facts(false, embargo, one, ours()),
            vec![Record],
            vec![Restore, Undivert],
        ),
    ] {
        assert_eq!(plan::divert(&facts).unwrap(), divert, "{facts:?}");
        assert_eq!(plan::undo(&facts).unwrap(), undo, "{facts:?}");
    }
    let gone = facts(true, embargo, nothing, ours());
    assert!(matches!(plan::divert(&gone), Err(DivertError::Gone(..))));
    assert_eq!(plan::undo(&gone).unwrap(), [RemoveLink, Undivert, Forget]);
    // An update came between the diversion and the link.
    let updated = facts(true, one, other, ours());
    assert_eq!(plan::divert(&updated).unwrap(), [Take]);
    assert_eq!(plan::undo(&updated).unwrap(), [Restore, Undivert, Forget]);
    let two = facts(true, one, other, DpkgDiversion::None);
    assert!(matches!(plan::divert(&two), Err(DivertError::Two(..))));
    assert!(matches!(plan::undo(&two), Err(DivertError::Two(..))));
    let elsewhere = DpkgDiversion::Other("/usr/sbin/runc.distrib".into());
    let elsewhere = facts(false, one, nothing, elsewhere);
    assert_eq!(
        plan::divert(&elsewhere).unwrap_err().to_string(),
        "cannot divert \"/usr/sbin/runc\": dpkg already diverts it to \"/usr/sbin/runc.distrib\""
    );
}

#[test]
fn a_dpkg_query_that_fails_does_not_mean_that_there_is_no_dpkg() {
    for (code, output, keeper) in [
        (Some(0), "installed", Some(Keeper::Dpkg)),
        (Some(0), "config-files", Some(Keeper::Nobody)),
        (Some(1), "", Some(Keeper::Nobody)),
        (Some(2), "", None),
        (None, "", None),
    ] {
        let ended = Ended {
            is_success: code == Some(0),
            code,
            output: output.to_owned(),
            errors: String::new(),
        };
        assert_eq!(super::place::keeper_by(&ended), keeper, "{code:?} {output}");
    }
}

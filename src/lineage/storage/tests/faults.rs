//! Tests that everything damaged or false is reported in one line that names the file, and that
//! none of it lets a container start.

use super::*;

const LIST: &str = "overlay-containers/containers.json";
const LAYERS: &str = "overlay-layers/layers.json";
const BASE_ID: &str = "243b0dddf0ce8f7020aeed82a52f67684f253d4433c76bdf65af235ee755cc01";
/// A layer of another image.
const OTHER: &str = "c2e114254bda0520ad77cd6473b39fd89a49f0295e60f29c2fa491e9dad28276";
/// The second layer of the image.
const DAD: &str = "dad8b5f279e95a7fca32bcafd3c63e751f808507ac66aa4a09e12b4fc02d439f";

/// What happens to the container: a setting decides, or it is always refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Unknown,
    Corrupt,
}
use Kind::{Corrupt as C, Unknown as U};

fn kind(error: &LineageError) -> Kind {
    match error {
        LineageError::Unknown(_) => U,
        LineageError::Corrupt(_) => C,
    }
}

/// Damages a store with `fault`, resolves the call `run` in it, and compares the message. `{store}`
/// stands for the store.
fn expect(fault: impl Fn(&StoreCopy), kind_of: Kind, message: &str) {
    let copy = StoreCopy::of("podman-4.3-overlay");
    fault(&copy);
    let error = copy
        .call("run")
        .container(&copy.store(), "overlay")
        .expect_err(message);
    assert_eq!(
        error.to_string(),
        message.replace("{store}", copy.store().to_str().unwrap())
    );
    assert_eq!(kind(&error), kind_of, "{message}");
}

/// Replaces a file by something that is not a list.
fn replace_by(copy: &StoreCopy, name: &str, what: &str) {
    let path = copy.file(name);
    fs::remove_file(&path).unwrap();
    match what {
        "a FIFO" => nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
        "a directory" => fs::create_dir(&path).unwrap(),
        "a link to itself" => symlink(&path, &path).unwrap(),
        "65 MiB" => fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(65 << 20)
            .unwrap(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_broken_list_of_containers_is_named() {
    let id = &StoreCopy::of("podman-4.3-overlay").call("run").bundle.id;
    let whole = text_of(&StoreCopy::of("podman-4.3-overlay").file(LIST)).into_bytes();
    let cannot = "cannot trust \"{store}/overlay-containers/containers.json\": ";
    for (bytes, fault) in [
        (&whole[..whole.len() - 1], "it is not a whole JSON list"),
        (&whole[1..], "it is not a whole JSON list"),
        (b"{}", "it is not a whole JSON list"),
        (b"[\xff]", "it is not UTF-8"),
        (
            format!("[{{\"id\":\"{id}\",\"image\":\"]").as_bytes(),
            "EOF while parsing a string at line 1 column 83",
        ),
        (
            format!("[{{\"id\":\"{id}\",\"image\":{{}}}}]").as_bytes(),
            "invalid type: map, expected a string at line 1 column 81",
        ),
        (
            format!("[{{\"id\":\"{id}\",\"image\":\"\"}},{{\"id\":\"{id}\",\"image\":\"\"}}]")
                .as_bytes(),
            &format!("it has two records of \"{id}\""),
        ),
        (
            format!("[{{\"id\":\"{id}\",\"id\":\"x\"}}]").as_bytes(),
            "duplicate field `id` at line 1 column 77",
        ),
        (
            b"[1]",
            "invalid type: integer `1`, expected an object at line 1 column 2",
        ),
        (
            b"[{\"names\":[\"x\"]}]",
            "missing field `id` at line 1 column 16",
        ),
        (b"[[[[", "it is not a whole JSON list"),
    ] {
        expect(|copy| copy.put(LIST, bytes), C, &format!("{cannot}{fault}"));
    }
    for (what, message) in [
        (
            "a FIFO",
            "cannot read \"{store}/overlay-containers/containers.json\": not a regular file",
        ),
        (
            "a directory",
            "cannot read \"{store}/overlay-containers/containers.json\": not a regular file",
        ),
        (
            "a link to itself",
            "cannot read \"{store}/overlay-containers/containers.json\"",
        ),
        (
            "65 MiB",
            "cannot read \"{store}/overlay-containers/containers.json\": larger than 67108864 bytes",
        ),
    ] {
        expect(|copy| replace_by(copy, LIST, what), U, message);
    }
    for bytes in [
        &b""[..],
        b"[]",
        b"null",
        b" [ ] \n",
        b"[{\"id\":\"x\",\"image\":\"\"}]",
    ] {
        expect(
            |copy| copy.put(LIST, bytes),
            U,
            "cannot find the container's record in \"{store}/overlay-containers\"",
        );
    }
    expect(
        |copy| fs::remove_file(copy.file(LIST)).unwrap(),
        U,
        "cannot find the container's record in \"{store}/overlay-containers\"",
    );
}

#[test]
fn a_record_that_is_not_of_this_container_is_named() {
    let id = &StoreCopy::of("podman-4.3-overlay").call("run").bundle.id;
    let list = "cannot trust \"{store}/overlay-containers/containers.json\": ";
    let record = |rest: &str| format!("[{{\"id\":\"{id}\",{rest}}}]");
    let root = format!("\"{{store}}/overlay/{RUN_OWN}/merged\"");
    for (rest, message) in [
        (
            format!("\"image\":\"../../x\",\"layer\":\"{RUN_OWN}\""),
            format!("{list}the container \"{id}\" has the image \"../../x\""),
        ),
        (
            format!("\"image\":\"{APP_ID}\",\"layer\":\"../x\""),
            format!("{list}the container \"{id}\" has the layer \"../x\""),
        ),
        (
            format!("\"image\":\"{APP_ID}\""),
            format!("{list}the container \"{id}\" has the layer \"\""),
        ),
        (
            format!("\"image\":\"{APP_ID}\",\"layer\":\"{APP_TOP}\""),
            format!(
                "cannot trust the mount at {root}: it is the layer {RUN_OWN}, the container's record says {APP_TOP}"
            ),
        ),
    ] {
        expect(|copy| copy.put(LIST, record(&rest).as_bytes()), C, &message);
    }
}

#[test]
fn an_image_config_is_believed_only_with_its_hash() {
    let directory = format!("overlay-images/{APP_ID}");
    let name = format!(
        "{directory}/{}",
        big_data::file_name(&format!("sha256:{APP_ID}"))
    );
    let truncated = text_of(&StoreCopy::of("podman-4.3-overlay").file(&name))
        .as_bytes()
        .split_last()
        .unwrap()
        .1
        .to_vec();
    for bytes in [&b""[..], b"{\"rootfs\":{\"diff_ids\":[]}}", &truncated] {
        let found = Digest::of(bytes);
        let message = format!(
            "cannot trust \"{{store}}/{name}\": it hashes to {found}, not to sha256:{APP_ID}"
        );
        expect(|copy| copy.put(&name, bytes), C, &message);
    }
    for (what, fault) in [("a FIFO", ": not a regular file"), ("a link to itself", "")] {
        expect(
            |copy| replace_by(copy, &name, what),
            U,
            &format!("cannot read \"{{store}}/{name}\"{fault}"),
        );
    }
    // A config that is too large to be read is not needed: the list of layers is enough.
    let copy = StoreCopy::of("podman-4.3-overlay");
    replace_by(&copy, &name, "65 MiB");
    let found = image(
        copy.call("run")
            .container(&copy.store(), "overlay")
            .unwrap(),
    );
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&APP), Evidence::Mount)
    );
    // The record names the image of another container. Its config is authentic, but other layers
    // are mounted.
    let root = format!("\"{{store}}/overlay/{RUN_OWN}/merged\"");
    let message = format!(
        "cannot trust the mount at {root}: it has 3 layers below it, its image config names 1"
    );
    expect(
        |copy| {
            copy.edit(
                LIST,
                &format!("\"image\":\"{APP_ID}\""),
                &format!("\"image\":\"{BASE_ID}\""),
            )
        },
        C,
        &message,
    );
}

#[test]
fn a_broken_list_of_layers_is_named_where_it_is_needed() {
    let without_config = |copy: &StoreCopy| {
        fs::remove_dir_all(copy.file(&format!("overlay-images/{APP_ID}"))).unwrap()
    };
    let cannot = "cannot trust \"{store}/overlay-layers/layers.json\": ";
    let bottom = &BASE["sha256:".len()..];
    for (from, to, fault) in [
        (
            format!("\"diff-digest\":\"{}\"", APP[1]),
            "\"diff-digest\":\"sha256:x\"".to_owned(),
            format!("the layer {DAD} has the diff ID \"sha256:x\""),
        ),
        (
            format!("\"parent\":\"{DAD}\""),
            "\"parent\":\"..\"".to_owned(),
            format!("the layer {APP_TOP} has the parent \"..\""),
        ),
        (
            format!("{{\"id\":\"{bottom}\","),
            format!("{{\"id\":\"{bottom}\",\"parent\":\"{APP_TOP}\","),
            format!("the layer {APP_TOP} has more than 1024 layers below it"),
        ),
        (
            "[{".to_owned(),
            format!("[{{\"id\":\"{DAD}\"}},{{"),
            format!("the layer {DAD} has two records that differ"),
        ),
        (
            "}]".to_owned(),
            "}".to_owned(),
            "it is not a whole JSON list".to_owned(),
        ),
        (
            "\"id\":".to_owned(),
            "\"id\":0,\"x\":".to_owned(),
            "invalid type: integer `0`, expected a string at line 1 column 8".to_owned(),
        ),
    ] {
        let fault_of = |copy: &StoreCopy| {
            without_config(copy);
            copy.edit(LAYERS, &from, &to);
        };
        expect(fault_of, C, &format!("{cannot}{fault}"));
        // The list of layers is not needed if the image config is enough.
        let copy = StoreCopy::of("podman-4.3-overlay");
        copy.edit(LAYERS, &from, &to);
        assert!(copy.call("run").container(&copy.store(), "overlay").is_ok());
    }
    let missing = |copy: &StoreCopy| {
        without_config(copy);
        copy.put(LAYERS, b"");
    };
    expect(
        missing,
        U,
        "cannot find a layer's record in \"{store}/overlay-layers/layers.json\"",
    );
    let fifo = |copy: &StoreCopy| {
        without_config(copy);
        replace_by(copy, LAYERS, "a FIFO");
    };
    expect(
        fifo,
        U,
        "cannot read \"{store}/overlay-layers/layers.json\": not a regular file",
    );
}

#[test]
fn a_mount_of_other_layers_is_a_contradiction() {
    let lower = |directories: &[&str]| directories.iter().map(PathBuf::from).collect::<Vec<_>>();
    let foreign = "its lower directory \"/srv/evil\" is not a layer of a store";
    let bottom = &BASE["sha256:".len()..];
    let unlisted = "f".repeat(64);
    for (directories, fault) in [
        (lower(&["/srv/evil"]), foreign.to_owned()),
        (
            lower(&["l/NLQPOFIRU6GGFWCCOJHKDGUMCJ", "/srv/evil"]),
            foreign.to_owned(),
        ),
        (
            lower(&["/nowhere/l/NLQPOFIRU6GGFWCCOJHKDGUMCJ"]),
            "its lower directory \"/nowhere/l/NLQPOFIRU6GGFWCCOJHKDGUMCJ\" is not a layer of a store"
                .to_owned(),
        ),
        (
            lower(&[&format!("{APP_TOP}/diff"), &format!("{bottom}/diff")]),
            format!("it lacks the layer {DAD}, which the store's list has there"),
        ),
        (
            lower(&[
                &format!("{APP_TOP}/diff"),
                &format!("{bottom}/diff"),
                &format!("{DAD}/diff"),
            ]),
            format!("it lacks the layer {DAD}, which the store's list has there"),
        ),
        (
            lower(&[
                &format!("{APP_TOP}/diff"),
                &format!("{DAD}/diff"),
                &format!("{OTHER}/diff"),
                &format!("{bottom}/diff"),
            ]),
            format!("it has the layer {OTHER}, which the store's list does not have there"),
        ),
        (
            lower(&[&format!("{unlisted}/diff")]),
            "its layers are neither those of its image config nor in the list of a store"
                .to_owned(),
        ),
        (
            lower(&[&format!("{DAD}/diff"), &format!("{bottom}/diff")]),
            "it has 2 layers below it, its image config names 3".to_owned(),
        ),
        (
            lower(&[&format!("{RUN_OWN}/empty")]),
            "it has 0 layers below it, its image config names 3".to_owned(),
        ),
    ] {
        let copy = StoreCopy::of("podman-4.3-overlay");
        let mut call = copy.call("run");
        call.mount.as_mut().unwrap().lowerdirs = directories;
        let error = call.container(&copy.store(), "overlay").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot trust the mount at {:?}: {fault}",
                call.bundle.root
            )
        );
        assert_eq!(kind(&error), C, "{fault}");
    }
    let copy = StoreCopy::of("podman-4.3-overlay");
    let mut call = copy.call("run");
    call.mount.as_mut().unwrap().upperdir = Some(format!("/x/overlay/{unlisted}/diff").into());
    let error = call.container(&copy.store(), "overlay").unwrap_err();
    let other = format!("it is the layer {unlisted}, the container's record says {RUN_OWN}");
    assert_eq!(
        error.to_string(),
        format!("cannot trust the mount at {:?}: {other}", call.bundle.root)
    );
    call.mount = None;
    let error = call.container(&copy.store(), "overlay").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot trust the mount at {:?}: no overlay is mounted there",
            call.bundle.root
        )
    );
    assert_eq!(kind(&error), C);
}

#[test]
fn a_form_of_mount_that_hides_its_layers_is_known_by_what_the_driver_noted() {
    let copy = StoreCopy::of("podman-4.3-overlay");
    let mut call = copy.call("run");
    let own = copy.file(&format!("overlay/{RUN_OWN}"));
    call.mount.as_mut().unwrap().lowerdirs = vec![
        own.join("composefs-layers/1"),
        own.join("composefs-layers/2"),
    ];
    let found = image(call.container(&copy.store(), "overlay").unwrap());
    assert_eq!(
        (found.chain, found.evidence),
        (chain(&APP), Evidence::Metadata)
    );
    let noted = format!("overlay/{RUN_OWN}/lower");
    for (bytes, fault) in [
        (&b"\xff"[..], "it is not UTF-8"),
        (
            b"l/NLQPOFIRU6GGFWCCOJHKDGUMCJ:x",
            "it names a directory of no layer",
        ),
    ] {
        copy.put(&noted, bytes);
        let error = call.container(&copy.store(), "overlay").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot trust {:?}: {fault}", copy.file(&noted))
        );
    }
    // What the driver noted differs from the image in the record.
    copy.put(&noted, b"l/TGUKR7TBT773K5JRNVQWINRU4S");
    let error = call.container(&copy.store(), "overlay").unwrap_err();
    let fault = "it has 1 layers below it, its image config names 3";
    assert_eq!(
        error.to_string(),
        format!("cannot trust the mount at {:?}: {fault}", call.bundle.root)
    );
}

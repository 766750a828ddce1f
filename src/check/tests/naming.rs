//! Tests how containers and images are named.

use super::*;

#[test]
fn containers_of_podman_are_found_by_name_too_and_a_name_in_two_engines_is_both() {
    let ban = Place::new().ban_of_base();
    let place = Place::new().with_settings("#\n").with_list(&ban);
    let stores = Stores::open(&place.engines, &place.paths);
    let podman = stores
        .open
        .iter()
        .find(|store| store.engine == Engine::ContainersStorage)
        .unwrap();
    let container = podman
        .records
        .containers()
        .unwrap()
        .into_iter()
        .find(|container| !container.names.is_empty())
        .unwrap();
    let answer = place.answer(&container.names[0]);
    assert!(
        answer
            .text()
            .contains(&format!("{} (podman in ", container.id)),
        "{}",
        answer.text()
    );
    let both = answer_of_both(&place, &container.names[0]);
    assert_eq!(both, 2);
}

/// CRI-O and Podman share a store. Once, the commands of this program named different engines for
/// the same container.
#[test]
fn a_container_is_named_by_the_engine_that_made_it() {
    let place = Place::new().with_settings("#\n");
    let storage = StoragePlace {
        root: fixture("cri-o-1.37/graph"),
        run_root: Some(fixture("cri-o-1.37/run")),
    };
    let engines = Engines {
        storage: vec![storage],
        ..Engines::default()
    };
    for (name, engine) in [
        ("k8s_POD_pod_default_uid-pod_0", "cri-o"),
        ("k8s_main_pod_default_uid-pod_0", "cri-o"),
        ("solo", "podman"),
    ] {
        let answer = answer(name, SearchFor::Container, &place.paths, &engines, ISSUED).unwrap();
        let json: serde_json::Value = serde_json::from_str(&answer.json()).unwrap();
        assert_eq!(json["found"][0]["engine"], engine, "{name}");
        assert!(
            answer.text().contains(&format!(" ({engine} in ")),
            "{}",
            answer.text()
        );
    }
}

/// A running container of a Docker whose store nothing names: its daemon is dead. `exec-patch`
/// named it by the bundle, and this command could not find that name.
#[test]
fn a_running_container_in_no_known_store_is_found_by_its_name() {
    let mut place = Place::new().with_settings("#\n");
    let top = place.root.path();
    let data_root = top.join("odd");
    copy(&fixture("docker-20.10-overlay2"), &data_root);
    let bundle = top.join("run/io.containerd.runtime.v2.task/moby").join(WEB);
    let root = data_root.join("overlay2/layer/merged");
    let spec = serde_json::json!({ "root": { "path": root } });
    place.put(&bundle.join("config.json"), spec.to_string().as_bytes());
    let label = format!("bundle={}", bundle.to_string_lossy());
    let state = serde_json::json!({
        "id": WEB, "init_process_pid": std::process::id(), "config": { "labels": [label] },
    });
    let roots = top.join("state");
    let file = roots.join(WEB).join("state.json");
    place.put(&file, state.to_string().as_bytes());
    let record = data_root
        .join("containers")
        .join(WEB)
        .join("config.v2.json");
    place.engines = Engines {
        runtime_roots: vec![roots],
        ..Engines::default()
    };
    let answer = place.answer("web-1");
    let json: serde_json::Value = serde_json::from_str(&answer.json()).unwrap();
    assert_eq!(
        (answer.found.len(), &json["found"][0]["id"]),
        (1, &WEB.into())
    );
    assert_eq!(json["found"][0]["names"], serde_json::json!(["web-1"]));
    let nothing = place.error("web-2", SearchFor::Container);
    assert_eq!(nothing.outcome(), CheckOutcome::NotFound, "{nothing}");
    // A name that cannot be read may be any name.
    crate::sys::replace::replace(&record, 0o644, b"{").unwrap();
    let unknown = place.error("web-1", SearchFor::Container);
    assert_eq!(unknown.outcome(), CheckOutcome::Unknown, "{unknown}");
}

#[test]
fn an_image_may_be_named_with_its_engine_as_for_embargoctl() {
    let place = Place::new().with_settings("#\n");
    let stores = Stores::open(&place.engines, &place.paths);
    let podman = stores
        .open
        .iter()
        .find(|store| store.engine == Engine::ContainersStorage)
        .unwrap();
    let image = podman.records.image_names().unwrap().remove(0);
    for (name, engine) in [
        ("docker:app:1".to_owned(), "docker"),
        (format!("podman:{image}"), "containers-storage"),
        (format!("storage:{image}"), "containers-storage"),
    ] {
        let json: serde_json::Value = serde_json::from_str(&place.answer(&name).json()).unwrap();
        let found = json["found"].as_array().unwrap();
        assert_eq!(
            (found.len(), &found[0]["engine"]),
            (1, &engine.into()),
            "{name}"
        );
    }
    for name in ["docker:nosuch:1", "containerd:k8s.io/app:1", "docker:"] {
        let error = place.error(name, SearchFor::Either);
        assert_eq!(error.outcome(), CheckOutcome::NotFound, "{name}: {error}");
    }
}

#[test]
fn what_is_not_here_or_not_unique_is_reported_in_one_line() {
    let place = Place::new().with_settings("#\n");
    for (name, kind, line) in [
        (
            "nothing",
            SearchFor::Either,
            r#"cannot find a container or an image "nothing" on this node (docker in "#,
        ),
        (
            "app:1",
            SearchFor::Container,
            r#"cannot find a container "app:1" on this node (docker in "#,
        ),
        (
            "web-1",
            SearchFor::Image,
            r#"cannot find an image "web-1" on this node (docker in "#,
        ),
    ] {
        let fault = place.fault(name, kind);
        assert!(
            fault.starts_with(line) && fault.contains("; containers-storage in "),
            "{fault}"
        );
    }
    let error = answer(
        "app",
        SearchFor::Either,
        &place.paths,
        &place.engines,
        ISSUED,
    )
    .unwrap_err();
    assert_eq!(
        error.hint(),
        Some("an image is named with its tag, such as app:1")
    );
    let object: serde_json::Value = serde_json::from_str(&error.no_answer().json("app")).unwrap();
    assert_eq!(
        (&object["outcome"], &object["asked"], &object["message"]),
        (
            &"not-found".into(),
            &"app".into(),
            &line::causes(&error).into()
        )
    );
    let unread = CheckError::Find(
        FindError::Nothing("x".to_owned(), SearchFor::Image, Vec::new()),
        vec!["cannot read it".to_owned()],
    );
    let said = r#"cannot find an image "x" on this node: no engine's store was found; 1 place could not be read"#;
    assert_eq!(
        (
            unread.to_string().as_str(),
            unread.outcome(),
            error.outcome()
        ),
        (said, CheckOutcome::Unknown, CheckOutcome::NotFound)
    );
    let several = place.fault("1", SearchFor::Container);
    assert!(
        several.starts_with(r#"cannot tell which container "1" means: 1"#),
        "{several}"
    );
    let broken = Place::new().with_settings("mode = 7\n");
    assert!(
        broken
            .fault("web-1", SearchFor::Either)
            .contains("config.toml")
    );
}

#[test]
fn the_arguments_are_read_as_the_help_says() {
    let about = |name: &str, search, form| {
        Ok(CheckRequest::About {
            name: name.to_owned(),
            search,
            form,
        })
    };
    let (text, json) = (OutputForm::Text, OutputForm::Json);
    let outside = |name: &str, list: Option<&str>, keyset: Option<&str>| {
        Ok(CheckRequest::Outside(OutsideImage {
            name: name.to_owned(),
            list: list.map(Into::into),
            keyset: keyset.map(Into::into),
            form: text,
        }))
    };
    for (arguments, expected) in [
        (&["web"][..], about("web", SearchFor::Either, text)),
        (&["--json", "web"], about("web", SearchFor::Either, json)),
        (
            &["web", "--json", "--image"],
            about("web", SearchFor::Image, json),
        ),
        (
            &["--container", "--", "--json"],
            about("--json", SearchFor::Container, text),
        ),
        (&["web", "-h"], Ok(CheckRequest::Help)),
        (&["--version"], Ok(CheckRequest::Version)),
        (&["web", "-V"], Ok(CheckRequest::Version)),
        (&["-"], outside("-", None, None)),
        (&["oci:./directory"], outside("oci:./directory", None, None)),
        // Tests run in a directory in which `src` exists.
        (&["oci:src"], outside("oci:src", None, None)),
        (&["oci:1.0"], about("oci:1.0", SearchFor::Either, text)),
        (
            &["oci:1.0", "--list", "l"],
            outside("oci:1.0", Some("l"), None),
        ),
        (
            &["--list", "l", "--keyset", "-k", "oci-archive:f:1"],
            outside("oci-archive:f:1", Some("l"), Some("-k")),
        ),
        (
            &["--image", "docker-archive:/f", "--list", "l"],
            outside("docker-archive:/f", Some("l"), None),
        ),
        (
            &["--container", "oci:1"],
            about("oci:1", SearchFor::Container, text),
        ),
        (
            &["docker:27-dind"],
            about("docker:27-dind", SearchFor::Either, text),
        ),
        (
            &["--list", "l", "app:1"],
            Err(UsageError::OnlyOutside("app:1".to_owned())),
        ),
        (&["app:1", "--list"], Err(UsageError::NoFile("--list"))),
        (&[], Err(UsageError::NoName)),
        (&[""], Err(UsageError::NoName)),
        (&["-x", "web"], Err(UsageError::Flag("-x".to_owned()))),
        (
            &["web", "app"],
            Err(UsageError::SecondName("app".to_owned())),
        ),
    ] {
        let arguments: Vec<_> = arguments.iter().map(OsStr::new).collect();
        assert_eq!(read_arguments(&arguments), expected, "{arguments:?}");
    }
    let bad = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff");
    assert_eq!(read_arguments(&[bad]), Err(UsageError::NotText));
}

#[test]
fn the_settings_stand_for_the_usual_places_of_the_same_store() {
    let usual = places::usual(Some(OsStr::new("/home/u")), Some(OsStr::new("/run/user/7")));
    assert_eq!(
        usual.docker,
        [
            PathBuf::from("/var/lib/docker"),
            "/home/u/.local/share/docker".into()
        ]
    );
    assert_eq!(
        usual.storage[1].run_root,
        Some("/run/user/7/containers".into())
    );
    let more = Engines {
        docker: vec!["/var/lib/docker".into(), "/srv/docker".into()],
        storage: vec![StoragePlace {
            root: "/var/lib/containers/storage".into(),
            run_root: None,
        }],
        ..Engines::default()
    };
    let joined = places::joined(usual, &more);
    assert_eq!(joined.docker.len(), 3);
    assert_eq!(
        (joined.storage.len(), joined.storage[1].run_root.clone()),
        (2, None)
    );
    assert_eq!(places::usual(None, None).storage.len(), 1);
}

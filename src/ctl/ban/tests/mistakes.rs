//! Tests what is not added to a source.

use super::*;

#[test]
fn what_cannot_be_written_leaves_the_source_as_it_was() {
    let desk = Desk::new();
    desk.ban(&["--id", "BAN-1", "--reason", "x"], APP_IMAGE)
        .unwrap();
    let before = desk.text();
    let path = format!("{:?}", desk.path());
    // The faulty line comes after an empty line and the line `[[ban]]`.
    let last = before.lines().count() + 3;
    for (result, expected) in [
        (
            desk.ban(&["--id", "BAN-1", "--reason", "x"], APP_IMAGE),
            format!(r#"cannot use {path}: it has a ban "BAN-1" already"#),
        ),
        (
            desk.ban(
                &["--id", "BAN-2", "--reason", "x", "--successor", "a b"],
                APP_IMAGE,
            ),
            format!(
                r#"cannot use {path}: line {}: successor: expected a word of 1 to 512 legal characters, found "a b""#,
                last + 5
            ),
        ),
        (
            desk.ban(
                &["--id", "BAN-2", "--reason", "x", "--lapses", "2020-01-01"],
                APP_IMAGE,
            ),
            "cannot end at --lapses 2020-01-01T00:00:00Z: it is past".to_owned(),
        ),
        (
            desk.except(
                &["--ban", "BAN-1", "--until", "2020-01-01", "--reason", "x"],
                APP_IMAGE,
            ),
            "cannot end at --until 2020-01-01T00:00:00Z: it is past".to_owned(),
        ),
        (
            desk.except(
                &["--ban", "BAN-7", "--until", "2999-12-24", "--reason", "x"],
                APP_IMAGE,
            ),
            format!(r#"cannot use {path}: it has no ban "BAN-7""#),
        ),
    ] {
        assert_eq!(result.unwrap_err(), expected);
        assert_eq!(desk.text(), before);
    }
    desk.put("[[ban]]\nid = \"BAN-1\"\nno such key = 1\n");
    let error = desk
        .ban(&["--id", "BAN-2", "--reason", "x"], APP_IMAGE)
        .unwrap_err();
    assert!(
        error.starts_with(&format!("cannot use {path}: it is no TOML: ")),
        "{error}"
    );
}

#[test]
fn an_option_that_the_source_would_not_take_is_named_with_what_it_takes() {
    let desk = Desk::new();
    let id = "expected 1 to 64 of the characters A-Z a-z 0-9 . _ -";
    let reason = "expected one line of 1 to 200 characters, without spaces around it";
    for (words, option, expected) in [
        (["--id", "BAN 2", "--reason", "x"], "--id <ID>", id),
        (["--id", "", "--reason", "x"], "--id <ID>", id),
        (
            ["--id", "BAN-2", "--reason", "x\ny"],
            "--reason <TEXT>",
            reason,
        ),
        (["--id", "BAN-2", "--reason", ""], "--reason <TEXT>", reason),
    ] {
        let error = desk.ban(&words, APP_IMAGE).unwrap_err();
        assert!(
            error.contains(&format!("for '{option}': {expected}")),
            "{error}"
        );
    }
    assert!(
        desk.except(
            &["--ban", "BAN-1", "--until", "14d", "--reason", " x"],
            APP_IMAGE
        )
        .unwrap_err()
        .contains(reason)
    );
}

#[test]
fn a_link_to_a_source_stays_a_link_and_the_mode_stays() {
    let desk = Desk::new();
    let real = desk.directory.path().join("real.toml");
    fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(&real)
        .unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("real.toml", desk.path()).unwrap();
    desk.ban(&["--id", "BAN-1", "--reason", "x"], APP_IMAGE)
        .unwrap();
    assert!(fs::symlink_metadata(desk.path()).unwrap().is_symlink());
    assert_eq!(
        fs::metadata(&real).unwrap().permissions().mode() & 0o777,
        0o640
    );
    assert_eq!(desk.source().bans.len(), 1);
}

#[test]
fn what_countless_images_have_is_not_banned() {
    let found = |layers: &[&str]| FoundImage {
        names: vec!["x".to_owned()],
        places: Vec::new(),
        platform: None,
        image_id: None,
        manifests: Vec::new(),
        chain: crate::lineage::chain::Chain::from_diff_ids(
            layers
                .iter()
                .map(|id| crate::lineage::digest::DiffId::parse(id).unwrap())
                .collect(),
        ),
        evidence: crate::ctl::image::Sureness::Claimed,
    };
    for (layers, kind, expected) in [
        (
            &[][..],
            MatchKind::Base,
            Err(r#"cannot name "x" as a base or a layer: it has no layers"#),
        ),
        (
            &[][..],
            MatchKind::Layer,
            Err(r#"cannot name "x" as a base or a layer: it has no layers"#),
        ),
        (
            &[][..],
            MatchKind::Image,
            Err(r#"cannot name "x" as an image: its engine does not know its image ID"#),
        ),
        (
            &[EMPTY_LAYER][..],
            MatchKind::Base,
            Err(r#"cannot name "x" by the empty layer: countless images have it"#),
        ),
        (
            &[BASE, EMPTY_LAYER][..],
            MatchKind::Layer,
            Err(r#"cannot name "x" by the empty layer: countless images have it"#),
        ),
        (&[BASE, EMPTY_LAYER][..], MatchKind::Base, Ok(1)),
    ] {
        let images = Images {
            images: vec![found(layers)],
            absent: Vec::new(),
        };
        let made = matches(&images, kind, "x")
            .map(|matches| matches.len())
            .map_err(|error| error.to_string());
        assert_eq!(made, expected.map_err(str::to_owned));
    }
}

#[test]
fn the_layers_of_a_base_are_banned_that_are_its_own_and_not_empty() {
    let image = |layers: &[&str]| {
        let id = |layer: &&str| {
            if layer.is_empty() {
                EMPTY_LAYER.to_owned()
            } else {
                Digest::of(layer.as_bytes()).to_string()
            }
        };
        let layers = layers
            .iter()
            .map(|layer| crate::lineage::digest::DiffId::parse(&id(layer)).unwrap())
            .collect();
        FoundImage {
            names: vec!["x".to_owned()],
            places: Vec::new(),
            platform: None,
            image_id: None,
            manifests: Vec::new(),
            chain: Chain::from_diff_ids(layers),
            evidence: Sureness::Claimed,
        }
    };
    let own = |base: &[&str], here: &[&[&str]]| {
        let here: Vec<_> = here.iter().map(|layers| image(layers)).collect();
        let layers = own_layers(&image(base), &here, "x").map_err(|error| error.to_string())?;
        Ok::<_, String>(
            layers
                .iter()
                .map(|layer| {
                    ["os", "lib", "app"]
                        .into_iter()
                        .find(|name| Digest::of(name.as_bytes()) == *layer)
                        .unwrap()
                })
                .collect::<Vec<_>>(),
        )
    };
    let none =
        Err("cannot name the layers of \"x\": it has none of its own that is not empty".to_owned());
    type Case<'a> = (
        &'a [&'a str],
        &'a [&'a [&'a str]],
        Result<Vec<&'a str>, String>,
    );
    let cases: [Case<'_>; 7] = [
        (&["os"], &[], Ok(vec!["os"])),
        // No other image tells which of the lower layers belong to this image's own base.
        (&["os", "lib", "app"], &[], Ok(vec!["app"])),
        (
            &["os", "lib", "app", ""],
            &[&["other"], &["", "another"]],
            Ok(vec!["app"]),
        ),
        // The image with `mine` is built on this image, so its layers say nothing. The image `os`
        // shows that the layer `os` came with this image's own base.
        (
            &["os", "lib", "app"],
            &[&["os", "lib", "app", "mine"], &["os"]],
            Ok(vec!["lib", "app"]),
        ),
        (
            &["os", "", "lib", "app", ""],
            &[&["os", "", "else"]],
            Ok(vec!["lib", "app"]),
        ),
        (&["os", "lib", "app"], &[&["app"]], none.clone()),
        (&["", ""], &[], none),
    ];
    for (base, here, expected) in cases {
        assert_eq!(own(base, here), expected, "{base:?} {here:?}");
    }
    // The layers go into the same ban as the base, each of them once.
    let found = Images {
        images: vec![image(&["os", "lib"]), image(&["os", "lib"])],
        absent: Vec::new(),
    };
    let mut all = matches(&found, MatchKind::Base, "x").unwrap();
    add_layers(&mut all, &found, &[image(&["os"])], "x").unwrap();
    assert_eq!(
        all.iter().map(|found| found.kind).collect::<Vec<_>>(),
        [MatchKind::Base, MatchKind::Layer]
    );
}

#[test]
fn a_time_is_a_date_or_a_span_from_now() {
    let now = Timestamp::parse("2026-11-20").unwrap();
    assert_eq!(
        When::parse("2026-11-21").unwrap().from(now),
        now.plus(86_400)
    );
    assert_eq!(When::parse("36h").unwrap().from(now), now.plus(36 * 3_600));
    assert_eq!(
        When::parse("soon").unwrap_err(),
        "expected a time such as 2026-11-20T14:00:00Z, or a span such as 14d"
    );
}

#[test]
fn an_image_whose_engine_tells_no_diff_ids_can_be_banned_as_a_base_and_not_as_a_layer() {
    let top = ChainId(Digest::of(b"top"));
    let image = FoundImage {
        names: Vec::new(),
        places: Vec::new(),
        platform: None,
        image_id: None,
        manifests: Vec::new(),
        chain: Chain::from_chain_ids(vec![top]),
        evidence: Sureness::Recorded,
    };
    assert_eq!(digests(&image, MatchKind::Base, "app:1").unwrap(), [top.0]);
    let error = digests(&image, MatchKind::Layer, "app:1").unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"cannot name "app:1" as a layer: its engine does not know its diff IDs"#
    );
}

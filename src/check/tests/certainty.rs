//! Tests what `embargo check` answers where something is unknown.

use super::*;

#[test]
fn without_a_list_or_a_lineage_it_cannot_be_known() {
    let place = Place::new().with_settings("#\n");
    assert_eq!(outcome(&place.answer("web-1")), (CheckOutcome::Unknown, 3));
    let text = place.text("web-1");
    assert!(
        text.contains("\nverdict   unknown: it would not start\n"),
        "{text}"
    );
    assert!(text.contains("\nlist      none (cannot read "), "{text}");
    let lenient = Place::new().with_settings("on_missing_list = \"admit\"\n");
    assert_eq!(
        outcome(&lenient.answer("web-1")),
        (CheckOutcome::Unknown, 3)
    );
    assert!(lenient.text("web-1").contains("\nverdict   unknown\n"));

    let unarmed = Place::new();
    assert_eq!(
        outcome(&unarmed.answer("web-1")),
        (CheckOutcome::Unknown, 3)
    );
    let text = unarmed.text("web-1");
    let said = "\nverdict   unknown\n          only a ban list can tell whether it is banned, and this node has none\n";
    assert!(text.contains(said) && !text.contains("refused"), "{text}");

    let nothing = list(&source(&[("base", digest(1))]), &terms(1), &[1]);
    let forged = Place::new().with_settings("#\n");
    forged.put(&forged.paths.keyset, keyset(&[2], 1).text().as_bytes());
    forged.put(&forged.paths.list, &nothing);
    assert_eq!(outcome(&forged.answer("web-1")), (CheckOutcome::Unknown, 3));
}

/// Found in review: when Docker's file of names could not be read, no manifest digest was known. A
/// container that was banned by its manifest's digest was then reported as clear.
#[test]
fn where_the_list_bans_images_and_names_cannot_be_read_it_cannot_be_known() {
    let of = |kind| {
        format!(
            "[[ban]]\nid = \"A\"\nreason = \"a\"\nseverity = \"low\"\neffective = 2026-11-20\n[[ban.match]]\n{kind} = \"{}\"\n",
            digest(1)
        )
    };
    for (kind, settings, is_broken, expected) in [
        ("image", Some("#\n"), false, CheckOutcome::Clear),
        ("image", Some("#\n"), true, CheckOutcome::Unknown),
        ("image", None, true, CheckOutcome::Unknown),
        ("base", Some("#\n"), true, CheckOutcome::Clear),
    ] {
        let mut place = Place::new().with_list(&of(kind));
        if let Some(settings) = settings {
            place = place.with_settings(settings);
        }
        let store = place.root.path().join("docker");
        copy(&fixture("docker-20.10-overlay2"), &store);
        place.engines.docker = vec![store.clone()];
        if is_broken {
            crate::sys::replace::replace(
                &store.join("image/overlay2/repositories.json"),
                0o644,
                b"{",
            )
            .unwrap();
        }
        let what = format!("{kind} {settings:?} {is_broken}");
        assert_eq!(place.answer(WEB).outcome, expected, "{what}");
        let text = place.text(WEB);
        let doubt = "cannot tell by which digests its image was pulled: cannot trust ";
        assert_eq!(
            text.contains(doubt),
            expected == CheckOutcome::Unknown,
            "{what}: {text}"
        );
        assert!(!text.contains("would not start"), "{what}: {text}");
    }
    // The doubt is reported even when another ban warns.
    let warned = Place::new()
        .ban_of_base()
        .replace("severity", "action = \"warn\"\nseverity");
    let mut place = Place::new()
        .with_settings("#\n")
        .with_list(&format!("{warned}{}", of("image")));
    let store = place.root.path().join("docker");
    copy(&fixture("docker-20.10-overlay2"), &store);
    crate::sys::replace::replace(&store.join("image/overlay2/repositories.json"), 0o644, b"{")
        .unwrap();
    place.engines.docker = vec![store];
    let text = place.text(WEB);
    assert!(
        text.contains("warned of by BAN-2026-0007")
            && text.contains("cannot tell by which digests"),
        "{text}"
    );
}

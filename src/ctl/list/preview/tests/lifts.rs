//! Tests which bans a draft lifts on this node.

use super::*;

#[test]
fn a_draft_that_lifts_a_ban_is_reported_what_an_installation_would_ask_for() {
    let place = Place::new();
    let keys = Keyset {
        lift_threshold: 2,
        ..keyset(&[1, 2], 1)
    };
    place.put(&place.paths.keyset, keys.text().as_bytes());
    let bans = place.ban_of_base();
    place.put(&place.paths.list, &list(&parse(&bans), &terms(412), &[1]));
    let (lifts, calm) = (
        "1 ban, which takes 2 signatures: BAN-2026-0007",
        "0 of 0 running containers newly refused, max_impact = \"50%\"",
    );
    let stops = "would stop: cannot install \"…/draft.lst\": it lifts BAN-2026-0007, which takes 2 signatures of keyset 1; it has 1";
    let unsigned = "this node would not take it: cannot trust list \"…/draft.lst\": not signed, and 1 trusted signature needed";
    for (draft, signers, signed, lifted, install) in [
        (
            NOTHING,
            &[1][..],
            "too few for this node: 1 good signature, 2 needed",
            Some(lifts),
            stops.to_owned(),
        ),
        (
            NOTHING,
            &[1, 2],
            "enough for this node: 2 good signatures, 2 needed",
            Some(lifts),
            format!("no objection: {calm}"),
        ),
        (
            NOTHING,
            &[],
            unsigned,
            Some(lifts),
            format!("would stop: this node would not take it as it is; {calm}"),
        ),
        (
            bans.as_str(),
            &[1],
            "enough for this node: 1 good signature, 1 needed",
            None,
            format!("no objection: {calm}"),
        ),
        (
            &bans.replace("BAN-2026-0007", "BAN-8"),
            &[1],
            "enough for this node: 1 good signature, 1 needed",
            None,
            format!("no objection: {calm}"),
        ),
    ] {
        let (text, _) = place.preview_signed(draft, signers, false);
        assert_eq!(line_of(&text, "signed "), Some(signed));
        assert_eq!(line_of(&text, "lifts "), lifted, "{text}");
        assert_eq!(line_of(&text, "install ").unwrap(), install);
    }
    let json = |signers: &[u8]| {
        serde_json::from_str::<serde_json::Value>(&place.preview_signed(NOTHING, signers, true).0)
            .unwrap()
    };
    for (signers, good, objection) in [
        (&[1][..], 1, "lifts".into()),
        (&[], 0, "list".into()),
        (&[1, 2], 2, serde_json::Value::Null),
    ] {
        let report = json(signers);
        assert_eq!(
            report["draft"]["lifts"],
            serde_json::json!(["BAN-2026-0007"])
        );
        assert_eq!(
            (
                &report["draft"]["good_signatures"],
                &report["draft"]["needed_signatures"]
            ),
            (&good.into(), &2.into())
        );
        assert_eq!(report["installation"]["objection"], objection);
    }
}

#[test]
fn a_node_that_lost_its_lists_cannot_tell_what_a_draft_lifts() {
    let place = Place::new();
    let keys = Keyset {
        lift_threshold: 2,
        ..keyset(&[1, 2], 1)
    };
    place.put(&place.paths.keyset, keys.text().as_bytes());
    let last = place.root.path().join("last.lst");
    place.put(&last, &list(&parse(NOTHING), &terms(412), &[1]));
    install::install(
        &last,
        &NodeState {
            paths: &place.paths,
            settings: None,
            rules: Rules::default(),
            now: Timestamp::now(),
        },
        None,
    )
    .unwrap();
    std::fs::remove_file(&place.paths.list).unwrap();
    // The draft can be compared with the second copy.
    assert_eq!(line_of(&place.preview(NOTHING, false).0, "lifts "), None);
    std::fs::remove_file(&place.paths.copy).unwrap();
    let (text, _) = place.preview(NOTHING, false);
    let lost = "unknown, which takes 2 signatures: this node lost the list to compare it with";
    assert_eq!(line_of(&text, "lifts "), Some(lost), "{text}");
    assert_eq!(
        place.json(NOTHING)["draft"]["lifts"],
        serde_json::Value::Null
    );
}

//! Tests what happens to a container that matches the list, and the text of the refusal.

use super::*;

// Row: no match.

#[test]
fn a_container_that_no_ban_matches_starts_silently() {
    Given::hits(vec![]).admits(&[]);
    Given {
        origin: Ok(image(Evidence::Metadata)),
        ..Given::hits(vec![])
    }
    .admits(&[]);
}

#[test]
fn every_digest_of_the_container_is_looked_up_as_what_it_is() {
    let chain = chain();
    let base = |index: usize| Query {
        digest: chain.chain_ids()[index].0,
        kind: MatchKind::Base,
    };
    let image_of = |text| Query {
        digest: digest(text),
        kind: MatchKind::Image,
    };
    let layer = |text| Query {
        digest: digest(text),
        kind: MatchKind::Layer,
    };
    let images = [image_of("config"), image_of("manifest"), image_of("index")];
    let all = [
        &[base(0), base(1), base(2)][..],
        &images,
        &[layer("base"), layer("middle"), layer("top")],
    ]
    .concat();
    assert_eq!(queries(&image(Evidence::Mount)), all);
    assert_eq!(queries(&Origin::NoLayers(facts())), images);
    assert_eq!(queries(&Origin::NoImage), []);
}

// Row: a ban in effect matches.

#[test]
fn a_ban_in_effect_refuses_with_the_line_of_the_manual() {
    Given::hits(vec![hit()]).refuses(Grounds::Banned, LINE, &[]);
    // The ban is in effect from its first second.
    Given::hits(vec![hit_by(|ban| {
        ban.effective = at("2026-11-21T10:00:00Z")
    })])
    .refuses(
        Grounds::Banned,
        &LINE.replace("2026-11-20", "2026-11-21"),
        &[],
    );
    // The ban is in effect up to the last second before it lapses.
    Given::hits(vec![hit_by(|ban| {
        ban.lapses = Some(at("2026-11-21T10:00:01Z"))
    })])
    .refuses(Grounds::Banned, LINE, &[]);
}

#[test]
fn a_ban_that_has_lapsed_matches_nothing() {
    let given = Given::hits(vec![hit_by(|ban| {
        ban.lapses = Some(at("2026-11-21T10:00:00Z"))
    })]);
    given.admits(&[]);
    assert_eq!(given.judged().findings[0].standing, Standing::Lapsed);
}

#[test]
fn what_matched_is_described_as_what_it_is() {
    let top = chain().top().0;
    for (kind, digest, name, shown) in [
        (
            MatchKind::Base,
            chain().chain_ids()[1].0,
            Some(NAME),
            format!("built on {NAME}"),
        ),
        (MatchKind::Base, top, Some(NAME), format!("is {NAME}")),
        (
            MatchKind::Image,
            digest("config"),
            Some(NAME),
            format!("is {NAME}"),
        ),
        (
            MatchKind::Layer,
            digest("middle"),
            Some("xz-backdoor"),
            "contains layer xz-backdoor".to_owned(),
        ),
        (
            MatchKind::Layer,
            digest("middle"),
            None,
            format!("contains layer {}", digest("middle")),
        ),
        (MatchKind::Base, top, Some(""), format!("is {top}")),
    ] {
        let hit = Hit {
            digest,
            kind,
            name: name.map(str::to_owned),
            ..hit()
        };
        let line = LINE.replace(&format!("built on {NAME}"), &shown);
        Given::hits(vec![hit]).refuses(Grounds::Banned, &line, &[]);
    }
}

#[test]
fn a_ban_without_advisories_or_successor_leaves_no_gap() {
    let bare = |ban: &mut Ban| {
        ban.advisories.clear();
        ban.successor = None;
    };
    let line = format!(
        "embargo: refused web-1: built on {NAME}, banned by BAN-2026-0007 (critical) since 2026-11-20; list 412"
    );
    Given::hits(vec![hit_by(bare)]).refuses(Grounds::Banned, &line, &[]);
    let many =
        hit_by(|ban| ban.advisories = ["A-1", "A-2", "A-3", "A-4"].map(str::to_owned).to_vec());
    Given::hits(vec![many]).refuses(
        Grounds::Banned,
        &LINE.replace("CVE-2026-1234", "A-1, A-2, A-3, …"),
        &[],
    );
}

#[test]
fn of_several_bans_the_most_severe_is_named_and_all_are_reported() {
    let by = |id: &str, severity, effective: &str| {
        hit_by(|ban| {
            (ban.id, ban.severity, ban.effective) = (id.to_owned(), severity, at(effective))
        })
    };
    let given = Given::hits(vec![
        by("BAN-6", Severity::High, "2026-01-01"),
        by("BAN-5", Severity::Critical, "2026-11-20"),
        by("BAN-4", Severity::Critical, "2026-11-20"),
        by("BAN-3", Severity::Critical, "2026-11-19"),
        by("BAN-2", Severity::Critical, "2026-12-01"),
        Hit {
            digest: digest("top"),
            ..by("BAN-6", Severity::High, "2026-01-01")
        },
    ]);
    let line = LINE
        .replace("BAN-2026-0007", "BAN-3")
        .replace("since 2026-11-20", "since 2026-11-19");
    given.refuses(Grounds::Banned, &line, &[]);
    let event = given.judged().events.remove(0);
    assert_eq!(
        event.bans,
        ["BAN-3", "BAN-4", "BAN-5", "BAN-6"],
        "BAN-2 is not in effect"
    );
    assert_eq!(event.matched, [hit().digest, digest("top")]);
}

#[test]
fn an_image_without_layers_can_be_banned_by_its_digest() {
    let hit = Hit {
        digest: digest("config"),
        kind: MatchKind::Image,
        ..hit()
    };
    let given = Given {
        origin: Ok(Origin::NoLayers(facts())),
        ..Given::hits(vec![hit])
    };
    given.refuses(Grounds::Banned, &LINE.replace("built on", "is"), &[]);
}

#[test]
fn labels_are_shown_in_the_line_and_in_the_event() {
    let given = Given::hits(vec![hit()]);
    for (source, revision, shown) in [
        (
            Some("https://git.example/web"),
            Some("4f2a"),
            " (source https://git.example/web, revision 4f2a)",
        ),
        (None, Some("4f2a"), " (revision 4f2a)"),
        (
            Some("x); list 1 (\u{1b}[2J"),
            Some(""),
            " (source \"x); list 1 (\\u{1b}[2J\")",
        ),
    ] {
        let judgement = given.judged_with(Labels { source, revision });
        let Verdict::Refuse(refusal) = judgement.verdict else {
            panic!("it is banned")
        };
        assert_eq!(refusal.line(), format!("{LINE}{shown}"));
        let subject = &judgement.events[0].subject;
        assert_eq!(
            (subject.source.as_deref(), subject.revision.as_deref()),
            (source, revision)
        );
    }
}

#[test]
fn an_event_names_everything_that_is_known() {
    let event = Given::hits(vec![hit()]).judged().events.remove(0);
    let expected = Subject {
        container: "web-1".into(),
        name: None,
        engine: Engine::Docker,
        image: Some("docker.io/acme/web:1".into()),
        image_id: Some(ImageId(digest("config"))),
        chain_id: Some(chain().top()),
        evidence: Some(Evidence::Mount),
        list_version: Some(412),
        source: None,
        revision: None,
    };
    assert_eq!(event.subject, expected);
    assert_eq!(
        (event.bans, event.matched, event.days_left),
        (vec!["BAN-2026-0007".to_owned()], vec![hit().digest], None)
    );
}

#[test]
fn nobody_adds_words_to_a_line_by_naming_something() {
    let hit = Hit {
        name: Some("x, banned by nobody\n\u{1b}[2J".into()),
        ..hit()
    };
    let line = LINE.replace(NAME, "\"x, banned by nobody\\n\\u{1b}[2J\"");
    Given::hits(vec![hit]).refuses(Grounds::Banned, &line, &[]);
    let hit = hit_by(|ban| ban.successor = Some("acme/executable:2".into()));
    Given::hits(vec![hit]).refuses(
        Grounds::Banned,
        &LINE.replace(NEXT, r"acme/e\u{78}ecutable:2"),
        &[],
    );
}

#[test]
fn a_line_is_short_enough_for_every_reader_and_begins_with_what_matters() {
    let long = "x".repeat(5_000);
    let hit = Hit {
        name: Some(long.clone()),
        ..hit_by(|ban| {
            (ban.id, ban.advisories, ban.successor) = (long.clone(), vec![long.clone(); 9], None)
        })
    };
    let judgement = Given {
        bans: Bans::Known(list(vec![hit])),
        ..Given::hits(vec![])
    }
    .judged_with(Labels {
        source: Some(&long),
        revision: Some(&long),
    });
    let Verdict::Refuse(refusal) = judgement.verdict else {
        panic!("it is banned")
    };
    assert!(
        refusal.line().len() < 4_096
            && refusal
                .line()
                .starts_with("embargo: refused web-1: built on xxx")
    );
    assert!(
        refusal.line().contains("; list 412 (source xxx"),
        "the parts are cut, not the end"
    );
}

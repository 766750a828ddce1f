//! Tests bans that do not refuse: bans that take effect later, warnings, exceptions and cures.

use super::*;

// Row: a ban not yet in effect, or one with action = "warn".

#[test]
fn a_ban_to_come_admits_and_reports_the_days_left() {
    for (effective, days, shown) in [
        ("2026-11-21T10:00:01Z", 1, "1 day"),
        ("2026-11-22T10:00:00Z", 1, "1 day"),
        ("2026-12-01", 10, "10 days"),
    ] {
        let given = Given::hits(vec![hit_by(|ban| ban.effective = at(effective))]);
        let message = LINE.replace("refused", "admitted").replace(
            "since 2026-11-20",
            &format!("from {}, {shown} left", &effective[..10]),
        );
        given.admits(&[(EventKind::BanAhead, &message)]);
        assert_eq!(given.judged().events[0].days_left, Some(days));
    }
}

#[test]
fn a_ban_that_warns_admits_and_reports_it() {
    let warns = |ban: &mut Ban| ban.action = Action::Warn;
    let message = LINE
        .replace("refused", "admitted")
        .replace("banned by", "warned of by");
    Given::hits(vec![hit_by(warns)]).admits(&[(EventKind::Warned, &message)]);
    // If another ban refuses the container, a ban that only warns changes nothing.
    Given::hits(vec![hit_by(warns), hit()]).refuses(Grounds::Banned, LINE, &[]);
}

// Row: a ban in effect that spares containers that existed before.

#[test]
fn a_container_that_existed_before_its_ban_starts_until_the_day_that_the_ban_names() {
    let spares =
        |until: &str| Given::hits(vec![hit_by(|ban| ban.existing_until = Some(at(until)))]);
    for (created, until, shown) in [
        (
            "2026-11-19T23:59:59Z",
            "2026-11-21T10:00:01Z",
            Some("1 day"),
        ),
        ("2020-01-01", "2026-12-01", Some("10 days")),
        // It was made when the ban was in effect.
        ("2026-11-20", "2026-12-01", None),
        ("2026-11-21T09:00:00Z", "2026-12-01", None),
        // The time is over.
        ("2020-01-01", "2026-11-21T10:00:00Z", None),
    ] {
        let given = spares(until).created(created);
        assert!(!given.judged().depends_on_creation() || shown.is_none());
        match shown {
            None => given.refuses(Grounds::Banned, LINE, &[]),
            Some(days) => {
                let message = LINE.replace("refused", "admitted").replace(
                    "2026-11-20;",
                    &format!("2026-11-20, but made before, {days} left;"),
                );
                given.admits(&[(EventKind::Existing, &message)]);
            }
        }
    }
    // Nothing records when it was made: it is refused, and a record may change that.
    let unknown = spares("2026-12-01");
    unknown.refuses(Grounds::Banned, LINE, &[]);
    assert!(unknown.judged().depends_on_creation());
    // A ban without such a day asks for no record.
    let always = Given::hits(vec![hit()]).created("2020-01-01");
    always.refuses(Grounds::Banned, LINE, &[]);
    assert!(!always.judged().depends_on_creation());
}

#[test]
fn a_ban_that_spares_a_container_spares_it_from_no_other_ban_and_says_until_when() {
    let spares = hit_by(|ban| {
        (ban.id, ban.existing_until) = ("BAN-1".into(), Some(at("2026-12-01")));
    });
    let given = Given::hits(vec![spares.clone(), hit()]).created("2020-01-01");
    given.refuses(Grounds::Banned, LINE, &[]);
    let finding = &Given::hits(vec![spares])
        .created("2020-01-01")
        .judged()
        .findings[0];
    assert_eq!(
        (finding.standing.word(), finding.standing.days_left()),
        ("existing", Some(10))
    );
    let origin = image(Evidence::Mount);
    for (created, from) in [
        (Some("2020-01-01"), "2026-12-01"),
        (Some("2026-11-20"), "2026-11-20"),
        (None, "2026-11-20"),
    ] {
        let from_then = finding.refuses_from(&origin, created.map(at));
        assert_eq!(from_then, Some(at(from)), "{created:?}");
    }
}

// Row: a match covered by a signed exception still running, or cured.

#[test]
fn an_exception_holds_for_its_base_image_or_layer_until_its_end() {
    let reported = LINE.replace("refused", "admitted").replace(
        "2026-11-20;",
        "2026-11-20, excepted by OPS-9 until 2026-11-21T10:00:01Z;",
    );
    for (kind, digest, covers) in [
        (MatchKind::Base, chain().chain_ids()[0].0, true),
        (MatchKind::Base, chain().top().0, true),
        (MatchKind::Image, digest("config"), true),
        (MatchKind::Image, digest("index"), true),
        (MatchKind::Layer, digest("top"), true),
        (MatchKind::Base, digest("top"), false),
        (MatchKind::Layer, chain().top().0, false),
        (MatchKind::Image, chain().top().0, false),
        (MatchKind::Image, digest("another"), false),
    ] {
        let running = Given::hits(vec![hit_by(|ban| {
            ban.except = vec![except(kind, digest, "2026-11-21T10:00:01Z")]
        })]);
        let ended = Given::hits(vec![hit_by(|ban| {
            ban.except = vec![except(kind, digest, "2026-11-21T10:00:00Z")]
        })]);
        if covers {
            running.admits(&[(EventKind::Excepted, &reported)])
        } else {
            running.refuses(Grounds::Banned, LINE, &[])
        }
        ended.refuses(Grounds::Banned, LINE, &[]);
    }
}

#[test]
fn an_exception_of_one_ban_lifts_no_other() {
    let excepted = hit_by(|ban| {
        (ban.id, ban.except) = (
            "BAN-1".into(),
            vec![except(MatchKind::Image, digest("config"), "2027-01-01")],
        )
    });
    Given::hits(vec![excepted, hit()]).refuses(Grounds::Banned, LINE, &[]);
}

#[test]
fn a_container_that_carries_the_cure_starts() {
    let message = LINE.replace("refused", "admitted").replace(
        "2026-11-20;",
        &format!("2026-11-20, cured by layer {};", digest("top")),
    );
    Given::hits(vec![hit_by(|ban| {
        ban.cure = vec![digest("fix"), digest("top")]
    })])
    .admits(&[(EventKind::Cured, &message)]);
    Given::hits(vec![hit_by(|ban| {
        ban.cure = vec![digest("fix"), chain().top().0, digest("config")]
    })])
    .refuses(Grounds::Banned, LINE, &[]);
}

#[test]
fn a_cure_counts_only_above_what_it_cures() {
    // The layers, lowest first; what is banned; and whether the layer `fix` cures the ban.
    let stack = |layers: &[&str]| {
        Chain::from_diff_ids(layers.iter().map(|layer| DiffId(digest(layer))).collect()).unwrap()
    };
    let base = |layers: &[&str]| (MatchKind::Base, stack(layers).top().0);
    let layer = (MatchKind::Layer, digest("bad"));
    let cases = [
        (&["other", "fix", "bad"][..], layer, false),
        (&["fix", "bad"], layer, false),
        (&["bad", "fix", "bad"], layer, false),
        (&["fix", "bad", "other"], layer, false),
        (&["bad", "fix"], layer, true),
        (&["other", "bad", "other", "fix", "app"], layer, true),
        (&["fix", "bad", "fix"], layer, true),
        (&["fix", "bad"], base(&["fix", "bad"]), false),
        (&["fix", "bad", "app"], base(&["fix", "bad"]), false),
        (&["fix", "bad", "fix"], base(&["fix", "bad"]), true),
        (&["bad", "fix"], base(&["bad", "fix"]), false),
        (&["bad", "fix"], base(&["bad"]), true),
        // Nothing lies above an image's own digest.
        (&["bad", "fix"], (MatchKind::Image, digest("config")), false),
        (&["bad", "fix"], (MatchKind::Image, digest("index")), false),
    ];
    for (layers, (kind, digest_), is_cured) in cases {
        let hit = Hit {
            kind,
            digest: digest_,
            ..hit_by(|ban| ban.cure = vec![digest("absent"), digest("fix")])
        };
        let origin = Origin::Image(ImageLineage {
            chain: stack(layers),
            facts: facts(),
            evidence: Evidence::Mount,
        });
        let found = standing::findings(&[hit], &origin, None, at("2026-11-21"));
        let expected = if is_cured {
            Standing::Cured(digest("fix"))
        } else {
            Standing::InEffect
        };
        assert_eq!(found[0].standing, expected, "{layers:?} {kind:?}");
    }
}

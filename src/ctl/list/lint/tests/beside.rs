//! Tests the findings of a comparison with the last published list, and how findings are printed.

use super::*;

#[test]
fn what_the_list_before_shows() {
    let ban = |id: &str, effective: &str, lapses: Option<&str>| {
        let source = Source::parse(
            Path::new("bans.toml"),
            &full(&format!("{HEAD}{BASE}")),
            open,
        )
        .unwrap();
        let at = |text: &str| Timestamp::parse(text).unwrap();
        crate::banlist::ban::Ban {
            id: id.to_owned(),
            effective: at(effective),
            lapses: lapses.map(at),
            ..source.bans[0].clone()
        }
    };
    let issued = Timestamp::parse("2026-11-10").unwrap();
    let last = Last {
        version: 7,
        issued,
        bans: vec![
            ban("A", "2026-11-05", None),
            ban("B", "2026-11-01", None),
            ban("GONE", "2026-11-01", None),
            ban("OVER", "2026-11-01", Some("2026-11-02")),
        ],
    };
    let source = ["A", "B", "NEW", "NEXT"]
        .iter()
        .zip(["2026-11-01", "2026-11-01", "2026-11-09", "2026-11-10"])
        .map(|(id, date)| {
            HEAD.replace("\"A\"", &format!("{id:?}"))
                .replace("2026-11-20", date)
                + &BASE.replace("a b", id)
        });
    let found = lint_with(
        &source.collect::<String>(),
        &KnownImages::default(),
        Some(&last),
    );
    let expected = [
        "bans.toml:1: warning: GONE: is in version 7 and no longer in the source: that lifts it, unless another ban holds for the same [ban-gone]",
        "bans.toml:5: warning: A: the ban is to hold since 2026-11-01T00:00:00Z, and since 2026-11-05T00:00:00Z by version 7 [backdated]",
        "bans.toml:19: warning: NEW: the ban is to hold since 2026-11-09T00:00:00Z, before version 7 was issued, which does not have it [backdated]",
    ];
    assert_eq!(lines(&found), expected);
}

#[test]
fn a_ban_that_only_has_another_id_is_not_set_back() {
    let source = Source::parse(
        Path::new("bans.toml"),
        &full(&format!("{HEAD}{BASE}")),
        |_| Ok(Vec::new()),
    )
    .unwrap();
    let old = crate::banlist::ban::Ban {
        id: "OLD".to_owned(),
        ..source.bans[0].clone()
    };
    let last = Last {
        version: 7,
        issued: old.effective.plus(86_400),
        bans: vec![old],
    };
    let text = "bans.toml:1: warning: OLD: is in version 7 and no longer in the source: that lifts it, unless another ban holds for the same [ban-gone]";
    assert_eq!(
        lines(&lint_with(
            &format!("{HEAD}{BASE}"),
            &KnownImages::default(),
            Some(&last)
        )),
        [text]
    );
    let backdated = lint_with(
        &format!("{HEAD}{BASE}").replace("2026-11-20", "2026-11-19"),
        &KnownImages::default(),
        Some(&last),
    );
    assert_eq!(
        backdated
            .iter()
            .filter(|finding| finding.code == Code::Backdated)
            .count(),
        1
    );
}

#[test]
fn what_nobody_could_look_at_is_reported_once() {
    let text = format!(
        "{HEAD}successor = \"debian:12.5\"\n{BASE}name = \"debian:12.5\"\n{}successor = \"debian:12.6\"\n{BASE}",
        HEAD.replace("\"A\"", "\"B\"")
    );
    let gone = "not here".to_owned();
    let known = KnownImages {
        unknown: HashMap::from([
            ("debian:12.5".to_owned(), gone.clone()),
            ("debian:12.6".to_owned(), gone),
        ]),
        unseen: vec!["the images of docker in /d cannot be listed".to_owned()],
        ..KnownImages::default()
    };
    let found = lint_with(&text, &known, None);
    let notes: Vec<_> = found
        .iter()
        .filter(|finding| finding.code == Code::NotChecked)
        .cloned()
        .collect();
    let expected = [
        "bans.toml:1: note: the images of docker in /d cannot be listed [not-checked]",
        "bans.toml:6: note: successor debian:12.5: not here, not checked [not-checked]",
        "bans.toml:15: note: successor debian:12.6: not here, not checked [not-checked]",
    ];
    assert_eq!(lines(&notes), expected);
}

#[test]
fn many_of_a_kind_are_one_mistake() {
    let found = lint_with(
        &format!("{HEAD}[[ban.match]]\nlayer_file = \"many.txt\"\n"),
        &KnownImages::default(),
        None,
    );
    let lines = lines(&found);
    assert_eq!(lines.len(), 2 * finding::MAX_ALIKE, "{lines:#?}");
    assert!(
        lines
            .iter()
            .any(|line| line.ends_with("missing; 2 more like this [empty-digest]")),
        "{lines:#?}"
    );
}

#[test]
fn the_words_of_findings_are_their_own_and_stay_in_the_manual() {
    let page = include_str!("../../../../../packaging/man/embargoctl.8");
    let mut words = std::collections::HashSet::new();
    for code in Code::ALL {
        let entry = format!(".It Cm {} Pq {}\n", code.word(), code.level().word());
        assert!(
            words.insert(code.word()) && page.contains(&entry),
            "{entry}"
        );
    }
    let levels = [" Pq error", " Pq warning", " Pq note"];
    let entries = page.lines().filter(|line| {
        line.starts_with(".It Cm ") && levels.iter().any(|level| line.ends_with(level))
    });
    assert_eq!(entries.count(), Code::ALL.len());
}

#[test]
fn programs_see_the_same() {
    let text = format!("{HEAD}successor = \"debian\"\n{BASE}{HEAD}{BASE}");
    let found = lint_with(&text, &KnownImages::default(), None);
    let report: serde_json::Value =
        serde_json::from_str(&page::json(Path::new("bans.toml"), 2, &found)).unwrap();
    let expected = serde_json::json!({ "schema": 1,
        "source": "bans.toml",
        "bans": 2,
        "errors": 1,
        "warnings": 1,
        "notes": 0,
        "findings": [
            {
                "code": "successor-floating",
                "level": "warning",
                "file": "bans.toml",
                "line": 6,
                "ban": "A",
                "text": "the successor debian is another image tomorrow",
                "hint": "name the version, and its digest: NAME:TAG@sha256:DIGEST",
            },
            {
                "code": "id-twice",
                "level": "error",
                "file": "bans.toml",
                "line": 10,
                "ban": "A",
                "text": "the ID is already in line 2",
                "hint": "give this ban an ID of its own, or make one ban of both",
            },
        ],
    });
    assert_eq!(report, expected);
    let page = page::text(Path::new("bans.toml"), 2, &found);
    assert!(
        page.ends_with("\nbans.toml: 2 bans, 1 error, 1 warning\n"),
        "{page}"
    );
    assert_eq!(
        page::text(Path::new("bans.toml"), 1, &[]),
        "bans.toml: 1 ban, nothing wrong was found\n"
    );
}

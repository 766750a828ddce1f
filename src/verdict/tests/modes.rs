//! Tests the settings, the audit mode, break-glass and admissions without a judgement.

use super::*;

// Row: settings unreadable.

#[test]
fn settings_that_cannot_be_used_refuse_with_file_and_line() {
    let error = settings::parse("\nmod = 1\n", Path::new("/etc/embargo/config.toml")).unwrap_err();
    let judgement = settings_unreadable("web-1", Engine::Docker, &error, None, at("2026-11-20"));
    let Verdict::Refuse(refusal) = judgement.verdict else {
        panic!("it must refuse")
    };
    let start = "embargo: refused web-1: cannot use settings \"/etc/embargo/config.toml\", line 2: unknown field `mod`, expected one of `mode`, ";
    assert!(refusal.line().starts_with(start), "{}", refusal.line());
    assert_eq!(
        (refusal.grounds(), judgement.events[0].kind),
        (Grounds::Settings, EventKind::Refused)
    );
    let glass = BreakGlass::Given {
        reason: "INC-1".into(),
        until: at("2026-11-21"),
        written: at("2026-11-20"),
    };
    let judgement = settings_unreadable(
        "web-1",
        Engine::Docker,
        &error,
        Some(&glass),
        at("2026-11-20"),
    );
    assert!(matches!(judgement.verdict, Verdict::Admit(_)));
    assert_eq!(judgement.events[0].kind, EventKind::BreakGlassOverride);
}

// The operator's own page.

#[test]
fn every_refusal_ends_with_the_operators_own_page() {
    let page = "help = 'https://wiki.example.com/embargo'\n";
    let labels = Labels {
        source: Some("https://example.com/web"),
        revision: None,
    };
    let see = "; see https://wiki.example.com/embargo";
    let given = Given::hits(vec![hit()]).set(page);
    let judgement = given.judged_with(labels);
    assert_eq!(
        judgement.events[0].message,
        format!("{LINE} (source https://example.com/web){see}")
    );
    given.refuses(Grounds::Banned, &format!("{LINE}{see}"), &[]);
    for given in [
        Given::origin(Err(corrupt())),
        Given::origin(Err(unknown())),
        Given::bans(Bans::Missing(no_list())),
    ] {
        let judgement = given.set(page).judged();
        let line = &judgement.events.last().unwrap().message;
        assert!(line.ends_with(see), "{line}");
    }
    let audit = Given::hits(vec![hit()]).set(&format!("{page}mode = 'audit'\n"));
    audit.admits(&[(
        EventKind::WouldRefuse,
        &format!("embargo: mode audit: {LINE}{see}"),
    )]);
}

// Row: not armed.

#[test]
fn a_node_without_settings_starts_everything_and_reports_it() {
    let judgement = not_armed(
        "web-1",
        Engine::Docker,
        Path::new("/etc/embargo/config.toml"),
    );
    assert!(matches!(judgement.verdict, Verdict::Admit(_)));
    assert_eq!(judgement.events.len(), 1);
    assert_eq!(
        judgement.events[0].message,
        "embargo: admitted web-1, as every container: not armed, because there is no \"/etc/embargo/config.toml\""
    );
}

// mode = "audit".

#[test]
fn the_audit_mode_turns_every_refusal_into_an_event() {
    let line = |given: &Given| {
        given
            .judged()
            .withheld
            .map(|refusal| refusal.line().to_owned())
    };
    for given in [
        Given::hits(vec![hit()]),
        Given::origin(Err(corrupt())),
        Given::origin(Err(unknown())),
        Given::bans(Bans::Missing(no_list())),
    ] {
        let audit = Given {
            settings: "mode = 'audit'\n".into(),
            ..given
        };
        let refusal = line(&audit).unwrap();
        audit.admits(&[(
            EventKind::WouldRefuse,
            &format!("embargo: mode audit: {refusal}"),
        )]);
    }
    assert_eq!(
        line(&Given::hits(vec![hit()]).set("mode = 'audit'\n")).as_deref(),
        Some(LINE)
    );
    Given::hits(vec![]).set("mode = 'audit'\n").admits(&[]);
}

// break-glass.

#[test]
fn a_broken_glass_admits_and_every_admission_is_reported_until_its_limit() {
    let overridden = format!(
        "embargo: admitted web-1 under break-glass until 2026-11-21T10:00:01Z (\"INC-1\") instead of: {LINE}"
    );
    let given = Given::hits(vec![hit()]).glass("2026-11-21T10:00:01Z");
    given.admits(&[(EventKind::BreakGlassOverride, &overridden)]);
    assert_eq!(given.judged().withheld.unwrap().line(), LINE);
    assert_eq!(given.judged().events[0].bans, ["BAN-2026-0007"]);
    assert_eq!(given.judged().events[0].grounds, Some(Grounds::Banned));
    let plain = "embargo: admitted web-1 under break-glass until 2026-11-21T10:00:01Z (\"INC-1\")";
    Given::hits(vec![])
        .glass("2026-11-21T10:00:01Z")
        .admits(&[(EventKind::BreakGlass, plain)]);
    Given::origin(Err(corrupt()))
        .glass("2026-11-22")
        .judged()
        .withheld
        .unwrap();
    let ended = Given::hits(vec![hit()]).glass("2026-11-21T10:00:00Z");
    ended.refuses(Grounds::Banned, LINE, &[EventKind::BreakGlassIgnored]);
    assert_eq!(
        ended.judged().events[0].message,
        "embargo: break-glass opens nothing: it ended at 2026-11-21T10:00:00Z"
    );
    // Setting the clock back does not reopen break-glass: the signed times are used as well.
    Given::hits(vec![hit()])
        .glass("2026-11-20T14:00:00Z")
        .now("2026-11-20T12:00:00Z")
        .refuses(Grounds::Banned, LINE, &[EventKind::BreakGlassIgnored]);
}

#[test]
fn a_malformed_break_glass_file_opens_nothing() {
    let glass = || {
        Some(BreakGlass::Unusable(Fault::Malformed(
            "/etc/embargo/break-glass".into(),
            "missing field `until`".into(),
        )))
    };
    let given = Given {
        glass: glass(),
        ..Given::hits(vec![hit()])
    };
    given.refuses(Grounds::Banned, LINE, &[EventKind::BreakGlassIgnored]);
    let message = "embargo: break-glass opens nothing: cannot use \"/etc/embargo/break-glass\": missing field `until`";
    Given {
        glass: glass(),
        ..Given::hits(vec![])
    }
    .admits(&[(EventKind::BreakGlassIgnored, message)]);
}

#[test]
fn a_break_glass_file_with_a_limit_beyond_the_maximum_opens_nothing() {
    let beyond = |settings: &str| Given::hits(vec![hit()]).glass("2026-11-23").set(settings);
    beyond("#\n").refuses(Grounds::Banned, LINE, &[EventKind::BreakGlassIgnored]);
    beyond("break_glass_max = '0s'\n").refuses(
        Grounds::Banned,
        LINE,
        &[EventKind::BreakGlassIgnored],
    );
    assert!(matches!(
        beyond("break_glass_max = '7d'\n").judged().verdict,
        Verdict::Admit(_)
    ));
    // If the settings cannot be read, the default maximum is used.
    let error = settings::parse("\nmod = 1\n", Path::new("/etc/embargo/config.toml")).unwrap_err();
    let glass = BreakGlass::Given {
        reason: "INC-1".into(),
        until: at("2026-11-23"),
        written: at("2026-11-20"),
    };
    let judgement = settings_unreadable(
        "web-1",
        Engine::Docker,
        &error,
        Some(&glass),
        at("2026-11-20"),
    );
    assert!(matches!(judgement.verdict, Verdict::Refuse(_)));
}

// Calls that start nothing.

#[test]
fn only_calls_that_start_nothing_get_leave_without_a_judgement() {
    let leave = |text: &str| {
        let words: Vec<_> = text
            .split_ascii_whitespace()
            .map(std::ffi::OsStr::new)
            .collect();
        match crate::call::read(&words) {
            Call::PassOn(call) => matches!(nothing_starts(&call), Admission(())),
            Call::Starts(starts) => no_start(&starts).is_some(),
            Call::Check(_) | Call::ExecPatch | Call::Hook => false,
        }
    };
    for (text, free) in [
        ("kill create 9", true),
        ("delete --force web-1", true),
        ("--version", true),
        ("create --bundle /b web-1", false),
        ("run web-1", false),
        ("restore --bundle /b web-1", false),
        ("check web-1", false),
        (
            "--f1 --f2 --f3 --f4 --f5 --f6 create --bundle /b web-1",
            false,
        ),
    ] {
        assert_eq!(leave(text), free, "{text}");
    }
}

#[test]
fn a_container_is_called_by_its_name_or_by_the_digits_that_engines_show() {
    assert_eq!(super::short(&"0123456789abcdef".repeat(4)), "0123456789ab");
    for id in [
        "web-1",
        "0123456789abcdef",
        &"g".repeat(64),
        &"0".repeat(65),
    ] {
        assert_eq!(super::short(id), id);
    }
}

//! Tests lists that are old, broken or missing, and clocks that are wrong.

use super::*;

// Row: list past `expires`.

#[test]
fn a_stale_list_is_enforced_and_reported() {
    let message = |age| {
        format!(
            "embargo: list 412 expired at 2026-12-04T14:00:00Z, {age} ago, and is still enforced"
        )
    };
    Given::hits(vec![]).now("2026-12-04T13:59:59Z").admits(&[]);
    Given::hits(vec![])
        .now("2026-12-04T14:00:00Z")
        .admits(&[(EventKind::ListStale, &message("0 days"))]);
    Given::hits(vec![])
        .now("2026-12-06T13:59:59Z")
        .admits(&[(EventKind::ListStale, &message("1 day"))]);
    Given::hits(vec![hit()])
        .now("2026-12-06T13:59:59Z")
        .refuses(Grounds::Banned, LINE, &[EventKind::ListStale]);
}

// Row: list past the grace period.

#[test]
fn an_overdue_list_is_enforced_and_the_rest_is_the_operators_choice() {
    let message = "embargo: list 412 expired at 2026-12-04T14:00:00Z, 30 days ago, past its grace, and is still enforced";
    let refuse = "on_overdue_list = 'refuse'\n";
    let overdue = |hits| Given::hits(hits).now("2027-01-03T14:00:00Z");
    overdue(vec![]).admits(&[(EventKind::ListOverdue, message)]);
    let line = "embargo: refused web-1: the ban list is overdue since 2027-01-03; list 412";
    overdue(vec![])
        .set(refuse)
        .refuses(Grounds::OverdueList, line, &[EventKind::ListOverdue]);
    overdue(vec![hit()])
        .set(refuse)
        .refuses(Grounds::Banned, LINE, &[EventKind::ListOverdue]);
    // A second before the grace period ends, the list is only stale. With a shorter grace period,
    // the list is overdue earlier.
    let young = Given::hits(vec![])
        .now("2027-01-03T13:59:59Z")
        .set(refuse)
        .judged();
    assert_eq!(
        (young.events[0].kind, young.events.len()),
        (EventKind::ListStale, 1)
    );
    let short = Given::hits(vec![])
        .now("2026-12-05T14:00:00Z")
        .set("grace = '1d'\n")
        .judged();
    assert_eq!(short.events[0].kind, EventKind::ListOverdue);
}

// Row: list missing, forged, corrupt or rolled back.

#[test]
fn the_second_copy_is_enforced_loudly() {
    let copy = |hits| {
        Bans::Known(ListAnswer {
            slot: Slot::Copy,
            fault: Some(no_list()),
            ..list(hits)
        })
    };
    let message = "embargo: the second copy of list 412 is in use: cannot trust list \"/var/lib/embargo/banlist.lst\": block 7 of its records is corrupt";
    Given::bans(copy(vec![])).admits(&[(EventKind::SecondCopy, message)]);
    assert_eq!(EventKind::SecondCopy.priority(), 2);
    let line = LINE.replace("; list 412", "; second copy of list 412");
    Given::bans(copy(vec![hit()])).refuses(Grounds::Banned, &line, &[EventKind::SecondCopy]);
}

#[test]
fn a_bad_signature_beside_enough_good_ones_is_reported() {
    let bans = |hits| {
        Bans::Known(ListAnswer {
            bad_signatures: 2,
            ..list(hits)
        })
    };
    let message =
        "embargo: list 412 has enough good signatures, and 2 beside them that do not verify";
    Given::bans(bans(vec![])).admits(&[(EventKind::ListBadSignature, message)]);
    let event = &Given::bans(bans(vec![])).judged().events[0];
    assert_eq!((event.kind.priority(), event.bad_signatures), (4, Some(2)));
    Given::bans(bans(vec![hit()])).refuses(Grounds::Banned, LINE, &[EventKind::ListBadSignature]);
}

#[test]
fn without_a_list_it_is_the_operators_choice() {
    let line = "embargo: refused web-1: there is no ban list to go by: cannot trust list \"/var/lib/embargo/banlist.lst\": \
                block 7 of its records is corrupt";
    let missing = |origin| Given {
        origin,
        ..Given::bans(Bans::Missing(no_list()))
    };
    let admit = "on_missing_list = 'admit'\n";
    missing(Ok(image(Evidence::Mount))).refuses(Grounds::MissingList, line, &[]);
    let admitted = line.replace("refused web-1", "admitted web-1");
    missing(Ok(image(Evidence::Mount)))
        .set(admit)
        .admits(&[(EventKind::ListMissing, &admitted)]);
    // A node that starts containers without a list still refuses containers of unknown lineage.
    let unknown = missing(Err(unknown())).set(admit).judged();
    assert!(
        matches!(unknown.verdict, Verdict::Refuse(refusal) if refusal.grounds() == Grounds::UnknownImage)
    );
}

#[test]
fn a_ban_that_cannot_be_read_refuses_whatever_happens_without_a_list() {
    let digest = Digest::of(b"x");
    let unread = Given::bans(Bans::Missing(ListError::Unread(
        digest,
        Box::new(no_list()),
    )));
    let line = format!(
        "embargo: refused web-1: it is banned, and no more is known: cannot read the ban of {digest}: \
         cannot trust list \"/var/lib/embargo/banlist.lst\": block 7 of its records is corrupt"
    );
    unread
        .set("on_missing_list = 'admit'\n")
        .refuses(Grounds::Banned, &line, &[]);
}

// Time: now is the latest of the system clock, the head's issue time and the floor's.

#[test]
fn a_clock_set_back_neither_lifts_a_ban_nor_ends_in_a_wrong_age() {
    // A clock that is up to a day behind is only slow: the signed time is taken as "now".
    Given::hits(vec![hit()])
        .now("2026-11-19T14:00:00Z")
        .refuses(Grounds::Banned, LINE, &[]);
    Given::hits(vec![]).now("2026-11-19T14:00:00Z").admits(&[]);
    let message = "embargo: the clock says 2026-11-19T13:59:59Z, which is before 2026-11-20T14:00:00Z: the age of list 412 is not judged";
    Given::hits(vec![])
        .now("2026-11-19T13:59:59Z")
        .admits(&[(EventKind::ClockUntrusted, message)]);
    Given::hits(vec![hit()]).now("1970-01-01").refuses(
        Grounds::Banned,
        LINE,
        &[EventKind::ClockUntrusted],
    );
    let over = |until| {
        Given::hits(vec![hit_by(|ban| {
            ban.except = vec![except(MatchKind::Base, chain().top().0, until)]
        })])
        .now("1970-01-01")
    };
    over("2026-11-20T14:00:00Z").refuses(Grounds::Banned, LINE, &[EventKind::ClockUntrusted]);
}

#[test]
fn the_floor_counts_as_a_time_that_has_been() {
    // An older list is in use although a newer one was installed once.
    let floor = |now: &str, hits| {
        Given::bans(Bans::Known(ListAnswer {
            floor_issued: Some(at("2026-12-04T15:00:00Z")),
            ..list(hits)
        }))
        .now(now)
    };
    assert_eq!(
        floor("2026-12-04T13:00:00Z", vec![]).judged().events[0].kind,
        EventKind::ListStale
    );
    floor(
        "2026-12-04T13:00:00Z",
        vec![hit_by(|ban| ban.effective = at("2026-12-04T14:30:00Z"))],
    )
    .refuses(
        Grounds::Banned,
        &LINE.replace("since 2026-11-20", "since 2026-12-04"),
        &[EventKind::ListStale],
    );
    assert_eq!(
        floor("2026-11-21", vec![]).judged().events[0].kind,
        EventKind::ClockUntrusted
    );
    // If the clock cannot be trusted, no list is treated as overdue.
    let given = floor("2026-11-21", vec![]).set("grace = '0s'\non_overdue_list = 'refuse'\n");
    assert!(matches!(given.judged().verdict, Verdict::Admit(_)));
}

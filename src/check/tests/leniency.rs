//! Tests what lets banned containers start.

use super::*;

#[test]
fn nothing_that_admits_a_banned_container_makes_it_clear() {
    let ban = Place::new().ban_of_base();
    let audit = Place::new()
        .with_settings("mode = \"audit\"\n")
        .with_list(&ban);
    assert_eq!(outcome(&audit.answer("web-1")), (CheckOutcome::Banned, 2));
    let text = audit.text("web-1");
    assert!(text.contains("\nverdict   BANNED\n"), "{text}");
    assert!(
        text.ends_with(
            "\nnote      the settings say mode = \"audit\": what is refused starts all the same"
        ),
        "{text}"
    );
    let glass = Place::new().with_settings("#\n").with_list(&ban);
    glass.put(
        &glass.paths.break_glass,
        b"reason = 'INC-1'\nuntil = '2026-11-21'\n",
    );
    assert_eq!(outcome(&glass.answer("web-1")), (CheckOutcome::Banned, 2));
    let open = "\nnote      break-glass is open until 2026-11-21T00:00:00Z (INC-1): what is refused starts all the same";
    assert!(
        glass.text("web-1").ends_with(open),
        "{}",
        glass.text("web-1")
    );
    for (file, note) in [
        (
            "reason = 'INC-1'\nuntil = '2026-11-19'\n",
            "break-glass opens nothing: it ended at 2026-11-19T00:00:00Z",
        ),
        (
            "until = '2026-11-21'\n",
            "break-glass opens nothing: cannot use ",
        ),
    ] {
        let shut = Place::new().with_settings("#\n").with_list(&ban);
        shut.put(&shut.paths.break_glass, file.as_bytes());
        let text = shut.text("web-1");
        assert!(
            text.contains("BANNED: it would not start\n")
                && text.contains(&format!("\nnote      {note}")),
            "{text}"
        );
    }
    let broken = Place::new().with_settings("mode = 1\n").with_list(&ban);
    broken.put(
        &broken.paths.break_glass,
        b"reason = 'INC-1'\nuntil = '2026-11-21'\n",
    );
    let error = broken.error("web-1", SearchFor::Either);
    assert_eq!(
        answer::note_lines(error.no_answer().notes),
        [open.trim_start()]
    );
    assert_eq!(error.outcome(), CheckOutcome::Unknown);
    let unarmed = Place::new().with_list(&ban);
    assert_eq!(outcome(&unarmed.answer("web-1")), (CheckOutcome::Banned, 2));
    assert!(unarmed.text("web-1").ends_with(
        "\nnote      this node is not armed: it has no settings, and whatever is banned starts"
    ));
}

#[test]
fn a_ban_that_does_not_hold_leaves_a_container_clear_and_is_reported() {
    let ban = Place::new().ban_of_base();
    for (from, to, standing) in [
        (
            "effective = 2026-11-20",
            "effective = 2026-11-23",
            "banned by BAN-2026-0007 (critical, CVE-2026-1234) from 2026-11-23, 3 days left; use base:2",
        ),
        (
            "severity",
            "action = \"warn\"\nseverity",
            "warned of by BAN-2026-0007",
        ),
        (
            "effective = 2026-11-20",
            "effective = 2026-11-01\nlapses = 2026-11-19",
            "no longer banned by BAN-2026-0007",
        ),
    ] {
        let place = Place::new()
            .with_settings("#\n")
            .with_list(&ban.replace(from, to));
        assert_eq!(
            outcome(&place.answer("web-1")),
            (CheckOutcome::Clear, 0),
            "{standing}"
        );
        let text = place.text("web-1");
        assert!(
            text.contains(standing) && text.contains("\nverdict   clear\n"),
            "{text}"
        );
    }
    let except = format!(
        "{ban}[[ban.except]]\nimage = \"{APP}\"\nuntil = 2026-11-21\nreason = \"moving\"\nticket = \"OPS-1\"\n"
    );
    let place = Place::new().with_settings("#\n").with_list(&except);
    assert_eq!(outcome(&place.answer("web-1")), (CheckOutcome::Clear, 0));
    assert!(
        place
            .text("web-1")
            .contains("excepted by OPS-1 until 2026-11-21T00:00:00Z")
    );
}

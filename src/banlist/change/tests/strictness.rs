//! Tests which change makes a ban weaker.

use super::*;

#[test]
fn each_weakening_of_a_ban_lifts_it_and_each_strengthening_only_changes_it() {
    let until = |until| except("image", 7, until);
    let cure = |layers: &[u64]| {
        format!(
            "cure = {:?}",
            layers
                .iter()
                .map(|layer| digest(*layer).to_string())
                .collect::<Vec<_>>()
        )
    };
    let seven = digest(7);
    let rows: Vec<(String, String, &str, &str)> = [
        // In each row: the lines of the weaker ban, the lines of the stricter ban, the text for the
        // change from stricter to weaker, and the text for the change back.
        (
            "action = \"warn\"".to_owned(),
            String::new(),
            "action refuse -> warn".to_owned(),
            "action warn -> refuse".to_owned(),
        ),
        (
            "effective = 2026-12-01".to_owned(),
            String::new(),
            "effective 2026-11-20T00:00:00Z -> 2026-12-01T00:00:00Z".to_owned(),
            "effective 2026-12-01T00:00:00Z -> 2026-11-20T00:00:00Z".to_owned(),
        ),
        (
            "lapses = 2027-01-01".to_owned(),
            String::new(),
            "lapses never -> 2027-01-01T00:00:00Z".to_owned(),
            "lapses 2027-01-01T00:00:00Z -> never".to_owned(),
        ),
        (
            "lapses = 2027-01-01".to_owned(),
            "lapses = 2027-01-02".to_owned(),
            "lapses 2027-01-02T00:00:00Z -> 2027-01-01T00:00:00Z".to_owned(),
            "lapses 2027-01-01T00:00:00Z -> 2027-01-02T00:00:00Z".to_owned(),
        ),
        (
            "existing_until = 2027-01-01".to_owned(),
            String::new(),
            "existing_until none -> 2027-01-01T00:00:00Z".to_owned(),
            "existing_until 2027-01-01T00:00:00Z -> none".to_owned(),
        ),
        (
            "existing_until = 2027-01-02".to_owned(),
            "existing_until = 2027-01-01".to_owned(),
            "existing_until 2027-01-01T00:00:00Z -> 2027-01-02T00:00:00Z".to_owned(),
            "existing_until 2027-01-02T00:00:00Z -> 2027-01-01T00:00:00Z".to_owned(),
        ),
        // Both take effect in the past. The later one spares the containers that were made between
        // the two times.
        (
            "effective = 2026-11-20\nexisting_until = 2027-01-01".to_owned(),
            "effective = 2026-11-10\nexisting_until = 2027-01-01".to_owned(),
            "effective 2026-11-10T00:00:00Z -> 2026-11-20T00:00:00Z".to_owned(),
            "effective 2026-11-20T00:00:00Z -> 2026-11-10T00:00:00Z".to_owned(),
        ),
        (
            until("2026-12-01"),
            String::new(),
            format!("exception for image {seven} until 2026-12-01T00:00:00Z added"),
            format!("exception for image {seven} dropped"),
        ),
        (
            until("2026-12-02"),
            until("2026-12-01"),
            format!(
                "exception for image {seven} until 2026-12-01T00:00:00Z -> 2026-12-02T00:00:00Z"
            ),
            format!(
                "exception for image {seven} until 2026-12-02T00:00:00Z -> 2026-12-01T00:00:00Z"
            ),
        ),
        (
            cure(&[7]),
            String::new(),
            format!("cure {seven} added"),
            format!("cure {seven} dropped"),
        ),
        (
            cure(&[8, 7]),
            cure(&[8]),
            format!("cure {seven} added"),
            format!("cure {seven} dropped"),
        ),
    ]
    .map(|(weak, strict, there, back)| (weak, strict, there.leak() as &str, back.leak() as &str))
    .into();
    for (weak, strict, there, back) in rows {
        let (weak, strict) = (ban("BAN-1", &weak, &[1, 2]), ban("BAN-1", &strict, &[1, 2]));
        let change = between(&strict, &weak);
        assert_eq!(
            sorted_ids(&change),
            [vec!["BAN-1"], vec![], vec![]],
            "{there}"
        );
        assert!(change.is_lift());
        let lifted = &change.lifted[0];
        assert_eq!(
            lifted
                .alterations
                .iter()
                .map(|alteration| (alteration.to_string(), alteration.weakens))
                .collect::<Vec<_>>(),
            [(there.to_owned(), true)]
        );
        assert_eq!(
            (
                lifted.lifted.all,
                lifted.lifted.base,
                lifted.dropped.all,
                change.digests_lifted,
                change.digests_added
            ),
            (2, 2, 0, 2, 0)
        );
        let change = between(&weak, &strict);
        assert_eq!(
            sorted_ids(&change),
            [vec![], vec![], vec!["BAN-1"]],
            "{back}"
        );
        let changed = &change.changed[0];
        assert_eq!(
            changed
                .alterations
                .iter()
                .map(|alteration| (alteration.to_string(), alteration.weakens))
                .collect::<Vec<_>>(),
            [(back.to_owned(), false)]
        );
        assert_eq!(
            (
                change.is_lift(),
                change.digests_lifted,
                change.digests_added
            ),
            (false, 0, 0)
        );
    }
}

#[test]
fn an_exception_for_another_thing_or_kind_is_not_covered() {
    let was = ban("BAN-1", &except("image", 7, "2026-12-01"), &[1]);
    for (now, dropped) in [
        (except("image", 8, "2026-11-30"), 7),
        (except("base", 7, "2026-11-30"), 7),
    ] {
        let change = between(&was, &ban("BAN-1", &now, &[1]));
        assert!(change.is_lift(), "{now}");
        assert_eq!(
            change.lifted[0].alterations[1].to_string(),
            format!("exception for image {} dropped", digest(dropped))
        );
    }
}

#[test]
fn texts_about_a_ban_change_it_and_lift_nothing() {
    let was = ban("BAN-1", "advisories = [\"CVE-2026-1\"]", &[1]);
    for (now, text) in [
        (
            "advisories = [\"CVE-2026-1\"]\nseverity = \"low\"",
            "severity high -> low",
        ),
        (
            "advisories = [\"CVE-2026-1\"]\nreason = \"because\"",
            "reason \"why\" -> \"because\"",
        ),
        ("", "advisories \"CVE-2026-1\" -> none"),
        (
            "advisories = [\"CVE-2026-1\"]\nsuccessor = \"base:2\"",
            "successor none -> \"base:2\"",
        ),
        (
            "advisories = [\"CVE-2026-1\"]\n[ban.patch]\nrun = [\"true\"]\n",
            "patch none -> true; patch runs none -> as 0:0 within 600 seconds",
        ),
    ] {
        let change = between(&was, &ban("BAN-1", now, &[1]));
        assert_eq!(
            sorted_ids(&change),
            [vec![], vec![], vec!["BAN-1"]],
            "{text}"
        );
        assert_eq!(
            change.changed[0]
                .alterations
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; "),
            text
        );
    }
    let named = was.replace("[[ban.match]]\n", "[[ban.match]]\nname = \"base:1\"\n");
    let change = between(&was, &named);
    assert_eq!(
        (
            change.is_lift(),
            change.changed[0].alterations[0].to_string().as_str()
        ),
        (false, "names changed")
    );
    let ticket = |ticket: &str| ban("BAN-1", &(except("image", 7, "2026-12-01") + ticket), &[1]);
    let change = between(&ticket(""), &ticket("ticket = \"OPS-1\"\n"));
    let text = format!(
        "reason or ticket of the exception for image {} changed",
        digest(7)
    );
    assert_eq!(
        (
            change.is_lift(),
            change.changed[0].alterations[0].to_string()
        ),
        (false, text)
    );
    assert_eq!(
        sorted_ids(&between(&was, &was)),
        [[""; 0].to_vec(), vec![], vec![]]
    );
}

#[test]
fn what_spares_existing_containers_only_before_the_old_ban_refuses_them_lifts_nothing() {
    for (old, new, is_lift) in [
        // The new ban takes effect earlier, and spares existing containers until the old time.
        (
            "effective = 2027-02-01",
            "effective = 2026-11-20\nexisting_until = 2027-02-01",
            false,
        ),
        (
            "effective = 2027-02-01",
            "effective = 2026-11-20\nexisting_until = 2027-02-02",
            true,
        ),
        // The time is past already.
        (
            "effective = 2026-11-10",
            "effective = 2026-11-10\nexisting_until = 2026-11-20",
            false,
        ),
    ] {
        let change = between(&ban("BAN-1", old, &[1]), &ban("BAN-1", new, &[1]));
        assert_eq!(change.is_lift(), is_lift, "{new}");
    }
}

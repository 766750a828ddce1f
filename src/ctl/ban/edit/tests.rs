//! Tests which text is added to a source, and that the rest of the source does not change.

use std::path::Path;

use super::*;
use crate::banlist::ban::{Action, Severity};
use crate::banlist::source::Source;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn ban(id: &str) -> Ban {
    Ban {
        id: id.to_owned(),
        reason: "says \"no\"".to_owned(),
        advisories: vec!["CVE-2026-1234".to_owned()],
        severity: Severity::Critical,
        action: Action::Refuse,
        effective: at("2026-11-20"),
        lapses: None,
        existing_until: None,
        successor: Some("docker.io/library/debian:12.5".to_owned()),
        except: Vec::new(),
        cure: Vec::new(),
        patch: None,
    }
}

fn base(text: &[u8]) -> NewMatch {
    let (name, platform) = (
        Some("docker.io/library/debian:12.4".to_owned()),
        Some("linux/amd64".to_owned()),
    );
    NewMatch {
        kind: MatchKind::Base,
        digest: Digest::of(text),
        name,
        platform,
    }
}

fn exception(text: &[u8]) -> Exception {
    let ticket = Some("OPS-4711".to_owned());
    Exception {
        kind: MatchKind::Image,
        digest: Digest::of(text),
        until: at("2026-12-24T18:00:00Z"),
        reason: "release 7".to_owned(),
        ticket,
    }
}

fn parsed(source: &str) -> Source {
    Source::parse(Path::new("bans.toml"), source, |_| {
        unreachable!("no file of digests is named")
    })
    .unwrap()
}

#[test]
fn the_first_ban_of_an_empty_source_reads_as_people_write_it() {
    let text = add_ban("", &ban("BAN-2026-0007"), &[base(b"a")]).unwrap();
    let expected = format!(
        r#"[[ban]]
id = "BAN-2026-0007"
reason = 'says "no"'
advisories = ["CVE-2026-1234"]
severity = "critical"
action = "refuse"
effective = 2026-11-20
successor = "docker.io/library/debian:12.5"

[[ban.match]]
base = "{}"
name = "docker.io/library/debian:12.4"
platform = "linux/amd64"
"#,
        Digest::of(b"a")
    );
    assert_eq!(text, expected);
    let source = parsed(&text);
    assert_eq!(source.bans, [ban("BAN-2026-0007")]);
    assert_eq!(
        (source.matches[0].kind, &source.matches[0].digests[..]),
        (MatchKind::Base, &[Digest::of(b"a")][..])
    );
}

#[test]
fn every_field_of_a_ban_is_read_back_as_it_was_given() {
    let full = Ban {
        action: Action::Warn,
        effective: at("2026-11-20T14:30:00Z"),
        lapses: Some(at("2027-01-01")),
        existing_until: Some(at("2026-12-01T12:00:00Z")),
        except: vec![exception(b"e")],
        cure: vec![Digest::of(b"c")],
        patch: Some(Patch {
            check: Some(vec!["true".to_owned()]),
            script: None,
            run: vec!["sh".to_owned(), "-c".to_owned(), "x\ny".to_owned()],
            timeout: 90,
            user: "1:2".to_owned(),
        }),
        ..ban("BAN-1")
    };
    let source = parsed(&add_ban("# ours\n", &full, &[base(b"a"), base(b"b")]).unwrap());
    assert_eq!(source.bans, [full]);
    assert_eq!(source.matches.len(), 2);
}

#[test]
fn what_stands_in_the_source_stays_as_it_is() {
    let first = add_ban(
        "# Bans of the example fleet.\n",
        &ban("BAN-1"),
        &[base(b"a")],
    )
    .unwrap();
    assert!(
        first.starts_with("# Bans of the example fleet.\n\n[[ban]]\n"),
        "{first}"
    );
    let before = first.replace("refuse\"", "refuse\"   # for now") + "# the end";
    let after = add_ban(&before, &ban("BAN-2"), &[base(b"b")]).unwrap();
    assert!(
        after.starts_with(&format!("{before}\n\n[[ban]]\nid = \"BAN-2\"\n")),
        "{after}"
    );
    assert_eq!(parsed(&after).bans, [ban("BAN-1"), ban("BAN-2")]);

    let excepted = add_exceptions(&after, "BAN-1", &[exception(b"e"), exception(b"f")]).unwrap();
    let added = |text: &[u8]| {
        format!(
            "\n[[ban.except]]\nimage = \"{}\"\nuntil = 2026-12-24T18:00:00Z\nreason = \"release 7\"\nticket = \"OPS-4711\"\n",
            Digest::of(text)
        )
    };
    let place = after.find("# the end").unwrap();
    assert_eq!(
        excepted,
        format!(
            "{}{}{}{}",
            &after[..place],
            added(b"e"),
            added(b"f"),
            &after[place..]
        )
    );
    assert_eq!(
        parsed(&excepted).bans[0].except,
        [exception(b"e"), exception(b"f")]
    );
}

#[test]
fn exceptions_in_a_list_on_lines_of_their_own_grow_by_a_line() {
    let source = add_ban("", &ban("BAN-1"), &[base(b"a")]).unwrap();
    let one = format!(
        "{{ image = \"{}\", until = 2026-12-24, reason = \"x\" }}",
        Digest::of(b"d")
    );
    for list in [
        format!("except = [{one}]\n"),
        format!("except = [\n  {one},\n]\n"),
        "except = []\n".to_owned(),
    ] {
        let before = source.replace("\n[[ban.match]]", &format!("{list}\n[[ban.match]]"));
        let after = add_exceptions(&before, "BAN-1", &[exception(b"e")]).unwrap();
        assert_eq!(
            parsed(&after).bans[0].except.last(),
            Some(&exception(b"e")),
            "{after}"
        );
        let line = after
            .lines()
            .find(|line| line.contains(&Digest::of(b"e").to_string()))
            .unwrap();
        assert_eq!(
            line,
            format!(
                "  {{ image = \"{}\", until = 2026-12-24T18:00:00Z, reason = \"release 7\", ticket = \"OPS-4711\" }},",
                Digest::of(b"e")
            )
        );
    }
}

#[test]
fn what_cannot_be_added_is_reported_in_one_line() {
    let source = add_exceptions(
        &add_ban("", &ban("BAN-1"), &[base(b"a")]).unwrap(),
        "BAN-1",
        &[exception(b"e")],
    )
    .unwrap();
    let digest = Digest::of(b"e");
    for (result, expected) in [
        (
            add_ban(&source, &ban("BAN-1"), &[]),
            r#"it has a ban "BAN-1" already"#.to_owned(),
        ),
        (
            add_ban("ban = [{ id = 'x' }]", &ban("BAN-1"), &[]),
            r#"its "ban" is not made of [[ban]] entries"#.to_owned(),
        ),
        (
            add_ban("ban = 7", &ban("BAN-1"), &[]),
            r#"its "ban" is not made of [[ban]] entries"#.to_owned(),
        ),
        (
            add_ban("[[ban]\n", &ban("BAN-1"), &[]),
            "it is no TOML: ".to_owned(),
        ),
        (
            add_exceptions(&source, "BAN-2", &[exception(b"x")]),
            r#"it has no ban "BAN-2""#.to_owned(),
        ),
        (
            add_exceptions("", "BAN-2", &[exception(b"x")]),
            r#"it has no ban "BAN-2""#.to_owned(),
        ),
        (
            add_exceptions(&source, "BAN-1", &[exception(b"e")]),
            format!(r#"its ban "BAN-1" has an exception for {digest} already"#),
        ),
        (
            add_exceptions("[[ban]]\nid = 'B'\nexcept = 1\n", "B", &[exception(b"x")]),
            r#""except" of its ban "B" is not a list"#.to_owned(),
        ),
    ] {
        let said = result.unwrap_err().to_string();
        assert!(
            said.starts_with(&expected) && !said.contains('\n'),
            "{said}"
        );
    }
}

//! Checks that `docs/refusals.md` has the grounds of every refusal, each with the line as it is
//! written.

use super::*;

const PAGE: &str = include_str!("../../../docs/refusals.md");

/// A refusal on each of the grounds.
fn examples() -> Vec<Judgement> {
    let settings = Path::new("/etc/embargo/config.toml");
    let error = settings::parse("\nmode = \"enforced\"\n", settings).unwrap_err();
    let overdue = Given::hits(vec![]).now("2027-01-03T14:00:00Z");
    vec![
        Given::hits(vec![hit()]).judged(),
        Given::origin(Err(corrupt())).judged(),
        Given::bans(Bans::Missing(no_list())).judged(),
        Given::origin(Err(unknown())).judged(),
        Given::origin(Ok(Origin::NoImage))
            .set("on_no_image = 'refuse'\n")
            .judged(),
        overdue.set("on_overdue_list = 'refuse'\n").judged(),
        settings_unreadable("web-1", Engine::Docker, &error, None, at("2026-11-20")),
    ]
}

/// The text below the heading of these grounds, up to the next heading.
fn section(word: &str) -> &'static str {
    let (_, text) = PAGE.split_once(&format!("\n## `{word}`\n")).unwrap();
    text.split("\n## ").next().unwrap()
}

#[test]
fn the_page_lists_all_grounds_and_no_others() {
    let mut listed = Vec::new();
    for line in PAGE.lines() {
        if let Some(row) = line.strip_prefix("| [`") {
            listed.push(row.split('`').next().unwrap());
        }
    }
    assert_eq!(listed, Grounds::ALL.map(Grounds::word));
    let headings = PAGE.lines().filter(|line| line.starts_with("## "));
    assert_eq!(headings.count(), Grounds::ALL.len());
}

#[test]
fn the_page_shows_each_refusal_as_it_is_written() {
    let mut seen = Vec::new();
    for judgement in examples() {
        let Verdict::Refuse(refusal) = judgement.verdict else {
            panic!("{judgement:?}")
        };
        let word = refusal.grounds().word();
        let shown = format!("\n```\n{}\n```\n", refusal.line());
        assert!(section(word).contains(&shown), "{word}: {}", refusal.line());
        seen.push(refusal.grounds());
    }
    assert_eq!(seen, Grounds::ALL);
}

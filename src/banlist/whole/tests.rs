//! Tests the rules for records in embargo-banlist(5). Each test breaks one rule in a list whose
//! hashes are correct.

use std::path::Path;

use super::super::head::{BLOCK_SIZE, Claim, HEAD_SIZE};
use super::super::shape::NODE_SIZE;
use super::super::testing::{digest, list, source, terms};
use super::*;

/// The parts of a list with one digest and one ban: the head, the leaf, and the two lines of the
/// records (of the ban, and of the entry).
fn sound() -> (Head, Vec<u8>, String) {
    let bytes = list(&source(&[("base", digest(1))]), &terms(1), &[1]);
    let head = Claim::parse(bytes.first_chunk::<HEAD_SIZE>().unwrap())
        .unwrap()
        .head;
    let (from, to) = (
        usize::try_from(head.records_at()).unwrap(),
        usize::try_from(head.table_at()).unwrap(),
    );
    let records = String::from_utf8(bytes[from..to].to_vec()).unwrap();
    (
        head,
        bytes[HEAD_SIZE..HEAD_SIZE + NODE_SIZE].to_vec(),
        records,
    )
}

/// Checks the list with these records. The entry line of the digest starts at `entry`. The hashes
/// are corrected.
fn checked(records: &str, entry: usize) -> Result<Vec<CountedBan>, String> {
    let (mut head, mut leaf, _) = sound();
    leaf[24 + 34..24 + 40].copy_from_slice(&(entry as u64).to_le_bytes()[..6]);
    let table = section::table(records.as_bytes());
    (head.tree_root, head.records, head.records_size) =
        (Digest::of(&leaf), Digest::of(&table), records.len() as u64);
    assert!(head.records_size <= BLOCK_SIZE);
    let bytes = [&[0; HEAD_SIZE], leaf.as_slice(), records.as_bytes(), &table].concat();
    check(
        &Reader {
            path: Path::new("list"),
            bytes: bytes.as_slice(),
        },
        &head,
    )
    .map_err(|fault| fault.to_string())
}

#[test]
fn records_keep_the_rules_of_the_manual() {
    let (_, _, records) = sound();
    let (ban, entry) = records.split_at(records.find("{\"matches\"").unwrap());
    let at =
        |offset: usize| format!("cannot trust list \"list\": the record at {offset} is malformed");
    assert_eq!(checked(&records, ban.len()).unwrap().len(), 1);
    // A ban must come before every entry that names it. Here the entry comes first.
    let behind = entry.len() + "00".len() - "0".len();
    let first = entry.replacen("\"ban\":0", &format!("\"ban\":{behind}"), 1);
    assert_eq!(first.len(), behind);
    let another = ban.replacen("BAN-1", "BAN-2", 1);
    let unknown = ban.replacen("\"id\"", "\"ids\":[],\"id\"", 1);
    let too_many = entry.replacen(
        '[',
        &format!("[{}", "{\"kind\":\"base\",\"ban\":0},".repeat(64)),
        1,
    );
    for (case, records, place, fault) in [
        (
            "an ID twice",
            format!("{ban}{ban}{entry}"),
            2 * ban.len(),
            at(ban.len()),
        ),
        ("an entry before its ban", format!("{first}{ban}"), 0, at(0)),
        (
            "an entry of no digest",
            format!("{records}{entry}"),
            ban.len(),
            at(records.len()),
        ),
        (
            "no line feed at the end",
            records.trim_end().to_owned(),
            ban.len(),
            at(ban.len()),
        ),
        (
            "an empty line",
            format!("{ban}\n{entry}"),
            ban.len() + 1,
            at(ban.len()),
        ),
        (
            "a key that is not known",
            format!("{unknown}{entry}"),
            unknown.len(),
            at(0),
        ),
        (
            "an entry without matches",
            format!("{ban}{{\"matches\":[]}}\n"),
            ban.len(),
            at(ban.len()),
        ),
        (
            "65 matches",
            format!("{ban}{too_many}"),
            ban.len(),
            at(ban.len()),
        ),
        (
            "another kind than the leaf's",
            records.replacen("\"base\"", "\"layer\"", 1),
            ban.len(),
            at(ban.len()),
        ),
        ("an offset inside a line", records.clone(), 1, at(1)),
    ] {
        assert_eq!(checked(&records, place).unwrap_err(), fault, "{case}");
    }
    // A ban without digests is allowed.
    let two = checked(&format!("{ban}{another}{entry}"), 2 * ban.len()).unwrap();
    assert_eq!(
        two.iter()
            .map(|ban| (ban.ban.id.as_str(), ban.entries.all))
            .collect::<Vec<_>>(),
        [("BAN-1", 1), ("BAN-2", 0)]
    );
}

#[test]
fn a_bare_date_in_a_ban_is_its_first_second_and_anything_else_is_no_time() {
    let (_, _, records) = sound();
    let written = "\"effective\":\"2026-11-20T00:00:00Z\"";
    assert!(records.contains(written));
    let with = |time: &str| {
        let records = records.replacen(written, &format!("\"effective\":{time}"), 1);
        checked(&records, records.find("{\"matches\"").unwrap())
            .map(|bans| bans[0].ban.effective.to_string())
    };
    assert_eq!(
        with("\"2026-11-20\""),
        Ok("2026-11-20T00:00:00Z".to_owned())
    );
    for time in [
        "\"2026-11-20T00:00:00+00:00\"",
        "\"2026-11-20T00:00:00.0Z\"",
        "\"2026-11-20 00:00:00Z\"",
        "\"2026-11-31\"",
        "0",
    ] {
        assert_eq!(
            with(time),
            Err("cannot trust list \"list\": the record at 0 is malformed".to_owned()),
            "{time}"
        );
    }
}

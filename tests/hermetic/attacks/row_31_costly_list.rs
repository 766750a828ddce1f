//! Tests a list with so many or so long bans of one digest that every start that looks up this
//! digest would take much time and memory. It does not matter who signed the list.

use embargo::banlist::head::HEAD_SIZE;

use super::craft::{HEADER, LEAF, Parts};
use super::node::{Answer, BASE, Node, OTHER, keyset, signed, text};
use super::signer::signer;

/// The source of a short ban of the container's base, and of this many more bans, each with this
/// many advisories of 64 characters.
fn bans(heavy: usize, advisories: usize) -> String {
    let advisories = vec![format!("\"{}\"", "x".repeat(64)); advisories].join(", ");
    let ban = |number| {
        let (severity, more) = if number == 1 {
            ("critical", "")
        } else {
            ("low", &*advisories)
        };
        let head = format!(
            "[[ban]]\nid = \"BAN-{number}\"\nreason = \"why\"\nseverity = \"{severity}\"\neffective = 2026-11-01\n"
        );
        format!("{head}advisories = [{more}]\n[[ban.match]]\nbase = \"{BASE}\"\n")
    };
    (1..=heavy + 1).map(ban).collect()
}

#[test]
fn bans_that_say_too_much() {
    let node = Node::trusting(&keyset(&[1], 1));
    let build = |source: String| {
        std::fs::write(node.room.path("bans.toml"), source).unwrap();
        node.run(&[
            "list",
            "build",
            "--origin",
            "bans.example.com/prod",
            "--version",
            "1",
        ])
    };
    // 480 bans of 230 KiB each on one image; twenty such bans; one ban of 80 KiB; and several bans
    // that are too long only together.
    let long = "cannot compile BAN-2: its record has more than 65536 bytes";
    let heavy = format!(
        "cannot compile BAN-1: what it and other bans say about {BASE} has more than 131072 bytes, a comma counted as 48"
    );
    let source = "cannot read \"bans.toml\": larger than 67108864 bytes";
    for (number, advisories, fault) in [
        (480, 3_500, source),
        (20, 3_500, long),
        (1, 1_200, long),
        (2, 700, &heavy),
        (63, 60, &heavy),
    ] {
        assert_eq!(
            build(bans(number, advisories)).unwrap_err(),
            fault,
            "{number} of {advisories}"
        );
    }
    // Bans within the limits are installed. The container is refused because of the most severe
    // ban.
    for (version, number, advisories) in [(1, 1, 950), (2, 16, 60), (3, 63, 8)] {
        let list = node.list(version).source(bans(number, advisories)).by(&[1]);
        node.install(&list).unwrap();
        assert_eq!(node.gate(), Answer::Banned(version));
    }
}

/// A list of a thief, or of a builder without limits. The list is not installed. If it is written
/// to the node by force, the containers that it bans are refused.
#[test]
fn bans_that_say_too_much_signed_all_the_same() {
    let node = Node::trusting(&keyset(&[1], 1));
    let sound = Parts::of(&node.list(1).banning("base", &[BASE, OTHER]).by(&[1]));
    for (length, fault) in [
        (70_000, "the record at 0 is malformed"),
        (20 << 20, "the record at 0 is malformed"),
    ] {
        let mut parts = sound.clone();
        let reason = b"\"reason\":\"";
        let at = parts
            .records
            .windows(reason.len())
            .position(|window| window == reason)
            .unwrap()
            + reason.len();
        parts
            .records
            .splice(at..at, std::iter::repeat_n(b'x', length));
        for record in parts.levels[0][0][HEADER..]
            .as_chunks_mut::<LEAF>()
            .0
            .iter_mut()
            .take(2)
        {
            let mut offset = [0; 8];
            offset[..6].copy_from_slice(&record[34..]);
            let moved = u64::from_le_bytes(offset) + length as u64;
            record[34..].copy_from_slice(&moved.to_le_bytes()[..6]);
        }
        let list = parts.sealed();
        assert!(list.len() > HEAD_SIZE + length);
        let list = signed(&list, &[signer(1).sign(&text(&list))]);
        assert_eq!(
            node.refuses(&list),
            format!("cannot trust list \"staged.lst\": {fault}"),
            "{length}"
        );
        node.put(&list);
        let answer = node.gate();
        assert!(
            matches!(&answer, Answer::Refused(line) if line.starts_with("it is banned, and no more is known")),
            "{answer:?}"
        );
        std::fs::remove_file(node.state("banlist.lst")).unwrap();
    }
}

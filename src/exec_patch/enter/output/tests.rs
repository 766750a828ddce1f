//! Tests that output is limited, stored, and made safe for a terminal.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn collector(directory: &tempfile::TempDir, limit: u64) -> Collector {
    Collector::create(&directory.path().join("output"), limit).unwrap()
}

fn file(directory: &tempfile::TempDir) -> String {
    io::read_to_string(File::open(directory.path().join("output")).unwrap()).unwrap()
}

fn print(to: &OwnedFd, text: &[u8]) {
    File::from(to.try_clone().unwrap()).write_all(text).unwrap();
}

#[test]
fn both_streams_stand_in_the_file_as_they_came_and_each_has_its_tail() {
    let directory = tempfile::tempdir().unwrap();
    let mut collector = collector(&directory, 100);
    let ends = collector.open().unwrap();
    for (to, text) in [
        (&ends.output, "one\n"),
        (&ends.error, "two\n"),
        (&ends.output, "three"),
    ] {
        print(to, text.as_bytes());
        collector.take();
    }
    assert_eq!(collector.polled().len(), 2);
    drop(ends);
    collector.close(SECOND);
    assert_eq!((collector.polled().len(), collector.inodes()), (0, [0, 0]));
    let (printed, written) = collector.finish();
    assert!(written.is_ok());
    assert_eq!(
        printed,
        Printed {
            written: 13,
            tail: "one\nthree\ntwo\n".to_owned()
        }
    );
    assert_eq!(file(&directory), "one\ntwo\nthree");
}

#[test]
fn a_second_command_has_pipes_of_its_own_and_the_same_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut collector = collector(&directory, 100);
    let first = collector.open().unwrap();
    let inodes = collector.inodes();
    print(&first.output, b"check\n");
    collector.close(Duration::ZERO);
    let second = collector.open().unwrap();
    assert!(
        collector
            .inodes()
            .iter()
            .all(|inode| *inode != 0 && !inodes.contains(inode))
    );
    print(&second.output, b"run\n");
    drop(second);
    collector.close(SECOND);
    assert_eq!(
        (collector.finish().0.tail, file(&directory)),
        ("check\nrun\n".to_owned(), "check\nrun\n".to_owned())
    );
}

#[test]
fn what_is_beyond_the_limit_is_counted_and_the_file_says_so() {
    for (limit, kept) in [
        (0, "[embargo: 8 more bytes were printed and are not kept]\n"),
        (
            2,
            "on\n[embargo: 6 more bytes were printed and are not kept]\n",
        ),
        (
            4,
            "one\n[embargo: 4 more bytes were printed and are not kept]\n",
        ),
        (
            7,
            "one\ntwo\n[embargo: 1 more bytes were printed and are not kept]\n",
        ),
        (8, "one\ntwo\n"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut collector = collector(&directory, limit);
        let ends = collector.open().unwrap();
        for text in ["one\n", "two\n"] {
            print(&ends.output, text.as_bytes());
            collector.take();
        }
        drop(ends);
        collector.close(SECOND);
        assert_eq!(
            collector.finish().0,
            Printed {
                written: 8,
                tail: "one\ntwo\n".to_owned()
            }
        );
        assert_eq!(file(&directory), kept, "{limit}");
    }
}

#[test]
fn a_disk_that_is_full_does_not_stop_the_counting() {
    let mut collector = Collector::create(Path::new("/dev/full"), 100).unwrap();
    let ends = collector.open().unwrap();
    print(&ends.output, b"one\n");
    drop(ends);
    collector.close(SECOND);
    let (printed, written) = collector.finish();
    assert_eq!(
        printed,
        Printed {
            written: 4,
            tail: "one\n".to_owned()
        }
    );
    assert_eq!(written.unwrap_err().raw_os_error(), Some(libc::ENOSPC));
}

#[test]
fn a_flood_is_taken_without_waiting_and_without_keeping_it() {
    const FLOOD: u64 = 64 << 20;
    let directory = tempfile::tempdir().unwrap();
    let mut collector = collector(&directory, 1_000);
    let ends = collector.open().unwrap();
    let printing = std::thread::spawn(move || {
        let mut to = File::from(ends.output);
        let line = b"a line of a flood\n".repeat(4_096);
        let mut left = FLOOD;
        while left > 0 {
            let count = line.len().min(usize::try_from(left).unwrap());
            to.write_all(&line[..count]).unwrap();
            left -= count as u64;
        }
        File::from(ends.error)
            .write_all(b"the last word\n")
            .unwrap();
    });
    collector.close(60 * SECOND);
    printing.join().unwrap();
    let (printed, _) = collector.finish();
    assert_eq!(printed.written, FLOOD + 14);
    assert!(
        printed.tail.len() <= 2 * LONGEST_TAIL && printed.tail.ends_with("the last word\n"),
        "{}",
        printed.tail
    );
    assert!(printed.tail.starts_with("a line of a flood\n"));
    assert_eq!(
        file(&directory).len(),
        1_000 + "\n[embargo: 67107878 more bytes were printed and are not kept]\n".len()
    );
}

#[test]
fn who_holds_a_pipe_for_ever_or_never_stops_printing_is_not_waited_for() {
    for prints in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let mut collector = collector(&directory, 10);
        let ends = collector.open().unwrap();
        let printing = prints.then(|| {
            let mut to = File::from(ends.output.try_clone().unwrap());
            std::thread::spawn(move || while to.write_all(&[b'y'; 4_096]).is_ok() {})
        });
        let start = Instant::now();
        collector.close(Duration::from_millis(200));
        let took = start.elapsed();
        assert!(
            took >= Duration::from_millis(200) && took < SECOND,
            "{took:?}"
        );
        // The pipe has no reader now: a process that still prints gets an error.
        printing.map(std::thread::JoinHandle::join);
        assert_eq!(collector.inodes(), [0, 0]);
    }
}

#[test]
fn a_tail_begins_with_a_line_and_is_as_long_as_it_may_be() {
    let mut tail = Tail::default();
    for number in 0..1_000 {
        tail.push(format!("line {number}\n").as_bytes());
    }
    let text = tail.text();
    assert!(
        text.starts_with("line ") && text.ends_with("line 999\n") && text.len() > LONGEST_TAIL - 10,
        "{text}"
    );
    let mut tail = Tail::default();
    tail.push(&[b'x'; 3 * LONGEST_TAIL]);
    assert_eq!(tail.text(), format!("{}\n", "x".repeat(LONGEST_TAIL)));
    let mut tail = Tail::default();
    tail.push(b"\xff\n");
    assert_eq!(tail.text(), "\u{fffd}\n");
    assert_eq!(Tail::default().text(), "");
}

#[test]
fn nothing_is_left_that_a_terminal_would_obey() {
    for (bytes, text) in [
        (&b"plain text\n\ttab"[..], "plain text\n\ttab"),
        ("Zürich “12”".as_bytes(), "Zürich “12”"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b[?1049h\x1b[2J\x1b[Hgone", "gone"),
        (b"\x1b]0;a title\x07b", "b"),
        (
            b"\x1b]8;;http://example.com\x1b\\link\x1b]8;;\x1b\\",
            "link",
        ),
        (
            b"\x1bP+q544e\x1b\\a\x1b_b\x1b\\c\x1b^d\x1b\\e\x1bXf\x1b\\g",
            "aceg",
        ),
        (b"\x1b]0;no end\nnext", "\nnext"),
        (b"\x1b[12\nnext", "\nnext"),
        (b"\x1b[1\x1b[2mx", "x"),
        (b"\x1b(Ba\x1b#8b\x1b=c\x1bcd\x1b", "abcd"),
        (b"\x1b\x1b[1mx", "x"),
        (
            "\u{9b}31mred\u{9d}0;t\u{9c}x\u{90}q\u{9c}y\u{85}".as_bytes(),
            "redxy",
        ),
        (b"50%\r100%\r\ndone", "50%\n100%\ndone"),
        (b"secret\x08\x08\x7f\x00\x07\x0b", "secret"),
        (b"\x9b2Jx\xff", "\u{fffd}2Jx\u{fffd}"),
        ("a\u{202e}b\u{200b}c".as_bytes(), r"a\u{202e}b\u{200b}c"),
        (b"\x1b]\x18text", "text"),
        (b"", ""),
    ] {
        assert_eq!(strip(bytes), text, "{:?}", String::from_utf8_lossy(bytes));
    }
}

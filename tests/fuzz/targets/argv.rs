//! Fuzzes the reader of command lines: no arguments make it panic or miss a command.
#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use embargo::argv::{self, Reading, StartCommand};
use embargo::call::{self, Call, LogTarget};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let words: Vec<&OsStr> = bytes
        .split(|byte| *byte == 0)
        .take(200)
        .map(OsStr::from_bytes)
        .collect();
    let scan = argv::scan(&words);
    for reading in &scan.readings {
        check(reading, &words);
    }
    if let Some(named) = scan.named {
        assert!(typed(named.id, &words) && named.root.is_none_or(|root| typed(root, &words)));
    }
    match call::read(&words) {
        Call::Check(rest) => assert_eq!(
            (words[0].as_bytes(), rest.len()),
            (&b"check"[..], words.len() - 1)
        ),
        Call::ExecPatch => assert_eq!(words[0].as_bytes(), b"exec-patch"),
        Call::Hook => assert_eq!(words, ["hook"]),
        Call::PassOn(call) => {
            assert!(scan.readings.is_empty() && call.named() == scan.named.as_ref())
        }
        Call::Starts(starts) => assert!(starts.cut_short || !starts.readings.is_empty()),
    }
    assert!(simple(&words).is_none_or(|(command, id, bundle)| {
        scan.readings.iter().any(|reading| {
            (reading.command, reading.id, reading.bundle) == (command, id, Some(bundle))
        })
    }));
});

/// Whether a value is a part of one of the arguments, and not invented by the reader.
fn typed(value: &OsStr, words: &[&OsStr]) -> bool {
    let (start, end) = (
        value.as_bytes().as_ptr_range().start,
        value.as_bytes().as_ptr_range().end,
    );
    words.iter().any(|word| {
        word.as_bytes().as_ptr_range().start <= start && end <= word.as_bytes().as_ptr_range().end
    })
}

fn check(reading: &Reading<'_>, words: &[&OsStr]) {
    let globals = reading.globals;
    let values = [
        Some(reading.id),
        reading.bundle,
        reading.spec_file,
        globals.root,
        globals.log,
        globals.log_format,
    ];
    assert!(
        values
            .into_iter()
            .flatten()
            .all(|value| typed(value, words))
    );
    assert!(
        words
            .iter()
            .any(|word| String::from_utf8_lossy(word.as_bytes()).trim() == reading.command.word())
    );
    assert!(LogTarget::of(&globals).is_none_or(|log| !log.target.is_empty()));
}

/// The parts of `COMMAND --bundle B ID`, if no other argument looks like a flag. Every runtime
/// reads this form the same way, so the reader must find it.
fn simple<'a>(words: &[&'a OsStr]) -> Option<(StartCommand, &'a OsStr, &'a OsStr)> {
    let &[command, flag, bundle, id] = words else {
        return None;
    };
    let plain = |word: &OsStr| {
        word.as_bytes()
            .first()
            .is_some_and(u8::is_ascii_alphanumeric)
    };
    let simple = flag == "--bundle" && plain(bundle) && plain(id);
    simple.then_some((StartCommand::named(command)?, id, bundle))
}

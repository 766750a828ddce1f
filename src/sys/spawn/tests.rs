//! Tests that the output of a new process is read to its end, and which descriptors stay open in
//! it.

use super::*;

#[test]
fn what_a_process_says_is_taken_to_its_end_and_no_further() {
    let said = |text: &'static [u8], limit| {
        duplicate(limit, |mut end| end.write_all(text).is_ok()).unwrap()
    };
    for (text, limit, taken) in [
        (&b""[..], 4, &b""[..]),
        (b"four", 4, b"four"),
        (b"fives", 4, b"fives"),
    ] {
        let (child, bytes) = said(text, limit);
        assert_eq!(
            (bytes.as_slice(), gone(child)),
            (taken, Some(WaitStatus::Exited(child, 0)))
        );
    }
}

#[test]
fn a_process_that_stops_before_it_says_anything_is_not_waited_for_for_ever() {
    let begun = Instant::now();
    let stop = |_| nix::sys::signal::raise(Signal::SIGSTOP).is_err();
    let error = duplicate(4, stop).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(begun.elapsed() < PATIENCE + LAST_PATIENCE * 2);
}

#[test]
fn only_what_is_kept_stays_open() {
    let kept = tempfile::tempfile().unwrap();
    let other = tempfile::tempfile().unwrap();
    let (child, bytes) = duplicate(8, |mut end| {
        close_others([Some(end.as_raw_fd()), Some(kept.as_raw_fd()), None]);
        let is_open = |file: &File| u8::from(nix::fcntl::fcntl(file, FcntlArg::F_GETFD).is_ok());
        let said = [is_open(&kept), is_open(&other)];
        end.write_all(&said).is_ok()
    })
    .unwrap();
    assert_eq!(bytes, [1, 0]);
    assert_eq!(gone(child), Some(WaitStatus::Exited(child, 0)));
}

#[test]
fn a_program_that_is_not_there_is_said_to_be_missing() {
    let program = |path| Program {
        path,
        words: &[],
        environment: &[],
        prints: None,
        keeps: None,
        person: None,
        namespace: None,
    };
    assert_eq!(
        start(program(Path::new("/no/such/program")))
            .unwrap_err()
            .kind(),
        io::ErrorKind::NotFound
    );
    let child = start(program(Path::new("/bin/true"))).unwrap();
    let child = Pid::from_raw(i32::try_from(child).unwrap());
    assert_eq!(gone(child), Some(WaitStatus::Exited(child, 0)));
}

//! Tests how a program is started.

use super::*;

#[test]
fn a_program_that_is_not_there_is_said_to_be_missing() {
    let program = |path| Program {
        path,
        words: &[],
        environment: &[],
        prints: None,
        keeps: None,
        oom_score: None,
        limits_of: None,
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

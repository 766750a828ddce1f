//! How long do commands take, side by side?
//!
//! `stopwatch RUNS [--unlink FILE | --drop-caches] -- COMMAND… -- COMMAND…` runs the commands in
//! turn, A B C A B C, so that a machine whose speed drifts treats them alike; a tenth of the runs
//! comes first and is not counted. Before each run FILE is removed, or the kernel drops what it
//! keeps of files and directories, as root alone may ask. Prints one line a command: median, smallest
//! and 99th percentile in microseconds from spawn to exit, and the peak resident memory in KiB; the
//! children's output is thrown away. It is kept small, because a child's peak memory starts with
//! that of the process it was made from (Linux, fs/exec.c: `exec_mmap` keeps the old peak).
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a measuring tool that runs programs and prints"
)]

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

struct Series {
    command: Vec<OsString>,
    micros: Vec<f64>,
    peak_kib: i64,
}

fn main() {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut parts = words.split(|word| word == "--");
    let head = parts.next().expect("split yields at least one part");
    let runs: usize = head
        .first()
        .and_then(|word| word.to_str()?.parse().ok())
        .expect("stopwatch RUNS [--unlink FILE | --drop-caches] -- COMMAND…");
    let drop_caches = head.get(1).is_some_and(|word| word == "--drop-caches");
    let unlink = (head.get(1).is_some_and(|word| word == "--unlink")).then(|| head[2].clone());
    let mut series: Vec<Series> = parts
        .map(|command| Series {
            command: command.to_vec(),
            micros: Vec::new(),
            peak_kib: 0,
        })
        .collect();
    let warm_up = runs.div_ceil(10);
    for round in 0..warm_up + runs {
        for one in &mut series {
            if let Some(file) = &unlink {
                let _absent_is_fine = std::fs::remove_file(file);
            }
            if drop_caches {
                std::fs::write("/proc/sys/vm/drop_caches", "3").unwrap();
            }
            let (micros, peak_kib) = time(&one.command);
            if round >= warm_up {
                one.micros.push(micros);
                one.peak_kib = one.peak_kib.max(peak_kib);
            }
        }
    }
    for one in &mut series {
        one.micros.sort_by(f64::total_cmp);
        let at = |share: f64| one.micros[((one.micros.len() - 1) as f64 * share).round() as usize];
        println!(
            "{:.1} {:.1} {:.1} {}",
            at(0.5),
            one.micros[0],
            at(0.99),
            one.peak_kib
        );
    }
}

/// Microseconds from spawn to exit, and the peak memory in KiB. A command that fails ends the
/// measurement: its figure would mean nothing.
fn time(command: &[OsString]) -> (f64, i64) {
    let start = Instant::now();
    #[allow(clippy::zombie_processes, reason = "wait4 below reaps it")]
    let child = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    let pid = i32::try_from(child.id()).unwrap();
    #[allow(
        unsafe_code,
        reason = "std does not tell a child's peak memory; wait4 fills both out parameters"
    )]
    let usage = unsafe {
        assert_eq!(
            libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()),
            pid
        );
        usage.assume_init()
    };
    let micros = start.elapsed().as_secs_f64() * 1e6;
    assert!(ExitStatus::from_raw(status).success(), "{command:?} failed");
    (micros, usage.ru_maxrss)
}

//! Divides a long piece of work among all processors.
//!
//! In: the parts of the work, and the function for one part. Out: the results, in the order of the
//! parts, whichever thread made them. Threads only make the work faster: if no thread can be
//! started, the caller does all the work.

use std::num::NonZero;
use std::panic;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Calls `work` for each of `parts`, on as many threads as processors are available to this
/// process, and returns the results in the order of the parts.
///
/// # Panics
/// Only if `work` panics.
pub fn share<T: Send, R: Send>(parts: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(parts.len());
    let waiting = Mutex::new(parts.into_iter().enumerate());
    let some = || do_some(&waiting, &work);
    let mut done = thread::scope(|scope| {
        let mut others = Vec::new();
        for _ in 1..threads {
            others.extend(thread::Builder::new().spawn_scoped(scope, some));
        }
        let mut done = some();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(fault) => panic::resume_unwind(fault),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Does the work with one part after the other until none is waiting, and returns each result with
/// the index of its part.
fn do_some<T, R>(
    waiting: &Mutex<impl Iterator<Item = (usize, T)>>,
    work: &impl Fn(T) -> R,
) -> Vec<(usize, R)> {
    let mut done = Vec::new();
    loop {
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next();
        let Some((place, part)) = next else {
            return done;
        };
        done.push((place, work(part)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_result_is_in_the_place_of_its_part() {
        assert!(share(Vec::<u64>::new(), |part| part).is_empty());
        let expected: Vec<_> = (0..1_000).map(|part| part * part).collect();
        assert_eq!(
            share((0..1_000).collect(), |part: u64| part * part),
            expected
        );
    }
}

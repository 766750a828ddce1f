//! Allocates memory for a program that runs for a millisecond.
//!
//! It hands out one block, piece after piece. Only the newest piece is ever taken back; the end of
//! the process frees everything. In: requests of the allocator's interface. Out: memory, from the C
//! library once the block is full, so that large input costs what it always cost. It decides
//! nothing and reads nothing. Worth it because musl's allocator keeps mapping and unmapping groups
//! of pages while little memory is in use: with it the gate makes 48 such calls, a `create` takes 0.3
//! to 0.4 ms more, which is all that it may take, and the most memory in use is 2,116 KiB instead of
//! at most 2,048 (Linux 6.18, musl 1.2.5). Keeping larger pieces for reuse was tried and saved
//! nothing. Not for programs that run for long.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of the block: twice what a create with a list of ten million takes. Pages that are never
/// touched cost nothing.
const SIZE: usize = 256 << 10;

/// The alignment of the block, in bytes: a page.
const ALIGNMENT: usize = 4_096;

/// The block, for `#[global_allocator]`.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct Arena {
    block: UnsafeCell<[u8; SIZE]>,
    /// How much of the block is handed out, from its start.
    used: AtomicUsize,
}

// SAFETY: only `used` says who has which bytes, and it changes atomically: no two callers ever get
// the same bytes. Giving bytes back is a release and taking them an acquire, so what one thread did
// with a piece is over before another has it.
#[allow(unsafe_code)]
unsafe impl Sync for Arena {}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

impl Arena {
    /// An arena with nothing handed out.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            block: UnsafeCell::new([0; SIZE]),
            used: AtomicUsize::new(0),
        }
    }

    const fn start(&self) -> *mut u8 {
        self.block.get().cast()
    }

    /// Takes room for `layout` and says where in the block it starts; `None` when there is not
    /// enough left.
    fn take(&self, layout: Layout) -> Option<usize> {
        if layout.align() > ALIGNMENT {
            return None;
        }
        let begin = |used: usize| used.next_multiple_of(layout.align());
        let take = |used| {
            begin(used)
                .checked_add(layout.size())
                .filter(|end| *end <= SIZE)
        };
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, take)
            .ok()
            .map(begin)
    }

    /// Where in the block a piece starts; `None` when it came from the C library.
    fn place(&self, piece: *mut u8) -> Option<usize> {
        let begin = piece.addr().wrapping_sub(self.start().addr());
        (begin < SIZE).then_some(begin)
    }

    /// Moves the end of what is handed out from `from` to `to`, if it is at `from`.
    fn move_end(&self, from: usize, to: usize) -> bool {
        to <= SIZE
            && self
                .used
                .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
    }
}

// Inlined everywhere, this would make the program a tenth larger, and more of it would have to be
// loaded.
#[allow(unsafe_code)]
// SAFETY: a piece lies within the block, begins at a multiple of its alignment, as the block itself
// does, and overlaps no other, because `used` never goes back past the end of a piece that is not
// freed. The rest is the C library's.
unsafe impl GlobalAlloc for Arena {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            // SAFETY: `begin` is within the block.
            Some(begin) => unsafe { self.start().add(begin) },
            // SAFETY: as the caller promises.
            None => unsafe { System.alloc(layout) },
        }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match self.place(piece) {
            // Any piece but the newest stays where it is.
            Some(begin) => drop(self.move_end(begin + layout.size(), begin)),
            // SAFETY: it is none of the block's, so it is the C library's; the rest as the caller
            // promises.
            None => unsafe { System.dealloc(piece, layout) },
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(begin) = self.place(piece) else {
            // SAFETY: it is none of the block's, so it is the C library's; the rest as the caller
            // promises.
            return unsafe { System.realloc(piece, layout, size) };
        };
        if self.move_end(begin + layout.size(), begin + size) || size <= layout.size() {
            return piece;
        }
        // SAFETY: the caller promises that the size fits the alignment. The new piece is larger
        // than the old one, and they do not overlap.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                piece.copy_to_nonoverlapping(new, layout.size());
            }
            new
        }
    }
}

#[cfg(test)]
#[allow(unsafe_code)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn pieces_are_aligned_and_apart() {
        let arena = Box::new(Arena::new());
        let mut end = arena.start().addr();
        for (size, align) in [(1, 1), (3, 8), (5, 1), (64, 64), (1, 4_096), (24, 8)] {
            // SAFETY: no size is zero.
            let piece = unsafe { arena.alloc(layout(size, align)) };
            assert!(
                piece.addr() >= end && piece.addr().is_multiple_of(align),
                "{size} {align}"
            );
            end = piece.addr() + size;
            // SAFETY: the piece has so many bytes.
            unsafe { piece.write_bytes(0xff, size) };
        }
    }

    #[test]
    fn the_newest_piece_grows_shrinks_and_is_taken_back_in_its_place() {
        let arena = Box::new(Arena::new());
        // SAFETY: no size is zero, and each piece is given back with the layout that it has.
        unsafe {
            let first = arena.alloc(layout(10, 1));
            let second = arena.alloc(layout(10, 1));
            second.copy_from_nonoverlapping(b"0123456789".as_ptr(), 10);
            assert_eq!(arena.realloc(second, layout(10, 1), 1_000), second);
            assert_eq!(arena.realloc(second, layout(1_000, 1), 10), second);
            let third = arena.alloc(layout(1, 1));
            assert_eq!(third, second.add(10));
            // No longer the newest: it moves if it grows, and stays if it shrinks.
            assert_eq!(arena.realloc(second, layout(10, 1), 5), second);
            let moved = arena.realloc(second, layout(5, 1), 20);
            assert_eq!(moved, third.add(1));
            assert_eq!(std::slice::from_raw_parts(moved, 5), b"01234");
            arena.dealloc(first, layout(10, 1));
            arena.dealloc(moved, layout(20, 1));
            assert_eq!(arena.alloc(layout(1, 1)), moved);
        }
    }

    #[test]
    fn what_has_no_room_comes_from_the_c_library() {
        let arena = Box::new(Arena::new());
        // SAFETY: no size is zero, and each piece is given back with the layout that it has.
        unsafe {
            for (size, align) in [(SIZE + 1, 1), (1, 8_192), (isize::MAX as usize - 7, 8)] {
                let piece = arena.alloc(layout(size, align));
                assert_eq!(arena.place(piece), None, "{size} {align}");
                if !piece.is_null() {
                    let grown = arena.realloc(piece, layout(size, align), size + 1);
                    arena.dealloc(grown, layout(size + 1, align));
                }
            }
            let whole = arena.alloc(layout(SIZE, 1));
            assert_eq!(arena.place(whole), Some(0));
            whole.write(7);
            let grown = arena.realloc(whole, layout(SIZE, 1), SIZE + 1);
            assert_eq!((arena.place(grown), *grown), (None, 7));
            arena.dealloc(grown, layout(SIZE + 1, 1));
            arena.dealloc(whole, layout(SIZE, 1));
            assert_eq!(arena.place(arena.alloc(layout(1, 1))), Some(0));
        }
    }

    #[test]
    fn threads_get_pieces_of_their_own() {
        let arena = Box::new(Arena::new());
        let take = || {
            (0..1_000)
                .map(|_| arena.take(layout(8, 8)).unwrap())
                .collect::<Vec<_>>()
        };
        let mut taken = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect::<Vec<_>>()
        });
        taken.sort_unstable();
        assert!(taken.iter().copied().eq((0..32_000).step_by(8)));
    }
}

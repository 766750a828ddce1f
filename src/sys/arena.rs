//! Allocates memory for a program that runs for a millisecond.
//!
//! The arena owns one block and hands out pieces of it, one after the other. Only the newest piece
//! can be given back; everything else is freed when the process ends. Once the block is full,
//! memory comes from the C library, so large input costs no more than without the arena. In: the
//! requests of the allocator's interface. Out: memory. The arena is needed because musl's allocator
//! maps and unmaps groups of pages again and again while little memory is in use. With musl's
//! allocator, the gate makes 48 such system calls, a `create` takes 0.3 to 0.4 ms longer, which is
//! all the time that the gate may take, and at most 2,116 KiB of memory are in use instead of 2,048
//! (Linux 6.18, musl 1.2.5). Keeping larger pieces for reuse was tried, and saved nothing. Not for
//! programs that run for long.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The size of the block, in bytes: twice what a `create` with a list of ten million digests takes.
/// Pages that are never touched cost nothing.
const SIZE: usize = 256 << 10;

/// The alignment of the block, in bytes: one page.
const ALIGNMENT: usize = 4_096;

/// The block and its state, for `#[global_allocator]`.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct Arena {
    block: UnsafeCell<[u8; SIZE]>,
    /// How many bytes are handed out, counted from the start of the block.
    used: AtomicUsize,
}

// SAFETY: only `used` says who has which bytes, and it changes atomically, so no two callers ever
// get the same bytes. Giving bytes back is a release and taking bytes is an acquire: whatever one
// thread did with a piece has happened before another thread gets it.
#[allow(unsafe_code)]
unsafe impl Sync for Arena {}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

impl Arena {
    /// An arena that has handed out nothing.
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

    /// Takes room for `layout`. Returns where in the block the room starts; `None` when there is
    /// not enough left.
    fn take(&self, layout: Layout) -> Option<usize> {
        if layout.align() > ALIGNMENT {
            return None;
        }
        let mut used = self.used.load(Ordering::Acquire);
        loop {
            let begin = used.next_multiple_of(layout.align());
            let end = begin.checked_add(layout.size())?;
            if end > SIZE {
                return None;
            }
            if self.move_end(used, end) {
                return Some(begin);
            }
            used = self.used.load(Ordering::Acquire);
        }
    }

    /// Where in the block a piece starts; `None` when the piece came from the C library.
    fn place(&self, piece: *mut u8) -> Option<usize> {
        let begin = piece.addr().wrapping_sub(self.start().addr());
        (begin < SIZE).then_some(begin)
    }

    /// Moves the end of the used part from `from` to `to`. Returns `false`, and does nothing, if
    /// the end is not at `from`.
    fn move_end(&self, from: usize, to: usize) -> bool {
        to <= SIZE
            && self
                .used
                .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
    }
}

// If these functions were inlined, the program would be a tenth larger, and more of it would have
// to be loaded.
#[allow(unsafe_code)]
// SAFETY: a piece lies within the block and begins at a multiple of its alignment, as the block
// itself does. A piece overlaps no other piece, because `used` never goes back past the end of a
// piece that is in use. All other memory is the C library's.
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
            // Only the newest piece is given back; any other piece stays where it is.
            Some(begin) => drop(self.move_end(begin + layout.size(), begin)),
            // SAFETY: the piece is not in the block, so it is the C library's; the caller promises
            // the rest.
            None => unsafe { System.dealloc(piece, layout) },
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(begin) = self.place(piece) else {
            // SAFETY: the piece is not in the block, so it is the C library's; the caller promises
            // the rest.
            return unsafe { System.realloc(piece, layout, size) };
        };
        if self.move_end(begin + layout.size(), begin + size) || size <= layout.size() {
            return piece;
        }
        // SAFETY: the caller promises that the size fits the alignment. The new piece is larger
        // than the old one, and the two do not overlap.
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
            // SAFETY: the piece has `size` bytes.
            unsafe { piece.write_bytes(0xff, size) };
        }
    }

    #[test]
    fn the_newest_piece_grows_shrinks_and_is_taken_back_in_its_place() {
        let arena = Box::new(Arena::new());
        // SAFETY: no size is zero, and each piece is given back with its own layout.
        unsafe {
            let first = arena.alloc(layout(10, 1));
            let second = arena.alloc(layout(10, 1));
            second.copy_from_nonoverlapping(b"0123456789".as_ptr(), 10);
            assert_eq!(arena.realloc(second, layout(10, 1), 1_000), second);
            assert_eq!(arena.realloc(second, layout(1_000, 1), 10), second);
            let third = arena.alloc(layout(1, 1));
            assert_eq!(third, second.add(10));
            // This piece is no longer the newest: the piece moves if it grows, and stays if it
            // shrinks.
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
        // SAFETY: no size is zero, and each piece is given back with its own layout.
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

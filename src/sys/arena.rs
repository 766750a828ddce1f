//! Where does a process that lives for a millisecond keep its small things?
//!
//! In one piece of memory that is handed out from one end to the other and given back by the end of the process. musl's allocator asks the kernel for
//! a page for nearly every group of small allocations and returns it as soon as the group is empty: two system calls and a page fault each time.
//! Without them, resolving a container of Docker takes 42 µs instead of 125, a gated `create` 65 µs less in all and a passed-on call 35. Only pages
//! that are touched count as memory. What does not fit goes to the system's allocator, so that commands which need more have it. Not checked: leaks,
//! as nothing is missing when the process becomes another one.

#![allow(unsafe_code)] // `GlobalAlloc` is an unsafe trait.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What every block is aligned to, as malloc(3)'s are: the C library's unwinder uses instructions that rely on it for the block in which Rust's standard
/// library keeps a panic, which asks for 8 (`_Unwind_Exception`; seen with Rust 1.95 on x86_64 musl).
const ALIGN: usize = 16;

/// `SIZE` bytes of memory, and how many of them, from its start, are handed out.
#[repr(C, align(64))]
pub struct Arena<const SIZE: usize> {
    memory: UnsafeCell<MaybeUninit<[u8; SIZE]>>,
    used: AtomicUsize,
}

// SAFETY: `memory` itself is never read or written here but through blocks, each of which `used` hands out to one owner, by compare-and-swap.
unsafe impl<const SIZE: usize> Sync for Arena<SIZE> {}

impl<const SIZE: usize> Arena<SIZE> {
    /// An arena with nothing handed out, for a `static` with `#[global_allocator]`.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it belongs into a static")]
    pub const fn new() -> Self {
        Self { memory: UnsafeCell::new(MaybeUninit::uninit()), used: AtomicUsize::new(0) }
    }

    /// Where a block starts, from the arena's start; `None` for a block of the system's.
    fn offset_of(&self, block: *mut u8) -> Option<usize> {
        block.addr().checked_sub(self.memory.get().addr()).filter(|offset| *offset < SIZE)
    }

    /// The end of a block of `size` bytes from `start`, where the next one may start.
    fn end_of(start: usize, size: usize) -> Option<usize> {
        start.checked_add(size)?.checked_next_multiple_of(ALIGN).filter(|end| *end <= SIZE)
    }

    /// Moves the end of what is handed out from `end` to `new`, if that is the end.
    fn move_end(&self, end: usize, new: usize) -> bool {
        self.used.compare_exchange(end, new, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

// SAFETY: a block starts where the layout's alignment wants it, and ends before the next one starts: both follow from `used` alone, which changes only by
// compare-and-swap. A block's memory is handed out again only after `dealloc` has moved the end back to its start. Nothing here panics. (Never inlined:
// copies of it at every allocation would make the program a sixth larger.)
unsafe impl<const SIZE: usize> GlobalAlloc for Arena<SIZE> {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.memory.get().cast::<u8>();
        loop {
            let used = self.used.load(Ordering::Acquire);
            let padding = base.addr().wrapping_add(used).wrapping_neg() & (layout.align().max(ALIGN) - 1);
            let start = used + padding;
            let Some(end) = Self::end_of(start, layout.size()) else {
                // SAFETY: the caller's promises about `layout` are passed on.
                return unsafe { System.alloc(layout) };
            };
            if self.move_end(used, end) {
                // SAFETY: `start` is at most SIZE, so that the pointer stays in the arena or right behind it.
                return unsafe { base.add(start) };
            }
        }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(start) = self.offset_of(block) else {
            // SAFETY: a block outside the arena is the system's, and the caller's promises are passed on.
            return unsafe { System.dealloc(block, layout) };
        };
        // The last block makes room again; any other stays until the process ends.
        if let Some(end) = Self::end_of(start, layout.size()) {
            self.move_end(end, start);
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Some(start) = self.offset_of(block) else {
            // SAFETY: a block outside the arena is the system's, and the caller's promises are passed on.
            return unsafe { System.realloc(block, layout, new_size) };
        };
        let ends = (Self::end_of(start, layout.size()), Self::end_of(start, new_size));
        if new_size <= layout.size() || matches!(ends, (Some(end), Some(new)) if end == new || self.move_end(end, new)) {
            return block;
        }
        // SAFETY: the caller promises that `new_size` is not zero and does not overflow when rounded up to the alignment.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(new_size, layout.align())) };
        if !new.is_null() {
            // SAFETY: both blocks hold at least the old size and do not overlap, as the old one is not given back before.
            unsafe {
                ptr::copy_nonoverlapping(block, new, layout.size());
                self.dealloc(block, layout);
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 16 << 10;

    fn arena() -> Arena<SIZE> {
        Arena::new()
    }

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn blocks_are_aligned_and_apart() {
        let arena = arena();
        let mut end = 0;
        for (size, align) in [(1, 1), (8, 8), (3, 1), (64, 64), (0, 1), (5000, 4096), (16, 16)] {
            // SAFETY: the layout is valid.
            let block = unsafe { arena.alloc(layout(size, align)) };
            assert_eq!((block.addr() % align, block.addr() % ALIGN), (0, 0));
            assert!(block.addr() >= end && arena.offset_of(block).is_some());
            // SAFETY: the block has `size` bytes.
            unsafe { ptr::write_bytes(block, 0xff, size) };
            end = block.addr() + size;
        }
    }

    #[test]
    fn the_last_block_grows_in_place_and_makes_room_again() {
        let arena = arena();
        // SAFETY: blocks are used with the layouts they were made with.
        unsafe {
            let first = arena.alloc(layout(100, 8));
            first.write(7);
            assert_eq!(arena.realloc(first, layout(100, 8), 1_000), first);
            let second = arena.alloc(layout(10, 1));
            assert_eq!(second.addr(), first.addr() + 1_008);
            assert_eq!(arena.realloc(second, layout(10, 1), 16), second);
            assert_eq!(arena.realloc(first, layout(1_000, 8), 500), first);
            let moved = arena.realloc(first, layout(500, 8), 2_000);
            assert!(moved.addr() > second.addr() && moved.read() == 7);
            arena.dealloc(moved, layout(2_000, 8));
            arena.dealloc(second, layout(16, 1));
            assert_eq!(arena.alloc(layout(4, 1)), second);
        }
    }

    #[test]
    fn what_does_not_fit_comes_from_the_system() {
        let arena = arena();
        // SAFETY: blocks are used with the layouts they were made with.
        unsafe {
            let large = arena.alloc(layout(SIZE + 1, 8));
            assert!(arena.offset_of(large).is_none() && !large.is_null());
            arena.dealloc(large, layout(SIZE + 1, 8));
            let whole = arena.alloc(layout(SIZE, 1));
            assert!(arena.offset_of(whole).is_some());
            let next = arena.alloc(layout(1, 1));
            assert!(arena.offset_of(next).is_none());
            assert!(!arena.realloc(next, layout(1, 1), 100).is_null());
            whole.write(9);
            let moved = arena.realloc(whole, layout(SIZE, 1), SIZE + 1);
            assert!(arena.offset_of(moved).is_none() && moved.read() == 9);
        }
    }

    #[test]
    fn threads_never_share_a_block() {
        let arena = arena();
        std::thread::scope(|scope| {
            for mark in 0..8_u8 {
                let arena = &arena;
                scope.spawn(move || {
                    for round in 0..2_000_usize {
                        let size = 1 + round % 40;
                        // SAFETY: blocks are used with the layouts they were made with.
                        unsafe {
                            let block = arena.alloc(layout(size, 8));
                            ptr::write_bytes(block, mark, size);
                            assert!((0..size).all(|at| block.add(at).read() == mark));
                            arena.dealloc(block, layout(size, 8));
                        }
                    }
                });
            }
        });
    }
}

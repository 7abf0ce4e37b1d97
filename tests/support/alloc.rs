//! A global allocator that counts what the current thread does. A test file that wants it names it:
//! `#[global_allocator] static HEAP: Counting = Counting;`

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

pub struct Counting;

/// What one thread took from the heap.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap {
    /// Calls of `alloc` and `realloc`.
    pub allocations: i64,
    /// The bytes that they asked for.
    pub bytes: i64,
    /// The bytes that are still held.
    pub live: i64,
    /// The most bytes that were held at one time.
    pub peak: i64,
}

thread_local! {
    static HEAP: Cell<Heap> = const { Cell::new(Heap { allocations: 0, bytes: 0, live: 0, peak: 0 }) };
}

/// Runs `work` and tells what it took.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Heap) {
    HEAP.set(Heap::default());
    let out = work();
    (out, HEAP.get())
}

/// What was taken since the last [`measure`] began.
pub fn so_far() -> Heap {
    HEAP.get()
}

fn take(bytes: usize) {
    // Threads allocate after their locals are gone, too.
    let _ = HEAP.try_with(|heap| {
        let (mut now, bytes) = (heap.get(), bytes as i64);
        now.allocations += 1;
        now.bytes += bytes;
        now.live += bytes;
        now.peak = now.peak.max(now.live);
        heap.set(now);
    });
}

fn give(bytes: usize) {
    let _ = HEAP.try_with(|heap| heap.set(Heap { live: heap.get().live - bytes as i64, ..heap.get() }));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        give(layout.size());
        unsafe { System.dealloc(at, layout) }
    }

    // Old and new are held at one time while the bytes move.
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        take(size);
        give(layout.size());
        unsafe { System.realloc(at, layout, size) }
    }
}

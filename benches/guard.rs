//! Time of a claim against 10³ to 10⁶ live entries, the slowest claim while growing, and the bytes of an entry.
//!
//! `cargo bench --bench guard`

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tower_hmac::KeyId;
use tower_hmac::replay::{Claimed, MemoryReplayGuard, ReplayClaim};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands every call on to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const START: u64 = 1_795_303_445;
const WINDOW: u64 = 360;
const MEASURED: u64 = 200_000;

fn main() {
    println!("{:>10} {:>12} {:>14} {:>16}", "live", "per claim", "bytes/entry", "slowest, growing");
    let mut means = Vec::new();
    for live in [1_000, 10_000, 100_000, 1_000_000] {
        let (mean, bytes, slowest) = steady(live);
        println!("{live:>10} {mean:>12.0?} {bytes:>14.1} {slowest:>16.1?}");
        means.push(mean);
    }
    let (fastest, slowest) = (means.iter().min().unwrap(), means.iter().max().unwrap());
    println!("slowest size / fastest size: {:.2}", slowest.as_secs_f64() / fastest.as_secs_f64());
}

/// Fills a guard, then keeps it at that size while old entries expire as fast as new ones come.
fn steady(live: u64) -> (Duration, f64, Duration) {
    let before = HELD.load(Ordering::Relaxed);
    let guard = MemoryReplayGuard::with_capacity(2_000_000).unwrap();
    let mut slowest = fill(&guard, 0..live, live)[live as usize - 1];
    let bytes = (HELD.load(Ordering::Relaxed) - before) as f64 / live as f64;
    let times = fill(&guard, live..live + MEASURED, live);
    // A claim that was interrupted says nothing: three fills are not interrupted at the same place.
    for _ in 0..2 {
        let again = MemoryReplayGuard::with_capacity(2_000_000).unwrap();
        slowest = slowest.min(fill(&again, 0..live, live)[live as usize - 1]);
    }
    (times[times.len() / 2], bytes, slowest)
}

/// The times of claims, sorted. The clock moves so that `live` claims fall into one window.
fn fill(guard: &MemoryReplayGuard, numbers: Range<u64>, live: u64) -> Vec<Duration> {
    let id = KeyId::new("svc-a").unwrap();
    let claim = |n: u64| {
        let nonce = format!("nonce-{n:016}");
        let now = START + n * WINDOW / live;
        let claim = ReplayClaim { key_id: &id, nonce: &nonce, valid_until: now + WINDOW, now };
        let start = Instant::now();
        assert_eq!(guard.spend(&claim), Claimed::Fresh);
        start.elapsed()
    };
    let mut times: Vec<_> = numbers.map(claim).collect();
    times.sort();
    times
}

//! Time of a claim against 10³ to 10⁶ live entries, the slowest claims while the guard grows and while 10⁶ entries
//! expire, and the bytes of an entry.
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
const MEASURED: u64 = 256_000;
const BATCH: usize = 64;
const ROUNDS: usize = 5;

#[derive(Clone, Copy)]
struct Steady {
    mean: Duration,
    median: Duration,
    p99: Duration,
    bytes: f64,
}

fn main() {
    let names = Names::new(1_000_000 + MEASURED);
    // The machine does other things, too: rounds are interleaved, and the quietest one counts.
    let sizes = [1_000, 10_000, 20_000, 100_000, 1_000_000];
    let mut best = sizes.map(|live| steady(&names, live));
    for _ in 1..ROUNDS {
        for (best, live) in best.iter_mut().zip(sizes) {
            let round = steady(&names, live);
            *best = if round.median < best.median { round } else { *best };
        }
    }
    println!("{:>10} {:>10} {:>10} {:>10} {:>14}", "live", "mean", "median", "p99", "bytes/entry");
    for (live, Steady { mean, median, p99, bytes }) in sizes.iter().zip(best) {
        println!("{live:>10} {mean:>10.0?} {median:>10.0?} {p99:>10.0?} {bytes:>14.1}");
    }
    let medians = best.map(|steady| steady.median.as_secs_f64());
    let (fastest, slowest) = medians.iter().fold((f64::MAX, 0_f64), |(low, high), m| (low.min(*m), high.max(*m)));
    println!("slowest size / fastest size: {:.2}", slowest / fastest);

    // A claim that was interrupted says nothing: three runs are not interrupted at the same place.
    let runs: Vec<_> = (0..3).map(|_| grow_and_expire(&names)).collect();
    let slowest = |times: Vec<&Vec<Duration>>| -> Duration {
        let each = |n| times.iter().map(|run: &&Vec<Duration>| run[n]).min().unwrap();
        (0..times[0].len()).map(each).max().unwrap()
    };
    println!("slowest claim while growing to 10⁶: {:.1?}", slowest(runs.iter().map(|run| &run.0).collect()));
    println!("slowest claim while 10⁶ expire:     {:.1?}", slowest(runs.iter().map(|run| &run.1).collect()));
}

/// Nonces, made before anything is measured.
struct Names(Vec<[u8; 22]>);

impl Names {
    fn new(count: u64) -> Self {
        Self((0..count).map(|n| format!("nonce-{n:016}").into_bytes().try_into().unwrap()).collect())
    }

    fn claim<'a>(&'a self, id: &'a KeyId, n: u64, now: u64) -> ReplayClaim<'a> {
        let nonce = std::str::from_utf8(&self.0[n as usize]).unwrap();
        ReplayClaim { key_id: id, nonce, valid_until: now + WINDOW, now }
    }
}

fn guard() -> MemoryReplayGuard {
    MemoryReplayGuard::with_capacity(2_000_000).unwrap().per_key(2_000_000)
}

/// Fills a guard, then keeps it at that size while old entries expire as fast as new ones come.
fn steady(names: &Names, live: u64) -> Steady {
    let before = HELD.load(Ordering::Relaxed);
    let (guard, id) = (guard(), KeyId::new("svc-a").unwrap());
    single(names, &guard, 0..live, |n| START + n * WINDOW / live);
    let bytes = (HELD.load(Ordering::Relaxed) - before) as f64 / live as f64;

    // Batches for the mean, since a clock costs as much as a claim; then one by one for the high percentile.
    let half = live + MEASURED / 2;
    let claims: Vec<_> = (live..half).map(|n| names.claim(&id, n, START + n * WINDOW / live)).collect();
    let mut batches: Vec<Duration> = claims
        .chunks(BATCH)
        .map(|batch| {
            let start = Instant::now();
            for claim in batch {
                assert_eq!(guard.spend(claim), Claimed::Fresh);
            }
            start.elapsed() / BATCH as u32
        })
        .collect();
    let mean = batches.iter().sum::<Duration>() / batches.len() as u32;
    batches.sort();
    let median = batches[batches.len() / 2];
    let mut times = single(names, &guard, half..live + MEASURED, |n| START + n * WINDOW / live);
    times.sort();
    Steady { mean, median, p99: times[times.len() * 99 / 100], bytes }
}

/// The times of claims, each read with the clock.
fn single(names: &Names, guard: &MemoryReplayGuard, numbers: Range<u64>, now: impl Fn(u64) -> u64) -> Vec<Duration> {
    let id = KeyId::new("svc-a").unwrap();
    let claim = |n| {
        let claim = names.claim(&id, n, now(n));
        let start = Instant::now();
        assert_eq!(guard.spend(&claim), Claimed::Fresh);
        start.elapsed()
    };
    numbers.map(claim).collect()
}

/// 10⁶ entries of one second, and what follows when all have expired.
fn grow_and_expire(names: &Names) -> (Vec<Duration>, Vec<Duration>) {
    let guard = guard();
    let growing = single(names, &guard, 0..1_000_000, |_| START);
    let expiring = single(names, &guard, 1_000_000..1_000_000 + MEASURED, |_| START + WINDOW + 1);
    (growing, expiring)
}

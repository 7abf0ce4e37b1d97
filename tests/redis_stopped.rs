//! While Redis stands still, every claim is refused at its deadline and nothing piles up. Alone in its process, whose memory
//! is measured.
//!
//! The long run: `cargo test --release --all-features --test redis_stopped -- --ignored --nocapture`.
#![cfg(feature = "redis")]

mod support;

use std::time::{Duration, Instant};

use support::nodes::{self, ACCEPTED, UNAVAILABLE, accepted, count};
use support::redis::Redis;
use tokio::task::JoinSet;

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Redis stands still; a guard in this process is asked all the time.
async fn stopped(still: Duration) {
    let Some(redis) = Redis::start(&[]) else { return };
    let guard = tower_hmac::replay::RedisReplayGuard::connect(&redis.url()).await.unwrap();
    let (seed, deadline) = (nodes::seed(), Duration::from_millis(250));
    let load = async |from: u64, time: Duration| {
        // What has answered is not kept: the growth that is measured is the guard's.
        let (start, mut asked, mut tasks, mut history) = (Instant::now(), from, JoinSet::new(), Vec::new());
        while start.elapsed() < time {
            let guard = guard.clone();
            asked += 1;
            tasks.spawn(async move { nodes::claim(&guard, seed, asked).await });
            history.extend(std::iter::from_fn(|| tasks.try_join_next()).map(Result::unwrap));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        history.extend(tasks.join_all().await);
        (history, asked)
    };
    let (before, asked) = load(0, Duration::from_millis(500)).await;
    assert_eq!(count(&before, ACCEPTED), before.len());
    redis.signal("STOP");
    // What the first second takes is kept in use; what grows with time is measured after it.
    let (mut during, asked) = load(asked, Duration::from_secs(1)).await;
    let resident_before = resident();
    let (rest, asked) = load(asked, still).await;
    let grown = resident().saturating_sub(resident_before);
    redis.signal("CONT");
    during.extend(rest);
    assert_eq!(count(&during, UNAVAILABLE), during.len(), "an answer while Redis stood still");
    let mut waits: Vec<Duration> = during.iter().map(|event| Duration::from_micros(event.end - event.start)).collect();
    waits.sort();
    let (p99, most) = (waits[waits.len() * 99 / 100], waits[waits.len() - 1]);
    println!("{} refusals, p99 after {p99:?}, the last after {most:?}; {grown} KiB more", waits.len());
    assert!(most < deadline * 8, "{most:?}");
    assert!(grown <= 1024, "{grown} KiB");
    let start = Instant::now();
    while nodes::claim(&guard, seed, asked + 1).await.outcome == UNAVAILABLE {
        assert!(start.elapsed() < Duration::from_secs(2), "no recovery");
    }
    println!("the first good answer after {:?}", start.elapsed());
    // Those that were refused were heard later, or never: none passes twice.
    let (after, _) = load(asked + 1, Duration::from_millis(500)).await;
    assert_eq!(count(&after, UNAVAILABLE), 0);
    accepted(&[before, during, after].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x_04_redis_stands_still() {
    stopped(Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a quarter of a minute"]
async fn x_04_long() {
    stopped(Duration::from_secs(10)).await;
}

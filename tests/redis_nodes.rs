//! Several processes over one Redis accept each message once: in peace, while Redis is killed, and while it stands still.
//!
//! The long runs: `cargo test --release --all-features --test redis_nodes -- --ignored --test-threads 1 --nocapture`. A run is
//! repeated with the `SEED` that it printed.
#![cfg(feature = "redis")]

mod support;

use std::time::{Duration, Instant};

use support::nodes::{self, ACCEPTED, Event, Nodes, Plan, SEEN, UNAVAILABLE, accepted, all_are_spent, count, micros};
use support::redis::Redis;
use tokio::task::JoinSet;

/// Not a test: what each process runs.
#[tokio::test]
#[ignore = "the body of a node"]
async fn node() {
    nodes::run().await;
}

async fn in_peace(messages: u64) {
    let Some(redis) = Redis::start(&[]) else { return };
    let seed = nodes::seed();
    let plan = Plan { nodes: 4, copies: 2, messages, at_once: 64, rate: 0, seed };
    let history = Nodes::start("node", &redis.url(), plan).history();
    assert_eq!(history.len() as u64, 8 * messages);
    let once = accepted(&history);
    println!("{} claims, {} accepted, {} seen", history.len(), once.len(), count(&history, SEEN));
    assert_eq!(count(&history, UNAVAILABLE), 0);
    let mut sent: Vec<u64> = history.iter().map(|event| event.message).collect();
    sent.sort_unstable();
    sent.dedup();
    assert!(sent.len() as u64 > messages * 9 / 10 && sent.iter().all(|message| once.contains_key(message)));
    assert_eq!(redis.ask::<u64>(&["DBSIZE"]).unwrap(), sent.len() as u64);
}

#[tokio::test]
async fn x_02_four_processes_accept_each_of_20_000_messages_once() {
    in_peace(20_000).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn x_02_long() {
    in_peace(250_000).await;
}

/// Kills Redis and starts it again, so many times.
async fn killed(cycles: u32, up: Duration, down: Duration) {
    let options = ["--appendonly", "yes", "--appendfsync", "always"];
    let Some(mut redis) = Redis::start(&options) else { return };
    let (seed, rate) = (nodes::seed(), 1000);
    let seconds = (up + down) * cycles + up;
    let messages = seconds.as_millis() as u64 * rate / 1000 / 2;
    let plan = Plan { nodes: 4, copies: 2, messages, at_once: 16, rate, seed };
    let mut nodes = Nodes::start("node", &redis.url(), plan);
    let mut outages = Vec::new();
    for _ in 0..cycles {
        tokio::time::sleep(up).await;
        redis.kill();
        let start = micros();
        tokio::time::sleep(down).await;
        let end = micros();
        redis.restart();
        outages.push((start, end, micros()));
    }
    let history = nodes.history();
    let once = accepted(&history);
    println!("{} claims, {} accepted, {} unavailable", history.len(), once.len(), count(&history, UNAVAILABLE));
    for (start, end, back) in outages {
        let inside = |event: &&Event| event.start > start && event.end < end;
        let passed = history.iter().filter(inside).filter(|event| event.outcome != UNAVAILABLE).count();
        assert_eq!(passed, 0, "passed while Redis was down");
        assert!(history.iter().any(|event| inside(&event)), "nobody asked");
        let good = history.iter().filter(|event| event.start > end && event.outcome == ACCEPTED).map(|event| event.end);
        let first = Duration::from_micros(good.min().unwrap().saturating_sub(back));
        println!("the first good answer {first:?} after Redis was back");
        assert!(first <= Duration::from_secs(2));
    }
    all_are_spent(&redis.url(), seed, once.into_keys()).await;
}

#[tokio::test]
async fn x_03_redis_is_killed_three_times() {
    killed(3, Duration::from_millis(500), Duration::from_millis(500)).await;
}

#[tokio::test]
#[ignore = "takes ten minutes"]
async fn x_03_long() {
    killed(75, Duration::from_secs(5), Duration::from_secs(3)).await;
}

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
    let resident_before = resident();
    redis.signal("STOP");
    let (during, asked) = load(asked, still).await;
    let grown = resident().saturating_sub(resident_before);
    redis.signal("CONT");
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

//! Several processes over one Redis accept each message once: in peace, and while Redis is killed.
//!
//! The long runs: `cargo test --release --all-features --test redis_nodes -- --ignored --test-threads 1 --nocapture`. A run is
//! repeated with the `SEED` that it printed.
#![cfg(feature = "redis")]

mod support;

use std::time::Duration;

use support::nodes::{self, ACCEPTED, Event, Nodes, Plan, SEEN, UNAVAILABLE, accepted, all_are_spent, count, micros};
use support::redis::Redis;

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
    // Until they are told to stop: a restart takes its time.
    let plan = Plan { nodes: 4, copies: 2, messages: u64::MAX, at_once: 16, rate, seed };
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
    tokio::time::sleep(up).await;
    nodes.stop();
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

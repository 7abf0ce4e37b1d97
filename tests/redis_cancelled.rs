//! Claims that are cancelled at any moment leave the shared connection in step: nobody gets another's answer.
//!
//! 10⁵ cancellations: `cargo test --release --all-features --test redis_cancelled -- --ignored --nocapture`
#![cfg(feature = "redis")]

mod support;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::redis::{Redis, now};
use support::scripted::{Play, Scripted};
use support::{KEY_ID, NOW};
use tower_hmac::replay::{Claimed, RedisReplayGuard, ReplayClaim, ReplayGuard};
use tower_hmac::{Answer, KeyId};

/// A number sequence that a printed seed repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn seed() -> u64 {
    let seed = std::env::var("SEED").map_or_else(|_| now() | 1, |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    seed
}

/// Polls a claim some times, with pauses, and drops it if it has not answered by then.
async fn cancelled(guard: &RedisReplayGuard, nonce: &str, at: u64, polls: u64, pause: u64) -> Option<Claimed> {
    let key_id = KeyId::new(KEY_ID).unwrap();
    let claim = ReplayClaim { key_id: &key_id, nonce, valid_until: at + 360, now: at };
    let Answer::Later(mut answer) = guard.claim(&claim) else { panic!("a claim in Redis is never ready") };
    for _ in 0..polls {
        if let std::task::Poll::Ready(claimed) = futures_util::poll!(&mut answer) {
            return Some(claimed);
        }
        match pause {
            0 => tokio::task::yield_now().await,
            _ => tokio::time::sleep(Duration::from_micros(pause)).await,
        }
    }
    None
}

async fn whole(guard: &RedisReplayGuard, nonce: &str, at: u64) -> Claimed {
    cancelled(guard, nonce, at, 1_000_000, 0).await.unwrap()
}

/// Each task claims nonces of its own, so that it knows what the right answer is.
async fn storm(guard: RedisReplayGuard, at: u64, seed: u64, cancellations: usize) {
    const TASKS: usize = 16;
    let done = Arc::new(AtomicUsize::new(0));
    let tasks = (0..TASKS).map(|task| {
        let (guard, done) = (guard.clone(), Arc::clone(&done));
        let mut random = Random(seed.wrapping_mul(task as u64 + 1) | 1);
        tokio::spawn(async move {
            let mut round = 0;
            while done.load(Ordering::Relaxed) < cancellations {
                round += 1;
                let (left, kept) = (format!("{seed}-{task}-{round}-left"), format!("{seed}-{task}-{round}-kept"));
                let first = cancelled(&guard, &left, at, random.below(6), random.below(3) * 40).await;
                done.fetch_add(usize::from(first.is_none()), Ordering::Relaxed);
                assert!(matches!(first, None | Some(Claimed::Fresh)), "{first:?}");
                assert_eq!(whole(&guard, &kept, at).await, Claimed::Fresh);
                let second = whole(&guard, &left, at).await;
                let accepted = [first, Some(second)].iter().filter(|one| **one == Some(Claimed::Fresh)).count();
                assert!(accepted <= 1 && matches!(second, Claimed::Fresh | Claimed::Seen), "{first:?} {second:?}");
                assert_eq!(whole(&guard, &left, at).await, Claimed::Seen);
                assert_eq!(whole(&guard, &kept, at).await, Claimed::Seen);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i_05_x_09_in_a_real_redis() {
    let Some(redis) = Redis::start(&[]) else { return };
    let guard = RedisReplayGuard::connect(&redis.url()).await.unwrap().deadline(Duration::from_secs(10));
    storm(guard, now(), seed(), 2000).await;
}

#[tokio::test]
async fn i_05_x_09_over_one_scripted_connection() {
    let spent = Arc::new(Mutex::new(HashSet::new()));
    let server = Scripted::start(move |words| match spent.lock().unwrap().insert(words[1].clone()) {
        true => Play::Say(b"+OK\r\n".to_vec()),
        false => Play::Say(b"$-1\r\n".to_vec()),
    });
    let server = server.await;
    let guard = RedisReplayGuard::lazy(&server.url()).unwrap().deadline(Duration::from_secs(10));
    storm(guard, NOW, seed(), 2000).await;
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes a minute or more"]
async fn x_09_a_hundred_thousand_cancellations() {
    let Some(redis) = Redis::start(&[]) else { return };
    let guard = RedisReplayGuard::connect(&redis.url()).await.unwrap().deadline(Duration::from_secs(10));
    storm(guard, now(), seed(), 100_000).await;
}

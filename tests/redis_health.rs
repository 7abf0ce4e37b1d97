//! A guard finds out that Redis is gone, and that it is back, whoever asks and however long.
#![cfg(feature = "redis")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use support::scripted::{Play, Scripted, claim};
use tower_hmac::replay::{Claimed, RedisReplayGuard};

/// Silent as long as `silent` is not zero.
async fn server(silent: &Arc<AtomicUsize>) -> Scripted {
    let silent = Arc::clone(silent);
    let play = move |_: &[String]| match silent.load(Ordering::SeqCst) {
        0 => Play::Say(b"+OK\r\n".to_vec()),
        _ => Play::Silence,
    };
    Scripted::start(play).await
}

async fn burst(guard: &RedisReplayGuard, name: &str) -> usize {
    let answers = join_all((0..50).map(async |n| claim(&guard.clone(), &format!("{name}-{n}")).await)).await;
    answers.iter().filter(|answer| **answer == Claimed::Fresh).count()
}

#[tokio::test]
async fn a_failure_of_long_ago_says_nothing_about_the_next_claims() {
    let silent = Arc::new(AtomicUsize::new(1));
    let server = server(&silent).await;
    let guard = server.guard().deadline(Duration::from_millis(100));
    assert_eq!(claim(&guard, "first").await, Claimed::Unavailable);
    silent.store(0, Ordering::SeqCst);
    // At once, all but one are refused.
    assert!(burst(&guard.clone().prefix("early:"), "early").await <= 1);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(burst(&guard.deadline(Duration::from_secs(5)), "late").await, 50);
}

#[tokio::test]
async fn callers_that_give_up_before_the_deadline_are_failures_too() {
    let silent = Arc::new(AtomicUsize::new(1));
    let server = server(&silent).await;
    let guard = server.guard();
    let impatient = |name: String| {
        let guard = guard.clone();
        async move { tokio::time::timeout(Duration::from_millis(150), claim(&guard, &name)).await }
    };
    let first = join_all((0..50).map(|n| impatient(format!("first-{n}")))).await;
    assert!(first.iter().all(Result::is_err));
    let before = server.commands().len();
    let second = join_all((0..50).map(|n| impatient(format!("second-{n}")))).await;
    assert_eq!(second.iter().filter(|answer| **answer == Ok(Claimed::Unavailable)).count(), 49);
    assert_eq!(server.commands().len(), before + 1, "nothing piles up");
    // The old connection is given up: this server still owes it its answers.
    silent.store(0, Ordering::SeqCst);
    let start = Instant::now();
    while impatient(format!("{:?}", start.elapsed())).await != Ok(Claimed::Fresh) {
        assert!(start.elapsed() < Duration::from_secs(5), "no recovery");
    }
    assert!(server.connections.load(Ordering::SeqCst) >= 2);
}

#[tokio::test]
async fn a_caller_that_gives_up_at_once_is_no_failure() {
    let silent = Arc::new(AtomicUsize::new(0));
    let server = server(&silent).await;
    let guard = server.guard();
    assert_eq!(claim(&guard, "first").await, Claimed::Fresh);
    silent.store(1, Ordering::SeqCst);
    tokio::time::timeout(Duration::from_millis(1), claim(&guard, "hasty")).await.unwrap_err();
    let before = server.commands().len();
    let later = Duration::from_millis(50);
    join_all((0..10).map(async |n| _ = tokio::time::timeout(later, claim(&guard, &n.to_string())).await)).await;
    assert_eq!(server.commands().len(), before + 10);
}

#[tokio::test]
async fn a_guard_that_waits_for_replicas_speaks_for_itself_alone() {
    let server = Scripted::start(|words| match &*words[0] {
        "SET" => Play::Say(b"+OK\r\n".to_vec()),
        _ => Play::Say(b":0\r\n".to_vec()),
    });
    let server = server.await;
    let plain = server.guard();
    assert_eq!(claim(&plain.clone().replicas(1), "sure").await, Claimed::Unavailable);
    assert_eq!(burst(&plain, "plain").await, 50);
}

#[tokio::test]
async fn what_is_known_is_refused_and_does_not_hide_that_replicas_are_missing() {
    let server = Scripted::start(|words| match &*words[0] {
        "SET" => Play::Say(b"$-1\r\n".to_vec()),
        _ => Play::Say(b":0\r\n".to_vec()),
    });
    let server = server.await;
    let guard = server.guard().replicas(1);
    assert_eq!(claim(&guard, "known").await, Claimed::Seen);
    let before = server.commands().len();
    burst(&guard, "more").await;
    assert_eq!(server.commands().len(), before + 2, "one claim, and its question");
}

#[test]
fn outside_a_runtime_there_is_an_error() {
    let error = RedisReplayGuard::lazy("redis://127.0.0.1:1/").unwrap_err();
    assert!(error.to_string().contains("runtime"), "{error}");
}

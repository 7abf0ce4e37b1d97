//! Whatever a Redis answers but OK and nil, a claim ends in 503: no panic, no pass, no second attempt.
#![cfg(feature = "redis")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use support::body::Script;
use support::scripted::{Play, Scripted, claim};
use support::service::Inner;
use support::wire::Wire;
use tower::{Layer, ServiceExt};
use tower_hmac::RejectionKind;
use tower_hmac::replay::{Claimed, RedisReplayGuard};

#[tokio::test]
async fn a_claim_is_one_round_trip_and_one_command() {
    let server = Scripted::saying("+OK\r\n").await;
    let guard = server.guard();
    for n in 0..100 {
        assert_eq!(claim(&guard, &n.to_string()).await, Claimed::Fresh);
    }
    let commands = server.commands();
    assert_eq!(commands.len(), 100);
    for words in commands {
        let [set, key, value, nx, px, life] = &words[..] else { panic!("{words:?}") };
        assert_eq!([set, value, nx, px, life].map(|word| &**word), ["SET", "1", "NX", "PX", "361000"]);
        assert!(key.starts_with("tower-hmac:1:"));
    }
}

#[tokio::test]
async fn a_redis_that_cannot_serve_is_an_error_at_the_start() {
    let cases = [
        ("-LOADING Redis is loading the dataset in memory", false),
        ("-NOAUTH Authentication required.", false),
        ("-MASTERDOWN Link with MASTER is down", false),
        // Services that are managed say so to CONFIG.
        ("-ERR unknown command 'CONFIG'", true),
        ("-NOPERM this user has no permissions to run the 'config|get' command", true),
    ];
    for (answer, served) in cases {
        let server = Scripted::saying(&format!("{answer}\r\n")).await;
        let result = RedisReplayGuard::connect(&server.url()).await;
        assert_eq!(result.is_ok(), served, "{answer}: {result:?}");
    }
}

#[tokio::test]
async fn x_06_a_primary_that_was_demoted_is_left() {
    for (answer, connections) in [("-READONLY You can't write against a read only replica.", 2), ("-OOM no", 1)] {
        let server = Scripted::saying(&format!("{answer}\r\n")).await;
        let guard = server.guard();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(1500) {
            assert_eq!(claim(&guard, "one").await, Claimed::Unavailable);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(server.connections.load(Ordering::SeqCst), connections, "{answer}");
    }
}

#[tokio::test]
async fn i_14_50_claims_at_once_share_one_connection() {
    let server = Scripted::saying("+OK\r\n").await;
    let guard = server.guard();
    let answers = join_all((0..50).map(async |n| claim(&guard.clone(), &n.to_string()).await)).await;
    assert!(answers.iter().all(|answer| *answer == Claimed::Fresh));
    assert_eq!((server.connections.load(Ordering::SeqCst), server.commands().len()), (1, 50));
}

#[tokio::test]
async fn x_06_every_other_answer_is_503_and_the_guard_recovers() {
    let errors = [
        "-OOM command not allowed when used memory > 'maxmemory'.",
        "-READONLY You can't write against a read only replica.",
        "-LOADING Redis is loading the dataset in memory",
        "-MISCONF Redis is configured to save RDB snapshots",
        "-MOVED 3999 127.0.0.1:6381",
        "-ASK 3999 127.0.0.1:6381",
        "-BUSY Redis is busy running a script.",
        "-NOAUTH Authentication required.",
        "-CLUSTERDOWN The cluster is down",
        "-ERR syntax error",
        "-",
    ];
    let values = [
        "+QUEUED",
        "+",
        ":1",
        ":0",
        "$2\r\nOK",
        "$3\r\nyes",
        "$0\r\n",
        "*0",
        "*1\r\n+OK",
        "*1\r\n$-1",
        "#t",
        "%1\r\n+a\r\n+OK",
        ",1.5",
        "(1",
        "~0",
        ">1\r\n+message",
    ];
    // What ends the connection, or the patience of the guard: truncated, and no Redis at all.
    let broken = [
        "+OK",
        "$5\r\nOK",
        "*2\r\n+OK\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "\0\0\0\0",
        "$1073741824\r\nx",
        "$x\r\n",
        "",
    ];
    let whole = errors.iter().chain(&values).map(|text| (format!("{text}\r\n"), false));
    let broken = broken.iter().flat_map(|text| [((*text).to_owned(), false), ((*text).to_owned(), true)]);
    for (answer, close) in whole.chain(broken) {
        let (count, bytes) = (Arc::new(AtomicUsize::new(0)), answer.clone().into_bytes());
        let played = Arc::clone(&count);
        let server = Scripted::start(move |_| match (played.fetch_add(1, Ordering::SeqCst), close) {
            (0, false) => Play::Say(bytes.clone()),
            (0, true) => Play::SayAndClose(bytes.clone()),
            _ => Play::Say(b"+OK\r\n".to_vec()),
        });
        let server = server.await;
        let guard = RedisReplayGuard::lazy(&server.url()).unwrap().deadline(Duration::from_millis(200));
        assert_eq!(claim(&guard, "first").await, Claimed::Unavailable, "{answer:?} {close}");
        assert_eq!(count.load(Ordering::SeqCst), 1, "{answer:?} was tried again");
        // An answer that never becomes whole keeps the connection until it is given up.
        let start = Instant::now();
        while claim(&guard, "later").await != Claimed::Fresh {
            assert!(start.elapsed() < Duration::from_secs(10), "{answer:?} {close}: no recovery");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn i_02_the_layer_answers_503_and_the_service_is_not_called() {
    let server = Scripted::saying("-OOM command not allowed\r\n").await;
    let inner = Inner::ok();
    let service = support::layer().replay_guard(server.guard()).layer(inner.clone());
    for wire in [Wire::get("/"), Wire::post("/pay", "{}")] {
        let response = service.clone().oneshot(wire.request(Script::bytes(wire.body.clone()))).await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(response.extensions().get(), Some(&RejectionKind::GuardUnavailable));
    }
    assert_eq!(inner.calls(), 0);
    // The same layer over a Redis that says yes.
    let service = support::layer().replay_guard(Scripted::saying("+OK\r\n").await.guard()).layer(inner.clone());
    let response = service.oneshot(Wire::get("/").request(Script::new([]))).await.unwrap();
    assert_eq!((response.status().as_u16(), inner.calls()), (200, 1));
}

#[tokio::test]
async fn i_03_silence_is_503_at_the_deadline_and_one_claim_at_a_time_asks_again() {
    let silent = Arc::new(AtomicUsize::new(1));
    let play = Arc::clone(&silent);
    let server = Scripted::start(move |_| match play.load(Ordering::SeqCst) {
        0 => Play::Say(b"+OK\r\n".to_vec()),
        _ => Play::Silence,
    });
    let server = server.await;
    let guard = RedisReplayGuard::lazy(&server.url()).unwrap().deadline(Duration::from_millis(100));
    let start = Instant::now();
    let answers = join_all((0..200).map(async |n| claim(&guard, &n.to_string()).await)).await;
    assert!(answers.iter().all(|answer| *answer == Claimed::Unavailable));
    assert!(start.elapsed() >= Duration::from_millis(100));
    let before = server.commands().len();
    let answers = join_all((200..400).map(async |n| claim(&guard, &n.to_string()).await)).await;
    assert!(answers.iter().all(|answer| *answer == Claimed::Unavailable));
    assert_eq!(server.commands().len(), before + 1, "nothing piles up");
    silent.store(0, Ordering::SeqCst);
    // This server still owes the old connection its answers, so it takes a new one.
    while claim(&guard, "later").await != Claimed::Fresh {
        assert!(start.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let answers = join_all((400..600).map(async |n| claim(&guard, &n.to_string()).await)).await;
    assert!(answers.iter().all(|answer| *answer == Claimed::Fresh));
}

#[tokio::test]
async fn x_07_a_reply_that_is_lost_leaves_the_nonce_spent() {
    const ROUNDS: usize = 200;
    use std::collections::HashSet;
    use std::sync::Mutex;

    let spent = Arc::new(Mutex::new(HashSet::new()));
    let server = Scripted::start(move |words| match spent.lock().unwrap().insert(words[1].clone()) {
        // Heard, but the connection breaks before the answer.
        true => Play::SayAndClose(Vec::new()),
        false => Play::Say(b"$-1\r\n".to_vec()),
    });
    let guard = server.await.guard();
    for n in 0..ROUNDS {
        assert_eq!(claim(&guard, &n.to_string()).await, Claimed::Unavailable);
        assert_eq!(claim(&guard, &n.to_string()).await, Claimed::Seen);
    }
}

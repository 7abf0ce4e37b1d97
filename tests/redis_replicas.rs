//! A claim that waits for replicas passes when enough of them have it, and not otherwise.
#![cfg(feature = "redis")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use support::scripted::{Play, Scripted, claim};
use tower_hmac::replay::Claimed;

#[tokio::test]
async fn a_claim_that_waits_for_replicas_is_two_commands_and_counts_them() {
    // What the second command is answered with, for one replica that is wanted.
    let cases = [
        (":1", Claimed::Fresh),
        (":2", Claimed::Fresh),
        (":0", Claimed::Unavailable),
        (":-1", Claimed::Unavailable),
        ("+OK", Claimed::Unavailable),
        ("$1\r\n1", Claimed::Unavailable),
        ("*1\r\n:1", Claimed::Unavailable),
        ("$-1", Claimed::Unavailable),
        ("-ERR unknown command 'WAIT'", Claimed::Unavailable),
    ];
    for (heard, outcome) in cases {
        let set = Arc::new(AtomicUsize::new(0));
        let server = Scripted::start(move |words| match (&*words[0], set.load(Ordering::SeqCst)) {
            ("SET", 0) => {
                set.store(1, Ordering::SeqCst);
                Play::Say(b"+OK\r\n".to_vec())
            }
            ("SET", _) => Play::Say(b"$-1\r\n".to_vec()),
            _ => Play::Say(format!("{heard}\r\n").into_bytes()),
        });
        let server = server.await;
        let guard = server.guard().replicas(1);
        assert_eq!(claim(&guard, "one").await, outcome, "{heard}");
        assert_eq!(claim(&guard, "one").await, Claimed::Seen, "{heard}");
        let commands = server.commands();
        assert_eq!([&*commands[0][0], &*commands[2][0]], ["SET", "SET"]);
        assert_eq!([&commands[1], &commands[3]], [&["WAIT", "1", "4000"]; 2]);
    }
    // A claim that fails is not saved by its replicas.
    let refusing = Scripted::start(|words| match &*words[0] {
        "SET" => Play::Say(b"-OOM command not allowed\r\n".to_vec()),
        _ => Play::Say(b":1\r\n".to_vec()),
    });
    assert_eq!(claim(&refusing.await.guard().replicas(1), "one").await, Claimed::Unavailable);
}

#[tokio::test]
async fn while_replicas_are_missing_one_claim_at_a_time_asks_for_them() {
    let replicas = Arc::new(AtomicUsize::new(0));
    let there = Arc::clone(&replicas);
    let server = Scripted::start(move |words| match &*words[0] {
        "SET" => Play::Say(b"+OK\r\n".to_vec()),
        _ => Play::Say(format!(":{}\r\n", there.load(Ordering::SeqCst)).into_bytes()),
    });
    let server = server.await;
    let guard = server.guard().replicas(1);
    assert_eq!(claim(&guard, "first").await, Claimed::Unavailable);
    let answers = join_all((0..200).map(async |n| claim(&guard, &n.to_string()).await)).await;
    assert!(answers.iter().all(|answer| *answer == Claimed::Unavailable));
    assert_eq!(server.commands().len(), 4, "each keeps the connection from all others");
    replicas.store(1, Ordering::SeqCst);
    let start = Instant::now();
    while claim(&guard, "later").await != Claimed::Fresh {
        assert!(start.elapsed() < Duration::from_secs(10), "the replica is back, and nothing passes");
    }
    let answers = join_all((200..400).map(async |n| claim(&guard, &n.to_string()).await)).await;
    assert!(answers.iter().all(|answer| *answer == Claimed::Fresh));
}

#[tokio::test]
async fn the_shortest_wait_is_not_for_ever() {
    let server = Scripted::saying("+OK\r\n").await;
    let guard = server.guard().replicas(1);
    for (deadline, wait) in [(Duration::from_secs(1), "800"), (Duration::from_millis(1), "1")] {
        claim(&guard.clone().deadline(deadline), wait).await;
        let start = Instant::now();
        while server.commands().last().is_none_or(|words| *words != ["WAIT", "1", wait]) {
            assert!(start.elapsed() < Duration::from_secs(10), "{:?}", server.commands());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert_eq!(claim(&guard.deadline(Duration::MAX), "long").await, Claimed::Unavailable);
}

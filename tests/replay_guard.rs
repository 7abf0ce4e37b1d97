//! The guard in memory accepts each claim once, forgets nothing that is alive, and stays within its capacity.

mod support;

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tower_hmac::KeyId;
use tower_hmac::replay::{Claimed, MemoryReplayGuard, ReplayClaim, ReplayGuard};

fn id(name: &str) -> KeyId {
    KeyId::new(name).unwrap()
}

fn claim<'a>(key_id: &'a KeyId, nonce: &'a str, valid_until: u64, now: u64) -> ReplayClaim<'a> {
    ReplayClaim { key_id, nonce, valid_until, now }
}

#[test]
fn h_02_of_64_equal_claims_at_once_exactly_one_is_fresh() {
    const ROUNDS: usize = 100_000;
    const THREADS: usize = 4;
    let guard = MemoryReplayGuard::new();
    let (fresh, odd) = (counters(ROUNDS), AtomicUsize::new(0));
    let nonces: Vec<String> = (0..ROUNDS).map(|round| format!("nonce-{round:016}")).collect();
    let start = Barrier::new(THREADS);
    let key = id("svc-a");
    // Every thread walks all rounds with its 16 copies; they meet again every 1000 rounds.
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for (round, nonce) in nonces.iter().enumerate() {
                    if round % 1000 == 0 {
                        start.wait();
                    }
                    for _ in 0..64 / THREADS {
                        match guard.spend(&claim(&key, nonce, 2000, 1000)) {
                            Claimed::Fresh => fresh[round].fetch_add(1, Ordering::Relaxed),
                            Claimed::Seen => 0,
                            _ => odd.fetch_add(1, Ordering::Relaxed),
                        };
                    }
                }
            });
        }
    });
    assert!(fresh.iter().all(|count| count.load(Ordering::Relaxed) == 1));
    assert_eq!((guard.len(), odd.into_inner()), (ROUNDS, 0));
}

#[test]
fn h_02_also_when_the_guard_is_full_and_makes_room() {
    const ROUNDS: usize = 2000;
    const THREADS: usize = 4;
    const CAPACITY: usize = 8;
    let guard = MemoryReplayGuard::with_capacity(CAPACITY).unwrap();
    let (start, key) = (Barrier::new(THREADS), id("svc-a"));
    let (fresh, odd) = (counters(ROUNDS * CAPACITY), AtomicUsize::new(0));
    // In each round new nonces want the places of the last round's, which have just expired.
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for round in 0..ROUNDS {
                    start.wait();
                    for n in 0..CAPACITY {
                        match guard.spend(&claim(&key, &format!("{round}-{n}"), round as u64, round as u64)) {
                            Claimed::Fresh => fresh[round * CAPACITY + n].fetch_add(1, Ordering::Relaxed),
                            // A place that a twin holds for a moment may turn one away.
                            Claimed::Seen | Claimed::Full => 0,
                            _ => odd.fetch_add(1, Ordering::Relaxed),
                        };
                    }
                    odd.fetch_add(usize::from(guard.len() > CAPACITY), Ordering::Relaxed);
                }
            });
        }
    });
    let fresh: Vec<usize> = fresh.into_iter().map(AtomicUsize::into_inner).collect();
    assert!(fresh.iter().all(|count| *count <= 1));
    assert!(fresh.chunks(CAPACITY).all(|round| round.contains(&1)));
    assert_eq!(odd.into_inner(), 0);
}

fn counters(count: usize) -> Vec<AtomicUsize> {
    (0..count).map(|_| AtomicUsize::new(0)).collect()
}

#[test]
fn h_05_two_keys_may_use_the_same_nonce() {
    let guard = MemoryReplayGuard::new();
    let (one, other) = (id("svc-a"), id("svc-b"));
    for key in [&one, &other] {
        assert_eq!(guard.spend(&claim(key, "same", 1000, 1000)), Claimed::Fresh);
        assert_eq!(guard.spend(&claim(key, "same", 1000, 1000)), Claimed::Seen);
    }
    assert_eq!(guard.len(), 2);
}

#[test]
fn h_06_key_id_and_nonce_cannot_be_moved_into_one_another() {
    let guard = MemoryReplayGuard::new();
    for (key, nonce) in [("a", "bc"), ("ab", "c"), ("abc", ""), ("a", "b"), ("ab", "cd"), ("abc", "d")] {
        assert_eq!(guard.spend(&claim(&id(key), nonce, 1000, 1000)), Claimed::Fresh, "{key} {nonce}");
    }
    assert_eq!(guard.len(), 6);
}

#[test]
fn h_08_the_capacity_is_exact_and_a_full_guard_evicts_nothing() {
    for capacity in [1, 2, 1000, 5000] {
        let guard = MemoryReplayGuard::with_capacity(capacity).unwrap();
        let key = id("svc-a");
        let names: Vec<_> = (0..capacity).map(|n| n.to_string()).collect();
        for name in &names {
            assert_eq!(guard.spend(&claim(&key, name, 1300, 1000)), Claimed::Fresh);
        }
        assert_eq!(guard.len(), capacity);
        for n in 0..100 {
            assert_eq!(guard.spend(&claim(&key, &format!("new-{n}"), 1300, 1300)), Claimed::Full);
            assert_eq!(guard.spend(&claim(&id("svc-b"), &format!("new-{n}"), 1300, 1300)), Claimed::Full);
        }
        assert!(names.iter().all(|name| guard.spend(&claim(&key, name, 1300, 1300)) == Claimed::Seen));
        assert_eq!(guard.len(), capacity);
    }
    assert!(MemoryReplayGuard::with_capacity(0).is_err());
}

#[test]
fn expiry_makes_room_and_not_a_second_earlier() {
    let guard = MemoryReplayGuard::with_capacity(100).unwrap();
    let key = id("svc-a");
    for n in 0..100 {
        assert_eq!(guard.spend(&claim(&key, &format!("old-{n}"), 1300, 1000)), Claimed::Fresh);
    }
    assert_eq!(guard.spend(&claim(&key, "new", 1600, 1300)), Claimed::Full);
    for n in 0..100 {
        assert_eq!(guard.spend(&claim(&key, &format!("new-{n}"), 1600, 1301)), Claimed::Fresh, "{n}");
    }
    assert_eq!(guard.spend(&claim(&key, "more", 1600, 1301)), Claimed::Full);
    for n in 0..100 {
        assert_eq!(guard.spend(&claim(&key, &format!("new-{n}"), 1600, 1301)), Claimed::Seen, "{n}");
    }
    assert_eq!(guard.len(), 100);
}

#[test]
fn a_claim_whose_time_is_over_is_expired_and_leaves_no_entry() {
    let (guard, key) = (MemoryReplayGuard::new(), id("svc-a"));
    assert_eq!(guard.spend(&claim(&key, "one", 999, 1000)), Claimed::Expired);
    assert!(guard.is_empty());
    assert_eq!(guard.spend(&claim(&key, "one", 1000, 1000)), Claimed::Fresh);
    // Its entry may be gone, so it must not be asked for again.
    assert_eq!(guard.spend(&claim(&key, "one", 1000, 1001)), Claimed::Expired);
    for edge in [0, 1, 1 << 31, 1 << 32, 1 << 40, u64::MAX] {
        let guard = MemoryReplayGuard::new();
        assert_eq!(guard.spend(&claim(&key, "edge", edge, edge)), Claimed::Fresh, "{edge}");
        assert_eq!(guard.spend(&claim(&key, "edge", edge, edge)), Claimed::Seen, "{edge}");
        assert_eq!(guard.spend(&claim(&key, "edge", u64::MAX, edge)), Claimed::Seen, "{edge}");
    }
}

#[test]
fn entries_go_away_with_time_and_clones_share_them() {
    let (guard, key) = (MemoryReplayGuard::new(), id("svc-a"));
    let clone = guard.clone();
    for n in 0..10_000 {
        assert_eq!(guard.spend(&claim(&key, &format!("old-{n}"), 1000, 1000)), Claimed::Fresh);
    }
    assert_eq!(clone.len(), 10_000);
    assert_eq!(clone.spend(&claim(&key, "old-7", 1000, 1000)), Claimed::Seen);
    for n in 0..10_000 {
        let name = format!("new-{n}");
        match clone.claim(&claim(&key, &name, 2000, 1001)) {
            tower_hmac::Answer::Ready(answer) => assert_eq!(answer, Claimed::Fresh),
            tower_hmac::Answer::Later(_) => panic!("a guard in memory answers at once"),
        }
    }
    // New ones bring more old ones out than come in, wherever there are any.
    assert!((10_000..10_500).contains(&guard.len()), "{}", guard.len());
}

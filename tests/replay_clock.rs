//! A wall clock that steps does not let a message in twice, and does not shut honest ones out for long.

mod support;

use support::body::Script;
use support::service::{CountingGuard, Inner, Outcome, send_to};
use support::wire::Wire;
use support::{KEY_ID, NOW};
use tower_hmac::clock::{ManualClock, Tolerance};
use tower_hmac::replay::{Claimed, MemoryReplayGuard, ReplayClaim};
use tower_hmac::{KeyId, RejectionKind};

fn door(clock: &ManualClock) -> impl AsyncFn(Wire) -> Outcome + use<> {
    let guard = CountingGuard::default();
    let layer = support::layer().clock(clock.clone()).replay_guard(guard.clone());
    async move |wire: Wire| send_to(layer.clone(), wire.request(Script::new([])), Inner::ok(), &guard).await
}

fn at(now: u64) -> Wire {
    Wire::get("/").timestamp(now)
}

#[tokio::test]
async fn g_10_a_clock_that_is_set_back_lets_nothing_in_that_was_forgotten() {
    let clock = support::clock();
    let door = door(&clock);
    let old: Vec<_> = (0..500).map(|n| at(NOW + n % 7)).collect();
    for wire in &old {
        door(wire.clone()).await.accepted();
    }
    // Enough claims later that most of the old ones are forgotten.
    clock.set(NOW + 3600);
    for _ in 0..2000 {
        door(at(NOW + 3600)).await.accepted();
    }
    clock.set(NOW);
    for wire in &old {
        let outcome = door(wire.clone()).await;
        assert_eq!((outcome.status().as_u16(), outcome.calls), (401, 0));
        assert!(matches!(outcome.kind(), Some(RejectionKind::Replay | RejectionKind::Stale)));
    }
}

#[tokio::test]
async fn g_11_a_clock_that_leaps_ahead_and_back_does_no_harm() {
    let clock = support::clock();
    let door = door(&clock);
    let before: Vec<_> = (0..200).map(|_| at(NOW)).collect();
    for wire in &before {
        door(wire.clone()).await.accepted();
    }
    clock.set(NOW + 3600);
    door(at(NOW + 1)).await.refused_unread(RejectionKind::Stale);
    // Somebody whose clock leapt as well.
    let ahead: Vec<_> = (0..200).map(|_| at(NOW + 3600)).collect();
    for wire in &ahead {
        door(wire.clone()).await.accepted();
    }
    clock.set(NOW + 2);
    for _ in 0..200 {
        door(at(NOW + 2)).await.accepted();
    }
    for wire in &before {
        assert_eq!(door(wire.clone()).await.calls, 0);
    }
    clock.set(NOW + 3601);
    for wire in &ahead {
        assert_eq!(door(wire.clone()).await.kind(), Some(RejectionKind::Replay));
    }
}

#[test]
fn x_11_a_wandering_clock_accepts_nothing_twice() {
    use std::collections::HashSet;
    let seed: u64 = std::env::var("SEED").map_or(0x5eed, |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    let mut state = seed | 1;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let (guard, id) = (MemoryReplayGuard::with_capacity(50_000).unwrap(), KeyId::new(KEY_ID).unwrap());
    let (mut now, mut accepted, mut fresh) = (NOW, HashSet::new(), 0);
    let mut sent: Vec<(String, u64)> = Vec::new();
    for n in 0..300_000 {
        now = match random(1000) {
            0 => now + 3600,
            1 => now.saturating_sub(3600).max(NOW - 7200),
            2..12 => now + random(61) - 30,
            12..40 => now + 1,
            _ => now,
        };
        if random(3) > 0 || sent.is_empty() {
            sent.push((n.to_string(), now + random(361)));
        }
        let recent = sent.len().saturating_sub(2000);
        let (nonce, until) = &sent[recent + random((sent.len() - recent) as u64) as usize];
        let claim = ReplayClaim { key_id: &id, nonce, valid_until: *until, now };
        if guard.spend(&claim) == Claimed::Fresh {
            fresh += 1;
            assert!(accepted.insert(nonce.clone()), "twice: {nonce}");
        }
    }
    println!("{fresh} accepted of {} messages", sent.len());
    assert!(fresh > 10_000);
}

#[tokio::test]
async fn h_15_after_a_restart_nothing_passes_that_may_have_passed_before() {
    let clock = support::clock();
    let restart = || MemoryReplayGuard::new().after_restart(NOW, Tolerance::default());
    let ask = async |wire: &Wire| {
        let layer = support::layer().clock(clock.clone()).replay_guard(restart());
        let response =
            tower::ServiceExt::oneshot(tower::Layer::layer(&layer, Inner::ok()), wire.request(Script::new([])));
        response.await.unwrap().status().as_u16()
    };
    // All that a clock at the restart would have taken, up to a minute ahead of it.
    for timestamp in [NOW - 300, NOW - 1, NOW, NOW + 1, NOW + 60] {
        assert_eq!(ask(&at(timestamp)).await, 401, "{timestamp}");
    }
    clock.set(NOW + 2);
    assert_eq!(ask(&at(NOW + 60)).await, 401);
    assert_eq!(ask(&at(NOW + 61)).await, 200);
    let layer = support::layer().clock(clock.clone()).replay_guard(MemoryReplayGuard::new());
    let service = tower::Layer::layer(&layer, Inner::ok());
    let response = tower::ServiceExt::oneshot(service, at(NOW).request(Script::new([]))).await.unwrap();
    assert_eq!(response.status(), 200, "without it, a restart forgets");
}

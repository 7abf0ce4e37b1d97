//! An entry outlives its message: whenever the guard has forgotten a message, the message is no longer fresh.

mod support;

use std::time::Duration;

use support::NOW;
use support::body::Script;
use support::service::{CountingGuard, Inner, Outcome, send_to};
use support::wire::Wire;
use tower_hmac::clock::{ManualClock, Tolerance};
use tower_hmac::replay::{Claimed, MemoryReplayGuard, ReplayClaim};
use tower_hmac::verify::RequestVerifier;
use tower_hmac::{Keys, RejectionKind, Scheme};

/// One guard behind one layer, asked again and again.
fn door(clock: &ManualClock) -> impl AsyncFn(Wire) -> Outcome + use<> {
    let guard = CountingGuard::default();
    let layer = support::layer().clock(clock.clone()).replay_guard(guard.clone());
    async move |wire: Wire| send_to(layer.clone(), wire.request(Script::new([])), Inner::ok(), &guard).await
}

#[tokio::test]
async fn h_09_a_message_from_the_future_is_remembered_until_it_is_stale() {
    let clock = support::clock();
    let door = door(&clock);
    let wire = Wire::get("/").timestamp(NOW + 60);
    door(wire.clone()).await.accepted();
    for (now, kind) in [(359, RejectionKind::Replay), (360, RejectionKind::Replay), (361, RejectionKind::Stale)] {
        clock.set(NOW + now);
        let outcome = door(wire.clone()).await;
        assert_eq!((outcome.kind(), outcome.calls), (Some(kind), 0), "{now}");
    }
}

#[tokio::test]
async fn h_10_when_the_entry_is_gone_the_message_is_stale() {
    let clock = support::clock();
    let door = door(&clock);
    let wire = Wire::get("/");
    door(wire.clone()).await.accepted();
    for now in [301, 360, 361, 362, 100_000] {
        clock.set(NOW + now);
        door(Wire::get("/").timestamp(NOW + now)).await.accepted();
        door(wire.clone()).await.refused_unread(RejectionKind::Stale);
    }
}

#[test]
fn h_10_an_entry_outlives_every_second_in_which_its_message_passes() {
    // All seconds around the window of some hundred messages, more than 10⁶ pairs of timestamp and now.
    let keys = Keys::from(support::key());
    let (mut pairs, mut passed) = (0_u64, 0_u64);
    for (past, future) in [(1, 1), (5, 5), (300, 60), (60, 300), (3600, 3600)] {
        let tolerance = Tolerance::new(Duration::from_secs(past), Duration::from_secs(future)).unwrap();
        let verifier = RequestVerifier::new(Scheme::native()).tolerance(tolerance);
        for offset in 0..120 {
            let guard = MemoryReplayGuard::new();
            let timestamp = NOW + offset * 1009;
            let (head, ()) = Wire::get("/").timestamp(timestamp).request(()).into_parts();
            let credentials = verifier.read(&head).unwrap();
            let authentic = verifier.check(&credentials, Some(&keys), timestamp).unwrap().finish(&head).unwrap();
            let mut expected = Claimed::Fresh;
            for now in timestamp - future - 100..=timestamp + past + 100 {
                pairs += 1;
                let passes = (timestamp - future..=timestamp + past).contains(&now);
                match authentic.replay_claim(now) {
                    Ok(claim) => {
                        assert!(passes, "accepted outside of its window");
                        assert_eq!(guard.spend(&claim), expected);
                        // Others come and go meanwhile, and clean up.
                        if now % 8 == 0 {
                            let other = now.to_string();
                            let other = ReplayClaim { nonce: &other, valid_until: now, ..claim };
                            assert_eq!(guard.spend(&other), Claimed::Fresh);
                        }
                        (expected, passed) = (Claimed::Seen, passed + 1);
                    }
                    Err(rejection) => {
                        assert!(!passes);
                        let late = [RejectionKind::Future, RejectionKind::Stale][usize::from(now > timestamp)];
                        assert_eq!(rejection.kind(), late);
                    }
                }
            }
        }
    }
    assert!(pairs > 1_000_000 && passed > 900_000, "{pairs} {passed}");
}

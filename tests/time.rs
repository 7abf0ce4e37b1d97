//! A request is accepted from one second to another, both inclusive, and its time is spelt in one way.

mod support;

use std::time::Duration;

use http::{HeaderValue, Request};
use support::body::{Script, Step};
use support::service::send;
use support::wire::{Wire, fresh_nonce};
use support::{NOW, clock, key};
use tower_hmac::RejectionKind::{self, BadMac, Future, Malformed, Stale};
use tower_hmac::clock::{Clock, ManualClock, SystemClock, Tolerance};
use tower_hmac::verify::RequestVerifier;
use tower_hmac::{HmacLayer, Keys, Scheme};

fn layer() -> HmacLayer {
    support::layer().drain_limit(0)
}

fn signed_at(timestamp: impl ToString) -> Wire {
    Wire::post("/", "{}").timestamp(timestamp)
}

fn request(wire: &Wire) -> Request<Script> {
    wire.request(Script::bytes(wire.body.clone()))
}

/// The timestamp is signed as it stands, so its spelling is all that is wrong.
async fn malformed(timestamps: &[&str]) {
    send(layer(), request(&signed_at(NOW))).await.accepted();
    for timestamp in timestamps {
        send(layer(), request(&signed_at(timestamp))).await.refused_unread(Malformed);
    }
}

#[tokio::test]
async fn g_01_not_a_number() {
    malformed(&["abc", "", "NaN", "1e9", "1e00000009", "1795303445.0", "1795303.45", "0x6b021055", "inf", "null"])
        .await;
    malformed(&["٣٤٥٦٧٨٩٠١٢", "１７９５３０３４４５", "1795303445\u{0660}", "179530344\u{00b2}", "Thu, 01 Jan 2026"])
        .await;
}

#[tokio::test]
async fn g_02_another_spelling_of_the_right_number() {
    malformed(&["+1795303445", "01795303445", "0001795303445", " 1795303445", "1795303445 ", "1795303445\t", "-0"])
        .await;
    malformed(&["+179530344", "0179530344", "1_795_303_445", "1795303445,1795303445", "1795303445;", "'1795303445'"])
        .await;
}

#[tokio::test]
async fn g_03_numbers_that_overflow() {
    let digits = "9".repeat(309);
    malformed(&["-1", "0", "1", "-9223372036854775808", "9223372036854775807", "18446744073709551615"]).await;
    malformed(&["18446744073709551616", "-1795303445", "999999999", "10000000000", "0000000000", &digits]).await;
    // The largest that can be written is a time like any other.
    for (timestamp, kind) in [("9999999999", Future), ("1000000000", Stale)] {
        send(layer(), request(&signed_at(timestamp))).await.refused_unread(kind);
    }
}

#[tokio::test]
async fn g_04_milliseconds_and_microseconds() {
    malformed(&["1795303445000", "1795303445000000", "1795303445123"]).await;
}

#[tokio::test]
async fn g_05_edges() {
    for (timestamp, kind) in [
        (NOW - 301, Some(Stale)),
        (NOW - 300, None),
        (NOW - 1, None),
        (NOW, None),
        (NOW + 1, None),
        (NOW + 60, None),
        (NOW + 61, Some(Future)),
    ] {
        let outcome = send(layer(), request(&signed_at(timestamp))).await;
        match kind {
            None => outcome.accepted(),
            Some(kind) => outcome.refused_unread(kind),
        }
    }
}

#[tokio::test]
async fn g_05_edges_of_another_tolerance() {
    for (past, future) in [(1, 1), (1, 3600), (3600, 1), (30, 300)] {
        let tolerance = Tolerance::new(Duration::from_secs(past), Duration::from_secs(future)).unwrap();
        let layer = || layer().tolerance(tolerance);
        for timestamp in [NOW - past, NOW + future] {
            send(layer(), request(&signed_at(timestamp))).await.accepted();
        }
        send(layer(), request(&signed_at(NOW - past - 1))).await.refused_unread(Stale);
        send(layer(), request(&signed_at(NOW + future + 1))).await.refused_unread(Future);
    }
}

#[tokio::test]
async fn g_05_whole_seconds() {
    let clock = clock();
    let layer = || layer().clock(clock.clone());
    clock.advance(Duration::from_millis(999));
    send(layer(), request(&signed_at(NOW - 300))).await.accepted();
    send(layer(), request(&signed_at(NOW + 61))).await.refused_unread(Future);
    clock.advance(Duration::from_millis(1));
    send(layer(), request(&signed_at(NOW - 300))).await.refused_unread(Stale);
    send(layer(), request(&signed_at(NOW + 61))).await.accepted();
    clock.set(NOW);
    send(layer(), request(&signed_at(NOW - 300))).await.accepted();
}

#[tokio::test]
async fn g_06_far_in_the_future() {
    let year = 365 * 24 * 3600;
    for ahead in [61, 3600, year, 10 * year, 100 * year] {
        send(layer(), request(&signed_at(NOW + ahead))).await.refused_unread(Future);
    }
}

#[tokio::test]
async fn g_07_timestamp_replaced() {
    let wire = signed_at(NOW - 301);
    send(layer(), request(&wire)).await.refused_unread(Stale);
    for fresh in (NOW - 300..=NOW + 60).step_by(20) {
        let mut request = request(&wire);
        let value = HeaderValue::from_str(&fresh.to_string()).unwrap();
        request.headers_mut().insert("x-hmac-timestamp", value);
        send(layer(), request).await.refused_unread(BadMac);
    }
    // Freshness is judged only when the signature is right.
    let forged = Wire { key_hex: "11".repeat(32), ..wire };
    send(layer(), request(&forged)).await.refused_unread(BadMac);
}

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Option<u64> {
        None
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

#[tokio::test]
async fn g_09_clock_that_cannot_be_trusted() {
    let broken = clock();
    broken.fail();
    for layer in [layer().clock(broken.clone()), layer().clock(Stopped)] {
        for wire in [signed_at(NOW), signed_at(1_000_000_000)] {
            let outcome = send(layer.clone(), request(&wire)).await;
            outcome.refused_unread(RejectionKind::Clock);
            assert_eq!(outcome.status(), 503);
        }
    }
    broken.set(NOW);
    send(layer().clock(broken), request(&signed_at(NOW))).await.accepted();
    // A clock that stands in 1970 works: to it, every message comes from the future.
    send(layer().clock(ManualClock::at(0)), request(&signed_at(NOW))).await.refused_unread(Future);
    send(layer().clock(ManualClock::at(u64::MAX)), request(&signed_at(NOW))).await.refused_unread(Stale);
    assert!(SystemClock::default().now().unwrap() > 1_700_000_000);
}

#[tokio::test]
async fn g_09_clock_that_fails_while_the_body_arrives() {
    let clock = clock();
    let failing = clock.clone();
    let slow = Script::new([Step::Data("{}".into()), Step::Yield]);
    let polls = slow.polls();
    let layer = layer().clock(clock);
    let wire = signed_at(NOW);
    let sent = send(layer, wire.request(slow));
    let (outcome, ()) = tokio::join!(sent, async {
        while polls.count() == 0 {
            tokio::task::yield_now().await;
        }
        failing.fail();
    });
    outcome.refused(RejectionKind::Clock);
}

#[test]
fn g_12_a_tolerance_lies_between_a_second_and_an_hour() {
    let second = Duration::from_secs(1);
    let allowed = |d: Duration| {
        let both = [Tolerance::new(d, second).is_ok(), Tolerance::new(second, d).is_ok()];
        assert_eq!(both[0], both[1]);
        both[0]
    };
    for fits in [1, 2, 299, 300, 3599, 3600] {
        assert!(allowed(Duration::from_secs(fits)), "{fits}");
    }
    for odd in [0, 3601, 10 * 365 * 24 * 3600, u64::MAX] {
        assert!(!allowed(Duration::from_secs(odd)), "{odd}");
    }
    for odd in [1, 999, 1001, 3_599_999, 3_600_001] {
        assert!(!allowed(Duration::from_millis(odd)), "{odd} ms");
    }
    assert!(!allowed(Duration::MAX));
    assert!(!allowed(Duration::from_nanos(1_000_000_001)));
}

#[test]
fn the_window_is_that_of_exact_arithmetic() {
    let edges = |around: u64| (0..=2).flat_map(move |by| [around.saturating_sub(by), around.saturating_add(by)]);
    let timestamps: Vec<u64> = [1_000_000_002, NOW, 1 << 31, 1 << 32, 9_999_999_997]
        .into_iter()
        .flat_map(edges)
        .chain([NOW - 3600, NOW + 3600])
        .collect();
    let mut verdicts = [0; 3];
    for &timestamp in &timestamps {
        let head = Wire::get("/").nonce(&fresh_nonce()).timestamp(timestamp).request(()).into_parts().0;
        for (past, future) in [(1, 1), (300, 60), (3600, 1), (1, 3600), (3600, 3600)] {
            let tolerance = Tolerance::new(Duration::from_secs(past), Duration::from_secs(future)).unwrap();
            let verifier = RequestVerifier::new(Scheme::native()).tolerance(tolerance);
            let credentials = verifier.read(&head).unwrap();
            let near = [timestamp + past, timestamp - future, timestamp].into_iter().flat_map(edges);
            let far = [0, 1 << 31, 1 << 32, i64::MAX as u64, u64::MAX / 2, u64::MAX].into_iter().flat_map(edges);
            for now in near.chain(far) {
                let age = i128::from(now) - i128::from(timestamp);
                let wanted = match age {
                    _ if age > i128::from(past) => Some(Stale),
                    _ if -age > i128::from(future) => Some(Future),
                    _ => None,
                };
                let found = verifier.check(&credentials, Some(&Keys::from(key())), now);
                assert_eq!(found.err().map(|r| r.kind()), wanted, "{timestamp} at {now} in {tolerance:?}");
                verdicts[wanted.map_or(0, |kind| 1 + usize::from(kind == Future))] += 1;
            }
        }
    }
    assert!(verdicts.iter().all(|count| *count > 500), "{verdicts:?}");
}

//! Strangers, however many, cost a key look-up and a MAC each, and nothing that stays.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use http::Request;
use support::body::Script;
use support::service::{CountingGuard, Inner, send};
use support::wire::Wire;
use tower::{Layer, ServiceExt};
use tower_hmac::{HmacLayer, KeyQuery, KeyStore, Lookup, RejectionKind, Scheme};

/// Counts the look-ups.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicUsize>);

impl KeyStore for Counted {
    fn lookup(&self, query: &KeyQuery<'_>) -> Lookup {
        self.0.fetch_add(1, Ordering::Relaxed);
        support::key().lookup(query)
    }
}

/// The memory that this process holds, in bytes.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[test]
fn l_01_a_hundred_thousand_bad_macs_leave_nothing_behind() {
    const COUNT: usize = 100_000;
    let (keys, guard, inner) = (Counted::default(), CountingGuard::default(), Inner::ok());
    let layer = HmacLayer::new(Scheme::native(), keys.clone()).unwrap().clock(support::clock());
    let service = layer.replay_guard(guard.clone()).layer(inner.clone());
    let (forged, ()) = Wire { key_hex: "00".repeat(32), ..Wire::post("/pay", "{}") }.request(()).into_parts();
    let send = |nonce: usize| {
        let mut head = forged.clone();
        head.headers.insert("x-hmac-nonce", format!("nonce-{nonce:016}").parse().unwrap());
        let body = Script::bytes("{}");
        let polls = body.polls();
        let response = service.clone().oneshot(Request::from_parts(head, body)).now_or_never().unwrap().unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(response.extensions().get(), Some(&RejectionKind::BadMac));
        assert_eq!(polls.count(), 0);
    };
    (0..1000).for_each(send);
    let before = resident();
    (1000..COUNT).for_each(send);
    match before.zip(resident()) {
        Some((before, after)) => {
            let growth = after.saturating_sub(before);
            println!("growth over {COUNT} strangers: {growth} bytes");
            assert!(growth < 8 << 20, "{growth} bytes");
        }
        None => assert!(std::env::var_os("CI").is_none(), "no /proc/self/status to read"),
    }
    assert_eq!(keys.0.load(Ordering::Relaxed), COUNT);
    assert_eq!((guard.claims(), inner.calls()), (0, 0));
}

#[tokio::test]
async fn l_01_twin_a_good_mac_is_looked_up_once_too() {
    let keys = Counted::default();
    let layer = HmacLayer::new(Scheme::native(), keys.clone()).unwrap().clock(support::clock());
    send(layer, Wire::post("/pay", "{}").request(Script::bytes("{}"))).await.accepted();
    assert_eq!(keys.0.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_malformed_request_is_not_looked_up() {
    let keys = Counted::default();
    let layer = HmacLayer::new(Scheme::native(), keys.clone()).unwrap().clock(support::clock());
    let outcome = send(layer, Wire::get("/").timestamp("yesterday").request(Script::new([]))).await;
    outcome.refused_unread(RejectionKind::Malformed);
    assert_eq!(keys.0.load(Ordering::Relaxed), 0);
}

//! What a request may cost: allocations, polls, claims, copies. Counted, not timed.

mod support;

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::Full;
use support::alloc::{Counting, Heap, measure};
use support::body::{Script, Step};
use support::service::{CountingGuard, Inner};
use support::wire::Wire;
use tower::{Layer, Service, service_fn};
use tower_hmac::replay::{Claimed, ReplayClaim, ReplayGuard};
use tower_hmac::{Answer, HmacBody, HmacLayer, KeyQuery, KeyStore, Lookup, RejectionKind, Scheme};

#[global_allocator]
static HEAP: Counting = Counting;

/// Answers every request with 1 KiB, without an allocation.
fn kilobyte() -> Inner {
    static BODY: [u8; 1024] = [b'y'; 1024];
    Inner::answering(|| Response::new(Full::new(Bytes::from_static(&BODY))))
}

/// What one call costs, from the request to the answer, both still held.
fn cost<S, B, RB>(service: &mut S, request: Request<B>) -> (Response<RB>, Heap)
where
    S: Service<Request<B>, Response = Response<RB>, Error = Infallible>,
{
    measure(|| {
        let mut future = std::pin::pin!(service.call(request));
        loop {
            if let Some(response) = future.as_mut().now_or_never() {
                return response.unwrap();
            }
        }
    })
}

fn post() -> Wire {
    Wire::post("/pay", vec![b'x'; 1024])
}

#[test]
fn an_accepted_request_allocates_at_most_8_times_beyond_the_service() {
    const COUNT: usize = 4096;
    let guard = CountingGuard::default();
    let mut service = support::layer().replay_guard(guard.clone()).layer(kilobyte());
    let (mut sum, mut worst, mut bytes) = (0, 0, 0);
    for _ in 0..COUNT {
        let wire = post();
        let (response, heap) = cost(&mut service, wire.request(Script::bytes(wire.body.clone())));
        assert_eq!(response.status(), 200);
        assert!(response.headers().contains_key("x-hmac-signature"));
        (sum, worst, bytes) = (sum + heap.allocations, worst.max(heap.allocations), bytes + heap.bytes);
    }
    let mean = sum as f64 / COUNT as f64;
    println!("accepted: {mean:.2} allocations on average, {worst} at worst, {} bytes", bytes / COUNT as i64);
    assert!(mean <= 8.0, "{mean}");
    assert_eq!(guard.claims(), COUNT, "one claim each");

    // Nothing but the guard's own growth differs from one request to the next.
    let mut service = support::layer().without_replay_guard().layer(kilobyte());
    let alike: Vec<i64> = (0..10)
        .map(|_| {
            let wire = post();
            cost(&mut service, wire.request(Script::bytes(wire.body.clone()))).1.allocations
        })
        .collect();
    println!("accepted without a guard: {} allocations", alike[0]);
    assert!(alike.iter().all(|count| *count == alike[0] && *count <= 8), "{alike:?}");
}

#[test]
fn a_stranger_allocates_at_most_6_times_and_2_kib() {
    let good = post();
    let malformed = |field: &'static str, value: &str| {
        let mut request = good.request(());
        request.headers_mut().insert(field, value.parse().unwrap());
        request
    };
    let mut unsigned = good.request(());
    unsigned.headers_mut().remove("x-hmac-signature").unwrap();
    let cases = [
        ("bad MAC", Wire { key_hex: "00".repeat(32), ..good.clone() }.request(()), RejectionKind::BadMac),
        ("unknown key", Wire { key_id: "nobody".into(), ..good.clone() }.request(()), RejectionKind::UnknownKey),
        ("malformed", malformed("x-hmac-timestamp", "yesterday"), RejectionKind::Malformed),
        ("long", malformed("x-hmac-nonce", &"x".repeat(60_000)), RejectionKind::Malformed),
        ("unsigned", unsigned, RejectionKind::Missing),
    ];
    let (guard, inner) = (CountingGuard::default(), kilobyte());
    let mut service = support::layer().replay_guard(guard.clone()).layer(inner.clone());
    for (name, head, kind) in cases {
        let (head, ()) = head.into_parts();
        let body = Script::new([Step::Stall]).declaring(1 << 20);
        let polls = body.polls();
        let (response, heap) = cost(&mut service, Request::from_parts(head, body));
        assert_eq!((response.status().as_u16(), response.extensions().get()), (401, Some(&kind)));
        println!("{name}: {} allocations, {} bytes", heap.allocations, heap.bytes);
        assert!(heap.allocations <= 6 && heap.bytes <= 2048, "{name}: {heap:?}");
        assert_eq!((polls.count(), guard.claims(), inner.calls()), (0, 0, 0));
    }
}

#[test]
fn a_body_is_polled_once_for_each_frame_and_once_for_its_end() {
    let guard = CountingGuard::default();
    let mut service = support::layer().replay_guard(guard.clone()).layer(kilobyte());
    for frames in [1, 2, 8] {
        let wire = post();
        let body = Script::chunks(&wire.body, 1024 / frames);
        let polls = body.polls();
        let before = guard.claims();
        assert_eq!(cost(&mut service, wire.request(body)).0.status(), 200);
        assert_eq!((polls.count(), guard.claims() - before), (frames + 1, 1));
    }
}

#[test]
fn what_is_hashed_after_the_last_frame_is_that_frame_in_steps() {
    const STEP: usize = 64 * 1024;
    let (first, last) = (32 * STEP, 8 * STEP);
    let wire = Wire::post("/upload", vec![b'x'; first + last]);
    let frame = |size| Step::Data(Bytes::from(vec![b'x'; size]));
    let polls = Arc::new(AtomicUsize::new(0));
    let arrived = Arc::new(AtomicUsize::new(usize::MAX));
    let (now, mark) = (Arc::clone(&polls), Arc::clone(&arrived));
    let mark = Step::Do(Box::new(move || mark.store(now.load(Ordering::SeqCst), Ordering::SeqCst)));
    let layer = support::layer().max_body(u64::MAX);
    let mut future =
        std::pin::pin!(layer.layer(Inner::ok()).call(wire.request(Script::new([frame(first), mark, frame(last)]))));
    let response = loop {
        polls.fetch_add(1, Ordering::SeqCst);
        if let Some(response) = future.as_mut().now_or_never() {
            break response.unwrap();
        }
    };
    assert_eq!(response.status(), 200);
    // The poll that brings the last frame hashes of it, too: were more left to do, there would be more polls.
    let arrived = arrived.load(Ordering::SeqCst);
    let after = polls.load(Ordering::SeqCst) - arrived;
    println!("32 steps and 8: the last frame came in poll {arrived}, {after} polls followed");
    assert!(arrived >= first / STEP, "more than a step in one poll");
    assert!((last / STEP..=last / STEP + 1).contains(&after), "{after}");
}

/// What the service gets for these frames: the frames it sees.
fn handed_on(frames: &[Bytes]) -> Vec<Bytes> {
    let whole: Vec<u8> = frames.concat();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&seen);
    let mut service = support::layer().layer(service_fn(move |request: Request<HmacBody<Script>>| {
        let mut body = request.into_body();
        let mut left = whole.len() as u64;
        while !body.is_end_stream() {
            assert_eq!(body.size_hint().exact(), Some(left));
            let frame = body.frame().now_or_never().unwrap().unwrap().unwrap().into_data().unwrap();
            left -= frame.len() as u64;
            keep.lock().unwrap().push(frame);
        }
        assert_eq!((body.size_hint().exact(), left), (Some(0), 0));
        assert!(body.frame().now_or_never().unwrap().is_none());
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
    }));
    let wire = Wire::post("/upload", frames.concat());
    let request = wire.request(Script::new(frames.iter().cloned().map(Step::Data)));
    assert_eq!(cost(&mut service, request).0.status(), 200);
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.concat(), frames.concat());
    seen
}

#[test]
fn a_single_frame_is_never_copied_and_larger_ones_are_kept() {
    for size in [1, 100, 4095, 4096, 1 << 20] {
        let frame = Bytes::from(vec![b'x'; size]);
        let seen = handed_on(std::slice::from_ref(&frame));
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].as_ptr(), seen[0].len()), (frame.as_ptr(), size), "{size}");
    }
    let frames: Vec<_> = (0..5).map(|n| Bytes::from(vec![b'a' + n; 4096])).collect();
    let seen = handed_on(&frames);
    assert!(seen.iter().map(|f| f.as_ptr()).eq(frames.iter().map(|f| f.as_ptr())));
}

#[test]
fn frames_under_4_kib_are_joined_and_the_order_stays() {
    let frame = |byte, size| Bytes::from(vec![byte; size]);
    let sizes = |frames: &[Bytes]| handed_on(frames).iter().map(Bytes::len).collect::<Vec<_>>();
    assert_eq!(sizes(&[frame(1, 10), frame(2, 20), frame(3, 30), frame(4, 4095)]), [10, 20 + 30 + 4095]);
    assert_eq!(sizes(&[frame(1, 5000), frame(2, 7), frame(3, 8), frame(4, 5000), frame(5, 9)]), [5000, 15, 5000, 9]);
    assert_eq!(sizes(&[frame(1, 0), frame(2, 5), frame(3, 0)]), [5]);
    // A joined frame has an end, too.
    assert!(sizes(&vec![frame(1, 1000); 1000]).iter().all(|size| *size <= 64 * 1024));
}

/// Answers at once, or in a box.
struct Late<T>(T, bool);

impl<K: KeyStore> KeyStore for Late<K> {
    fn lookup(&self, query: &KeyQuery<'_>) -> Lookup {
        match (self.0.lookup(query), self.1) {
            (Answer::Ready(found), true) => Answer::later(async move { found }),
            (found, _) => found,
        }
    }
}

struct Accepting;

impl ReplayGuard for Accepting {
    fn claim(&self, _: &ReplayClaim<'_>) -> Answer<Claimed> {
        Answer::Ready(Claimed::Fresh)
    }
}

impl<G: ReplayGuard> ReplayGuard for Late<G> {
    fn claim(&self, claim: &ReplayClaim<'_>) -> Answer<Claimed> {
        match (self.0.claim(claim), self.1) {
            (Answer::Ready(claimed), true) => Answer::later(async move { claimed }),
            (claimed, _) => claimed,
        }
    }
}

#[test]
fn a_later_look_up_or_claim_costs_its_box_and_no_more() {
    let count = |keys_late, claim_late| {
        let layer = HmacLayer::new(Scheme::native(), Late(support::key(), keys_late)).unwrap();
        let layer = layer.clock(support::clock()).replay_guard(Late(Accepting, claim_late));
        let wire = post();
        let (response, heap) = cost(&mut layer.layer(kilobyte()), wire.request(Script::bytes(wire.body.clone())));
        assert_eq!(response.status(), 200);
        heap.allocations
    };
    let base = count(false, false);
    assert_eq!((count(true, false), count(false, true), count(true, true)), (base + 1, base + 1, base + 2));
}

//! What a request costs in allocations, polls and copies.

mod support;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full};
use support::alloc::{Counting, Heap, measure};
use support::body::{Script, Step};
use support::service::{CountingGuard, Inner};
use support::wire::Wire;
use tower::{Layer, Service, service_fn};
use tower_hmac::replay::{Claimed, MemoryReplayGuard, ReplayClaim, ReplayGuard};
use tower_hmac::{Answer, HmacBody, HmacLayer, Key, KeyId, KeyQuery, Keys, Lookup, RejectionKind};

#[global_allocator]
static HEAP: Counting = Counting;

const KIB: usize = 1024;

fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// A request as a server makes it: its values share one buffer, which costs nothing to hand on.
fn request(wire: &Wire, body: Bytes) -> Request<Script> {
    wire.request(Script::bytes(body))
}

fn answering_one_kib() -> Inner {
    static TEXT: [u8; KIB] = [b'a'; KIB];
    Inner::answering(|| Response::new(Full::new(Bytes::from_static(&TEXT))))
}

/// Sends a request through `layer`, and tells what that took beyond the service itself.
fn cost(layer: &HmacLayer, request: Request<Script>) -> (Response<HmacBody<Full<Bytes>>>, Heap) {
    let mut service = layer.layer(answering_one_kib());
    let (response, heap) = measure(|| run(service.call(request)));
    (response.unwrap(), heap)
}

#[test]
fn an_accepted_request_takes_eight_allocations_at_most() {
    let (guard, id) = (MemoryReplayGuard::new(), KeyId::new("svc-b").unwrap());
    for n in 0..11_000 {
        let now = support::NOW;
        let claim = ReplayClaim { key_id: &id, nonce: &format!("nonce-of-b-{n}"), valid_until: now + 360, now };
        assert_eq!(guard.spend(&claim), Claimed::Fresh);
    }
    let layer = support::layer().replay_guard(guard);
    let count = |_| {
        let wire = Wire::post("/pay", vec![b'x'; KIB]);
        let (response, heap) = cost(&layer, request(&wire, wire.body.clone().into()));
        assert_eq!(response.status(), 200);
        wire.accepts(&response, &[b'a'; KIB]).unwrap();
        heap.allocations
    };
    let mut counts: Vec<_> = (0..100).map(count).collect();
    counts.sort();
    println!("accepted: {} allocations, {} when the guard grows", counts[50], counts[99]);
    // The guard grows a shard now and then: one claim in dozens pays for it.
    assert!(counts[80] <= 8, "{counts:?}");
    assert!(counts[99] <= 10, "{counts:?}");
}

#[test]
fn a_stranger_takes_six_allocations_and_two_kib_at_most() {
    let guard = CountingGuard::default();
    let layer = support::layer().replay_guard(guard.clone()).drain_limit(0);
    let wire = Wire::post("/pay", vec![b'x'; KIB]);
    let other_key = wire.clone().key("svc-a", "ff00ff00ff00ff00ff00ff00ff00ff00");
    let unknown = wire.clone().key("svc-z", support::KEY_HEX);
    let mut malformed = request(&wire, wire.body.clone().into());
    malformed.headers_mut().insert("x-hmac-timestamp", "soon".parse().unwrap());
    let strangers = [
        (RejectionKind::BadMac, request(&other_key, wire.body.clone().into())),
        (RejectionKind::UnknownKey, request(&unknown, wire.body.clone().into())),
        (RejectionKind::Malformed, malformed),
    ];
    // The stand-in key is made once for the process.
    cost(&layer, request(&unknown, Bytes::new()));
    for (kind, stranger) in strangers {
        let polls = stranger.body().polls();
        let (response, heap) = cost(&layer, stranger);
        assert_eq!(response.extensions().get(), Some(&kind));
        println!("{kind:?}: {} allocations, {} bytes", heap.allocations, heap.bytes);
        assert!(heap.allocations <= 6 && heap.bytes <= 2048, "{kind:?}: {heap:?}");
        assert_eq!((polls.count(), guard.claims()), (0, 0));
    }
}

#[test]
fn a_single_frame_is_polled_twice_claimed_once_and_never_copied() {
    let guard = CountingGuard::default();
    let layer = support::layer().replay_guard(guard.clone());
    let wire = Wire::post("/pay", vec![b'x'; KIB]);
    let frame = Bytes::from(wire.body.clone());
    let sent = frame.as_ptr();
    let mut service = layer.layer(service_fn(async |request: Request<HmacBody<Script>>| {
        assert_eq!(request.body().size_hint().exact(), Some(KIB as u64));
        let mut body = request.into_body();
        let received = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!((received.as_ptr(), received.len()), (sent, KIB));
        assert!(body.is_end_stream() && body.frame().await.is_none());
        Ok::<_, std::convert::Infallible>(Response::new(Empty::<Bytes>::new()))
    }));
    let request = request(&wire, frame.clone());
    let polls = request.body().polls();
    assert_eq!(run(service.call(request)).unwrap().status(), 200);
    assert_eq!((polls.count(), guard.claims()), (2, 1));
}

#[test]
fn small_frames_are_joined_and_large_ones_kept() {
    let large = Bytes::from(vec![b'l'; 4 * KIB]);
    let wire = Wire::post("/pay", [b"s".repeat(300), large.to_vec(), b"s".repeat(300)].concat());
    let small = || (0..300).map(|_| Step::Data(Bytes::from_static(b"s")));
    let body = Script::new(small().chain([Step::Data(large.clone())]).chain(small()));
    let at = large.as_ptr();
    let mut service = support::layer().layer(service_fn(async |request: Request<HmacBody<Script>>| {
        let mut body = request.into_body();
        let mut frames = Vec::new();
        while let Some(frame) = body.frame().await {
            frames.push(frame.map(Frame::into_data).unwrap().unwrap());
        }
        let sizes: Vec<_> = frames.iter().map(Bytes::len).collect();
        assert_eq!(sizes, [1, 299, 4 * KIB, 300]);
        assert_eq!(frames[2].as_ptr(), at, "a large frame was copied");
        Ok::<_, std::convert::Infallible>(Response::new(Empty::<Bytes>::new()))
    }));
    assert_eq!(run(service.call(wire.request(body))).unwrap().status(), 200);
}

#[test]
fn a_later_answer_costs_its_box() {
    struct Later;
    impl ReplayGuard for Later {
        fn claim(&self, _: &ReplayClaim<'_>) -> Answer<Claimed> {
            Answer::later(async { Claimed::Fresh })
        }
    }
    let least = |layer: &HmacLayer| {
        let one = || {
            let wire = Wire::post("/pay", vec![b'x'; KIB]);
            let (response, heap) = cost(layer, request(&wire, wire.body.clone().into()));
            assert_eq!(response.status(), 200);
            heap.allocations
        };
        (0..20).map(|_| one()).min().unwrap()
    };
    let at_once = least(&support::layer().without_replay_guard());
    let key: Key = support::key();
    let store = move |_: &KeyQuery<'_>| -> Lookup {
        let key = key.clone();
        Answer::later(async move { Ok(Some(Keys::from(key))) })
    };
    let later = HmacLayer::new(tower_hmac::Scheme::native(), store).unwrap().clock(support::clock());
    assert_eq!(least(&later.clone().without_replay_guard()), at_once + 1);
    assert_eq!(least(&later.replay_guard(Later)), at_once + 2);
}

#[test]
fn the_body_keeps_the_auto_traits_and_has_a_default_for_any_body() {
    struct NoBody;
    fn all<T: Send + Sync + Unpin + Default + From<Bytes>>() {}
    all::<HmacBody<NoBody>>();
    assert_eq!(HmacBody::<Full<Bytes>>::default().size_hint().exact(), Some(0));
}

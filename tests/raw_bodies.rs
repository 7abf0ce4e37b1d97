//! Schemes that sign the raw body: what a stranger can make the layer do before anything is checked.

mod support;

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::Full;
use support::alloc::{Counting, measure, so_far};
use support::body::{Script, Step};
use support::drive::drive;
use support::service::{CountingGuard, Inner, send, send_to};
use support::wire::{Wire, hex};
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::scheme::{Encoding, Field, Part, TimeFormat};
use tower_hmac::{HmacBody, HmacLayer, Key, KeyQuery, KeyStore, Lookup, RejectionKind, Scheme, webhook};

#[global_allocator]
static HEAP: Counting = Counting;

const SECRET: &[u8] = b"It's a Secret to Everybody";

fn key() -> Key {
    Key::from_bytes("github", SECRET).unwrap()
}

fn layer() -> HmacLayer {
    HmacLayer::new(webhook::github(), key()).unwrap().clock(support::clock())
}

fn signature(body: &[u8]) -> String {
    format!("sha256={}", hex(&support::wire::mac(&hex(SECRET), body)))
}

fn post(body: &[u8], script: Script) -> Request<Script> {
    let request = Request::post("/hook").header("host", support::AUTHORITY);
    request.header("x-hub-signature-256", signature(body)).body(script).unwrap()
}

/// Without a right signature.
fn stranger(script: Script) -> Request<Script> {
    let mut request = post(b"something else", script);
    request.headers_mut().insert("x-github-delivery", "1".parse().unwrap());
    request
}

fn kind<B>(response: &Response<B>) -> Option<RejectionKind> {
    response.extensions().get().copied()
}

/// Notes when it is asked.
#[derive(Clone)]
struct Noting {
    log: Arc<Mutex<Vec<&'static str>>>,
    known: bool,
}

impl KeyStore for Noting {
    fn lookup(&self, _: &KeyQuery<'_>) -> Lookup {
        self.log.lock().unwrap().push("keys");
        self.known.then(key).into()
    }
}

#[tokio::test]
async fn keys_come_first_and_once_and_the_guard_comes_last() {
    for (known, right, expected) in
        [(true, true, None), (true, false, Some(RejectionKind::BadMac)), (false, true, Some(RejectionKind::UnknownKey))]
    {
        let log = Arc::<Mutex<Vec<_>>>::default();
        let note = |what| {
            let log = Arc::clone(&log);
            Step::Do(Box::new(move || log.lock().unwrap().push(what)))
        };
        let script = Script::new([note("body"), Step::Data("he".into()), Step::Yield, Step::Data("llo".into())]);
        let keys = Noting { log: Arc::clone(&log), known };
        let layer = HmacLayer::new(webhook::github(), keys).unwrap().clock(support::clock());
        let request = post(if right { b"hello" } else { b"other" }, script);
        let outcome = send(layer, request).await;
        match expected {
            None => outcome.accepted(),
            // The body was read, and nothing else happened.
            Some(kind) => outcome.refused(kind),
        }
        assert!(outcome.polls >= 3);
        assert_eq!(*log.lock().unwrap(), ["keys", "body"], "known: {known}, right: {right}");
    }
}

#[tokio::test]
async fn an_unknown_key_is_refused_as_a_wrong_mac_is() {
    let log = Arc::default();
    let unknown = HmacLayer::new(webhook::github(), Noting { log, known: false }).unwrap();
    let (one, other) =
        (send(unknown, post(b"x", Script::bytes("x"))).await, send(layer(), stranger(Script::bytes("x"))).await);
    assert_eq!((one.status(), one.response.headers()), (other.status(), other.response.headers()));
    assert_eq!(one.polls, other.polls, "the stand-in takes the body, too");
}

#[tokio::test]
async fn the_limit_holds_for_strangers() {
    let limited = || layer().max_body(100);
    // Declared, in the head or by the body: nothing is read.
    let outcome = send(limited(), stranger(Script::bytes(vec![b'x'; 101]).declaring(101))).await;
    outcome.refused(RejectionKind::BodyTooLarge);
    assert_eq!((outcome.status().as_u16(), outcome.calls), (413, 0));
    // Not declared: nothing beyond the frame that crosses the limit is read.
    let outcome = send(limited(), stranger(Script::chunks(&[b'x'; 1000], 60))).await;
    outcome.refused(RejectionKind::BodyTooLarge);
    assert_eq!(outcome.polls, 2);
    let outcome = send(limited(), stranger(Script::bytes(vec![b'x'; 100]))).await;
    outcome.refused(RejectionKind::BadMac);
    send(limited(), post(&[b'x'; 100], Script::bytes(vec![b'x'; 100]))).await.accepted();
}

#[tokio::test]
async fn a_body_that_breaks_or_has_trailers_is_never_authentic() {
    let data = || Step::Data(Bytes::from_static(b"hello"));
    send(layer(), post(b"hello", Script::new([data(), Step::Error]))).await.refused(RejectionKind::BodyError);
    let trailers = http::HeaderMap::from_iter([(http::header::ETAG, "x".parse().unwrap())]);
    let request = post(b"hello", Script::new([data(), Step::Trailers(trailers)]));
    send(layer(), request).await.refused(RejectionKind::ForbiddenTrailer);
}

async fn quiet(_: Request<HmacBody<Script>>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::default())
}

#[tokio::test]
async fn strangers_hold_a_quarter_of_the_budget() {
    const BUDGET: usize = 1000;
    let service = layer().buffer_budget(BUDGET as u64).layer(service_fn(quiet));
    let upload = |size: usize| service.clone().oneshot(post(&vec![b'x'; size], Script::bytes(vec![b'x'; size])));
    assert_eq!(kind(&upload(BUDGET / 4).await.unwrap()), None);
    let over = upload(BUDGET / 4 + 1).await.unwrap();
    assert_eq!((over.status().as_u16(), kind(&over)), (503, Some(RejectionKind::Budget)));

    // They share it, and what is refused or dropped gives it back.
    let half = Step::Data(Bytes::from(vec![b'x'; BUDGET / 8]));
    let mut stalled = Box::pin(service.clone().oneshot(stranger(Script::new([half, Step::Stall]))));
    assert!(stalled.as_mut().now_or_never().is_none());
    assert_eq!(kind(&upload(BUDGET / 8 + 1).await.unwrap()), Some(RejectionKind::Budget));
    assert_eq!(kind(&upload(BUDGET / 8).await.unwrap()), None);
    drop(stalled);
    assert_eq!(kind(&upload(BUDGET / 4).await.unwrap()), None);
}

#[tokio::test]
async fn the_rest_of_the_budget_is_for_what_is_authentic() {
    const BUDGET: usize = 4000;
    // One endpoint, two formats: one that is checked by its head, and one that is not.
    let digest = Scheme::builder("digest")
        .signature(Field::header("x-signature"))
        .body_digest(Field::header("x-digest"))
        .timestamp(Field::header("x-time"), TimeFormat::Seconds)
        .message([Part::Timestamp, Part::literal("."), Part::BodySha256(Encoding::Hex)])
        .build()
        .unwrap();
    let either = Scheme::any([digest, webhook::github()]).unwrap();
    let layer = HmacLayer::new(either, key()).unwrap().clock(support::clock()).buffer_budget(BUDGET as u64);
    let service = layer.layer(service_fn(quiet));
    let full = Step::Data(Bytes::from(vec![b'x'; BUDGET / 4]));
    let mut strangers = Box::pin(service.clone().oneshot(stranger(Script::new([full, Step::Stall]))));
    assert!(strangers.as_mut().now_or_never().is_none());

    let body = vec![b'y'; BUDGET * 3 / 4];
    let sha256 = Wire::post("/", body.clone()).digest();
    let text = format!("{}.{sha256}", support::NOW);
    let proven = |body: Vec<u8>| {
        Request::post("/")
            .header("x-time", support::NOW)
            .header("x-digest", &sha256)
            .header("x-signature", hex(&support::wire::mac(&hex(SECRET), text.as_bytes())))
            .body(Script::bytes(body))
            .unwrap()
    };
    assert_eq!(kind(&service.clone().oneshot(proven(body.clone())).await.unwrap()), None);
    // The whole is one: what strangers hold is not there twice.
    let longer = [&body[..], b"y"].concat();
    assert_eq!(kind(&service.oneshot(proven(longer)).await.unwrap()), Some(RejectionKind::Budget));
}

#[tokio::test]
async fn a_guard_is_asked_once_the_mac_is_right_and_only_then() {
    let guard = CountingGuard::default();
    let calls = AtomicUsize::new(0);
    let ask = |request| {
        calls.fetch_add(1, Ordering::SeqCst);
        send_to(layer().replay_guard(guard.clone()), request, Inner::ok(), &guard)
    };
    ask(stranger(Script::bytes("hello"))).await.refused(RejectionKind::BadMac);
    ask(post(b"hello", Script::bytes("hello"))).await.accepted();
    let again = ask(post(b"hello", Script::bytes("hello"))).await;
    assert_eq!((again.kind(), again.calls, again.claims), (Some(RejectionKind::Replay), 0, 1));
    assert_eq!((guard.claims(), calls.into_inner()), (2, 3));
}

/// Of a scheme that needs the body in one piece.
#[test]
fn a_body_of_one_byte_frames_costs_no_more_than_a_few_copies() {
    const SIZE: usize = 1 << 20;
    let layer = HmacLayer::new(webhook::linear(), key()).unwrap().clock(support::clock());
    let body = vec![b'x'; SIZE];
    for size in [1, 100, 1 << 14, SIZE] {
        let request = Request::post("/hook").header("linear-signature", hex(&support::wire::mac("00", b"forged")));
        let request = request.body(Script::chunks(&body, size)).unwrap();
        let service = layer.clone().layer(service_fn(quiet));
        let (response, heap) =
            measure(|| drive(&mut Box::pin(service.oneshot(request)), usize::MAX).1.unwrap().unwrap());
        assert_eq!(kind(&response), Some(RejectionKind::BadMac));
        println!("frames of {size}: {:.2} bodies at the peak", heap.peak as f64 / SIZE as f64);
        assert!(heap.peak < 7 * SIZE as i64 / 2, "frames of {size}: {} bytes", heap.peak);
    }
}

/// Whatever had to be done with it before: once the service has let it go, it is gone.
#[test]
fn a_body_that_the_service_has_dropped_is_held_by_nobody() {
    const SIZE: usize = 1 << 20;
    let layer = HmacLayer::new(webhook::linear(), key()).unwrap().clock(support::clock());
    let held = Arc::new(AtomicUsize::new(usize::MAX));
    let seen = Arc::clone(&held);
    let service = layer.layer(service_fn(move |request: Request<HmacBody<Script>>| {
        drop(request);
        seen.store(so_far().live as usize, Ordering::SeqCst);
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
    }));
    let time = support::NOW * 1000;
    let (response, heap) = measure(|| {
        let body = format!("{{\"webhookTimestamp\":{time},\"text\":\"{}\"}}", "x".repeat(SIZE)).into_bytes();
        let request = Request::post("/hook").header("linear-signature", hex(&support::wire::mac(&hex(SECRET), &body)));
        let request = request.body(Script::bytes(body)).unwrap();
        drive(&mut Box::pin(service.clone().oneshot(request)), usize::MAX).1.unwrap().unwrap()
    });
    assert_eq!(kind(&response), None);
    let held = held.load(Ordering::SeqCst);
    assert!(heap.peak > SIZE as i64 && held < SIZE / 64, "{held} bytes are held, {} were", heap.peak);
}

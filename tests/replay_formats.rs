//! Where several formats are accepted, one captured message is accepted once, in whichever format it comes again.

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use support::NOW;
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::clock::ManualClock;
use tower_hmac::replay::MemoryReplayGuard;
use tower_hmac::scheme::{Field, Part, TimeFormat};
use tower_hmac::sign::RequestSigner;
use tower_hmac::{HmacBody, HmacLayer, Key, RejectionKind, Scheme, webhook};

fn key() -> Key {
    Key::from_bytes("svc-a", [7; 32]).unwrap()
}

/// With a nonce of its own, or without one.
fn old(nonce: bool) -> Scheme {
    let scheme = Scheme::builder("old")
        .key_id(Field::header("x-key"))
        .timestamp(Field::header("x-time"), TimeFormat::Seconds)
        .signature(Field::header("x-sig"));
    let text = [Part::Timestamp, Part::literal("."), Part::Body];
    match nonce {
        true => scheme
            .nonce(Field::header("x-old-nonce"))
            .message([Part::Nonce, Part::literal(".")].into_iter().chain(text)),
        false => scheme.message(text),
    }
    .build()
    .unwrap()
}

fn sign(scheme: &Scheme, request: Request<Bytes>) -> Request<Bytes> {
    RequestSigner::new(scheme.clone(), key()).unwrap().sign(request, NOW).unwrap().0
}

fn post() -> Request<Bytes> {
    Request::post("http://api.example.com/pay").body(Bytes::from_static(b"{}")).unwrap()
}

fn with_headers(request: &Request<Bytes>, change: impl FnOnce(&mut HeaderMap)) -> Request<Bytes> {
    let mut request = request.clone();
    change(request.headers_mut());
    request
}

async fn ask(layer: &HmacLayer, request: &Request<Bytes>) -> Option<RejectionKind> {
    let service = service_fn(|_: Request<HmacBody<Full<Bytes>>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    layer.layer(service).oneshot(request.clone().map(Full::new)).await.unwrap().extensions().get().copied()
}

#[tokio::test]
async fn the_same_text_under_the_header_of_another_format_is_a_replay() {
    let both = Scheme::any([webhook::github(), webhook::bitbucket()]).unwrap();
    let layer = HmacLayer::new(both, key()).unwrap().replay_guard(MemoryReplayGuard::new());
    let first = sign(&webhook::github(), post());
    let relabelled = with_headers(&first, |headers| {
        let signature = headers.remove("x-hub-signature-256").unwrap();
        headers.insert("x-hub-signature", signature);
    });
    assert_eq!(ask(&layer, &first).await, None);
    assert_eq!(ask(&layer, &first).await, Some(RejectionKind::Replay));
    assert_eq!(ask(&layer, &relabelled).await, Some(RejectionKind::Replay));
    // By itself it is a right message.
    let both = Scheme::any([webhook::github(), webhook::bitbucket()]).unwrap();
    let layer = HmacLayer::new(both, key()).unwrap().replay_guard(MemoryReplayGuard::new());
    assert_eq!(ask(&layer, &relabelled).await, None);
}

#[tokio::test]
async fn what_is_right_in_two_formats_under_two_names_is_refused() {
    for nonce in [true, false] {
        let fresh = || {
            let scheme = Scheme::any([Scheme::native(), old(nonce)]).unwrap();
            HmacLayer::new(scheme, key()).unwrap().clock(ManualClock::at(NOW))
        };
        let both = sign(&old(nonce), sign(&Scheme::native(), post()));
        assert_eq!(ask(&fresh(), &both).await, Some(RejectionKind::Malformed));
        let without = |prefix: &'static str| {
            with_headers(&both, |headers| {
                let names: Vec<HeaderName> =
                    headers.keys().filter(|n| n.as_str().starts_with(prefix)).cloned().collect();
                names.iter().for_each(|name| drop(headers.remove(name)));
            })
        };
        let native = with_headers(&both, |headers| {
            for name in ["x-key", "x-time", "x-sig", "x-old-nonce"] {
                headers.remove(name);
            }
        });
        assert_eq!(ask(&fresh(), &native).await, None);
        assert_eq!(ask(&fresh(), &without("x-hmac-")).await, None);
    }
}

#[tokio::test]
async fn what_is_right_twice_under_one_name_is_accepted_once() {
    // Svix sends its fields under two names.
    let layer = HmacLayer::new(webhook::svix(), key()).unwrap().clock(ManualClock::at(NOW));
    let layer = layer.replay_guard(MemoryReplayGuard::new());
    let one = sign(&webhook::svix(), post());
    let copied = |headers: &mut HeaderMap| {
        for part in ["id", "timestamp", "signature"] {
            let value = headers[&format!("svix-{part}")].clone();
            headers.insert(HeaderName::try_from(format!("webhook-{part}")).unwrap(), value);
        }
    };
    let both = with_headers(&one, copied);
    assert_eq!(ask(&layer, &both).await, None);
    assert_eq!(ask(&layer, &both).await, Some(RejectionKind::Replay));
    assert_eq!(ask(&layer, &one).await, Some(RejectionKind::Replay));
}

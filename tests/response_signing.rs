//! Every answer of the service goes out signed and bound to its request, or not at all.

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION};
use http::response::Builder;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use support::body::{Script, Step};
use support::service::split;
use support::wire::Wire;
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::{HmacBody, HmacLayer, RejectionKind};

/// SHA-256 of nothing, as every tool prints it.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const FIELDS: [&str; 6] = [
    "x-hmac-key-id",
    "x-hmac-timestamp",
    "x-hmac-nonce",
    "x-hmac-content-sha256",
    "x-hmac-signature",
    "x-hmac-trailer-signature",
];

/// Sends one request and answers it with what `make` builds.
async fn answer<F>(layer: HmacLayer, wire: &Wire, make: F) -> Response<HmacBody<Script>>
where
    F: Fn(Builder) -> Response<Script>,
{
    let inner = service_fn(|_: Request<HmacBody<Script>>| {
        let response = make(Response::builder());
        async { Ok::<_, Infallible>(response) }
    });
    layer.layer(inner).oneshot(wire.request(Script::bytes(wire.body.clone()))).await.unwrap()
}

fn kind<B>(response: &Response<B>) -> Option<RejectionKind> {
    response.extensions().get().copied()
}

/// A refusal of our own: its status, its kind, and no signature that could make it look like the service's.
#[track_caller]
fn failed(response: &Response<HmacBody<Script>>, expected: RejectionKind) {
    assert_eq!((response.status().as_u16(), kind(response)), (500, Some(expected)));
    assert!(FIELDS.iter().all(|name| !response.headers().contains_key(*name)));
    assert_eq!(response.body().size_hint().exact(), Some(0));
}

#[tokio::test]
async fn an_answer_is_signed_over_its_status_type_and_bytes() {
    let wire = Wire::post("/pay", "{}");
    for status in [200, 201, 302, 403, 500] {
        let response = answer(support::layer(), &wire, |b| {
            let b = b.status(status).header(CONTENT_TYPE, "text/plain").header(LOCATION, "/next");
            b.body(Script::chunks(b"hello", 2)).unwrap()
        });
        let (head, body) = split(response.await).await;
        assert_eq!((head.status().as_u16(), &*body), (status, &b"hello"[..]));
        wire.accepts(&head, &body).unwrap();
        wire.accepts(&head, b"hell0").unwrap_err();
        Wire::post("/pay", "{}").accepts(&head, &body).unwrap_err();
        for (name, value) in [(CONTENT_TYPE, "text/html"), (LOCATION, "/evil"), (CONTENT_ENCODING, "gzip")] {
            let mut head = Response::from_parts(head.clone().into_parts().0, ());
            head.headers_mut().insert(name, HeaderValue::from_static(value));
            wire.accepts(&head, &body).unwrap_err();
        }
    }
}

#[tokio::test]
async fn m_04_answers_without_content_carry_the_digest_of_nothing() {
    let trailers = || HeaderMap::from_iter([(HeaderName::from_static("x-end"), HeaderValue::from_static("1"))]);
    let cases = [(Method::HEAD, 200), (Method::HEAD, 404), (Method::GET, 204), (Method::GET, 205), (Method::GET, 304)];
    for (method, status) in cases {
        // Even when the service gives a body, or trailers, which cannot go out.
        let steps = || [vec![], vec![Step::Data("hello".into())], vec![Step::Trailers(trailers())]];
        for steps in steps().into_iter() {
            let wire = Wire::new(method.clone(), "/", "");
            let steps = std::cell::Cell::new(steps);
            let response =
                answer(support::layer(), &wire, |b| b.status(status).body(Script::new(steps.take())).unwrap()).await;
            assert_eq!((response.status().as_u16(), kind(&response)), (status, None));
            assert_eq!(response.headers()["x-hmac-content-sha256"], EMPTY);
            let (head, body) = split(response).await;
            assert!(body.is_empty());
            wire.accepts(&head, b"").unwrap();
        }
    }
    for body in [Script::new([]), Script::new([]).declaring(0), Script::new([Step::Yield, Step::Data(Bytes::new())])] {
        let (wire, body) = (Wire::get("/"), std::cell::Cell::new(Some(body)));
        let response = answer(support::layer(), &wire, |b| b.body(body.take().unwrap()).unwrap()).await;
        assert_eq!(response.headers()["x-hmac-content-sha256"], EMPTY);
        wire.accepts(&split(response).await.0, b"").unwrap();
    }
}

#[tokio::test]
async fn m_04_the_upgrade_of_a_101_is_signed_in_the_head_and_not_touched() {
    let wire = Wire::get("/socket");
    let response = answer(support::layer(), &wire, |b| {
        b.status(101).header("upgrade", "websocket").extension(42_u8).body(Script::bytes("left alone")).unwrap()
    });
    let response = response.await;
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()["x-hmac-content-sha256"], EMPTY);
    assert_eq!(
        (response.headers()["upgrade"].as_bytes(), response.extensions().get()),
        (&b"websocket"[..], Some(&42_u8))
    );
    let (head, body) = split(response).await;
    wire.accepts(&head, b"").unwrap();
    assert_eq!(body, "left alone");
}

#[tokio::test]
async fn cache_control_is_added_only_when_absent() {
    let wire = Wire::get("/");
    for method in [Method::GET, Method::HEAD] {
        let wire = Wire { method, ..wire.clone() };
        let response = answer(support::layer(), &wire, |b| b.body(Script::new([])).unwrap()).await;
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store, no-transform");
        let wire = Wire { nonce: support::wire::fresh_nonce(), ..wire };
        let given = |b: Builder| b.header(CACHE_CONTROL, "max-age=60").body(Script::new([])).unwrap();
        let response = answer(support::layer(), &wire, given).await;
        let all: Vec<_> = response.headers().get_all(CACHE_CONTROL).iter().collect();
        assert_eq!(all, ["max-age=60"]);
    }
    let layer = support::layer().without_response_signing();
    let response = answer(layer, &wire, |b| b.body(Script::new([])).unwrap()).await;
    assert!(!response.headers().contains_key(CACHE_CONTROL));
}

#[tokio::test]
async fn m_12_only_the_layer_sets_its_fields() {
    let forge = |b: Builder| FIELDS.iter().fold(b, |b, name| b.header(*name, "forged").header(*name, "twice"));
    let wire = Wire::get("/");
    let response = answer(support::layer(), &wire, |b| forge(b).body(Script::bytes("hello")).unwrap()).await;
    let (head, body) = split(response).await;
    wire.accepts(&head, &body).unwrap();
    let left: Vec<_> = FIELDS.iter().filter(|name| head.headers().contains_key(**name)).collect();
    assert_eq!(left, [&"x-hmac-timestamp", &"x-hmac-content-sha256", &"x-hmac-signature"]);

    let event_stream = |b: Builder| b.header(CONTENT_TYPE, "text/event-stream");
    for layer in [support::layer().without_response_signing(), support::layer().pass_unsigned(|_| true)] {
        let wire = Wire::get("/");
        let response = answer(layer, &wire, |b| event_stream(forge(b)).body(Script::bytes("hello")).unwrap()).await;
        let (head, body) = split(response).await;
        assert_eq!((head.status().as_u16(), &*body), (200, &b"hello"[..]));
        assert!(FIELDS.iter().all(|name| !head.headers().contains_key(*name)));
    }
    // Nor do they survive into an answer of the layer's own.
    let forged = |b: Builder| event_stream(forge(b)).body(Script::bytes("hello")).unwrap();
    failed(&answer(support::layer(), &Wire::get("/"), forged).await, RejectionKind::ResponseEndless);
}

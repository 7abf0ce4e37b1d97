//! A body reaches the service only if it is, byte for byte, the one that was signed.

mod support;

use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use support::body::{Broken, Script, Step};
use support::service::{CountingGuard, Inner, send, send_to, split};
use support::wire::{Wire, hex};
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::{HmacBody, RejectionKind, Verified};

const TEXT: &str = r#"{"to":"bob","amount":10}"#;

/// SHA-256 of nothing, as every tool prints it.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn data(text: &'static str) -> Step {
    Step::Data(Bytes::from_static(text.as_bytes()))
}

#[tokio::test]
async fn f_01_every_changed_bit_a_cut_and_an_extension() {
    let wire = Wire::post("/pay", TEXT);
    send(support::layer(), wire.request(Script::bytes(TEXT))).await.accepted();
    for bit in 0..TEXT.len() * 8 {
        let mut body = TEXT.as_bytes().to_vec();
        body[bit / 8] ^= 1 << (bit % 8);
        send(support::layer(), wire.request(Script::bytes(body))).await.refused(RejectionKind::BodyMismatch);
    }
    for len in 0..TEXT.len() {
        send(support::layer(), wire.request(Script::bytes(&TEXT[..len]))).await.refused(RejectionKind::BodyMismatch);
    }
    for more in ["\0", " ", "\n", TEXT] {
        let body = [TEXT, more].concat();
        send(support::layer(), wire.request(Script::bytes(body))).await.refused(RejectionKind::BodyMismatch);
    }
}

#[tokio::test]
async fn f_02_the_digest_is_required_and_signed() {
    let wire = Wire::post("/pay", TEXT);
    let mut request = wire.request(Script::bytes(TEXT));
    request.headers_mut().remove("x-hmac-content-sha256").unwrap();
    send(support::layer(), request).await.refused_unread(RejectionKind::Missing);

    // The digest of the other body is right, but it is not the one under the signature.
    let other = Wire::post("/pay", "{}");
    let mut request = wire.request(Script::bytes("{}"));
    request.headers_mut().insert("x-hmac-content-sha256", other.digest().parse().unwrap());
    send(support::layer(), request).await.refused_unread(RejectionKind::BadMac);
    send(support::layer(), other.request(Script::bytes("{}"))).await.accepted();
}

#[tokio::test]
async fn f_03_the_digest_of_what_came_counts_not_the_field() {
    let wire = Wire::post("/pay", TEXT);
    let other = TEXT.replace("bob", "eve");
    for size in [1, 7, TEXT.len()] {
        let outcome = send(support::layer(), wire.request(Script::chunks(other.as_bytes(), size))).await;
        outcome.refused(RejectionKind::BodyMismatch);
        send(support::layer(), wire.request(Script::chunks(TEXT.as_bytes(), size))).await.accepted();
    }
}

#[tokio::test]
async fn f_04_an_empty_body_has_one_digest_and_a_get_body_is_hashed() {
    let empty = || Script::new([]);
    for body in [empty(), empty().declaring(0), Script::new([data(""), data("")]), Script::new([Step::Yield])] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let wire = Wire::new(method, "/pay", "");
            assert_eq!(wire.digest(), EMPTY);
            send(support::layer(), wire.request(empty())).await.accepted();
            send(support::layer(), wire.request(Script::bytes("x"))).await.refused(RejectionKind::BodyMismatch);
        }
        send(support::layer(), Wire::get("/pay").request(body)).await.accepted();
    }
    let mut request = Wire::get("/pay").request(empty());
    request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    send(support::layer(), request).await.accepted();

    let wire = Wire::new(Method::GET, "/search", "{\"q\":1}");
    send(support::layer(), wire.request(Script::bytes("{\"q\":1}"))).await.accepted();
    send(support::layer(), wire.request(Script::bytes("{\"q\":2}"))).await.refused(RejectionKind::BodyMismatch);
    send(support::layer(), wire.request(empty())).await.refused(RejectionKind::BodyMismatch);
}

#[tokio::test]
async fn f_10_a_body_that_fails_or_ends_early_is_refused_and_not_read_on() {
    let wire = Wire::post("/pay", TEXT);
    let (start, rest) = TEXT.split_at(5);
    for steps in [vec![Step::Error], vec![data(start), Step::Error], vec![data(start), data(rest), Step::Error]] {
        let polls = steps.len();
        let mut request = wire.request(Script::new(steps));
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(TEXT.len()));
        let outcome = send(support::layer(), request).await;
        outcome.refused(RejectionKind::BodyError);
        assert_eq!((outcome.status().as_u16(), outcome.polls), (400, polls));
    }
    let outcome = send(support::layer(), wire.request(Script::new([data(start)]).declaring(24))).await;
    outcome.refused(RejectionKind::BodyMismatch);
    assert_eq!(outcome.polls, 2);
    send(support::layer(), wire.request(Script::new([data(start), data(rest)]))).await.accepted();
}

/// Frames without a byte, for ever.
struct Hollow;

impl Body for Hollow {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
    }
}

#[tokio::test]
async fn f_10_endless_empty_frames_do_not_spin() {
    // Refused: what is read and dropped for the caller's sake has an end. Accepted head: every poll comes back.
    let mut wire = Wire::post("/pay", TEXT).header("content-length", "24");
    let service = support::layer().layer(Inner::ok());
    let mut pending = Box::pin(service.clone().oneshot(wire.request(Hollow)));
    for _ in 0..100 {
        assert!(futures_util::poll!(pending.as_mut()).is_pending());
    }
    wire.timestamp = (support::NOW - 301).to_string();
    let response = service.oneshot(wire.request(Hollow)).await.unwrap();
    assert_eq!(response.extensions().get(), Some(&RejectionKind::Stale));
}

#[tokio::test]
async fn f_11_a_body_that_never_says_it_ended_ends() {
    let wire = Wire::post("/pay", TEXT);
    let body = Script::bytes(TEXT);
    assert!(!body.is_end_stream());
    let outcome = send(support::layer(), wire.request(body)).await;
    outcome.accepted();
    assert_eq!(outcome.polls, 2);
    let outcome = send(support::layer(), wire.request(Script::bytes("{}"))).await;
    outcome.refused(RejectionKind::BodyMismatch);
    assert_eq!(outcome.polls, 2);
}

/// Several pieces in one frame.
struct Segments(&'static [&'static [u8]]);

impl Buf for Segments {
    fn remaining(&self) -> usize {
        self.0.iter().map(|piece| piece.len()).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.iter().find(|piece| !piece.is_empty()).copied().unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, _: &mut [IoSlice<'a>]) -> usize {
        0
    }

    fn advance(&mut self, count: usize) {
        let left: Vec<u8> = self.0.concat().split_off(count);
        self.0 = Box::leak(Box::new([&*left.leak()]));
    }
}

#[tokio::test]
async fn f_12_every_segment_of_a_frame_is_hashed_and_handed_on() {
    let service = support::layer().layer(service_fn(|request: http::Request<HmacBody<_>>| async {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::new(body)))
    }));
    let signed = |text: &'static str| Wire::post("/pay", text);
    let body = |pieces| http_body_util::Full::new(Segments(pieces));
    let wire = signed("onetwothree");
    let request = wire.request(body(&[b"one", b"", b"two", b"three"]));
    let (head, echo) = split(service.clone().oneshot(request).await.unwrap()).await;
    assert_eq!(echo, "onetwothree");
    wire.accepts(&head, &echo).unwrap();

    for text in ["one", "onetwo", "twothree"] {
        let request = signed(text).request(body(&[b"one", b"", b"two", b"three"]));
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.extensions().get(), Some(&RejectionKind::BodyMismatch));
    }
}

#[tokio::test]
async fn f_13_request_trailers_are_forbidden() {
    let wire = Wire::post("/pay", TEXT);
    let trailers = |name: &'static str, value| {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    };
    for trailers in [trailers("x-role", "admin"), trailers(CONTENT_TYPE.as_str(), "evil")] {
        let outcome = send(support::layer(), wire.request(Script::new([data(TEXT), Step::Trailers(trailers)]))).await;
        outcome.refused(RejectionKind::ForbiddenTrailer);
        assert_eq!(outcome.status(), 400);
    }
    let body = Script::new([data(TEXT), Step::Trailers(HeaderMap::new())]);
    send(support::layer(), wire.request(body)).await.accepted();
}

#[test]
fn f_20_one_huge_frame_is_hashed_in_steps_that_yield() {
    const STEP: usize = 64 * 1024;
    let mut wire = Wire::post("/upload", vec![b'x'; 100 << 20]);
    let head = wire.request(());
    let frame = Bytes::from(std::mem::take(&mut wire.body));
    let (guard, inner) = (CountingGuard::default(), Inner::ok());
    let layer = support::layer().max_body(u64::MAX).buffer_budget(u64::MAX).replay_guard(guard.clone());
    let request = head.map(|()| Script::bytes(frame.clone()));
    let mut future = Box::pin(send_to(layer, request, inner.clone(), &guard));
    let mut pending = 0;
    let outcome = loop {
        match future.as_mut().now_or_never() {
            Some(outcome) => break outcome,
            None => pending += 1,
        }
    };
    outcome.accepted();
    // The last poll hashes too.
    assert_eq!(pending + 1, frame.len() / STEP);
}

#[tokio::test]
async fn the_service_gets_the_proof_and_the_very_bytes() {
    let wire = Wire::post("/pay", TEXT);
    let service = support::layer().layer(service_fn(|request: http::Request<HmacBody<Script>>| async {
        assert_eq!(request.extensions().get::<Verified>().unwrap().key_id().as_str(), support::KEY_ID);
        let body = request.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(hex(&body), hex(TEXT.as_bytes()));
        Ok::<_, std::convert::Infallible>(http::Response::new(Script::new([])))
    }));
    let response = service.oneshot(wire.request(Script::chunks(TEXT.as_bytes(), 3))).await.unwrap();
    assert_eq!(response.status(), 200);
}

//! What a format does not own on a message stays on it: a sender's name for its message, and a request's fields on answers.

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use support::NOW;
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::clock::{Clock, ManualClock};
use tower_hmac::scheme::{Encoding, Field, Part, SchemeBuilder, TimeFormat};
use tower_hmac::sign::RequestSigner;
use tower_hmac::{ClientErrorKind, HmacBody, HmacClientLayer, HmacLayer, Key, KeyQuery, Lookup, Scheme, webhook};

const DATE: &str = "Sat, 21 Nov 2026 23:24:05 GMT";

fn key() -> Key {
    Key::from_text("svc-a", "0123456789abcdef0123456789abcdef").unwrap()
}

/// What the service gets from a client.
async fn sent(scheme: Scheme, request: Request<Full<Bytes>>) -> HeaderMap {
    let echo = service_fn(|request: Request<HmacBody<Full<Bytes>>>| async move {
        let mut response = Response::new(Full::<Bytes>::default());
        *response.headers_mut() = request.headers().clone();
        Ok::<_, Infallible>(response)
    });
    let client = HmacClientLayer::new(scheme, key()).unwrap().without_response_verification();
    client.layer(echo).oneshot(request).await.unwrap().headers().clone()
}

#[tokio::test]
async fn a_sender_keeps_the_name_of_its_message_in_every_attempt() {
    for (scheme, id, signature) in [
        (webhook::standard(), "webhook-id", "webhook-signature"),
        (webhook::svix(), "svix-id", "svix-signature"),
        (webhook::github(), "x-github-delivery", "x-hub-signature-256"),
    ] {
        for _ in 0..2 {
            let request = Request::post("http://a.example/").header(id, "msg_1").header(signature, "stale");
            let headers = sent(scheme.clone(), request.body(Full::from("{}")).unwrap()).await;
            assert_eq!(headers[id], "msg_1");
            assert_eq!(headers.get_all(signature).iter().count(), 1);
            assert_ne!(headers[signature], "stale");
        }
        let without = Request::post("http://a.example/").body(Full::from("{}")).unwrap();
        assert!(sent(scheme, without).await.contains_key(id));
    }
}

fn dated() -> SchemeBuilder {
    Scheme::builder("own")
        .signature(Field::header("x-sig"))
        .timestamp(Field::header("date"), TimeFormat::HttpDate)
        .delivery_id(Field::header("x-request-id"))
        .message([Part::Timestamp, Part::literal("\n"), Part::Body])
}

fn answering() -> SchemeBuilder {
    let message = [Part::RequestSignature(Encoding::Hex), Part::Status, Part::Body];
    dated().response_signature(Field::header("x-resp-sig")).response_message(message)
}

/// What comes out of a layer over a service that sets the fields of the format itself.
async fn answered(scheme: Scheme) -> HeaderMap {
    let service = service_fn(|_: Request<HmacBody<Full<Bytes>>>| async {
        let response = Response::builder().header("x-request-id", "abc").header("date", DATE);
        Ok::<_, Infallible>(response.header("x-resp-sig", "forged").body(Full::<Bytes>::default()).unwrap())
    });
    let signer = RequestSigner::new(scheme.clone(), key()).unwrap();
    let (request, _) = signer.sign(Request::post("http://a.example/").body("{}").unwrap(), NOW).unwrap();
    let layer = HmacLayer::new(scheme, key()).unwrap().clock(ManualClock::at(NOW));
    let response = layer.layer(service).oneshot(request.map(Full::<Bytes>::from)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.headers().clone()
}

#[tokio::test]
async fn an_answer_keeps_what_is_signed_in_requests_only() {
    for (builder, signs) in [(dated(), false), (answering(), true)] {
        let headers = answered(builder.build().unwrap()).await;
        assert_eq!((&headers["x-request-id"], &headers["date"]), (&"abc".parse().unwrap(), &DATE.parse().unwrap()));
        assert_eq!(headers.get_all("x-resp-sig").iter().count(), 1);
        assert_eq!(headers["x-resp-sig"] == "forged", !signs, "only a signer sets this");
    }
}

#[tokio::test]
async fn a_failure_with_a_date_is_not_taken_for_a_signed_one() {
    for (field, passes) in [("date", true), ("x-request-id", true), ("x-resp-sig", false)] {
        let service = service_fn(move |_: Request<HmacBody<Full<Bytes>>>| async move {
            let response = Response::builder().status(503).header(field, DATE);
            Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
        });
        let client = HmacClientLayer::new(answering().build().unwrap(), key()).unwrap().pass_unsigned_failures();
        let request = Request::post("http://a.example/").body(Full::<Bytes>::from("{}")).unwrap();
        let outcome = client.layer(service).oneshot(request).await;
        match passes {
            true => assert_eq!(outcome.unwrap().status(), 503, "{field}"),
            false => assert_ne!(outcome.unwrap_err().kind(), ClientErrorKind::Service, "{field}"),
        }
    }
}

#[tokio::test]
async fn a_store_of_a_client_goes_by_the_layers_clock() {
    let keys = |query: &KeyQuery<'_>| -> Lookup { (query.now() == Some(NOW)).then(key).into() };
    let service = service_fn(|_: Request<HmacBody<Full<Bytes>>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let clock = ManualClock::at(NOW);
    assert_eq!(clock.now(), Some(NOW));
    let client = HmacClientLayer::new(Scheme::native(), keys).unwrap().without_response_verification();
    let request = || Request::get("http://a.example/").body(Full::<Bytes>::default()).unwrap();
    client.clone().clock(clock.clone()).layer(service).oneshot(request()).await.unwrap();
    clock.set(NOW + 1);
    let error = client.clock(clock).layer(service).oneshot(request()).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::NoKey);
}

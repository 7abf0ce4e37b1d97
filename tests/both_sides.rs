//! What one layer signs, the other accepts, whatever both are told to do.

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{Request, Response};
use http_body_util::Full;
use support::NOW;
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::clock::ManualClock;
use tower_hmac::scheme::{Encoding, Field, Part, TimeFormat};
use tower_hmac::sign::RequestSigner;
use tower_hmac::verify::RequestVerifier;
use tower_hmac::{
    ClientError, ClientErrorKind, HmacBody, HmacClientLayer, HmacLayer, Key, Keys, RejectionKind, Scheme,
    SignedHeaders, SignedTarget, Target, VerifiedResponse, webhook,
};

type Body = Full<Bytes>;

fn key() -> Key {
    Key::from_bytes("svc-a", [7; 32]).unwrap()
}

fn post() -> Request<Body> {
    Request::post("http://api.example.com/pay?a=1").body(Full::from("{}")).unwrap()
}

/// A client of one scheme calls a server of another; `change` alters the answer on the way.
async fn call(
    client: Scheme,
    server: Scheme,
    answer: fn() -> Response<Body>,
    change: fn(&mut Response<HmacBody<Body>>),
) -> Result<Response<HmacBody<HmacBody<Body>>>, ClientError> {
    let service = service_fn(move |_: Request<HmacBody<HmacBody<Body>>>| async move { Ok::<_, Infallible>(answer()) });
    let server = HmacLayer::new(server, key()).unwrap().clock(ManualClock::at(NOW)).layer(service);
    let server = server.map_response(move |mut response| {
        change(&mut response);
        response
    });
    let client = HmacClientLayer::new(client, key()).unwrap().clock(ManualClock::at(NOW));
    client.layer(server).oneshot(post()).await
}

#[tokio::test]
async fn cache_control_may_be_signed_whether_it_was_there_or_not() {
    let scheme = || Scheme::native_with_headers(SignedHeaders::none(), SignedHeaders::new(["cache-control"]).unwrap());
    let silent: fn() -> Response<Body> = Response::default;
    let told: fn() -> Response<Body> =
        || Response::builder().header(CACHE_CONTROL, "max-age=60").body(Full::default()).unwrap();
    for (answer, expected) in [(silent, "no-store, no-transform"), (told, "max-age=60")] {
        let response = call(scheme(), scheme(), answer, |_| {}).await.unwrap();
        assert_eq!(response.headers()[CACHE_CONTROL], expected);
        let changed = call(scheme(), scheme(), answer, |response| {
            response.headers_mut().insert(CACHE_CONTROL, "public".parse().unwrap());
        });
        assert_eq!(changed.await.unwrap_err().kind(), ClientErrorKind::BadSignature);
    }
}

fn dated(format: TimeFormat) -> Scheme {
    let dot = || Part::literal(".");
    Scheme::builder("old")
        .key_id(Field::header("x-key"))
        .timestamp(Field::header("x-time"), format)
        .signature(Field::header("x-sig"))
        .message([Part::Timestamp, dot(), Part::Body])
        .response_signature(Field::header("x-answer-sig"))
        .response_timestamp(Field::header("x-answer-time"), format)
        .response_message([Part::RequestSignature(Encoding::Hex), dot(), Part::Timestamp, dot(), Part::Body])
        .build()
        .unwrap()
}

#[tokio::test]
async fn an_answer_is_dated_as_its_request_is_written() {
    for format in [TimeFormat::Milliseconds, TimeFormat::Rfc3339, TimeFormat::HttpDate] {
        for old_first in [true, false] {
            let both = || match old_first {
                true => Scheme::any([dated(format), Scheme::native()]).unwrap(),
                false => Scheme::any([Scheme::native(), dated(format)]).unwrap(),
            };
            for (caller, time) in [(Scheme::native(), "x-hmac-timestamp"), (dated(format), "x-answer-time")] {
                let response = call(caller.clone(), both(), Response::default, |_| {}).await.unwrap();
                let verified = response.extensions().get::<VerifiedResponse>().unwrap();
                assert_eq!(verified.timestamp(), Some(NOW), "{format:?} {caller:?}");
                let value = response.headers()[time].clone();
                assert_eq!(value.as_bytes().len() == 10, caller.name() == "native", "{value:?}");
            }
        }
    }
}

/// The parts of a signed request that were resolved are those that were signed.
#[test]
fn a_path_that_a_resolver_gives_as_text_is_cut_at_its_query() {
    let newline = || Part::literal("\n");
    let apart = [Part::Path, newline(), Part::Query, newline(), Part::Body];
    let apart = Scheme::builder("apart").signature(Field::header("x-sig")).message(apart).build().unwrap();
    let borrowed = Target::resolver(|head| {
        SignedTarget::received().path_and_query(head.uri.path_and_query().map_or("/", |text| text.as_str()))
    });
    let owned = Target::resolver(|head| SignedTarget::received().path_and_query(head.uri.to_string()));
    let other = Target::resolver(|_| SignedTarget::received().path_and_query("/pay?a=2"));
    let (head, _) = post().into_parts();
    let request = Request::from_parts(head, "{}").map(|body| Bytes::from_static(body.as_bytes()));
    let (request, _) = RequestSigner::new(apart.clone(), key()).unwrap().sign(request, NOW).unwrap();
    let (mut head, body) = request.into_parts();
    head.uri = "/pay?a=1".parse().unwrap();
    let verify = |target: Target| {
        let verifier = RequestVerifier::new(apart.clone()).target(target);
        let mut verifying = verifier.check(&verifier.read(&head).unwrap(), Some(&Keys::from(key())), NOW).unwrap();
        verifying.update(&body);
        verifying.finish(&head).map(drop).map_err(|rejection| rejection.kind())
    };
    for target in [Target::received(), borrowed, owned] {
        assert_eq!(verify(target), Ok(()));
    }
    assert_eq!(verify(other), Err(RejectionKind::BadMac));
}

#[test]
fn what_is_left_of_another_signature_is_not_sent() {
    let mut request = Request::post("http://api.example.com/").body("{}").unwrap();
    request.headers_mut().insert("x-hmac-trailer-signature", "v1=00".parse().unwrap());
    let (request, _) = RequestSigner::new(Scheme::native(), key()).unwrap().sign(request, NOW).unwrap();
    assert!(!request.headers().contains_key("x-hmac-trailer-signature"));
    let (head, _) = request.into_parts();
    assert!(RequestVerifier::new(Scheme::native()).read(&head).is_ok());
}

#[tokio::test]
async fn a_sender_of_webhooks_wants_no_signed_answer_whatever_else_it_is_told() {
    let service =
        service_fn(|_: Request<HmacBody<Body>>| async { Ok::<_, Infallible>(Response::new(Body::default())) });
    let plain = || HmacClientLayer::new(webhook::standard(), key()).unwrap();
    for layer in [
        plain(),
        plain().pass_unsigned_failures(),
        HmacClientLayer::new(Scheme::native(), key()).unwrap().without_response_verification().pass_unsigned_failures(),
        HmacClientLayer::new(Scheme::native(), key()).unwrap().pass_unsigned_failures().without_response_verification(),
    ] {
        assert!(layer.layer(service).oneshot(post()).await.unwrap().status().is_success());
    }
    let strict = HmacClientLayer::new(Scheme::native(), key()).unwrap().pass_unsigned_failures();
    assert_eq!(strict.layer(service).oneshot(post()).await.unwrap_err().kind(), ClientErrorKind::Unsigned);
}

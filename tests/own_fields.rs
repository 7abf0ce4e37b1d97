//! What a format does not own on a message stays on it: a sender's name for its message, and a request's fields on answers.

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::Full;
use support::NOW;
use support::body::{Script, Step};
use support::wire::Wire;
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::clock::{Clock, ManualClock};
use tower_hmac::scheme::{Encoding, Field, Part, SchemeBuilder, TimeFormat};
use tower_hmac::sign::{RequestSigner, ResponseSigner};
use tower_hmac::verify::ResponseVerifier;
use tower_hmac::{
    ClientErrorKind, HmacBody, HmacClientLayer, HmacLayer, Key, KeyQuery, Lookup, Scheme, SignedHeaders, webhook,
};

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

/// Native, and an older format with its signature in a field that native signs; and two formats that feed the head before
/// the body, of which one has its nonce where the other has the name of the message.
fn migrating() -> [(Scheme, &'static str); 2] {
    let older = Scheme::builder("older").signature(Field::header("authorization")).message([Part::Body]);
    let native = Scheme::native_with_headers(SignedHeaders::new(["authorization"]).unwrap(), SignedHeaders::none());
    let message = || [Part::Timestamp, Part::literal("\n"), Part::DeliveryId, Part::literal("\n"), Part::Body];
    let nonced = Scheme::builder("nonced")
        .signature(Field::header("x-new-sig"))
        .timestamp(Field::header("x-time"), TimeFormat::Seconds)
        .nonce(Field::header("x-request-id"))
        .message([Part::Timestamp, Part::literal("\n"), Part::Nonce, Part::literal("\n"), Part::Body]);
    let both = |one: Scheme, other: SchemeBuilder| Scheme::any([one, other.build().unwrap()]).unwrap();
    let named = dated().message(message()).build().unwrap();
    [(both(native, older), "authorization"), (both(named, nonced), "x-request-id")]
}

/// What another format of the scheme owns is not sent, and so it is not signed.
#[tokio::test]
async fn what_is_signed_is_what_is_sent() {
    for (scheme, field) in migrating() {
        let request =
            || Request::post("http://a.example/").header(field, "Bearer-0123456789abcdef").body("{}").unwrap();
        let layer = HmacLayer::new(scheme.clone(), key()).unwrap().clock(ManualClock::at(NOW));
        let server = || {
            layer.layer(service_fn(|request: Request<HmacBody<HmacBody<Full<Bytes>>>>| async move {
                let named = request.headers().values().any(|value| value == "Bearer-0123456789abcdef");
                assert!(!named, "sent although nobody vouches for it");
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            }))
        };
        let client = HmacClientLayer::new(scheme.clone(), key()).unwrap().clock(ManualClock::at(NOW));
        let client = client.without_response_verification().stream_requests(move |head| {
            assert!(!head.headers.contains_key(field));
            false
        });
        let answer = client.layer(server()).oneshot(request().map(Full::from)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{field}");

        let (by_hand, _) = RequestSigner::new(scheme, key()).unwrap().sign(request(), NOW).unwrap();
        let by_hand = by_hand.map(|body| HmacBody::from(Bytes::from(body)));
        assert_eq!(server().oneshot(by_hand).await.unwrap().status(), StatusCode::OK, "{field}");
    }
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

/// Of whatever length, and however it is signed: nobody but the layer sets these.
#[tokio::test]
async fn no_answer_keeps_a_forged_field() {
    const FORGED: [&str; 3] = ["x-hmac-nonce", "x-hmac-key-id", "x-hmac-trailer-signature"];
    for (status, frames, stalls) in [(200, 0, false), (200, 1, false), (200, 4, false), (200, 1, true), (204, 0, false)]
    {
        let service = service_fn(move |_: Request<HmacBody<Script>>| async move {
            let data = (0..frames).map(|_| Step::Data(Bytes::from(vec![b'x'; 20_000])));
            let body = Script::new(data.chain(stalls.then_some(Step::Stall)));
            let forged = FORGED.iter().fold(Response::builder(), |head, name| head.header(*name, "forged"));
            Ok::<_, Infallible>(forged.status(status).body(body).unwrap())
        });
        let mut request = Wire::get("/").request(Script::bytes(""));
        *request.version_mut() = Version::HTTP_2;
        let answer = support::layer().layer(service).oneshot(request).await.unwrap();
        assert!(answer.headers().contains_key("x-hmac-signature"));
        assert!(FORGED.iter().all(|name| !answer.headers().contains_key(*name)), "{status} {frames} {stalls}");
    }
}

/// The MAC of a trailer is none of a body that is there.
#[test]
fn an_answer_that_is_signed_by_hand_keeps_no_older_signature() {
    let (mut request, ()) = Request::get("http://a.example/").body(()).unwrap().into_parts();
    let signer = RequestSigner::new(Scheme::native(), key()).unwrap();
    let exchange = signer.begin(&request, NOW).unwrap().finish(&mut request).unwrap();
    let (mut answer, ()) = Response::builder().header("x-hmac-trailer-signature", "old").body(()).unwrap().into_parts();
    ResponseSigner::new(Scheme::native()).begin(&answer, &exchange, NOW).unwrap().finish(&mut answer).unwrap();
    assert!(!answer.headers.contains_key("x-hmac-trailer-signature"));
    ResponseVerifier::new(Scheme::native()).check(&answer, &exchange).unwrap().finish(&answer).unwrap();
}

/// Nor the field of another format, where the text that is signed has it in front of the body.
#[test]
fn an_answer_that_is_signed_by_hand_says_what_it_signs() {
    let field =
        Part::of_head(|message| Some(message.headers().get("x-other-sig").map_or(vec![], |v| v.as_bytes().into())));
    let text = [Part::RequestSignature(Encoding::Hex), field, Part::literal("\n"), Part::Body];
    let one = dated().response_signature(Field::header("x-resp-sig")).response_message(text);
    let other = Scheme::builder("other")
        .signature(Field::header("x-other"))
        .message([Part::Body])
        .response_signature(Field::header("x-other-sig"))
        .response_message([Part::RequestSignature(Encoding::Hex), Part::Body]);
    let scheme = Scheme::any([one.build().unwrap(), other.build().unwrap()]).unwrap();
    let request = Request::post("http://a.example/").body("{}").unwrap();
    let (_, exchange) = RequestSigner::new(scheme.clone(), key()).unwrap().sign(request, NOW).unwrap();
    let (mut answer, ()) = Response::builder().header("x-other-sig", "old").body(()).unwrap().into_parts();
    let signer = ResponseSigner::new(scheme.clone());
    let mut signing = signer.begin(&answer, &exchange, NOW).unwrap();
    signing.update(b"done");
    signing.finish(&mut answer).unwrap();
    let verified = |body: &[u8]| {
        let mut verifying = ResponseVerifier::new(scheme.clone()).check(&answer, &exchange).unwrap();
        verifying.update(body);
        verifying.finish(&answer).is_ok()
    };
    assert_eq!((verified(b"done"), verified(b"gone")), (true, false));
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

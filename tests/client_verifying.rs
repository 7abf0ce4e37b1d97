//! A response is handed on only if it is signed, for this request, with this status, head and body.

mod support;

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use http::{Method, Response, StatusCode};
use support::body::{Script, Step};
use support::peer::{Got, Seen, accept_under, answer, ask, call, client_layer, kind, post, server, sign};
use support::wire::{Wire, hex, mac};
use tower_hmac::{
    ClientErrorKind, HmacClientLayer, Key, KeyQuery, Keys, Lookup, Rejection, RejectionKind, Scheme, VerifiedResponse,
};

const OTHER_KEY: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

fn moved(wire: &Wire) -> Response<Script> {
    let mut response = answer(wire, "{\"done\":true}");
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("/pay/1"));
    sign(wire, &mut response, b"{\"done\":true}");
    response
}

/// The answer of [`moved`], changed on its way.
async fn changed(change: impl Fn(&Wire, &mut Response<Script>) + Clone + Send + Sync + 'static) -> ClientErrorKind {
    let outcome = ask(move |wire| {
        let mut response = moved(wire);
        change(wire, &mut response);
        response
    })
    .await;
    let error = outcome.expect_err("a changed response");
    assert!(error.may_have_been_sent());
    let response = error.unverified_response().expect("what came");
    assert!(response.extensions().get::<VerifiedResponse>().is_none());
    error.kind()
}

#[tokio::test]
async fn a_signed_response_is_handed_on_with_the_proof() {
    let Got { head, body } = ask(moved).await.unwrap();
    assert_eq!((head.status(), &body[..]), (StatusCode::CREATED, &b"{\"done\":true}"[..]));
    assert_eq!(head.headers()[LOCATION], "/pay/1");
    let proof: &VerifiedResponse = head.extensions().get().unwrap();
    assert_eq!((proof.key_id().as_str(), proof.timestamp()), (support::KEY_ID, Some(support::NOW)));
}

#[tokio::test]
async fn m_02_a_changed_status_or_head_is_an_error() {
    let name = |change: &str, value: Option<&'static str>| {
        let name = HeaderName::try_from(change).unwrap();
        changed(move |_, response| {
            match value {
                Some(value) => response.headers_mut().insert(&name, HeaderValue::from_static(value)),
                None => response.headers_mut().remove(&name),
            };
        })
    };
    assert_eq!(changed(|_, response| *response.status_mut() = StatusCode::OK).await, ClientErrorKind::BadSignature);
    for (header, value) in [
        ("location", Some("/pay/2")),
        ("location", None),
        ("content-type", Some("text/html")),
        ("content-type", None),
        ("content-encoding", Some("gzip")),
        ("x-hmac-timestamp", Some("1795303446")),
        ("x-hmac-signature", Some("v1=00")),
        ("x-hmac-signature", Some("")),
        ("x-hmac-trailer-signature", Some("v1=00")),
        ("grpc-status", Some("0")),
    ] {
        assert_eq!(name(header, value).await, ClientErrorKind::BadSignature, "{header} {value:?}");
    }
    for header in ["x-hmac-timestamp", "x-hmac-content-sha256", "x-hmac-signature"] {
        assert_eq!(name(header, None).await, ClientErrorKind::Unsigned, "{header}");
    }
}

#[tokio::test]
async fn a_repeated_field_is_an_error_even_if_both_are_right() {
    for name in ["x-hmac-signature", "x-hmac-timestamp", "x-hmac-content-sha256", "content-type", "location"] {
        let repeated = changed(move |_, response| {
            let value = response.headers()[name].clone();
            response.headers_mut().append(name, value);
        });
        assert_eq!(repeated.await, ClientErrorKind::BadSignature, "{name}");
    }
    assert_eq!(
        changed(|_, response| drop(response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(""))))
            .await,
        ClientErrorKind::BadSignature
    );
}

#[tokio::test]
async fn a_changed_body_is_an_error() {
    let frames: [fn() -> Vec<Step>; 6] = [
        Vec::new,
        || vec![Step::Data(Bytes::from_static(b"{\"done\":tru"))],
        || vec![Step::Data(Bytes::from_static(b"{\"done\":truf"))],
        || vec![Step::Data(Bytes::from_static(b"{\"done\":true}")), Step::Data(Bytes::from_static(b" "))],
        || vec![Step::Data(Bytes::from_static(b"true}")), Step::Data(Bytes::from_static(b"{\"done\":"))],
        || vec![Step::Data(Bytes::from_static(b"{\"done\":true}{\"done\":true}"))],
    ];
    for body in frames {
        let kind = changed(move |_, response| *response.body_mut() = Script::new(body()));
        assert_eq!(kind.await, ClientErrorKind::BodyMismatch);
    }
    let cut = || [Step::Data(Bytes::from_static(b"{\"done\":")), Step::Error];
    let error = ask(move |wire| moved(wire).map(|_| Script::new(cut()))).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::ResponseBody);
    assert_eq!(error.source().unwrap().to_string(), "broken by script");
    let trailers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("x"))]);
    let trailing = move |wire: &Wire| {
        let all = [Step::Data(Bytes::from_static(b"{\"done\":true}")), Step::Trailers(trailers.clone())];
        moved(wire).map(|_| Script::new(all))
    };
    assert_eq!(kind(&ask(trailing).await), Some(ClientErrorKind::ResponseTrailers));
}

/// Any frames are right whose bytes are.
#[tokio::test]
async fn a_body_in_pieces_is_the_same_body() {
    let got = ask(|wire| moved(wire).map(|_| Script::chunks(b"{\"done\":true}", 1))).await.unwrap();
    assert_eq!(&got.body[..], b"{\"done\":true}");
}

#[tokio::test]
async fn m_01_the_answer_to_another_request_is_an_error() {
    let others: [fn(&Wire) -> Wire; 5] = [
        |wire| wire.clone().nonce("another-nonce-00000001"),
        |wire| Wire { target: "/pay?x=1".into(), ..wire.clone() },
        |wire| Wire { method: Method::GET, ..wire.clone() },
        |wire| Wire { body: b"{\"a\":2}".to_vec(), ..wire.clone() },
        |wire| Wire { timestamp: (support::NOW - 1).to_string(), ..wire.clone() },
    ];
    for other in others {
        assert_eq!(kind(&ask(move |wire| moved(&other(wire))).await), Some(ClientErrorKind::BadSignature));
    }
}

/// Bound to this request as it should be, but by somebody else, whose key the client may know too.
#[tokio::test]
async fn n_02_a_signature_under_another_key_or_id_is_an_error() {
    let by = |id: &'static str, secret: &'static str| {
        move |wire: &Wire| {
            let mut response = moved(wire);
            let digest = response.headers()["x-hmac-content-sha256"].to_str().unwrap();
            let text = wire.answer_to_sign(&response, &wire.timestamp, digest);
            let text = text.replacen(&format!("\n{}\n", support::KEY_ID), &format!("\n{id}\n"), 1);
            let signature = format!("v1={}", hex(&mac(secret, text.as_bytes())));
            response.headers_mut().insert("x-hmac-signature", signature.parse().unwrap());
            response
        }
    };
    for (id, secret) in [("svc-b", support::KEY_HEX), ("svc-b", OTHER_KEY), (support::KEY_ID, OTHER_KEY)] {
        let both = Keys::new([support::key(), Key::from_hex(id, secret).unwrap()]).unwrap();
        let both = move |_: &KeyQuery<'_>| -> Lookup { Some(both.clone()).into() };
        let knowing = HmacClientLayer::new(Scheme::native(), both).unwrap().clock(support::clock());
        for layer in [client_layer(), knowing] {
            let answered = |peer| call(layer.clone(), post("/pay", "{}"), peer);
            answered(server(&Seen::default(), by(support::KEY_ID, support::KEY_HEX))).await.unwrap();
            let outcome = answered(server(&Seen::default(), by(id, secret))).await;
            assert_eq!(kind(&outcome), Some(ClientErrorKind::BadSignature), "{id}");
        }
    }
}

/// A secret serves both directions; a request's signature is no response's.
#[tokio::test]
async fn m_03_the_request_s_own_signature_is_an_error() {
    let reflected = changed(|wire, response| {
        for (name, value) in wire.fields() {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        *response.body_mut() = Script::bytes(wire.body.clone());
    });
    assert_eq!(reflected.await, ClientErrorKind::BadSignature);
}

#[tokio::test]
async fn n_01_an_unsigned_response_is_an_error_that_shows_it() {
    for status in [200, 204, 301, 401, 413, 503] {
        let outcome = ask(move |_| {
            let response = Response::builder().status(status).header("retry-after", "7");
            response.body(Script::chunks(b"try again later", 4)).unwrap()
        })
        .await;
        let error = outcome.unwrap_err();
        let response = error.unverified_response().unwrap();
        assert_eq!((error.kind(), response.status().as_u16()), (ClientErrorKind::Unsigned, status));
        assert_eq!(&response.body()[..], b"try again later");
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(error.to_string(), format!("the response is not signed (status {status})"));
        let source: &Rejection = error.source().unwrap().downcast_ref().unwrap();
        assert_eq!(source.kind(), RejectionKind::Missing);
        // What a stranger wrote is in no log by accident.
        assert!(!format!("{error:?}").contains("later") && !format!("{error:?}").contains("retry"));
    }
}

fn data(len: usize) -> Step {
    Step::Data(Bytes::from(vec![b'x'; len]))
}

#[tokio::test]
async fn of_a_refusal_s_body_no_more_than_8_kib_is_kept_however_it_ends() {
    let refusal =
        |steps: fn() -> Vec<Step>| ask(move |_| Response::builder().status(401).body(Script::new(steps())).unwrap());
    let kept = async |steps| refusal(steps).await.unwrap_err().unverified_response().unwrap().body().len();
    assert_eq!(kept(|| vec![data(8191), data(2), Step::Stall]).await, 8192);
    assert_eq!(kept(|| (0..10_000).map(|_| data(0)).chain([data(10)]).collect()).await, 10);
    assert_eq!(kept(|| vec![data(10), Step::Yield, Step::Error]).await, 10);
    assert_eq!(kept(|| vec![data(10), Step::Trailers(HeaderMap::new()), data(1 << 20)]).await, 8192);

    let clock = support::clock();
    let late = clock.clone();
    let slow = move |_: &Wire| {
        let late = late.clone();
        let pause = Step::Do(Box::new(move || late.advance(Duration::from_secs(31))));
        Response::builder().status(401).body(Script::new([pause, data(3), Step::Stall])).unwrap()
    };
    let outcome = call(client_layer().clock(clock), post("/pay", "{}"), server(&Seen::default(), slow)).await;
    assert_eq!(outcome.unwrap_err().unverified_response().unwrap().body().len(), 3);
}

/// What HTTP says has no content is signed as such, and nothing is handed on that was not.
#[tokio::test]
async fn m_04_a_response_without_content_hands_on_none() {
    for (method, status) in [(Method::HEAD, 200), (Method::GET, 204), (Method::POST, 205), (Method::GET, 304)] {
        let run = async |signed: &'static [u8], sent: &'static [u8]| {
            let mut request = post("/pay", "");
            *request.method_mut() = method.clone();
            let respond = move |wire: &Wire| {
                let mut response = Response::builder().status(status).body(Script::bytes(sent)).unwrap();
                sign(wire, &mut response, signed);
                response
            };
            call(client_layer(), request, server(&Seen::default(), respond)).await
        };
        assert!(run(b"", b"").await.unwrap().body.is_empty());
        assert!(run(b"", b"smuggled").await.unwrap().body.is_empty());
        assert_eq!(kind(&run(b"smuggled", b"smuggled").await), Some(ClientErrorKind::BodyMismatch), "{method}");
    }
}

/// The tests' own server tells requests apart as it should.
#[tokio::test]
async fn the_server_of_these_tests_refuses_another_secret() {
    let (head, ()) = Wire::post("/pay", "{}").request(()).into_parts();
    accept_under(support::KEY_HEX, &head, b"{}").unwrap();
    accept_under(OTHER_KEY, &head, b"{}").unwrap_err();
    accept_under(support::KEY_HEX, &head, b"{} ").unwrap_err();
}

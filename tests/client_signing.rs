//! What the client layer sends is signed, anew for each attempt; what it cannot sign it does not send.

mod support;

use std::collections::HashSet;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use support::body::{Script, Step};
use support::peer::{Seen, accept, answer, call, client_layer, kind, post, server};
use support::wire::Wire;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_hmac::{ClientErrorKind, HmacBody, HmacClientLayer, Scheme, SignError, SignedHeaders};

fn ok(wire: &Wire) -> Response<Script> {
    answer(wire, "{}")
}

/// The server that these go to refuses whatever is not signed right, by panic.
#[tokio::test]
async fn any_request_is_signed_as_the_format_says() {
    let bodies = [Bytes::new(), Bytes::from_static(b"{\"a\":1}"), Bytes::from(vec![0xff; 300_000])];
    for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        for target in ["/", "/v1/payments?dry_run=1&b=%2F", "/%C3%A9?", "/a//b/../c"] {
            for body in &bodies {
                let seen = Seen::default();
                let mut request = post(target, "").map(|_| Script::chunks(body, 1000));
                *request.method_mut() = method.clone();
                call(client_layer(), request, server(&seen, ok)).await.unwrap();
                let [wire] = &seen.all()[..] else { panic!("one request") };
                assert_eq!((&*wire.target, &wire.body[..], &*wire.authority), (target, &body[..], support::AUTHORITY));
                assert_eq!((wire.timestamp.clone(), wire.nonce.len()), (support::NOW.to_string(), 22));
            }
        }
    }
}

#[tokio::test]
async fn each_attempt_has_a_nonce_of_its_own_and_the_time_when_its_body_is_there() {
    let (seen, clock) = (Seen::default(), support::clock());
    let later = clock.clone();
    let client = client_layer().clock(clock.clone()).layer(server(&seen, ok));
    for _ in 0..100 {
        client.clone().oneshot(post("/pay", "{}")).await.unwrap();
    }
    assert_eq!(seen.nonces().into_iter().collect::<HashSet<_>>().len(), 100);
    let slow = Step::Do(Box::new(move || later.advance(Duration::from_secs(7))));
    let body = Script::new([Step::Data(Bytes::from_static(b"{")), slow, Step::Data(Bytes::from_static(b"}"))]);
    client.oneshot(post("/pay", "").map(|_| body)).await.unwrap();
    assert_eq!(seen.all()[100].timestamp, (support::NOW + 7).to_string());
}

#[tokio::test]
async fn fields_of_an_earlier_signature_are_replaced() {
    let mut request = post("/pay", "{}");
    for (name, value) in Wire::get("/").fields() {
        request.headers_mut().append(name, value.parse().unwrap());
        request.headers_mut().append(name, value.parse().unwrap());
    }
    request.headers_mut().insert("x-hmac-trailer-signature", HeaderValue::from_static("v1=00"));
    let gone = service_fn(|request: Request<HmacBody<Script>>| async move {
        assert!(!request.headers().contains_key("x-hmac-trailer-signature"));
        assert!(request.headers()["x-hmac-signature"].is_sensitive());
        server(&Seen::default(), ok).oneshot(request).await
    });
    client_layer().layer(gone).oneshot(request).await.unwrap();
}

#[tokio::test]
async fn one_frame_is_sent_as_it_is_and_the_length_is_known() {
    let frame = Bytes::from(vec![b'x'; 100_000]);
    let body = Script::new([Step::Yield, Step::Data(frame.clone())]);
    let kept = frame.clone();
    let inner = service_fn(move |mut request: Request<HmacBody<Script>>| {
        let kept = kept.clone();
        async move {
            assert_eq!(request.body().size_hint().exact(), Some(100_000));
            let data = request.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!((data.as_ptr(), data.len()), (kept.as_ptr(), kept.len()));
            assert!(request.body().is_end_stream());
            let wire = accept(&request.into_parts().0, &kept).unwrap();
            Ok::<_, std::convert::Infallible>(answer(&wire, "{}"))
        }
    });
    client_layer().layer(inner).oneshot(post("/up", "").map(|_| body)).await.unwrap();
}

/// A port that the scheme implies is left out by HTTP/1 clients; it is left out before signing.
#[tokio::test]
async fn a_port_that_goes_without_saying_is_not_signed() {
    for (uri, wanted) in [
        ("http://api.example.com:80/x", "api.example.com"),
        ("https://api.example.com:443/x", "api.example.com"),
        ("http://api.example.com:443/x", "api.example.com:443"),
        ("https://api.example.com:80/x", "api.example.com:80"),
        ("http://api.example.com:/x", "api.example.com"),
        ("http://API.example.com:8080/x", "API.example.com:8080"),
        ("http://[::1]:80/x", "[::1]"),
        ("http://[::80]/x", "[::80]"),
        ("http://api.example.com:80", "api.example.com"),
    ] {
        let seen = Seen::default();
        let request = Request::get(uri).body(Script::bytes("")).unwrap();
        call(client_layer(), request, server(&seen, ok)).await.unwrap();
        assert_eq!(seen.all()[0].authority, wanted, "{uri}");
    }
    // Who sets `Host` decides.
    let seen = Seen::default();
    let request = Request::get("http://api.example.com:80/").header(HOST, "api.example.com:80");
    call(client_layer(), request.body(Script::bytes("")).unwrap(), server(&seen, ok)).await.unwrap();
    assert_eq!(seen.all()[0].authority, "api.example.com:80");
}

type Change<'a> = &'a dyn Fn(&mut Request<Script>);

/// Fails, with this reason, before anything is sent.
async fn not_sent(layer: HmacClientLayer, request: Request<Script>, wanted: ClientErrorKind) -> Option<SignError> {
    let seen = Seen::default();
    let outcome = call(layer, request, server(&seen, ok)).await;
    assert_eq!((kind(&outcome), seen.count()), (Some(wanted), 0));
    let error = outcome.unwrap_err();
    assert!(!error.may_have_been_sent() && error.unverified_response().is_none());
    error.source().and_then(|source| source.downcast_ref()).copied()
}

#[tokio::test]
async fn what_cannot_be_signed_is_not_sent() {
    use ClientErrorKind::Unsignable;
    let changed = |change: Change<'_>| {
        let mut request = post("/pay", "{}");
        change(&mut request);
        request
    };
    let header = |request: &mut Request<Script>, name: &'static str, value: &'static str| {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    };
    let cases: [(Change<'_>, SignError); 7] = [
        (&|r| *r.method_mut() = Method::CONNECT, SignError::Method),
        (&|r| header(r, "content-type", "text/plain"), SignError::Header),
        (&|r| drop(r.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(" "))), SignError::Header),
        (&|r| header(r, "x-http-method-override", "DELETE"), SignError::UncoveredOverride),
        (&|r| *r.uri_mut() = "/pay".parse().unwrap(), SignError::Target),
        (&|r| *r.uri_mut() = "http://me:pw@api.example.com/pay".parse().unwrap(), SignError::Target),
        (&|r| header(r, "host", "other.example.com"), SignError::Target),
    ];
    for (change, wanted) in cases {
        assert_eq!(not_sent(client_layer(), changed(change), Unsignable).await, Some(wanted));
    }
    let extra = SignedHeaders::new(["x-tenant"]).unwrap();
    let scheme = Scheme::native_with_headers(extra, SignedHeaders::none());
    let layer = HmacClientLayer::new(scheme, support::key()).unwrap();
    let twice = changed(&|r| {
        header(r, "x-tenant", "1");
        header(r, "x-tenant", "2");
    });
    assert_eq!(not_sent(layer, twice, Unsignable).await, Some(SignError::Header));
}

#[tokio::test]
async fn without_a_clock_nothing_is_sent() {
    let clock = support::clock();
    clock.fail();
    not_sent(client_layer().clock(clock.clone()), post("/pay", "{}"), ClientErrorKind::Clock).await;
    clock.set(99);
    not_sent(client_layer().clock(clock), post("/pay", "{}"), ClientErrorKind::Clock).await;
}

#[tokio::test]
async fn n_10_a_body_that_cannot_be_had_whole_is_not_sent() {
    let data = |len| Step::Data(Bytes::from(vec![b'x'; len]));
    let with = |body: Script| post("/pay", "").map(|_| body);
    let declared = Script::new([Step::Stall]).declaring(101);
    let polls = declared.polls();
    let limited = || client_layer().max_body(100);
    not_sent(limited(), with(declared), ClientErrorKind::RequestTooLarge).await;
    assert_eq!(polls.count(), 0);
    not_sent(limited(), with(Script::new([data(100), data(1)])), ClientErrorKind::RequestTooLarge).await;
    call(limited(), with(Script::new([data(50), data(50)])), server(&Seen::default(), ok)).await.unwrap();

    not_sent(client_layer(), with(Script::new([data(1), Step::Error])), ClientErrorKind::RequestBody).await;
    let trailers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("x"))]);
    let trailing = Script::new([data(1), Step::Trailers(trailers)]);
    not_sent(client_layer(), with(trailing), ClientErrorKind::RequestTrailers).await;
    not_sent(client_layer().buffer_budget(9), with(Script::new([data(10)])), ClientErrorKind::Budget).await;

    for (seconds, wanted) in [(30, None), (31, Some(ClientErrorKind::RequestTimeout))] {
        let (clock, seen) = (support::clock(), Seen::default());
        let later = clock.clone();
        let pause = Step::Do(Box::new(move || later.advance(Duration::from_secs(seconds))));
        let body = Script::new([data(1), Step::Yield, pause, Step::Yield, data(1)]);
        let outcome = call(client_layer().clock(clock), with(body), server(&seen, ok)).await;
        assert_eq!((kind(&outcome), seen.count()), (wanted, usize::from(wanted.is_none())));
    }
}

#[tokio::test]
async fn a_long_body_is_hashed_in_steps_that_let_others_run() {
    const STEP: usize = 64 * 1024;
    let polls = Arc::new(Mutex::new(0));
    let client = client_layer().layer(server(&Seen::default(), ok));
    let body = Script::bytes(vec![b'x'; 16 * STEP]);
    let mut future = std::pin::pin!(client.clone().call(post("/up", "").map(|_| body)));
    std::future::poll_fn(|cx| {
        *polls.lock().unwrap() += 1;
        future.as_mut().poll(cx)
    })
    .await
    .unwrap();
    assert!(*polls.lock().unwrap() >= 16, "{polls:?}");
}

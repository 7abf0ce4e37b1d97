//! What cannot be signed does not go out: it becomes a 500 before its head is sent, and says which setting helps.

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LOCATION};
use http::response::Builder;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body::Body;
use support::body::{Polls, Script, Step};
use support::service::split;
use support::wire::Wire;
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::{HmacBody, HmacLayer, RejectionKind};

const LIMIT: u64 = 1000;

/// What came back, and how often the body of the service's answer was polled.
struct Sent {
    response: Response<HmacBody<Script>>,
    polls: Polls,
}

/// Answers one request with this head and body.
async fn answer(layer: HmacLayer, wire: &Wire, head: Builder, body: Script) -> Sent {
    let polls = body.polls();
    let response = std::cell::Cell::new(Some(head.body(body).unwrap()));
    let inner = service_fn(|_: Request<HmacBody<Script>>| {
        let response = response.take().expect("called twice");
        async { Ok::<_, Infallible>(response) }
    });
    let response = layer.layer(inner).oneshot(wire.request(Script::bytes(wire.body.clone()))).await.unwrap();
    Sent { response, polls }
}

impl Sent {
    fn kind(&self) -> Option<RejectionKind> {
        self.response.extensions().get().copied()
    }

    /// Our own answer: nothing of the service's, and no signature that would make it look like the service's.
    #[track_caller]
    fn failed(&self, kind: RejectionKind) {
        assert_eq!((self.response.status().as_u16(), self.kind()), (500, Some(kind)));
        assert!(self.response.headers().is_empty(), "{:?}", self.response.headers());
        assert_eq!(self.response.body().size_hint().exact(), Some(0));
    }

    async fn signed_for(self, wire: &Wire) {
        assert_eq!(self.kind(), None);
        let (head, body) = split(self.response).await;
        wire.accepts(&head, &body).unwrap();
    }
}

fn get() -> Wire {
    Wire::get("/")
}

fn head() -> Builder {
    Response::builder()
}

#[tokio::test]
async fn m_06_an_answer_over_the_limit_is_a_500_that_names_the_setting() {
    let layer = || support::layer().max_response_body(LIMIT);
    let bytes = |size: u64| vec![b'y'; size as usize];
    for size in [LIMIT - 1, LIMIT] {
        for body in [Script::bytes(bytes(size)), Script::chunks(&bytes(size), 7).declaring(size)] {
            let wire = get();
            answer(layer(), &wire, head(), body).await.signed_for(&wire).await;
        }
    }
    let declared = answer(layer(), &get(), head(), Script::bytes(bytes(LIMIT + 1)).declaring(LIMIT + 1)).await;
    declared.failed(RejectionKind::ResponseTooLarge);
    assert_eq!(declared.polls.count(), 0);
    let endless = Script::new((0..5 * LIMIT).map(|_| Step::Data(Bytes::from_static(b"y"))));
    let endless = answer(layer(), &get(), head(), endless).await;
    endless.failed(RejectionKind::ResponseTooLarge);
    assert_eq!(endless.polls.count() as u64, LIMIT + 1);
    assert!(RejectionKind::ResponseTooLarge.to_string().contains("HmacLayer::max_response_body"));

    // What is not signed is not limited.
    let layer = layer().without_response_signing();
    let sent = answer(layer, &get(), head(), Script::bytes(bytes(2 * LIMIT))).await;
    assert_eq!((sent.kind(), split(sent.response).await.1.len() as u64), (None, 2 * LIMIT));
}

#[tokio::test]
async fn the_response_limit_is_2_mib_unless_said_otherwise() {
    for (size, kind) in [(2 << 20, None), ((2 << 20) + 1, Some(RejectionKind::ResponseTooLarge))] {
        let sent = answer(support::layer(), &get(), head(), Script::bytes(vec![b'y'; size])).await;
        assert_eq!(sent.kind(), kind);
    }
}

#[tokio::test]
async fn an_event_stream_is_a_500_unless_it_is_named() {
    let types = ["text/event-stream", "text/event-stream; charset=utf-8", "Text/Event-Stream", " text/event-stream ;x"];
    for value in types {
        let stream = || (head().header(CONTENT_TYPE, value), Script::new([Step::Stall]));
        let (head, body) = stream();
        let sent = answer(support::layer(), &get(), head, body).await;
        sent.failed(RejectionKind::ResponseEndless);
        assert_eq!(sent.polls.count(), 0);

        let (head, body) = stream();
        let layer = support::layer().pass_unsigned(|head| head.headers.contains_key(CONTENT_TYPE));
        let sent = answer(layer, &get(), head, body).await;
        assert_eq!((sent.response.status().as_u16(), sent.kind()), (200, None));
        assert!(!sent.response.headers().contains_key("x-hmac-signature"));
        assert_eq!(sent.polls.count(), 0);
    }
    for value in ["text/event", "text/event-streams", "application/text/event-stream"] {
        let wire = get();
        let sent = answer(support::layer(), &wire, head().header(CONTENT_TYPE, value), Script::bytes("data")).await;
        sent.signed_for(&wire).await;
    }
    // A predicate that names something else changes nothing.
    let (layer, wire) = (support::layer().pass_unsigned(|head| head.status == 418), get());
    answer(layer, &wire, head(), Script::bytes("hello")).await.signed_for(&wire).await;
    assert!(RejectionKind::ResponseEndless.to_string().contains("HmacLayer::pass_unsigned"));
}

fn trailers() -> Step {
    Step::Trailers(HeaderMap::from_iter([(HeaderName::from_static("x-end"), HeaderValue::from_static("1"))]))
}

#[tokio::test]
async fn an_answer_with_trailers_is_a_500() {
    let body = || Script::new([Step::Data(Bytes::from_static(b"hello")), trailers()]);
    answer(support::layer(), &get(), head(), body()).await.failed(RejectionKind::Unsignable);
    answer(support::layer(), &get(), head(), Script::new([trailers()])).await.failed(RejectionKind::Unsignable);
    let (wire, empty) = (get(), Step::Trailers(HeaderMap::new()));
    answer(support::layer(), &wire, head(), Script::new([empty])).await.signed_for(&wire).await;

    // Where there is no content there are no trailers: they are dropped.
    for (method, status) in [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 205), (Method::GET, 304)] {
        let wire = Wire::new(method, "/", "");
        let sent = answer(support::layer(), &wire, head().status(status), body()).await;
        assert_eq!(sent.polls.count(), 0);
        sent.signed_for(&wire).await;
    }
    let layer = support::layer().without_response_signing();
    let mut sent = answer(layer, &get(), head(), body()).await;
    let mut last = None;
    while let Some(frame) = http_body_util::BodyExt::frame(sent.response.body_mut()).await {
        last = Some(frame.unwrap());
    }
    assert!(last.unwrap().is_trailers(), "unsigned answers keep their trailers");
}

#[tokio::test]
async fn a_repeated_or_empty_covered_field_is_a_500() {
    for name in [CONTENT_TYPE, CONTENT_ENCODING, LOCATION] {
        for method in [Method::GET, Method::HEAD] {
            let wire = || Wire::new(method.clone(), "/", "");
            let body = || Script::bytes("hello");
            let repeated = head().header(&name, "a/b").header(&name, "a/b");
            answer(support::layer(), &wire(), repeated, body()).await.failed(RejectionKind::Unsignable);
            for blank in ["", " ", "\t "] {
                let empty = head().header(&name, blank);
                answer(support::layer(), &wire(), empty, body()).await.failed(RejectionKind::Unsignable);
            }
            let wire = wire();
            let sent = answer(support::layer(), &wire, head().header(&name, "a/b"), body()).await;
            assert_eq!((sent.kind(), sent.response.headers()[&name].as_bytes()), (None, &b"a/b"[..]));
        }
        let wire = get();
        answer(support::layer(), &wire, head().header(&name, "a/b"), Script::bytes("hello"))
            .await
            .signed_for(&wire)
            .await;
    }
    // Others may be repeated.
    let wire = get();
    let cookies = head().header("set-cookie", "a=1").header("set-cookie", "b=2").header("vary", "");
    let sent = answer(support::layer(), &wire, cookies, Script::bytes("hello")).await;
    assert_eq!(sent.response.headers().get_all("set-cookie").iter().count(), 2);
    sent.signed_for(&wire).await;
}

#[tokio::test]
async fn an_answer_that_breaks_is_a_500() {
    for steps in [vec![Step::Error], vec![Step::Data(Bytes::from_static(b"hel")), Step::Yield, Step::Error]] {
        let sent = answer(support::layer(), &get(), head(), Script::new(steps)).await;
        sent.failed(RejectionKind::ResponseError);
    }
}

#[tokio::test]
async fn a_failing_clock_is_not_signed_over() {
    let clock = support::clock();
    let broken = clock.clone();
    let body = Script::new([Step::Do(Box::new(move || broken.fail())), Step::Data(Bytes::from_static(b"hello"))]);
    let sent = answer(support::layer().clock(clock), &get(), head().header(CONTENT_LENGTH, 5), body).await;
    assert_eq!((sent.response.status().as_u16(), sent.kind()), (503, Some(RejectionKind::Clock)));
    assert!(!sent.response.headers().contains_key("x-hmac-signature"));
}

#[tokio::test]
async fn a_grpc_caller_is_told_in_its_own_way() {
    let wire = Wire::new(Method::POST, "/pkg.Service/Call", "").header("content-type", "application/grpc");
    let sent = answer(support::layer(), &wire, head(), Script::new([trailers()])).await;
    assert_eq!((sent.response.status().as_u16(), sent.kind()), (200, Some(RejectionKind::Unsignable)));
    assert_eq!(sent.response.headers()["grpc-status"], "13");
    assert!(!sent.response.headers().contains_key("x-hmac-signature"));
}

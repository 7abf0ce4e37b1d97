//! The client's half of streaming: requests that flow out, responses that flow in and are verified at their end.

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use support::body::{Script, Step};
use support::peer::{client_layer, post};
use support::trailers::{NAME, ends, map, streaming};
use support::wire::Wire;
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::{
    ClientError, ClientErrorKind, HmacBody, HmacClientLayer, RejectionKind, StreamedBody, VerifiedResponse,
};

/// What the server got: the head, the body, the trailers.
type Got = (http::request::Parts, Bytes, Option<HeaderMap>);
type Answer = Result<Response<HmacBody<Script>>, ClientError>;

async fn call(
    layer: HmacClientLayer,
    body: Script,
    respond: impl Fn(&Wire) -> Response<Script> + Clone + Send + 'static,
) -> (Answer, Option<Got>) {
    let got = Arc::new(Mutex::new(None));
    let inner = Arc::clone(&got);
    let server = service_fn(move |request: Request<HmacBody<Script>>| {
        let (respond, inner) = (respond.clone(), Arc::clone(&inner));
        async move {
            let (head, body) = request.into_parts();
            let all = body.collect().await.unwrap();
            let trailers = all.trailers().cloned();
            let body = all.to_bytes();
            let wire = asked(&head, &body);
            *inner.lock().unwrap() = Some((head, body, trailers));
            Ok::<_, Infallible>(respond(&wire))
        }
    });
    let answer = layer.layer(server).oneshot(post("/pay", "").map(|_| body)).await;
    let got = got.lock().unwrap().take();
    (answer, got)
}

/// The independent signer's view of the request.
fn asked(head: &http::request::Parts, body: &[u8]) -> Wire {
    let field = |name: &str| head.headers[name].to_str().unwrap().to_owned();
    let wire = Wire::new(head.method.clone(), "/pay", body).header("content-type", "application/json");
    let wire = Wire { timestamp: field("x-hmac-timestamp"), nonce: field("x-hmac-nonce"), ..wire };
    match &*field("x-hmac-content-sha256") {
        "trailer" => wire.streamed(),
        _ => wire,
    }
}

#[track_caller]
fn signed(got: Got) -> (Wire, Option<HeaderMap>) {
    let (head, body, trailers) = got;
    let wire = asked(&head, &body);
    for (name, value) in wire.fields() {
        assert_eq!(head.headers[name], value, "{name}");
    }
    (wire, trailers)
}

fn ok(wire: &Wire) -> Response<Script> {
    support::peer::answer(wire, "{}")
}

fn data(text: &'static str) -> Step {
    Step::Data(Bytes::from_static(text.as_bytes()))
}

#[tokio::test]
async fn n_10_a_request_of_unknown_length_is_signed_in_a_trailer_when_it_is_not_there_at_once() {
    let layer = || client_layer().stream_requests(|head| head.uri.path() == "/pay");
    let own = || Step::Trailers(map(&[("x-a", "1")]));
    let flowing = [
        vec![data("hel"), Step::Yield, data("lo")],
        vec![data("hel"), own()],
        vec![Step::Data(Bytes::from(vec![7; 100_000]))],
    ];
    for steps in flowing {
        let (answer, got) = call(layer(), Script::new(steps), ok).await;
        answer.unwrap();
        let got = got.unwrap();
        assert!(got.0.headers.get_all("trailer").iter().any(|name| name == NAME));
        let (wire, trailers) = signed(got);
        assert_eq!(wire.content.as_deref(), Some("trailer"));
        // HTTP/1.1 sends no trailer that the head does not name.
        assert_eq!(trailers.unwrap(), wire.trailers(&[]));
    }
    let there =
        [Script::bytes("hello"), Script::new([]), Script::new([data("hel"), Step::Yield, data("lo")]).declaring(5)];
    for body in there {
        let (answer, got) = call(layer(), body, ok).await;
        answer.unwrap();
        let (wire, trailers) = signed(got.unwrap());
        assert_eq!((wire.content, trailers), (None, None));
    }
    // Over the limit for buffering, of known length.
    let long = Script::bytes(vec![7; 3 << 20]).declaring(3 << 20);
    let (wire, _) = signed(call(layer(), long, ok).await.1.unwrap());
    assert!(wire.content.is_some());
    // Not asked for: buffered, and no trailers.
    let (answer, got) = call(client_layer(), Script::new([data("hel"), Step::Yield, data("lo")]), ok).await;
    answer.unwrap();
    assert_eq!(signed(got.unwrap()).0.content, None);
    let (answer, got) = call(client_layer(), Script::new([data("hel"), own()]), ok).await;
    assert_eq!((answer.unwrap_err().kind(), got.is_none()), (ClientErrorKind::RequestTrailers, true));
}

/// Reads to the end: the bytes, the trailers, and how it ended.
async fn read(answer: Answer) -> (Vec<u8>, Option<HeaderMap>, Result<(), Option<RejectionKind>>) {
    let (mut bytes, mut trailers) = (Vec::new(), None);
    let mut body = answer.unwrap().into_body();
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => bytes.extend_from_slice(&data),
            Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
            Err(error) => return (bytes, trailers, Err(error.kind())),
        }
    }
    (bytes, trailers, Ok(()))
}

fn frames() -> Vec<Step> {
    vec![data("one "), Step::Yield, data("two "), data("three")]
}

const WHOLE: &[u8] = b"one two three";

#[tokio::test]
async fn a_response_whose_mac_follows_is_verified_before_it_is_handed_on() {
    let (answer, _) = call(client_layer(), Script::bytes("{}"), |wire| streaming(wire, WHOLE, frames(), Some)).await;
    assert!(answer.as_ref().unwrap().extensions().get::<StreamedBody>().is_none());
    let (bytes, trailers, end) = read(answer).await;
    assert_eq!((&bytes[..], trailers, end), (WHOLE, Some(map(&[("x-sum", "1")])), Ok(())));
    for (name, end) in ends() {
        let (answer, _) = call(client_layer(), Script::bytes("{}"), move |w| streaming(w, WHOLE, frames(), end)).await;
        assert_eq!(answer.unwrap_err().kind(), ClientErrorKind::BodyMismatch, "{name}");
    }
}

#[tokio::test]
async fn n_03_a_response_flows_only_when_the_caller_asks_for_it() {
    let layer = || client_layer().stream_responses(|_| true);
    let (answer, _) = call(layer(), Script::bytes("{}"), |wire| streaming(wire, WHOLE, frames(), Some)).await;
    let extensions = answer.as_ref().unwrap().extensions().clone();
    let flag: StreamedBody = extensions.get().cloned().unwrap();
    assert!(extensions.get::<VerifiedResponse>().is_some() && flag.outcome().is_none());
    let (bytes, trailers, end) = read(answer).await;
    assert_eq!((&bytes[..], trailers, end), (WHOLE, Some(map(&[("x-sum", "1")])), Ok(())));
    assert!(flag.is_verified());

    for (name, end) in ends() {
        let (answer, _) = call(layer(), Script::bytes("{}"), move |w| streaming(w, WHOLE, frames(), end)).await;
        let flag: StreamedBody = answer.as_ref().unwrap().extensions().get().cloned().unwrap();
        let (_, trailers, end) = read(answer).await;
        assert!(end.is_err() && trailers.is_none(), "{name}");
        assert_eq!(flag.outcome().unwrap().map_err(Some), end, "{name}");
    }
    let cuts: [fn() -> Vec<Step>; 5] = [
        || vec![data("one "), data("two ")],
        || vec![data("two "), data("one "), data("three")],
        || vec![data("one "), data("one "), data("two "), data("three")],
        || vec![data("one "), data("twO "), data("three")],
        || vec![data("one "), Step::Error],
    ];
    for cut in cuts {
        let (answer, _) = call(layer(), Script::bytes("{}"), move |w| streaming(w, WHOLE, cut(), Some)).await;
        read(answer).await.2.unwrap_err();
    }
    // With the digest in the head, and of known length: the last frame is held back.
    let digest = |body: &'static str| {
        move |wire: &Wire| {
            support::peer::answer(wire, "one two").map(|_| Script::new([data("one "), data(body)]).declaring(7))
        }
    };
    let (bytes, _, end) = read(call(layer(), Script::bytes("{}"), digest("two")).await.0).await;
    assert_eq!((&bytes[..], end), (&b"one two"[..], Ok(())));
    let (bytes, _, end) = read(call(layer(), Script::bytes("{}"), digest("tWo")).await.0).await;
    assert_eq!((&bytes[..], end), (&b"one "[..], Err(Some(RejectionKind::BodyMismatch))));
    // The head is verified before anything is handed on.
    let forged = |wire: &Wire| streaming(&wire.clone().key("svc-a", &"00".repeat(32)), WHOLE, frames(), Some);
    let (answer, _) = call(layer(), Script::bytes("{}"), forged).await;
    assert_eq!(answer.unwrap_err().kind(), ClientErrorKind::BadSignature);
}

/// The verdict on a head does not wait for a body that has no end.
#[tokio::test]
async fn an_unsigned_answer_without_an_end_is_an_error_at_once() {
    let shown = async |steps: fn() -> Vec<Step>| {
        let layer = client_layer().stream_responses(|_| true);
        let (answer, _) = call(layer, Script::bytes("{}"), move |_| Response::new(Script::new(steps()))).await;
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Unsigned);
        error.unverified_response().unwrap().body().to_vec()
    };
    assert_eq!(shown(|| vec![Step::Stall]).await, b"");
    let some = || vec![Step::Yield, Step::Data("so".into()), Step::Yield, Step::Data("me".into()), Step::Stall];
    assert_eq!(shown(some).await, b"some");
}

#[tokio::test]
async fn whoever_reads_answers_while_they_come_says_that_it_takes_trailers() {
    let te = async |layer: HmacClientLayer, said: Option<&'static str>| {
        let seen = Arc::new(Mutex::new(None));
        let inner = Arc::clone(&seen);
        let server = service_fn(move |request: Request<HmacBody<String>>| {
            *inner.lock().unwrap() = request.headers().get("te").cloned();
            async { Ok::<_, Infallible>(Response::new(Script::bytes("{}"))) }
        });
        let request = post("/pay", "").map(|_| String::new());
        let request = said.into_iter().fold(request, |mut request, said| {
            request.headers_mut().insert("te", said.parse().unwrap());
            request
        });
        let _ = layer.layer(server).oneshot(request).await;
        let te = seen.lock().unwrap().take();
        te.map(|te| te.to_str().unwrap().to_owned())
    };
    let streams = || client_layer().stream_responses(|_| true);
    assert_eq!(te(streams(), None).await.as_deref(), Some("trailers"));
    assert_eq!(te(streams(), Some("gzip")).await.as_deref(), Some("gzip"), "the caller's own stays");
    assert_eq!(te(client_layer(), None).await, None);
}

//! Responses that flow out of the service: signed in the head when they are there at once, else in a trailer.

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Method, Response, Version};
use http_body::Body;
use http_body_util::BodyExt;
use support::body::{Polls, Script, Step};
use support::trailers::{NAME, map};
use support::wire::Wire;
use tower::{Layer, ServiceExt, service_fn};
use tower_hmac::{BodyError, HmacBody, HmacLayer, RejectionKind};

struct Sent {
    response: Response<HmacBody<Script>>,
    polls: Polls,
}

/// What the layer makes of this answer, at its first poll: none of these bodies is waited for.
fn answer(layer: HmacLayer, wire: &Wire, version: Version, response: Response<Script>) -> Sent {
    let polls = response.body().polls();
    let response = Arc::new(Mutex::new(Some(response)));
    let service = layer
        .layer(service_fn(move |_| std::future::ready(Ok::<_, Infallible>(response.lock().unwrap().take().unwrap()))));
    let mut request = wire.request(Script::bytes(wire.body.clone()));
    *request.version_mut() = version;
    let mut future = std::pin::pin!(service.oneshot(request));
    for _ in 0..64 {
        if let Some(response) = future.as_mut().now_or_never() {
            return Sent { response: response.unwrap(), polls };
        }
    }
    panic!("no answer");
}

fn two(wire: &Wire, body: Script) -> Sent {
    answer(support::layer(), wire, Version::HTTP_2, Response::new(body))
}

fn data(text: &'static str) -> Step {
    Step::Data(Bytes::from_static(text.as_bytes()))
}

impl Sent {
    #[track_caller]
    fn failed(&self, kind: RejectionKind) {
        assert_eq!((self.response.status().as_u16(), self.response.extensions().get()), (500, Some(&kind)));
    }

    /// Signed in the head, for this request.
    fn whole(self, wire: &Wire) -> Bytes {
        let (head, body) = self.response.into_parts();
        let all = body.collect().now_or_never().unwrap().unwrap();
        assert!(all.trailers().is_none());
        let (response, body) = (Response::from_parts(head, ()), all.to_bytes());
        wire.accepts(&response, &body).unwrap();
        wire.accepts(&response, &[&body[..], b"x"].concat()).unwrap_err();
        body
    }

    /// Signed in a trailer, for this request.
    async fn streamed(self, wire: &Wire) -> (Bytes, HeaderMap) {
        assert_eq!(self.response.body().size_hint().exact(), None);
        assert!(!self.response.body().is_end_stream());
        let (head, body) = self.response.into_parts();
        let all = body.collect().await.unwrap();
        let (response, trailers) = (Response::from_parts(head, ()), all.trailers().cloned().unwrap());
        let body = all.to_bytes();
        wire.accepts_streamed(&response, &body, &trailers).unwrap();
        wire.accepts_streamed(&response, &[&body[..], b"x"].concat(), &trailers).unwrap_err();
        let mut more = trailers.clone();
        more.append("x-more", "1".parse().unwrap());
        wire.accepts_streamed(&response, &body, &more).unwrap_err();
        (body, trailers)
    }
}

#[tokio::test]
async fn m_16_a_small_body_of_unknown_length_is_signed_in_the_head() {
    for body in [Script::bytes("hello"), Script::chunks(b"hello", 1), Script::new([]), Script::bytes(vec![7; 65_535])] {
        let wire = Wire::get("/");
        two(&wire, body).whole(&wire);
    }
    // Of known length: up to the limit for buffering, pauses or not.
    let wire = Wire::get("/");
    let service = support::layer().layer(service_fn(async |_| {
        let body = Script::new([data("hel"), Step::Yield, data("lo")]).declaring(5);
        Ok::<_, Infallible>(Response::new(body))
    }));
    let mut request = wire.request(Script::bytes(""));
    *request.version_mut() = Version::HTTP_2;
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(&Sent { polls: Script::new([]).polls(), response }.whole(&wire)[..], b"hello");
}

#[tokio::test]
async fn what_is_not_there_at_once_flows() {
    let bodies = [
        Script::new([data("hel"), Step::Yield, data("lo")]),
        Script::new([Step::Yield]),
        Script::chunks(&[7; 200_000], 1000),
        Script::bytes(vec![7; 65_536]),
        Script::bytes(vec![7; 3 << 20]).declaring(3 << 20),
    ];
    for body in bodies {
        let wire = Wire::get("/");
        let (_, trailers) = two(&wire, body).streamed(&wire).await;
        assert_eq!(trailers.len(), 1);
    }
    // The head is out before the first byte is there, and no more is taken than was asked for.
    let wire = Wire::get("/");
    let sent = two(&wire, Script::new([Step::Stall]));
    assert_eq!((sent.response.status().as_u16(), sent.polls.count()), (200, 1));
    let frames = (0..1000).map(|_| Step::Data(Bytes::from(vec![7; 16 << 10])));
    let mut sent = two(&wire, Script::new(frames));
    let read = sent.polls.count();
    assert_eq!(read, 4, "64 KiB");
    for _ in 0..read {
        sent.response.body_mut().frame().await.unwrap().unwrap();
    }
    assert_eq!(sent.polls.count(), read, "what was read is handed on first");
    sent.response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(sent.polls.count(), read + 1);
}

/// Whatever the service sends beside its body is covered; what only the layer may set is not kept.
#[tokio::test]
async fn trailers_are_kept_and_covered() {
    for pause in [false, true] {
        let wire = Wire::get("/");
        let own = map(&[("grpc-status", "0"), ("grpc-message", ""), ("x-a", "2"), (NAME, "v1=forged")]);
        let steps = [data("hello"), Step::Yield, Step::Trailers(own)];
        let steps = steps.into_iter().filter(|step| pause || !matches!(step, Step::Yield));
        let mut response = Response::new(Script::new(steps));
        response.headers_mut().insert("trailer", "grpc-status".parse().unwrap());
        response.headers_mut().insert("content-length", "5".parse().unwrap());
        let sent = answer(support::layer(), &wire, Version::HTTP_2, response);
        let names: Vec<_> = sent.response.headers().get_all("trailer").iter().cloned().collect();
        assert_eq!(names, ["grpc-status", NAME]);
        let (_, trailers) = sent.streamed(&wire).await;
        assert_eq!((trailers.len(), &trailers["x-a"]), (4, &"2".parse().unwrap()));
    }
    let wire = Wire::get("/");
    let known = Script::new([data("hello"), Step::Trailers(map(&[("x-a", "1")]))]).declaring(5);
    let (_, trailers) = two(&wire, known).streamed(&wire).await;
    assert_eq!(trailers.len(), 2);
}

/// HTTP/1.1 needs `TE: trailers`, and sends only trailers that the head names.
#[tokio::test]
async fn over_http_1_the_caller_must_ask_for_trailers() {
    let body =
        || Script::new([data("hel"), Step::Yield, data("lo"), Step::Trailers(map(&[("x-a", "1"), ("x-b", "2")]))]);
    for te in ["trailers", "Trailers", "gzip;q=0.5, trailers", "deflate ,trailers "] {
        let wire = Wire::get("/").header("te", te);
        let mut response = Response::new(body());
        response.headers_mut().insert("trailer", "X-B, x-c".parse().unwrap());
        let sent = answer(support::layer(), &wire, Version::HTTP_11, response);
        let (body, trailers) = sent.streamed(&wire).await;
        assert_eq!((&body[..], trailers.len(), &trailers["x-b"]), (&b"hello"[..], 2, &"2".parse().unwrap()));
    }
    let refused = [(Version::HTTP_11, None), (Version::HTTP_10, Some("trailers")), (Version::HTTP_11, Some("gzip"))];
    for (version, te) in refused {
        let wire = te.into_iter().fold(Wire::get("/"), |wire, te| wire.header("te", te));
        let steps = [data("hello"), Step::Trailers(map(&[("x-a", "1")]))];
        let sent = answer(support::layer(), &wire, version, Response::new(Script::new(steps)));
        sent.failed(RejectionKind::Unsignable);
        let wire = te.into_iter().fold(Wire::get("/"), |wire, te| wire.header("te", te));
        let long = Script::chunks(&[7; 200_000], 1000);
        answer(support::layer(), &wire, version, Response::new(long)).whole(&wire);
    }
    let wire = Wire::get("/");
    let layer = support::layer().without_trailers();
    let long = Response::new(Script::chunks(&vec![7; 3 << 20], 65_536));
    answer(layer, &wire, Version::HTTP_2, long).failed(RejectionKind::ResponseTooLarge);
}

#[tokio::test]
async fn an_event_stream_flows_over_http_2() {
    let events = || {
        let mut response = Response::new(Script::new([data("data: 1\n\n"), Step::Yield, data("data: 2\n\n")]));
        response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
        response
    };
    let wire = Wire::get("/");
    let (body, _) = answer(support::layer(), &wire, Version::HTTP_2, events()).streamed(&wire).await;
    assert_eq!(&body[..], b"data: 1\n\ndata: 2\n\n");
    answer(support::layer(), &Wire::get("/"), Version::HTTP_11, events()).failed(RejectionKind::ResponseEndless);
}

#[tokio::test]
async fn where_there_is_no_content_there_is_no_trailer() {
    for (method, status) in [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 205), (Method::GET, 304)] {
        let wire = Wire::new(method, "/", "");
        let mut response = Response::new(Script::new([Step::Stall]));
        *response.status_mut() = status.try_into().unwrap();
        let sent = answer(support::layer(), &wire, Version::HTTP_2, response);
        assert_eq!(sent.polls.count(), 0);
        assert!(!sent.response.headers().contains_key("trailer"));
        sent.whole(&wire);
    }
}

#[tokio::test]
async fn m_11_a_body_that_breaks_is_never_signed() {
    let wire = Wire::get("/");
    two(&wire, Script::new([data("hel"), Step::Error])).failed(RejectionKind::ResponseError);
    let mut body = two(&wire, Script::new([data("hel"), Step::Yield, data("lo"), Step::Error])).response.into_body();
    let mut last: Option<BodyError> = None;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => assert!(frame.is_data()),
            Err(error) => last = Some(error),
        }
    }
    let error = last.unwrap();
    assert_eq!(error.kind(), None);
    assert!(std::error::Error::source(&error).unwrap().is::<support::body::Broken>());
}

//! The body of a refused request is dropped as far as it is there; nobody waits for the rest.

mod support;

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes as Body;
use axum::routing::post;
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use support::body::{Script, Step};
use support::net::{self, patient};
use support::service::{Inner, Outcome, send};
use support::wire::Wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceExt};
use tower_hmac::{HmacLayer, RejectionKind, Scheme};

const LIMIT: usize = 64 << 10;

/// The body of a stranger's request.
async fn drained(layer: HmacLayer, change: impl FnOnce(Wire) -> Wire, body: Script) -> Outcome {
    let wire = change(Wire::post("/pay", "")).key("stranger", support::KEY_HEX);
    let outcome = send(layer, wire.request(body)).await;
    outcome.refused(RejectionKind::UnknownKey);
    outcome
}

async fn polls(body: Script) -> usize {
    drained(support::layer(), |wire| wire, body).await.polls
}

#[tokio::test]
async fn what_is_ready_is_dropped() {
    let body = vec![b'x'; LIMIT];
    assert_eq!(polls(Script::bytes(body.clone()).declaring(LIMIT as u64)).await, 1);
    assert_eq!(polls(Script::chunks(&body, 1024).declaring(LIMIT as u64)).await, 64);
    // A server that reads 8 KiB at a time, and only when it is asked.
    let read = || [Step::Yield, Step::Data(Bytes::from(vec![b'x'; 8 << 10]))];
    let body = Script::new((0..8).flat_map(|_| read())).declaring(LIMIT as u64);
    assert_eq!(polls(body).await, 16);
    // The length is declared in the head alone.
    let body = Script::chunks(&[b'x'; 3000], 1000);
    let outcome = drained(support::layer(), |wire| wire.header("content-length", "3000"), body).await;
    assert_eq!(outcome.polls, 3);
}

#[tokio::test]
async fn a_body_that_stalls_is_not_waited_for() {
    let some = || Step::Data(Bytes::from_static(b"some"));
    for steps in [vec![Step::Stall], vec![some(), Step::Stall], vec![Step::Yield, some(), Step::Yield, Step::Stall]] {
        let polls = patient(polls(Script::new(steps).declaring(60_000))).await;
        assert!((2..=32).contains(&polls), "{polls} polls");
    }
}

#[tokio::test]
async fn a_body_of_tiny_frames_is_given_up() {
    let polls = polls(Script::chunks(&vec![b'x'; LIMIT], 1).declaring(LIMIT as u64)).await;
    assert!(polls <= 600, "{polls} polls");
    let empty = Script::new((0..LIMIT).map(|_| Step::Data(Bytes::new()))).declaring(1);
    assert!(self::polls(empty).await <= 600);
}

#[tokio::test]
async fn nothing_is_read_when_it_is_not_worth_it() {
    let body = || Script::bytes(vec![b'x'; 1000]);
    // Without a declared length, over the limit, an unreadable length, none at all.
    assert_eq!(polls(body()).await, 0);
    assert_eq!(polls(body().declaring(LIMIT as u64 + 1)).await, 0);
    assert_eq!(polls(body().declaring(0)).await, 0);
    for length in ["65537", "1000 ", "-1", "99999999999999999999999"] {
        let outcome = drained(support::layer(), |wire| wire.header("content-length", length), body()).await;
        assert_eq!(outcome.polls, 0, "{length}");
    }
    // The peer waits for a word before it sends.
    let expecting = |wire: Wire| wire.header("expect", "100-continue");
    assert_eq!(drained(support::layer(), expecting, body().declaring(1000)).await.polls, 0);
    // The setting.
    let layer = || support::layer().drain_limit(999);
    assert_eq!(drained(layer(), |wire| wire, body().declaring(1000)).await.polls, 0);
    assert_eq!(drained(layer().drain_limit(1000), |wire| wire, body().declaring(1000)).await.polls, 1);
    assert_eq!(drained(layer().drain_limit(0), |wire| wire, body().declaring(1000)).await.polls, 0);
}

/// A stream may panic when it is polled after its end.
#[tokio::test]
async fn a_body_that_was_read_is_not_read_again() {
    let wire = Wire::post("/pay", "right").header("content-length", "5");
    let frames = stream::unfold(Some("wrong"), |text| async move {
        text.map(|text| (Ok::<_, std::io::Error>(Frame::data(Bytes::from(text))), None))
    });
    let response = support::layer().layer(Inner::ok()).oneshot(wire.request(StreamBody::new(frames))).await.unwrap();
    assert_eq!(response.extensions().get(), Some(&RejectionKind::BodyMismatch));
}

fn app(layer: HmacLayer) -> Router {
    Router::new().route("/pay", post(async |body: Body| body.len().to_string())).layer(layer)
}

fn layer() -> HmacLayer {
    HmacLayer::new(Scheme::native(), support::key()).unwrap()
}

async fn server() -> SocketAddr {
    net::start_axum(app(layer())).await
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(patient(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// All 60 KB lie in the socket before the server looks at the first byte.
async fn on_one_connection(layer: HmacLayer) -> Option<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let mut stream = TcpStream::connect(server).await.unwrap();
    let head = format!("POST /pay HTTP/1.1\r\nhost: {server}\r\ncontent-length: 60000\r\n\r\n");
    patient(stream.write_all(&[head.as_bytes(), &[b'x'; 60_000]].concat())).await.unwrap();
    let serving = tokio::spawn(async { axum::serve(listener, app(layer)).await });
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 401 "));

    let wire = net::post(server, "/pay", "12345");
    let head = net::head_lines(&wire, "POST /pay HTTP/1.1");
    let request = format!("{head}host: {server}\r\ncontent-length: 5\r\nconnection: close\r\n\r\n12345");
    let mut answer = String::new();
    let sent = patient(stream.write_all(request.as_bytes())).await;
    let read = patient(stream.read_to_string(&mut answer)).await;
    serving.abort();
    sent.and(read).ok().map(|_| answer).filter(|answer| !answer.is_empty())
}

#[tokio::test]
async fn what_has_arrived_is_read_and_the_connection_stays() {
    let answer = on_one_connection(layer()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n5"), "{answer}");
    assert_eq!(on_one_connection(layer().drain_limit(0)).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_arrived_is_read_by_several_threads() {
    for _ in 0..20 {
        let answer = on_one_connection(layer()).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn a_stalling_client_is_answered_at_once() {
    let server = server().await;
    for (more, sent) in [("", 0), ("", 1000), ("expect: 100-continue\r\n", 0)] {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let head = format!("POST /pay HTTP/1.1\r\nhost: {server}\r\ncontent-length: 60000\r\n{more}\r\n");
        patient(stream.write_all(&[head.as_bytes(), &vec![b'x'; sent]].concat())).await.unwrap();
        // The first line is the verdict: nobody was told to continue.
        assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 401 "));
        let mut rest = Vec::new();
        patient(stream.read_to_end(&mut rest)).await.unwrap();
        assert!(rest.is_empty());
    }
}

//! The layer stands with tower-http's layers on either side.

mod support;

use std::time::Duration;

use axum::Router;
use axum::routing::post;
use http::StatusCode;
use support::net::{self, Reply, forged, http1, patient, tampered, untouched};
use support::wire::Wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_hmac::{HmacLayer, Scheme};
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};
use tower_http::trace::TraceLayer;

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(100);

fn hmac() -> HmacLayer {
    HmacLayer::new(Scheme::native(), support::key()).unwrap()
}

/// `/echo`, `/slow` that never answers, `/text` whose cache headers are its own.
fn app() -> Router {
    Router::new()
        .route("/echo", post(async |body: String| body))
        .route("/slow", post(async || std::future::pending::<()>().await))
        .route("/cached", post(async |body: String| ([("cache-control", "private")], body)))
}

async fn send(app: Router, target: &str, body: impl Into<Vec<u8>>) -> (Wire, Reply) {
    let wire = net::post(net::start_axum(app).await, target, body).header("accept-encoding", "gzip");
    let server = wire.authority.parse().unwrap();
    let reply = http1(server, untouched(&wire)).await;
    (wire, reply)
}

/// Accepted with a signed answer; refused when changed and a second time.
async fn holds(app: Router) {
    let (wire, reply) = send(app, "/echo", "twelve bytes").await;
    reply.genuine(&wire);
    assert_eq!(reply.body, wire.body);
    let server = wire.authority.parse().unwrap();
    http1(server, untouched(&wire)).await.refused(401);
    http1(server, tampered(&net::post(server, "/echo", "twelve bytes"))).await.refused(401);
    http1(server, forged(&net::post(server, "/echo", "twelve bytes"))).await.refused(401);
}

#[track_caller]
fn signed(status: u16, (wire, reply): &(Wire, Reply)) {
    assert_eq!(reply.status(), status);
    wire.accepts(&reply.head, &reply.body).unwrap();
}

#[track_caller]
fn unsigned(status: u16, (_, reply): &(Wire, Reply)) {
    assert_eq!(reply.status(), status);
    assert!(!reply.head.headers().contains_key("x-hmac-signature"), "{reply:?}");
}

#[tokio::test]
async fn trace() {
    holds(app().layer(hmac()).layer(TraceLayer::new_for_http())).await;
    holds(app().layer(TraceLayer::new_for_http()).layer(hmac())).await;
}

#[tokio::test]
async fn timeout() {
    let timeout = |after| TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, after);
    holds(app().layer(hmac()).layer(timeout(LONG))).await;
    holds(app().layer(timeout(LONG)).layer(hmac())).await;
    // An answer that comes from outside cannot be signed.
    unsigned(504, &send(app().layer(hmac()).layer(timeout(SHORT)), "/slow", "").await);
    signed(504, &send(app().layer(timeout(SHORT)).layer(hmac()), "/slow", "").await);
}

#[tokio::test]
async fn request_body_limit() {
    holds(app().layer(hmac()).layer(RequestBodyLimitLayer::new(12))).await;
    holds(app().layer(RequestBodyLimitLayer::new(12)).layer(hmac())).await;
    unsigned(413, &send(app().layer(hmac()).layer(RequestBodyLimitLayer::new(11)), "/echo", "twelve bytes").await);
    signed(413, &send(app().layer(RequestBodyLimitLayer::new(11)).layer(hmac()), "/echo", "twelve bytes").await);
}

/// A head whose body is still to come.
async fn begin(app: Router, wire: impl FnOnce(Wire) -> Wire, framing: &str) -> TcpStream {
    let server = net::start_axum(app).await;
    let wire = wire(net::post(server, "/echo", "twelve bytes"));
    let head = net::head_lines(&wire, "POST /echo HTTP/1.1");
    let mut stream = TcpStream::connect(server).await.unwrap();
    let text = format!("{head}host: {server}\r\nconnection: close\r\n{framing}\r\n");
    patient(stream.write_all(text.as_bytes())).await.unwrap();
    stream
}

async fn answer(mut stream: TcpStream, body: &str) -> String {
    patient(stream.write_all(body.as_bytes())).await.unwrap();
    let mut answer = String::new();
    patient(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

/// Nothing declares the length: the limit outside ends the body that the layer is reading.
#[tokio::test]
async fn request_body_limit_on_a_body_of_unknown_length() {
    let chunked = "transfer-encoding: chunked\r\n";
    let limited = |limit| app().layer(hmac()).layer(RequestBodyLimitLayer::new(limit));
    let body = "c\r\ntwelve bytes\r\n0\r\n\r\n";
    let good = answer(begin(limited(12), |wire| wire, chunked).await, body).await;
    assert!(good.starts_with("HTTP/1.1 200 ") && good.ends_with("\r\n\r\ntwelve bytes"), "{good}");
    let refused = answer(begin(limited(11), |wire| wire, chunked).await, body).await;
    assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");
}

#[tokio::test]
async fn request_body_timeout() {
    let timeout = |after| RequestBodyTimeoutLayer::new(after);
    holds(app().layer(hmac()).layer(timeout(LONG))).await;
    holds(app().layer(timeout(LONG)).layer(hmac())).await;
    // The body below was buffered before: no timer of it runs while the peer stalls.
    let below = begin(app().layer(timeout(SHORT)).layer(hmac()), |wire| wire, "content-length: 12\r\n").await;
    tokio::time::sleep(2 * SHORT).await;
    assert!(answer(below, "twelve bytes").await.starts_with("HTTP/1.1 200 "));
    // Outside, it ends a body that stalls.
    let stalled = begin(app().layer(hmac()).layer(timeout(SHORT)), |wire| wire, "content-length: 12\r\n").await;
    let refused = answer(stalled, "twelve").await;
    assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
    // A stranger is not waited for.
    let stranger = |wire: Wire| wire.key("stranger", support::KEY_HEX);
    let stalled = begin(app().layer(hmac()).layer(timeout(LONG)), stranger, "content-length: 12\r\n").await;
    assert!(answer(stalled, "").await.starts_with("HTTP/1.1 401 "));
}

#[tokio::test]
async fn compression_inside_is_covered() {
    for target in ["/echo", "/cached"] {
        let (wire, reply) = send(app().layer(CompressionLayer::new()).layer(hmac()), target, "x".repeat(5000)).await;
        reply.genuine(&wire);
        assert_eq!(reply.head.headers()["content-encoding"], "gzip");
        assert!(reply.body.len() < 500 && reply.body.starts_with(&[0x1f, 0x8b]));
        let mut stripped = reply.head;
        stripped.headers_mut().remove("content-encoding");
        wire.accepts(&stripped, &reply.body).unwrap_err();
    }
    holds(app().layer(CompressionLayer::new()).layer(hmac())).await;
}

#[tokio::test]
async fn compression_outside_breaks_the_signature() {
    for target in ["/echo", "/cached"] {
        let (wire, reply) = send(app().layer(hmac()).layer(CompressionLayer::new()), target, "x".repeat(5000)).await;
        assert_eq!((reply.status(), &reply.head.headers()["content-encoding"]), (200, &"gzip".parse().unwrap()));
        wire.accepts(&reply.head, &reply.body).unwrap_err();
    }
}

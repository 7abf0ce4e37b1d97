//! Everything that a stranger could probe is refused with the same bytes, in process and on the wire.

mod support;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Mutex;

use http::header::HOST;
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use support::body::Script;
use support::service::{CountingGuard, Inner, send_to};
use support::wire::Wire;
use support::{KEY_HEX, NOW};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceExt};
use tower_hmac::RejectionKind::{
    BadMac, BodyMismatch, Future, Malformed, Missing, Replay, Stale, UncoveredOverride, UnknownKey,
};
use tower_hmac::{HmacLayer, RejectionKind, Scheme, SignedHeaders};

const BODY: &str = "{\"amount\":10}";

/// Signs `x-tenant` too, so that there is a signed header to get wrong.
fn layer() -> HmacLayer {
    let scheme = Scheme::native_with_headers(SignedHeaders::new(["x-tenant"]).unwrap(), SignedHeaders::none());
    HmacLayer::new(scheme, support::key()).unwrap().clock(support::clock())
}

fn wire() -> Wire {
    Wire::post("/v1/payments", BODY).header("x-tenant", "acme").extra(&["x-tenant"])
}

/// A request that is right but for what `change` does.
fn spoilt(change: impl FnOnce(&mut Request<&'static str>)) -> Request<&'static str> {
    let mut request = wire().request(BODY);
    change(&mut request);
    request
}

fn set(name: &'static str, value: &'static str) -> impl FnOnce(&mut Request<&'static str>) {
    move |request| drop(request.headers_mut().insert(name, HeaderValue::from_static(value)))
}

/// One more line of a field that is there already.
fn add(name: &'static str, value: &'static str) -> impl FnOnce(&mut Request<&'static str>) {
    move |request| assert!(request.headers_mut().append(name, HeaderValue::from_static(value)))
}

fn drop_header(name: &'static str) -> impl FnOnce(&mut Request<&'static str>) {
    move |request| drop(request.headers_mut().remove(name))
}

/// Every kind of mistake that is a 401, most in several forms. The last is right, and must have been sent before.
fn causes() -> Vec<(RejectionKind, Request<&'static str>)> {
    let mut causes = Vec::new();
    for (name, _) in wire().fields() {
        causes.push((Missing, spoilt(drop_header(name))));
        causes.push((Malformed, spoilt(set(name, ""))));
        causes.push((Malformed, spoilt(set(name, "*"))));
        causes.push((Malformed, spoilt(add(name, "*"))));
    }
    causes.extend([
        (BadMac, spoilt(set("x-hmac-content-sha256", "trailer"))),
        (Malformed, spoilt(set("x-hmac-trailer-signature", "v1="))),
        (Malformed, spoilt(add("x-tenant", "evil"))),
        (Malformed, spoilt(add("content-type", "text/plain"))),
        (Malformed, spoilt(set("content-encoding", ""))),
        (UnknownKey, wire().key("svc-b", KEY_HEX).request(BODY)),
        (UnknownKey, spoilt(set("x-hmac-key-id", "svc-b"))),
        (BadMac, wire().key("svc-a", &"11".repeat(32)).request(BODY)),
        (BadMac, spoilt(set("x-tenant", "evil"))),
        (BadMac, spoilt(drop_header("x-tenant"))),
        (BadMac, spoilt(set("content-type", "text/plain"))),
        (BadMac, spoilt(|request| *request.uri_mut() = "/v1/refunds".parse().unwrap())),
        (BadMac, spoilt(|request| *request.method_mut() = Method::PUT)),
        (BadMac, spoilt(set("host", "evil.example.com"))),
        (Stale, wire().timestamp(NOW - 301).request(BODY)),
        (Stale, wire().timestamp(1_000_000_000).request(BODY)),
        (Future, wire().timestamp(NOW + 61).request(BODY)),
        (BodyMismatch, spoilt(|request| *request.body_mut() = "{\"amount\":11}")),
        (BodyMismatch, spoilt(|request| *request.body_mut() = "")),
        (UncoveredOverride, spoilt(set("x-http-method-override", "DELETE"))),
        (RejectionKind::Method, connect()),
        (Replay, wire().request(BODY)),
    ]);
    causes
}

fn connect() -> Request<&'static str> {
    let mut request = Wire { method: Method::CONNECT, body: Vec::new(), ..wire() }.request("");
    *request.uri_mut() = "api.example.com:443".parse().unwrap();
    request.headers_mut().insert(HOST, HeaderValue::from_static("api.example.com:443"));
    request
}

/// Every kind whose status is 401.
fn all_401() -> BTreeSet<String> {
    let kinds = [Missing, Malformed, UnknownKey, BadMac, Stale, Future, Replay, BodyMismatch, UncoveredOverride];
    kinds.into_iter().chain([RejectionKind::Method]).map(|kind| format!("{kind:?}")).collect()
}

#[tokio::test]
async fn j_01_one_answer_in_process() {
    let guard = CountingGuard::default();
    let layer = layer().replay_guard(guard.clone());
    let mut causes = causes();
    let again = causes.last().unwrap().1.clone().map(Script::bytes);
    send_to(layer.clone(), again, Inner::ok(), &guard).await.accepted();

    let mut seen = BTreeSet::new();
    for (kind, request) in causes.drain(..) {
        let outcome = send_to(layer.clone(), request.map(Script::bytes), Inner::ok(), &guard).await;
        assert_eq!(outcome.kind(), Some(kind));
        assert_eq!((outcome.calls, outcome.claims), (0, usize::from(kind == Replay)), "{kind:?}");
        assert_eq!(outcome.response.status().as_u16(), 401, "{kind:?}");
        let headers: Vec<_> = outcome.response.headers().iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        assert_eq!(headers, [("www-authenticate", &b"HMAC-SHA256-V1"[..])], "{kind:?}");
        assert_eq!(outcome.response.version(), Response::new(()).version());
        assert!(outcome.body.is_empty(), "{kind:?}");
        seen.insert(format!("{kind:?}"));
    }
    assert_eq!(seen, all_401());
}

/// One service on a socket; what it decided is recorded.
struct Server {
    listener: TcpListener,
    layer: HmacLayer,
    kinds: Mutex<Vec<Option<RejectionKind>>>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, layer: layer(), kinds: Mutex::default() }
    }

    /// Sends one request on a connection of its own and reads until the server closes it.
    async fn exchange(&self, request: &Request<&'static str>) -> (Option<RejectionKind>, String) {
        let mut client = TcpStream::connect(self.listener.local_addr().unwrap()).await.unwrap();
        client.write_all(raw(request).as_bytes()).await.unwrap();
        let (socket, _) = self.listener.accept().await.unwrap();
        let service = service_fn(|request: Request<Incoming>| async {
            let response = self.layer.layer(Inner::ok()).oneshot(request).await?;
            self.kinds.lock().unwrap().push(response.extensions().get().copied());
            Ok::<_, Infallible>(response)
        });
        let serve = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
        let mut answer = Vec::new();
        let (_, read) = tokio::join!(serve, client.read_to_end(&mut answer));
        read.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let lines = answer.split_inclusive("\r\n").filter(|line| !line.starts_with("date: "));
        (self.kinds.lock().unwrap().pop().unwrap(), lines.collect())
    }
}

fn raw(request: &Request<&'static str>) -> String {
    let mut text = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    text + &format!("content-length: {}\r\n\r\n{}", request.body().len(), request.body())
}

#[tokio::test]
async fn j_01_one_answer_on_the_wire() {
    let server = Server::start().await;
    let causes = causes();
    let (kind, accepted) = server.exchange(&causes.last().unwrap().1).await;
    assert_eq!(kind, None);
    assert!(accepted.starts_with("HTTP/1.1 200 OK\r\n") && accepted.contains("x-hmac-signature: v1="));

    let mut seen = BTreeSet::new();
    for (kind, request) in &causes {
        let (found, answer) = server.exchange(request).await;
        assert_eq!(found, Some(*kind));
        let wanted = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: HMAC-SHA256-V1\r\nconnection: close\r\n\
             content-length: 0\r\n\r\n";
        assert_eq!(answer, wanted, "{kind:?}");
        seen.insert(format!("{kind:?}"));
    }
    assert_eq!(seen, all_401());
}

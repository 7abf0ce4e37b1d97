//! Real sockets on the loopback: servers that live as long as the test, and one connection for each request.

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use axum::Router;
use bytes::Bytes;
use http::header::HOST;
use http::uri::Parts;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::BoxError;

use super::wire::Wire;

/// Far more than any answer takes; only a hang gets there.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Starts a server on a port of its own.
pub async fn start<F, O>(serve: impl FnOnce(TcpListener) -> F) -> SocketAddr
where
    F: Future<Output = O> + Send + 'static,
    O: Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener));
    address
}

pub async fn start_axum(app: Router) -> SocketAddr {
    start(|listener| async move { axum::serve(listener, app).await }).await
}

/// A request for a server with a real clock, signed when it is sent.
pub fn wire(server: SocketAddr, method: Method, target: &str, body: impl Into<Vec<u8>>) -> Wire {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    Wire::new(method, target, body).timestamp(now).authority(&server.to_string())
}

pub fn post(server: SocketAddr, target: &str, body: impl Into<Vec<u8>>) -> Wire {
    wire(server, Method::POST, target, body).header("content-type", "application/json")
}

/// The message that was signed, unchanged.
pub fn untouched(wire: &Wire) -> Request<Full<Bytes>> {
    wire.request(Full::from(wire.body.clone()))
}

/// The same head over another body.
pub fn tampered(wire: &Wire) -> Request<Full<Bytes>> {
    let mut body = wire.body.clone();
    match body.first_mut() {
        Some(byte) => *byte ^= 1,
        None => body.push(b'x'),
    }
    wire.request(Full::from(body))
}

/// The same message with one bit of its signature turned.
pub fn forged(wire: &Wire) -> Request<Full<Bytes>> {
    let mut request = untouched(wire);
    let mut signature = request.headers()["x-hmac-signature"].as_bytes().to_vec();
    let last = signature.last_mut().unwrap();
    *last = if *last == b'0' { b'1' } else { b'0' };
    request.headers_mut().insert("x-hmac-signature", signature.try_into().unwrap());
    request
}

/// One answer, whole.
#[derive(Debug)]
pub struct Reply {
    pub head: Response<()>,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl Reply {
    pub fn status(&self) -> u16 {
        self.head.status().as_u16()
    }

    /// Served, and the answer is signed for this request; with one bit of it changed it is not.
    #[track_caller]
    pub fn genuine(&self, wire: &Wire) {
        assert_eq!(self.status(), 200, "{self:?}");
        wire.accepts(&self.head, &self.body).unwrap();
        wire.accepts(&self.head, &[&self.body[..], b"x"].concat()).unwrap_err();
        wire.clone().nonce("another-nonce-0001").accepts(&self.head, &self.body).unwrap_err();
    }

    #[track_caller]
    pub fn refused(&self, status: u16) {
        assert_eq!(self.status(), status, "{self:?}");
        assert!(self.body.is_empty(), "{self:?}");
        assert!(!self.head.headers().contains_key("x-hmac-signature"), "{self:?}");
    }
}

/// Sends it over HTTP/1.1, as it is.
pub async fn http1(server: SocketAddr, request: Request<Full<Bytes>>) -> Reply {
    exchange(server, request).await.unwrap()
}

/// Sends it over HTTP/2 with prior knowledge; the `Host` line becomes the `:authority`.
pub async fn http2(server: SocketAddr, request: Request<Full<Bytes>>) -> Reply {
    http2_as_is(server, with_authority(request)).await
}

pub async fn http2_as_is(server: SocketAddr, mut request: Request<Full<Bytes>>) -> Reply {
    *request.version_mut() = Version::HTTP_2;
    exchange(server, request).await.unwrap()
}

/// As HTTP/2 wants it: the `Host` line becomes the `:authority`.
pub fn with_authority<B>(mut request: Request<B>) -> Request<B> {
    let host = request.headers_mut().remove(HOST).unwrap();
    let mut parts = Parts::default();
    parts.scheme = Some("http".parse().unwrap());
    parts.authority = Some(host.as_bytes().try_into().unwrap());
    parts.path_and_query = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::from_parts(parts).unwrap();
    *request.version_mut() = Version::HTTP_2;
    request
}

/// One request on a connection of its own, in the version that it says.
pub async fn exchange<B>(server: SocketAddr, request: Request<B>) -> hyper::Result<Reply>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let io = TokioIo::new(TcpStream::connect(server).await.unwrap());
    let response = if request.version() == Version::HTTP_2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        patient(sender.send_request(request)).await?
    } else {
        let (mut sender, connection) = http1::handshake(io).await?;
        tokio::spawn(connection);
        patient(sender.send_request(request)).await?
    };
    let (head, body) = response.into_parts();
    let body = patient(body.collect()).await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    Ok(Reply { head: Response::from_parts(head, ()), body: body.to_bytes(), trailers })
}

/// Writes these bytes and reads until the server closes or the text has come.
pub async fn raw(server: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    patient(stream.write_all(bytes)).await.unwrap();
    let mut answer = Vec::new();
    patient(stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// The head of a request as text, `Host` and the five fields in it, so that lines can be added or changed.
pub fn head_lines(wire: &Wire, start: &str) -> String {
    let mut text = format!("{start}\r\n");
    for (name, value) in &wire.headers {
        text += &format!("{name}: {}\r\n", String::from_utf8_lossy(value));
    }
    for (name, value) in wire.fields() {
        text += &format!("{name}: {value}\r\n");
    }
    text
}

pub async fn patient<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("an answer, not a hang")
}

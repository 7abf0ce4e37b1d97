//! The client layer against a server of the native scheme that is written in Python, with the standard library alone.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use support::net::patient;
use support::tools::found;
use tower::{Layer, ServiceExt};
use tower_hmac::{ClientError, ClientErrorKind, HmacBody, HmacClientLayer, Key, Scheme};

struct Server(Child, u16);

impl Server {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/native_server.py");
        let mut command = Command::new("python3");
        command.arg(script).env("KEY_HEX", support::KEY_HEX).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self(child, port.trim().parse().expect("a port"))
    }

    async fn ask(&self, key: Key, method: &str, path: &str, body: &[u8]) -> Result<(u16, Bytes), ClientError> {
        let http = Client::builder(TokioExecutor::new()).build_http::<HmacBody<Full<Bytes>>>();
        let client = HmacClientLayer::new(Scheme::native(), key).unwrap().layer(http);
        let request = Request::builder().method(method).uri(format!("http://127.0.0.1:{}{path}", self.1));
        let request = request.header("content-type", "application/json");
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        let response = patient(client.oneshot(request)).await?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await.unwrap().to_bytes()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn each_side_takes_what_the_other_signed_and_nothing_else() {
    if !found(&["python3"]) {
        return;
    }
    let server = Server::start();
    let key = support::key;
    for (method, path, body) in [
        ("POST", "/v1/payments?dry_run=1&x=%2F", &b"{\"a\":1}"[..]),
        ("PUT", "/", b"\x00\xff\r\n"),
        ("POST", "/large", &[b'x'; 300_000]),
        ("GET", "/", b""),
        ("DELETE", "/a//b", b""),
    ] {
        assert_eq!(server.ask(key(), method, path, body).await.unwrap(), (200, Bytes::copy_from_slice(body)), "{path}");
    }
    assert_eq!(server.ask(key(), "HEAD", "/", b"").await.unwrap(), (200, Bytes::new()));
    assert_eq!(server.ask(key(), "POST", "/nothing", b"{}").await.unwrap().0, 404);

    let kind = async |key, path| server.ask(key, "POST", path, b"{\"a\":1}").await.unwrap_err().kind();
    assert_eq!(kind(key(), "/status-changed").await, ClientErrorKind::BadSignature);
    assert_eq!(kind(key(), "/body-changed").await, ClientErrorKind::BodyMismatch);
    assert_eq!(kind(Key::from_hex("svc-a", &"07".repeat(32)).unwrap(), "/").await, ClientErrorKind::Unsigned);
    assert_eq!(kind(Key::from_hex("svc-b", support::KEY_HEX).unwrap(), "/").await, ClientErrorKind::Unsigned);
}

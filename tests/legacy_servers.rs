//! Servers of the formats of `examples/legacy`, in Python with FastAPI and Flask: they accept what is signed here, and
//! nothing else; and their signed answers are verified.

#[allow(dead_code, reason = "the server is for other tests")]
#[path = "../examples/legacy/main.rs"]
mod legacy;
mod support;

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::Full;
use support::NOW;
use support::net::{Reply, http1};
use support::peers::{self, Server};
use tower_hmac::sign::RequestSigner;
use tower_hmac::verify::ResponseVerifier;
use tower_hmac::{Algorithm, Exchange, Key, RejectionKind, Scheme};

/// One who signs, and the server.
struct Caller {
    server: SocketAddr,
    signer: RequestSigner,
}

impl Caller {
    fn new(server: SocketAddr, scheme: Scheme, key: Key) -> Self {
        Self { server, signer: RequestSigner::new(scheme, key).unwrap() }
    }

    /// Signs one thing and sends another: what is sent is a target and a body.
    async fn send(&self, method: Method, signed: (&str, &str), sent: (&str, &str), now: u64) -> (Exchange, Reply) {
        let (target, body) = signed;
        let request = Request::builder().method(method).uri(target).header(HOST, self.server.to_string());
        let request = request.header(CONTENT_TYPE, "application/json").body(()).unwrap();
        let (mut head, ()) = request.into_parts();
        let mut signing = self.signer.begin(&head, now).unwrap();
        signing.update(body.as_bytes());
        let exchange = signing.finish(&mut head).unwrap();
        head.uri = sent.0.parse().unwrap();
        let request = Request::from_parts(head, Full::new(Bytes::copy_from_slice(sent.1.as_bytes())));
        (exchange, http1(self.server, request).await)
    }

    #[track_caller]
    fn check(reply: &Reply, status: u16, body: &str) {
        assert_eq!((reply.status(), str::from_utf8(&reply.body).unwrap().trim_end()), (status, body), "{reply:?}");
    }
}

#[tokio::test]
async fn fastapi() {
    if !peers::installed() {
        return;
    }
    let server = Server::start("fastapi_server.py", &[("SECRET", "secret-key")]);
    let key = Key::from_text("device", "secret-key").unwrap();
    let caller = Caller::new(server.address, legacy::members::scheme().unwrap(), key);
    let signed = ("/verify", r#"{"mac_address":"12:34:56:78:9a:bc","timestamp":1795303445}"#);
    let text = ("/verify", r#"{"timestamp":"2025-04-30T15:00:00","mac_address":"\u00e9é"}"#);
    let altered = ("/verify", r#"{"mac_address":"12:34:56:78:9a:bc","timestamp":1795303446}"#);
    for (signed, sent, status, body) in [
        (signed, signed, 200, r#"{"status":"Verified"}"#),
        (text, text, 200, r#"{"status":"Verified"}"#),
        (signed, altered, 403, r#"{"detail":"Invalid signature"}"#),
    ] {
        Caller::check(&caller.send(Method::POST, signed, sent, NOW).await.1, status, body);
    }
}

#[tokio::test]
async fn flask() {
    if !peers::installed() {
        return;
    }
    let secrets = [("SUFFIX_SECRET", "your_secret_key"), ("LINES_SECRET", "your-chosen-secret-key")];
    let server = Server::start("flask_server.py", &[secrets[0], secrets[1], ("FIXED_TIME", &NOW.to_string())]);
    suffix(server.address).await;
    lines(server.address).await;
}

async fn suffix(server: SocketAddr) {
    let scheme = legacy::suffix::scheme().unwrap();
    let key = Key::from_text("reports", "your_secret_key").unwrap().with_algorithm(Algorithm::LegacySuffixSha256);
    let caller = Caller::new(server, scheme.clone(), key);
    let refusal = r#"{"error":"Invalid request or timestamp"}"#;
    for target in ["/example/users?user=a%20b&institution=9", "/example/users"] {
        let (exchange, reply) = caller.send(Method::GET, (target, ""), (target, ""), NOW).await;
        Caller::check(&reply, 200, r#"{"result": "ok"}"#);
        let (head, ()) = reply.head.into_parts();
        let verify = |body: &[u8]| {
            let mut verifying = ResponseVerifier::new(scheme.clone()).check(&head, &exchange)?;
            verifying.update(body);
            verifying.finish(&head)
        };
        verify(&reply.body).unwrap();
        assert_eq!(verify(b"{\"result\": \"no\"}").unwrap_err().kind(), RejectionKind::BadMac);
        let altered = ("/example/users?user=eve", "");
        Caller::check(&caller.send(Method::GET, (target, ""), altered, NOW).await.1, 400, refusal);
        // It hashes the second in which it looks.
        let (_, late) = caller.send(Method::GET, (target, ""), (target, ""), NOW - 1).await;
        Caller::check(&late, 400, refusal);
    }
}

async fn lines(server: SocketAddr) {
    let key = Key::from_text("payments", "your-chosen-secret-key").unwrap();
    let caller = Caller::new(server, legacy::lines::server().unwrap(), key.clone());
    let body = r#"{"amount":5000,"currency":"JPY"}"#;
    let (accepted, refused) =
        (r#"{"message":"Success! Signature is valid."}"#, r#"{"message":"Forbidden. Invalid signature."}"#);
    for signed in [("/api/v1/payment", body), ("/api/v1/payment?dry_run=1", body), ("/api/v1/payment", "")] {
        Caller::check(&caller.send(Method::POST, signed, signed, NOW).await.1, 200, accepted);
        let altered = (signed.0, r#"{"amount":9000,"currency":"JPY"}"#);
        Caller::check(&caller.send(Method::POST, signed, altered, NOW).await.1, 403, refused);
    }
    // What its callers send is not what it takes, when there is a query.
    let caller = Caller::new(server, legacy::lines::callers().unwrap(), key);
    let signed = ("/api/v1/payment?dry_run=1", body);
    Caller::check(&caller.send(Method::POST, signed, signed, NOW).await.1, 403, refused);
}

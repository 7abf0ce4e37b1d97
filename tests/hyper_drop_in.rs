//! The layer drops into a hyper server, HTTP/1 and HTTP/2 on one port; an ambiguous target is refused on the wire.

mod support;

#[allow(dead_code, reason = "`main` is for `cargo run`")]
#[path = "../examples/hyper.rs"]
mod example;

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http1 as client;
use hyper_util::rt::TokioIo;
use support::net::{self, forged, http1, http2, patient, tampered, untouched};
use support::wire::Wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn server() -> SocketAddr {
    net::start(|listener| example::serve(listener, support::key())).await
}

#[tokio::test]
async fn over_http1() {
    let server = server().await;
    let wire = net::post(server, "/echo?x=1", "{\"a\":1}");
    let reply = http1(server, untouched(&wire)).await;
    reply.genuine(&wire);
    assert_eq!(reply.body, wire.body);
    http1(server, untouched(&wire)).await.refused(401);
    http1(server, tampered(&net::post(server, "/echo?x=1", "{\"a\":1}"))).await.refused(401);
    http1(server, forged(&net::post(server, "/echo?x=1", "{\"a\":1}"))).await.refused(401);

    let who = net::wire(server, Method::GET, "/who", "");
    let reply = http1(server, untouched(&who)).await;
    reply.genuine(&who);
    assert_eq!(reply.body, support::KEY_ID);
}

#[tokio::test]
async fn over_http2() {
    let server = server().await;
    let wire = net::post(server, "/echo?x=1", vec![7; 300_000]);
    let reply = http2(server, untouched(&wire)).await;
    reply.genuine(&wire);
    assert_eq!(reply.body, wire.body);
    http2(server, untouched(&wire)).await.refused(401);
    http2(server, tampered(&net::post(server, "/echo?x=1", "{\"a\":1}"))).await.refused(401);
    http2(server, forged(&net::post(server, "/echo?x=1", "{\"a\":1}"))).await.refused(401);
}

/// The authority that was signed is the one that is sent, or the request is refused.
#[tokio::test]
async fn the_authority_is_covered() {
    let server = server().await;
    for authority in ["api.example.com", "api.example.com:8443", "127.0.0.1:1"] {
        let wire = || net::post(server, "/echo", "{}").authority(authority);
        for two in [false, true] {
            let send = async |request| if two { http2(server, request).await } else { http1(server, request).await };
            let good = wire();
            send(untouched(&good)).await.genuine(&good);
            let mut other = untouched(&wire());
            other.headers_mut().insert("host", HeaderValue::from_static("other.example.com"));
            send(other).await.refused(401);
        }
    }
}

/// The status of what was written as it stands; the connection is closed after it.
async fn status(server: SocketAddr, wire: &Wire, start: &str, more: &str) -> u16 {
    let head = net::head_lines(wire, start);
    let text = format!("{head}content-length: {}\r\nconnection: close\r\n{more}\r\n", wire.body.len());
    let answer = net::raw(server, &[text.as_bytes(), &wire.body].concat()).await;
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(status == 200, answer.contains("x-hmac-signature: v1="), "{answer}");
    status
}

#[tokio::test]
async fn d_08_absolute_form_with_another_host() {
    let server = server().await;
    let good = || net::post(server, "/echo", "{}").authority("good");
    assert_eq!(status(server, &good(), "POST http://good/echo HTTP/1.1", "host: good\r\n").await, 200);
    assert_eq!(status(server, &good(), "POST http://evil/echo HTTP/1.1", "host: good\r\n").await, 400);
    assert_eq!(status(server, &good(), "POST http://good/echo HTTP/1.1", "host: evil\r\n").await, 400);
    assert_eq!(status(server, &good(), "POST http://evil/echo HTTP/1.1", "host: evil\r\n").await, 401);
}

#[tokio::test]
async fn d_09_an_http2_host_that_differs_from_the_authority() {
    let server = server().await;
    let message = |authority: &str, host: Option<&str>| {
        let wire = net::post(server, "/echo", "{}").authority("good");
        let mut request = untouched(&wire);
        request.headers_mut().remove("host");
        if let Some(host) = host {
            request.headers_mut().insert("host", host.parse().unwrap());
        }
        *request.uri_mut() = format!("http://{authority}/echo").parse().unwrap();
        request
    };
    for (authority, host, wanted) in [
        ("good", None, 200),
        ("good", Some("good"), 200),
        ("good", Some("GOOD"), 200),
        ("good", Some("evil"), 400),
        ("evil", Some("good"), 400),
        ("good", Some("good:80"), 400),
        ("evil", None, 401),
    ] {
        let reply = net::http2_as_is(server, message(authority, host)).await;
        assert_eq!(reply.status(), wanted, "{authority} {host:?}");
    }
}

#[tokio::test]
async fn d_10_two_host_lines_or_none() {
    let server = server().await;
    let good = || net::post(server, "/echo", "{}").authority("good");
    let start = "POST /echo HTTP/1.1";
    assert_eq!(status(server, &good(), start, "host: good\r\n").await, 200);
    assert_eq!(status(server, &good(), start, "host: good\r\nhost: evil\r\n").await, 400);
    assert_eq!(status(server, &good(), start, "host: evil\r\nhost: good\r\n").await, 400);
    assert_eq!(status(server, &good(), start, "host: good\r\nhost: good\r\n").await, 400);
    assert_eq!(status(server, &good(), start, "").await, 400);
    assert_eq!(status(server, &good(), start, "host:\r\n").await, 400);
    assert_eq!(status(server, &good(), start, "host: me:pw@good\r\n").await, 400);
}

#[tokio::test]
async fn d_10_http_1_0_is_served_with_a_host_only() {
    let server = server().await;
    let good = || net::post(server, "/echo", "{}").authority("good");
    let start = "POST /echo HTTP/1.0";
    assert_eq!(status(server, &good(), start, "host: good\r\n").await, 200);
    assert_eq!(status(server, &good(), start, "host: evil\r\n").await, 401);
    assert_eq!(status(server, &good(), start, "").await, 400);
}

fn tunnel(wire: &Wire) -> Request<Empty<Bytes>> {
    let mut request = wire.request(Empty::new());
    request.headers_mut().insert("connection", HeaderValue::from_static("upgrade"));
    request.headers_mut().insert("upgrade", HeaderValue::from_static("echo"));
    request
}

#[tokio::test]
async fn an_upgrade_is_signed_in_its_head_and_the_connection_is_usable() {
    let server = server().await;
    let send = async |request| {
        let io = TokioIo::new(TcpStream::connect(server).await.unwrap());
        let (mut sender, connection) = client::handshake(io).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        patient(sender.send_request(request)).await.unwrap()
    };
    let wire = net::wire(server, Method::GET, "/tunnel", "");
    let response = send(tunnel(&wire)).await;
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["upgrade"], "echo");
    wire.accepts(&response, b"").unwrap();
    net::wire(server, Method::GET, "/tunnel", "").accepts(&response, b"").unwrap_err();

    let mut stream = TokioIo::new(patient(hyper::upgrade::on(response)).await.unwrap());
    patient(stream.write_all(b"through the tunnel")).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut back = String::new();
    patient(stream.read_to_string(&mut back)).await.unwrap();
    assert_eq!(back, "through the tunnel");

    // A stranger gets no tunnel.
    let mut request = tunnel(&net::wire(server, Method::GET, "/tunnel", ""));
    *request.uri_mut() = "/tunnel?".parse().unwrap();
    let response = send(request).await;
    assert_eq!(response.status(), 401);
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn one_connection_carries_good_and_bad_requests() {
    let server = server().await;
    let io = TokioIo::new(TcpStream::connect(server).await.unwrap());
    let (mut sender, connection) = client::handshake::<_, Full<Bytes>>(io).await.unwrap();
    tokio::spawn(connection);
    for round in 0..6 {
        let wire = net::post(server, "/echo", format!("round {round}"));
        let good = round % 2 == 0;
        let request = if good { untouched(&wire) } else { forged(&wire) };
        patient(sender.ready()).await.unwrap();
        let (head, body) = patient(sender.send_request(request)).await.unwrap().into_parts();
        let body = patient(body.collect()).await.unwrap().to_bytes();
        match good {
            true => wire.accepts(&http::Response::from_parts(head, ()), &body).unwrap(),
            false => assert_eq!((head.status.as_u16(), body.len()), (401, 0)),
        }
    }
}

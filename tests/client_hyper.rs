//! The client layer over hyper-util's client, HTTP/1 and HTTP/2, against a hyper server behind the server layer.

mod support;

#[allow(dead_code, reason = "`main` is for `cargo run`")]
#[path = "../examples/hyper.rs"]
mod example;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::response::AppendHeaders;
use axum::routing::post;
use axum::{Extension, Router};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::net::{self, patient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_hmac::{
    ClientError, ClientErrorKind, HmacBody, HmacClient, HmacClientLayer, HmacLayer, Key, Scheme, Verified,
    VerifiedResponse,
};
use tower_http::compression::CompressionLayer;
use tower_http::decompression::DecompressionLayer;

const OTHER_KEY: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

type Http = Client<HttpConnector, HmacBody<Full<Bytes>>>;

/// What somebody does to a request after it was signed.
type Change = fn(&mut Request<HmacBody<Full<Bytes>>>);

fn http(two: bool) -> Http {
    Client::builder(TokioExecutor::new()).http2_only(two).build_http()
}

fn client(key: Key, two: bool) -> HmacClient<Http> {
    ServiceBuilder::new().layer(HmacClientLayer::new(Scheme::native(), key).unwrap()).service(http(two))
}

async fn server() -> SocketAddr {
    net::start(|listener| example::serve(listener, support::key())).await
}

fn echo(server: SocketAddr, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let uri = format!("http://{server}/echo?x=1&y=%2f");
    Request::post(uri).header("content-type", "application/json").body(Full::from(body.into())).unwrap()
}

async fn whole(outcome: Result<Response<HmacBody<hyper::body::Incoming>>, ClientError>) -> Result<Bytes, ClientError> {
    let response = outcome?;
    assert_eq!(response.status(), 200);
    assert!(response.extensions().get::<VerifiedResponse>().is_some());
    Ok(response.into_body().collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn what_is_sent_is_served_and_the_answer_is_verified() {
    let server = server().await;
    for two in [false, true] {
        let client = client(support::key(), two);
        for body in [Bytes::new(), Bytes::from_static(b"{\"a\":1}"), Bytes::from(vec![7; 1_500_000])] {
            let echoed = whole(patient(client.clone().oneshot(echo(server, body.clone()))).await).await.unwrap();
            assert_eq!(echoed, body);
        }
        for method in ["GET", "HEAD", "DELETE"] {
            let request = Request::builder().method(method).uri(format!("http://{server}/who"));
            let answer = patient(client.clone().oneshot(request.body(Full::default()).unwrap())).await;
            let wanted = if method == "HEAD" { "" } else { support::KEY_ID };
            assert_eq!(whole(answer).await.unwrap(), wanted, "{method}");
        }
    }
}

#[tokio::test]
async fn m_14_a_refusal_is_an_error_with_its_status() {
    let server = server().await;
    let strangers = [Key::from_hex("svc-b", support::KEY_HEX), Key::from_hex(support::KEY_ID, OTHER_KEY)];
    for key in strangers.map(Result::unwrap) {
        for two in [false, true] {
            let error = whole(patient(client(key.clone(), two).oneshot(echo(server, "{}"))).await).await.unwrap_err();
            assert_eq!((error.kind(), error.may_have_been_sent()), (ClientErrorKind::Unsigned, true));
            assert_eq!(error.unverified_response().unwrap().status(), 401);
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_listen_is_an_error_with_its_source() {
    let request = echo(([127, 0, 0, 1], 1).into(), "{}");
    let error = whole(patient(client(support::key(), false).oneshot(request)).await).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Service);
    assert!(error.source().unwrap().downcast_ref::<hyper_util::client::legacy::Error>().unwrap().is_connect());
}

/// What is signed is what is sent, whatever the address looks like. The server is the same for all names.
#[tokio::test]
async fn n_11_authority_and_path_arrive_as_they_were_signed() {
    let server = server().await;
    let connector =
        service_fn(move |_: Uri| Box::pin(async move { TcpStream::connect(server).await.map(TokioIo::new) }));
    for two in [false, true] {
        let http = Client::builder(TokioExecutor::new()).http2_only(two).build(connector);
        let client =
            ServiceBuilder::new().layer(HmacClientLayer::new(Scheme::native(), support::key()).unwrap()).service(http);
        for uri in [
            "http://api.example.com/who",
            "http://api.example.com:80/who",
            "http://api.example.com:8080/who",
            "http://API.Example.com/who?b=2&a=1",
            "http://api.example.com/who?",
            "http://[::1]:80/who",
            "http://[::1]:81/who?q=%e9%C3%a9",
        ] {
            let request = Request::get(uri).body(Full::<Bytes>::default()).unwrap();
            assert_eq!(whole(patient(client.clone().oneshot(request)).await).await.unwrap(), support::KEY_ID, "{uri}");
        }
        let request = Request::get("http://api.example.com").body(Full::<Bytes>::default()).unwrap();
        assert_eq!(patient(client.clone().oneshot(request)).await.unwrap().status(), 404);
        // Who sets `Host` to something else is told, not refused by the server.
        let request = Request::get("http://api.example.com/who").header("host", "other.example.com");
        let error = patient(client.oneshot(request.body(Full::<Bytes>::default()).unwrap())).await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Unsignable);
    }
}

/// A layer below the client's may add what nobody signs. What it does to the rest shows at the server.
#[tokio::test]
async fn n_11_what_a_layer_below_changes_is_refused() {
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let handler = async move |body: Bytes| {
        count.fetch_add(1, Ordering::SeqCst);
        body
    };
    let hmac = HmacLayer::new(Scheme::native(), support::key()).unwrap();
    let server = net::start_axum(Router::new().fallback(handler).layer(hmac)).await;
    let ask = async |change: Change| {
        let layer = HmacClientLayer::new(Scheme::native(), support::key()).unwrap();
        let client = ServiceBuilder::new().layer(layer).map_request(move |mut request| {
            change(&mut request);
            request
        });
        whole(patient(client.service(http(false)).oneshot(echo(server, "{}"))).await).await
    };
    let harmless: Change = |request| drop(request.headers_mut().insert("user-agent", HeaderValue::from_static("me/1")));
    assert_eq!(ask(harmless).await.unwrap(), "{}");
    let changes: [Change; 6] = [
        |request| drop(request.headers_mut().insert("content-type", HeaderValue::from_static("text/plain"))),
        |request| drop(request.headers_mut().remove("content-type").unwrap()),
        |request| drop(request.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"))),
        |request| *request.uri_mut() = request.uri().to_string().replace("echo", "Echo").parse().unwrap(),
        |request| *request.uri_mut() = request.uri().to_string().replace("%2f", "%2F").parse().unwrap(),
        |request| *request.method_mut() = Method::PUT,
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let error = ask(change).await.unwrap_err();
        let status = error.unverified_response().unwrap().status();
        assert_eq!((error.kind(), status.as_u16()), (ClientErrorKind::Unsigned, 401), "change {n}");
    }
    assert_eq!(served.load(Ordering::SeqCst), 1);
}

/// The head of a 101 is verified; what flows afterwards is not.
#[tokio::test]
async fn an_upgraded_connection_is_usable() {
    let server = server().await;
    let request = Request::get(format!("http://{server}/tunnel")).header("connection", "upgrade");
    let request = request.header("upgrade", "echo").body(Full::default()).unwrap();
    let response = patient(client(support::key(), false).oneshot(request)).await.unwrap();
    assert_eq!(response.status(), 101);
    assert!(response.extensions().get::<VerifiedResponse>().is_some());
    let mut stream = TokioIo::new(patient(hyper::upgrade::on(response)).await.unwrap());
    patient(stream.write_all(b"through the tunnel")).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut back = String::new();
    patient(stream.read_to_string(&mut back)).await.unwrap();
    assert_eq!(back, "through the tunnel");
}

async fn text(Extension(who): Extension<Verified>, body: Bytes) -> String {
    format!("{} {}", who.key_id(), String::from_utf8_lossy(&body).repeat(1000))
}

/// Compression inside the server's layer, decompression outside the client's: the bytes on the wire are signed.
#[tokio::test]
async fn n_12_compressed_responses_are_verified_before_they_are_unpacked() {
    let layer = HmacLayer::new(Scheme::native(), support::key()).unwrap();
    let app = |outer: bool| {
        let router = Router::new().route("/text", post(text));
        match outer {
            true => router.layer(layer.clone()).layer(CompressionLayer::new()),
            false => router.layer(CompressionLayer::new()).layer(layer.clone()),
        }
    };
    let client = ServiceBuilder::new().layer(DecompressionLayer::new()).service(client(support::key(), false));
    let ask = async |server| {
        let request = Request::post(format!("http://{server}/text")).body(Full::<Bytes>::from("tower ")).unwrap();
        patient(client.clone().oneshot(request)).await
    };
    let inside = net::start_axum(app(false)).await;
    let response = ask(inside).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, format!("svc-a {}", "tower ".repeat(1000)));
    // Unpacked too early, it is not what was signed.
    let below = ServiceBuilder::new().layer(HmacClientLayer::new(Scheme::native(), support::key()).unwrap());
    let below = below.layer(DecompressionLayer::new()).service(http(false));
    let request = Request::post(format!("http://{inside}/text")).body(Full::<Bytes>::from("tower ")).unwrap();
    let error = patient(below.oneshot(request)).await.err().unwrap();
    assert_eq!(error.kind(), ClientErrorKind::BadSignature);
    // M-13: packed after it was signed.
    let error = ask(net::start_axum(app(true)).await).await.err().unwrap();
    assert_eq!(error.kind(), ClientErrorKind::BadSignature);
}

/// Fields that a handler makes up reach nobody: those of the layer stand once, and are right.
#[tokio::test]
async fn m_12_fields_that_the_handler_sets_are_replaced() {
    const SIGNED: [&str; 3] = ["x-hmac-signature", "x-hmac-timestamp", "x-hmac-content-sha256"];
    const OTHERS: [&str; 3] = ["x-hmac-trailer-signature", "x-hmac-key-id", "x-hmac-nonce"];
    let forging = async || {
        let forged = SIGNED.into_iter().chain(OTHERS).flat_map(|name| [(name, "v1=00"), (name, "v1=01")]);
        (AppendHeaders(forged), "done")
    };
    let hmac = HmacLayer::new(Scheme::native(), support::key()).unwrap();
    let server = net::start_axum(Router::new().fallback(forging).layer(hmac)).await;
    for two in [false, true] {
        let response = patient(client(support::key(), two).oneshot(echo(server, "{}"))).await.unwrap();
        let times = |name| response.headers().get_all(name).iter().count();
        assert_eq!((SIGNED.map(times), OTHERS.map(times)), ([1; 3], [0; 3]));
        assert_eq!(whole(Ok(response)).await.unwrap(), "done");
    }
}

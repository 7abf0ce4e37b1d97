//! A HEAD request is answered alike wherever the layer stands: the digest of nothing, and the length that GET has.

mod support;

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use http::header::CONTENT_LENGTH;
use http::{Method, Request};
use support::body::Script;
use support::wire::Wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_hmac::HmacBody;

/// SHA-256 of nothing, as every tool prints it.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The layer inside the router, around the router, and around one method router.
fn places() -> [(&'static str, Router); 4] {
    let hello = || get(|| async { "hello" });
    let layer = support::layer;
    let around = ServiceBuilder::new().layer(layer()).service(Router::new().route("/", hello()));
    [
        ("layer", Router::new().route("/", hello()).layer(layer())),
        ("route_layer", Router::new().route("/", hello()).route_layer(layer())),
        ("method router", Router::new().route("/", hello().layer(layer()))),
        ("around", Router::new().fallback_service(around)),
    ]
}

async fn oneshot(app: Router, wire: &Wire) -> (http::Response<()>, Vec<u8>) {
    let response: Response = app.oneshot(wire.request(Body::from(wire.body.clone()))).await.unwrap();
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (http::Response::from_parts(head, ()), body.to_vec())
}

#[tokio::test]
async fn m_05_head_is_signed_alike_in_every_place() {
    for (place, app) in places() {
        let wire = Wire::new(Method::HEAD, "/", "");
        let (head, body) = oneshot(app.clone(), &wire).await;
        assert_eq!(head.status(), 200, "{place}");
        assert_eq!(head.headers()["x-hmac-content-sha256"], EMPTY, "{place}");
        assert_eq!(head.headers()[CONTENT_LENGTH], "5", "{place}");
        assert!(body.is_empty(), "{place}");
        wire.accepts(&head, b"").unwrap();

        let wire = Wire::get("/");
        let (head, body) = oneshot(app, &wire).await;
        assert_eq!(body, b"hello", "{place}");
        wire.accepts(&head, &body).unwrap();
        wire.accepts(&head, b"").unwrap_err();
    }
}

/// Sends a HEAD over a socket, and reads until the server closes.
async fn over_the_wire(app: Router, wire: &Wire) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let mut text = format!("HEAD / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", wire.authority);
    for (name, value) in wire.fields() {
        text += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all((text + "\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("open").unwrap();
    server.abort();
    answer
}

#[tokio::test]
async fn m_05_the_length_survives_on_the_wire() {
    for (place, app) in places() {
        let wire = Wire::new(Method::HEAD, "/", "");
        let answer = over_the_wire(app, &wire).await.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 200 "), "{place}: {answer}");
        let lengths: Vec<_> = answer.lines().filter(|line| line.starts_with("content-length:")).collect();
        assert_eq!(lengths, ["content-length: 5"], "{place}");
        assert!(answer.contains(&format!("x-hmac-content-sha256: {EMPTY}")), "{place}: {answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{place}: {answer}");
    }
}

/// What the layer makes of `content-length` for one method and status; the service's body knows its size, or not.
async fn length(method: Method, status: u16, given: Option<u64>, exact: bool) -> Option<String> {
    let inner = service_fn(move |_: Request<HmacBody<Script>>| async move {
        let body = Script::bytes("hello");
        let mut response = http::Response::new(if exact { body.declaring(5) } else { body });
        *response.status_mut() = status.try_into().unwrap();
        if let Some(given) = given {
            response.headers_mut().insert(CONTENT_LENGTH, given.into());
        }
        Ok::<_, Infallible>(response)
    });
    let wire = Wire::new(method, "/", "");
    let response = support::layer().layer(inner).call(wire.request(Script::new([]))).await.unwrap();
    assert_eq!(response.status(), status);
    response.headers().get(CONTENT_LENGTH).map(|value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_length_is_kept_added_only_to_head_and_never_stands_on_204_or_205() {
    let five = || Some("5".to_owned());
    assert_eq!(length(Method::HEAD, 200, None, true).await, five());
    assert_eq!(length(Method::HEAD, 200, None, false).await, None);
    assert_eq!(length(Method::HEAD, 200, Some(7), false).await, Some("7".to_owned()));
    assert_eq!(length(Method::HEAD, 404, Some(7), true).await, Some("7".to_owned()));
    assert_eq!(length(Method::GET, 200, Some(5), true).await, five());
    assert_eq!(length(Method::GET, 200, None, true).await, None);
    for status in [204, 205] {
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(length(method, status, Some(5), true).await, None);
        }
    }
    assert_eq!(length(Method::GET, 304, Some(5), true).await, five());
    assert_eq!(length(Method::GET, 304, None, true).await, None);
}

#[tokio::test]
async fn a_length_that_nobody_knows_is_not_said() {
    let app = |layered: bool| {
        let stream = || async { Body::from_stream(futures_util::stream::iter([Ok::<_, Infallible>("{}")])) };
        let app = Router::new().route("/", get(stream));
        if layered { app.layer(support::layer()) } else { app }
    };
    for layered in [false, true] {
        let text = over_the_wire(app(layered), &Wire::new(Method::HEAD, "/", "")).await.to_lowercase();
        assert!(text.starts_with("http/1.1 200") && !text.contains("content-length"), "{text}");
        assert_eq!(text.contains("x-hmac-signature"), layered);
    }
}

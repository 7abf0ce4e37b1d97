//! Peers that cannot receive what flows, over real sockets: their answers are signed in the head, or refused; never unsigned.

mod support;

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::ext::Protocol;
use hyper::server::conn::http2 as http2_server;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use support::body::{Script, Step};
use support::net::{self, patient};
use support::trailers::NAME;
use support::wire::Wire;
use tokio::net::TcpStream;
use tower::{Layer, service_fn};
use tower_hmac::{HmacBody, HmacLayer, Scheme};

/// Pieces that come one by one, of unknown length in all.
fn pieces(count: usize) -> Body {
    let piece = move |n| async move {
        tokio::task::yield_now().await;
        (n < count).then(|| (Ok::<_, std::io::Error>(Bytes::from(vec![b'a'; 1000])), n + 1))
    };
    Body::from_stream(stream::unfold(0, piece))
}

async fn server() -> SocketAddr {
    let layer = HmacLayer::new(Scheme::native(), support::key()).unwrap();
    let app =
        Router::new().route("/short", get(|| async { pieces(200) })).route("/long", get(|| async { pieces(3000) }));
    let events = || async { ([("content-type", "text/event-stream")], pieces(3)) };
    net::start_axum(app.route("/events", get(events)).layer(layer)).await
}

/// An answer over HTTP/1.0 or 1.1 as it came: its head, and what follows.
fn parse(text: &str) -> (Response<()>, String) {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let fields = lines.map(|line| line.split_once(": ").unwrap());
    let response = fields.fold(Response::builder().status(status), |head, (name, value)| head.header(name, value));
    (response.body(()).unwrap(), body.to_owned())
}

async fn by_hand(wire: &Wire, server: SocketAddr, version: &str) -> (Response<()>, String) {
    let start = format!("{} {} {version}", wire.method, wire.target);
    let head = format!("{}host: {server}\r\nconnection: close\r\n\r\n", net::head_lines(wire, &start));
    parse(&net::raw(server, head.as_bytes()).await)
}

#[tokio::test]
async fn http_1_0_gets_a_whole_answer_or_none() {
    let server = server().await;
    for te in [None, Some("trailers")] {
        let ask =
            |target| te.into_iter().fold(net::wire(server, Method::GET, target, ""), |wire, te| wire.header("te", te));
        let wire = ask("/short");
        let (head, body) = by_hand(&wire, server, "HTTP/1.0").await;
        assert_eq!((head.status().as_u16(), body.len()), (200, 200_000));
        assert!(!head.headers().contains_key("transfer-encoding") && !head.headers().contains_key("trailer"));
        wire.accepts(&head, body.as_bytes()).unwrap();
        wire.accepts(&head, &body.as_bytes()[1..]).unwrap_err();
        for target in ["/long", "/events"] {
            let (head, body) = by_hand(&ask(target), server, "HTTP/1.0").await;
            assert_eq!((head.status().as_u16(), &*body), (500, ""), "{target}");
        }
    }
}

#[tokio::test]
async fn http_1_1_gets_trailers_only_when_it_asks_for_them() {
    let server = server().await;
    let wire = net::wire(server, Method::GET, "/short", "");
    let reply = net::http1(server, net::untouched(&wire)).await;
    reply.genuine(&wire);
    assert!(reply.trailers.is_empty() && reply.body.len() == 200_000);
    for target in ["/long", "/events"] {
        net::http1(server, net::untouched(&net::wire(server, Method::GET, target, ""))).await.refused(500);
    }

    for target in ["/short", "/long", "/events"] {
        let wire = net::wire(server, Method::GET, target, "").header("te", "trailers");
        let reply = net::http1(server, net::untouched(&wire)).await;
        wire.accepts_streamed(&reply.head, &reply.body, &reply.trailers).unwrap();
        wire.accepts_streamed(&reply.head, &reply.body[1..], &reply.trailers).unwrap_err();
    }
}

#[tokio::test]
async fn head_is_never_followed_by_a_trailer() {
    let server = server().await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        for target in ["/short", "/long", "/events"] {
            let wire = net::wire(server, Method::HEAD, target, "").header("te", "trailers");
            let request = net::untouched(&wire);
            let request = if version == Version::HTTP_2 { net::with_authority(request) } else { request };
            let reply = net::exchange(server, request).await.unwrap();
            assert!(reply.body.is_empty() && reply.trailers.is_empty());
            assert!(reply.head.headers().get_all("trailer").iter().all(|name| name != NAME));
            reply.genuine(&wire);
        }
    }
}

/// The tunnel of an extended CONNECT is its body: it is neither read nor waited for.
#[tokio::test]
async fn an_extended_connect_is_refused_before_a_byte_flows() {
    let layer = HmacLayer::new(Scheme::native(), support::key()).unwrap().stream_requests(|_| true).unwrap();
    for layer in [layer, HmacLayer::new(Scheme::native(), support::key()).unwrap()] {
        let service = layer.layer(service_fn(never));
        let server = net::start(|listener| async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut http = http2_server::Builder::new(TokioExecutor::new());
            let service = TowerToHyperService::new(service);
            http.enable_connect_protocol().serve_connection(TokioIo::new(stream), service).await
        })
        .await;
        let io = TokioIo::new(TcpStream::connect(server).await.unwrap());
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let response = loop {
            let wire = net::wire(server, Method::CONNECT, "/tunnel", "");
            let mut request = net::with_authority(wire.request(Script::new([Step::Stall])));
            request.extensions_mut().insert(Protocol::from_static("websocket"));
            match patient(sender.send_request(request)).await {
                Ok(response) => break response,
                // Not before the server's settings have come, which allow it.
                Err(error) => assert!(error.is_user(), "{error}"),
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(response.status(), 401);
    }
}

async fn never(_: Request<HmacBody<Incoming>>) -> Result<Response<Full<Bytes>>, Infallible> {
    panic!("a tunnel was opened");
}

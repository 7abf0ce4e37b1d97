//! The layer stands over and under tower's `ConcurrencyLimit`, `Buffer` and `LoadShed`.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::routing::{MethodRouter, post};
use http::StatusCode;
use support::net::{self, Reply, forged, http1, patient, tampered, untouched};
use support::wire::Wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tower::buffer::BufferLayer;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::{BoxError, ServiceBuilder};
use tower_hmac::{HmacLayer, KeyQuery, Lookup, Scheme};

/// Counts its look-ups, to see when a request got past what is outside of the layer.
fn counting() -> (HmacLayer, Arc<AtomicUsize>) {
    let lookups = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&lookups);
    let store = move |query: &KeyQuery<'_>| -> Lookup {
        seen.fetch_add(1, Ordering::SeqCst);
        query.key_id().filter(|id| *id == support::KEY_ID).map(|_| support::key()).into()
    };
    (HmacLayer::new(Scheme::native(), store).unwrap(), lookups)
}

async fn wait_for(counter: &AtomicUsize, count: usize) {
    let reached = async {
        while counter.load(Ordering::SeqCst) < count {
            tokio::task::yield_now().await;
        }
    };
    patient(reached).await;
}

fn hmac() -> HmacLayer {
    counting().0
}

/// axum wants no errors: what tower's layers fail with becomes an answer.
async fn overloaded(error: BoxError) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

fn echo() -> MethodRouter {
    post(async |body: String| body)
}

async fn start(route: MethodRouter) -> SocketAddr {
    net::start_axum(Router::new().route("/echo", route)).await
}

/// Accepted with a signed answer; refused when changed and a second time.
async fn holds(route: MethodRouter) {
    let server = start(route).await;
    let wire = || net::post(server, "/echo", "{\"a\":1}");
    let good = wire();
    let reply = http1(server, untouched(&good)).await;
    reply.genuine(&good);
    assert_eq!(reply.body, good.body);
    http1(server, untouched(&good)).await.refused(401);
    http1(server, tampered(&wire())).await.refused(401);
    http1(server, forged(&wire())).await.refused(401);
    http1(server, untouched(&wire().key("svc-b", support::KEY_HEX))).await.refused(401);
    let again = wire();
    http1(server, untouched(&again)).await.genuine(&again);
}

/// axum lays a route out anew for each connection: only this one is a limit for all of them.
fn limit() -> GlobalConcurrencyLimitLayer {
    GlobalConcurrencyLimitLayer::new(1)
}

fn shed() -> LoadShedLayer {
    LoadShedLayer::new()
}

#[tokio::test]
async fn concurrency_limit() {
    holds(echo().layer(ServiceBuilder::new().layer(limit()).layer(hmac()))).await;
    holds(echo().layer(ServiceBuilder::new().layer(hmac()).layer(limit()))).await;
}

#[tokio::test]
async fn buffer() {
    let errors = || HandleErrorLayer::new(overloaded);
    holds(echo().layer(ServiceBuilder::new().layer(errors()).layer(BufferLayer::new(4)).layer(hmac()))).await;
    holds(echo().layer(ServiceBuilder::new().layer(hmac()).layer(errors()).layer(BufferLayer::new(4)))).await;
}

#[tokio::test]
async fn load_shed() {
    let errors = || HandleErrorLayer::new(overloaded);
    let (outside, inside) = (ServiceBuilder::new().layer(errors()), ServiceBuilder::new().layer(hmac()));
    holds(echo().layer(outside.clone().layer(shed()).layer(limit()).layer(hmac()))).await;
    holds(echo().layer(inside.layer(errors()).layer(shed()).layer(limit()))).await;
    holds(echo().layer(outside.layer(shed()).layer(hmac()).layer(limit()))).await;
}

/// A handler that says when a request has come and keeps it until it may go.
fn gate() -> (MethodRouter, Arc<AtomicUsize>, Arc<Semaphore>) {
    let (entered, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let gate = (Arc::clone(&entered), Arc::clone(&open));
    let route = post(async move || {
        gate.0.fetch_add(1, Ordering::SeqCst);
        gate.1.acquire().await.unwrap().forget();
        "through"
    });
    (route, entered, open)
}

fn sent(server: SocketAddr) -> (Wire, JoinHandle<Reply>) {
    let wire = net::post(server, "/echo", "");
    let request = untouched(&wire);
    (wire, tokio::spawn(http1(server, request)))
}

/// With its limit on the same side `LoadShed` sheds the second request.
async fn sheds(route: MethodRouter, entered: &AtomicUsize, open: &Semaphore) -> (Wire, Reply) {
    let server = start(route).await;
    let (first, reply) = sent(server);
    wait_for(entered, 1).await;
    let second = net::post(server, "/echo", "");
    let shed = http1(server, untouched(&second)).await;
    assert_eq!((shed.status(), &shed.body[..]), (503, &b"service overloaded"[..]));
    open.add_permits(1);
    patient(reply).await.unwrap().genuine(&first);
    assert_eq!(entered.load(Ordering::SeqCst), 1);
    (second, shed)
}

#[tokio::test]
async fn load_shed_and_its_limit_outside() {
    let (route, entered, open) = gate();
    let errors = HandleErrorLayer::new(overloaded);
    let stack = ServiceBuilder::new().layer(errors).layer(shed()).layer(limit()).layer(hmac());
    let (wire, reply) = sheds(route.layer(stack), &entered, &open).await;
    wire.accepts(&reply.head, &reply.body).unwrap_err();
}

/// The answer comes from below the layer, so it is signed.
#[tokio::test]
async fn load_shed_and_its_limit_inside() {
    let (route, entered, open) = gate();
    let errors = HandleErrorLayer::new(overloaded);
    let stack = ServiceBuilder::new().layer(hmac()).layer(errors).layer(shed()).layer(limit());
    let (wire, reply) = sheds(route.layer(stack), &entered, &open).await;
    wire.accepts(&reply.head, &reply.body).unwrap();
}

/// The layer between them is always ready: the second request waits.
#[tokio::test]
async fn load_shed_outside_with_its_limit_inside_never_sheds() {
    let (route, entered, open) = gate();
    let (hmac, lookups) = counting();
    let errors = HandleErrorLayer::new(overloaded);
    let stack = ServiceBuilder::new().layer(errors).layer(shed()).layer(hmac).layer(limit());
    let server = start(route.layer(stack)).await;
    let (first, first_reply) = sent(server);
    wait_for(&entered, 1).await;
    let (second, second_reply) = sent(server);
    wait_for(&lookups, 2).await;
    // A stranger does not wait for the service.
    http1(server, forged(&net::post(server, "/echo", ""))).await.refused(401);
    assert_eq!(entered.load(Ordering::SeqCst), 1);
    open.add_permits(2);
    patient(first_reply).await.unwrap().genuine(&first);
    patient(second_reply).await.unwrap().genuine(&second);
}

#[tokio::test]
async fn an_upload_that_stalls_holds_no_permit_below() {
    let (hmac, lookups) = counting();
    let server = start(echo().layer(ServiceBuilder::new().layer(hmac).layer(limit()))).await;
    let slow = net::post(server, "/echo", "slow");
    let head = net::head_lines(&slow, "POST /echo HTTP/1.1");
    let mut stream = TcpStream::connect(server).await.unwrap();
    let text = format!("{head}host: {server}\r\ncontent-length: 4\r\nconnection: close\r\n\r\nsl");
    patient(stream.write_all(text.as_bytes())).await.unwrap();
    wait_for(&lookups, 1).await;

    let quick = net::post(server, "/echo", "quick");
    http1(server, untouched(&quick)).await.genuine(&quick);

    patient(stream.write_all(b"ow")).await.unwrap();
    let mut answer = String::new();
    patient(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nslow"), "{answer}");
}

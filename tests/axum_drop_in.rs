//! The layer drops into axum wherever a layer can stand; below `nest` the signature covers the path that was sent.

mod support;

#[allow(dead_code, reason = "`main` is for `cargo run`")]
#[path = "../examples/axum.rs"]
mod example;

use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use support::net::{self, forged, http1, tampered, untouched};
use support::wire::Wire;
use tower::ServiceBuilder;
use tower_hmac::{HmacBody, HmacLayer, Scheme, Verified};

fn layer() -> HmacLayer {
    HmacLayer::new(Scheme::native(), support::key()).unwrap()
}

async fn example() -> SocketAddr {
    net::start(|listener| example::serve(listener, support::key())).await
}

/// Says who signed and what came.
async fn echo(Extension(who): Extension<Verified>, body: Bytes) -> Vec<u8> {
    [who.key_id().as_str().as_bytes(), b":", &body].concat()
}

/// Accepted with a signed answer; refused with another body, with another signature, and a second time.
async fn holds(server: SocketAddr, target: &str) {
    let wire = net::post(server, target, "{\"a\":1}");
    let reply = http1(server, untouched(&wire)).await;
    reply.genuine(&wire);
    assert_eq!(&reply.body[..], b"svc-a:{\"a\":1}");
    http1(server, untouched(&wire)).await.refused(401);
    twins(server, target).await;
}

async fn twins(server: SocketAddr, target: &str) {
    http1(server, tampered(&net::post(server, target, "{\"a\":1}"))).await.refused(401);
    http1(server, forged(&net::post(server, target, "{\"a\":1}"))).await.refused(401);
}

#[tokio::test]
async fn on_a_router() {
    let server = net::start_axum(Router::new().route("/pay", post(echo)).layer(layer())).await;
    holds(server, "/pay?x=1").await;
    // What leads nowhere is refused to strangers too, and signed for callers.
    let wire = net::post(server, "/nowhere", "");
    http1(server, forged(&wire)).await.refused(401);
    let reply = http1(server, untouched(&wire)).await;
    assert_eq!(reply.status(), 404);
    wire.accepts(&reply.head, &reply.body).unwrap();
}

#[tokio::test]
async fn on_the_routes_alone() {
    let server = net::start_axum(Router::new().route("/pay", post(echo)).route_layer(layer())).await;
    holds(server, "/pay").await;
    http1(server, untouched(&net::post(server, "/nowhere", ""))).await.refused(404);
}

#[tokio::test]
async fn on_one_method_router_and_on_one_handler() {
    let app = Router::new()
        .route("/method", post(echo).layer(layer()))
        .route("/method_route", post(echo).route_layer(layer()))
        .route("/handler", get(|| async { "open" }).post(echo.layer(layer())));
    let server = net::start_axum(app).await;
    for target in ["/method", "/method_route", "/handler"] {
        holds(server, target).await;
    }
    let open = http1(server, untouched(&net::wire(server, http::Method::GET, "/handler", ""))).await;
    assert_eq!((open.status(), &open.body[..]), (200, &b"open"[..]));
}

/// Would panic if a request came here unverified.
async fn middleware(Extension(who): Extension<Verified>, request: Request, next: Next) -> Response {
    assert_eq!(who.key_id().as_str(), support::KEY_ID);
    let mut response = next.run(request).await;
    response.headers_mut().insert("x-middleware", "ran".parse().unwrap());
    response
}

#[tokio::test]
async fn over_from_fn_in_a_call_of_its_own() {
    let app = Router::new().route("/pay", post(echo)).layer(from_fn(middleware)).layer(layer());
    over_from_fn(net::start_axum(app).await).await;
}

#[tokio::test]
async fn over_from_fn_in_one_stack() {
    let stack = ServiceBuilder::new()
        .layer(layer())
        .map_request(|request: Request<HmacBody<Body>>| request.map(Body::new))
        .layer(from_fn(middleware));
    over_from_fn(net::start_axum(Router::new().route("/pay", post(echo)).layer(stack)).await).await;
}

async fn over_from_fn(server: SocketAddr) {
    holds(server, "/pay").await;
    let reply = http1(server, untouched(&net::post(server, "/pay", ""))).await;
    assert_eq!(reply.head.headers()["x-middleware"], "ran");
    let refused = http1(server, forged(&net::post(server, "/pay", ""))).await;
    assert!(!refused.head.headers().contains_key("x-middleware"));
}

fn mounts() -> Router {
    let tenant = Router::new().route("/pay", post(echo)).layer(layer());
    Router::new().nest("/tenant-a", tenant.clone()).nest("/tenant-b", tenant)
}

/// Signed for one path, sent to another.
async fn sent_to(server: SocketAddr, signed: &Wire, target: &str) -> net::Reply {
    let mut request = untouched(signed);
    *request.uri_mut() = target.parse().unwrap();
    http1(server, request).await
}

#[tokio::test]
async fn d_04_a_signature_for_one_mount_is_refused_at_another() {
    let server = example().await;
    for (mount, other) in [("/tenant-a/pay?n=1", "/tenant-b/pay?n=1"), ("/tenant-b/pay", "/tenant-a/pay")] {
        let wire = net::post(server, mount, "12345");
        sent_to(server, &wire, other).await.refused(401);
        let reply = sent_to(server, &wire, mount).await;
        reply.genuine(&wire);
        assert_eq!(&reply.body[..], b"svc-a paid with 5 bytes\n");
        twins(server, mount).await;
        // The path that is left inside the mount is nobody's to sign.
        sent_to(server, &net::post(server, "/pay", ""), mount).await.refused(401);
    }
}

#[tokio::test]
async fn d_04_without_a_resolver_one_signature_fits_every_mount() {
    let server = net::start_axum(mounts()).await;
    for mount in ["/tenant-a/pay", "/tenant-b/pay"] {
        let wire = net::post(server, "/pay", "{}");
        sent_to(server, &wire, mount).await.genuine(&wire);
        sent_to(server, &net::post(server, mount, "{}"), mount).await.refused(401);
    }
}

#[tokio::test]
async fn the_example_serves_what_it_says() {
    let server = example().await;
    let wire = net::post(server, "/payments", "12345");
    let reply = http1(server, untouched(&wire)).await;
    reply.genuine(&wire);
    assert_eq!(&reply.body[..], b"svc-a paid with 5 bytes\n");
    twins(server, "/payments").await;

    let get = |target| net::wire(server, http::Method::GET, target, "");
    let wire = get("/reports/7?full");
    let reply = http1(server, untouched(&wire)).await;
    reply.genuine(&wire);
    assert_eq!(&reply.body[..], b"this is /reports/7?full\n");
    http1(server, forged(&get("/reports/7?full"))).await.refused(401);
    sent_to(server, &get("/reports/7?full"), "/reports/8?full").await.refused(401);

    let health = http1(server, Request::get("/health").header("host", "any").body(Default::default()).unwrap()).await;
    assert_eq!((health.status(), &health.body[..]), (200, &b"up"[..]));
}

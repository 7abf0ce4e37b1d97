//! reqwest below the client layer, as the example shows it.

mod support;

#[allow(dead_code, reason = "`main` is for `cargo run`")]
#[path = "../examples/reqwest.rs"]
mod example;

#[allow(dead_code, reason = "`main` is for `cargo run`")]
#[path = "../examples/hyper.rs"]
mod server;

use std::error::Error;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use support::net::{self, patient};
use tower::ServiceExt;
use tower_hmac::{ClientErrorKind, HmacLayer, Key, Scheme, VerifiedResponse};

#[tokio::test]
async fn what_is_sent_is_served_and_the_answer_is_verified() {
    let server = net::start(|listener| server::serve(listener, support::key())).await;
    let client = example::client(support::key()).unwrap();
    for body in [Bytes::new(), Bytes::from_static(b"{\"a\":1}"), Bytes::from(vec![7; 1_500_000])] {
        let request = Request::post(format!("http://{server}/echo?a=1")).body(Full::new(body.clone())).unwrap();
        let response = patient(client.clone().oneshot(request)).await.unwrap();
        assert!(response.extensions().get::<VerifiedResponse>().is_some());
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body);
    }
    let stranger = example::client(Key::from_hex("svc-b", support::KEY_HEX).unwrap()).unwrap();
    let request = Request::post(format!("http://{server}/echo")).body(Full::default()).unwrap();
    let error = patient(stranger.oneshot(request)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.unverified_response().unwrap().status().as_u16()),
        (ClientErrorKind::Unsigned, 401)
    );
}

#[tokio::test]
async fn an_address_that_reqwest_would_change_is_not_sent() {
    let server = net::start(|listener| server::serve(listener, support::key())).await;
    let client = example::client(support::key()).unwrap();
    for path in ["/a/../echo", "/./echo", "/%2e/echo"] {
        let request = Request::post(format!("http://{server}{path}")).body(Full::default()).unwrap();
        let error = patient(client.clone().oneshot(request)).await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Service);
        assert!(error.source().unwrap().to_string().contains("was signed"), "{path}");
    }
}

/// A redirect comes back, signed, to be followed by who stands outside.
#[tokio::test]
async fn redirects_are_handed_on() {
    let layer = HmacLayer::new(Scheme::native(), support::key()).unwrap();
    let app = Router::new().route("/old", get(|| async { Redirect::temporary("/new") })).layer(layer);
    let server = net::start_axum(app).await;
    let request = Request::get(format!("http://{server}/old")).body(Full::default()).unwrap();
    let response = patient(example::client(support::key()).unwrap().oneshot(request)).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["location"]), (307, &"/new".parse().unwrap()));
}

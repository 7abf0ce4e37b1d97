//! A handler takes `Verified` as an argument, and gets it from the layer alone.
#![cfg(feature = "axum")]

mod support;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::routing::get;
use support::wire::Wire;
use support::{KEY_ID, key};
use tower::ServiceExt;
use tower_hmac::{HmacLayer, KeyQuery, Keys, Lookup, Scheme, Verified};

struct Tenant(u32);

async fn who(who: Verified) -> String {
    format!("{} {:?}", who.key_id(), who.data::<Tenant>().map(|tenant| tenant.0))
}

async fn ask(app: Router, request: Request<Body>) -> (u16, String) {
    let response = app.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    (status, String::from_utf8(to_bytes(response.into_body(), 1024).await.unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn it_comes_from_the_layer_with_the_data_of_the_store() {
    let keys = |_: &KeyQuery<'_>| -> Lookup { Some(Keys::from(key()).with_data(Tenant(7))).into() };
    let layer = HmacLayer::new(Scheme::native(), keys).unwrap().clock(support::clock());
    let app = Router::new().route("/", get(who)).layer(layer);
    let signed = Wire::get("/").request(Body::empty());
    assert_eq!(ask(app.clone(), signed).await, (200, format!("{KEY_ID} Some(7)")));
    let mut unsigned = Wire::get("/").request(Body::empty());
    unsigned.headers_mut().remove("x-hmac-signature");
    assert_eq!(ask(app, unsigned).await, (401, String::new()));
}

#[tokio::test]
async fn without_a_layer_the_handler_is_not_reached() {
    let app = Router::new().route("/", get(who));
    assert_eq!(ask(app, Wire::get("/").request(Body::empty())).await, (500, String::new()));
}

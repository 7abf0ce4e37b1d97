//! Four formats that were there before this crate, described and not rewritten: a server that speaks all of them, each on
//! its own path, with the refusals of the originals. `cargo run --example legacy [ADDRESS]`.
//!
//! The files beside this one have one format each: what travels, what is signed, and what that leaves open. A description
//! serves both sides: `sign::RequestSigner` calls such a server with it.

pub mod lines;
pub mod members;
pub mod suffix;
pub mod token;

use std::error::Error;

use axum::body::Bytes;
use axum::http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde_json::json;
use tower_hmac::{Algorithm, ConfigError, HmacLayer, Key, Verified};

/// The whole server. Everybody knows these secrets: for trying out only.
pub fn app() -> Result<Router, ConfigError> {
    let key = Key::from_text("device", "secret-key")?;
    let members = HmacLayer::new(members::scheme()?, key)?.render_refusals(members::refusal);

    let key = Key::from_text("reports", "your_secret_key")?.with_algorithm(Algorithm::LegacySuffixSha256);
    let suffix = HmacLayer::new(suffix::scheme()?, key)?.render_refusals(suffix::refusal);

    let key = Key::from_text("payments", "your-chosen-secret-key")?;
    let lines = HmacLayer::new(lines::callers()?, key)?.render_refusals(lines::refusal);

    let key = Key::from_base64("example-public-key", "ZXhhbXBsZS1wcml2YXRlLWtleQ==")?;
    let token = HmacLayer::new(token::scheme()?, key)?;

    let who = |Extension(who): Extension<Verified>| async move { Json(json!({ "accepted": who.scheme() })) };
    Ok(Router::new()
        .route("/verify", post(|| async { Json(json!({ "status": "Verified" })) }).route_layer(members))
        .route("/example/users", get(|| async { Json(json!({ "result": "ok" })) }).route_layer(suffix))
        .route("/api/v1/payment", post(who).route_layer(lines))
        .route("/identity/v1/hmac/management", post(who).route_layer(token)))
}

/// How the originals refuse: a status, and JSON.
fn answer(status: StatusCode, json: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(json.as_bytes()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app()?).await?)
}

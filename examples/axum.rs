//! An axum server behind the layer: `cargo run --example axum [ADDRESS]`, with the secret of `svc-a` in
//! `KEY_HEX` (else a new one is printed).
//!
//! Shows the places where the layer can stand (`Router::layer`, `route_layer`, inside nested routers), a middleware
//! below it, and a handler that asks who signed.

use std::env;
use std::error::Error;

use axum::body::Bytes;
use axum::extract::{OriginalUri, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tower_hmac::{ConfigError, HmacLayer, Key, Scheme, SignedTarget, Target, Verified};

/// The whole server: only `/health` is open to strangers.
pub fn app(key: Key) -> Result<Router, ConfigError> {
    let hmac = HmacLayer::new(Scheme::native(), key)?;

    // Everything under this layer is verified. Paths that lead nowhere are the outer router's, once it is merged.
    let payments = Router::new().route("/payments", post(pay)).layer(from_fn(audit)).layer(hmac.clone());

    // `route_layer` leaves paths that lead nowhere to the router.
    let reports = Router::new().route("/reports/{id}", get(report)).route_layer(hmac.clone());

    // Inside `nest` a request has lost the head of its path; callers sign the path that they sent.
    let original = Target::resolver(|head| match head.extensions.get::<OriginalUri>() {
        Some(OriginalUri(uri)) => SignedTarget::received().path_and_query_of(uri),
        None => SignedTarget::received(),
    });
    let tenant = Router::new().route("/pay", post(pay)).layer(hmac.target(original));

    Ok(Router::new()
        .route("/health", get(|| async { "up" }))
        .merge(payments)
        .merge(reports)
        .nest("/tenant-a", tenant.clone())
        .nest("/tenant-b", tenant))
}

async fn pay(Extension(who): Extension<Verified>, body: Bytes) -> String {
    format!("{} paid with {} bytes\n", who.key_id(), body.len())
}

async fn report(OriginalUri(uri): OriginalUri) -> String {
    format!("this is {uri}\n")
}

/// Below the layer: only verified requests come here.
async fn audit(Extension(who): Extension<Verified>, request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let response = next.run(request).await;
    println!("{} {method} {uri} {}", who.key_id(), response.status());
    response
}

pub async fn serve(listener: TcpListener, key: Key) -> Result<(), Box<dyn Error + Send + Sync>> {
    Ok(axum::serve(listener, app(key)?).await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let key = match env::var("KEY_HEX") {
        Ok(secret) => Key::from_hex("svc-a", &secret)?,
        Err(_) => {
            let (key, secret) = Key::generate("svc-a")?;
            println!("KEY_HEX={secret}");
            key
        }
    };
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, key).await
}

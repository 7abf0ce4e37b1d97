//! A receiver for three webhook providers, and a sender: `cargo run --example webhooks`.
//!
//! Each route has its provider's scheme and secret. The example then plays the providers itself: it sends one delivery
//! to each route, signed by the client layer, and the same delivery signed with a stranger's secret, which is refused.

use std::error::Error;
use std::net::Ipv4Addr;

use axum::body::Body;
use axum::routing::post;
use axum::{Extension, Router};
use http::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};
use tower_hmac::{ConfigError, HmacBody, HmacClientLayer, HmacLayer, Key, Scheme, Verified, webhook};

type Failure = Box<dyn Error + Send + Sync>;

/// Who sends, where to, and with which secret.
fn providers() -> Result<[(&'static str, Scheme, Key); 3], ConfigError> {
    Ok([
        ("/github", webhook::github(), Key::from_text("github", "It's a Secret to Everybody")?),
        // Stripe's secret is text, although it looks like the next one.
        ("/stripe", webhook::stripe(), Key::from_text("stripe", "whsec_test_secret")?),
        ("/standard", webhook::standard(), Key::from_whsec("standard", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?),
    ])
}

fn receiver() -> Result<Router, ConfigError> {
    let mut app = Router::new();
    for (path, scheme, key) in providers()? {
        app = app.merge(Router::new().route(path, post(receive)).layer(HmacLayer::new(scheme, key)?));
    }
    Ok(app)
}

/// Providers send again what was not answered: act once for each event, by its delivery id or an id in the body.
async fn receive(Extension(who): Extension<Verified>, event: String) -> String {
    format!("{} sent {} bytes, delivery {}", who.scheme(), event.len(), who.delivery_id().unwrap_or("without an id"))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, receiver()?).into_future());

    for (path, scheme, key) in providers()? {
        let delivery = Request::post(format!("http://{address}{path}")).body(Body::from("{\"paid\":true}"))?;
        let accepted = send(scheme.clone(), key, delivery).await?;
        let stranger = Key::from_text("stranger", "the secret of somebody else")?;
        let delivery = Request::post(format!("http://{address}{path}")).body(Body::from("{\"paid\":true}"))?;
        let refused = send(scheme, stranger, delivery).await?.status();
        let status = accepted.status();
        let text = axum::body::to_bytes(Body::new(accepted.into_body()), 1024).await?;
        println!("{path}: {status}, {}; from a stranger: {refused}", text.escape_ascii());
        if (status, refused) != (StatusCode::OK, StatusCode::UNAUTHORIZED) {
            return Err(format!("{path} should accept the one and refuse the other").into());
        }
    }
    Ok(())
}

/// What a service that sends webhooks does: the scheme and the subscriber's secret make a client.
async fn send(
    scheme: Scheme,
    key: Key,
    delivery: Request<Body>,
) -> Result<Response<HmacBody<hyper::body::Incoming>>, Failure> {
    let http: Client<HttpConnector, HmacBody<Body>> = Client::builder(TokioExecutor::new()).build_http();
    Ok(HmacClientLayer::new(scheme, key)?.layer(http).oneshot(delivery).await?)
}

//! The server: two signed paths, and one for people who watch.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use axum::routing::{any, get};
use axum::{Json, Router, middleware::map_request, response::IntoResponse};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tower_hmac::{HmacLayer, Key, Refusal, RejectionKind, Scheme, replay::MemoryReplayGuard};

/// The requests that got past the layer.
pub static REACHED: AtomicU64 = AtomicU64::new(0);

/// Serves from now on, and reports why it refuses what it refuses.
pub async fn start(address: &str) -> Result<(SocketAddr, UnboundedReceiver<RejectionKind>), Box<dyn Error>> {
    let (report, refusals) = unbounded_channel();
    let guard = MemoryReplayGuard::new();
    let layer = HmacLayer::new(Scheme::native(), Key::from_hex(crate::KEY_ID, crate::KEY_HEX)?)?;
    let layer = layer.replay_guard(guard.clone()).render_refusals(move |refusal: &Refusal<'_>| {
        let _ = report.send(refusal.kind());
        refusal.standard()
    });
    let stats = move || serde_json::json!({ "reached_handler": REACHED, "guard_entries": guard.len() });
    let app = Router::new()
        .route("/echo", any(echo))
        .route("/status/{code}", any(status))
        .route_layer(map_request(count))
        .layer(layer)
        // Added after the layer, and so outside of it: anybody may ask for the numbers.
        .route("/stats", get(|| async move { Json(stats()) }));
    let listener = tokio::net::TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async { axum::serve(listener, app).await });
    Ok((address, refusals))
}

async fn count(request: Request) -> Request {
    REACHED.fetch_add(1, Ordering::SeqCst);
    request
}

async fn echo(headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    (headers.get(CONTENT_TYPE).map(|value| [(CONTENT_TYPE, value.clone())]), Body::from(body))
}

async fn status(Path(code): Path<u16>) -> StatusCode {
    StatusCode::from_u16(code).ok().filter(|code| !code.is_informational()).unwrap_or(StatusCode::BAD_REQUEST)
}

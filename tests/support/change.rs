//! Requests that are signed, and changed afterwards.

use http::{Request, Uri};
use tower_hmac::HmacLayer;

use super::body::Script;
use super::service::{Outcome, send};
use super::wire::Wire;

/// Does not read what it refuses.
pub fn layer() -> HmacLayer {
    super::layer().drain_limit(0)
}

pub fn request(wire: &Wire) -> Request<Script> {
    wire.request(Script::bytes(wire.body.clone()))
}

/// Signs `wire`, lets `change` have the request, and sends it.
pub async fn changed(wire: &Wire, change: impl FnOnce(&mut Request<Script>)) -> Outcome {
    let mut request = request(wire);
    change(&mut request);
    send(layer(), request).await
}

pub fn set_uri(uri: &str) -> impl FnOnce(&mut Request<Script>) {
    let uri: Uri = uri.parse().unwrap();
    move |request| *request.uri_mut() = uri
}

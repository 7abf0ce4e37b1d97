//! [`Verified`] as an argument of an axum handler.

use std::error::Error;
use std::fmt;

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use crate::verify::Verified;

/// Needs an [`HmacLayer`](crate::HmacLayer) around the handler.
///
/// ```
/// use axum::Router;
/// use axum::routing::post;
/// use tower_hmac::{HmacLayer, Verified};
///
/// async fn pay(who: Verified) -> String {
///     format!("paid by {}", who.key_id())
/// }
///
/// # fn app(layer: HmacLayer) -> Router {
/// Router::new().route("/payments", post(pay)).layer(layer)
/// # }
/// ```
impl<S: Send + Sync> FromRequestParts<S> for Verified {
    type Rejection = NotVerified;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotVerified> {
        parts.extensions.get().cloned().ok_or(NotVerified)
    }
}

/// A handler asked for [`Verified`], but no layer verified the request. Status 500: the router is put together wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotVerified;

impl fmt::Display for NotVerified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request was not verified: add an HmacLayer around this route")
    }
}

impl Error for NotVerified {}

impl IntoResponse for NotVerified {
    fn into_response(self) -> Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

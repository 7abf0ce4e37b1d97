//! Method, path, time and body are signed, with a line feed between them.
//!
//! `me-noway-signature` is the standard base64 of the HMAC-SHA256 of them; `x-timestamp` is the time, such as
//! `2025-08-28T00:00:00Z`. The secret is text.
//!
//! The two sides of the original differ: its callers sign the query with the path, and its server signs the path alone
//! and never reads the time. So there are two descriptions: one to accept its callers, with a window of 300 s in both
//! directions, and one to call its server.
//!
//! What it leaves open: no nonce, and for its server neither query nor age. That server also takes a form for an empty
//! body. Here the bytes are signed, whatever they are called.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderValue, Response, StatusCode};
use tower_hmac::clock::Tolerance;
use tower_hmac::scheme::{Field, Part, SchemeBuilder, TimeFormat};
use tower_hmac::{ConfigError, Encoding, Refusal, Scheme};

const SIGNATURE: &str = "me-noway-signature";
const TIME: &str = "x-timestamp";

/// What the original's callers send.
pub fn callers() -> Result<Scheme, ConfigError> {
    described("lines", Part::PathAndQuery)
        .timestamp(Field::header(TIME), TimeFormat::Rfc3339)
        .tolerance(Tolerance::new(Duration::from_secs(300), Duration::from_secs(300))?)
        .build()
}

/// What the original's server wants.
pub fn server() -> Result<Scheme, ConfigError> {
    described("lines-path-only", Part::Path).unread_timestamp(Field::header(TIME), TimeFormat::Rfc3339).build()
}

fn described(name: &'static str, path: Part) -> SchemeBuilder {
    let lf = || Part::literal("\n");
    Scheme::builder(name).signature(Field::header(SIGNATURE)).encoding(Encoding::Base64).message([
        Part::Method,
        lf(),
        path,
        lf(),
        Part::Timestamp,
        lf(),
        Part::Body,
    ])
}

/// 400 without one of the two headers, 403 for all the rest.
pub fn refusal(refusal: &Refusal<'_>) -> Response<Bytes> {
    let absent = |name| refusal.head().is_some_and(|head| head.headers.get(name).is_none_or(HeaderValue::is_empty));
    match refusal.kind().status() {
        StatusCode::UNAUTHORIZED if absent(SIGNATURE) || absent(TIME) => {
            super::answer(StatusCode::BAD_REQUEST, "{\"error\":\"Missing required signature headers\"}\n")
        }
        StatusCode::UNAUTHORIZED => {
            super::answer(StatusCode::FORBIDDEN, "{\"message\":\"Forbidden. Invalid signature.\"}\n")
        }
        _ => refusal.standard(),
    }
}

//! Target and time are hashed with the secret behind them, and answers are signed.
//!
//! `x-authorization-content-hmac` is the lower-case hex of the SHA-256 of path, `?`, query, time and secret, with nothing
//! between them; `x-authorization-timestamp` is the time, in Unix seconds, 300 s in both directions. The `?` is there
//! without a query, too. An answer has `x-response-content-hmac`, the hash of time, `|`, body and secret, and
//! `x-response-content-timestamp`.
//!
//! **This is not HMAC**, whatever the headers are called: see `Algorithm::LegacySuffixSha256`.
//!
//! What it leaves open: method and body of a request are not signed, nothing keeps query and time apart, there is no nonce,
//! and an answer fits any request. Refusals are not signed.
//!
//! The original's server hashes the second in which it looks, not the one that it was sent: sign late and send at once.
//! Here it is the text of the header. Both its sides take their local time for UTC; for a peer whose zone is another, give
//! the layer a `Clock` that is off alike.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Response, StatusCode};
use tower_hmac::clock::Tolerance;
use tower_hmac::scheme::{Field, Part, TimeFormat};
use tower_hmac::{Algorithm, ConfigError, Refusal, Scheme};

pub fn scheme() -> Result<Scheme, ConfigError> {
    Scheme::builder("suffix-sha256")
        .algorithm(Algorithm::LegacySuffixSha256)
        .signature(Field::header("x-authorization-content-hmac"))
        .timestamp(Field::header("x-authorization-timestamp"), TimeFormat::Seconds)
        .tolerance(Tolerance::new(Duration::from_secs(300), Duration::from_secs(300))?)
        .message([Part::Path, Part::literal("?"), Part::Query, Part::Timestamp])
        .without_body()
        .response_signature(Field::header("x-response-content-hmac"))
        .response_timestamp(Field::header("x-response-content-timestamp"), TimeFormat::Seconds)
        .response_message([Part::Timestamp, Part::literal("|"), Part::Body])
        .build()
}

/// One 400 for everything. The original breaks (500) where the time is missing or no number.
pub fn refusal(refusal: &Refusal<'_>) -> Response<Bytes> {
    match refusal.kind().status() {
        StatusCode::UNAUTHORIZED => {
            super::answer(StatusCode::BAD_REQUEST, "{\"error\":\"Invalid request or timestamp\"}\n")
        }
        _ => refusal.standard(),
    }
}

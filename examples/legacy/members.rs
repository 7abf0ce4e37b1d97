//! Two members of a JSON body are signed.
//!
//! `x-hmac-signature` is the lower-case hex of the HMAC-SHA256 of `mac_address`, `:` and `timestamp`, as the parsed body
//! has them: strings as they are, whole numbers in decimal. The secret is text. Some callers sign the body as it is
//! instead; one endpoint takes both, and a signer signs the members, which is what the original's server wants.
//!
//! What it leaves open: method, path, query and the other members of the body are not signed. Nothing keeps the two apart,
//! so (`a:b`, `c`) and (`a`, `b:c`) are signed alike. The time is signed and never read: no message is ever too old,
//! and without a nonce it can be sent again.

use axum::body::Bytes;
use axum::http::{HeaderValue, Response, StatusCode};
use serde_json::Value;
use tower_hmac::scheme::{Field, Part};
use tower_hmac::{ConfigError, Refusal, RejectionKind, Scheme};

const SIGNATURE: &str = "x-hmac-signature";

/// Either of the two.
pub fn scheme() -> Result<Scheme, ConfigError> {
    Scheme::any([members()?, raw_body()?])
}

pub fn members() -> Result<Scheme, ConfigError> {
    let members = Part::of_body(|_, body| {
        let body: Value = serde_json::from_slice(body).ok()?;
        let text = |name| match body.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) if number.is_u64() || number.is_i64() => Some(number.to_string()),
            // The original writes fractions, `true` and lists as Python does.
            _ => None,
        };
        Some(format!("{}:{}", text("mac_address")?, text("timestamp")?).into_bytes())
    });
    Scheme::builder("json-members").signature(Field::header(SIGNATURE)).message([members]).build()
}

pub fn raw_body() -> Result<Scheme, ConfigError> {
    Scheme::builder("raw-body").signature(Field::header(SIGNATURE)).message([Part::Body]).build()
}

/// 400 without a signature, 403 for a wrong one. A body without the two members is a 400; the original breaks there (500).
pub fn refusal(refusal: &Refusal<'_>) -> Response<Bytes> {
    let digit = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    let lines = refusal.head().map(|head| head.headers.get_all(SIGNATURE).iter().map(HeaderValue::as_bytes));
    let mut lines = lines.into_iter().flatten();
    match (refusal.kind(), lines.next(), lines.next()) {
        (kind, ..) if kind.status() != StatusCode::UNAUTHORIZED => refusal.standard(),
        (_, None | Some(b""), _) => super::answer(StatusCode::BAD_REQUEST, r#"{"detail":"Missing HMAC header"}"#),
        (RejectionKind::Malformed, Some(text), None) if text.len() == 64 && text.iter().all(digit) => {
            super::answer(StatusCode::BAD_REQUEST, r#"{"detail":"Malformed body"}"#)
        }
        _ => super::answer(StatusCode::FORBIDDEN, r#"{"detail":"Invalid signature"}"#),
    }
}

//! One `authorization` header: `Hmac {key id}:{nonce}:{time}:{signature}`, the word in any case.
//!
//! The signature is the standard base64 of the HMAC-SHA256 of key id, nonce, time and the body's SHA-256 (standard
//! base64; nothing at all for an empty body), with `:` between them. The time is in Unix seconds, with or without a
//! fraction, 300 s in both directions, and is signed as it was sent. The secret is what the base64 of the private key
//! stands for.
//!
//! What it leaves open: method, path, query and other headers are not signed. A token that is stolen before it was used is
//! good for any path, so the nonce is all that protects it: several instances of a server need a `ReplayGuard` that they
//! share. A nonce that is the time itself, as some callers have it, collides within a millisecond.
//!
//! A refusal is the crate's own 401; what the original writes into its own is not known.

use std::time::Duration;

use tower_hmac::clock::Tolerance;
use tower_hmac::scheme::{Field, Part, TimeFormat};
use tower_hmac::{ConfigError, Encoding, Scheme};

pub fn scheme() -> Result<Scheme, ConfigError> {
    let part = |index| Field::authorization("Hmac", ':', index);
    let colon = || Part::literal(":");
    let body = Part::BodySha256IfAny(Encoding::Base64);
    Scheme::builder("token")
        .key_id(part(0))
        .nonce(part(1))
        .timestamp(part(2), TimeFormat::Fraction)
        .signature(part(3))
        .encoding(Encoding::Base64)
        .tolerance(Tolerance::new(Duration::from_secs(300), Duration::from_secs(300))?)
        .message([Part::KeyId, colon(), Part::Nonce, colon(), Part::Timestamp, colon(), body])
        .build()
}

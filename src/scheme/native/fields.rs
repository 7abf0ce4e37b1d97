//! Reading the fields: one walk over the head, and the grammar of each.

use http::Method;
use http::header::{HeaderMap, HeaderValue};

use crate::encoding::Encoding;
use crate::rejection::RejectionKind;
use crate::scheme::alphabet::Alphabet;
use crate::scheme::claim::Timestamp;
use crate::scheme::headers::{Once, SignedHeaders};
use crate::scheme::message::{Message, Subject};
use crate::scheme::time::TimeFormat;

/// What one walk over the header fields finds.
#[derive(Default)]
pub(super) struct Fields<'m> {
    pub(super) key_id: Once<'m>,
    pub(super) timestamp: Once<'m>,
    pub(super) nonce: Once<'m>,
    pub(super) content: Once<'m>,
    pub(super) signature: Once<'m>,
    pub(super) content_type: Once<'m>,
    pub(super) content_encoding: Once<'m>,
    pub(super) location: Once<'m>,
    pub(super) trailer: bool,
    pub(super) grpc: bool,
    pub(super) overridden: bool,
}

impl<'m> Fields<'m> {
    /// `signed` are the extra headers that the signature covers.
    pub(super) fn walk(headers: &'m HeaderMap, signed: &SignedHeaders) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "content-type" => fields.content_type.see(value),
                "content-encoding" => fields.content_encoding.see(value),
                "location" => fields.location.see(value),
                "x-hmac-key-id" => fields.key_id.see(value),
                "x-hmac-timestamp" => fields.timestamp.see(value),
                "x-hmac-nonce" => fields.nonce.see(value),
                "x-hmac-content-sha256" => fields.content.see(value),
                "x-hmac-signature" => fields.signature.see(value),
                "x-hmac-trailer-signature" => fields.trailer = true,
                "grpc-status" => fields.grpc = true,
                // Some servers take method or target from these.
                "x-http-method-override" | "x-method-override" | "x-original-url" | "x-rewrite-url" => {
                    fields.overridden |= !signed.contains(name);
                }
                _ => {}
            }
        }
        fields
    }

    /// The signed fields that are not the scheme's own: content type, content encoding, location, and a mark for gRPC.
    pub(super) fn covered(&self, message: &Message<'m>) -> Result<[&'m [u8]; 4], RejectionKind> {
        let (content_type, content_encoding) = (self.content_type.signed()?, self.content_encoding.signed()?);
        match message.subject() {
            Subject::Request(method) if method == Method::CONNECT => Err(RejectionKind::Method),
            Subject::Request(_) if self.overridden => Err(RejectionKind::UncoveredOverride),
            Subject::Request(_) => Ok([content_type, content_encoding, &[], &[]]),
            Subject::Response(..) => {
                Ok([content_type, content_encoding, self.location.signed()?, if self.grpc { b"grpc" } else { &[] }])
            }
        }
    }
}

pub(super) fn key_id(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().filter(|text| is_key_id(text))
}

pub(super) fn is_key_id(text: &str) -> bool {
    static ALLOWED: Alphabet = Alphabet::alphanumeric_and(b"-_.");
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    first && text.len() <= 64 && ALLOWED.spells(text.as_bytes())
}

pub(super) fn nonce(value: &HeaderValue) -> Option<&str> {
    static ALLOWED: Alphabet = Alphabet::alphanumeric_and(b"-_");
    let text = value.to_str().ok()?;
    ((16..=64).contains(&text.len()) && ALLOWED.spells(text.as_bytes())).then_some(text)
}

pub(super) fn timestamp(value: &HeaderValue) -> Option<Timestamp<'_>> {
    let text = value.to_str().ok()?;
    let seconds = TimeFormat::Seconds.parse(text)?;
    is_timestamp(text).then_some(Timestamp { text, seconds: Some(seconds) })
}

/// Ten digits, the first not zero: from 2001 to 2286.
pub(super) fn is_timestamp(digits: &str) -> bool {
    digits.len() == 10 && !digits.starts_with('0')
}

/// A digest, or the announcement of a trailer.
pub(super) fn content(text: &[u8]) -> Option<&[u8]> {
    if text == super::end::ANNOUNCED { Some(text) } else { sha256_hex(text) }
}

pub(super) fn sha256_hex(text: &[u8]) -> Option<&[u8]> {
    Encoding::Hex.spells(text, 32).then_some(text)
}

//! The crate's own scheme, version 1.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::headers::{Once, SignedHeaders};
use super::protocol::{Claim, Message, Protocol, Side, Start};
use super::target::Resolved;
use crate::encoding::{Hex32, hex_array};
use crate::error::{ConfigError, Mistake, SignError};
use crate::key::Key;
use crate::mac::{Algorithm, Mac, Tag, Text};
use crate::rejection::RejectionKind;

const KEY_ID: HeaderName = HeaderName::from_static("x-hmac-key-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-hmac-timestamp");
const NONCE: HeaderName = HeaderName::from_static("x-hmac-nonce");
const CONTENT: HeaderName = HeaderName::from_static("x-hmac-content-sha256");
const SIGNATURE: HeaderName = HeaderName::from_static("x-hmac-signature");
const TRAILER: HeaderName = HeaderName::from_static("x-hmac-trailer-signature");
static FIELDS: [HeaderName; 6] = [KEY_ID, TIMESTAMP, NONCE, CONTENT, SIGNATURE, TRAILER];

const GRPC: [HeaderName; 3] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
];

/// The shortest secret, in bytes.
const LEAST: usize = 16;

pub(crate) struct Native {
    request: SignedHeaders,
    response: SignedHeaders,
}

impl Native {
    pub(crate) fn new(request: SignedHeaders, response: SignedHeaders) -> Self {
        Self { request, response }
    }

    fn feed_request(&self, method: &Method, target: &Resolved<'_>, m: &Message<'_>, text: &mut Text<'_>) -> Fed {
        if method == Method::CONNECT {
            return Err(RejectionKind::Method);
        }
        let [mut content_type, mut content_encoding] = [Once::Absent; 2];
        for (name, value) in m.headers {
            match name.as_str() {
                "content-type" => content_type.see(value),
                "content-encoding" => content_encoding.see(value),
                // Some servers take method or target from these.
                "x-http-method-override" | "x-method-override" | "x-original-url" | "x-rewrite-url"
                    if !self.request.contains(name) =>
                {
                    return Err(RejectionKind::UncoveredOverride);
                }
                _ => {}
            }
        }
        text.line(method.as_str().as_bytes());
        text.push_lower_case(&target.authority);
        text.line(b"");
        text.push(target.path.as_bytes());
        if let Some(query) = target.query {
            text.push(b"?");
            text.push(query.as_bytes());
        }
        text.line(b"");
        text.line(content_type.signed()?);
        text.line(content_encoding.signed()?);
        Ok(())
    }

    fn feed_response(&self, status: StatusCode, m: &Message<'_>, text: &mut Text<'_>) -> Fed {
        let [mut content_type, mut content_encoding, mut location] = [Once::Absent; 3];
        for (name, value) in m.headers {
            match name.as_str() {
                "content-type" => content_type.see(value),
                "content-encoding" => content_encoding.see(value),
                "location" => location.see(value),
                _ => {}
            }
        }
        text.line(status.as_str().as_bytes());
        text.line(content_type.signed()?);
        text.line(content_encoding.signed()?);
        text.line(location.signed()?);
        Ok(())
    }
}

type Fed = Result<(), RejectionKind>;

impl Protocol for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("HMAC-SHA256-V1")
    }

    fn fields(&self) -> &[HeaderName] {
        &FIELDS
    }

    fn conceal(&self, headers: &mut HeaderMap) {
        for (_, value) in headers.iter_mut().filter(|(name, _)| **name == SIGNATURE) {
            value.set_sensitive(true);
        }
    }

    fn fits(&self, key: &Key) -> Result<(), ConfigError> {
        let scheme = self.name();
        if key.algorithm() != Algorithm::HmacSha256 {
            let wanted = Algorithm::HmacSha256.name();
            return Err(Mistake::KeyAlgorithm { scheme, wanted, found: key.algorithm().name() }.into());
        }
        if key.secret_len() < LEAST {
            return Err(Mistake::SecretTooShort { scheme, least: LEAST, found: key.secret_len() }.into());
        }
        match is_key_id(key.id().as_str()) {
            true => Ok(()),
            false => {
                Err(Mistake::KeyId("must be 1 to 64 of A-Z a-z 0-9 - _ . and start with a letter or digit").into())
            }
        }
    }

    fn read<'m>(&self, message: &Message<'m>) -> Result<Claim<'m>, RejectionKind> {
        let [mut id, mut time, mut once, mut content, mut signature] = [Once::Absent; 5];
        for (name, value) in message.headers {
            let Some(rest) = name.as_str().strip_prefix("x-hmac-") else { continue };
            match rest {
                "key-id" => id.see(value),
                "timestamp" => time.see(value),
                "nonce" => once.see(value),
                "content-sha256" => content.see(value),
                "signature" => signature.see(value),
                "trailer-signature" => return Err(RejectionKind::Malformed),
                _ => {}
            }
        }
        let (key_id, nonce) = match message.start {
            Start::Request { .. } => (id.field(key_id)?, Some(once.field(nonce)?)),
            Start::Response { to, .. } => (to.key_id().as_str(), None),
        };
        let timestamp = time.field(timestamp)?;
        let body = content.field(digest)?;
        let tag = signature.field(tag)?;
        Ok(Claim { key_id, timestamp, nonce, body, tag })
    }

    fn feed(&self, message: &Message<'_>, claim: &Claim<'_>, mac: &mut Mac) -> Result<(), RejectionKind> {
        let headers = message.headers;
        let mut text = Text::new(mac);
        let extra = match &message.start {
            Start::Request { method, target } => {
                text.line(b"HMAC-SHA256-V1-REQUEST");
                text.line(claim.key_id.as_bytes());
                text.line(claim.timestamp.0.as_bytes());
                text.line(claim.nonce.unwrap_or_default().as_bytes());
                self.feed_request(method, target, message, &mut text)?;
                text.push(claim.body.0);
                &self.request
            }
            Start::Response { status, to } => {
                text.line(b"HMAC-SHA256-V1-RESPONSE");
                text.line(claim.key_id.as_bytes());
                text.line(to.signature_hex().as_bytes());
                text.line(claim.timestamp.0.as_bytes());
                self.feed_response(*status, message, &mut text)?;
                text.push(claim.body.0);
                if headers.contains_key(&GRPC[0]) {
                    for name in &GRPC {
                        extra_line(&mut text, name, Once::of(headers, name).or_empty()?);
                    }
                }
                &self.response
            }
        };
        for name in extra.iter() {
            extra_line(&mut text, name, Once::of(headers, name).signed()?);
        }
        text.flush();
        Ok(())
    }

    fn write(&self, side: Side, claim: &Claim<'_>, tag: &Tag, headers: &mut HeaderMap) -> Result<(), SignError> {
        // One allocation, cut into the values: timestamp, digest, signature, and for requests the nonce and key id.
        let (nonce, hex) = (claim.nonce.unwrap_or_default(), Hex32::new(tag.first_32()));
        let for_request: [&[u8]; 2] = match side {
            Side::Request => [nonce.as_bytes(), claim.key_id.as_bytes()],
            Side::Response => [&[]; 2],
        };
        let mut text = [0; 272];
        let mut room = text.as_mut_slice();
        for piece in [claim.timestamp.0.as_bytes(), claim.body.0, b"v1=", hex.as_bytes()].into_iter().chain(for_request)
        {
            let (filled, rest) = room.split_at_mut_checked(piece.len()).ok_or(SignError::Header)?;
            filled.copy_from_slice(piece);
            room = rest;
        }
        let mut text = bytes::Bytes::from_owner(text);
        let mut cut = |len: usize| {
            let value = text.split_to(len.min(text.len()));
            HeaderValue::from_maybe_shared(value).map_err(|_| SignError::Header)
        };
        let (time, body, mut signature) = (cut(claim.timestamp.0.len())?, cut(64)?, cut(67)?);
        signature.set_sensitive(true);
        if side == Side::Request {
            let (nonce, key_id) = (cut(nonce.len())?, cut(claim.key_id.len())?);
            headers.insert(NONCE, nonce);
            headers.insert(KEY_ID, key_id);
        }
        headers.insert(TIMESTAMP, time);
        headers.insert(CONTENT, body);
        headers.insert(SIGNATURE, signature);
        Ok(())
    }
}

fn extra_line(text: &mut Text<'_>, name: &HeaderName, value: &[u8]) {
    for piece in [b"\n", name.as_str().as_bytes(), b":", value] {
        text.push(piece);
    }
}

fn key_id(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().filter(|text| is_key_id(text))
}

fn is_key_id(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
    first && text.len() <= 64 && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn nonce(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?;
    let alphabet = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    (alphabet && (16..=64).contains(&text.len())).then_some(text)
}

/// Ten digits fit into 64 bits.
fn timestamp(value: &HeaderValue) -> Option<(&str, u64)> {
    let text = value.to_str().ok()?;
    let digit = |sum: u64, b: u8| sum.checked_mul(10)?.checked_add(u64::from(char::from(b).to_digit(10)?));
    let seconds = text.bytes().try_fold(0, digit)?;
    (text.len() == 10 && !text.starts_with('0')).then_some((text, seconds))
}

fn digest(value: &HeaderValue) -> Option<(&[u8; 64], [u8; 32])> {
    let text = value.as_bytes();
    Some((text.first_chunk()?, hex_array(text)?))
}

fn tag(value: &HeaderValue) -> Option<[u8; 32]> {
    hex_array(value.as_bytes().strip_prefix(b"v1=")?)
}

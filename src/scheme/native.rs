//! The crate's own scheme, version 1.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::exchange::Exchange;
use super::headers::{SignedHeaders, feed_line, feed_signed, signed};
use super::protocol::{Claim, Message, Protocol, Side, Start};
use super::target::Resolved;
use crate::encoding::{Hex32, hex_array};
use crate::error::{ConfigError, Mistake, SignError};
use crate::key::Key;
use crate::mac::{Algorithm, Mac, Tag};
use crate::rejection::RejectionKind;

const KEY_ID: HeaderName = HeaderName::from_static("x-hmac-key-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-hmac-timestamp");
const NONCE: HeaderName = HeaderName::from_static("x-hmac-nonce");
const CONTENT: HeaderName = HeaderName::from_static("x-hmac-content-sha256");
const SIGNATURE: HeaderName = HeaderName::from_static("x-hmac-signature");
const TRAILER: HeaderName = HeaderName::from_static("x-hmac-trailer-signature");
static FIELDS: [HeaderName; 6] = [KEY_ID, TIMESTAMP, NONCE, CONTENT, SIGNATURE, TRAILER];

/// Some servers take method or target from these.
const OVERRIDES: [HeaderName; 4] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
];

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

    fn feed_request(
        &self,
        method: &Method,
        target: &Resolved<'_>,
        m: &Message<'_>,
        c: &Claim<'_>,
        mac: &mut Mac,
    ) -> Result<(), RejectionKind> {
        if method == Method::CONNECT {
            return Err(RejectionKind::Method);
        }
        if OVERRIDES.iter().any(|name| m.headers.contains_key(name) && !self.request.contains(name)) {
            return Err(RejectionKind::UncoveredOverride);
        }
        mac.update(b"HMAC-SHA256-V1-REQUEST\n");
        for line in [c.key_id, c.timestamp.0, c.nonce.unwrap_or_default(), method.as_str()] {
            mac.update(line.as_bytes());
            mac.update(b"\n");
        }
        for chunk in target.authority.chunks(64) {
            let mut lower = [0; 64];
            for (to, from) in lower.iter_mut().zip(chunk) {
                *to = from.to_ascii_lowercase();
            }
            mac.update(lower.get(..chunk.len()).unwrap_or_default());
        }
        mac.update(b"\n");
        mac.update(target.path.as_bytes());
        if let Some(query) = target.query {
            mac.update(b"?");
            mac.update(query.as_bytes());
        }
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING] {
            mac.update(b"\n");
            mac.update(signed(m.headers, &name)?.unwrap_or_default());
        }
        mac.update(b"\n");
        mac.update(c.body.0);
        feed_signed(&self.request, m.headers, mac)
    }

    fn feed_response(
        &self,
        status: StatusCode,
        to: &Exchange,
        m: &Message<'_>,
        c: &Claim<'_>,
        mac: &mut Mac,
    ) -> Result<(), RejectionKind> {
        mac.update(b"HMAC-SHA256-V1-RESPONSE\n");
        mac.update(c.key_id.as_bytes());
        mac.update(b"\n");
        mac.update(to.signature_hex().as_bytes());
        for line in [c.timestamp.0, status.as_str()] {
            mac.update(b"\n");
            mac.update(line.as_bytes());
        }
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::LOCATION] {
            mac.update(b"\n");
            mac.update(signed(m.headers, &name)?.unwrap_or_default());
        }
        mac.update(b"\n");
        mac.update(c.body.0);
        if m.headers.contains_key(&GRPC[0]) {
            for name in &GRPC {
                feed_line(name, once_or_empty(m.headers, name)?, mac);
            }
        }
        feed_signed(&self.response, m.headers, mac)
    }
}

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
        match key_id(key.id().as_str().as_bytes()) {
            Some(_) => Ok(()),
            None => Err(Mistake::KeyId("must be 1 to 64 of A-Z a-z 0-9 - _ . and start with a letter or digit").into()),
        }
    }

    fn read<'m>(&self, message: &Message<'m>) -> Result<Claim<'m>, RejectionKind> {
        let headers = message.headers;
        if headers.contains_key(&TRAILER) {
            return Err(RejectionKind::Malformed);
        }
        let (key_id, nonce) = match &message.start {
            Start::Request { .. } => (field(headers, &KEY_ID, key_id)?, Some(field(headers, &NONCE, nonce)?)),
            Start::Response { to, .. } => (to.key_id().as_str(), None),
        };
        let timestamp = field(headers, &TIMESTAMP, timestamp)?;
        let body = field(headers, &CONTENT, digest)?;
        let tag = field(headers, &SIGNATURE, |text| hex_array(text.strip_prefix(b"v1=")?))?;
        Ok(Claim { key_id, timestamp, nonce, body, tag })
    }

    fn feed(&self, message: &Message<'_>, claim: &Claim<'_>, mac: &mut Mac) -> Result<(), RejectionKind> {
        match &message.start {
            Start::Request { method, target } => self.feed_request(method, target, message, claim, mac),
            Start::Response { status, to } => self.feed_response(*status, to, message, claim, mac),
        }
    }

    fn write(&self, side: Side, claim: &Claim<'_>, tag: &Tag, headers: &mut HeaderMap) -> Result<(), SignError> {
        // One allocation, cut into the values: timestamp, digest, signature, and for requests the nonce and key id.
        let nonce = claim.nonce.unwrap_or_default();
        let mut text = bytes::BytesMut::with_capacity(256);
        for piece in [claim.timestamp.0.as_bytes(), claim.body.0, b"v1=", Hex32::new(tag.first_32()).as_bytes()] {
            text.extend_from_slice(piece);
        }
        if side == Side::Request {
            text.extend_from_slice(nonce.as_bytes());
            text.extend_from_slice(claim.key_id.as_bytes());
        }
        let mut text = text.freeze();
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

/// The one value of a field of ours, whole and untrimmed, through its grammar.
fn field<'m, T>(
    headers: &'m HeaderMap,
    name: &HeaderName,
    grammar: impl FnOnce(&'m [u8]) -> Option<T>,
) -> Result<T, RejectionKind> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Err(RejectionKind::Missing),
        (Some(value), None) => grammar(value.as_bytes()).ok_or(RejectionKind::Malformed),
        (Some(_), Some(_)) => Err(RejectionKind::Malformed),
    }
}

/// The one value of a gRPC status field; absent and empty are alike.
fn once_or_empty<'m>(headers: &'m HeaderMap, name: &HeaderName) -> Result<&'m [u8], RejectionKind> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(|v| super::trim(v.as_bytes())).unwrap_or_default()),
        (_, Some(_)) => Err(RejectionKind::Malformed),
    }
}

fn key_id(text: &[u8]) -> Option<&str> {
    let first = text.first()?.is_ascii_alphanumeric();
    let rest = text.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b));
    (first && rest && text.len() <= 64).then_some(str::from_utf8(text).ok()?)
}

fn nonce(text: &[u8]) -> Option<&str> {
    let alphabet = text.iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b));
    (alphabet && (16..=64).contains(&text.len())).then_some(str::from_utf8(text).ok()?)
}

fn timestamp(text: &[u8]) -> Option<(&str, u64)> {
    let digits = text.len() == 10 && text.iter().all(u8::is_ascii_digit) && text.first() != Some(&b'0');
    let text = str::from_utf8(text).ok().filter(|_| digits)?;
    Some((text, text.parse().ok()?))
}

fn digest(text: &[u8]) -> Option<(&[u8; 64], [u8; 32])> {
    Some((text.first_chunk()?, hex_array(text)?))
}

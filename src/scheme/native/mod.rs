//! The crate's own scheme, version 1.

mod end;
mod fields;

use arrayvec::ArrayVec;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use self::fields::Fields;
use super::claim::{Claim, Claims, Signatures, Stamp};
use super::entry::{Entry, Seen, Trailer};
use super::feed::Feed;
use super::headers::{Once, SignedHeaders};
use super::message::{HeadMut, Message, Subject};
use super::protocol::Protocol;
use crate::encoding::Encoding;
use crate::error::{ConfigError, Mistake, SignError};
use crate::key::Key;
use crate::mac::Tag;
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

    fn carries_signature(&self, name: &HeaderName) -> bool {
        *name == SIGNATURE || *name == TRAILER
    }

    fn fits(&self, key: &Key) -> Result<(), ConfigError> {
        let scheme = self.name();
        if key.secret_len() < LEAST {
            return Err(Mistake::SecretTooShort { scheme, least: LEAST, found: key.secret_len() }.into());
        }
        match fields::is_key_id(key.id().as_str()) {
            true => Ok(()),
            false => {
                Err(Mistake::KeyId("must be 1 to 64 of A-Z a-z 0-9 - _ . and start with a letter or digit").into())
            }
        }
    }

    fn has_nonce(&self) -> bool {
        true
    }

    fn signs_responses(&self) -> bool {
        true
    }

    fn read<'m>(&self, message: &Message<'m>) -> Result<Claims<'m>, RejectionKind> {
        let fields = Fields::walk(message.headers(), &self.request);
        let (key_id, nonce) = match message.subject() {
            Subject::Request(_) => {
                message.authority()?;
                (fields.key_id.field(fields::key_id)?, Some(fields.nonce.field(fields::nonce)?))
            }
            Subject::Response(_, to) => (to.key_id().as_str(), None),
        };
        let timestamp = fields.timestamp.field(fields::timestamp)?;
        let digest = fields.content.field(|value| fields::content(value.as_bytes()))?;
        let signature = fields.signature.field(|value| fields::sha256_hex(value.as_bytes().strip_prefix(b"v1=")?))?;
        if fields.trailer {
            return Err(RejectionKind::Malformed);
        }
        let notes = fields.covered(message)?;
        let (key_id, timestamp, digest) = (Some(key_id), Some(timestamp), Some(digest));
        let signatures = Signatures::one(signature);
        Ok(Claim { key_id, timestamp, nonce, digest, signatures, notes, ..Claim::default() }.into())
    }

    fn entry(&self, _: &Message<'_>, claim: Option<&Claim<'_>>) -> Result<Entry, RejectionKind> {
        match claim.and_then(|claim| claim.digest) {
            Some(end::ANNOUNCED) => Ok(Entry::Trailer),
            _ => Ok(Entry::Digest(Encoding::Hex)),
        }
    }

    fn signs_head(&self) -> bool {
        true
    }

    fn trailer(&self, _: &Claim<'_>) -> Option<Trailer> {
        Some(end::trailer())
    }

    fn end(
        &self,
        _: &Claim<'_>,
        head: &Tag,
        seen: &Seen<'_>,
        trailers: &HeaderMap,
        feed: &mut Feed<'_>,
    ) -> Result<(), RejectionKind> {
        end::feed(head, seen, trailers, feed);
        Ok(())
    }

    fn before(&self, message: &Message<'_>, claim: &Claim<'_>, feed: &mut Feed<'_>) -> Result<(), RejectionKind> {
        let key_id = claim.key_id.unwrap_or_default().as_bytes();
        let timestamp = claim.timestamp.map(|time| time.text).unwrap_or_default().as_bytes();
        let [content_type, content_encoding, location, grpc] = claim.notes;
        let extra = match message.subject() {
            Subject::Request(method) => {
                let target = message.target()?;
                feed.push(b"HMAC-SHA256-V1-REQUEST\n");
                feed.line(key_id);
                feed.line(timestamp);
                feed.line(claim.nonce.unwrap_or_default().as_bytes());
                feed.line(method.as_str().as_bytes());
                feed.push_lower_case(message.authority()?);
                feed.line(b"");
                feed.push(target.path.as_bytes());
                if let Some(query) = &target.query {
                    feed.push(b"?");
                    feed.push(query.as_bytes());
                }
                feed.line(b"");
                feed.line(content_type);
                feed.line(content_encoding);
                &self.request
            }
            Subject::Response(status, to) => {
                feed.push(b"HMAC-SHA256-V1-RESPONSE\n");
                feed.line(key_id);
                feed.line(to.signature().spell(Encoding::Hex).as_bytes());
                feed.line(timestamp);
                feed.line(status.as_str().as_bytes());
                feed.line(content_type);
                feed.line(content_encoding);
                feed.line(location);
                &self.response
            }
        };
        feed.push(claim.digest.unwrap_or_default());
        if !grpc.is_empty() {
            for name in &GRPC {
                extra_line(feed, name, Once::of(message.headers(), name).or_empty()?);
            }
        }
        for name in extra.iter() {
            extra_line(feed, name, Once::of(message.headers(), name).signed()?);
        }
        Ok(())
    }

    fn stamp<'s>(&self, message: &Message<'s>, stamp: &Stamp<'s>) -> Result<Claim<'s>, RejectionKind> {
        if !fields::is_timestamp(stamp.timestamp.text) {
            return Err(RejectionKind::Clock);
        }
        let notes = Fields::walk(message.headers(), &self.request).covered(message)?;
        let (key_id, timestamp) = (Some(stamp.key_id), Some(stamp.timestamp));
        Ok(Claim { key_id, timestamp, nonce: Some(stamp.nonce), notes, ..Claim::default() })
    }

    fn write(&self, head: HeadMut<'_>, stamp: &Stamp<'_>, digest: &[u8], tag: &Tag) -> Result<(), SignError> {
        // One allocation, cut into the values: timestamp, digest, signature, and for requests the nonce and key id.
        let (is_request, signature, time) = (head.uri.is_some(), tag.spell(Encoding::Hex), stamp.timestamp.text);
        let for_request =
            if is_request { [stamp.nonce.as_bytes(), stamp.key_id.as_bytes()] } else { [&[] as &[u8]; 2] };
        let mut text = ArrayVec::<u8, 272>::new();
        for piece in [time.as_bytes(), digest, b"v1=", signature.as_bytes()].into_iter().chain(for_request) {
            text.try_extend_from_slice(piece).map_err(|_| SignError::Header)?;
        }
        let mut text = bytes::Bytes::from_owner(text);
        let mut cut = |len: usize| {
            let value = text.split_to(len.min(text.len()));
            HeaderValue::from_maybe_shared(value).map_err(|_| SignError::Header)
        };
        let (time, body, mut signature) = (cut(time.len())?, cut(digest.len())?, cut(67)?);
        signature.set_sensitive(true);
        if is_request {
            let (nonce, key_id) = (cut(stamp.nonce.len())?, cut(stamp.key_id.len())?);
            head.headers.insert(NONCE, nonce);
            head.headers.insert(KEY_ID, key_id);
        }
        head.headers.insert(TIMESTAMP, time);
        head.headers.insert(CONTENT, body);
        head.headers.insert(SIGNATURE, signature);
        Ok(())
    }
}

fn extra_line(feed: &mut Feed<'_>, name: &HeaderName, value: &[u8]) {
    for piece in [b"\n", name.as_str().as_bytes(), b":", value] {
        feed.push(piece);
    }
}

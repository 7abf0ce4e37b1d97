//! What is known of a signed request.

use std::fmt;
use std::sync::Arc;

use http::{Method, StatusCode};

use super::claim::Claim;
use super::message::{Message, Subject};
use super::short::Short;
use crate::encoding::Encoding;
use crate::key::{Data, Key, KeyId};
use crate::mac::Tag;

/// A signed request, as far as its response needs to know: the key, the request's signature, and whether it was `HEAD`.
///
/// Comes from verifying or signing a request, and goes into signing or verifying its response. Clones are cheap.
#[derive(Clone)]
pub struct Exchange(Arc<Signed>);

/// In one allocation, from the check of the head to the response.
struct Signed {
    key: Key,
    /// `None` when it is the key itself.
    first: Option<KeyId>,
    scheme: &'static str,
    signature: Tag,
    head: bool,
    timestamp: Option<u64>,
    once: Short,
    has_nonce: bool,
    delivery_id: Option<Short>,
    data: Option<Data>,
}

impl Exchange {
    /// The first of the keys, and what a message without a nonce is known by: a message that carries several right
    /// signatures stays the same when one of them is removed.
    pub(crate) fn new(
        (key, signature): (&Key, &Tag),
        (first, once): (&Key, &Tag),
        scheme: &'static str,
        message: &Message<'_>,
        claim: &Claim<'_>,
        data: Option<&Data>,
    ) -> Self {
        Self(Arc::new(Signed {
            key: key.clone(),
            first: (!std::ptr::eq(key, first)).then(|| first.id().clone()),
            scheme,
            signature: *signature,
            head: matches!(message.subject(), Subject::Request(method) if method == Method::HEAD),
            timestamp: claim.timestamp.and_then(|time| time.seconds),
            once: claim.nonce.map_or_else(|| Short::new(once.spell(Encoding::Hex).as_str()), Short::new),
            has_nonce: claim.nonce.is_some(),
            delivery_id: claim.delivery_id.map(Short::new),
            data: data.cloned(),
        }))
    }

    /// The name of the key that signed the request.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        self.0.key.id()
    }

    /// The MAC that the request carried.
    #[must_use]
    pub fn signature(&self) -> &Tag {
        &self.0.signature
    }

    pub(crate) fn key(&self) -> &Key {
        &self.0.key
    }

    pub(crate) fn scheme(&self) -> &'static str {
        self.0.scheme
    }

    pub(crate) fn timestamp(&self) -> Option<u64> {
        self.0.timestamp
    }

    pub(crate) fn nonce(&self) -> Option<&str> {
        self.0.has_nonce.then(|| self.0.once.as_str())
    }

    /// What no other message of a key has, and the key: the nonce, or else a digest of what is signed, in hex.
    pub(crate) fn once(&self) -> (&KeyId, &str) {
        (self.0.first.as_ref().unwrap_or_else(|| self.0.key.id()), self.0.once.as_str())
    }

    pub(crate) fn delivery_id(&self) -> Option<&str> {
        self.0.delivery_id.as_ref().map(Short::as_str)
    }

    pub(crate) fn data(&self) -> Option<&Data> {
        self.0.data.as_ref()
    }

    /// Whether an answer with this status has no content, whatever its body holds (RFC 9110 sections 6.4.1 and 9.3.2).
    pub(crate) fn bodiless(&self, status: StatusCode) -> bool {
        self.0.head || status.is_informational() || matches!(status.as_u16(), 204 | 205 | 304)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("key", &self.0.key).field("scheme", &self.0.scheme).finish_non_exhaustive()
    }
}

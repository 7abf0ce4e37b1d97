//! What binds a response to its request.

use http::Method;

use crate::encoding::Hex32;
use crate::key::{Key, KeyId};
use crate::mac::Tag;

/// A signed request, as far as its response needs to know: the key, the request's signature, and whether it was `HEAD`.
///
/// Comes from verifying or signing a request, and goes into signing or verifying its response.
#[derive(Clone, Debug)]
pub struct Exchange {
    key: Key,
    signature: Tag,
    head: bool,
}

impl Exchange {
    pub(crate) fn new(key: Key, signature: Tag, method: &Method) -> Self {
        Self { key, signature, head: method == Method::HEAD }
    }

    /// The name of the key that signed the request.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        self.key.id()
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    pub(crate) fn signature_hex(&self) -> Hex32 {
        Hex32::new(self.signature.first_32())
    }

    /// Whether an answer with this status has no content, whatever its body holds (RFC 9110 sections 6.4.1 and 9.3.2).
    pub(crate) fn bodiless(&self, status: http::StatusCode) -> bool {
        self.head || status.is_informational() || matches!(status.as_u16(), 204 | 205 | 304)
    }
}

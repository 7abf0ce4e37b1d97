//! What is signed and how it is spelt: [`Scheme`] and the parts that it is made of.

mod exchange;
mod headers;
mod native;
mod protocol;
mod target;

use std::fmt;
use std::sync::Arc;

pub use self::exchange::Exchange;
pub use self::headers::SignedHeaders;
use self::native::Native;
pub(crate) use self::protocol::{Claim, Message, Protocol, Side, Start};
pub use self::target::{SignedTarget, Target};

/// A wire format: which fields a message carries, what exactly is signed, how each is spelt.
///
/// One description serves verifying and signing, requests and responses.
#[derive(Clone)]
pub struct Scheme(Arc<dyn Protocol>);

impl Scheme {
    /// The crate's own scheme, version 1: HMAC-SHA256 over method, authority, path, query, content type, content
    /// encoding and the body's SHA-256, with key id, timestamp and nonce; responses signed too and bound to their
    /// request. Keys need 16 bytes at least.
    ///
    /// The README shows how to sign by hand.
    #[must_use]
    pub fn native() -> Self {
        Self::native_with_headers(SignedHeaders::none(), SignedHeaders::none())
    }

    /// [`native`](Self::native) with extra headers signed: those of requests, and those of responses.
    #[must_use]
    pub fn native_with_headers(request: SignedHeaders, response: SignedHeaders) -> Self {
        Self(Arc::new(Native::new(request, response)))
    }

    /// The scheme's name: `native` for [`Scheme::native`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    pub(crate) fn protocol(&self) -> &dyn Protocol {
        &*self.0
    }
}

impl fmt::Debug for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scheme({})", self.name())
    }
}

/// Without blanks and tabs at both ends.
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let Some(start) = value.iter().position(|b| !blank(b)) else { return &[] };
    let end = value.iter().rposition(|b| !blank(b)).map_or(start, |last| last.saturating_add(1));
    value.get(start..end).unwrap_or_default()
}

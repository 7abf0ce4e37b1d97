//! The proof that a request was verified.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::key::{Data, KeyId};
use crate::scheme::Exchange;

/// Who signed a request, and when. The layer puts it into the request's extensions.
///
/// Only [`Authentic::admit`](super::Authentic::admit) makes one: whoever holds it holds a request whose signature,
/// freshness and body were right, and which the replay guard, unless it is turned off, saw for the first time.
///
/// ```
/// # use axum::Extension;
/// use tower_hmac::Verified;
///
/// async fn pay(Extension(who): Extension<Verified>) -> String {
///     format!("paid by {}", who.key_id())
/// }
/// # let _ = pay;
/// ```
#[derive(Clone)]
pub struct Verified {
    pub(super) exchange: Exchange,
    pub(super) scheme: &'static str,
    pub(super) timestamp: u64,
    pub(super) nonce: Arc<str>,
    pub(super) data: Option<Data>,
}

impl Verified {
    /// The key that signed.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        self.exchange.key_id()
    }

    /// The name of the scheme, such as `native`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// When it was signed, in Unix seconds.
    #[must_use]
    pub fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// The nonce: with a replay guard, unique for this key while the message could be accepted.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// What the key store handed back beside the key ([`Keys::with_data`](crate::Keys::with_data)).
    #[must_use]
    pub fn data<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.data.as_deref()?.downcast_ref()
    }

    /// What a signed response to this request is bound to.
    #[must_use]
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("key_id", self.key_id())
            .field("scheme", &self.scheme)
            .field("timestamp", &self.timestamp)
            .field("nonce", &self.nonce)
            .finish_non_exhaustive()
    }
}

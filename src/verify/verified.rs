//! The proof that a request was verified.

use std::any::Any;
use std::fmt;

use crate::key::KeyId;
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
        self.exchange.scheme()
    }

    /// When it was signed, in Unix seconds. `None` when the scheme signs no time, or leaves it unread.
    #[must_use]
    pub fn timestamp(&self) -> Option<u64> {
        self.exchange.timestamp()
    }

    /// The nonce: with a replay guard, unique for this key while the message could be accepted. `None` when the scheme
    /// has none.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.exchange.nonce()
    }

    /// The sender's name for this message, such as `webhook-id`: the same when the sender tries again. The page of the
    /// scheme says whether it is signed. `None` when the scheme has none.
    #[must_use]
    pub fn delivery_id(&self) -> Option<&str> {
        self.exchange.delivery_id()
    }

    /// What the key store handed back beside the key ([`Keys::with_data`](crate::Keys::with_data)).
    #[must_use]
    pub fn data<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.exchange.data()?.downcast_ref()
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
            .field("scheme", &self.scheme())
            .field("timestamp", &self.timestamp())
            .field("nonce", &self.nonce())
            .finish_non_exhaustive()
    }
}

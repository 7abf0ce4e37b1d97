//! What is signed and how it is spelt: [`Scheme`], and [`Protocol`] for formats that no description fits.

mod alphabet;
mod any;
mod claim;
mod ending;
mod entry;
mod exchange;
mod feed;
mod headers;
mod intake;
mod message;
mod native;
mod numbering;
mod own;
mod protocol;
mod resolved;
mod short;
mod target;
mod template;
mod time;

use std::fmt;
use std::sync::Arc;

use http::header::HeaderMap;

use self::any::Any;
pub use self::claim::{Claim, Claims, MAX_MACS, Signatures, Stamp, Timestamp};
pub(crate) use self::ending::{Ending, Hashed};
pub use self::entry::{Entry, Seen, Trailer};
pub use self::exchange::Exchange;
pub use self::feed::Feed;
pub use self::headers::SignedHeaders;
pub(crate) use self::intake::Intake;
pub use self::message::{HeadMut, Message, Subject};
use self::native::Native;
pub use self::protocol::Protocol;
pub use self::resolved::Resolved;
pub(crate) use self::short::Short;
pub use self::target::{SignedTarget, Target};
pub use self::template::{BodyFunction, Field, HeadFunction, Part, SchemeBuilder};
pub use self::time::TimeFormat;
pub use crate::encoding::Encoding;
use crate::error::{ConfigError, Mistake};
use crate::key::{Key, KeyStore};

/// A wire format: which fields a message carries, what exactly is signed, how each is spelt.
///
/// One description serves verifying and signing, requests and responses.
#[derive(Clone)]
pub struct Scheme {
    protocol: Arc<dyn Protocol>,
    /// What it was put together from.
    formats: Option<Arc<Any>>,
}

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
        Self::from_protocol(Native::new(request, response))
    }

    /// Several formats on one endpoint, such as an old and a new one: a message is accepted by exactly one of them, and
    /// [`Verified::scheme`](crate::Verified::scheme) says which. The first one signs requests; a response is signed as
    /// its request was.
    ///
    /// ```
    /// use tower_hmac::{Scheme, webhook};
    ///
    /// # fn main() -> Result<(), tower_hmac::ConfigError> {
    /// let either = Scheme::any([webhook::github(), webhook::bitbucket()])?;
    /// # let _ = either;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Where the headers of a message fit several, the body is read before any of them is tried. If one of them has a
    /// nonce, the replay guard is on, and remembers the signatures of messages that have none. A message that is right in
    /// two formats, and known by another name in each, is refused as malformed: it could come once more without one of its
    /// signatures. The narrowest tolerance of all holds for each. Responses are signed if all of them sign theirs. A scheme
    /// that was itself put together counts as its formats.
    ///
    /// A key that is used for several formats vouches for what any of them could mean: what one signs as time and body
    /// may be the body that another signs. Give each its own key where that can be; a store sees the
    /// [head](crate::KeyQuery::head).
    ///
    /// # Errors
    ///
    /// When there are none or more than four, when they want keys for different algorithms, or when all sign responses
    /// and two have one name.
    pub fn any(formats: impl IntoIterator<Item = Self>) -> Result<Self, ConfigError> {
        let any = Arc::new(Any::new(formats)?);
        Ok(Self { protocol: Arc::clone(&any) as _, formats: Some(any) })
    }

    /// Begins to describe a wire format; `name` is what [`Verified::scheme`](crate::Verified::scheme) shows.
    pub fn builder(name: &'static str) -> SchemeBuilder {
        SchemeBuilder::new(name)
    }

    /// A format of your own, beyond what a description can say.
    #[must_use]
    pub fn from_protocol(protocol: impl Protocol) -> Self {
        Self { protocol: Arc::new(protocol), formats: None }
    }

    /// The scheme's name: `native` for [`Scheme::native`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.protocol.name()
    }

    pub(crate) fn protocol(&self) -> &dyn Protocol {
        &*self.protocol
    }

    /// Marks what a log must not show.
    pub(crate) fn conceal(&self, headers: &mut HeaderMap) {
        let signatures = headers.iter_mut().filter(|(name, _)| self.protocol.carries_signature(name));
        signatures.for_each(|(_, value)| value.set_sensitive(true));
    }

    /// Whether a key can be used with this format.
    pub(crate) fn fits(&self, key: &Key) -> Result<(), ConfigError> {
        let (wanted, found) = (self.protocol.algorithm(), key.algorithm());
        if wanted != found {
            return Err(Mistake::KeyAlgorithm { scheme: self.name(), wanted, found }.into());
        }
        self.protocol.fits(key)
    }

    /// Whether every key that a store knows from the start can be used.
    pub(crate) fn fits_all(&self, keys: &impl KeyStore) -> Result<(), ConfigError> {
        let mut fits = Ok(());
        keys.visit(&mut |key| {
            if fits.is_ok() {
                fits = self.fits(key);
            }
        });
        fits
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

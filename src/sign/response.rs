//! Signing a response.

use std::borrow::Cow;
use std::fmt;

use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use http::response::Parts;

use super::signing::{Head, Signing, can_announce};
use crate::error::SignError;
use crate::mac::Tag;
use crate::scheme::{Claim, Ending, Exchange, Hashed, HeadMut, Message, Scheme};

/// Signs responses, each with the key that verified its request.
///
/// ```
/// use tower_hmac::sign::{RequestSigner, ResponseSigner};
/// use tower_hmac::verify::ResponseVerifier;
/// use tower_hmac::{Key, Scheme};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (key, _) = Key::generate("svc-a")?;
/// # let (mut request, ()) = http::Request::get("http://api.example.com/").body(())?.into_parts();
/// # let exchange = RequestSigner::new(Scheme::native(), key)?.begin(&request, 1_795_303_445)?.finish(&mut request)?;
/// // `exchange` comes from `Verified::exchange` on the server and from signing the request on the client
/// let (mut head, body) = http::Response::new("done").into_parts();
/// let signer = ResponseSigner::new(Scheme::native());
/// let mut signing = signer.begin(&head, &exchange, 1_795_303_446)?;
/// signing.update(body.as_bytes());
/// signing.finish(&mut head)?;
///
/// let mut verifying = ResponseVerifier::new(Scheme::native()).check(&head, &exchange)?;
/// verifying.update(body.as_bytes());
/// verifying.finish(&head)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ResponseSigner {
    scheme: Scheme,
}

impl ResponseSigner {
    /// A signer for one scheme.
    #[must_use]
    pub fn new(scheme: Scheme) -> Self {
        Self { scheme }
    }

    /// Begins a response, dated `now` (Unix seconds).
    ///
    /// # Errors
    ///
    /// See [`SignError`].
    pub fn begin(&self, head: &Parts, exchange: &Exchange, now: u64) -> Result<SigningResponse<'_>, SignError> {
        let mut bare = Cow::Borrowed(head);
        if self.scheme.protocol().owns_any_of_response(&head.headers) {
            self.strip(bare.to_mut());
        }
        let signing = self.open(&bare, exchange, now)?;
        let bodiless = exchange.bodiless(head.status);
        Ok(SigningResponse { signer: self, signing, exchange: exchange.clone(), bodiless })
    }

    /// From here on the head is without what only the signer may set.
    pub(crate) fn open(&self, head: &Parts, exchange: &Exchange, now: u64) -> Result<Signing, SignError> {
        Signing::begin(self.scheme.protocol(), exchange.key(), &Message::response(head, exchange), now)
    }

    /// Whether the body's MAC may follow this response.
    pub(crate) fn can_announce(&self, head: &Parts, exchange: &Exchange, now: u64) -> bool {
        let message = Message::response(head, exchange);
        can_announce(&self.scheme, exchange.key(), &message, now)
    }

    /// Signs a head whose body's MAC will follow it; `body` is what has come of it already.
    pub(crate) fn announce(
        &self,
        head: &mut Parts,
        exchange: &Exchange,
        now: u64,
        body: Hashed,
    ) -> Result<Ending, SignError> {
        self.privately(head, |head| {
            let mut answer = Answered { head, exchange };
            let (ending, ()) = Signing::announce(&self.scheme, exchange.key(), &mut answer, now, body)?;
            Ok(ending)
        })
    }

    pub(crate) fn seal(&self, signing: &mut Signing, head: &mut Parts, exchange: &Exchange) -> Result<(), SignError> {
        self.privately(head, |head| {
            let mut answer = Answered { head, exchange };
            signing.finish(self.scheme.protocol(), exchange.key(), &mut answer)
        })
    }

    /// A shared cache could hand the answer to another request, and a proxy could recompress it: who has not said
    /// otherwise, says no. Before it is signed, since the signature may cover this field.
    fn privately<T>(
        &self,
        head: &mut Parts,
        sign: impl FnOnce(&mut Parts) -> Result<T, SignError>,
    ) -> Result<T, SignError> {
        let silent = !head.headers.contains_key(CACHE_CONTROL);
        if silent {
            head.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
        }
        let signed = sign(head);
        if signed.is_err() && silent {
            head.headers.remove(CACHE_CONTROL);
        }
        signed
    }

    /// Takes out what only the signer may set.
    pub(crate) fn strip(&self, head: &mut Parts) -> HeaderMap {
        self.scheme.protocol().strip_response(&mut head.headers)
    }
}

/// The head of a response, and the request that it answers.
struct Answered<'h> {
    head: &'h mut Parts,
    exchange: &'h Exchange,
}

impl Head for Answered<'_> {
    type Signed = ();

    fn message(&self) -> Result<Message<'_>, SignError> {
        Ok(Message::response(self.head, self.exchange))
    }

    fn signed(&self, _: &Message<'_>, _: &Claim<'_>, _: &Tag) {}

    fn parts_mut(&mut self) -> HeadMut<'_> {
        HeadMut { headers: &mut self.head.headers, uri: None }
    }
}

/// A response that is being signed.
#[derive(Clone)]
pub struct SigningResponse<'s> {
    signer: &'s ResponseSigner,
    signing: Signing,
    exchange: Exchange,
    bodiless: bool,
}

impl SigningResponse<'_> {
    /// Feeds the next bytes of the body, after content encoding and before transfer encoding. Without effect for
    /// answers to `HEAD` and those of status 101, 204, 205 and 304, which are signed as empty.
    pub fn update(&mut self, bytes: &[u8]) {
        if !self.bodiless {
            self.signing.take(bytes, bytes::Bytes::copy_from_slice);
        }
    }

    /// Signs, and writes the headers. `head` is the head that it began with. A response without `cache-control` gets
    /// `no-store, no-transform`.
    ///
    /// # Errors
    ///
    /// See [`SignError`]. The head then has the fields that it had.
    pub fn finish(mut self, head: &mut Parts) -> Result<(), SignError> {
        let stale = self.signer.strip(head);
        let signed = self.signer.seal(&mut self.signing, head, &self.exchange);
        if signed.is_err() {
            head.headers.extend(stale);
        }
        signed
    }
}

impl fmt::Debug for SigningResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningResponse({:?})", self.exchange)
    }
}

//! Signing a response.

use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use http::response::Parts;

use super::{Digest, ten_digits};
use crate::error::SignError;
use crate::mac::BodyHash;
use crate::scheme::{Claim, Exchange, Message, Scheme, Side, Start};

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
/// # let exchange = RequestSigner::new(Scheme::native(), key)?.begin().finish(&mut request, 1_795_303_445)?;
/// // `exchange` comes from `Verified::exchange` on the server and from signing the request on the client
/// let (mut head, body) = http::Response::new("done").into_parts();
/// let signer = ResponseSigner::new(Scheme::native());
/// let mut signing = signer.begin();
/// signing.update(body.as_bytes());
/// signing.finish(&mut head, &exchange, 1_795_303_446)?;
///
/// let mut checked = ResponseVerifier::new(Scheme::native()).check(&head, &exchange)?;
/// checked.update(body.as_bytes());
/// checked.finish()?;
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

    /// Begins a response. Answers to `HEAD` and those of status 101, 204, 205 and 304 are signed as empty.
    #[must_use]
    pub fn begin(&self) -> SigningResponse<'_> {
        SigningResponse { signer: self, hash: BodyHash::default() }
    }

    /// Removes every field that only a signer may set.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        if headers.is_empty() {
            return;
        }
        for name in self.scheme.protocol().fields() {
            headers.remove(name);
        }
    }

    /// Signs a response whose body has this hash.
    pub(crate) fn sign(
        &self,
        hash: BodyHash,
        head: &mut Parts,
        exchange: &Exchange,
        now: u64,
    ) -> Result<(), SignError> {
        let protocol = self.scheme.protocol();
        let time = ten_digits(now).ok_or(SignError::Clock)?;
        let digest = Digest::of(hash);
        let claim = Claim {
            key_id: exchange.key_id().as_str(),
            timestamp: (str::from_utf8(&time).map_err(|_| SignError::Clock)?, now),
            nonce: None,
            body: (digest.0.as_bytes(), digest.1),
            tag: [0; 32],
        };
        let start = Start::Response { status: head.status, to: exchange };
        let mut mac = exchange.key().mac();
        let message = Message { start, headers: &head.headers };
        protocol.feed(&message, &claim, &mut mac).map_err(|_| SignError::Header)?;
        self.strip(&mut head.headers);
        protocol.write(Side::Response, &claim, &mac.finish(), &mut head.headers)?;
        if !head.headers.contains_key(CACHE_CONTROL) {
            // A shared cache could hand the answer to another request, and a proxy could recompress it.
            head.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
        }
        Ok(())
    }
}

/// A response that is being signed.
#[derive(Clone, Debug)]
pub struct SigningResponse<'s> {
    signer: &'s ResponseSigner,
    hash: BodyHash,
}

impl SigningResponse<'_> {
    /// Feeds the next bytes of the body, after content encoding and before transfer encoding.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    /// Signs with the time `now` (Unix seconds), and writes the headers. A response without `cache-control` gets
    /// `no-store, no-transform`.
    ///
    /// # Errors
    ///
    /// See [`SignError`]. The head is then as it was.
    pub fn finish(self, head: &mut Parts, exchange: &Exchange, now: u64) -> Result<(), SignError> {
        let bodiless = exchange.bodiless(head.status);
        let hash = if bodiless { BodyHash::default() } else { self.hash };
        self.signer.sign(hash, head, exchange, now)
    }
}

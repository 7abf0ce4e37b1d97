//! Signing a request.

use std::fmt;

use bytes::Bytes;
use http::request::Parts;

use super::signing::{Head, Signing, can_announce, cannot};
use crate::error::{ConfigError, SignError};
use crate::key::Key;
use crate::mac::Tag;
use crate::scheme::{Claim, Ending, Exchange, Hashed, HeadMut, Message, Scheme, Target};

/// Signs requests under one key. The [`verify`](crate::verify) module shows it in use.
#[derive(Clone, Debug)]
pub struct RequestSigner {
    scheme: Scheme,
    key: Key,
    target: Target,
}

impl RequestSigner {
    /// A signer for one scheme and key.
    ///
    /// # Errors
    ///
    /// When the key does not fit the scheme.
    pub fn new(scheme: Scheme, key: Key) -> Result<Self, ConfigError> {
        scheme.fits(&key)?;
        Ok(Self { scheme, key, target: Target::default() })
    }

    /// Sets the authority and path to sign, where a proxy rewrites what is sent.
    #[must_use]
    pub fn target(self, target: Target) -> Self {
        Self { target, ..self }
    }

    /// Begins a request, dated `now` (Unix seconds) and with a fresh nonce. An empty body needs no
    /// [`update`](SigningRequest::update).
    ///
    /// # Errors
    ///
    /// See [`SignError`].
    pub fn begin(&self, head: &Parts, now: u64) -> Result<SigningRequest, SignError> {
        self.clone().begun(head, now)
    }

    /// [`begin`](Self::begin) for one request.
    pub(crate) fn begun(self, head: &Parts, now: u64) -> Result<SigningRequest, SignError> {
        let message = Message::request(head, &self.target).map_err(cannot)?;
        let signing = Signing::begin(self.scheme.protocol(), &self.key, &message, now)?;
        Ok(SigningRequest { signer: self, signing })
    }

    /// Whether the body's MAC may follow this request.
    pub(crate) fn can_announce(&self, head: &Parts, now: u64) -> bool {
        Message::request(head, &self.target).is_ok_and(|message| can_announce(&self.scheme, &self.key, &message, now))
    }

    /// Signs a head whose body's MAC will follow it; `body` is what has come of it already.
    pub(crate) fn announce(&self, head: &mut Parts, now: u64, body: Hashed) -> Result<(Exchange, Ending), SignError> {
        let (scheme, key) = (&self.scheme, &self.key);
        let (ending, exchange) = Signing::announce(scheme, key, &mut Sent { signer: self, head }, now, body)?;
        Ok((exchange, ending))
    }

    fn seal(&self, signing: &mut Signing, head: &mut Parts) -> Result<Exchange, SignError> {
        signing.finish(self.scheme.protocol(), &self.key, &mut Sent { signer: self, head })
    }
}

/// The head of a request, on its way out.
struct Sent<'h> {
    signer: &'h RequestSigner,
    head: &'h mut Parts,
}

impl Head for Sent<'_> {
    type Signed = Exchange;

    fn message(&self) -> Result<Message<'_>, SignError> {
        Message::request(self.head, &self.signer.target).map_err(cannot)
    }

    fn signed(&self, message: &Message<'_>, claim: &Claim<'_>, tag: &Tag) -> Exchange {
        let RequestSigner { scheme, key, .. } = self.signer;
        Exchange::new((key, tag), (key, tag), scheme.protocol().name_for(claim), message, claim, None)
    }

    fn parts_mut(&mut self) -> HeadMut<'_> {
        self.signer.scheme.protocol().strip_request(&mut self.head.headers);
        HeadMut { headers: &mut self.head.headers, uri: Some(&mut self.head.uri) }
    }
}

/// A request that is being signed.
///
/// A clone of it is the same message: where the scheme signs the nonce before the body, both have one nonce, and only one of
/// them will be accepted.
#[derive(Clone)]
pub struct SigningRequest {
    signer: RequestSigner,
    signing: Signing,
}

impl SigningRequest {
    /// Feeds the next bytes of the body, after content encoding and before transfer encoding.
    pub fn update(&mut self, bytes: &[u8]) {
        self.take(bytes, Bytes::copy_from_slice);
    }

    pub(crate) fn take(&mut self, bytes: &[u8], shared: impl FnOnce(&[u8]) -> Bytes) {
        self.signing.take(bytes, shared);
    }

    /// The signer, to [`announce`](RequestSigner::announce) what this would have sealed.
    pub(crate) fn signer(&self) -> &RequestSigner {
        &self.signer
    }

    /// Instead of taking a body: it has been hashed already.
    pub(crate) fn hashed(&mut self, body: Hashed) {
        self.signing.hashed(body);
    }

    /// As late as the scheme allows.
    pub(crate) fn redate(&mut self, now: u64) {
        self.signing.redate(now);
    }

    /// Signs, and writes the headers. `head` is the head that it began with. What it returns verifies the response.
    ///
    /// # Errors
    ///
    /// See [`SignError`]. The head is then as it was.
    pub fn finish(mut self, head: &mut Parts) -> Result<Exchange, SignError> {
        self.end(head)
    }

    /// In place: the state is large.
    pub(crate) fn end(&mut self, head: &mut Parts) -> Result<Exchange, SignError> {
        self.signer.seal(&mut self.signing, head)
    }
}

impl fmt::Debug for SigningRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningRequest({:?})", self.signer)
    }
}

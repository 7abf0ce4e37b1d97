//! Signing a request.

use std::borrow::Cow;
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
        let mut bare = Cow::Borrowed(head);
        if self.scheme.protocol().owns_any_of_request(&head.headers) {
            self.scheme.protocol().strip_request(&mut bare.to_mut().headers);
        }
        Ok(SigningRequest { signer: self.clone(), signing: self.with().open(&bare, now)? })
    }

    fn with(&self) -> RequestSigning<'_> {
        RequestSigning { scheme: &self.scheme, key: &self.key, target: &self.target }
    }
}

/// What one request is signed with. Its head is without what only the signer may set.
#[derive(Clone, Copy)]
pub(crate) struct RequestSigning<'s> {
    pub(crate) scheme: &'s Scheme,
    /// It fits the scheme.
    pub(crate) key: &'s Key,
    pub(crate) target: &'s Target,
}

impl<'s> RequestSigning<'s> {
    pub(crate) fn open(self, head: &Parts, now: u64) -> Result<Signing, SignError> {
        Signing::begin(self.scheme.protocol(), self.key, &self.message(head)?, now)
    }

    /// Whether the body's MAC may follow this request.
    pub(crate) fn can_announce(self, head: &Parts, now: u64) -> bool {
        self.message(head).is_ok_and(|message| can_announce(self.scheme, self.key, &message, now))
    }

    /// Signs a head whose body's MAC will follow it; `body` is what has come of it already.
    pub(crate) fn announce(self, head: &mut Parts, now: u64, body: Hashed) -> Result<(Ending, Exchange), SignError> {
        Signing::announce(self.scheme, self.key, &mut Sent { with: self, head }, now, body)
    }

    pub(crate) fn seal(self, signing: &mut Signing, head: &mut Parts) -> Result<Exchange, SignError> {
        signing.finish(self.scheme.protocol(), self.key, &mut Sent { with: self, head })
    }

    fn message<'h>(self, head: &'h Parts) -> Result<Message<'h>, SignError>
    where
        's: 'h,
    {
        Message::request(head, self.target).map_err(cannot)
    }
}

/// The head of a request, on its way out.
struct Sent<'h> {
    with: RequestSigning<'h>,
    head: &'h mut Parts,
}

impl Head for Sent<'_> {
    type Signed = Exchange;

    fn message(&self) -> Result<Message<'_>, SignError> {
        self.with.message(self.head)
    }

    fn signed(&self, message: &Message<'_>, claim: &Claim<'_>, tag: &Tag) -> Exchange {
        let RequestSigning { scheme, key, .. } = self.with;
        Exchange::new((key, tag), (key, tag), scheme.protocol().name_for(claim), message, claim, None)
    }

    fn parts_mut(&mut self) -> HeadMut<'_> {
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
        self.signing.take(bytes, Bytes::copy_from_slice);
    }

    /// Signs, and writes the headers. `head` is the head that it began with. What it returns verifies the response.
    ///
    /// # Errors
    ///
    /// See [`SignError`]. The head then has the fields that it had.
    pub fn finish(mut self, head: &mut Parts) -> Result<Exchange, SignError> {
        let stale = self.signer.scheme.protocol().strip_request(&mut head.headers);
        let signed = self.signer.with().seal(&mut self.signing, head);
        if signed.is_err() {
            head.headers.extend(stale);
        }
        signed
    }
}

impl fmt::Debug for SigningRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningRequest({:?})", self.signer)
    }
}

//! Requests: from the head to `Verified`.

use std::fmt;

use http::HeaderMap;
use http::request::Parts;

use super::attempts::{self, Attempts};
use super::authentic::Authentic;
use super::body::BodyCheck;
use crate::clock::Tolerance;
use crate::key::{Key, Keys};
use crate::rejection::{Rejection, RejectionKind};
use crate::scheme::{Claims, Exchange, Message, Scheme, Target};

/// Checks requests against a scheme. See the [module](super) for the whole way.
#[derive(Clone, Debug)]
pub struct RequestVerifier {
    pub(super) scheme: Scheme,
    target: Target,
    tolerance: Option<Tolerance>,
    named: bool,
}

impl RequestVerifier {
    /// A verifier with the target as received and the scheme's own tolerance.
    #[must_use]
    pub fn new(scheme: Scheme) -> Self {
        let tolerance = scheme.protocol().tolerance();
        Self { scheme, target: Target::default(), tolerance, named: true }
    }

    /// Sets where the signed authority and path come from.
    #[must_use]
    pub fn target(self, target: Target) -> Self {
        Self { target, ..self }
    }

    /// Sets how old, and how far ahead, a request may be. Without effect for a scheme that signs no time.
    #[must_use]
    pub fn tolerance(self, tolerance: Tolerance) -> Self {
        Self { tolerance: self.tolerance.map(|_| tolerance), ..self }
    }

    /// Whether anybody asks what a message is known by.
    #[must_use]
    pub(crate) fn named(self, named: bool) -> Self {
        Self { named, ..self }
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Reads what the head says about its signature, strictly. Nothing of it is authentic yet.
    ///
    /// # Errors
    ///
    /// [`AmbiguousTarget`](RejectionKind::AmbiguousTarget) first, then [`Missing`](RejectionKind::Missing),
    /// [`Malformed`](RejectionKind::Malformed) (a field, or a signed header that is repeated or empty) and what the
    /// scheme forbids.
    pub fn read<'m>(&'m self, head: &'m Parts) -> Result<Credentials<'m>, Rejection> {
        let message = Message::request(head, &self.target)?;
        let claims = self.scheme.protocol().read(&message)?;
        Ok(Credentials { message, claims })
    }

    /// Checks signature and freshness, as far as the head tells: a scheme that signs the raw body tells only at the
    /// [end](VerifyingRequest::finish). `keys` is what a key store knows under [`Credentials::key_id`]; `now` is in
    /// Unix seconds.
    ///
    /// Every key is tried, and a stand-in when there is none, so that an unknown id costs what a wrong signature costs.
    ///
    /// # Errors
    ///
    /// [`BadMac`](RejectionKind::BadMac), [`UnknownKey`](RejectionKind::UnknownKey),
    /// [`Malformed`](RejectionKind::Malformed), [`Stale`](RejectionKind::Stale), [`Future`](RejectionKind::Future),
    /// and [`KeysUnavailable`](RejectionKind::KeysUnavailable) for a key that has another id or does not fit the scheme.
    pub fn check(
        &self,
        credentials: &Credentials<'_>,
        keys: Option<&Keys>,
        now: u64,
    ) -> Result<VerifyingRequest, Rejection> {
        let Credentials { message, claims } = credentials;
        let entry = self.scheme.protocol().entry(message, Some(claims.first()))?;
        self.usable(keys, claims)?;
        for claim in claims.iter().skip(1) {
            // The body is taken in once, in one way.
            if self.scheme.protocol().entry(message, Some(claim))? != entry {
                return Err(RejectionKind::Malformed.into());
            }
        }
        if entry.needs_body() {
            let attempts = Attempts::begin(&self.scheme, entry, message, claims, keys, self.named)?;
            let open = Open { attempts, verifier: self.clone(), now };
            return Ok(VerifyingRequest(State::Open(Box::new(open))));
        }
        let (exchange, claim) = attempts::head_only(&self.scheme, message, claims, keys, self.named)?;
        self.fresh(&exchange, now)?;
        // From the claim which is right: the others may announce what they like.
        let body = BodyCheck::new(entry, &self.scheme, exchange.key(), claim, exchange.signature())?;
        Ok(VerifyingRequest(State::Proven { exchange: Some(exchange), tolerance: self.tolerance, body }))
    }

    /// Whether every key may be tried, and all of them for every claim.
    fn usable(&self, keys: Option<&Keys>, claims: &Claims<'_>) -> Result<(), RejectionKind> {
        let mut count: usize = 0;
        for key in keys.into_iter().flat_map(Keys::iter) {
            let other_id = claims.first().key_id.is_some_and(|id| id != key.id().as_str());
            if other_id || self.scheme.fits(key).is_err() {
                return Err(RejectionKind::KeysUnavailable);
            }
            count = count.saturating_add(claims.len());
        }
        (count <= crate::scheme::MAX_MACS).then_some(()).ok_or(RejectionKind::Malformed)
    }

    fn fresh(&self, exchange: &Exchange, now: u64) -> Result<(), Rejection> {
        match (self.tolerance, exchange.timestamp()) {
            (Some(tolerance), Some(time)) => {
                tolerance.check(time, now).map_err(|kind| Rejection::from(kind).signed_by(exchange.key()))
            }
            _ => Ok(()),
        }
    }
}

/// What a head says about its signature.
pub struct Credentials<'m> {
    pub(super) message: Message<'m>,
    pub(super) claims: Claims<'m>,
}

impl<'m> Credentials<'m> {
    /// The key id to look up. `None` when the scheme has no key ids.
    #[must_use]
    pub fn key_id(&self) -> Option<&'m str> {
        self.claims.first().key_id
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({:?})", self.key_id())
    }
}

/// A request whose body is still to come. Unless the scheme signs the raw body, its head is authentic and fresh.
pub struct VerifyingRequest(State);

enum State {
    /// The head was right.
    Proven { exchange: Option<Exchange>, tolerance: Option<Tolerance>, body: BodyCheck },
    /// Nothing is known before the body has ended.
    Open(Box<Open>),
}

struct Open {
    attempts: Attempts,
    verifier: RequestVerifier,
    now: u64,
}

impl VerifyingRequest {
    /// Feeds the next bytes of the body, after content encoding and before transfer encoding.
    pub fn update(&mut self, bytes: &[u8]) {
        self.take(bytes, bytes::Bytes::copy_from_slice);
    }

    pub(crate) fn take(&mut self, bytes: &[u8], shared: impl FnOnce(&[u8]) -> bytes::Bytes) {
        match &mut self.0 {
            State::Proven { body, .. } => body.take(bytes),
            State::Open(open) => open.attempts.take(bytes, shared),
        }
    }

    /// Ends a body that has no trailers. `head` is the head that was read.
    ///
    /// # Errors
    ///
    /// [`BodyMismatch`](RejectionKind::BodyMismatch) when it is not the body that was signed;
    /// [`Missing`](RejectionKind::Missing) when its MAC was to follow it. For a scheme that signs the raw body, what
    /// [`RequestVerifier::check`] lists.
    pub fn finish(mut self, head: &Parts) -> Result<Authentic, Rejection> {
        self.end(head, None)
    }

    /// Ends a body and its trailers. A trailer that carries the body's MAC is removed: what is left was signed.
    ///
    /// # Errors
    ///
    /// Those of [`finish`](Self::finish); [`Malformed`](RejectionKind::Malformed) when the MAC is repeated or spelt
    /// otherwise; [`ForbiddenTrailer`](RejectionKind::ForbiddenTrailer) when the signature covers no trailers.
    pub fn finish_with_trailers(mut self, head: &Parts, trailers: &mut HeaderMap) -> Result<Authentic, Rejection> {
        self.end(head, Some(trailers))
    }

    /// In place: the state is large, and the proof small.
    pub(crate) fn end(&mut self, head: &Parts, trailers: Option<&mut HeaderMap>) -> Result<Authentic, Rejection> {
        match &mut self.0 {
            State::Proven { exchange, tolerance, body } => match (body.end(trailers), exchange.take()) {
                (Ok(()), Some(exchange)) => Ok(Authentic { exchange, tolerance: *tolerance }),
                (Err(kind), Some(exchange)) => Err(Rejection::from(kind).signed_by(exchange.key())),
                // It has ended before.
                (_, None) => Err(RejectionKind::BodyMismatch.into()),
            },
            State::Open(_) if trailers.is_some_and(|trailers| !trailers.is_empty()) => {
                Err(RejectionKind::ForbiddenTrailer.into())
            }
            State::Open(open) => open.end(head),
        }
    }

    /// The proof of the head alone, and what its body must be. The request itself when the head proves nothing.
    #[expect(clippy::result_large_err, reason = "it is what was given")]
    pub(crate) fn into_stream(self) -> Result<(Authentic, BodyCheck), Self> {
        match self.0 {
            State::Proven { exchange: Some(exchange), tolerance, body } => {
                Ok((Authentic { exchange, tolerance }, body))
            }
            other => Err(Self(other)),
        }
    }

    /// The key that signed, once it is known.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        match &self.0 {
            State::Proven { exchange, .. } => exchange.as_ref().map(Exchange::key),
            State::Open(_) => None,
        }
    }
}

impl Open {
    fn end(&mut self, head: &Parts) -> Result<Authentic, Rejection> {
        let Self { attempts, verifier, now } = self;
        let Credentials { message, claims } = verifier.read(head)?;
        let exchange = attempts.end(&verifier.scheme, &message, &claims)?;
        verifier.fresh(&exchange, *now)?;
        Ok(Authentic { exchange, tolerance: verifier.tolerance })
    }
}

impl fmt::Debug for VerifyingRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingRequest({:?})", self.key())
    }
}

//! Responses: checked against the request that they answer.

use std::fmt;

use bytes::Bytes;
use http::HeaderMap;
use http::response::Parts;

use super::attempts::signs;
use super::body::BodyCheck;
use crate::mac::Mac;
use crate::rejection::{Rejection, RejectionKind};
use crate::scheme::{Claim, Entry, Exchange, Intake, Message, Scheme};

/// Checks that a response answers one request, unchanged.
///
/// The mirror image of [`ResponseSigner`](crate::sign::ResponseSigner), which shows both in use.
#[derive(Clone, Debug)]
pub struct ResponseVerifier {
    pub(super) scheme: Scheme,
}

impl ResponseVerifier {
    /// A verifier for one scheme.
    #[must_use]
    pub fn new(scheme: Scheme) -> Self {
        Self { scheme }
    }

    /// Checks the signature over status, headers and the request's signature, as far as the head tells.
    ///
    /// # Errors
    ///
    /// [`Missing`](RejectionKind::Missing) when the response is not signed,
    /// [`Malformed`](RejectionKind::Malformed), [`BadMac`](RejectionKind::BadMac).
    pub fn check(&self, head: &Parts, exchange: &Exchange) -> Result<VerifyingResponse, Rejection> {
        let message = Message::response(head, exchange);
        let protocol = self.scheme.protocol();
        let claims = protocol.read(&message)?;
        let claim = claims.first();
        let entry = protocol.entry(&message, Some(claim))?;
        let mut mac = protocol.start(exchange.key(), claim)?;
        protocol.feed_head(&message, claim, &mut mac)?;
        let bodiless = exchange.bodiless(head.status);
        if bodiless && entry == Entry::Trailer {
            return Err(RejectionKind::Malformed.into());
        }
        let timestamp = claim.timestamp.and_then(|time| time.seconds);
        if entry.needs_body() {
            let (scheme, exchange, intake) = (self.scheme.clone(), exchange.clone(), Intake::new(entry));
            let state = State::Open(Box::new(Open { intake, mac, scheme, exchange }));
            return Ok(VerifyingResponse { state, bodiless, timestamp });
        }
        let tag = mac.finish();
        signs(protocol.encoding(claim), &tag, claim).then_some(()).ok_or(RejectionKind::BadMac)?;
        let body = BodyCheck::new(entry, &self.scheme, exchange.key(), claim, &tag)?;
        Ok(VerifyingResponse { state: State::Proven(body), bodiless, timestamp })
    }
}

/// A response whose body is still to come. Unless the scheme signs the raw body, its head is authentic.
pub struct VerifyingResponse {
    state: State,
    bodiless: bool,
    timestamp: Option<u64>,
}

enum State {
    /// The head was right.
    Proven(BodyCheck),
    /// Nothing is known before the body has ended.
    Open(Box<Open>),
}

struct Open {
    intake: Intake,
    mac: Mac,
    scheme: Scheme,
    exchange: Exchange,
}

impl VerifyingResponse {
    /// When the response was signed, in Unix seconds. Informative where the scheme binds a response to its request.
    #[must_use]
    pub fn timestamp(&self) -> Option<u64> {
        self.timestamp
    }

    /// Whether the response has no content, as answers to `HEAD` and those of status 101, 204, 205 and 304.
    #[must_use]
    pub fn is_bodiless(&self) -> bool {
        self.bodiless
    }

    /// Feeds the next bytes of the body, before any content decoding.
    pub fn update(&mut self, bytes: &[u8]) {
        self.take(bytes, Bytes::copy_from_slice);
    }

    pub(crate) fn take(&mut self, bytes: &[u8], shared: impl FnOnce(&[u8]) -> Bytes) {
        match &mut self.state {
            State::Proven(body) => body.take(bytes),
            State::Open(open) => open.intake.take(bytes, std::iter::once(&mut open.mac), shared),
        }
    }

    /// Ends a body that has no trailers. `head` is the head that was checked.
    ///
    /// # Errors
    ///
    /// [`BodyMismatch`](RejectionKind::BodyMismatch) when it is not the body that was signed;
    /// [`Missing`](RejectionKind::Missing) when its MAC was to follow it; [`BadMac`](RejectionKind::BadMac) for a scheme
    /// that signs the raw body.
    pub fn finish(mut self, head: &Parts) -> Result<(), Rejection> {
        self.end(head, None)
    }

    /// Ends a body and its trailers. A trailer that carries the body's MAC is removed: what is left was signed.
    ///
    /// # Errors
    ///
    /// Those of [`finish`](Self::finish); [`Malformed`](RejectionKind::Malformed) when the MAC is repeated or spelt
    /// otherwise; [`ForbiddenTrailer`](RejectionKind::ForbiddenTrailer) when the signature covers no trailers.
    pub fn finish_with_trailers(mut self, head: &Parts, trailers: &mut HeaderMap) -> Result<(), Rejection> {
        self.end(head, Some(trailers))
    }

    /// In place: the state is large.
    pub(crate) fn end(&mut self, head: &Parts, trailers: Option<&mut HeaderMap>) -> Result<(), Rejection> {
        match &mut self.state {
            State::Proven(body) => body.end(trailers).map_err(Rejection::from),
            State::Open(_) if trailers.is_some_and(|trailers| !trailers.is_empty()) => {
                Err(RejectionKind::ForbiddenTrailer.into())
            }
            State::Open(open) => open.end(head),
        }
    }

    /// What the body must be, when the head is authentic.
    #[expect(clippy::result_large_err, reason = "it is what was given")]
    pub(crate) fn into_stream(self) -> Result<BodyCheck, Self> {
        match self.state {
            State::Proven(body) => Ok(body),
            state @ State::Open(_) => Err(Self { state, ..self }),
        }
    }
}

impl Open {
    fn end(&mut self, head: &Parts) -> Result<(), Rejection> {
        let Self { intake, mac, scheme, exchange } = self;
        intake.end(|seen| {
            let message = Message::response(head, exchange);
            let claims = scheme.protocol().read(&message)?;
            let claim: &Claim<'_> = claims.first();
            let mut mac = mac.clone();
            scheme.protocol().feed_rest(&message, claim, seen, &mut mac)?;
            let right = signs(scheme.protocol().encoding(claim), &mac.finish(), claim);
            right.then_some(()).ok_or(RejectionKind::BadMac.into())
        })
    }
}

impl fmt::Debug for VerifyingResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingResponse(..)")
    }
}

//! Responses: checked against the request that they answer.

use std::fmt;

use bytes::Bytes;
use http::response::Parts;

use super::attempts::signs;
use crate::encoding::Encoding;
use crate::mac::Mac;
use crate::rejection::{Rejection, RejectionKind};
use crate::scheme::{Claim, Entry, Exchange, Intake, Message, Scheme};

/// Checks that a response answers one request, unchanged.
///
/// The mirror image of [`ResponseSigner`](crate::sign::ResponseSigner), which shows both in use.
#[derive(Clone, Debug)]
pub struct ResponseVerifier {
    scheme: Scheme,
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
        let open = match entry {
            Entry::Digest(_) | Entry::Uncovered => {
                signs(protocol.encoding(claim), &mac.finish(), claim).then_some(()).ok_or(RejectionKind::BadMac)?;
                None
            }
            Entry::Raw | Entry::Hashed | Entry::Whole => Some((mac, self.scheme.clone(), exchange.clone())),
        };
        let expected = match entry {
            Entry::Digest(encoding) => Some((encoding, claim.digest.ok_or(RejectionKind::Missing)?.to_vec())),
            _ => None,
        };
        let bodiless = exchange.bodiless(head.status);
        let timestamp = claim.timestamp.and_then(|time| time.seconds);
        Ok(VerifyingResponse { intake: Intake::new(entry), open, expected, bodiless, timestamp })
    }
}

/// A response whose body is still to come. Unless the scheme signs the raw body, its head is authentic.
pub struct VerifyingResponse {
    intake: Intake,
    open: Option<(Mac, Scheme, Exchange)>,
    expected: Option<(Encoding, Vec<u8>)>,
    bodiless: bool,
    timestamp: Option<u64>,
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
        let mac = self.open.as_mut().map(|(mac, _, _)| mac);
        self.intake.take(bytes, mac.into_iter(), shared);
    }

    /// Ends the body. `head` is the head that was checked.
    ///
    /// # Errors
    ///
    /// [`BodyMismatch`](RejectionKind::BodyMismatch) when it is not the body that was signed;
    /// [`BadMac`](RejectionKind::BadMac) for a scheme that signs the raw body.
    pub fn finish(self, head: &Parts) -> Result<(), Rejection> {
        let Self { mut intake, open, expected, .. } = self;
        intake.end(|seen| {
            if let Some((mac, scheme, exchange)) = open {
                let message = Message::response(head, &exchange);
                let claims = scheme.protocol().read(&message)?;
                let claim: &Claim<'_> = claims.first();
                let tag = scheme.protocol().feed_rest(&message, claim, seen, mac)?;
                let right = signs(scheme.protocol().encoding(claim), &tag, claim);
                right.then_some(()).ok_or(RejectionKind::BadMac)?;
            }
            // Both are public: the peer knows the body and sent the digest.
            let same = expected.is_none_or(|(encoding, text)| encoding.spell(&seen.sha256).as_bytes() == text);
            same.then_some(()).ok_or(RejectionKind::BodyMismatch.into())
        })
    }
}

impl fmt::Debug for VerifyingResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingResponse(..)")
    }
}

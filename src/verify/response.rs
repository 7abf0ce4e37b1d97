//! Responses: checked against the request that they answer.

use std::fmt;

use http::response::Parts;

use crate::mac::BodyHash;
use crate::rejection::{Rejection, RejectionKind};
use crate::scheme::{Exchange, Message, Scheme, Start};

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

    /// Checks the signature over status, headers and the request's signature.
    ///
    /// # Errors
    ///
    /// [`Missing`](RejectionKind::Missing) when the response is not signed,
    /// [`Malformed`](RejectionKind::Malformed), [`BadMac`](RejectionKind::BadMac).
    pub fn check(&self, head: &Parts, exchange: &Exchange) -> Result<CheckedResponse, Rejection> {
        let start = Start::Response { status: head.status, to: exchange };
        let message = Message { start, headers: &head.headers };
        let protocol = self.scheme.protocol();
        let claim = protocol.read(&message)?;
        let mut mac = exchange.key().mac();
        protocol.feed(&message, &claim, &mut mac)?;
        mac.verify(&claim.tag).ok_or(RejectionKind::BadMac)?;
        let bodiless = exchange.bodiless(head.status);
        Ok(CheckedResponse {
            expected: claim.body.1,
            hash: BodyHash::default(),
            bodiless,
            timestamp: claim.timestamp.1,
        })
    }
}

/// A response whose signature is right; its body is still to come.
pub struct CheckedResponse {
    expected: [u8; 32],
    hash: BodyHash,
    bodiless: bool,
    timestamp: u64,
}

impl CheckedResponse {
    /// When the response was signed, in Unix seconds. Informative: what makes a response fresh is its request.
    #[must_use]
    pub fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// Whether the response has no content, as answers to `HEAD` and those of status 101, 204, 205 and 304.
    #[must_use]
    pub fn is_bodiless(&self) -> bool {
        self.bodiless
    }

    /// Feeds the next bytes of the body, before any content decoding.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    /// Ends the body.
    ///
    /// # Errors
    ///
    /// [`BodyMismatch`](RejectionKind::BodyMismatch) when it is not the body that was signed.
    pub fn finish(self) -> Result<(), Rejection> {
        // Both are public: the peer knows the body and sent the digest.
        match self.hash.finish() == self.expected {
            true => Ok(()),
            false => Err(RejectionKind::BodyMismatch.into()),
        }
    }
}

impl fmt::Debug for CheckedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CheckedResponse(..)")
    }
}

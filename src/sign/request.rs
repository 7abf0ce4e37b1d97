//! Signing a request.

use http::request::Parts;

use super::{Digest, ten_digits};
use crate::encoding::base64url_16;
use crate::error::{ConfigError, SignError};
use crate::key::Key;
use crate::mac::BodyHash;
use crate::rejection::RejectionKind;
use crate::scheme::{Claim, Exchange, Message, Scheme, Side, Start, Target};

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
        scheme.protocol().fits(&key)?;
        Ok(Self { scheme, key, target: Target::default() })
    }

    /// Sets the authority and path to sign, where a proxy rewrites what is sent.
    #[must_use]
    pub fn target(self, target: Target) -> Self {
        Self { target, ..self }
    }

    /// Begins a request. An empty body needs no [`update`](SigningRequest::update).
    #[must_use]
    pub fn begin(&self) -> SigningRequest {
        SigningRequest { signer: self.clone(), hash: BodyHash::default() }
    }
}

/// A request that is being signed.
#[derive(Clone, Debug)]
pub struct SigningRequest {
    signer: RequestSigner,
    hash: BodyHash,
}

impl SigningRequest {
    /// Feeds the next bytes of the body, after content encoding and before transfer encoding.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    /// Signs with the time `now` (Unix seconds) and a fresh nonce, and writes the headers. What it returns verifies
    /// the response.
    ///
    /// # Errors
    ///
    /// See [`SignError`]. The head is then as it was.
    pub fn finish(self, head: &mut Parts, now: u64) -> Result<Exchange, SignError> {
        let RequestSigner { scheme, key, target } = &self.signer;
        let protocol = scheme.protocol();
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| SignError::NoRandomness)?;
        let nonce = base64url_16(&random);
        let time = ten_digits(now).ok_or(SignError::Clock)?;
        let digest = Digest::of(self.hash);
        let claim = Claim {
            key_id: key.id().as_str(),
            timestamp: (str::from_utf8(&time).map_err(|_| SignError::Clock)?, now),
            nonce: Some(str::from_utf8(&nonce).map_err(|_| SignError::NoRandomness)?),
            body: (digest.0.as_bytes(), digest.1),
            tag: [0; 32],
        };
        let target = target.resolve(head).map_err(|_| SignError::Target)?;
        let start = Start::Request { method: &head.method, target };
        let mut mac = key.mac();
        protocol.feed(&Message { start, headers: &head.headers }, &claim, &mut mac).map_err(|kind| match kind {
            RejectionKind::Method => SignError::Method,
            RejectionKind::UncoveredOverride => SignError::UncoveredOverride,
            _ => SignError::Header,
        })?;
        let tag = mac.finish();
        protocol.write(Side::Request, &claim, &tag, &mut head.headers)?;
        Ok(Exchange::new(key.clone(), tag, &head.method))
    }
}

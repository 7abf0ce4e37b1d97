//! Requests: from the head to `Verified`.

use std::fmt;
use std::sync::{Arc, LazyLock};

use http::Method;
use http::request::Parts;

use super::Verified;
use crate::clock::Tolerance;
use crate::key::{Data, Key, Keys};
use crate::mac::{Algorithm, BodyHash, Mac};
use crate::rejection::{Rejection, RejectionKind};
use crate::replay::{Claimed, ReplayClaim};
use crate::scheme::{Claim, Exchange, Message, Protocol, Scheme, Start, Target};

/// Checks requests against a scheme. See the [module](super) for the whole way.
#[derive(Clone, Debug)]
pub struct RequestVerifier {
    scheme: Scheme,
    target: Target,
    tolerance: Tolerance,
}

impl RequestVerifier {
    /// A verifier with the target as received and the default tolerance.
    #[must_use]
    pub fn new(scheme: Scheme) -> Self {
        Self { scheme, target: Target::default(), tolerance: Tolerance::default() }
    }

    /// Sets where the signed authority and path come from.
    #[must_use]
    pub fn target(self, target: Target) -> Self {
        Self { target, ..self }
    }

    /// Sets how old, and how far ahead, a request may be.
    #[must_use]
    pub fn tolerance(self, tolerance: Tolerance) -> Self {
        Self { tolerance, ..self }
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
    /// [`AmbiguousTarget`](RejectionKind::AmbiguousTarget) first, then [`Missing`](RejectionKind::Missing) and
    /// [`Malformed`](RejectionKind::Malformed).
    pub fn read<'m>(&'m self, head: &'m Parts) -> Result<Credentials<'m>, Rejection> {
        let target = self.target.resolve(head)?;
        let start = Start::Request { method: &head.method, target };
        let message = Message { start, headers: &head.headers };
        let claim = self.scheme.protocol().read(&message)?;
        Ok(Credentials { message, method: &head.method, claim })
    }

    /// Checks signature and freshness. `keys` is what a key store knows under
    /// [`Credentials::key_id`]; `now` is in Unix seconds.
    ///
    /// Every key is tried, and a stand-in when there is none, so that an unknown id costs what a wrong signature costs.
    ///
    /// # Errors
    ///
    /// [`BadMac`](RejectionKind::BadMac), [`UnknownKey`](RejectionKind::UnknownKey),
    /// [`Malformed`](RejectionKind::Malformed) (a signed header that is repeated or empty),
    /// [`Stale`](RejectionKind::Stale), [`Future`](RejectionKind::Future), and
    /// [`KeysUnavailable`](RejectionKind::KeysUnavailable) for a key that has another id or does not fit the scheme.
    pub fn check(
        &self,
        credentials: &Credentials<'_>,
        keys: Option<&Keys>,
        now: u64,
    ) -> Result<CheckedHead, Rejection> {
        let Credentials { message, method, claim } = credentials;
        let protocol = self.scheme.protocol();
        let mut matched = None;
        for key in keys.into_iter().flat_map(Keys::iter) {
            if key.id().as_str() != claim.key_id || protocol.fits(key).is_err() {
                return Err(RejectionKind::KeysUnavailable.into());
            }
            let mut mac = key.mac();
            protocol.feed(message, claim, &mut mac)?;
            matched = mac.verify(&claim.tag).map(|tag| (key, tag)).or(matched);
        }
        if keys.is_none_or(|keys| keys.iter().next().is_none()) {
            return Err(refuse_unknown(protocol, message, claim)?.into());
        }
        let (key, tag) = matched.ok_or(RejectionKind::BadMac)?;
        self.tolerance.check(claim.timestamp.1, now).map_err(|kind| Rejection::from(kind).signed_by(key))?;
        Ok(CheckedHead {
            proof: Proof {
                exchange: Exchange::new(key.clone(), tag, method),
                scheme: self.scheme.name(),
                tolerance: self.tolerance,
                timestamp: claim.timestamp.1,
                nonce: claim.nonce.unwrap_or_default().into(),
                data: keys.and_then(Keys::data).cloned(),
            },
            expected: claim.body.1,
            hash: BodyHash::default(),
        })
    }
}

/// Spends the time of one MAC under a secret that nobody knows, and refuses whatever comes out.
fn refuse_unknown(
    protocol: &dyn Protocol,
    message: &Message<'_>,
    claim: &Claim<'_>,
) -> Result<RejectionKind, RejectionKind> {
    static STAND_IN: LazyLock<Option<Mac>> = LazyLock::new(|| {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).ok()?;
        Mac::new(Algorithm::HmacSha256, &secret)
    });
    if let Some(mut mac) = STAND_IN.clone() {
        protocol.feed(message, claim, &mut mac)?;
        let _ = std::hint::black_box(mac.verify(&claim.tag));
    }
    Ok(RejectionKind::UnknownKey)
}

/// What a head says about its signature.
pub struct Credentials<'m> {
    message: Message<'m>,
    method: &'m Method,
    claim: Claim<'m>,
}

impl<'m> Credentials<'m> {
    /// The key id to look up. `None` when the scheme has no key ids.
    #[must_use]
    pub fn key_id(&self) -> Option<&'m str> {
        Some(self.claim.key_id)
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({:?})", self.claim.key_id)
    }
}

/// What is known once the head is right.
#[derive(Clone)]
struct Proof {
    exchange: Exchange,
    scheme: &'static str,
    tolerance: Tolerance,
    timestamp: u64,
    nonce: Arc<str>,
    data: Option<Data>,
}

/// A request whose signature is right and fresh; its body is still to come.
pub struct CheckedHead {
    proof: Proof,
    expected: [u8; 32],
    hash: BodyHash,
}

impl CheckedHead {
    /// Feeds the next bytes of the body, after content encoding and before transfer encoding.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    /// Ends the body.
    ///
    /// # Errors
    ///
    /// [`BodyMismatch`](RejectionKind::BodyMismatch) when it is not the body that was signed.
    pub fn finish(self) -> Result<Authentic, Rejection> {
        // Both are public: the peer knows the body and sent the digest.
        match self.hash.finish() == self.expected {
            true => Ok(Authentic(self.proof)),
            false => Err(Rejection::from(RejectionKind::BodyMismatch).signed_by(self.proof.exchange.key())),
        }
    }

    /// The key that signed.
    #[must_use]
    pub fn key(&self) -> &Key {
        self.proof.exchange.key()
    }
}

impl fmt::Debug for CheckedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckedHead({:?})", self.key())
    }
}

/// A request that is right in every respect but one: it may have been accepted before.
pub struct Authentic(Proof);

impl Authentic {
    /// What to ask the replay guard.
    ///
    /// # Errors
    ///
    /// [`Stale`](RejectionKind::Stale) when the request became too old while its body arrived: the guard may already
    /// have forgotten its nonce.
    pub fn replay_claim(&self, now: u64) -> Result<ReplayClaim<'_>, Rejection> {
        self.0.tolerance.check(self.0.timestamp, now).map_err(|kind| Rejection::from(kind).signed_by(self.key()))?;
        Ok(ReplayClaim {
            key_id: self.0.exchange.key_id(),
            nonce: &self.0.nonce,
            valid_until: self.0.tolerance.remember_until(self.0.timestamp),
            now,
        })
    }

    /// Turns the guard's answer into the proof.
    ///
    /// # Errors
    ///
    /// Whatever the guard said, unless it is [`Claimed::Fresh`].
    pub fn admit(self, claimed: Claimed) -> Result<Verified, Rejection> {
        let Proof { exchange, scheme, timestamp, nonce, data, .. } = self.0;
        let kind = match claimed {
            Claimed::Fresh => return Ok(Verified { exchange, scheme, timestamp, nonce, data }),
            Claimed::Seen => RejectionKind::Replay,
            Claimed::Expired => RejectionKind::Stale,
            Claimed::OverQuota => RejectionKind::Quota,
            Claimed::Full | Claimed::Unavailable => RejectionKind::GuardUnavailable,
        };
        Err(Rejection::from(kind).signed_by(exchange.key()))
    }

    /// The key that signed.
    #[must_use]
    pub fn key(&self) -> &Key {
        self.0.exchange.key()
    }
}

impl fmt::Debug for Authentic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authentic({:?})", self.key())
    }
}

//! The last step: a request that only the replay guard has not seen yet.

use std::fmt;

use super::Verified;
use crate::clock::Tolerance;
use crate::key::Key;
use crate::rejection::{Rejection, RejectionKind};
use crate::replay::{Claimed, ReplayClaim};
use crate::scheme::Exchange;

/// How long, in seconds, a guard remembers a message that carries no time: a day.
const UNDATED: u64 = 24 * 60 * 60;

/// A request that is right in every respect but one: it may have been accepted before.
pub struct Authentic {
    pub(super) exchange: Exchange,
    pub(super) tolerance: Option<Tolerance>,
}

impl Authentic {
    /// What to ask the replay guard: about the nonce, or, in a scheme that has none, about all that is signed.
    ///
    /// A message without a time is remembered for a day. Where keys of several ids are accepted, it is remembered under
    /// the first id, whichever signed: a message may carry the signatures of two.
    ///
    /// # Errors
    ///
    /// [`Stale`](RejectionKind::Stale) when the request became too old while its body arrived: the guard may already
    /// have forgotten its nonce.
    pub fn replay_claim(&self, now: u64) -> Result<ReplayClaim<'_>, Rejection> {
        let valid_until = match (self.tolerance, self.exchange.timestamp()) {
            (Some(tolerance), Some(time)) => {
                tolerance.check(time, now).map_err(|kind| Rejection::from(kind).signed_by(self.key()))?;
                tolerance.remember_until(time)
            }
            _ => now.saturating_add(UNDATED),
        };
        let (key_id, nonce) = self.exchange.once();
        Ok(ReplayClaim { key_id, nonce, valid_until, now })
    }

    /// Turns the guard's answer into the proof.
    ///
    /// # Errors
    ///
    /// Whatever the guard said, unless it is [`Claimed::Fresh`].
    pub fn admit(self, claimed: Claimed) -> Result<Verified, Rejection> {
        let kind = match claimed {
            Claimed::Fresh => return Ok(Verified { exchange: self.exchange }),
            Claimed::Seen => RejectionKind::Replay,
            Claimed::Expired => RejectionKind::Stale,
            Claimed::OverQuota => RejectionKind::Quota,
            Claimed::Full | Claimed::Unavailable => RejectionKind::GuardUnavailable,
        };
        Err(Rejection::from(kind).signed_by(self.key()))
    }

    /// The key that signed.
    #[must_use]
    pub fn key(&self) -> &Key {
        self.exchange.key()
    }
}

impl fmt::Debug for Authentic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authentic({:?})", self.key())
    }
}

//! Accepting a message once: [`ReplayGuard`], the one in memory, and the one in Redis.

mod conformance;
mod lease;
mod memory;
#[cfg(feature = "redis")]
mod redis;

use std::sync::Arc;

pub use self::conformance::{Nonconformance, conformance};
pub use self::lease::{AtLeastOnce, Lease, Settled};
pub(crate) use self::lease::{Held, Settling};
pub use self::memory::MemoryReplayGuard;
#[cfg(feature = "redis")]
pub use self::redis::{RedisGuardError, RedisReplayGuard};
use crate::answer::Answer;
use crate::key::KeyId;

/// A nonce that is about to be spent.
#[derive(Clone, Copy, Debug)]
pub struct ReplayClaim<'a> {
    /// Whose nonce it is: two keys may use the same one.
    pub key_id: &'a KeyId,
    /// The nonce, or what stands for it. Never to be joined with the key id without a length.
    pub nonce: &'a str,
    /// The last second (Unix time) in which the message could be accepted anywhere, clock skew included.
    pub valid_until: u64,
    /// The present second (Unix time) on the layer's clock.
    pub now: u64,
}

/// What a guard says to a [`ReplayClaim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Claimed {
    /// First time: the nonce is now spent.
    Fresh,
    /// The nonce was spent before.
    Seen,
    /// `valid_until` has passed: the guard may have forgotten the nonce.
    Expired,
    /// The key has too many live nonces, for a guard that counts them.
    OverQuota,
    /// The guard has no room left, and forgets nothing that is still valid.
    Full,
    /// The guard cannot be reached, or is not sure.
    Unavailable,
}

/// Remembers which nonces were spent.
///
/// A claim is one atomic insert-if-absent: of any number of equal claims at the same time, exactly one is
/// [`Fresh`](Claimed::Fresh). An entry lives until `valid_until` has passed; nothing is evicted earlier. The guard is
/// asked only for requests that are right in every other respect.
///
/// ```
/// use std::collections::HashSet;
/// use std::sync::Mutex;
/// use tower_hmac::Answer;
/// use tower_hmac::replay::{Claimed, ReplayClaim, ReplayGuard};
///
/// /// Remembers everything for ever: good enough for a test.
/// #[derive(Default)]
/// struct Forever(Mutex<HashSet<(String, String)>>);
///
/// impl ReplayGuard for Forever {
///     fn claim(&self, claim: &ReplayClaim<'_>) -> Answer<Claimed> {
///         let Ok(mut spent) = self.0.lock() else { return Claimed::Unavailable.into() };
///         match spent.insert((claim.key_id.to_string(), claim.nonce.to_owned())) {
///             true => Claimed::Fresh.into(),
///             false => Claimed::Seen.into(),
///         }
///     }
/// }
/// ```
pub trait ReplayGuard: Send + Sync + 'static {
    /// Spends a nonce. A later answer may be dropped at any await: the nonce is then spent or it is not.
    fn claim(&self, claim: &ReplayClaim<'_>) -> Answer<Claimed>;

    /// Takes a nonce until the lease is over, unless it is spent or taken. A guard that knows no leases is
    /// [`Unavailable`](Claimed::Unavailable) for them.
    fn lease(&self, _claim: &ReplayClaim<'_>, _lease: &Lease) -> Answer<Claimed> {
        Claimed::Unavailable.into()
    }

    /// Ends a lease. If it ran out meanwhile, the nonce is spent nevertheless or is free already; if somebody else took
    /// it, it is left alone. What fails here is not told to anybody: the lease runs out.
    fn settle(&self, _claim: &ReplayClaim<'_>, _lease: &Lease, _outcome: Settled) -> Answer<()> {
        Answer::Ready(())
    }

    /// How long the layer is to lease what it claims, if it is: see [`AtLeastOnce`].
    fn lease_seconds(&self) -> Option<u64> {
        None
    }
}

impl<G: ReplayGuard + ?Sized> ReplayGuard for Arc<G> {
    fn claim(&self, claim: &ReplayClaim<'_>) -> Answer<Claimed> {
        (**self).claim(claim)
    }

    fn lease(&self, claim: &ReplayClaim<'_>, lease: &Lease) -> Answer<Claimed> {
        (**self).lease(claim, lease)
    }

    fn settle(&self, claim: &ReplayClaim<'_>, lease: &Lease, outcome: Settled) -> Answer<()> {
        (**self).settle(claim, lease, outcome)
    }

    fn lease_seconds(&self) -> Option<u64> {
        (**self).lease_seconds()
    }
}

/// Accepts every message as often as it comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unguarded;

impl ReplayGuard for Unguarded {
    fn claim(&self, _: &ReplayClaim<'_>) -> Answer<Claimed> {
        Claimed::Fresh.into()
    }
}

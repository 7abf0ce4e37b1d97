//! Claim, then decide: a nonce that is taken for a while, and spent when the service has answered.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::StatusCode;

use super::{Claimed, ReplayClaim, ReplayGuard};
use crate::answer::Answer;
use crate::clock::Clock;
use crate::error::{ConfigError, Mistake};
use crate::key::KeyId;

/// Accepts a message until the service has handled it: at least once, where a plain guard accepts it at most once.
///
/// For senders that repeat the same signed bytes when they get no good answer, as webhook providers do. A claim is a lease.
/// When the service has answered, the nonce is spent; when it answered 5xx, it is free again at once. When the request is
/// cancelled, or the service fails without an answer, the lease runs out, and a repetition is accepted from then on.
///
/// A service that takes longer than its lease may get the same message a second time while it works on the first: make
/// the lease longer than the service's own timeout, and the service fit for repetitions. A copy that comes while the first
/// is in work is refused as a replay: whoever answers replays with success tells the sender that all is well before it is.
///
/// ```
/// use std::time::Duration;
/// use tower_hmac::replay::{AtLeastOnce, MemoryReplayGuard};
/// use tower_hmac::{HmacLayer, Key, Scheme};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// # let key = Key::generate("svc-a")?.0;
/// let guard = AtLeastOnce::new(MemoryReplayGuard::new(), Duration::from_secs(30))?;
/// let layer = HmacLayer::new(Scheme::native(), key)?.replay_guard(guard);
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AtLeastOnce<G> {
    guard: G,
    life: u64,
}

impl<G: ReplayGuard> AtLeastOnce<G> {
    /// Leases of this length, in whole seconds, on a guard that knows leases: those of this crate do.
    ///
    /// # Errors
    ///
    /// When it is shorter than a second, longer than an hour, or not in whole seconds.
    pub fn new(guard: G, lease: Duration) -> Result<Self, ConfigError> {
        match lease.as_secs() {
            life @ 1..=3600 if lease.subsec_nanos() == 0 => Ok(Self { guard, life }),
            _ => Err(Mistake::Lease.into()),
        }
    }
}

impl<G: ReplayGuard> ReplayGuard for AtLeastOnce<G> {
    /// A lease that nobody settles: it runs out.
    fn claim(&self, claim: &ReplayClaim<'_>) -> Answer<Claimed> {
        self.guard.lease(claim, &Lease::new(claim, self.life))
    }

    fn lease(&self, claim: &ReplayClaim<'_>, lease: &Lease) -> Answer<Claimed> {
        self.guard.lease(claim, lease)
    }

    fn settle(&self, claim: &ReplayClaim<'_>, lease: &Lease, outcome: Settled) -> Answer<()> {
        self.guard.settle(claim, lease, outcome)
    }

    fn lease_seconds(&self) -> Option<u64> {
        Some(self.life)
    }
}

/// A nonce that is taken until a second is over, and by whom.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    until: u64,
    holder: u128,
}

impl Lease {
    /// A lease of so many seconds, which ends before the claim does. No other lease is equal to it, in any process.
    #[must_use]
    pub fn new(claim: &ReplayClaim<'_>, seconds: u64) -> Self {
        static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Never the end of the claim itself, so that it differs from what is spent for good.
        let last = claim.valid_until.saturating_sub(1).max(claim.now);
        let until = claim.now.saturating_add(seconds).min(last);
        Self { until, holder: u128::from(*PROCESS) << 64 | u128::from(number) }
    }

    /// The last second (Unix time) in which the nonce is taken.
    #[must_use]
    pub fn until(&self) -> u64 {
        self.until
    }

    /// Who took it.
    #[must_use]
    pub fn holder(&self) -> u128 {
        self.holder
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease(until {})", self.until)
    }
}

/// How a lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Settled {
    /// The message was handled: its nonce is spent until the claim ends.
    Spent,
    /// The message was not handled: its nonce is free.
    Released,
}

/// A lease that the layer holds while the service works. Dropped, it runs out.
pub(crate) struct Held {
    guard: Arc<dyn ReplayGuard>,
    key_id: KeyId,
    nonce: Box<str>,
    valid_until: u64,
    now: u64,
    lease: Lease,
}

impl Held {
    /// Claims in the guard's way: for good, or with a lease, which goes into `held`.
    pub(crate) fn claim(
        guard: &Arc<dyn ReplayGuard>,
        claim: &ReplayClaim<'_>,
        held: &mut Option<Box<Self>>,
    ) -> Answer<Claimed> {
        let Some(seconds) = guard.lease_seconds() else { return guard.claim(claim) };
        let lease = Lease::new(claim, seconds);
        let (key_id, nonce) = (claim.key_id.clone(), claim.nonce.into());
        let ReplayClaim { valid_until, now, .. } = *claim;
        *held = Some(Box::new(Self { guard: Arc::clone(guard), key_id, nonce, valid_until, now, lease }));
        guard.lease(claim, &lease)
    }

    /// The service has answered. A future of it, if that is not done at once.
    pub(crate) fn settle(&self, status: StatusCode, clock: &dyn Clock) -> Option<Settling> {
        let outcome = if status.is_server_error() { Settled::Released } else { Settled::Spent };
        let (key_id, nonce, valid_until) = (&self.key_id, &*self.nonce, self.valid_until);
        let claim = ReplayClaim { key_id, nonce, valid_until, now: clock.now().unwrap_or(self.now) };
        match self.guard.settle(&claim, &self.lease, outcome) {
            Answer::Ready(()) => None,
            Answer::Later(settling) => Some(settling),
        }
    }
}

/// A lease that is being settled.
pub(crate) type Settling = Pin<Box<dyn Future<Output = ()> + Send>>;

//! The guard of one process.

mod accounts;
mod index;
mod lanes;
mod queue;
mod second;
mod shard;
mod shared;
mod slab;

use std::fmt;
use std::sync::Arc;

use self::shared::{Bounds, Shared};
use super::{Claimed, Lease, ReplayClaim, ReplayGuard, Settled};
use crate::answer::Answer;
use crate::clock::Tolerance;
use crate::error::{ConfigError, Mistake};

/// A replay guard in this process's memory: each instance of a service accepts a message once.
///
/// Bounded, in total and for each key, at most 96 bytes an entry; when it is full it refuses new messages and forgets
/// no live one. Clones share their entries. There is no sweep: a claim frees at most 8 entries and moves none.
///
/// A wall clock that is set back lets nothing in that was forgotten, and one that leaps ahead and back does no harm: what
/// may have been forgotten is refused, whatever the clock says.
///
/// A restart forgets everything: see [`after_restart`](Self::after_restart).
///
/// ```
/// use tower_hmac::KeyId;
/// use tower_hmac::replay::{Claimed, MemoryReplayGuard, ReplayClaim};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let guard = MemoryReplayGuard::new();
/// let id = KeyId::new("svc-a")?;
/// let claim = ReplayClaim { key_id: &id, nonce: "AAECAwQFBgcICQoLDA0ODw", valid_until: 1360, now: 1000 };
/// assert_eq!(guard.spend(&claim), Claimed::Fresh);
/// assert_eq!(guard.spend(&claim), Claimed::Seen);
/// assert_eq!(guard.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryReplayGuard {
    shared: Arc<Shared>,
    bounds: Bounds,
    /// Messages that are valid until then or shorter may have been accepted before the restart.
    restarted: Option<u64>,
}

impl MemoryReplayGuard {
    /// A guard for 10⁶ live entries, at most 250 000 of them of one key.
    #[must_use]
    pub fn new() -> Self {
        Self::sized(1_000_000).per_key(250_000)
    }

    /// A guard for this many live entries: at least the requests that all callers make within the tolerance (past,
    /// future and a minute of skew). One key may take them all: see [`per_key`](Self::per_key). No guard holds more than
    /// some 260 million, whatever is said here.
    ///
    /// # Errors
    ///
    /// When it is zero.
    pub fn with_capacity(entries: usize) -> Result<Self, ConfigError> {
        match entries {
            0 => Err(Mistake::GuardCapacity.into()),
            _ => Ok(Self::sized(entries)),
        }
    }

    /// Sets how many live entries one key may have, up to 16 million. Beyond it that key is refused with status 429,
    /// and leaves the rest to the others.
    ///
    /// For this handle and the clones made of it.
    #[must_use]
    pub fn per_key(self, entries: u32) -> Self {
        let quota = Some(entries.into());
        Self { bounds: Bounds { quota, ..self.bounds }, ..self }
    }

    /// Refuses every message that an earlier process may have accepted: those that are dated up to `future` after
    /// `now` (Unix seconds), the moment of the restart. Honest callers are refused for that long, too.
    ///
    /// `tolerance` is that of the layer.
    ///
    /// ```
    /// use tower_hmac::clock::{Clock, SystemClock, Tolerance};
    /// use tower_hmac::replay::MemoryReplayGuard;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let now = SystemClock::default().now().ok_or("no clock")?;
    /// let guard = MemoryReplayGuard::new().after_restart(now, Tolerance::default());
    /// # let _ = guard;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn after_restart(self, now: u64, tolerance: Tolerance) -> Self {
        Self { restarted: Some(tolerance.remember_until(tolerance.latest(now))), ..self }
    }

    /// The number of entries, some of which may have expired and wait for their removal.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.live()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// [`ReplayGuard::claim`], whose answer is always there at once.
    #[must_use]
    pub fn spend(&self, claim: &ReplayClaim<'_>) -> Claimed {
        self.enter(claim, claim.valid_until)
    }

    fn enter(&self, claim: &ReplayClaim<'_>, until: u64) -> Claimed {
        let restarted = self.restarted.is_some_and(|until| claim.valid_until <= until);
        if restarted || claim.valid_until < claim.now {
            return Claimed::Expired;
        }
        self.shared.claim(claim, until, self.bounds).unwrap_or(Claimed::Unavailable)
    }

    fn sized(capacity: usize) -> Self {
        let bounds = Bounds { capacity, quota: None };
        Self { shared: Arc::new(Shared::new()), bounds, restarted: None }
    }
}

impl Default for MemoryReplayGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl ReplayGuard for MemoryReplayGuard {
    fn claim(&self, claim: &ReplayClaim<'_>) -> Answer<Claimed> {
        self.spend(claim).into()
    }

    fn lease(&self, claim: &ReplayClaim<'_>, lease: &Lease) -> Answer<Claimed> {
        self.enter(claim, lease.until()).into()
    }

    fn settle(&self, claim: &ReplayClaim<'_>, lease: &Lease, outcome: Settled) -> Answer<()> {
        let until = match outcome {
            Settled::Spent => claim.valid_until,
            Settled::Released => 0,
        };
        // Of one nonce, no two leases end in the same second: the second one begins when the first is over.
        if self.shared.settle(claim, lease.until(), until) == Some(false) && outcome == Settled::Spent {
            let _ = self.spend(claim);
        }
        Answer::Ready(())
    }
}

impl fmt::Debug for MemoryReplayGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryReplayGuard({} of {})", self.len(), self.bounds.capacity)
    }
}

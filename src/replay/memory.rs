//! The guard of one process.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Claimed, ReplayClaim, ReplayGuard};
use crate::answer::Answer;
use crate::error::{ConfigError, Mistake};

/// A replay guard in this process's memory: each instance of a service accepts a message once.
///
/// Bounded (10⁶ entries unless said otherwise, at most 96 bytes each); when it is full it refuses new messages and
/// forgets no live one. Clones share their entries.
///
/// A restart forgets everything, and a wall clock that is set back reopens the seconds that were forgotten.
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
pub struct MemoryReplayGuard(Arc<Inner>);

struct Inner {
    // Entries are named by a keyed hash. Nobody can make two names meet, and chance does it once in 10¹³ claims
    // against a full guard; the second message is then refused.
    key: RandomState,
    shards: Box<[Mutex<Shard>]>,
    live: AtomicUsize,
    capacity: usize,
}

/// Many, so that growing one moves few entries.
const SHARDS: usize = 512;

/// The most expired entries that one claim removes: more than it adds, so that the guard keeps up.
const REMOVED_PER_CLAIM: usize = 4;

type Name = u64;

#[derive(Default)]
struct Shard {
    live: HashSet<Name, BuildHasherDefault<AlreadyHashed>>,
    by_expiry: BinaryHeap<Reverse<(u64, Name)>>,
}

impl MemoryReplayGuard {
    /// A guard for 10⁶ live entries.
    #[must_use]
    pub fn new() -> Self {
        Self::sized(1_000_000)
    }

    /// A guard for this many live entries: at least the requests that all callers make within the tolerance (past,
    /// future and a minute of skew).
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

    /// The number of entries, some of which may have expired and wait for their removal.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.live.load(Ordering::Relaxed)
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// [`ReplayGuard::claim`], whose answer is always there at once.
    #[must_use]
    pub fn spend(&self, claim: &ReplayClaim<'_>) -> Claimed {
        if claim.valid_until < claim.now {
            return Claimed::Expired;
        }
        let name = self.name(claim);
        let Some(home) = self.shard(name) else { return Claimed::Unavailable };
        let mut shard = lock(home);
        self.remove_expired(&mut shard, claim.now);
        if shard.live.contains(&name) {
            return Claimed::Seen;
        }
        if !self.reserve() {
            // Never wait for one lock while holding another.
            drop(shard);
            if !self.make_room(claim.now) {
                return Claimed::Full;
            }
            shard = lock(home);
            if shard.live.contains(&name) {
                self.0.live.fetch_sub(1, Ordering::Relaxed);
                return Claimed::Seen;
            }
        }
        shard.live.insert(name);
        shard.by_expiry.push(Reverse((claim.valid_until, name)));
        Claimed::Fresh
    }

    fn sized(capacity: usize) -> Self {
        Self(Arc::new(Inner {
            key: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            live: AtomicUsize::new(0),
            capacity,
        }))
    }

    fn name(&self, claim: &ReplayClaim<'_>) -> Name {
        // `str` hashes with a terminator, so the two texts cannot be moved into one another.
        self.0.key.hash_one((claim.key_id.as_str(), claim.nonce))
    }

    fn shard(&self, name: Name) -> Option<&Mutex<Shard>> {
        self.0.shards.get(usize::try_from(name >> 48).ok()? % SHARDS)
    }

    fn reserve(&self) -> bool {
        let add = |live: usize| (live < self.0.capacity).then(|| live.saturating_add(1));
        self.0.live.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    fn remove_expired(&self, shard: &mut Shard, now: u64) {
        let removed = shard.remove_expired(now);
        if removed > 0 {
            self.0.live.fetch_sub(removed, Ordering::Relaxed);
        }
    }

    /// Looks for expired entries in other shards, one lock at a time, and reserves a place.
    fn make_room(&self, now: u64) -> bool {
        self.0.shards.iter().any(|shard| {
            let mut shard = lock(shard);
            self.remove_expired(&mut shard, now);
            self.reserve()
        })
    }
}

/// A panic cannot leave a shard half changed: nothing in it runs foreign code.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn remove_expired(&mut self, now: u64) -> usize {
        let mut removed = 0;
        while removed < REMOVED_PER_CLAIM {
            match self.by_expiry.peek() {
                Some(&Reverse((until, name))) if until < now => {
                    self.by_expiry.pop();
                    self.live.remove(&name);
                    removed = removed.saturating_add(1);
                }
                _ => break,
            }
        }
        removed
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
}

impl fmt::Debug for MemoryReplayGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryReplayGuard({} of {})", self.len(), self.0.capacity)
    }
}

/// The names are keyed hashes already.
#[derive(Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, name: u64) {
        self.0 = name;
    }

    // Not reached: the names are `u64`.
    fn write(&mut self, _: &[u8]) {}
}

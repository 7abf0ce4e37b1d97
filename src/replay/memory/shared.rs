//! What the clones of one guard share.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::accounts::{Account, Accounts};
use super::second::LAST_SECOND;
use super::shard::Shard;
use crate::replay::{Claimed, ReplayClaim};

/// Entries are named by a keyed hash. Nobody can make two names meet, and chance does it once in 10¹³ claims against a
/// full guard; the second message is then refused.
pub(super) struct Shared {
    key: RandomState,
    shards: Box<[Shelf]>,
    live: AtomicUsize,
    accounts: Accounts,
}

/// How much one handle may use.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) capacity: usize,
    pub(super) quota: Option<u64>,
}

/// On lines of its own, so that two processors do not wait for each other's.
#[repr(align(64))]
struct Shelf(Mutex<Shard>);

/// As many locks: threads seldom want the same one.
const SHARDS: usize = 1 << SHARD_BITS;
const SHARD_BITS: u32 = 4;

/// The most expired entries that one claim frees: more than it adds, so that the guard keeps up.
const FREED_PER_CLAIM: usize = 8;

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            key: RandomState::new(),
            shards: (0..SHARDS).map(|_| Shelf(Mutex::new(Shard::new()))).collect(),
            live: AtomicUsize::new(0),
            accounts: Accounts::new(),
        }
    }

    pub(super) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// `until` is when the entry expires, not later than the claim does. `None` when the guard is broken.
    pub(super) fn claim(&self, claim: &ReplayClaim<'_>, until: u64, bounds: Bounds) -> Option<Claimed> {
        let (name, now) = (self.name(claim), claim.now.min(LAST_SECOND));
        match self.enter(name, claim, until, now, bounds)? {
            Claimed::Full | Claimed::OverQuota if self.make_room(now) => self.enter(name, claim, until, now, bounds),
            answer => Some(answer),
        }
    }

    /// Gives an entry that lives until `from` another end. `Some(false)` when there is no entry of this name.
    pub(super) fn settle(&self, claim: &ReplayClaim<'_>, from: u64, until: u64) -> Option<bool> {
        let name = self.name(claim);
        let mut shard = self.shard(name)?;
        let Some(entry) = shard.find(name) else { return Some(false) };
        if entry == from.min(LAST_SECOND) {
            shard.extend(name, until);
        }
        Some(true)
    }

    fn enter(&self, name: u64, claim: &ReplayClaim<'_>, until: u64, now: u64, bounds: Bounds) -> Option<Claimed> {
        let mut shard = self.shard(name)?;
        if let Some(entry) = shard.find(name) {
            if entry >= now {
                return Some(Claimed::Seen);
            }
            // Expired and still there: the same key's, so it keeps its place.
            return shard.extend(name, until).map(|()| Claimed::Fresh);
        }
        // In the steady state one goes for each that comes: its place, and its share of the quota, are handed on.
        let place = shard.expire(now);
        if place.is_some() {
            self.free(&mut shard, now, FREED_PER_CLAIM - 1);
        }
        if shard.may_have_forgotten(claim.valid_until) {
            self.give(place);
            return Some(Claimed::Expired);
        }
        let Some(account) = self.account(claim.key_id.hash64(), place, bounds.quota) else {
            self.give(place);
            return Some(Claimed::OverQuota);
        };
        if place.is_none() && !self.reserve(bounds.capacity) {
            self.accounts.give(account);
            return Some(Claimed::Full);
        }
        if shard.insert(name, until, account).is_none() {
            self.give(Some(account));
            return Some(Claimed::Full);
        }
        Some(Claimed::Fresh)
    }

    /// Counts one more for the key, unless a place of its own has just become free; then gives that place's count back.
    fn account(&self, key: u64, place: Option<Account>, quota: Option<u64>) -> Option<Account> {
        let account = match quota {
            None => Account::NONE,
            Some(_) if place.is_some() && place == self.accounts.of(key) => return place,
            Some(quota) => self.accounts.take(key, quota)?,
        };
        if let Some(freed) = place {
            self.accounts.give(freed);
        }
        Some(account)
    }

    fn reserve(&self, capacity: usize) -> bool {
        let add = |live: usize| (live < capacity).then(|| live.saturating_add(1));
        self.live.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    fn give(&self, place: Option<Account>) {
        if let Some(account) = place {
            self.accounts.give(account);
            self.live.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn free(&self, shard: &mut Shard, now: u64, most: usize) -> usize {
        let mut freed = 0_usize;
        while freed < most {
            let Some(account) = shard.expire(now) else { break };
            self.accounts.give(account);
            freed = freed.saturating_add(1);
        }
        if freed > 0 {
            self.live.fetch_sub(freed, Ordering::Relaxed);
        }
        freed
    }

    /// Looks for expired entries in all shards, one lock at a time. Whether there were any.
    fn make_room(&self, now: u64) -> bool {
        let mut left = FREED_PER_CLAIM;
        for shelf in &self.shards {
            left = left.saturating_sub(self.free(&mut lock(shelf), now, left));
        }
        left < FREED_PER_CLAIM
    }

    /// Of key and nonce together. One write where it can be: that is what hashing a short text costs.
    fn name(&self, claim: &ReplayClaim<'_>) -> u64 {
        let (key, nonce) = (claim.key_id.hash64().to_ne_bytes(), claim.nonce.as_bytes());
        let mut hasher = self.key.build_hasher();
        let mut joined = [0; 72];
        if let Some((start, rest)) = joined.split_first_chunk_mut()
            && let Some(room) = rest.get_mut(..nonce.len())
        {
            *start = key;
            room.copy_from_slice(nonce);
            hasher.write(joined.get(..key.len().saturating_add(nonce.len())).unwrap_or_default());
        } else {
            hasher.write(&key);
            hasher.write(nonce);
        }
        hasher.finish()
    }

    fn shard(&self, name: u64) -> Option<MutexGuard<'_, Shard>> {
        self.shards.get((name >> (u64::BITS - SHARD_BITS)) as usize).map(lock)
    }
}

/// A panic cannot leave a shard half changed: nothing in it runs foreign code.
fn lock(shelf: &Shelf) -> MutexGuard<'_, Shard> {
    shelf.0.lock().unwrap_or_else(PoisonError::into_inner)
}

//! How many live entries each key has.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Which count an entry belongs to: 24 bits. [`Account::NONE`] when nobody counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Account(pub(super) u32);

impl Account {
    pub(super) const NONE: Self = Self(0x00ff_ffff);
}

/// Counts in words that never move: 40 bits of the key's hash, and 24 of its count. A word that counts nothing is free.
///
/// Counting is one exchange; only a key without live entries takes the lock, so that no key has two words.
pub(super) struct Accounts {
    segments: [OnceLock<Box<[AtomicU64]>>; SEGMENTS],
    opening: Mutex<()>,
}

/// Each is twice as large as the one before: a few lines for the usual number of keys, and room for 8 million.
const SEGMENTS: usize = 17;
const GROWTH: usize = 2;
const FIRST: usize = 64;
const LINE: usize = 8;

const COUNT: u64 = 0x00ff_ffff;

/// Odd, and without a pattern: the golden ratio of 64 bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

enum Added {
    Yes,
    Over,
    /// The last entry of the key has just gone.
    Gone,
}

impl Accounts {
    pub(super) fn new() -> Self {
        Self { segments: [const { OnceLock::new() }; SEGMENTS], opening: Mutex::new(()) }
    }

    /// Counts one more for a key, unless it has `quota` already.
    pub(super) fn take(&self, key: u64, quota: u64) -> Option<Account> {
        let quota = quota.min(COUNT);
        if let Some((account, word)) = self.find(key) {
            match add(word, key, quota) {
                Added::Yes => return Some(account),
                Added::Over => return None,
                Added::Gone => {}
            }
        }
        self.open(key, quota)
    }

    /// What counts for a key that has live entries.
    pub(super) fn of(&self, key: u64) -> Option<Account> {
        self.find(key).map(|(account, _)| account)
    }

    /// Counts one less.
    pub(super) fn give(&self, account: Account) {
        if account == Account::NONE {
            return;
        }
        let mut place = usize::try_from(account.0).unwrap_or(usize::MAX);
        for words in self.segments.iter().map_while(OnceLock::get) {
            if let Some(word) = words.get(place) {
                word.fetch_sub(1, Ordering::Relaxed);
                return;
            }
            place = place.saturating_sub(words.len());
        }
    }

    #[cold]
    fn open(&self, key: u64, quota: u64) -> Option<Account> {
        let _alone = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((account, word)) = self.find(key) {
            match add(word, key, quota) {
                Added::Yes => return Some(account),
                Added::Over => return None,
                Added::Gone => {}
            }
        }
        let mut size = FIRST;
        for segment in &self.segments {
            segment.get_or_init(|| (0..size).map(|_| AtomicU64::new(0)).collect());
            if let Some((account, word)) = self.scan(key, |word| word & COUNT == 0).filter(|_| quota > 0) {
                word.store(key & !COUNT | 1, Ordering::Relaxed);
                return Some(account);
            }
            size = size.saturating_mul(GROWTH);
        }
        None
    }

    fn find(&self, key: u64) -> Option<(Account, &AtomicU64)> {
        self.scan(key, |word| word & !COUNT == key & !COUNT && word & COUNT != 0)
    }

    /// The first word in the lines of a key that fits.
    fn scan(&self, key: u64, fits: impl Fn(u64) -> bool) -> Option<(Account, &AtomicU64)> {
        let mut base = 0_usize;
        // Another factor for each segment: keys that share a line in one are apart in the next.
        let mut factor = SPREAD;
        for words in self.segments.iter().map_while(OnceLock::get) {
            let lines = words.len().wrapping_div(LINE);
            let line = usize::try_from((key & COUNT).wrapping_mul(factor) >> 32).ok()? & lines.wrapping_sub(1);
            factor = factor.wrapping_mul(SPREAD);
            let start = line.wrapping_mul(LINE);
            let found = words.iter().enumerate().skip(start).take(LINE).find(|(_, w)| fits(w.load(Ordering::Relaxed)));
            if let Some((place, word)) = found {
                return Some((Account(u32::try_from(base.wrapping_add(place)).ok()?), word));
            }
            base = base.wrapping_add(words.len());
        }
        None
    }
}

fn add(word: &AtomicU64, key: u64, quota: u64) -> Added {
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        match seen & COUNT {
            0 => return Added::Gone,
            _ if seen & !COUNT != key & !COUNT => return Added::Gone,
            count if count >= quota => return Added::Over,
            _ => {}
        }
        match word.compare_exchange_weak(seen, seen.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return Added::Yes,
            Err(now) => seen = now,
        }
    }
}

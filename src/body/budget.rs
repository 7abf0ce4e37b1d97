//! How many body bytes all requests of a layer may hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number of bytes that is shared out and comes back.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Shares>);

#[derive(Debug)]
struct Shares {
    held: AtomicU64,
    limit: u64,
    /// Of which this is a part.
    whole: Option<Budget>,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self::part(limit, None)
    }

    /// The quarter of it that strangers may hold.
    pub(crate) fn quarter(&self) -> Self {
        Self::part(self.0.limit / 4, Some(self.clone()))
    }

    fn part(limit: u64, whole: Option<Self>) -> Self {
        Self(Arc::new(Shares { held: AtomicU64::new(0), limit, whole }))
    }

    /// A permit for nothing yet.
    pub(crate) fn permit(&self) -> Permit {
        Permit { budget: self.clone(), held: 0 }
    }

    fn take(&self, bytes: u64) -> bool {
        let Shares { held, limit, whole } = &*self.0;
        let add = |now: u64| now.checked_add(bytes).filter(|sum| sum <= limit);
        if held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_err() {
            return false;
        }
        let all = whole.as_ref().is_none_or(|whole| whole.take(bytes));
        if !all {
            held.fetch_sub(bytes, Ordering::Relaxed);
        }
        all
    }

    fn give(&self, bytes: u64) {
        self.0.held.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.0.whole {
            whole.give(bytes);
        }
    }
}

/// A share of the budget, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    budget: Budget,
    held: u64,
}

impl Permit {
    /// Takes more bytes, or nothing when they are not there. Never waits.
    pub(crate) fn charge(&mut self, bytes: u64) -> bool {
        let taken = self.budget.take(bytes);
        if taken {
            self.held = self.held.saturating_add(bytes);
        }
        taken
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.give(self.held);
    }
}

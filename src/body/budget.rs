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
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self(Arc::new(Shares { held: AtomicU64::new(0), limit }))
    }

    /// A permit for nothing yet.
    pub(crate) fn permit(&self) -> Permit {
        Permit { budget: self.clone(), held: 0 }
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
        let Shares { held, limit } = &*self.budget.0;
        let add = |now: u64| now.checked_add(bytes).filter(|sum| sum <= limit);
        let taken = held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok();
        if taken {
            self.held = self.held.saturating_add(bytes);
        }
        taken
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.0.held.fetch_sub(self.held, Ordering::Relaxed);
    }
}

//! Whether Redis answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::link::Link;

/// While there is no answer, one claim at a time is sent: the others would only wait, and pile up.
#[derive(Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Default)]
struct State {
    /// Since when there has been no answer, or when the connection was last given up.
    silent: Option<Instant>,
    probing: bool,
}

/// How long a connection may be silent before it is given up: the other side may be gone without a word.
const SILENCE: Duration = Duration::from_secs(1);

impl Health {
    /// `None` when Redis is silent and somebody else is asking it already.
    pub(super) fn begin(self: &Arc<Self>) -> Option<Attempt> {
        let mut state = self.state();
        let probe = state.silent.is_some();
        if probe && state.probing {
            return None;
        }
        state.probing = probe;
        drop(state);
        Some(Attempt { health: Arc::clone(self), probe })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One claim that was sent. When it is dropped, another one may be.
pub(super) struct Attempt {
    health: Arc<Health>,
    probe: bool,
}

impl Attempt {
    pub(super) fn answered(&mut self) {
        self.health.state().silent = None;
    }

    pub(super) fn failed(&mut self, link: &dyn Link) {
        if !link.is_single() {
            return;
        }
        let mut state = self.health.state();
        let since = *state.silent.get_or_insert_with(Instant::now);
        if since.elapsed() >= SILENCE {
            state.silent = Some(Instant::now());
            drop(state);
            link.renew();
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.probe {
            self.health.state().probing = false;
        }
    }
}

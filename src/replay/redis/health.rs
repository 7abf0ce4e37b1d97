//! Whether Redis answers.

use std::array;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::link::Link;

/// How many parts the names of a cluster fall into: each belongs to one node, but where nodes share a part.
pub(super) const PARTS: usize = 64;

/// How long a connection may be silent before it is given up, since the other side may be gone without a word; and how
/// long a failure says something about the next claim.
pub(super) const SILENCE: Duration = Duration::from_secs(1);

/// After how long without any answer a claim that is given up counts as a failure.
const SUSPICION: Duration = Duration::from_millis(100);

/// While there is no answer, one claim at a time is sent: the others would only wait, and pile up.
pub(super) struct Health([Mutex<State>; PARTS]);

#[derive(Default)]
struct State {
    /// Since when there has been no answer, or when the connection was last given up.
    silent: Option<Instant>,
    failed: Option<Instant>,
    heard: Option<Instant>,
    /// The one claim that is sent meanwhile.
    probe: Option<u64>,
    attempts: u64,
}

impl Default for Health {
    fn default() -> Self {
        Self(array::from_fn(|_| Mutex::default()))
    }
}

impl Health {
    /// `None` when this part is silent and somebody else is asking it already.
    pub(super) fn begin(self: &Arc<Self>, part: usize, link: &dyn Link) -> Option<Attempt> {
        let sent = Instant::now();
        let since = |moment: Option<Instant>| moment.map(|moment| sent.saturating_duration_since(moment));
        let mut state = self.state(part)?;
        state.attempts = state.attempts.wrapping_add(1);
        let mut attempt = Attempt { health: Arc::clone(self), part, number: state.attempts, sent, settled: false };
        let Some(silence) = since(state.silent) else { return Some(attempt) };
        if state.probe.is_some() {
            attempt.settled = true;
            return None;
        }
        match since(state.failed) {
            // Nobody has asked for a while.
            Some(ago) if ago >= SILENCE => state.silent = None,
            _ => state.probe = Some(attempt.number),
        }
        if silence >= SILENCE {
            state.silent = state.silent.map(|_| sent);
            drop(state);
            link.renew();
        }
        Some(attempt)
    }

    fn state(&self, part: usize) -> Option<MutexGuard<'_, State>> {
        let state = self.0.get(part)?;
        Some(state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One claim that was sent.
pub(super) struct Attempt {
    health: Arc<Health>,
    part: usize,
    number: u64,
    sent: Instant,
    settled: bool,
}

impl Attempt {
    pub(super) fn answered(mut self) {
        self.settle(|state, now| {
            state.silent = None;
            state.heard = Some(now);
        });
    }

    pub(super) fn failed(mut self) {
        self.settle(|state, now| {
            state.silent.get_or_insert(now);
            state.failed = Some(now);
        });
    }

    fn settle(&mut self, with: impl FnOnce(&mut State, Instant)) {
        self.settled = true;
        if let Some(mut state) = self.health.state(self.part) {
            with(&mut state, Instant::now());
            // From here on another one may be sent.
            state.probe = state.probe.filter(|probe| *probe != self.number);
        }
    }
}

impl Drop for Attempt {
    /// A claim that nobody waits for any more is a failure if nothing was heard since it was sent.
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let sent = self.sent;
        self.settle(|state, now| {
            let heard = state.heard.is_some_and(|heard| heard >= sent);
            if !heard && now.saturating_duration_since(sent) >= SUSPICION {
                state.silent.get_or_insert(sent);
                state.failed = Some(now);
            }
        });
    }
}

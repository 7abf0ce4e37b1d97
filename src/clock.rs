//! Where `now` comes from, and how old a message may be.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::error::{ConfigError, Mistake};
use crate::rejection::RejectionKind;

/// A source of time.
///
/// Wall time decides whether a message is fresh and may fail; elapsed time measures deadlines and never runs backwards.
pub trait Clock: Send + Sync + 'static {
    /// Whole seconds since 1970-01-01T00:00:00Z, or `None` when the wall clock cannot be trusted: requests are then
    /// refused with status 503.
    fn now(&self) -> Option<u64>;

    /// Time since some fixed moment.
    fn elapsed(&self) -> Duration;
}

/// The operating system's clocks.
#[derive(Clone, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Option<u64> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(since.as_secs())
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that moves only when told to, for tests. Clones share their time.
///
/// ```
/// use std::time::Duration;
/// use tower_hmac::clock::{Clock, ManualClock};
///
/// let clock = ManualClock::at(1_795_303_445);
/// clock.advance(Duration::from_secs(2));
/// assert_eq!(clock.now(), Some(1_795_303_447));
/// clock.set(1_795_303_000); // the wall clock steps back, elapsed time does not
/// assert_eq!(clock.elapsed(), Duration::from_secs(2));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Manual>);

#[derive(Debug)]
struct Manual {
    now_ms: AtomicU64,
    elapsed_ms: AtomicU64,
    broken: AtomicBool,
}

impl ManualClock {
    /// A clock that stands at `now` (Unix seconds).
    #[must_use]
    pub fn at(now: u64) -> Self {
        Self(Arc::new(Manual {
            now_ms: AtomicU64::new(now.saturating_mul(1000)),
            elapsed_ms: AtomicU64::new(0),
            broken: AtomicBool::new(false),
        }))
    }

    /// Moves wall time and elapsed time forward. Less than a millisecond is dropped.
    pub fn advance(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.0.now_ms.fetch_add(ms, Ordering::SeqCst);
        self.0.elapsed_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Steps the wall clock to `now` (Unix seconds), back or forth.
    pub fn set(&self, now: u64) {
        self.0.now_ms.store(now.saturating_mul(1000), Ordering::SeqCst);
        self.0.broken.store(false, Ordering::SeqCst);
    }

    /// Makes the wall clock fail until the next [`set`](Self::set).
    pub fn fail(&self) {
        self.0.broken.store(true, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Option<u64> {
        let now = self.0.now_ms.load(Ordering::SeqCst).checked_div(1000);
        now.filter(|_| !self.0.broken.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.elapsed_ms.load(Ordering::SeqCst))
    }
}

/// How far a message's time may lie from now, in each direction, inclusive, in whole seconds.
///
/// The default is 300 s into the past and 60 s into the future.
///
/// ```
/// use std::time::Duration;
/// use tower_hmac::clock::Tolerance;
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let tolerance = Tolerance::new(Duration::from_secs(120), Duration::from_secs(5))?;
/// assert!(Tolerance::new(Duration::ZERO, Duration::from_secs(5)).is_err());
/// # let _ = tolerance;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    past: u64,
    future: u64,
}

/// How long a replay entry outlives the last second in which its message is fresh.
const SKEW: u64 = 60;

impl Tolerance {
    /// A window of `past` and `future`.
    ///
    /// # Errors
    ///
    /// When one of them is shorter than a second, longer than an hour, or not in whole seconds.
    pub fn new(past: Duration, future: Duration) -> Result<Self, ConfigError> {
        let fits = |d: Duration| (1..=3600).contains(&d.as_secs()) && d.subsec_nanos() == 0;
        if !fits(past) || !fits(future) {
            return Err(Mistake::Tolerance.into());
        }
        Ok(Self { past: past.as_secs(), future: future.as_secs() })
    }

    /// Equal in both directions, from a second to an hour.
    pub(crate) const fn both(seconds: u64) -> Self {
        Self { past: seconds, future: seconds }
    }

    /// What both allow.
    pub(crate) fn narrower(self, other: Self) -> Self {
        Self { past: self.past.min(other.past), future: self.future.min(other.future) }
    }

    pub(crate) fn check(self, timestamp: u64, now: u64) -> Result<(), RejectionKind> {
        let distance = now.abs_diff(timestamp);
        match timestamp <= now {
            true if distance > self.past => Err(RejectionKind::Stale),
            false if distance > self.future => Err(RejectionKind::Future),
            _ => Ok(()),
        }
    }

    /// The latest time that a message may bear.
    pub(crate) fn latest(self, now: u64) -> u64 {
        now.saturating_add(self.future)
    }

    /// The last second in which a message of this time must be remembered.
    pub(crate) fn remember_until(self, timestamp: u64) -> u64 {
        timestamp.saturating_add(self.past).saturating_add(SKEW)
    }
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { past: 300, future: 60 }
    }
}

impl fmt::Debug for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tolerance(-{} s, +{} s)", self.past, self.future)
    }
}

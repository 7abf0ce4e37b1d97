//! What a cache remembers: answers, each for its time, and look-ups under way.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, WeakShared};
use quick_cache::sync::Cache;

use super::Keys;
use crate::encoding::to_hex;
use crate::error::BoxError;
use crate::mac::BodyHash;

/// The longest text, in bytes, that is remembered as it is.
const LONG: usize = 256;

/// What was answered, and what is being asked.
pub(super) struct Memory {
    /// The most ids that are remembered.
    pub(super) entries: usize,
    pub(super) known: Cache<Box<str>, (Duration, Keys)>,
    pub(super) unknown: Cache<Box<str>, Duration>,
    flights: Mutex<Vec<Flight>>,
}

/// A look-up that somebody waits for. When the last one has gone, it is dropped.
pub(super) struct Flight {
    pub(super) entry: Box<str>,
    pub(super) since: Duration,
    pub(super) found: WeakShared<BoxFuture<'static, Found>>,
}

pub(super) type Found = Result<Option<Keys>, Failure>;

/// What an answer is remembered under, bounded: strangers choose it. A key id has no line feed.
pub(super) fn entry<'a>(id: Option<&'a str>, name: Option<&'a str>) -> Cow<'a, str> {
    let text = match (id.unwrap_or_default(), name) {
        (id, None) => Cow::Borrowed(id),
        (id, Some(name)) => Cow::Owned(format!("{id}\n{name}")),
    };
    // So nothing that is kept as it is begins as a digest does.
    if text.len() <= LONG && !name.is_some_and(|name| name.contains('\n')) {
        return text;
    }
    let mut hash = BodyHash::default();
    hash.update(text.as_bytes());
    Cow::Owned(format!("\n\n{}", to_hex(&hash.finish())))
}

impl Memory {
    pub(super) fn new(entries: usize) -> Self {
        Self { entries, known: Cache::new(entries), unknown: Cache::new(entries), flights: Mutex::default() }
    }

    pub(super) fn forget(&self, entry: &str) {
        self.known.remove(entry);
        self.unknown.remove(entry);
    }

    pub(super) fn recall(&self, entry: &str, now: Duration) -> Option<Option<Keys>> {
        match self.known.get(entry) {
            Some((until, keys)) if now < until => Some(Some(keys)),
            _ => self.unknown.get(entry).filter(|until| now < *until).map(|_| None),
        }
    }

    /// Unless something later is known.
    pub(super) fn keep(&self, entry: &str, found: &Result<Option<Keys>, BoxError>, until: Duration) {
        let known = self.known.get(entry).map(|(until, _)| until);
        if known.max(self.unknown.get(entry)).is_some_and(|later| later > until) {
            return;
        }
        match found {
            Ok(Some(keys)) => {
                self.known.insert(entry.into(), (until, keys.clone()));
                self.unknown.remove(entry);
            }
            Ok(None) => {
                self.known.remove(entry);
                self.unknown.insert(entry.into(), until);
            }
            Err(_) => {}
        }
    }

    pub(super) fn flights(&self) -> MutexGuard<'_, Vec<Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One failure, told to all who waited.
#[derive(Clone, Debug)]
pub(super) struct Failure(pub(super) Arc<dyn Error + Send + Sync>);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

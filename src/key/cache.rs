//! Remembering what a slow store answered.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::remembered::{Failure, Flight, Found, Memory, entry};
use super::{Key, KeyQuery, KeyStore, Lookup};
use crate::answer::Answer;
use crate::clock::{Clock, SystemClock};
use crate::error::BoxError;

/// A store in front of a slow one: what was answered is answered again until its time to live is over, counted from the
/// question, so that a key that was revoked is accepted for so long at most.
///
/// It goes by key id alone, and the store behind it sees nothing else: a head that is no request's. Where the head
/// decides, say [how](Self::named_by). An unknown id is remembered as well, apart from the known ones, so that strangers
/// displace nothing. For one id there is one look-up at a time (a second for those who come 5 s later, should the first
/// never end), and at most 16 in all, of which four are left to ids that were known before; what would be one more is
/// refused with status 503. A failure is not remembered.
///
/// The store's own `lookup` must return at once and leave the work to its future. Clones share what they remember.
///
/// ```
/// use std::time::Duration;
/// use tower_hmac::{AsyncKeys, CachingKeyStore, HmacLayer, Scheme};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// # let database = AsyncKeys::new(|_| async { Ok(None) });
/// let keys = CachingKeyStore::new(database, Duration::from_secs(30)).entries(1000);
/// let layer = HmacLayer::new(Scheme::native(), keys.clone())?;
///
/// keys.forget("partner-7"); // revoked
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CachingKeyStore {
    store: Arc<dyn KeyStore>,
    clock: Arc<dyn Clock>,
    life: Duration,
    name: Option<Arc<Name>>,
    memory: Arc<Memory>,
}

/// What an answer is remembered under, beside the key id.
type Name = dyn Fn(&KeyQuery<'_>) -> String + Send + Sync;

/// How old a look-up may be for those who come later to wait for it: it may never end.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most look-ups at a time.
const MOST: usize = 16;

/// Of these, how many strangers leave to ids that were known before.
const RESERVED: usize = 4;

impl CachingKeyStore {
    /// Remembers the answers of `store` for `life`: up to 10 000 known ids, and as many unknown ones.
    #[must_use]
    pub fn new(store: impl KeyStore, life: Duration) -> Self {
        let (store, clock) = (Arc::new(store), Arc::new(SystemClock::default()));
        Self { store, clock, life, name: None, memory: Arc::new(Memory::new(10_000)) }
    }

    /// Sets a name that an answer is remembered under, beside the key id, for a store that looks at the head: one with a
    /// secret for each path of a webhook endpoint. Whatever the store goes by must be in the name: requests with one id and
    /// one name get the same keys. What was remembered is forgotten.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_hmac::{Answer, CachingKeyStore, KeyQuery, Keys, Lookup};
    ///
    /// # async fn secret_of(_path: String) -> Result<Option<Keys>, Box<dyn std::error::Error + Send + Sync>> { Ok(None) }
    /// let database = |query: &KeyQuery<'_>| -> Lookup { Answer::later(secret_of(query.head().uri.path().to_owned())) };
    /// let keys = CachingKeyStore::new(database, Duration::from_secs(30)).named_by(|query| query.head().uri.path().into());
    /// keys.forget_named(None, "/hooks/7"); // a format without key ids
    /// ```
    #[must_use]
    pub fn named_by(self, name: impl Fn(&KeyQuery<'_>) -> String + Send + Sync + 'static) -> Self {
        Self { name: Some(Arc::new(name)), memory: Arc::new(Memory::new(self.memory.entries)), ..self }
    }

    /// Sets how many known ids are remembered, and how many unknown ones. What was remembered is forgotten.
    #[must_use]
    pub fn entries(self, entries: usize) -> Self {
        Self { memory: Arc::new(Memory::new(entries)), ..self }
    }

    /// Sets the clock that the time to live is measured by. Default: [`SystemClock`].
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Forgets one id: the next request with it asks the store. A look-up that is under way may still be remembered.
    pub fn forget(&self, id: &str) {
        self.memory.forget(&entry(Some(id), None));
    }

    /// Forgets one id, or none, with one [name](Self::named_by).
    pub fn forget_named(&self, id: Option<&str>, name: &str) {
        self.memory.forget(&entry(id, Some(name)));
    }

    fn start(&self, entry: &str, query: &KeyQuery<'_>) -> Lookup {
        let mut flights = self.memory.flights();
        let now = self.clock.elapsed();
        if let Some(found) = self.memory.recall(entry, now) {
            return found.into();
        }
        flights.retain(|flight| flight.found.upgrade().is_some_and(|found| found.peek().is_none()));
        let mut of_this = flights.iter().filter(|flight| *flight.entry == *entry);
        if let (Some(flight), second) = (of_this.next(), of_this.next()) {
            let latest = second.unwrap_or(flight);
            // Never a third, for whoever hangs would take the place of all others.
            let joined = second.is_some() || now.saturating_sub(latest.since) < PATIENCE;
            if let Some(found) = latest.found.upgrade().filter(|_| joined) {
                return wait(found);
            }
        }
        let most = if self.memory.known.get(entry).is_some() { MOST } else { MOST - RESERVED };
        if flights.len() >= most {
            return Lookup::Ready(Err("too many key look-ups at a time".into()));
        }
        // Of what happens while the store looks, its answer may know nothing.
        let until = now.saturating_add(self.life);
        match self.store.lookup(query) {
            Answer::Ready(found) => {
                self.memory.keep(entry, &found, until);
                Answer::Ready(found)
            }
            Answer::Later(found) => {
                let (memory, name) = (Arc::clone(&self.memory), Box::<str>::from(entry));
                let work = async move {
                    let found = found.await;
                    memory.keep(&name, &found, until);
                    found.map_err(|error| Failure(Arc::from(error)))
                };
                let found = work.boxed().shared();
                if let Some(weak) = found.downgrade() {
                    flights.push(Flight { entry: entry.into(), since: now, found: weak });
                }
                wait(found)
            }
        }
    }
}

fn wait(found: Shared<BoxFuture<'static, Found>>) -> Lookup {
    Answer::later(async move { found.await.map_err(BoxError::from) })
}

impl KeyStore for CachingKeyStore {
    fn lookup(&self, query: &KeyQuery<'_>) -> Lookup {
        let name = self.name.as_ref().map(|name| name(query));
        let entry = entry(query.key_id(), name.as_deref());
        // What is not in the name must not decide.
        let query = if name.is_some() { *query } else { query.without_head() };
        match self.memory.recall(&entry, self.clock.elapsed()) {
            Some(found) => found.into(),
            None => self.start(&entry, &query),
        }
    }

    fn visit(&self, visit: &mut dyn FnMut(&Key)) {
        self.store.visit(visit);
    }
}

impl fmt::Debug for CachingKeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (known, unknown) = (self.memory.known.len(), self.memory.unknown.len());
        write!(f, "CachingKeyStore({known} known, {unknown} unknown)")
    }
}

//! Remembering what a slow store answered.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use quick_cache::sync::Cache;

use super::{Key, KeyQuery, KeyStore, Keys, Lookup};
use crate::answer::Answer;
use crate::clock::{Clock, SystemClock};
use crate::error::BoxError;

/// A store in front of a slow one: what was answered is answered again until its time to live is over, counted from the
/// question, so that a key that was revoked is accepted for so long at most.
///
/// It goes by key id alone, and the store behind it sees nothing else: an empty head. Where the head decides, say
/// [how](Self::by). An unknown id is remembered as well, apart from the known ones, so that strangers displace nothing.
/// For one id there is one look-up at a time (another after 5 s, should the first never end), and at most 16 in all, of
/// which four are left to ids that were known before; what would be one more is refused with status 503. A failure is
/// not remembered.
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
    by: Option<Arc<Name>>,
    memory: Arc<Memory>,
}

/// What an answer is remembered under.
type Name = dyn Fn(&KeyQuery<'_>) -> String + Send + Sync;

struct Memory {
    known: Cache<Box<str>, (Duration, Keys)>,
    unknown: Cache<Box<str>, Duration>,
    flights: Mutex<Vec<Flight>>,
}

/// A look-up that somebody waits for. When the last one has gone, it is dropped.
struct Flight {
    id: Box<str>,
    since: Duration,
    found: WeakShared<BoxFuture<'static, Found>>,
}

type Found = Result<Option<Keys>, Failure>;

/// How long those who come later wait for a look-up: it may never end.
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
        Self { store, clock, life, by: None, memory: Arc::new(Memory::new(10_000)) }
    }

    /// Sets the name that an answer is remembered under, for a store that looks at the head: one with a secret for each
    /// path of a webhook endpoint, or for each host that is called. Whatever the store goes by must be in the name, the
    /// key id too if there is one: requests of one name get the same keys. [`forget`](Self::forget) takes such a name.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_hmac::{Answer, CachingKeyStore, KeyQuery, Keys, Lookup};
    ///
    /// # async fn secret_of(_path: String) -> Result<Option<Keys>, Box<dyn std::error::Error + Send + Sync>> { Ok(None) }
    /// let database = |query: &KeyQuery<'_>| -> Lookup { Answer::later(secret_of(query.head().uri.path().to_owned())) };
    /// let keys = CachingKeyStore::new(database, Duration::from_secs(30)).by(|query| query.head().uri.path().to_owned());
    /// keys.forget("/hooks/7");
    /// ```
    #[must_use]
    pub fn by(self, name: impl Fn(&KeyQuery<'_>) -> String + Send + Sync + 'static) -> Self {
        Self { by: Some(Arc::new(name)), ..self }
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

    /// Forgets one id, or [name](Self::by): the next request with it asks the store. A look-up that is under way may still
    /// be remembered.
    pub fn forget(&self, id: &str) {
        self.memory.known.remove(id);
        self.memory.unknown.remove(id);
    }

    fn start(&self, id: &str, query: &KeyQuery<'_>) -> Lookup {
        let mut flights = self.memory.flights();
        let now = self.clock.elapsed();
        if let Some(found) = self.memory.recall(id, now) {
            return found.into();
        }
        flights.retain(|flight| flight.found.upgrade().is_some_and(|found| found.peek().is_none()));
        let young = |flight: &&Flight| *flight.id == *id && now.saturating_sub(flight.since) < PATIENCE;
        if let Some(found) = flights.iter().find(young).and_then(|flight| flight.found.upgrade()) {
            return wait(found);
        }
        let most = if self.memory.known.get(id).is_some() { MOST } else { MOST - RESERVED };
        if flights.len() >= most {
            return Lookup::Ready(Err("too many key look-ups at a time".into()));
        }
        // Of what happens while the store looks, its answer may know nothing.
        let until = now.saturating_add(self.life);
        match self.store.lookup(query) {
            Answer::Ready(found) => {
                self.memory.keep(id, &found, until);
                Answer::Ready(found)
            }
            Answer::Later(found) => {
                let (memory, name) = (Arc::clone(&self.memory), Box::<str>::from(id));
                let work = async move {
                    let found = found.await;
                    memory.keep(&name, &found, until);
                    found.map_err(|error| Failure(Arc::from(error)))
                };
                let found = work.boxed().shared();
                if let Some(weak) = found.downgrade() {
                    flights.push(Flight { id: id.into(), since: now, found: weak });
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
        // What is not in the name must not decide.
        let (name, query) = match &self.by {
            Some(by) => (Cow::Owned(by(query)), *query),
            None => (Cow::Borrowed(query.key_id().unwrap_or_default()), query.without_head()),
        };
        match self.memory.recall(&name, self.clock.elapsed()) {
            Some(found) => found.into(),
            None => self.start(&name, &query),
        }
    }

    fn visit(&self, visit: &mut dyn FnMut(&Key)) {
        self.store.visit(visit);
    }
}

impl Memory {
    fn new(entries: usize) -> Self {
        Self { known: Cache::new(entries), unknown: Cache::new(entries), flights: Mutex::default() }
    }

    fn recall(&self, id: &str, now: Duration) -> Option<Option<Keys>> {
        match self.known.get(id) {
            Some((until, keys)) if now < until => Some(Some(keys)),
            _ => self.unknown.get(id).filter(|until| now < *until).map(|_| None),
        }
    }

    fn keep(&self, id: &str, found: &Result<Option<Keys>, BoxError>, until: Duration) {
        match found {
            Ok(Some(keys)) => {
                self.known.insert(id.into(), (until, keys.clone()));
                self.unknown.remove(id);
            }
            Ok(None) => {
                self.known.remove(id);
                self.unknown.insert(id.into(), until);
            }
            Err(_) => {}
        }
    }

    fn flights(&self) -> MutexGuard<'_, Vec<Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One failure, told to all who waited.
#[derive(Clone, Debug)]
struct Failure(Arc<dyn Error + Send + Sync>);

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

impl fmt::Debug for CachingKeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (known, unknown) = (self.memory.known.len(), self.memory.unknown.len());
        write!(f, "CachingKeyStore({known} known, {unknown} unknown)")
    }
}

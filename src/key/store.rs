//! Where keys come from.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, LazyLock};

use http::request::Parts;

use super::Key;
use crate::answer::Answer;
use crate::clock::{Clock, SystemClock};
use crate::error::{BoxError, ConfigError, Mistake};

/// The most keys that may be accepted under one id at a time: each costs one MAC per request.
pub const MAX_KEYS: usize = 4;

/// What is known when a key is looked up: the key id, the head of the request, and the layer's clock.
///
/// Nothing of the request is authentic yet.
#[derive(Clone, Copy)]
pub struct KeyQuery<'a> {
    key_id: Option<&'a str>,
    head: &'a Parts,
    clock: Option<&'a dyn Clock>,
}

impl<'a> KeyQuery<'a> {
    /// A query as the layer makes it, on the system's clock: for testing a store.
    #[must_use]
    pub fn new(key_id: Option<&'a str>, head: &'a Parts) -> Self {
        Self { key_id, head, clock: None }
    }

    /// The same query on another clock.
    #[must_use]
    pub fn with_clock(self, clock: &'a dyn Clock) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// The same query, which says nothing of the request but the key id.
    #[cfg(feature = "key-cache")]
    pub(super) fn without_head(self) -> Self {
        static NOTHING: LazyLock<Parts> = LazyLock::new(|| {
            let mut head = http::Request::new(()).into_parts().0;
            head.uri = http::Uri::from_static("*");
            head
        });
        Self { head: &NOTHING, ..self }
    }

    /// The key id that the message names. `None` when the scheme has no key ids, and always in a client layer, which
    /// looks for a key to sign with.
    #[must_use]
    pub fn key_id(&self) -> Option<&'a str> {
        self.key_id
    }

    /// The head of the request, as the layer received it, but for a default port that a client layer takes out: a webhook
    /// endpoint may choose the key by path.
    #[must_use]
    pub fn head(&self) -> &'a Parts {
        self.head
    }

    /// The present second (Unix time) on the layer's clock, or `None` when it has failed.
    #[must_use]
    pub fn now(&self) -> Option<u64> {
        self.clock().now()
    }

    /// The layer's clock.
    pub(crate) fn clock(&self) -> &'a dyn Clock {
        static SYSTEM: LazyLock<SystemClock> = LazyLock::new(SystemClock::default);
        self.clock.unwrap_or(&*SYSTEM)
    }
}

impl fmt::Debug for KeyQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyQuery").field("key_id", &self.key_id).field("head", self.head).finish_non_exhaustive()
    }
}

/// The keys that are accepted for one id (up to [`MAX_KEYS`]), and the caller's own data about them.
///
/// ```
/// use tower_hmac::{Key, Keys};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// #[derive(Debug, PartialEq)]
/// struct Tenant(u32);
///
/// let (key, _) = Key::generate("svc-a")?;
/// let keys = Keys::from(key).with_data(Tenant(7));
/// # let _ = keys;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Keys {
    keys: [Option<Key>; MAX_KEYS],
    data: Option<Data>,
}

/// The caller's own data about a key.
pub(crate) type Data = Arc<dyn Any + Send + Sync>;

impl Keys {
    /// Several secrets that are accepted at the same time, while one replaces the other. Keep their order: the first
    /// stands for all of them before the replay guard.
    ///
    /// # Errors
    ///
    /// When there are more than [`MAX_KEYS`].
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Result<Self, ConfigError> {
        let mut all = keys.into_iter();
        let accepted = std::array::from_fn(|_| all.next());
        match all.next() {
            None => Ok(Self { keys: accepted, data: None }),
            Some(_) => Err(Mistake::TooManyKeys.into()),
        }
    }

    /// Adds data (tenant, account) that [`Verified::data`](crate::Verified::data) hands to the service.
    #[must_use]
    pub fn with_data<T: Send + Sync + 'static>(self, data: T) -> Self {
        Self { data: Some(Arc::new(data)), ..self }
    }

    /// Of at most [`MAX_KEYS`], the rest is dropped; `None` of none.
    pub(super) fn valid<'k>(keys: impl Iterator<Item = &'k Key>, data: Option<&Data>) -> Option<Self> {
        let mut all = keys.cloned();
        let keys = std::array::from_fn(|_| all.next());
        keys.iter().any(Option::is_some).then(|| Self { keys, data: data.cloned() })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().flatten()
    }

    pub(crate) fn into_first(self) -> Option<Key> {
        self.keys.into_iter().flatten().next()
    }

    pub(crate) fn data(&self) -> Option<&Data> {
        self.data.as_ref()
    }
}

impl From<Key> for Keys {
    fn from(key: Key) -> Self {
        let mut keys = [const { None }; MAX_KEYS];
        if let Some(first) = keys.first_mut() {
            *first = Some(key);
        }
        Self { keys, data: None }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The outcome of a look-up: keys, `None` for an unknown id, or an error (status 503, or in a client
/// [`KeysUnavailable`](crate::ClientErrorKind::KeysUnavailable)); now or later.
pub type Lookup = Answer<Result<Option<Keys>, BoxError>>;

impl From<Option<Key>> for Lookup {
    fn from(key: Option<Key>) -> Self {
        Self::Ready(Ok(key.map(Keys::from)))
    }
}

impl From<Option<Keys>> for Lookup {
    fn from(keys: Option<Keys>) -> Self {
        Self::Ready(Ok(keys))
    }
}

/// Finds the keys for a request.
///
/// A [`Key`] is a store of one key; a closure is a store; so is whatever implements this trait. An unknown id is
/// `None`: it is refused exactly as a wrong signature is. A failure is status 503, never a pass. A returned key must
/// carry the id that was asked for and must fit the scheme; otherwise the request is refused with status 503.
///
/// The look-up is made once for each request, before a byte of the body is read.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::{Arc, LazyLock};
/// use tower_hmac::{Answer, Key, KeyQuery, KeyStore, Keys, Lookup};
///
/// struct Database(Arc<HashMap<String, Key>>); // stands for a connection pool
///
/// impl KeyStore for Database {
///     fn lookup(&self, query: &KeyQuery<'_>) -> Lookup {
///         let Some(id) = query.key_id().map(str::to_owned) else { return None::<Key>.into() };
///         let pool = Arc::clone(&self.0);
///         Answer::later(async move { Ok(pool.get(&id).cloned().map(Keys::from)) })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a key store",
    note = "a closure is one if it is written `|query: &KeyQuery<'_>| -> Lookup {{ .. }}`; `.into()` makes a `Lookup` of an \
            `Option<Key>` or `Option<Keys>`",
    note = "`AsyncKeys` makes one of an asynchronous function, `KeyRing` of a list of keys"
)]
pub trait KeyStore: Send + Sync + 'static {
    /// Starts a look-up. The future may be dropped at any await.
    fn lookup(&self, query: &KeyQuery<'_>) -> Lookup;

    /// Shows every key that is known from the start, so that one which does not fit the scheme is found when the
    /// layer is built.
    fn visit(&self, _visit: &mut dyn FnMut(&Key)) {}
}

impl KeyStore for Key {
    fn lookup(&self, query: &KeyQuery<'_>) -> Lookup {
        let matches = query.key_id().is_none_or(|id| id == self.id().as_str());
        matches.then(|| self.clone()).into()
    }

    fn visit(&self, visit: &mut dyn FnMut(&Key)) {
        visit(self);
    }
}

impl<F> KeyStore for F
where
    F: Fn(&KeyQuery<'_>) -> Lookup + Send + Sync + 'static,
{
    fn lookup(&self, query: &KeyQuery<'_>) -> Lookup {
        self(query)
    }
}

impl<K: KeyStore + ?Sized> KeyStore for Arc<K> {
    fn lookup(&self, query: &KeyQuery<'_>) -> Lookup {
        (**self).lookup(query)
    }

    fn visit(&self, visit: &mut dyn FnMut(&Key)) {
        (**self).visit(visit);
    }
}

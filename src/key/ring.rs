//! Many keys, several of one id, each for its time.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Data, Key, KeyQuery, KeyStore, Keys, Lookup, MAX_KEYS};
use crate::error::{ConfigError, Mistake};

/// A key and when it is accepted: from the first to the last second, both included.
///
/// ```
/// use tower_hmac::{Key, RingKey};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let (key, _) = Key::generate("svc-a")?;
/// let key = RingKey::from(key).not_before(1_795_300_000).not_after(1_795_400_000).with_data("partner 7");
/// # let _ = key;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RingKey {
    key: Key,
    not_before: u64,
    not_after: u64,
    data: Option<Data>,
}

impl RingKey {
    /// Sets the first second (Unix time) in which the key is accepted.
    #[must_use]
    pub fn not_before(self, second: u64) -> Self {
        Self { not_before: second, ..self }
    }

    /// Sets the last second (Unix time) in which the key is accepted.
    #[must_use]
    pub fn not_after(self, second: u64) -> Self {
        Self { not_after: second, ..self }
    }

    /// Adds data (tenant, account) that [`Verified::data`](crate::Verified::data) hands to the service. Of several keys of
    /// one id that are valid, the first that has data gives it, whichever signed.
    #[must_use]
    pub fn with_data<T: Send + Sync + 'static>(self, data: T) -> Self {
        Self { data: Some(Arc::new(data)), ..self }
    }

    fn is_bounded(&self) -> bool {
        self.not_before > 0 || self.not_after < u64::MAX
    }

    fn is_valid(&self, now: u64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

impl From<Key> for RingKey {
    fn from(key: Key) -> Self {
        Self { key, not_before: 0, not_after: u64::MAX, data: None }
    }
}

impl fmt::Debug for RingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RingKey({:?}, from {} to {})", self.key, self.not_before, self.not_after)
    }
}

/// The keys of all callers, up to [`MAX_KEYS`] of each id, to be replaced as a whole while requests are in flight.
///
/// Clones share the ring: keep one to [`replace`](Self::replace) what the layer uses. Validity is judged by the layer's
/// clock. A response is signed with the secret that verified its request. An empty ring accepts nobody.
///
/// In a [client layer](crate::HmacClientLayer) a ring of one id signs with its [`signing_key`](Self::signing_key), and accepts
/// answers under the key of their request. Give a new secret to the servers first, then to the clients.
///
/// ```
/// use tower_hmac::{HmacLayer, Key, KeyRing, RingKey, Scheme};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// # let (old, new) = (Key::generate("svc-a")?.0, Key::generate("svc-a")?.0);
/// # let partner = Key::generate("partner-7")?.0;
/// // The new secret first: it is the one to sign with. The old one is accepted for a while.
/// let ring = KeyRing::new([RingKey::from(new.clone()), RingKey::from(old).not_after(1_795_400_000), partner.into()])?;
/// let layer = HmacLayer::new(Scheme::native(), ring.clone())?;
///
/// // later, from what a configuration file or a database says now
/// ring.replace([RingKey::from(new)])?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct KeyRing(Arc<RwLock<Table>>);

type Table = HashMap<Box<str>, Vec<RingKey>>;

impl KeyRing {
    /// A ring of these keys. Of those with one id, the order says which one signs.
    ///
    /// # Errors
    ///
    /// When more than [`MAX_KEYS`] have one id, when a key ends before it begins, or when keys of two ids give the same
    /// MACs: whoever holds one could speak for both.
    pub fn new(keys: impl IntoIterator<Item = RingKey>) -> Result<Self, ConfigError> {
        Ok(Self(Arc::new(RwLock::new(table(keys)?))))
    }

    /// Replaces all keys at once, in every clone. A request that has been verified goes on as it was.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new); the ring is then left as it was. Whether a key fits the scheme of a layer is not seen
    /// here: one that does not turns all requests with its id into status 503.
    pub fn replace(&self, keys: impl IntoIterator<Item = RingKey>) -> Result<(), ConfigError> {
        let table = table(keys)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = table;
        Ok(())
    }

    /// The key to sign requests with: the first of this id that is valid at `now` (Unix seconds).
    #[must_use]
    pub fn signing_key(&self, id: &str, now: u64) -> Option<Key> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.get(id)?.iter().find(|key| key.is_valid(now)).map(|key| key.key.clone())
    }
}

fn table(keys: impl IntoIterator<Item = RingKey>) -> Result<Table, ConfigError> {
    let mut table = Table::new();
    for key in keys {
        if key.not_after < key.not_before {
            return Err(Mistake::KeyNeverValid(key.key.id().to_string()).into());
        }
        let of_one_id = table.entry(key.key.id().as_str().into()).or_default();
        of_one_id.push(key);
        if of_one_id.len() > MAX_KEYS {
            return Err(Mistake::TooManyKeys.into());
        }
    }
    // Different secrets may be one HMAC key: padded with zeros, or the digest of the other. What they make shows it.
    let mut seen: HashMap<Vec<u8>, &str> = HashMap::new();
    for (id, keys) in &table {
        for effect in keys.iter().map(effect).collect::<HashSet<_>>() {
            if let Some(other) = seen.insert(effect, id) {
                return Err(Mistake::SameKey(id.to_string(), other.to_owned()).into());
            }
        }
    }
    Ok(table)
}

fn effect(key: &RingKey) -> Vec<u8> {
    let mut mac = key.key.mac();
    mac.update(b"tower-hmac: which key is this?");
    mac.finish().as_bytes().to_vec()
}

impl KeyStore for KeyRing {
    /// Without a key id: the keys of the only id that there is.
    fn lookup(&self, query: &KeyQuery<'_>) -> Lookup {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = match query.key_id() {
            Some(id) => table.get(id),
            None => table.values().next().filter(|_| table.len() == 1),
        };
        let Some(keys) = found else { return None::<Keys>.into() };
        let now = match keys.iter().any(RingKey::is_bounded) {
            true => query.now(),
            false => Some(0),
        };
        match now {
            Some(now) => {
                let valid = || keys.iter().filter(|key| key.is_valid(now));
                Keys::valid(valid().map(|key| &key.key), valid().find_map(|key| key.data.as_ref())).into()
            }
            None => Lookup::Ready(Err("the clock that says which keys are valid has failed".into())),
        }
    }

    fn visit(&self, visit: &mut dyn FnMut(&Key)) {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.values().flatten().for_each(|key| visit(&key.key));
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_map().entries(table.iter()).finish()
    }
}

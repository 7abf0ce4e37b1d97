//! The public name of a secret.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use crate::error::{ConfigError, Mistake};

/// The public name of a secret: 1 to 256 visible ASCII characters. A scheme may want less.
///
/// ```
/// use tower_hmac::KeyId;
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let id = KeyId::new("svc-a")?;
/// assert_eq!(id.as_str(), "svc-a");
/// assert!(KeyId::new("").is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyId {
    text: Arc<str>,
    hash: u64,
}

impl KeyId {
    /// Takes a name.
    ///
    /// # Errors
    ///
    /// When it is empty, longer than 256 bytes, or holds anything but visible ASCII.
    pub fn new(id: &str) -> Result<Self, ConfigError> {
        match id.len() {
            0 => Err(Mistake::KeyId("is empty").into()),
            1..=256 if id.bytes().all(|b| b.is_ascii_graphic()) => Ok(Self { text: id.into(), hash: hash(id) }),
            1..=256 => Err(Mistake::KeyId("holds something else than visible ASCII").into()),
            _ => Err(Mistake::KeyId("is longer than 256 bytes").into()),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A keyed hash of the name, the same for as long as the process runs.
    pub(crate) fn hash64(&self) -> u64 {
        self.hash
    }
}

fn hash(id: &str) -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEY.hash_one(id)
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

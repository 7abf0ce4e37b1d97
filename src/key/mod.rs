//! Secrets: [`Key`], its [`KeyId`], and where keys come from ([`KeyStore`]).

#[cfg(feature = "key-cache")]
mod cache;
mod id;
mod later;
#[cfg(feature = "key-cache")]
mod remembered;
mod ring;
mod store;

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

#[cfg(feature = "key-cache")]
pub use self::cache::CachingKeyStore;
pub use self::id::KeyId;
pub use self::later::AsyncKeys;
pub use self::ring::{KeyRing, RingKey};
pub(crate) use self::store::Data;
pub use self::store::{KeyQuery, KeyStore, Keys, Lookup, MAX_KEYS};
use crate::encoding;
use crate::error::{ConfigError, Mistake};
use crate::mac::{Algorithm, Mac};

/// A secret with its name and algorithm (HMAC-SHA256 unless said otherwise).
///
/// The keyed state is computed once. The secret is never shown, not comparable, and the key's memory is erased with
/// the last clone. Clones are cheap.
///
/// ```
/// use tower_hmac::Key;
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let key = Key::from_hex("svc-a", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")?;
/// assert_eq!(format!("{key:?}"), "Key(\"svc-a\", HMAC-SHA256)");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Key(Arc<Inner>);

struct Inner {
    id: KeyId,
    algorithm: Algorithm,
    secret: Zeroizing<Vec<u8>>,
    mac: Mac,
}

impl Key {
    /// A key whose secret is these bytes.
    ///
    /// # Errors
    ///
    /// When the secret is empty or the id is not a [`KeyId`]. Holds for every constructor.
    pub fn from_bytes(id: &str, secret: impl Into<Vec<u8>>) -> Result<Self, ConfigError> {
        Self::build(KeyId::new(id)?, Algorithm::HmacSha256, Zeroizing::new(secret.into()))
    }

    /// A key whose secret is the bytes of this text, as most webhook providers mean theirs.
    ///
    /// # Errors
    ///
    /// Also when the text ends in white space, as the content of a file often does.
    pub fn from_text(id: &str, secret: &str) -> Result<Self, ConfigError> {
        if secret.ends_with(|c: char| c.is_whitespace()) {
            return Err(Mistake::SecretWithTrailingSpace.into());
        }
        Self::from_bytes(id, secret)
    }

    /// A key whose secret is written in lower-case hex.
    ///
    /// # Errors
    ///
    /// Also when the text is anything else.
    pub fn from_hex(id: &str, hex: &str) -> Result<Self, ConfigError> {
        Self::from_bytes(id, encoding::hex(hex).ok_or_else(|| misspelt(hex, Mistake::SecretNotHex))?)
    }

    /// A key whose secret is written in standard base64 with padding.
    ///
    /// # Errors
    ///
    /// Also when the text is anything else.
    pub fn from_base64(id: &str, base64: &str) -> Result<Self, ConfigError> {
        Self::from_bytes(id, encoding::base64(base64).ok_or_else(|| misspelt(base64, Mistake::SecretNotBase64))?)
    }

    /// A key in the spelling of [Standard Webhooks](https://www.standardwebhooks.com): `whsec_` and standard base64.
    ///
    /// Stripe's secrets look alike but are text: use [`Key::from_text`] for them.
    ///
    /// # Errors
    ///
    /// Also when the text is anything else.
    pub fn from_whsec(id: &str, secret: &str) -> Result<Self, ConfigError> {
        let base64 = secret.strip_prefix("whsec_").ok_or(Mistake::SecretWithoutPrefix)?;
        Self::from_base64(id, base64)
    }

    /// A new key of 32 random bytes, and, this once, its lower-case hex.
    ///
    /// ```
    /// use tower_hmac::Key;
    ///
    /// # fn main() -> Result<(), tower_hmac::ConfigError> {
    /// let (key, hex) = Key::generate("svc-a")?;
    /// assert_eq!(hex.len(), 64);
    /// # let _ = key;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Also when the operating system gives no random bytes.
    pub fn generate(id: &str) -> Result<(Self, String), ConfigError> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret).map_err(|_| Mistake::NoRandomness)?;
        let key = Self::from_bytes(id, *secret)?;
        Ok((key, encoding::to_hex(&*secret)))
    }

    /// The same secret for another algorithm.
    #[must_use]
    pub fn with_algorithm(self, algorithm: Algorithm) -> Self {
        match Mac::new(algorithm, &self.0.secret) {
            Some(mac) => {
                let (id, secret) = (self.0.id.clone(), self.0.secret.clone());
                Self(Arc::new(Inner { id, algorithm, secret, mac }))
            }
            None => self,
        }
    }

    /// The public name.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.0.id
    }

    /// The algorithm this key is for.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// A MAC under this key, to be fed.
    #[must_use]
    pub fn mac(&self) -> Mac {
        self.0.mac.clone()
    }

    /// The length of the secret in bytes.
    pub(crate) fn secret_len(&self) -> usize {
        self.0.secret.len()
    }

    fn build(id: KeyId, algorithm: Algorithm, secret: Zeroizing<Vec<u8>>) -> Result<Self, ConfigError> {
        if secret.is_empty() {
            return Err(Mistake::EmptySecret.into());
        }
        let mac = Mac::new(algorithm, &secret).ok_or(Mistake::EmptySecret)?;
        Ok(Self(Arc::new(Inner { id, algorithm, secret, mac })))
    }
}

/// What is wrong with a spelt secret, where that can be told.
fn misspelt(text: &str, otherwise: Mistake) -> Mistake {
    let small = Zeroizing::new(text.to_ascii_lowercase());
    match otherwise {
        _ if text.ends_with(char::is_whitespace) => Mistake::SecretWithTrailingSpace,
        Mistake::SecretNotHex if encoding::hex(&small).map(Zeroizing::new).is_some() => Mistake::SecretInCapitals,
        otherwise => otherwise,
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?}, {})", self.0.id, self.0.algorithm.name())
    }
}

//! A store that is an asynchronous function.

use std::fmt;
use std::future::Future;

use super::{KeyQuery, KeyStore, Keys, Lookup};
use crate::answer::Answer;
use crate::error::BoxError;

/// A store that asks an asynchronous function for the keys of an id.
///
/// To choose by the head of the request as well, or to answer at once where that is possible, implement [`KeyStore`].
///
/// ```
/// # #[derive(Clone)] struct Pool;
/// # impl Pool { async fn secret(&self, _: &str) -> Result<Option<String>, std::io::Error> { Ok(None) } }
/// use tower_hmac::{AsyncKeys, HmacLayer, Key, Keys, Scheme};
///
/// # fn layer(pool: Pool) -> Result<HmacLayer, tower_hmac::ConfigError> {
/// let keys = AsyncKeys::new(move |id| {
///     let pool = pool.clone();
///     async move {
///         match pool.secret(&id).await? {
///             Some(hex) => Ok(Some(Keys::from(Key::from_hex(&id, &hex)?))),
///             None => Ok(None),
///         }
///     }
/// });
/// HmacLayer::new(Scheme::native(), keys)
/// # }
/// ```
#[derive(Clone)]
pub struct AsyncKeys<F>(F);

impl<F, T> AsyncKeys<F>
where
    F: Fn(String) -> T + Send + Sync + 'static,
    T: Future<Output = Result<Option<Keys>, BoxError>> + Send + 'static,
{
    /// Takes the function. It gets the key id, or an empty text when there is none: the scheme has no key ids, or a client
    /// looks for a key to sign with. The future may be dropped at any await.
    pub fn new(find: F) -> Self {
        Self(find)
    }
}

impl<F, T> KeyStore for AsyncKeys<F>
where
    F: Fn(String) -> T + Send + Sync + 'static,
    T: Future<Output = Result<Option<Keys>, BoxError>> + Send + 'static,
{
    fn lookup(&self, query: &KeyQuery<'_>) -> Lookup {
        Answer::later((self.0)(query.key_id().unwrap_or_default().to_owned()))
    }
}

impl<F> fmt::Debug for AsyncKeys<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AsyncKeys(..)")
    }
}

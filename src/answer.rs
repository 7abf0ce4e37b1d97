//! An answer that is there now or comes later.

use std::fmt;
use std::future::{Future, IntoFuture, ready};
use std::pin::Pin;

/// What a [`KeyStore`](crate::KeyStore) or [`ReplayGuard`](crate::replay::ReplayGuard) returns: the answer, or a future of it.
///
/// A ready answer costs no allocation; a later one is boxed.
///
/// ```
/// use tower_hmac::Answer;
///
/// # async fn run() {
/// let now = Answer::Ready(1);
/// let later = Answer::later(async { 1 });
/// assert_eq!(now.await, later.await);
/// # }
/// ```
pub enum Answer<T> {
    /// The answer.
    Ready(T),
    /// The answer will come.
    Later(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<T> Answer<T> {
    /// Boxes a future. Dropping it must be safe at any await.
    pub fn later(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self::Later(Box::pin(future))
    }
}

/// Boxes a ready answer, too: where that counts, match it.
impl<T: Send + 'static> IntoFuture for Answer<T> {
    type Output = T;
    type IntoFuture = Pin<Box<dyn Future<Output = T> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        match self {
            Self::Ready(answer) => Box::pin(ready(answer)),
            Self::Later(future) => future,
        }
    }
}

impl<T> From<T> for Answer<T> {
    fn from(answer: T) -> Self {
        Self::Ready(answer)
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready(_) => "Ready(..)",
            Self::Later(_) => "Later(..)",
        })
    }
}

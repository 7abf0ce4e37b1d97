//! How far a body came that is verified while it is read.

use std::sync::{Arc, OnceLock};

use crate::rejection::RejectionKind;

/// Marks a message whose body is verified while it is read, and says how far it came. Clones share the outcome.
///
/// On the server it stands in the extensions of every request whose body was to flow, one without a body included, and of
/// its response; on the client in those of a response whose body flows. What was read of the body proves nothing before [`is_verified`](Self::is_verified).
///
/// ```
/// use axum::Extension;
/// use axum::body::Body;
/// use futures_util::StreamExt;
/// use tower_hmac::StreamedBody;
///
/// async fn store(Extension(streamed): Extension<StreamedBody>, body: Body) -> Result<(), axum::Error> {
///     let mut pieces = body.into_data_stream();
///     while let Some(piece) = pieces.next().await {
///         let _ = piece?; // to a temporary file
///     }
///     assert!(streamed.is_verified()); // now it may get its name
///     Ok(())
/// }
/// # let _ = store;
/// ```
#[derive(Clone, Debug, Default)]
pub struct StreamedBody(Arc<OnceLock<Result<(), RejectionKind>>>);

impl StreamedBody {
    /// How the body ended. `None` as long as nobody has read it to the end: a response that was made before says
    /// nothing about the rest of the request.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<(), RejectionKind>> {
        self.0.get().copied()
    }

    /// Whether the body was read to the end and is the one that was signed.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.outcome() == Some(Ok(()))
    }

    pub(crate) fn failure(&self) -> Option<RejectionKind> {
        self.outcome()?.err()
    }

    /// The first outcome stands.
    pub(crate) fn settle(&self, outcome: Result<(), RejectionKind>) {
        let _ = self.0.set(outcome);
    }
}

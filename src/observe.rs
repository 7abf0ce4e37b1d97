//! What is told to `tracing`, if the feature is on: one event for each refusal, without any text that a peer sent.

use crate::rejection::Rejection;

/// An error when the operator has to act (500 and 503), a debug event otherwise.
#[cfg(feature = "tracing")]
pub(crate) fn refused(rejection: &Rejection) {
    let kind = rejection.kind();
    let source = std::error::Error::source(rejection).map(tracing::field::display);
    if kind.status().is_server_error() {
        tracing::error!(kind = ?kind, error = source, "{kind}");
    } else {
        tracing::debug!(kind = ?kind, "{kind}");
    }
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn refused(_: &Rejection) {}

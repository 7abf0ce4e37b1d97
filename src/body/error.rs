//! The error of a body.

use std::error::Error;
use std::fmt;

use crate::error::BoxError;
use crate::rejection::{Rejection, RejectionKind};

/// A body that ended in an error. What was wrong is the source: the inner body's error, or a
/// [`Rejection`] of the body that came.
#[derive(Debug)]
pub struct BodyError {
    kind: Option<RejectionKind>,
    source: BoxError,
}

impl BodyError {
    pub(crate) fn new(source: BoxError) -> Self {
        Self { kind: None, source }
    }

    pub(crate) fn refused(rejection: Rejection) -> Self {
        Self { kind: Some(rejection.kind()), source: rejection.into() }
    }

    /// Why a body that was verified while it came was refused at its end. `None` for a body that was handed through.
    #[must_use]
    pub fn kind(&self) -> Option<RejectionKind> {
        self.kind
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body ended in an error")
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

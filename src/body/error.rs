//! The error of a body.

use std::error::Error;
use std::fmt;

use crate::error::BoxError;

/// A body that ended in an error. The inner body's error is the source.
#[derive(Debug)]
pub struct BodyError(BoxError);

impl BodyError {
    pub(crate) fn new(source: BoxError) -> Self {
        Self(source)
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body ended in an error")
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

//! The frames of a buffered body.

use bytes::Bytes;
use http::HeaderMap;
use http_body::SizeHint;

use super::budget::Permit;
use crate::joined::Joined;

/// A queue of frames; the first is held without an allocation, and none but small ones are copied.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    first: Option<Bytes>,
    /// What most bodies do not have: a second frame.
    more: Option<Box<Joined>>,
    left: u64,
    trailers: Option<Box<HeaderMap>>,
    // Held for its drop.
    permit: Option<Permit>,
}

impl Frames {
    /// No frames yet, and the share of the budget that they will hold as long as the body lives.
    pub(crate) fn holding(permit: Permit) -> Self {
        Self { permit: Some(permit), ..Self::default() }
    }

    /// Takes more bytes from the budget, or nothing when they are not there.
    pub(crate) fn charge(&mut self, bytes: u64) -> bool {
        self.permit.as_mut().is_none_or(|permit| permit.charge(bytes))
    }

    pub(crate) fn push(&mut self, frame: Bytes) {
        if frame.is_empty() {
            return;
        }
        self.left = self.left.saturating_add(u64::try_from(frame.len()).unwrap_or(u64::MAX));
        match &mut self.more {
            None if self.first.is_none() => self.first = Some(frame),
            more => more.get_or_insert_default().push(frame),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let next = self.first.take().or_else(|| self.more.as_mut()?.pop())?;
        self.left = self.left.saturating_sub(u64::try_from(next.len()).unwrap_or(u64::MAX));
        Some(next)
    }

    /// What follows the last frame. Empty trailers are none.
    pub(crate) fn set_trailers(&mut self, trailers: Option<HeaderMap>) {
        self.trailers = trailers.filter(|trailers| !trailers.is_empty()).map(Box::new);
    }

    pub(crate) fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take().map(|trailers| *trailers)
    }

    /// Exact, unless trailers follow: a length that is declared leaves no room for them.
    pub(crate) fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::with_exact(self.left);
        if self.has_trailers() {
            hint = SizeHint::new();
            hint.set_lower(self.left);
        }
        hint
    }

    pub(crate) fn has_trailers(&self) -> bool {
        self.trailers.is_some()
    }

    /// The bytes that are left.
    pub(crate) fn len(&self) -> u64 {
        self.left
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.left == 0 && self.trailers.is_none()
    }
}

impl From<Bytes> for Frames {
    fn from(bytes: Bytes) -> Self {
        let mut frames = Self::default();
        frames.push(bytes);
        frames
    }
}

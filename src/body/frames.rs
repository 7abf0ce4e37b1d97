//! The frames of a buffered body.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::SizeHint;

use super::budget::Permit;

/// Frames smaller than this are joined, so that a body of one-byte frames costs no more memory than its bytes.
const SMALL: usize = 4 * 1024;

/// Joined frames are cut here.
const JOINED: usize = 64 * 1024;

/// A queue of frames; the first is held without an allocation, and none but small ones are copied.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    first: Option<Bytes>,
    more: Option<Box<More>>,
    left: u64,
    trailers: Option<Box<HeaderMap>>,
    // Held for its drop.
    permit: Option<Permit>,
}

/// What most bodies do not have: a second frame.
#[derive(Debug, Default)]
struct More {
    whole: VecDeque<Bytes>,
    joining: BytesMut,
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
    pub(crate) fn set_trailers(&mut self, trailers: HeaderMap) {
        self.trailers = (!trailers.is_empty()).then(|| Box::new(trailers));
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

impl More {
    fn push(&mut self, frame: Bytes) {
        if frame.len() >= SMALL {
            self.cut();
            self.whole.push_back(frame);
            return;
        }
        if self.joining.len().saturating_add(frame.len()) > JOINED {
            self.cut();
        }
        self.joining.extend_from_slice(&frame);
    }

    fn pop(&mut self) -> Option<Bytes> {
        self.whole.pop_front().or_else(|| {
            let joined = self.joining.split().freeze();
            (!joined.is_empty()).then_some(joined)
        })
    }

    fn cut(&mut self) {
        if !self.joining.is_empty() {
            self.whole.push_back(self.joining.split().freeze());
        }
    }
}

impl From<Bytes> for Frames {
    fn from(bytes: Bytes) -> Self {
        let mut frames = Self::default();
        frames.push(bytes);
        frames
    }
}

//! The frames of a buffered body.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::budget::Permit;

/// Frames smaller than this are joined, so that a body of one-byte frames costs no more memory than its bytes.
const SMALL: usize = 4 * 1024;

/// Joined frames are cut here.
const JOINED: usize = 64 * 1024;

/// A queue of frames; the first is held without an allocation, and none but small ones are copied.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    first: Option<Bytes>,
    more: VecDeque<Bytes>,
    joining: BytesMut,
    left: u64,
    // Held for its drop.
    _permit: Option<Permit>,
}

impl Frames {
    pub(crate) fn push(&mut self, frame: Bytes) {
        if frame.is_empty() {
            return;
        }
        self.left = self.left.saturating_add(u64::try_from(frame.len()).unwrap_or(u64::MAX));
        match frame.len() {
            _ if self.first.is_none() && self.more.is_empty() => self.first = Some(frame),
            0..SMALL => {
                if self.joining.len().saturating_add(frame.len()) > JOINED {
                    self.cut();
                }
                self.joining.extend_from_slice(&frame);
            }
            _ => {
                self.cut();
                self.more.push_back(frame);
            }
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let next = self.first.take().or_else(|| self.more.pop_front()).or_else(|| {
            let joined = self.joining.split().freeze();
            (!joined.is_empty()).then_some(joined)
        })?;
        self.left = self.left.saturating_sub(u64::try_from(next.len()).unwrap_or(u64::MAX));
        Some(next)
    }

    /// The bytes that are left.
    pub(crate) fn len(&self) -> u64 {
        self.left
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Keeps the share of the budget as long as the body lives.
    pub(crate) fn holding(self, permit: Permit) -> Self {
        Self { _permit: Some(permit), ..self }
    }

    fn cut(&mut self) {
        if !self.joining.is_empty() {
            self.more.push_back(self.joining.split().freeze());
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

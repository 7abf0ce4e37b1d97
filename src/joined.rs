//! A queue of pieces of a body.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Pieces smaller than this are joined, so that a body of one-byte frames costs no more memory than its bytes.
const SMALL: usize = 4 * 1024;

/// Joined pieces are cut here.
const JOINED: usize = 64 * 1024;

/// A queue of pieces, of which none but small ones are copied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Joined {
    whole: VecDeque<Bytes>,
    joining: BytesMut,
}

impl Joined {
    pub(crate) fn push(&mut self, frame: Bytes) {
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

    pub(crate) fn pop(&mut self) -> Option<Bytes> {
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

    /// Everything, in order.
    pub(crate) fn all(&mut self) -> &[Bytes] {
        self.cut();
        self.whole.make_contiguous()
    }
}

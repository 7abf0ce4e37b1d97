//! First in, first out.

use std::collections::VecDeque;

/// A queue in pieces, so that growth moves nothing that waits.
pub(super) struct Queue<T> {
    pieces: VecDeque<Vec<T>>,
    /// How many of the first piece are gone.
    gone: usize,
    spare: Vec<T>,
}

const PIECE: usize = 16;

impl<T: Copy> Queue<T> {
    pub(super) const fn new() -> Self {
        Self { pieces: VecDeque::new(), gone: 0, spare: Vec::new() }
    }

    #[inline]
    pub(super) fn push(&mut self, one: T) {
        match self.pieces.back_mut() {
            Some(last) if last.len() < PIECE => last.push(one),
            _ => self.extend(one),
        }
    }

    #[cold]
    fn extend(&mut self, one: T) {
        let mut piece = std::mem::take(&mut self.spare);
        piece.reserve_exact(PIECE);
        piece.push(one);
        self.pieces.push_back(piece);
    }

    #[inline]
    pub(super) fn first(&self) -> Option<&T> {
        self.pieces.front()?.get(self.gone)
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<T> {
        let one = *self.first()?;
        self.gone = self.gone.saturating_add(1);
        if self.gone == PIECE {
            self.spare = self.pieces.pop_front().unwrap_or_default();
            self.spare.clear();
            self.gone = 0;
        }
        Some(one)
    }
}

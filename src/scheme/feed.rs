//! Feeding a MAC.

use std::fmt;

use crate::mac::Mac;

/// A MAC that takes a string to sign in small pieces.
pub struct Feed<'m> {
    mac: &'m mut Mac,
    gathered: [u8; 256],
    len: usize,
}

impl fmt::Debug for Feed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feed(..)")
    }
}

impl<'m> Feed<'m> {
    pub(crate) fn new(mac: &'m mut Mac) -> Self {
        Self { mac, gathered: [0; 256], len: 0 }
    }

    /// Feeds a piece. Where one ends and the next begins makes no difference.
    pub fn push(&mut self, piece: &[u8]) {
        match self.room(piece.len()) {
            Some(room) => room.copy_from_slice(piece),
            None => {
                self.flush();
                self.mac.update(piece);
            }
        }
    }

    /// Feeds a piece and LF.
    pub fn line(&mut self, piece: &[u8]) {
        match self.room(piece.len().saturating_add(1)).and_then(<[u8]>::split_last_mut) {
            Some((last, room)) => {
                room.copy_from_slice(piece);
                *last = b'\n';
            }
            None => {
                self.push(piece);
                self.push(b"\n");
            }
        }
    }

    /// Feeds a piece with its ASCII letters in lower case.
    pub fn push_lower_case(&mut self, piece: &[u8]) {
        for part in piece.chunks(64) {
            let mut lower = [0; 64];
            if let Some(lower) = lower.get_mut(..part.len()) {
                lower.copy_from_slice(part);
                lower.make_ascii_lowercase();
                self.push(lower);
            }
        }
    }

    /// Ends: the MAC has everything.
    pub(crate) fn flush(&mut self) {
        self.mac.update(self.gathered.get(..self.len).unwrap_or_default());
        self.len = 0;
    }

    fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        let end = self.len.checked_add(len)?;
        let room = self.gathered.get_mut(self.len..end)?;
        self.len = end;
        Some(room)
    }
}

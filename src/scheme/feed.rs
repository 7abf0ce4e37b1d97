//! Feeding a MAC.

use std::fmt;

use arrayvec::ArrayVec;

use crate::mac::Mac;

/// A MAC that takes a string to sign in small pieces.
pub struct Feed<'m> {
    mac: &'m mut Mac,
    gathered: ArrayVec<u8, 256>,
}

impl fmt::Debug for Feed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feed(..)")
    }
}

impl<'m> Feed<'m> {
    pub(crate) fn new(mac: &'m mut Mac) -> Self {
        Self { mac, gathered: ArrayVec::new() }
    }

    /// Feeds a piece. Where one ends and the next begins makes no difference.
    pub fn push(&mut self, piece: &[u8]) {
        if self.gathered.try_extend_from_slice(piece).is_err() {
            self.flush();
            self.mac.update(piece);
        }
    }

    /// Feeds a piece and LF.
    pub fn line(&mut self, piece: &[u8]) {
        self.push(piece);
        self.push(b"\n");
    }

    /// Feeds a piece with its ASCII letters in lower case.
    pub fn push_lower_case(&mut self, piece: &[u8]) {
        for part in piece.chunks(64) {
            let mut lower = ArrayVec::<u8, 64>::try_from(part).unwrap_or_default();
            lower.make_ascii_lowercase();
            self.push(&lower);
        }
    }

    /// Ends: the MAC has everything.
    pub(crate) fn flush(&mut self) {
        self.mac.update(&self.gathered);
        self.gathered.clear();
    }
}

//! Chance that can be repeated, and what it does to bytes.

/// Xorshift: the same sequence in every run.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn of(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            dice.below(2);
        }
        dice
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    fn range(&mut self, len: usize) -> std::ops::Range<usize> {
        let start = self.below(len);
        let end = start + self.below((len - start).min(64)) + 1;
        start..end.min(len)
    }

    /// Cut, drop, repeat, swap, insert, turn a bit, set a byte.
    pub fn mangle(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let (len, kind) = (bytes.len(), self.below(7));
        let range = self.range(len);
        match kind {
            0 => bytes.truncate(range.start),
            1 => drop(bytes.drain(range)),
            2 => {
                let copy = bytes[range.clone()].to_vec();
                let _ = bytes.splice(range.end..range.end, copy);
            }
            3 => {
                let other = self.range(len);
                let (first, second) = if range.start < other.start { (range, other) } else { (other, range) };
                if first.end <= second.start {
                    let swapped =
                        [&bytes[second.clone()], &bytes[first.end..second.start], &bytes[first.clone()]].concat();
                    let _ = bytes.splice(first.start..second.end, swapped);
                }
            }
            4 => {
                let noise: Vec<u8> = (0..self.below(16) + 1).map(|_| self.below(256) as u8).collect();
                let _ = bytes.splice(range.start..range.start, noise);
            }
            5 => bytes[range.start] ^= 1 << self.below(8),
            _ => bytes[range.start] = b"\r\n :,;=0Gz\0\x7f"[self.below(12)],
        }
    }

    /// In pieces, as a network may deliver it.
    pub fn pieces(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let (mut pieces, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let (piece, more) = rest.split_at((self.below(300) + 1).min(rest.len()));
            pieces.push(piece.to_vec());
            rest = more;
        }
        pieces
    }
}

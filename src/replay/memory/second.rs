//! A point in time that leaves room for a number.

/// A second of Unix time in 40 bits, and 24 bits beside it.
#[derive(Clone, Copy)]
pub(super) struct Second(u64);

/// In the year 36 812; what should live longer lives for ever.
pub(super) const LAST_SECOND: u64 = u64::MAX >> BITS;

const BITS: u32 = 24;

impl Second {
    /// The largest number beside it.
    pub(super) const ROOM: u32 = (1 << BITS) - 1;

    #[inline]
    pub(super) const fn new(second: u64, beside: u32) -> Self {
        let second = if second < LAST_SECOND { second } else { LAST_SECOND };
        Self(second << BITS | (beside & Self::ROOM) as u64)
    }

    #[inline]
    pub(super) const fn second(self) -> u64 {
        self.0 >> BITS
    }

    #[inline]
    pub(super) const fn beside(self) -> u32 {
        self.0 as u32 & Self::ROOM
    }
}

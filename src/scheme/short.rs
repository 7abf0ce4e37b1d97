//! Short texts without an allocation.

/// A text that seldom has more than 64 bytes.
#[derive(Clone, Debug)]
pub(crate) enum Short {
    Inline(usize, [u8; 64]),
    Long(Box<str>),
}

impl Short {
    pub(crate) fn new(text: &str) -> Self {
        let mut bytes = [0; 64];
        match bytes.get_mut(..text.len()) {
            Some(room) => {
                room.copy_from_slice(text.as_bytes());
                Self::Inline(text.len(), bytes)
            }
            None => Self::Long(text.into()),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            // It was text when it came in.
            Self::Inline(len, bytes) => bytes.get(..*len).and_then(|b| str::from_utf8(b).ok()).unwrap_or_default(),
            Self::Long(text) => text,
        }
    }

    /// A number in decimal.
    pub(crate) fn decimal(number: u64) -> Self {
        let (mut digits, mut rest) = ([0; 20], number);
        let mut first = digits.len();
        for (index, digit) in digits.iter_mut().enumerate().rev() {
            // A remainder of ten is one digit.
            *digit = b'0'.wrapping_add(u8::try_from(rest % 10).unwrap_or_default());
            (first, rest) = (index, rest / 10);
            if rest == 0 {
                break;
            }
        }
        Self::new(digits.get(first..).and_then(|b| str::from_utf8(b).ok()).unwrap_or_default())
    }
}

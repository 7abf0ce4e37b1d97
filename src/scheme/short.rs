//! Short texts without an allocation.

use arrayvec::ArrayString;

/// A text that seldom has more than 64 bytes.
#[derive(Clone, Debug)]
pub(crate) enum Short {
    Inline(ArrayString<64>),
    Long(Box<str>),
}

impl Short {
    pub(crate) fn new(text: &str) -> Self {
        ArrayString::from(text).map_or_else(|_| Self::Long(text.into()), Self::Inline)
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Inline(text) => text,
            Self::Long(text) => text,
        }
    }
}

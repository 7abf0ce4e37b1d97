//! Which bytes a text may be made of.

/// Some of the ASCII characters.
pub(super) struct Alphabet([bool; 256]);

impl Alphabet {
    /// Letters, digits, and these.
    pub(super) const fn alphanumeric_and(more: &[u8]) -> Self {
        let mut listed = [false; 256];
        let (mut all, mut byte): (&mut [bool], u8) = (&mut listed, 0);
        while let [one, rest @ ..] = all {
            *one = byte.is_ascii_alphanumeric() || has(more, byte);
            (all, byte) = (rest, byte.wrapping_add(1));
        }
        Self(listed)
    }

    /// Whether a text has no other bytes.
    pub(super) fn spells(&self, text: &[u8]) -> bool {
        text.iter().all(|b| self.0.get(usize::from(*b)) == Some(&true))
    }
}

const fn has(mut bytes: &[u8], byte: u8) -> bool {
    while let [one, rest @ ..] = bytes {
        if *one == byte {
            return true;
        }
        bytes = rest;
    }
    false
}

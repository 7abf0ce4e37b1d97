//! Strict text encodings: exactly one spelling decodes.

use std::fmt;

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};

/// How bytes are spelt. Only the one canonical spelling is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// Lower-case hex.
    Hex,
    /// Standard base64 with padding (RFC 4648 section 4).
    Base64,
    /// Base64url without padding (RFC 4648 section 5).
    Base64Url,
}

impl Encoding {
    /// The spelling of up to 64 bytes; empty for more.
    pub(crate) fn spell(self, bytes: &[u8]) -> Spelt {
        let mut text = [0; 128];
        let spelt = match self {
            Self::Hex => base16ct::lower::encode_str(bytes, &mut text).ok(),
            Self::Base64 => Base64::encode(bytes, &mut text).ok(),
            Self::Base64Url => Base64UrlUnpadded::encode(bytes, &mut text).ok(),
        };
        Spelt { len: spelt.map_or(0, str::len), text }
    }

    /// Whether a text is the spelling of `len` bytes (at most 64).
    pub(crate) fn spells(self, text: &[u8], len: usize) -> bool {
        match self {
            Self::Hex => {
                let digit = |b: u8| b.wrapping_sub(b'0') < 10 || b.wrapping_sub(b'a') < 6;
                // Without a short cut, which keeps it in the vector unit.
                text.len() == len.saturating_mul(2) && text.iter().fold(true, |all, b| all & digit(*b))
            }
            Self::Base64 => Base64::decode(text, &mut [0; 64]).is_ok_and(|bytes| bytes.len() == len),
            Self::Base64Url => Base64UrlUnpadded::decode(text, &mut [0; 64]).is_ok_and(|bytes| bytes.len() == len),
        }
    }
}

/// Up to 64 bytes as text, without an allocation.
#[derive(Clone, Copy)]
pub(crate) struct Spelt {
    text: [u8; 128],
    len: usize,
}

impl Spelt {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }

    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Debug for Spelt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spelt")
    }
}

/// Decodes lower-case hex of any length.
pub(crate) fn hex(text: &str) -> Option<Vec<u8>> {
    base16ct::lower::decode_vec(text).ok()
}

/// Decodes standard base64 with padding.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    Base64::decode_vec(text).ok()
}

/// The lower-case hex of `bytes`.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

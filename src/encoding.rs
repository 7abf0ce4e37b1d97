//! Strict text encodings: exactly one spelling decodes.

use std::fmt;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};

/// Decodes lower-case hex of exactly `N` bytes.
pub(crate) fn hex_array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    (text.len() == N.checked_mul(2)?).then_some(())?;
    base16ct::lower::decode(text, &mut bytes).ok()?;
    Some(bytes)
}

/// Decodes lower-case hex of any length.
pub(crate) fn hex(text: &str) -> Option<Vec<u8>> {
    base16ct::lower::decode_vec(text).ok()
}

/// Decodes standard base64 with padding.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    Base64::decode_vec(text).ok()
}

/// The lower-case hex of 32 bytes, without an allocation.
#[derive(Clone, Copy)]
pub(crate) struct Hex32([u8; 64]);

impl Hex32 {
    pub(crate) fn new(bytes: &[u8; 32]) -> Self {
        let mut text = [b'0'; 64];
        // 32 bytes always fit into 64 digits.
        let _ = base16ct::lower::encode(bytes, &mut text);
        Self(text)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Hex32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hex32")
    }
}

/// The lower-case hex of `bytes`.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// 16 bytes as 22 characters of base64url.
pub(crate) fn base64url_16(bytes: &[u8; 16]) -> [u8; 22] {
    let mut text = [b'A'; 22];
    // 16 bytes always fit into 22 characters.
    let _ = Base64UrlUnpadded::encode(bytes, &mut text);
    text
}

//! MACs and digests: the one file that names the hash and constant-time crates.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac as _};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::encoding::{Encoding, Spelt};

/// The MAC algorithm of a key.
///
/// A property of the key, never of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-1 (RFC 2104): only for peers that know nothing else.
    HmacSha1,
    /// HMAC with SHA-256 (RFC 4231): the default.
    HmacSha256,
    /// HMAC with SHA-384 (RFC 4231).
    HmacSha384,
    /// HMAC with SHA-512 (RFC 4231).
    HmacSha512,
    /// **Not HMAC**: SHA-256 over the text and then the secret. A collision of the hash is a forgery, and nothing
    /// separates text and secret. Only for a peer that speaks nothing else.
    LegacySuffixSha256,
}

impl Algorithm {
    /// The usual name, such as `HMAC-SHA256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HmacSha1 => "HMAC-SHA1",
            Self::HmacSha256 => "HMAC-SHA256",
            Self::HmacSha384 => "HMAC-SHA384",
            Self::HmacSha512 => "HMAC-SHA512",
            Self::LegacySuffixSha256 => "SHA256-SUFFIX",
        }
    }

    /// The length of its tags in bytes.
    pub(crate) const fn tag_len(self) -> usize {
        match self {
            Self::HmacSha1 => 20,
            Self::HmacSha256 | Self::LegacySuffixSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => 64,
        }
    }
}

/// A keyed MAC that is being fed. Cloning copies the keyed state.
///
/// ```
/// use tower_hmac::Key;
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let key = Key::from_text("vector", "Jefe")?; // RFC 4231, test case 2
/// let mut mac = key.mac();
/// mac.update(b"what do ya want ");
/// mac.update(b"for nothing?");
/// let tag = mac.clone().finish();
/// assert_eq!(tag.as_bytes()[..4], [0x5b, 0xdc, 0xc1, 0x46]);
/// assert!(mac.clone().verify(tag.as_bytes()).is_some());
/// assert!(mac.verify(&tag.as_bytes()[..31]).is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Mac(State);

#[derive(Clone)]
enum State {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    // Twice as large as the others, and rare.
    Sha384(Box<Hmac<Sha384>>),
    Sha512(Box<Hmac<Sha512>>),
    Suffix(Sha256, Arc<Zeroizing<Vec<u8>>>),
    // No MAC: keeps what it is fed.
    Text(Vec<u8>),
}

impl Mac {
    /// `None` when the backend refuses the secret, which HMAC never does.
    pub(crate) fn new(algorithm: Algorithm, secret: &[u8]) -> Option<Self> {
        Some(Self(match algorithm {
            Algorithm::HmacSha1 => State::Sha1(Hmac::new_from_slice(secret).ok()?),
            Algorithm::HmacSha256 => State::Sha256(Hmac::new_from_slice(secret).ok()?),
            Algorithm::HmacSha384 => State::Sha384(Box::new(Hmac::new_from_slice(secret).ok()?)),
            Algorithm::HmacSha512 => State::Sha512(Box::new(Hmac::new_from_slice(secret).ok()?)),
            Algorithm::LegacySuffixSha256 => State::Suffix(Sha256::new(), Arc::new(Zeroizing::new(secret.to_vec()))),
        }))
    }

    /// Signs nothing, and keeps what it is fed.
    pub(crate) fn keeping() -> Self {
        Self(State::Text(Vec::new()))
    }

    /// What was fed to one that keeps it.
    pub(crate) fn into_text(self) -> Vec<u8> {
        match self.0 {
            State::Text(text) => text,
            _ => Vec::new(),
        }
    }

    /// Feeds bytes. Where one call ends and the next begins makes no difference.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha1(mac) => mac.update(bytes),
            State::Sha256(mac) => mac.update(bytes),
            State::Sha384(mac) => mac.update(bytes),
            State::Sha512(mac) => mac.update(bytes),
            State::Suffix(hash, _) => Digest::update(hash, bytes),
            State::Text(text) => text.extend_from_slice(bytes),
        }
    }

    /// The tag over all that was fed.
    #[must_use]
    pub fn finish(self) -> Tag {
        match self.0 {
            State::Sha1(mac) => Tag::new(&mac.finalize().into_bytes()),
            State::Sha256(mac) => Tag::new(&mac.finalize().into_bytes()),
            State::Sha384(mac) => Tag::new(&mac.finalize().into_bytes()),
            State::Sha512(mac) => Tag::new(&mac.finalize().into_bytes()),
            State::Suffix(hash, secret) => Tag::new(&hash.chain_update(&*secret).finalize()),
            State::Text(_) => Tag::new(&[]),
        }
    }

    /// The tag over all that was fed, if it equals `expected` in every bit and in length.
    ///
    /// Takes the same time wherever the first difference is.
    #[must_use]
    pub fn verify(self, expected: &[u8]) -> Option<Tag> {
        let tag = self.finish();
        equal(tag.as_bytes(), expected).then_some(tag)
    }
}

/// Whether two texts are the same, in a time that depends on their lengths alone. By words, and one look at the end.
pub(crate) fn equal(one: &[u8], other: &[u8]) -> bool {
    let ((words, rest), (expected, last)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    let word = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
    let same_length = Choice::from(u8::from(one.len() == other.len()));
    let differing = words.iter().zip(expected).fold(0, |all, (a, b)| all | (word(a) ^ word(b)));
    let differing = rest.iter().zip(last).fold(differing, |all, (a, b)| all | u64::from(a ^ b));
    bool::from(same_length & differing.ct_eq(&0))
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mac(..)")
    }
}

/// A MAC's output: between 20 and 64 bytes. Not comparable with `==`: see [`Mac::verify`].
#[derive(Clone, Copy)]
pub struct Tag {
    bytes: [u8; 64],
    len: usize,
}

impl Tag {
    fn new(output: &[u8]) -> Self {
        let mut bytes = [0; 64];
        let len = match bytes.get_mut(..output.len()) {
            Some(room) => {
                room.copy_from_slice(output);
                output.len()
            }
            None => 0,
        };
        Self { bytes, len }
    }

    /// The bytes, ready to be encoded.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The tag as text.
    pub(crate) fn spell(&self, encoding: Encoding) -> Spelt {
        encoding.spell(self.as_bytes())
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(..)")
    }
}

/// A SHA-256 of a body that is being fed.
#[derive(Clone, Default)]
pub(crate) struct BodyHash(Sha256);

impl BodyHash {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// In place, and ready for another body.
    pub(crate) fn end(&mut self) -> [u8; 32] {
        self.0.finalize_reset().into()
    }
}

impl fmt::Debug for BodyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyHash(..)")
    }
}

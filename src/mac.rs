//! MACs and digests: the one file that names the hash and constant-time crates.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

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
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

macro_rules! each_state {
    ($state:expr, $mac:ident => $body:expr) => {
        match $state {
            State::Sha1($mac) => $body,
            State::Sha256($mac) => $body,
            State::Sha384($mac) => $body,
            State::Sha512($mac) => $body,
        }
    };
}

impl Mac {
    /// `None` when the backend refuses the secret, which HMAC never does.
    pub(crate) fn new(algorithm: Algorithm, secret: &[u8]) -> Option<Self> {
        Some(Self(match algorithm {
            Algorithm::HmacSha1 => State::Sha1(Hmac::new_from_slice(secret).ok()?),
            Algorithm::HmacSha256 => State::Sha256(Hmac::new_from_slice(secret).ok()?),
            Algorithm::HmacSha384 => State::Sha384(Hmac::new_from_slice(secret).ok()?),
            Algorithm::HmacSha512 => State::Sha512(Hmac::new_from_slice(secret).ok()?),
        }))
    }

    /// Feeds bytes. Where one call ends and the next begins makes no difference.
    pub fn update(&mut self, bytes: &[u8]) {
        each_state!(&mut self.0, mac => mac.update(bytes));
    }

    /// The tag over all that was fed.
    #[must_use]
    pub fn finish(self) -> Tag {
        each_state!(self.0, mac => Tag::new(&mac.finalize().into_bytes()))
    }

    /// The tag over all that was fed, if it equals `expected` in every bit and in length.
    ///
    /// Takes the same time wherever the first difference is.
    #[must_use]
    pub fn verify(self, expected: &[u8]) -> Option<Tag> {
        let tag = self.finish();
        bool::from(tag.as_bytes().ct_eq(expected)).then_some(tag)
    }
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

    /// The first 32 bytes: all of an HMAC-SHA256 tag.
    pub(crate) fn first_32(&self) -> &[u8; 32] {
        self.bytes.first_chunk().unwrap_or(&[0; 32])
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(..)")
    }
}

/// Gathers the small pieces of a string to sign, so that the MAC is fed seldom.
pub(crate) struct Text<'m> {
    mac: &'m mut Mac,
    gathered: [u8; 256],
    len: usize,
}

impl<'m> Text<'m> {
    pub(crate) fn new(mac: &'m mut Mac) -> Self {
        Self { mac, gathered: [0; 256], len: 0 }
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        match self.room(piece.len()) {
            Some(room) => room.copy_from_slice(piece),
            None => {
                self.flush();
                self.mac.update(piece);
            }
        }
    }

    /// A piece and LF.
    pub(crate) fn line(&mut self, piece: &[u8]) {
        self.push(piece);
        self.push(b"\n");
    }

    pub(crate) fn push_lower_case(&mut self, piece: &[u8]) {
        for part in piece.chunks(64) {
            let mut lower = [0; 64];
            if let Some(lower) = lower.get_mut(..part.len()) {
                lower.copy_from_slice(part);
                lower.make_ascii_lowercase();
                self.push(lower);
            }
        }
    }

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
}

impl fmt::Debug for BodyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyHash(..)")
    }
}

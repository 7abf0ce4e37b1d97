//! How a body gets into a MAC, and what is known of it then.

use http::header::HeaderName;

use crate::encoding::Encoding;
use crate::mac::BodyHash;

/// How a body gets into the MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entry {
    /// Its SHA-256 stands in the head, in this spelling, and is signed there: the MAC is checked before the body is read.
    Digest(Encoding),
    /// Byte for byte.
    Raw,
    /// As its SHA-256, which the head does not carry.
    Hashed,
    /// As a function of all of it: held in one piece.
    Whole,
    /// Its MAC follows it in a [`Trailer`]: the MAC of the head is checked before the body is read.
    Trailer,
    /// Not at all: it is handed on as it came, and nothing vouches for it.
    Uncovered,
}

impl Entry {
    /// Whether the head alone proves nothing.
    pub(crate) fn needs_body(self) -> bool {
        match self {
            Self::Raw | Self::Hashed | Self::Whole => true,
            Self::Digest(_) | Self::Trailer | Self::Uncovered => false,
        }
    }
}

/// How the MAC of a body is sent behind it.
#[derive(Clone, Debug)]
pub struct Trailer {
    /// The trailer field.
    pub name: HeaderName,
    /// What the head says in the place of the digest.
    pub announced: &'static str,
    /// What stands before the MAC, which is spelt as [`Protocol::encoding`](super::Protocol::encoding) says.
    pub prefix: &'static str,
}

/// What is known of the body when it has ended.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Seen<'b> {
    /// Its SHA-256, for [`Entry::Hashed`] and [`Entry::Trailer`].
    pub sha256: [u8; 32],
    /// All of it, for [`Entry::Whole`].
    pub whole: &'b [u8],
    /// Its length in bytes.
    pub len: u64,
}

impl Seen<'_> {
    /// With the hash of a body that is there as a whole.
    pub(crate) fn hashed(self) -> Self {
        let mut hash = BodyHash::default();
        hash.update(self.whole);
        Self { sha256: hash.finish(), ..self }
    }
}

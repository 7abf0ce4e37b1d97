//! What an authentic head says about the body.

use arrayvec::ArrayVec;
use http::HeaderMap;

use crate::encoding::Encoding;
use crate::key::Key;
use crate::mac::{BodyHash, Tag};
use crate::rejection::RejectionKind;
use crate::scheme::{Claim, Ending, Entry, Hashed, Scheme};

/// Checks a body while it comes.
pub(crate) enum BodyCheck {
    /// Nothing vouches for the body.
    Uncovered,
    /// Its digest stands in the head.
    Digest(Expected),
    /// Its MAC follows.
    Trailer(Box<Ending>),
}

impl BodyCheck {
    /// For a head that is right, with this tag.
    pub(super) fn new(
        entry: Entry,
        scheme: &Scheme,
        key: &Key,
        claim: &Claim<'_>,
        tag: &Tag,
    ) -> Result<Self, RejectionKind> {
        Ok(match entry {
            Entry::Uncovered => Self::Uncovered,
            Entry::Digest(encoding) => {
                let text = ArrayVec::try_from(claim.digest.ok_or(RejectionKind::Missing)?);
                let text = text.map_err(|_| RejectionKind::Malformed)?;
                Self::Digest(Expected { text, encoding, hash: BodyHash::default() })
            }
            Entry::Trailer => Self::Trailer(Box::new(Ending::new(scheme, key, claim, *tag, Hashed::default())?)),
            // The head alone proves nothing.
            Entry::Raw | Entry::Hashed | Entry::Whole => return Err(RejectionKind::Malformed),
        })
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) {
        match self {
            Self::Uncovered => {}
            Self::Digest(expected) => expected.hash.update(bytes),
            Self::Trailer(ending) => ending.take(bytes),
        }
    }

    /// Ends the body. What is left in `trailers` is authentic.
    pub(crate) fn end(&mut self, trailers: Option<&mut HeaderMap>) -> Result<(), RejectionKind> {
        let trailers = trailers.filter(|trailers| !trailers.is_empty());
        match self {
            Self::Trailer(ending) => trailers.map_or(Err(RejectionKind::Missing), |trailers| ending.verify(trailers)),
            Self::Uncovered | Self::Digest(_) if trailers.is_some() => Err(RejectionKind::ForbiddenTrailer),
            Self::Uncovered => Ok(()),
            Self::Digest(expected) => expected.holds().then_some(()).ok_or(RejectionKind::BodyMismatch),
        }
    }
}

/// The digest that the head announced, and the one of what has come.
pub(crate) struct Expected {
    text: ArrayVec<u8, 64>,
    encoding: Encoding,
    hash: BodyHash,
}

impl Expected {
    /// Both are public: the peer knows the body and sent the digest.
    fn holds(&mut self) -> bool {
        self.encoding.spell(&self.hash.end()).as_bytes() == &*self.text
    }
}

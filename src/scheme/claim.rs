//! What a message says about its own signature.

use std::fmt;

use crate::rejection::RejectionKind;

/// The most MACs that are computed for one message: claims times keys. Counted before the first.
pub const MAX_MACS: usize = 4;

/// What a message says about its own signature; or, when signing, what it will say.
///
/// Everything is borrowed as spelt from the message: a number is signed as the text that was sent.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Claim<'m> {
    /// The key that is said to have signed. `None` when the scheme has no key ids.
    pub key_id: Option<&'m str>,
    /// When it is said to have been signed. `None` when the scheme has no timestamp.
    pub timestamp: Option<Timestamp<'m>>,
    /// The nonce, in visible ASCII.
    pub nonce: Option<&'m str>,
    /// The sender's name for this message, in visible ASCII: what [`Verified::delivery_id`](crate::Verified::delivery_id)
    /// shows. Not what the replay guard remembers.
    pub delivery_id: Option<&'m str>,
    /// The body's digest, for [`Entry::Digest`](super::Entry::Digest).
    pub digest: Option<&'m [u8]>,
    /// The signatures over this one text, any of which may be right. Empty when signing.
    pub signatures: Signatures<'m>,
    /// The protocol's own: what it saw while it walked the head and will feed, so that it walks only once.
    pub notes: [&'m [u8]; 4],
    /// The protocol's own: which of several formats this is.
    pub format: usize,
}

/// A point in time, as spelt and as understood.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp<'m> {
    /// The text that is signed.
    pub text: &'m str,
    /// Its value in whole seconds (Unix time). `None` when the scheme leaves it unread.
    pub seconds: Option<u64>,
}

/// Up to four signatures, as spelt.
#[derive(Clone, Default)]
pub struct Signatures<'m> {
    first: Option<&'m [u8]>,
    more: Vec<&'m [u8]>,
}

impl<'m> Signatures<'m> {
    /// One signature.
    #[must_use]
    pub fn one(text: &'m [u8]) -> Self {
        Self { first: Some(text), more: Vec::new() }
    }

    /// Adds one.
    ///
    /// # Errors
    ///
    /// [`Malformed`](RejectionKind::Malformed) when there are four.
    pub fn push(&mut self, text: &'m [u8]) -> Result<(), RejectionKind> {
        match self.first {
            None => self.first = Some(text),
            Some(_) if self.more.len() < MAX_MACS.saturating_sub(1) => self.more.push(text),
            Some(_) => return Err(RejectionKind::Malformed),
        }
        Ok(())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &'m [u8]> {
        self.first.iter().chain(&self.more).copied()
    }
}

impl fmt::Debug for Signatures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signatures({})", self.iter().count())
    }
}

/// The claims of one message: one, or several that name the same key.
#[derive(Clone, Debug)]
pub struct Claims<'m> {
    first: Claim<'m>,
    more: Vec<Claim<'m>>,
}

impl<'m> Claims<'m> {
    /// Adds another claim, over another text.
    ///
    /// # Errors
    ///
    /// [`Malformed`](RejectionKind::Malformed) when it names another key than the first, or is one too many.
    pub fn push(&mut self, claim: Claim<'m>) -> Result<(), RejectionKind> {
        if claim.key_id != self.first.key_id || self.len() >= MAX_MACS {
            return Err(RejectionKind::Malformed);
        }
        self.more.push(claim);
        Ok(())
    }

    pub(crate) fn first(&self) -> &Claim<'m> {
        &self.first
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Claim<'m>> {
        std::iter::once(&self.first).chain(&self.more)
    }

    pub(crate) fn each_mut(&mut self) -> impl Iterator<Item = &mut Claim<'m>> {
        std::iter::once(&mut self.first).chain(&mut self.more)
    }

    pub(crate) fn into_each(self) -> impl Iterator<Item = Claim<'m>> {
        std::iter::once(self.first).chain(self.more)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Claim<'m>> {
        self.iter().nth(index)
    }

    pub(crate) fn len(&self) -> usize {
        self.more.len().saturating_add(1)
    }
}

impl<'m> From<Claim<'m>> for Claims<'m> {
    fn from(first: Claim<'m>) -> Self {
        Self { first, more: Vec::new() }
    }
}

/// What a signer has at hand for one message.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Stamp<'s> {
    /// The id of the key that signs.
    pub key_id: &'s str,
    /// The time, in the protocol's spelling.
    pub timestamp: Timestamp<'s>,
    /// 128 random bits, fresh for this message, spelt as [`Protocol::nonce_encoding`](super::Protocol::nonce_encoding)
    /// says. Empty for a response.
    pub nonce: &'s str,
    /// [`Claim::format`] as [`Protocol::stamp`](super::Protocol::stamp) set it; only for [`Protocol::write`](super::Protocol::write).
    pub format: usize,
}

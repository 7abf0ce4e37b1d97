//! The trait under [`Scheme`](super::Scheme).

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::claim::{Claim, Claims, Stamp};
use super::feed::Feed;
use super::message::{HeadMut, Message};
use super::time::TimeFormat;
use crate::clock::Tolerance;
use crate::encoding::Encoding;
use crate::error::{ConfigError, SignError};
use crate::key::Key;
use crate::mac::{Algorithm, BodyHash, Mac, Tag};
use crate::rejection::RejectionKind;

/// One wire format, for both directions, for verifying and for signing: how it reads, feeds and writes its fields.
///
/// No I/O and no clock. The engine calls [`read`](Self::read), then for every key [`start`](Self::start) and
/// [`before`](Self::before), then feeds the body as [`entry`](Self::entry) says, then [`after`](Self::after), and
/// compares. A signer calls [`stamp`](Self::stamp) in the place of `read`, and [`write`](Self::write) at the end. A
/// response is a [`Message`] that knows the request that it answers.
pub trait Protocol: Send + Sync + 'static {
    /// The name that [`Verified`](crate::Verified) and error messages carry.
    fn name(&self) -> &'static str;

    /// What `WWW-Authenticate` says in a refusal.
    fn challenge(&self) -> HeaderValue;

    /// Every field that this format writes: on responses only the layer may set them.
    fn fields(&self) -> &[HeaderName];

    /// Whether this field, one of [`fields`](Self::fields), carries a signature, which a log must not show: it is marked
    /// sensitive. Default: `authorization`, and what ends in `signature`.
    fn carries_signature(&self, name: &HeaderName) -> bool {
        self.fields().contains(name) && (*name == AUTHORIZATION || name.as_str().ends_with("signature"))
    }

    /// The algorithm of keys for this format.
    fn algorithm(&self) -> Algorithm {
        Algorithm::HmacSha256
    }

    /// Whether a key can be used with this format. The algorithm is checked already.
    ///
    /// # Errors
    ///
    /// When it cannot, with what to do.
    fn fits(&self, _key: &Key) -> Result<(), ConfigError> {
        Ok(())
    }

    /// The name for one claim, where a protocol speaks several formats.
    fn name_for(&self, _claim: &Claim<'_>) -> &'static str {
        self.name()
    }

    /// How signatures are spelt.
    fn encoding(&self, _claim: &Claim<'_>) -> Encoding {
        Encoding::Hex
    }

    /// How a signer spells the 16 random bytes of a nonce.
    fn nonce_encoding(&self) -> Encoding {
        Encoding::Base64Url
    }

    /// How a signer spells the time.
    fn time(&self) -> TimeFormat {
        TimeFormat::Seconds
    }

    /// How old, and how far ahead, a message may be, unless said otherwise. `None` when no time is signed.
    fn tolerance(&self) -> Option<Tolerance> {
        Some(Tolerance::default())
    }

    /// Whether requests carry a nonce: the replay guard is on by default, and remembers it. Otherwise the guard is off
    /// unless asked for, and remembers the signature.
    fn has_nonce(&self) -> bool {
        false
    }

    /// Whether responses are signed, too.
    fn signs_responses(&self) -> bool {
        false
    }

    /// Reads the fields of a message, strictly: a field that is repeated, empty or spelt otherwise is an error.
    ///
    /// # Errors
    ///
    /// [`Missing`](RejectionKind::Missing), [`Malformed`](RejectionKind::Malformed), and what the format forbids.
    fn read<'m>(&self, message: &Message<'m>) -> Result<Claims<'m>, RejectionKind>;

    /// How the body of this message gets into the MAC: for all claims of a message in one way. `claim` is `None` when
    /// signing.
    ///
    /// # Errors
    ///
    /// When the head does not say it clearly.
    fn entry(&self, message: &Message<'_>, claim: Option<&Claim<'_>>) -> Result<Entry, RejectionKind>;

    /// The MAC to feed: the key's own, or one that is derived from it.
    ///
    /// # Errors
    ///
    /// When the message does not say how to derive it.
    fn start(&self, key: &Key, _claim: &Claim<'_>) -> Result<Mac, RejectionKind> {
        Ok(key.mac())
    }

    /// Feeds what comes before the body.
    ///
    /// # Errors
    ///
    /// When a signed header is repeated, or present but empty.
    fn before(&self, message: &Message<'_>, claim: &Claim<'_>, feed: &mut Feed<'_>) -> Result<(), RejectionKind>;

    /// Feeds what comes after the body, or what is made of it.
    ///
    /// # Errors
    ///
    /// When the body is not what the format wants.
    fn after(
        &self,
        _message: &Message<'_>,
        _claim: &Claim<'_>,
        _seen: &Seen<'_>,
        _feed: &mut Feed<'_>,
    ) -> Result<(), RejectionKind> {
        Ok(())
    }

    /// Whether the signature of a request is always checked before its body is read: [`entry`](Self::entry) is never
    /// [`Raw`](Entry::Raw), [`Hashed`](Entry::Hashed) or [`Whole`](Entry::Whole). Only then may a body be handed on while
    /// it comes.
    fn signs_head(&self) -> bool {
        false
    }

    /// How a body's MAC follows it ([`Entry::Trailer`]), for formats in which it can.
    fn trailer(&self, _claim: &Claim<'_>) -> Option<Trailer> {
        None
    }

    /// Feeds what that MAC covers: the tag of the head, the body's hash and length, and all other trailers. Of the claim
    /// only its [`format`](Claim::format) is left.
    ///
    /// # Errors
    ///
    /// When the trailers are not what the format wants.
    fn end(
        &self,
        _claim: &Claim<'_>,
        _head: &Tag,
        _seen: &Seen<'_>,
        _trailers: &HeaderMap,
        _feed: &mut Feed<'_>,
    ) -> Result<(), RejectionKind> {
        Err(RejectionKind::Malformed)
    }

    /// After the MAC is right: a time in Unix seconds that stands in the authentic body ([`Entry::Whole`]).
    ///
    /// # Errors
    ///
    /// When the body does not say it.
    fn inside(&self, _claim: &Claim<'_>, _seen: &Seen<'_>) -> Result<Option<u64>, RejectionKind> {
        Ok(None)
    }

    /// What a signed message will say.
    ///
    /// # Errors
    ///
    /// When the message cannot be signed.
    fn stamp<'s>(&self, message: &Message<'s>, stamp: &Stamp<'s>) -> Result<Claim<'s>, RejectionKind>;

    /// Writes the fields of a signed message. `digest` is that of [`Entry::Digest`], as spelt, or empty.
    ///
    /// # Errors
    ///
    /// When something has no spelling. Nothing is written then.
    fn write(&self, head: HeadMut<'_>, stamp: &Stamp<'_>, digest: &[u8], tag: &Tag) -> Result<(), SignError>;
}

impl Seen<'_> {
    /// With the hash of a body that is there as a whole.
    pub(crate) fn hashed(self) -> Self {
        let mut hash = BodyHash::default();
        hash.update(self.whole);
        Self { sha256: hash.finish(), ..self }
    }
}

impl dyn Protocol {
    /// Feeds a whole head.
    pub(crate) fn feed_head(&self, m: &Message<'_>, claim: &Claim<'_>, mac: &mut Mac) -> Result<(), RejectionKind> {
        let mut feed = Feed::new(mac);
        self.before(m, claim, &mut feed)?;
        feed.flush();
        Ok(())
    }

    /// Feeds what follows the body, and ends.
    pub(crate) fn feed_rest(
        &self,
        message: &Message<'_>,
        claim: &Claim<'_>,
        seen: &Seen<'_>,
        mut mac: Mac,
    ) -> Result<Tag, RejectionKind> {
        let mut feed = Feed::new(&mut mac);
        self.after(message, claim, seen, &mut feed)?;
        feed.flush();
        Ok(mac.finish())
    }
}

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

/// How the MAC of a body is sent behind it.
#[derive(Clone, Debug)]
pub struct Trailer {
    /// The trailer field.
    pub name: HeaderName,
    /// What the head says in the place of the digest.
    pub announced: &'static str,
    /// What stands before the MAC, which is spelt as [`Protocol::encoding`] says.
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

//! The trait under [`Scheme`](super::Scheme).

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::claim::{Claim, Claims, Stamp};
use super::entry::{Entry, Seen, Trailer};
use super::feed::Feed;
use super::message::{HeadMut, Message};
use super::time::TimeFormat;
use crate::clock::Tolerance;
use crate::encoding::Encoding;
use crate::error::{ConfigError, SignError};
use crate::key::Key;
use crate::mac::{Algorithm, Mac, Tag};
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

    /// Every field that this format writes, in requests and in responses.
    fn fields(&self) -> &[HeaderName];

    /// Whether only the signer of a request may set this field, one of [`fields`](Self::fields): what stands there is
    /// removed first. Default: always. The name that a sender gives its message stays.
    fn owns_in_requests(&self, _name: &HeaderName) -> bool {
        true
    }

    /// Whether only the signer of a response may set this field, one of [`fields`](Self::fields). Default: where this
    /// format [signs responses](Self::signs_responses).
    fn owns_in_responses(&self, _name: &HeaderName) -> bool {
        self.signs_responses()
    }

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

    /// How a signer spells the time of this message.
    fn time(&self, _message: &Message<'_>) -> TimeFormat {
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

impl dyn Protocol {
    /// Feeds a whole head.
    pub(crate) fn feed_head(&self, m: &Message<'_>, claim: &Claim<'_>, mac: &mut Mac) -> Result<(), RejectionKind> {
        let mut feed = Feed::new(mac);
        self.before(m, claim, &mut feed)?;
        feed.flush();
        Ok(())
    }

    /// Feeds what follows the body.
    pub(crate) fn feed_rest(
        &self,
        message: &Message<'_>,
        claim: &Claim<'_>,
        seen: &Seen<'_>,
        mac: &mut Mac,
    ) -> Result<(), RejectionKind> {
        let mut feed = Feed::new(mac);
        self.after(message, claim, seen, &mut feed)?;
        feed.flush();
        Ok(())
    }
}

//! The trait under [`Scheme`](super::Scheme): how one wire format reads, feeds and writes its fields. No I/O, no clock.
//!
//! The cut, walked through the formats that it has to carry:
//!
//! | format | `read` | body | `feed` | `write` |
//! |---|---|---|---|---|
//! | native | five headers | digest in the head | fixed lines, digest last | five (three) headers |
//! | Imburse | one `Authorization`, split at `:` | digest, or nothing for an empty body, in no header: the engine must hash first | id, nonce, time, digest | one header |
//! | signed JSON members | one header | the whole body, given to a function | after the body | one header |
//! | Stripe | one list, several tags | raw bytes between two feeds | time before the body | one header |
//! | Twilio | one header | form: a function of the whole body; JSON: digest in the query | URL first | one header |
//! | RFC 9421 | several labelled claims, each with its own base | `content-digest`, written before it is fed | components, some from the request | two headers |
//! | SigV4 | one header, scope inside | digest in a header | under a key that is derived from the secret | two headers |
//!
//! So three things will grow, and nothing has to be taken back: [`Claim::body`] gets more variants (raw, whole,
//! trailer), `read` yields up to four claims, and two provided hooks come beside `feed`: one that derives the MAC
//! from the key, one that writes what is itself covered. A response is a message that knows its [`Exchange`].

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::exchange::Exchange;
use super::target::Resolved;
use crate::error::{ConfigError, SignError};
use crate::key::Key;
use crate::mac::{Mac, Tag};
use crate::rejection::RejectionKind;

/// One wire format, for both directions, for verifying and for signing.
pub(crate) trait Protocol: Send + Sync + 'static {
    /// The name that `Verified` and error messages carry.
    fn name(&self) -> &'static str;

    /// What `WWW-Authenticate` says in a refusal.
    fn challenge(&self) -> HeaderValue;

    /// Every field that this format writes: on responses only the layer may set them.
    fn fields(&self) -> &[HeaderName];

    /// Marks the values that a log must not show as sensitive.
    fn conceal(&self, headers: &mut HeaderMap);

    /// Whether a key can be used with this format.
    fn fits(&self, key: &Key) -> Result<(), ConfigError>;

    /// Reads the fields of a message, strictly.
    fn read<'m>(&self, message: &Message<'m>) -> Result<Claim<'m>, RejectionKind>;

    /// Feeds the string to sign. Fails when a signed header is repeated or empty.
    fn feed(&self, message: &Message<'_>, claim: &Claim<'_>, mac: &mut Mac) -> Result<(), RejectionKind>;

    /// Writes the fields of a signed message. Nothing is written on failure.
    fn write(&self, side: Side, claim: &Claim<'_>, tag: &Tag, headers: &mut HeaderMap) -> Result<(), SignError>;
}

/// The head of a message, as the signature sees it.
#[derive(Debug)]
pub(crate) struct Message<'m> {
    pub(crate) start: Start<'m>,
    pub(crate) headers: &'m HeaderMap,
}

/// The part of the head that is not header fields.
#[derive(Debug)]
pub(crate) enum Start<'m> {
    Request { method: &'m Method, target: Resolved<'m> },
    Response { status: StatusCode, to: &'m Exchange },
}

/// The direction of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
}

/// What a message says about its own signature; or, when signing, what it will say.
#[derive(Debug)]
pub(crate) struct Claim<'m> {
    /// As spelt in the message; a response takes it from its request.
    pub(crate) key_id: &'m str,
    /// The text that is signed, and its value in Unix seconds.
    pub(crate) timestamp: (&'m str, u64),
    /// Requests only.
    pub(crate) nonce: Option<&'m str>,
    /// The body's digest as it is signed, and decoded.
    pub(crate) body: (&'m [u8; 64], [u8; 32]),
    /// The tag that came with the message. Zero when signing.
    pub(crate) tag: [u8; 32],
}

//! Why a message was refused.

use std::error::Error;
use std::fmt;

use http::StatusCode;

use crate::error::BoxError;
use crate::key::Key;

/// What went wrong with a message, for logs, metrics and renderers.
///
/// Everything that a stranger could probe is answered with one and the same 401. The kind is in the extensions of
/// every response that the layer makes itself; its [`Display`](fmt::Display) says what to do where a setting helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionKind {
    /// 401: a required field is absent.
    Missing,
    /// 401: a field is repeated, empty or spelt otherwise than the scheme says.
    Malformed,
    /// 401: nobody knows the key id.
    UnknownKey,
    /// 401: the MAC is wrong: see [`strings_to_sign`](crate::verify::RequestVerifier::strings_to_sign).
    BadMac,
    /// 401: the message is too old.
    Stale,
    /// 401: the message is dated too far ahead.
    Future,
    /// 401: the message was accepted before.
    Replay,
    /// 401: the body is not the one that was signed.
    BodyMismatch,
    /// 401: a header that overrides method or target is present but not signed.
    UncoveredOverride,
    /// 401: the scheme does not sign this method (`CONNECT`).
    Method,
    /// 400: no authority, two `Host` lines, or an authority that contradicts `Host`.
    AmbiguousTarget,
    /// 400: trailers that the signature does not cover.
    ForbiddenTrailer,
    /// 400: the body ended in an error.
    BodyError,
    /// 408: the body did not arrive within the deadline.
    BodyTimeout,
    /// 413: the body is over the limit.
    BodyTooLarge,
    /// 429: the key has too many live replay entries, says a replay guard that counts them.
    Quota,
    /// 503: the key store failed, or returned a key that does not fit.
    KeysUnavailable,
    /// 503: the replay guard failed or is full.
    GuardUnavailable,
    /// 503: the clock cannot be trusted.
    Clock,
    /// 503: all requests and responses together hold too many body bytes.
    Budget,
    /// 500: the service's answer is over the limit for signing.
    ResponseTooLarge,
    /// 500: the service's answer did not end within the deadline.
    ResponseTimeout,
    /// 500: the service's answer is an event stream, which cannot be buffered.
    ResponseEndless,
    /// 500: the service's answer has trailers or ambiguous headers, which cannot be signed.
    Unsignable,
    /// 500: the body of the service's answer ended in an error.
    ResponseError,
}

impl RejectionKind {
    /// The status that the default renderer answers with.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Missing
            | Self::Malformed
            | Self::UnknownKey
            | Self::BadMac
            | Self::Stale
            | Self::Future
            | Self::Replay
            | Self::BodyMismatch
            | Self::UncoveredOverride
            | Self::Method => StatusCode::UNAUTHORIZED,
            Self::AmbiguousTarget | Self::ForbiddenTrailer | Self::BodyError => StatusCode::BAD_REQUEST,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Quota => StatusCode::TOO_MANY_REQUESTS,
            Self::KeysUnavailable | Self::GuardUnavailable | Self::Clock | Self::Budget => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::ResponseTooLarge
            | Self::ResponseTimeout
            | Self::ResponseEndless
            | Self::Unsignable
            | Self::ResponseError => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for RejectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "a signature field is missing",
            Self::Malformed => "a signature field or signed header is malformed",
            Self::UnknownKey => "the key id is unknown",
            Self::BadMac => {
                "the signature is wrong: below a router or proxy that rewrites requests see HmacLayer::target, else compare \
                 what was signed (RequestVerifier::strings_to_sign)"
            }
            Self::Stale => "the message is too old",
            Self::Future => "the message is dated in the future",
            Self::Replay => "the message was accepted before",
            Self::BodyMismatch => "the body is not the signed one",
            Self::UncoveredOverride => "an unsigned header overrides method or target: sign it (SignedHeaders)",
            Self::Method => "the method cannot be signed",
            Self::AmbiguousTarget => "the authority is missing or ambiguous: behind a proxy, set HmacLayer::target",
            Self::ForbiddenTrailer => "the message has trailers that are not signed",
            Self::BodyError => "the body ended in an error",
            Self::BodyTimeout => "the body did not arrive in time: see HmacLayer::body_deadline",
            Self::BodyTooLarge => "the body is over the limit: see HmacLayer::max_body",
            Self::Quota => "the key has too many live replay entries",
            Self::KeysUnavailable => "the key store failed or returned a key that does not fit the scheme",
            Self::GuardUnavailable => "the replay guard failed or is full",
            Self::Clock => "the clock cannot be trusted",
            Self::Budget => "all bodies together are over the budget: see HmacLayer::buffer_budget",
            Self::ResponseTooLarge => "the response is over the limit for signing: see HmacLayer::max_response_body",
            Self::ResponseTimeout => "the response did not end in time to be signed: see HmacLayer::body_deadline",
            Self::ResponseEndless => "an event stream cannot be signed: name it in HmacLayer::pass_unsigned",
            Self::Unsignable => {
                "the response has trailers, or a repeated or empty signed header: see HmacLayer::pass_unsigned"
            }
            Self::ResponseError => "the response body ended in an error before it could be signed",
        })
    }
}

/// Why a message was refused: a [`RejectionKind`], the key if the signature was right, and, where something else
/// failed, its error as the source.
///
/// ```
/// use tower_hmac::{Rejection, RejectionKind};
///
/// let rejection = Rejection::from(RejectionKind::Stale);
/// assert_eq!(rejection.kind().status(), 401);
/// ```
#[derive(Debug)]
pub struct Rejection {
    kind: RejectionKind,
    key: Option<Key>,
    source: Option<BoxError>,
}

impl Rejection {
    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// The key that signed, when the signature was right.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    pub(crate) fn caused(kind: RejectionKind, source: BoxError) -> Self {
        Self { source: Some(source), ..kind.into() }
    }

    pub(crate) fn signed_by(self, key: &Key) -> Self {
        Self { key: Some(key.clone()), ..self }
    }
}

impl From<RejectionKind> for Rejection {
    fn from(kind: RejectionKind) -> Self {
        Self { kind, key: None, source: None }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

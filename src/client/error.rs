//! Why a call failed.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, Response};

use crate::error::BoxError;
use crate::rejection::{Rejection, RejectionKind};

/// What went wrong with a call. Whether it may have been carried out all the same says
/// [`ClientError::may_have_been_sent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// There is no key for this request, such as for a host that [`HostKeys`](crate::HostKeys) does not name.
    NoKey,
    /// The key store failed, or returned a key that does not fit the scheme.
    KeysUnavailable,
    /// The request cannot be signed. The source is a [`SignError`](crate::SignError).
    Unsignable,
    /// The clock cannot be trusted.
    Clock,
    /// The request's body is over the limit.
    RequestTooLarge,
    /// The request's body did not end within the deadline.
    RequestTimeout,
    /// The request has trailers, which cannot be signed.
    RequestTrailers,
    /// The request's body ended in an error.
    RequestBody,
    /// All requests and responses together hold too many body bytes.
    Budget,
    /// The service below failed. Its error is the source.
    Service,
    /// The response is not signed. It may be the refusal of a server that could not tell who asked, or may come from
    /// somebody else.
    Unsigned,
    /// The response's signature is malformed or wrong, or is that of the answer to another request.
    BadSignature,
    /// The response's time is outside the tolerance, or it says no time.
    Stale,
    /// The response's body is not the one that was signed.
    BodyMismatch,
    /// The response's body is over the limit.
    ResponseTooLarge,
    /// The response's body did not end within the deadline.
    ResponseTimeout,
    /// The response has trailers, which are not signed.
    ResponseTrailers,
    /// The response's body ended in an error.
    ResponseBody,
}

impl fmt::Display for ClientErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKey => {
                "there is no key for this request or its host, or a ring holds keys of several ids: it was not sent"
            }
            Self::KeysUnavailable => "the key store failed or returned a key that does not fit the scheme",
            Self::Unsignable => "the request cannot be signed: it was not sent",
            Self::Clock => "the clock cannot be trusted",
            Self::RequestTooLarge => "the request body is over the limit: see HmacClientLayer::max_body",
            Self::RequestTimeout => "the request body did not end in time: see HmacClientLayer::body_deadline",
            Self::RequestTrailers => "the request has trailers, which cannot be signed",
            Self::RequestBody => "the request body ended in an error",
            Self::Budget => "all bodies together are over the budget: see HmacClientLayer::buffer_budget",
            Self::Service => "the request failed",
            Self::Unsigned => "the response is not signed",
            Self::BadSignature => "the signature of the response is malformed or wrong",
            Self::Stale => {
                "the response is too old, dated in the future or not dated: see HmacClientLayer::response_tolerance"
            }
            Self::BodyMismatch => "the body of the response is not the signed one",
            Self::ResponseTooLarge => "the response body is over the limit: see HmacClientLayer::max_response_body",
            Self::ResponseTimeout => "the response body did not end in time: see HmacClientLayer::body_deadline",
            Self::ResponseTrailers => "the response has trailers, which are not signed",
            Self::ResponseBody => "the response body ended in an error",
        })
    }
}

/// Why a call through an [`HmacClient`](crate::HmacClient) failed: a [`ClientErrorKind`], the error behind it as the
/// source, and what is known of a response that was not accepted.
///
/// ```
/// use tower_hmac::{ClientError, ClientErrorKind};
///
/// fn report(error: &ClientError) -> String {
///     match (error.kind(), error.unverified_response()) {
///         // A server does not sign a refusal. This text may come from anybody: show it, do not act on it.
///         (ClientErrorKind::Unsigned, Some(response)) => {
///             format!("refused with {}: {}", response.status(), response.body().escape_ascii())
///         }
///         _ => error.to_string(),
///     }
/// }
/// ```
pub struct ClientError(Box<Inner>);

struct Inner {
    kind: ClientErrorKind,
    unverified: Option<Response<Bytes>>,
    source: Option<BoxError>,
}

impl ClientError {
    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ClientErrorKind {
        self.0.kind
    }

    /// Whether the request may have reached the server, and so may have been carried out. `false` is certain: to send
    /// it again is no second execution.
    #[must_use]
    pub fn may_have_been_sent(&self) -> bool {
        self.0.kind == ClientErrorKind::Service || self.0.unverified.is_some()
    }

    /// The response that was not accepted, if one came: its head, and the first bytes of its body (8 KiB at most) when
    /// the head was the reason.
    ///
    /// Nothing of it is proved. It is for showing, and for telling a refusal (401, 413, 503) from a forgery.
    #[must_use]
    pub fn unverified_response(&self) -> Option<&Response<Bytes>> {
        self.0.unverified.as_ref()
    }

    pub(super) fn caused(kind: ClientErrorKind, source: BoxError) -> Self {
        Self(Box::new(Inner { kind, unverified: None, source: Some(source) }))
    }

    pub(super) fn with_response(mut self, head: Parts, body: Bytes) -> Self {
        self.0.unverified = Some(Response::from_parts(head, body));
        self
    }
}

impl From<ClientErrorKind> for ClientError {
    fn from(kind: ClientErrorKind) -> Self {
        Self(Box::new(Inner { kind, unverified: None, source: None }))
    }
}

/// What a verifier says about a response.
impl From<Rejection> for ClientError {
    fn from(rejection: Rejection) -> Self {
        let kind = match rejection.kind() {
            RejectionKind::Missing => ClientErrorKind::Unsigned,
            RejectionKind::Stale | RejectionKind::Future => ClientErrorKind::Stale,
            RejectionKind::BodyMismatch => ClientErrorKind::BodyMismatch,
            _ => ClientErrorKind::BadSignature,
        };
        Self::caused(kind, rejection.into())
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.kind.fmt(f)?;
        let Some(response) = &self.0.unverified else { return Ok(()) };
        write!(f, " (status {}", response.status().as_u16())?;
        if let Some(code) = grpc_status(response.headers()) {
            write!(f, ", grpc-status {code}")?;
        }
        f.write_str(")")
    }
}

/// What is refused over gRPC has status 200. As a number: a text could say anything.
fn grpc_status(headers: &HeaderMap) -> Option<u8> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// Without headers and body, which may hold what a log must not show.
impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientError")
            .field("kind", &self.0.kind)
            .field("status", &self.0.unverified.as_ref().map(Response::status))
            .field("source", &self.0.source)
            .finish()
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}

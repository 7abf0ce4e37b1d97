//! The head of a message, as a signature sees it.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri, request, response};

use super::exchange::Exchange;
use super::headers::Once;
use super::resolved::Resolved;
use super::target::Target;
use crate::rejection::RejectionKind;

/// The head of a message, as a signature sees it.
#[derive(Debug)]
pub struct Message<'m> {
    start: Start<'m>,
    headers: &'m HeaderMap,
}

#[derive(Debug)]
enum Start<'m> {
    Request { head: &'m request::Parts, target: Result<Resolved<'m>, RejectionKind> },
    Response { status: StatusCode, to: &'m Exchange },
}

/// What kind of message it is, and the part of its head that is not header fields.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'m> {
    /// A request.
    Request(&'m Method),
    /// A response, and the request that it answers.
    Response(StatusCode, &'m Exchange),
}

impl<'m> Message<'m> {
    /// Two `Host` lines are refused here, whether the scheme covers the authority or not.
    pub(crate) fn request(head: &'m request::Parts, target: &'m Target) -> Result<Self, RejectionKind> {
        let host = match Once::of(&head.headers, &http::header::HOST) {
            Once::Absent => None,
            Once::One(value) => Some(super::trim(value.as_bytes())),
            Once::Repeated => return Err(RejectionKind::AmbiguousTarget),
        };
        let target = target.resolve(head, host);
        Ok(Self { start: Start::Request { head, target }, headers: &head.headers })
    }

    pub(crate) fn response(head: &'m response::Parts, to: &'m Exchange) -> Self {
        Self { start: Start::Response { status: head.status, to }, headers: &head.headers }
    }

    /// Request or response.
    #[must_use]
    pub fn subject(&self) -> Subject<'m> {
        match &self.start {
            Start::Request { head, .. } => Subject::Request(&head.method),
            Start::Response { status, to } => Subject::Response(*status, to),
        }
    }

    /// Whether it is a request.
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// The authority of a request, not yet in lower case.
    ///
    /// # Errors
    ///
    /// [`AmbiguousTarget`](RejectionKind::AmbiguousTarget) when a request has no authority or several, and for a
    /// response.
    pub fn authority(&self) -> Result<&[u8], RejectionKind> {
        self.target()?.authority.as_deref().ok_or(RejectionKind::AmbiguousTarget)
    }

    /// The target of a request.
    ///
    /// # Errors
    ///
    /// [`AmbiguousTarget`](RejectionKind::AmbiguousTarget) when the request has no path that could be signed, and for a
    /// response.
    pub fn target(&self) -> Result<&Resolved<'m>, RejectionKind> {
        match &self.start {
            Start::Request { target, .. } => target.as_ref().map_err(|kind| *kind),
            Start::Response { .. } => Err(RejectionKind::AmbiguousTarget),
        }
    }

    /// All header fields.
    #[must_use]
    pub fn headers(&self) -> &'m HeaderMap {
        self.headers
    }

    /// The one field of this name, `None` when it is absent.
    ///
    /// # Errors
    ///
    /// [`Malformed`](RejectionKind::Malformed) when it is repeated.
    pub fn header(&self, name: &HeaderName) -> Result<Option<&'m HeaderValue>, RejectionKind> {
        match Once::of(self.headers, name) {
            Once::Absent => Ok(None),
            Once::One(value) => Ok(Some(value)),
            Once::Repeated => Err(RejectionKind::Malformed),
        }
    }
}

/// The parts of a head that signing may write to.
#[derive(Debug)]
pub struct HeadMut<'h> {
    /// The header fields.
    pub headers: &'h mut HeaderMap,
    /// The URI of a request.
    pub uri: Option<&'h mut Uri>,
}

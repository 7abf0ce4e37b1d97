//! The pieces of a string to sign.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::header::HeaderName;

use crate::encoding::Encoding;
use crate::rejection::RejectionKind;
use crate::scheme::claim::Claim;
use crate::scheme::entry::Seen;
use crate::scheme::feed::Feed;
use crate::scheme::message::{Message, Subject};
use crate::scheme::trim;

/// One piece of a string to sign.
///
/// Pieces are fed one after the other, with nothing between them: what separates them is a [`literal`](Self::literal).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Part {
    /// Fixed bytes.
    Literal(Cow<'static, [u8]>),
    /// The method of a request, as sent.
    Method,
    /// The scheme of the request's URI; `https` when it has none.
    UriScheme,
    /// The authority of a request, in lower case ([`Target`](crate::Target)).
    Authority,
    /// The port of a request: that of the authority, or else the usual one of the URI's scheme.
    Port,
    /// The path of a request, as sent.
    Path,
    /// The query of a request, without the question mark; nothing when there is none.
    Query,
    /// Path, and question mark and query if there is one.
    PathAndQuery,
    /// The whole URL: scheme, `://`, authority, path and query.
    Url,
    /// The time, as it is spelt in the message.
    Timestamp,
    /// The nonce.
    Nonce,
    /// The key id.
    KeyId,
    /// The delivery id.
    DeliveryId,
    /// A header of this name, trimmed: a message without it, or with two, is refused.
    Header(HeaderName),
    /// The body, byte for byte.
    Body,
    /// The SHA-256 of the body. Of an empty body it is that of nothing.
    BodySha256(Encoding),
    /// The SHA-256 of the body; nothing at all for an empty body.
    BodySha256IfAny(Encoding),
    /// The signature of the request that a response answers.
    RequestSignature(Encoding),
    /// The status of a response: three digits.
    Status,
    /// A function of the head.
    OfHead(HeadFunction),
    /// A function of the head and the whole body.
    OfBody(BodyFunction),
}

/// The caller's own function of a head. `None` refuses the message as malformed.
#[derive(Clone)]
pub struct HeadFunction(Arc<OfHead>);

type OfHead = dyn Fn(&Message<'_>) -> Option<Vec<u8>> + Send + Sync;
type OfBody = dyn Fn(&Message<'_>, &[u8]) -> Option<Vec<u8>> + Send + Sync;

/// The caller's own function of a head and its body. `None` refuses the message as malformed.
#[derive(Clone)]
pub struct BodyFunction(Arc<OfBody>);

impl fmt::Debug for HeadFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeadFunction(..)")
    }
}

impl fmt::Debug for BodyFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyFunction(..)")
    }
}

impl Part {
    /// Fixed text.
    #[must_use]
    pub const fn literal(text: &'static str) -> Self {
        Self::Literal(Cow::Borrowed(text.as_bytes()))
    }

    /// A function of the head. `None` refuses the message as malformed.
    pub fn of_head(function: impl Fn(&Message<'_>) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::OfHead(HeadFunction(Arc::new(function)))
    }

    /// A function of the head and the whole body, such as two members of a JSON object. `None` refuses the message as
    /// malformed.
    pub fn of_body(function: impl Fn(&Message<'_>, &[u8]) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::OfBody(BodyFunction(Arc::new(function)))
    }

    /// Whether it needs the body.
    pub(super) fn is_body(&self) -> bool {
        matches!(self, Self::Body | Self::BodySha256(_) | Self::BodySha256IfAny(_) | Self::OfBody(_))
    }

    /// Whether a sender chooses its text, of any length, and nobody looks for an end in it.
    pub(super) fn is_chosen(&self) -> bool {
        use Part::{Authority, Header, Method, OfHead, Path, PathAndQuery, Port, Query, UriScheme, Url};
        matches!(
            self,
            Method | UriScheme | Authority | Port | Path | Query | PathAndQuery | Url | Header(_) | OfHead(_)
        )
    }

    /// What only a request has, or only a response.
    pub(super) fn is_of_request(&self) -> bool {
        use Part::{Authority, Method, Path, PathAndQuery, Port, Query, UriScheme, Url};
        matches!(self, Method | UriScheme | Authority | Port | Path | Query | PathAndQuery | Url)
    }

    pub(super) fn is_of_response(&self) -> bool {
        matches!(self, Self::RequestSignature(_) | Self::Status)
    }

    /// Feeds everything but [`Body`](Self::Body), which the engine feeds.
    pub(super) fn feed(
        &self,
        message: &Message<'_>,
        claim: &Claim<'_>,
        seen: &Seen<'_>,
        feed: &mut Feed<'_>,
    ) -> Result<(), RejectionKind> {
        match self {
            Self::Literal(text) => feed.push(text),
            Self::Method => match message.subject() {
                Subject::Request(method) => feed.push(method.as_str().as_bytes()),
                Subject::Response(..) => return Err(RejectionKind::Malformed),
            },
            Self::UriScheme => feed.push(message.target()?.scheme.as_bytes()),
            Self::Authority => feed.push_lower_case(message.authority()?),
            Self::Port => {
                let authority = message.authority()?;
                // A colon inside of brackets belongs to an IPv6 address.
                let colon = authority
                    .iter()
                    .rposition(|b| matches!(b, b':' | b']'))
                    .filter(|at| authority.get(*at) == Some(&b':'));
                let port = colon.and_then(|at| authority.get(at..)?.get(1..)).filter(|port| !port.is_empty());
                feed.push(port.unwrap_or(if message.target()?.scheme == "http" { b"80" } else { b"443" }));
            }
            Self::Path => feed.push(message.target()?.path.as_bytes()),
            Self::Query => feed.push(message.target()?.query.as_deref().unwrap_or_default().as_bytes()),
            Self::PathAndQuery => path_and_query(message, feed)?,
            Self::Url => {
                let target = message.target()?;
                feed.push(target.scheme.as_bytes());
                feed.push(b"://");
                feed.push_lower_case(message.authority()?);
                path_and_query(message, feed)?;
            }
            Self::Timestamp => feed.push(claim.timestamp.ok_or(RejectionKind::Missing)?.text.as_bytes()),
            Self::Nonce => feed.push(claim.nonce.ok_or(RejectionKind::Missing)?.as_bytes()),
            Self::KeyId => feed.push(claim.key_id.ok_or(RejectionKind::Missing)?.as_bytes()),
            Self::DeliveryId => feed.push(claim.delivery_id.ok_or(RejectionKind::Missing)?.as_bytes()),
            Self::Header(name) => {
                let value = message.header(name)?.ok_or(RejectionKind::Missing)?;
                feed.push(trim(value.as_bytes()));
            }
            Self::Body => feed.push(seen.whole),
            Self::BodySha256IfAny(_) if seen.len == 0 => {}
            Self::BodySha256(encoding) | Self::BodySha256IfAny(encoding) => match claim.digest {
                Some(digest) => feed.push(digest),
                None => feed.push(encoding.spell(&seen.sha256).as_bytes()),
            },
            Self::RequestSignature(encoding) => match message.subject() {
                Subject::Response(_, to) => feed.push(to.signature().spell(*encoding).as_bytes()),
                Subject::Request(_) => return Err(RejectionKind::Malformed),
            },
            Self::Status => match message.subject() {
                Subject::Response(status, _) => feed.push(status.as_str().as_bytes()),
                Subject::Request(_) => return Err(RejectionKind::Malformed),
            },
            Self::OfHead(HeadFunction(function)) => feed.push(&function(message).ok_or(RejectionKind::Malformed)?),
            Self::OfBody(BodyFunction(function)) => {
                feed.push(&function(message, seen.whole).ok_or(RejectionKind::Malformed)?);
            }
        }
        Ok(())
    }
}

fn path_and_query(message: &Message<'_>, feed: &mut Feed<'_>) -> Result<(), RejectionKind> {
    let target = message.target()?;
    feed.push(target.path.as_bytes());
    if let Some(query) = &target.query {
        feed.push(b"?");
        feed.push(query.as_bytes());
    }
    Ok(())
}

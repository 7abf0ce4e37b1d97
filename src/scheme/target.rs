//! The authority and path that a signature covers.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use http::uri::Authority;
use http::{Method, Uri};

use super::alphabet::Alphabet;
use super::resolved::{Resolved, cut, path_and_query};
use crate::error::{ConfigError, Mistake};
use crate::rejection::RejectionKind;

/// Where the authority and the path that a signature covers come from.
///
/// The default is the request as the layer sees it: the URI's authority (HTTP/2) or else `Host`, and the URI's path
/// and query. A request without an authority, or with two that differ, is refused. Something else is needed where
/// they differ from what the caller signed:
///
/// * behind a proxy that rewrites the host: [`fixed`](Self::fixed) or [`one_of`](Self::one_of);
/// * below a router that strips a path prefix, such as axum's `nest`: [`resolver`](Self::resolver). Without it one
///   signature fits every mount.
///
/// Two `Host` lines are always refused.
///
/// ```
/// use tower_hmac::Target;
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let public = Target::fixed("api.example.com")?;
/// # let _ = public;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Target(Source);

#[derive(Clone, Default)]
enum Source {
    #[default]
    Received,
    OneOf(Arc<[String]>),
    Resolver(Arc<Resolver>),
}

type Resolver = dyn for<'a> Fn(&'a Parts) -> SignedTarget<'a> + Send + Sync;

impl Target {
    /// The request as the layer sees it.
    #[must_use]
    pub fn received() -> Self {
        Self(Source::Received)
    }

    /// One public authority (`host` or `host:port`), whatever the request says.
    ///
    /// # Errors
    ///
    /// When the text is not an authority.
    pub fn fixed(authority: &str) -> Result<Self, ConfigError> {
        Self::one_of([authority])
    }

    /// Several public authorities. With more than one, the request must name the one it was signed for, in its URI or
    /// its `Host`; anything else is refused as ambiguous.
    ///
    /// # Errors
    ///
    /// When the list is empty or one of the texts is not an authority.
    pub fn one_of<'t>(authorities: impl IntoIterator<Item = &'t str>) -> Result<Self, ConfigError> {
        let check = |text: &str| match names_a_host(text) {
            true => Ok(text.to_ascii_lowercase()),
            false => Err(Mistake::Authority(text.to_owned())),
        };
        let set = authorities.into_iter().map(check).collect::<Result<Arc<[_]>, _>>()?;
        if set.is_empty() {
            return Err(Mistake::NoAuthority.into());
        }
        Ok(Self(Source::OneOf(set)))
    }

    /// A function of the head. What it leaves out is taken from the request as received.
    ///
    /// ```
    /// use http::Uri;
    /// use tower_hmac::{SignedTarget, Target};
    ///
    /// #[derive(Clone)]
    /// struct Original(Uri); // axum has `axum::extract::OriginalUri`
    ///
    /// let target = Target::resolver(|head| match head.extensions.get::<Original>() {
    ///     Some(original) => SignedTarget::received().path_and_query_of(&original.0),
    ///     None => SignedTarget::received(),
    /// });
    /// # let _ = target;
    /// ```
    pub fn resolver<F>(resolve: F) -> Self
    where
        F: for<'a> Fn(&'a Parts) -> SignedTarget<'a> + Send + Sync + 'static,
    {
        Self(Source::Resolver(Arc::new(resolve)))
    }

    /// `host` is the one `Host` line, trimmed.
    pub(super) fn resolve<'a>(
        &'a self,
        head: &'a Parts,
        host: Option<&'a [u8]>,
    ) -> Result<Resolved<'a>, RejectionKind> {
        if head.uri.scheme().is_none() && head.uri.authority().is_some() && head.method != Method::CONNECT {
            // `GET example.com`: a target that only CONNECT may have (RFC 9112 section 3.2.3).
            return Err(RejectionKind::AmbiguousTarget);
        }
        let resolved = match &self.0 {
            Source::Received => SignedTarget::received(),
            Source::OneOf(set) => match select(set, &head.uri, host) {
                Some(one) => SignedTarget::received().authority(one),
                // No authority at all.
                None => SignedTarget::received().authority(""),
            },
            Source::Resolver(resolve) => resolve(head),
        };
        let authority = match resolved.authority {
            Some(Cow::Borrowed(given)) => authority(given.as_bytes()).map(Cow::Borrowed),
            Some(Cow::Owned(given)) => authority(given.as_bytes()).is_some().then(|| Cow::Owned(given.into_bytes())),
            None => received(&head.uri, host).map(Cow::Borrowed),
        };
        let (path, query) = match resolved.path_and_query {
            None => path_and_query(&head.uri),
            Some(Path::Of(uri)) => path_and_query(uri),
            Some(Path::Text(text)) => cut(text).ok_or(RejectionKind::AmbiguousTarget)?,
        };
        let scheme = resolved.scheme.unwrap_or(Cow::Borrowed(head.uri.scheme_str().unwrap_or("https")));
        Ok(Resolved { scheme, authority, path, query })
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Received => f.write_str("Target::received()"),
            Source::OneOf(set) => write!(f, "Target::one_of({set:?})"),
            Source::Resolver(_) => f.write_str("Target::resolver(..)"),
        }
    }
}

/// What a [`Target::resolver`] decides. The parts that it does not set are those of the request.
#[derive(Clone, Debug, Default)]
pub struct SignedTarget<'a> {
    scheme: Option<Cow<'a, str>>,
    authority: Option<Cow<'a, str>>,
    path_and_query: Option<Path<'a>>,
}

#[derive(Clone, Debug)]
enum Path<'a> {
    Of(&'a Uri),
    Text(Cow<'a, str>),
}

impl<'a> SignedTarget<'a> {
    /// The request as received.
    #[must_use]
    pub fn received() -> Self {
        Self::default()
    }

    /// Sets the authority: `host` or `host:port`. Anything else refuses the request as ambiguous.
    #[must_use]
    pub fn authority(self, authority: impl Into<Cow<'a, str>>) -> Self {
        Self { authority: Some(authority.into()), ..self }
    }

    /// Sets the URI's scheme (`http`, `https`), which a request over HTTP/1.1 does not carry: `https` unless said
    /// otherwise.
    #[must_use]
    pub fn scheme(self, scheme: impl Into<Cow<'a, str>>) -> Self {
        Self { scheme: Some(scheme.into()), ..self }
    }

    /// Sets path and query, as the caller sent them. What is no path refuses the request as ambiguous.
    #[must_use]
    pub fn path_and_query(self, path_and_query: impl Into<Cow<'a, str>>) -> Self {
        Self { path_and_query: Some(Path::Text(path_and_query.into())), ..self }
    }

    /// Takes path and query of another URI, such as the one before a router rewrote it.
    #[must_use]
    pub fn path_and_query_of(self, uri: &'a Uri) -> Self {
        Self { path_and_query: Some(Path::Of(uri)), ..self }
    }
}

fn received<'a>(uri: &'a Uri, host: Option<&'a [u8]>) -> Option<&'a [u8]> {
    match (uri.authority().map(|a| a.as_str().as_bytes()), host) {
        (Some(one), Some(other)) if one != other && !one.eq_ignore_ascii_case(other) => None,
        (Some(one), _) | (None, Some(one)) => authority(one),
        (None, None) => None,
    }
}

fn select<'a>(set: &'a [String], uri: &Uri, host: Option<&[u8]>) -> Option<&'a str> {
    if let [only] = set {
        return Some(only);
    }
    let named = |name: &[u8]| set.iter().find(|one| one.as_bytes().eq_ignore_ascii_case(name));
    let by_uri = uri.authority().and_then(|a| named(a.as_str().as_bytes()));
    match (by_uri, host.and_then(named)) {
        (Some(one), Some(other)) if one != other => None,
        (Some(one), _) | (None, Some(one)) => Some(one),
        (None, None) => None,
    }
}

/// Whether a text is one that clients send: with a host, and a port or none.
fn names_a_host(text: &str) -> bool {
    let parsed = text.parse::<Authority>().ok().filter(|_| authority(text.as_bytes()).is_some());
    parsed.is_some_and(|it| !it.host().is_empty() && (it.host() == text || it.port_u16().is_some()))
}

/// `host` or `host:port`: no user information, no blanks, nothing that could end the line.
fn authority(text: &[u8]) -> Option<&[u8]> {
    // The characters of RFC 3986 without `@`, which would begin user information, and `,`, which joins two values.
    static ALLOWED: Alphabet = Alphabet::alphanumeric_and(b"-._~!$&'()*+;=:[]%");
    (!text.is_empty() && ALLOWED.spells(text)).then_some(text)
}

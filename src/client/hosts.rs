//! Where a request goes, and which key is for that place.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::sync::Arc;

use http::Uri;
use http::header::HOST;
use http::request::Parts;
use http::uri::{Authority, Scheme};

use crate::error::{ConfigError, Mistake};
use crate::key::{Key, KeyQuery, KeyStore, Lookup};
use crate::scheme::Target;

/// Keys that are bound to the hosts which may see their signatures.
///
/// A request for any other host fails with [`NoKey`](crate::ClientErrorKind::NoKey): it is neither signed nor sent, so
/// a redirect or a mistaken address leads nowhere.
///
/// Instead of a key, a host may have any other store: a [`KeyRing`](crate::KeyRing) whose secret is replaced while
/// requests are in flight, or an [`AsyncKeys`](crate::AsyncKeys), whose function gets an empty text here: a client looks
/// for a key to sign with, not for one that somebody names. A cache goes inside, around the store of one host. Where
/// hosts have stores of several kinds, make each an `Arc<dyn KeyStore>`.
///
/// ```
/// use tower_hmac::{HmacClientLayer, HostKeys, Key, Scheme};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// # let (ours, theirs) = (Key::generate("svc-a")?.0, Key::generate("svc-a")?.0);
/// let keys = HostKeys::new([("https://api.example.com", ours), ("partner.example.org:8443", theirs)])?;
/// let layer = HmacClientLayer::new(Scheme::native(), keys)?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HostKeys(Arc<HashMap<String, Bound>>);

struct Bound {
    /// `None` for any.
    scheme: Option<Scheme>,
    keys: Box<dyn KeyStore>,
}

impl HostKeys {
    /// Binds each key, or store, to one authority: `host`, or `host:port` for a port that is not the scheme's own. With
    /// `https://` in front, requests to that place without TLS fail as well, and those whose URI does not say (a path, and
    /// `Host`). Upper and lower case are alike in the authority. One key may stand for several.
    ///
    /// # Errors
    ///
    /// When the list is empty, an authority stands in it twice (even with `http://` and `https://`), or a text is not an
    /// authority.
    pub fn new<'a, K: KeyStore>(keys: impl IntoIterator<Item = (&'a str, K)>) -> Result<Self, ConfigError> {
        let mut all = HashMap::new();
        for (place, keys) in keys {
            let (scheme, authority) = match (place.strip_prefix("https://"), place.strip_prefix("http://")) {
                (Some(authority), _) => (Some(Scheme::HTTPS), authority),
                (_, Some(authority)) => (Some(Scheme::HTTP), authority),
                (None, None) => (None, place),
            };
            Target::fixed(authority)?;
            let bare = scheme.as_ref().and_then(|scheme| without_default_port(scheme.as_str(), authority));
            let bound = Bound { scheme, keys: Box::new(keys) };
            if all.insert(bare.unwrap_or(authority).to_ascii_lowercase(), bound).is_some() {
                return Err(Mistake::AuthorityTwice(authority.to_owned()).into());
            }
        }
        match all.is_empty() {
            true => Err(Mistake::NoAuthority.into()),
            false => Ok(Self(Arc::new(all))),
        }
    }
}

impl KeyStore for HostKeys {
    fn lookup(&self, query: &KeyQuery<'_>) -> Lookup {
        let scheme = query.head().uri.scheme();
        let bound = destination(query.head()).and_then(|authority| self.0.get(&*authority));
        match bound.filter(|bound| bound.scheme.is_none() || bound.scheme.as_ref() == scheme) {
            Some(bound) => bound.keys.lookup(query),
            None => None::<Key>.into(),
        }
    }

    fn visit(&self, visit: &mut dyn FnMut(&Key)) {
        self.0.values().for_each(|bound| bound.keys.visit(visit));
    }
}

impl fmt::Debug for HostKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |(authority, bound): (&String, &Bound)| match &bound.scheme {
            Some(scheme) => format!("{scheme}://{authority}"),
            None => authority.clone(),
        };
        f.debug_set().entries(self.0.iter().map(place)).finish()
    }
}

/// The authority in lower case. `None` when there is none, or when URI and `Host` differ: nobody knows then which of
/// them the layers below will follow.
fn destination(head: &Parts) -> Option<Cow<'_, str>> {
    let mut lines = head.headers.get_all(HOST).iter();
    let host = match (lines.next(), lines.next()) {
        (line, None) => line.map(|value| value.to_str()).transpose().ok()?,
        (_, Some(_)) => return None,
    };
    let authority = match (head.uri.authority().map(Authority::as_str), host) {
        (Some(one), Some(other)) if !one.eq_ignore_ascii_case(other) => return None,
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => return None,
    };
    Some(match authority.bytes().any(|b| b.is_ascii_uppercase()) {
        true => Cow::Owned(authority.to_ascii_lowercase()),
        false => Cow::Borrowed(authority),
    })
}

/// Takes a port that the URI need not name out of it, unless `Host` is set: HTTP/1 clients leave it out of the `Host`
/// that they write, so what was signed would not be what is sent.
pub(super) fn drop_default_port(head: &mut Parts) {
    let (Some(scheme), Some(authority)) = (head.uri.scheme_str(), head.uri.authority()) else { return };
    let bare = without_default_port(scheme, authority.as_str()).filter(|_| !head.headers.contains_key(HOST));
    let Some(Ok(bare)) = bare.map(Authority::try_from) else { return };
    let mut parts = mem::take(&mut head.uri).into_parts();
    parts.authority = Some(bare);
    // A scheme and an authority go with any path.
    head.uri = Uri::from_parts(parts).unwrap_or_default();
}

/// The authority without its port, if that is the scheme's own. As a number, which is what clients go by: `0443`.
fn without_default_port<'a>(scheme: &str, authority: &'a str) -> Option<&'a str> {
    let default: u16 = if matches!(scheme, "https" | "wss") { 443 } else { 80 };
    let (bare, port) = authority.rsplit_once(':')?;
    (port.is_empty() || port.parse() == Ok(default)).then_some(bare)
}

//! Twilio.

use std::borrow::Cow;

use http::Uri;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery};

use super::absolute;
use crate::clock::Tolerance;
use crate::encoding::Encoding;
use crate::error::{ConfigError, Mistake, SignError};
use crate::mac::{Algorithm, Tag};
use crate::rejection::RejectionKind;
use crate::scheme::{Claim, Claims, Entry, Feed, HeadMut, Message, Protocol, Scheme, Seen, Signatures, Stamp};

const SIGNATURE: HeaderName = HeaderName::from_static("x-twilio-signature");

/// The member of the query that holds the hash of a body which is not a form.
const BODY: &str = "bodySHA256";

/// The most parameters of a form: strangers can send them.
const PARAMETERS: usize = 1000;

/// Requests of [Twilio](https://www.twilio.com/docs/usage/security): `x-twilio-signature`, base64 of the HMAC with
/// **SHA-1** of the public URL and, for a form, its parameters: sorted by name, name and value one after the other, equal
/// ones once. Any other body is signed through `bodySHA256` in the query; without that it is refused. The secret is the
/// auth token, as text; the key has to be for [`HmacSha1`](crate::Algorithm::HmacSha1).
///
/// `origin` is scheme and authority of the public URL, as Twilio is told it, such as `https://example.com`. Twilio does
/// not always sign the port: the URL is tried with its port and without, which takes two MACs for each key, so that no more than
/// two keys may be valid at a time. Path and query are those of the request ([`Target`](crate::Target)).
///
/// Nothing separates the parameters: `a=bc` and `ab=c` are signed alike, and so are a parameter and a piece of the URL. Nor
/// does the signature tell their order, how they are escaped, or whether one is repeated. A form of more than 1000
/// parameters, or one that is not UTF-8, is refused. Who both chooses the text of a parameter and sees the signature can
/// have a `bodySHA256` signed for a body of their own: a handler of forms should refuse other content types.
///
/// No time is signed, so a message is never stale, and no nonce, so the replay guard is off unless it is set; it then
/// remembers signatures for a day. There is no delivery id.
///
/// ```
/// use tower_hmac::{Algorithm, HmacLayer, Key, webhook};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let token = Key::from_text("twilio", "12345")?.with_algorithm(Algorithm::HmacSha1);
/// let layer = HmacLayer::new(webhook::twilio("https://example.com")?, token)?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// When the text is not scheme and authority alone.
pub fn twilio(origin: &str) -> Result<Scheme, ConfigError> {
    let uri = absolute(origin)?;
    if uri.path_and_query().is_some_and(|path| path.as_str() != "/") || origin.ends_with('/') {
        return Err(Mistake::Url(origin.to_owned()).into());
    }
    Ok(Scheme::from_protocol(Twilio { origins: [origin.to_owned(), other_port(&uri)] }))
}

struct Twilio {
    /// As told, and with the port that goes without saying, or without the one that was said.
    origins: [String; 2],
}

fn other_port(uri: &Uri) -> String {
    let (scheme, authority) = (uri.scheme_str().unwrap_or("https"), uri.authority().map_or("", Authority::as_str));
    match (uri.port(), scheme) {
        (Some(port), _) => {
            let bare = authority.strip_suffix(port.as_str()).and_then(|rest| rest.strip_suffix(':'));
            format!("{scheme}://{}", bare.unwrap_or(authority))
        }
        (None, "http") => format!("{scheme}://{authority}:80"),
        (None, _) => format!("{scheme}://{authority}:443"),
    }
}

impl Protocol for Twilio {
    fn name(&self) -> &'static str {
        "twilio"
    }

    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("HMAC")
    }

    fn fields(&self) -> &[HeaderName] {
        static FIELDS: [HeaderName; 1] = [SIGNATURE];
        &FIELDS
    }

    fn algorithm(&self) -> Algorithm {
        Algorithm::HmacSha1
    }

    fn encoding(&self, _: &Claim<'_>) -> Encoding {
        Encoding::Base64
    }

    fn tolerance(&self) -> Option<Tolerance> {
        None
    }

    fn read<'m>(&self, message: &Message<'m>) -> Result<Claims<'m>, RejectionKind> {
        let text = message.header(&SIGNATURE)?.ok_or(RejectionKind::Missing)?.as_bytes();
        Encoding::Base64.spells(text, self.algorithm().tag_len()).then_some(()).ok_or(RejectionKind::Malformed)?;
        let told = Claim { signatures: Signatures::one(text), digest: announced(message)?, ..Claim::default() };
        let mut claims = Claims::from(told.clone());
        claims.push(Claim { format: 1, ..told })?;
        Ok(claims)
    }

    fn entry(&self, message: &Message<'_>, claim: Option<&Claim<'_>>) -> Result<Entry, RejectionKind> {
        let digest = match claim {
            Some(claim) => claim.digest.is_some(),
            None => message.header(&CONTENT_TYPE)?.is_some() && !is_form(message)?,
        };
        Ok(if digest { Entry::Digest(Encoding::Hex) } else { Entry::Whole })
    }

    fn before(&self, message: &Message<'_>, claim: &Claim<'_>, feed: &mut Feed<'_>) -> Result<(), RejectionKind> {
        let target = message.target()?;
        feed.push(self.origins.get(claim.format).ok_or(RejectionKind::Malformed)?.as_bytes());
        feed.push(target.path.as_bytes());
        if let Some(query) = &target.query {
            feed.push(b"?");
            feed.push(query.as_bytes());
        }
        match (claim.digest, announced(message)?) {
            (Some(digest), None) => {
                feed.push(if target.query.is_some() { b"&" } else { b"?" });
                feed.push(BODY.as_bytes());
                feed.push(b"=");
                feed.push(digest);
            }
            (Some(digest), Some(there)) if digest != there => return Err(RejectionKind::BodyMismatch),
            _ => {}
        }
        Ok(())
    }

    fn after(
        &self,
        message: &Message<'_>,
        _: &Claim<'_>,
        seen: &Seen<'_>,
        feed: &mut Feed<'_>,
    ) -> Result<(), RejectionKind> {
        if seen.whole.is_empty() {
            return Ok(());
        }
        is_form(message)?.then_some(()).ok_or(RejectionKind::Missing)?;
        let mut parameters: Vec<_> = form_urlencoded::parse(seen.whole).take(PARAMETERS.saturating_add(1)).collect();
        if parameters.len() > PARAMETERS || !is_text(seen.whole) {
            return Err(RejectionKind::Malformed);
        }
        parameters.sort_unstable();
        parameters.dedup();
        for (name, value) in parameters {
            feed.push(name.as_bytes());
            feed.push(value.as_bytes());
        }
        Ok(())
    }

    fn stamp<'s>(&self, message: &Message<'s>, _: &Stamp<'s>) -> Result<Claim<'s>, RejectionKind> {
        message.target()?;
        Ok(Claim::default())
    }

    fn write(&self, head: HeadMut<'_>, _: &Stamp<'_>, digest: &[u8], tag: &Tag) -> Result<(), SignError> {
        let uri = head.uri.ok_or(SignError::Header)?;
        let signature = tag.spell(Encoding::Base64);
        let mut signature = HeaderValue::from_bytes(signature.as_bytes()).map_err(|_| SignError::Header)?;
        signature.set_sensitive(true);
        if !digest.is_empty() && hash_in(uri.query()).is_none() {
            let digest = str::from_utf8(digest).map_err(|_| SignError::Header)?;
            let joint = if uri.query().is_some() { '&' } else { '?' };
            let there = uri.path_and_query().map_or("/", PathAndQuery::as_str);
            let mut parts = uri.clone().into_parts();
            let path = PathAndQuery::try_from(format!("{there}{joint}{BODY}={digest}"));
            parts.path_and_query = Some(path.map_err(|_| SignError::Target)?);
            *uri = Uri::from_parts(parts).map_err(|_| SignError::Target)?;
        }
        head.headers.insert(SIGNATURE, signature);
        Ok(())
    }
}

/// Whether the bytes that a form stands for are UTF-8: what is not would be read as one and the same character.
fn is_text(form: &[u8]) -> bool {
    str::from_utf8(&percent_encoding::percent_decode(form).collect::<Vec<_>>()).is_ok()
}

/// The hash that the query announces. It has to outlive the message: a resolver must not make a query of its own.
fn announced<'m>(message: &Message<'m>) -> Result<Option<&'m [u8]>, RejectionKind> {
    let hash = match &message.target()?.query {
        Some(Cow::Borrowed(query)) => hash_in(Some(*query)),
        query if hash_in(query.as_deref()).is_some() => return Err(RejectionKind::AmbiguousTarget),
        _ => None,
    };
    let Some(hash) = hash else { return Ok(None) };
    Encoding::Hex.spells(hash.as_bytes(), 32).then_some(Some(hash.as_bytes())).ok_or(RejectionKind::Malformed)
}

fn hash_in(query: Option<&str>) -> Option<&str> {
    query?.split('&').find_map(|member| member.strip_prefix(BODY)?.strip_prefix('='))
}

fn is_form(message: &Message<'_>) -> Result<bool, RejectionKind> {
    let value = message.header(&CONTENT_TYPE)?.map(HeaderValue::as_bytes).unwrap_or_default();
    let essence = value.split(|b| *b == b';').next().unwrap_or_default();
    Ok(essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded"))
}

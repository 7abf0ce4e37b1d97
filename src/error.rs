//! What a developer got wrong: [`ConfigError`] when something is built, [`SignError`] when a message cannot be signed.

use std::error::Error;
use std::fmt;

use crate::mac::Algorithm;

/// Any error, boxed: what key stores and bodies may fail with.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A layer, key or setting that cannot be built as described.
///
/// The message says what to change. It never contains secret material.
///
/// ```
/// use tower_hmac::Key;
///
/// let error = Key::from_hex("svc-a", "").unwrap_err();
/// assert_eq!(error.to_string(), "the secret is empty: is the variable or file that holds it set?");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Mistake);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    EmptySecret,
    SecretNotHex,
    SecretInCapitals,
    SecretNotBase64,
    SecretWithTrailingSpace,
    SecretWithoutPrefix,
    SecretTooShort { scheme: &'static str, least: usize, found: usize },
    KeyAlgorithm { scheme: &'static str, wanted: Algorithm, found: Algorithm },
    KeyId(&'static str),
    TooManyKeys,
    KeyNeverValid(String),
    SameKey(String, String),
    NoRandomness,
    Tolerance,
    SignedHeader { name: String, why: &'static str },
    Authority(String),
    AuthorityTwice(String),
    NoAuthority,
    GuardCapacity,
    Scheme { name: &'static str, why: String },
    Url(String),
    Lease,
    Streaming(&'static str),
}

impl From<Mistake> for ConfigError {
    fn from(mistake: Mistake) -> Self {
        Self(mistake)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Mistake::EmptySecret => f.write_str("the secret is empty: is the variable or file that holds it set?"),
            Mistake::SecretNotHex => f.write_str(
                "the secret is not lower-case hex: use Key::from_text if these characters are the secret itself",
            ),
            Mistake::SecretInCapitals => f.write_str("the secret is hex, but not in lower case: write it in lower case"),
            Mistake::SecretNotBase64 => f.write_str(
                "the secret is not padded standard base64: use Key::from_text if these characters are the secret itself",
            ),
            Mistake::SecretWithTrailingSpace => {
                f.write_str("the secret ends in white space: trim it, or use Key::from_bytes if that is meant")
            }
            Mistake::SecretWithoutPrefix => f.write_str("the secret does not start with \"whsec_\""),
            Mistake::SecretTooShort { scheme, least, found } => write!(
                f,
                "the secret has {found} bytes, but scheme {scheme} wants at least {least}: Key::generate makes a good one"
            ),
            Mistake::KeyAlgorithm { scheme, wanted, found } => {
                let (wanted, found) = (wanted.name(), found.name());
                write!(f, "the key is for {found}, but scheme {scheme} wants {wanted}: see Key::with_algorithm")
            }
            Mistake::KeyId(why) => write!(f, "the key id {why}"),
            Mistake::TooManyKeys => write!(f, "more than {} keys for one key id", crate::key::MAX_KEYS),
            Mistake::KeyNeverValid(id) => write!(f, "a key of {id:?} ends before it begins"),
            Mistake::SameKey(id, other) => {
                write!(f, "{id:?} and {other:?} have the same secret, or secrets that are the same to HMAC")
            }
            Mistake::NoRandomness => f.write_str("the operating system gave no random bytes"),
            Mistake::Tolerance => f.write_str("a tolerance must lie between one second and one hour, in whole seconds"),
            Mistake::SignedHeader { name, why } => write!(f, "header {name:?} cannot be signed: {why}"),
            Mistake::Authority(text) => {
                write!(f, "{text:?} is not an authority: write host or host:port, as clients send it")
            }
            Mistake::AuthorityTwice(text) => write!(f, "authority {text:?} is listed twice"),
            Mistake::NoAuthority => f.write_str("the set of authorities is empty"),
            Mistake::Scheme { name, why } => write!(f, "scheme {name} cannot be: {why}"),
            Mistake::Url(text) => write!(f, "{text:?} is not an absolute URL as this scheme wants it"),
            Mistake::Lease => f.write_str("a lease must last between one second and one hour, in whole seconds"),
            Mistake::Streaming(scheme) => write!(
                f,
                "scheme {scheme} signs bodies themselves, or is one of several: nothing may be known about a request before \
                 all of its body is there"
            ),
            Mistake::GuardCapacity => f.write_str("a replay guard needs room for at least one entry"),
        }
    }
}

impl Error for ConfigError {}

/// A message that cannot be signed.
///
/// Nothing was written to the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignError {
    /// A signed header is missing, repeated, or present but empty.
    Header,
    /// The request has no authority, or two that differ: set `Host` or an absolute URI.
    Target,
    /// The scheme cannot sign this method (`CONNECT`).
    Method,
    /// A header that overrides method or target is present but not covered by the signature.
    UncoveredOverride,
    /// The time has no spelling in the scheme.
    Clock,
    /// The operating system gave no random bytes for a nonce.
    NoRandomness,
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "a signed header is missing, repeated, or present but empty",
            Self::Target => "the request has no authority, or two that differ: set Host or an absolute URI",
            Self::Method => "the method cannot be signed",
            Self::UncoveredOverride => {
                "a header that overrides method or target is not covered: add it to the signed headers or remove it"
            }
            Self::Clock => "the time cannot be written in the scheme's form",
            Self::NoRandomness => "the operating system gave no random bytes for a nonce",
        })
    }
}

impl Error for SignError {}

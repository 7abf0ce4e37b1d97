//! The extra headers that both ends agree to sign.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::trim;
use crate::error::{ConfigError, Mistake};
use crate::rejection::RejectionKind;

/// Header fields that are signed beyond those a scheme always covers. Both ends must be configured alike: the list
/// never travels.
///
/// Worth signing where an application acts on them: `authorization`, `range`, `if-match`, `if-none-match`,
/// `idempotency-key`; `cookie` where it is one line, since a header that is repeated cannot be signed. A server adds `date` to
/// its answers after they were signed: sign it only where it is set below the layer.
///
/// ```
/// use tower_hmac::{Scheme, SignedHeaders};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let request = SignedHeaders::new(["authorization", "idempotency-key"])?;
/// let scheme = Scheme::native_with_headers(request, SignedHeaders::none());
/// # let _ = scheme;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct SignedHeaders(Arc<[HeaderName]>);

/// The most extra headers that can be signed.
const MAX: usize = 16;

/// Rewritten or dropped on the way, or covered already.
const REFUSED: [HeaderName; 13] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::HOST,
];

impl SignedHeaders {
    /// No extra headers.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// These headers, in this order.
    ///
    /// # Errors
    ///
    /// When a name is invalid or repeated; when it is covered already (`host`, `content-type`, `content-encoding`,
    /// `x-hmac-…`) or rewritten on the way (`connection`, `content-length`, `keep-alive`, `proxy-…`, `te`, `trailer`,
    /// `transfer-encoding`, `upgrade`); when there are more than 16.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, ConfigError> {
        let mut all = Vec::<HeaderName>::new();
        for name in names {
            let refuse = |why| ConfigError::from(Mistake::SignedHeader { name: name.to_owned(), why });
            let parsed = HeaderName::try_from(name).map_err(|_| refuse("it is not a header name"))?;
            if all.contains(&parsed) {
                return Err(refuse("it is listed twice"));
            }
            if REFUSED.contains(&parsed) || parsed.as_str().starts_with("x-hmac-") {
                return Err(refuse("it is covered already, or changes on the way"));
            }
            if all.len() == MAX {
                return Err(refuse("there are more than 16"));
            }
            all.push(parsed);
        }
        Ok(Self(all.into()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter()
    }

    pub(crate) fn contains(&self, name: &HeaderName) -> bool {
        self.0.contains(name)
    }
}

/// What stands under one name in a head that is read in one pass.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Once<'m> {
    #[default]
    Absent,
    One(&'m HeaderValue),
    Repeated,
}

impl<'m> Once<'m> {
    pub(crate) fn see(&mut self, value: &'m HeaderValue) {
        *self = match self {
            Self::Absent => Self::One(value),
            Self::One(_) | Self::Repeated => Self::Repeated,
        };
    }

    pub(crate) fn of(headers: &'m HeaderMap, name: &HeaderName) -> Self {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => Self::One(value),
            (Some(_), Some(_)) => Self::Repeated,
        }
    }

    /// A field of the scheme, whole and untrimmed, through its grammar.
    pub(crate) fn field<T>(self, grammar: impl FnOnce(&'m HeaderValue) -> Option<T>) -> Result<T, RejectionKind> {
        match self {
            Self::Absent => Err(RejectionKind::Missing),
            Self::One(value) => grammar(value).ok_or(RejectionKind::Malformed),
            Self::Repeated => Err(RejectionKind::Malformed),
        }
    }

    /// The value of a signed header, trimmed; empty only when it is absent.
    pub(crate) fn signed(self) -> Result<&'m [u8], RejectionKind> {
        match self {
            Self::Absent => Ok(&[]),
            Self::One(value) => {
                Some(trim(value.as_bytes())).filter(|value| !value.is_empty()).ok_or(RejectionKind::Malformed)
            }
            Self::Repeated => Err(RejectionKind::Malformed),
        }
    }

    /// The value of a field for which absent and empty are alike, trimmed.
    pub(crate) fn or_empty(self) -> Result<&'m [u8], RejectionKind> {
        match self {
            Self::Absent => Ok(&[]),
            Self::One(value) => Ok(trim(value.as_bytes())),
            Self::Repeated => Err(RejectionKind::Malformed),
        }
    }
}

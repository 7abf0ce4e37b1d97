//! The extra headers that both ends agree to sign.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName};

use super::trim;
use crate::error::{ConfigError, Mistake};
use crate::mac::Mac;
use crate::rejection::RejectionKind;

/// Header fields that are signed beyond those a scheme always covers. Both ends must be configured alike: the list
/// never travels.
///
/// Worth signing where an application acts on them: `authorization`, `cookie`, `range`, `if-match`, `if-none-match`,
/// `idempotency-key`.
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
const REFUSED: [HeaderName; 9] = [
    header::CONNECTION,
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
    /// When a name is invalid, repeated, covered by every scheme already, or one that proxies rewrite; when there are
    /// more than 16.
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

/// The one value of a signed header, trimmed; `None` when it is absent.
pub(crate) fn signed<'m>(headers: &'m HeaderMap, name: &HeaderName) -> Result<Option<&'m [u8]>, RejectionKind> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match trim(value.as_bytes()) {
            [] => Err(RejectionKind::Malformed),
            value => Ok(Some(value)),
        },
        (Some(_), Some(_)) => Err(RejectionKind::Malformed),
    }
}

/// Feeds LF, `name:` and the value for each extra header.
pub(crate) fn feed_signed(names: &SignedHeaders, headers: &HeaderMap, mac: &mut Mac) -> Result<(), RejectionKind> {
    for name in names.iter() {
        feed_line(name, signed(headers, name)?.unwrap_or_default(), mac);
    }
    Ok(())
}

/// Feeds LF, `name:` and `value`.
pub(crate) fn feed_line(name: &HeaderName, value: &[u8], mac: &mut Mac) {
    mac.update(b"\n");
    mac.update(name.as_str().as_bytes());
    mac.update(b":");
    mac.update(value);
}

//! Zendesk.

use super::{fixed, within};
use crate::scheme::{Encoding, Field, Part, Scheme, TimeFormat};

/// Webhooks of [Zendesk](https://developer.zendesk.com/documentation/webhooks/verifying): `x-zendesk-webhook-signature`,
/// base64 of the HMAC-SHA256 of `x-zendesk-webhook-signature-timestamp` and body, with nothing between them: where the
/// time ends is told by its spelling (RFC 3339) alone. The secret is text, though it looks like base64.
///
/// Zendesk names no window; here it is 300 s in both directions.
///
/// The replay guard is off unless it is set: a delivery that got no answer comes again, and may be signed anew.
/// [`delivery_id`](crate::Verified::delivery_id) is `x-zendesk-webhook-invocation-id`. It is not signed.
///
/// ```
/// use tower_hmac::{HmacLayer, Key, webhook};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let layer = HmacLayer::new(webhook::zendesk(), Key::from_text("zendesk", "2xDtDItkpmivPnOGv26UZnqQgp5Dz46F")?)?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn zendesk() -> Scheme {
    fixed(
        Scheme::builder("zendesk")
            .signature(Field::header("x-zendesk-webhook-signature"))
            .encoding(Encoding::Base64)
            .timestamp(Field::header("x-zendesk-webhook-signature-timestamp"), TimeFormat::Rfc3339)
            .delivery_id(Field::header("x-zendesk-webhook-invocation-id"))
            .tolerance(within(300))
            .message([Part::Timestamp, Part::Body]),
    )
}

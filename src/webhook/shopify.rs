//! Shopify.

use super::fixed;
use crate::scheme::{Encoding, Field, Part, Scheme};

/// Webhooks of [Shopify](https://shopify.dev/docs/apps/build/webhooks): `x-shopify-hmac-sha256`, base64 of the
/// HMAC-SHA256 of the body. The secret is the app's client secret, as text; for about an hour after it was changed the
/// old one may still sign ([`Keys::new`](crate::Keys::new)). Topic and shop domain are headers, and not signed.
///
/// No time is signed, so a message is never stale, and no nonce, so the replay guard is off unless it is set; it then
/// remembers signatures for a day.
///
/// [`delivery_id`](crate::Verified::delivery_id) is `x-shopify-webhook-id`. It is not signed.
///
/// ```
/// use tower_hmac::{HmacLayer, Key, webhook};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let layer = HmacLayer::new(webhook::shopify(), Key::from_text("shopify", "Q35pg5MLq1lxtJGpflQla4cjT04TG4eK")?)?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn shopify() -> Scheme {
    fixed(
        Scheme::builder("shopify")
            .signature(Field::header("x-shopify-hmac-sha256"))
            .encoding(Encoding::Base64)
            .delivery_id(Field::header("x-shopify-webhook-id"))
            .message([Part::Body]),
    )
}

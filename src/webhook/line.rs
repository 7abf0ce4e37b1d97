//! LINE.

use super::fixed;
use crate::scheme::{Encoding, Field, Part, Scheme};

/// Webhooks of [LINE](https://developers.line.biz/en/docs/messaging-api/receiving-messages): `x-line-signature`, base64
/// of the HMAC-SHA256 of the body. The secret is the channel secret, as text. Padding is required, as LINE sends it;
/// libraries that take it without padding take more than one spelling of a signature.
///
/// No time is signed, so a message is never stale, and no nonce, so the replay guard is off unless it is set; it then
/// remembers signatures for a day.
///
/// There is no delivery id: `webhookEventId` stands in the body.
///
/// ```
/// use tower_hmac::{HmacLayer, Key, webhook};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let layer = HmacLayer::new(webhook::line(), Key::from_text("line", "8c570fa6dd201bb328f1c1eac23a96d8")?)?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn line() -> Scheme {
    fixed(
        Scheme::builder("line")
            .signature(Field::header("x-line-signature"))
            .encoding(Encoding::Base64)
            .message([Part::Body]),
    )
}

//! Square.

use super::absolute;
use crate::error::ConfigError;
use crate::scheme::{Encoding, Field, Part, Scheme};

/// Webhooks of [Square](https://developer.squareup.com/docs/webhooks/step3validate): `x-square-hmacsha256-signature`,
/// base64 of the HMAC-SHA256 of the notification URL and the body, with nothing between them. `url` is the URL as it is
/// configured at Square, byte for byte; the request's own is not looked at. The secret is the signature key, as text.
///
/// One key for two URLs, of which one begins with the other, lets a message for one be moved to the other: use one key
/// for each.
///
/// No time is signed, so a message is never stale, and no nonce, so the replay guard is off unless it is set; it then
/// remembers signatures for a day.
///
/// There is no delivery id: `event_id` stands in the body.
///
/// ```
/// use tower_hmac::{HmacLayer, Key, webhook};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let scheme = webhook::square("https://example.com/hooks/square")?;
/// let layer = HmacLayer::new(scheme, Key::from_text("square", "Ibxx_5AKakO-3qeNVR61Dw")?)?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// When the text is not an absolute URL.
pub fn square(url: &str) -> Result<Scheme, ConfigError> {
    absolute(url)?;
    Scheme::builder("square")
        .signature(Field::header("x-square-hmacsha256-signature"))
        .encoding(Encoding::Base64)
        .message([Part::Literal(url.as_bytes().to_vec().into()), Part::Body])
        .build()
}

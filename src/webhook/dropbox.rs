//! Dropbox.

use super::fixed;
use crate::scheme::{Field, Part, Scheme};

/// Webhooks of [Dropbox](https://www.dropbox.com/developers/reference/webhooks): `x-dropbox-signature`, hex of the
/// HMAC-SHA256 of the body. The secret is the app secret, as text. The challenge of a new webhook (`GET ?challenge=…`) is
/// not signed: answer it on a route without the layer.
///
/// No time is signed, so a message is never stale, and no nonce, so the replay guard is off unless it is set; it then
/// remembers signatures for a day.
///
/// There is no delivery id.
///
/// ```
/// use tower_hmac::{HmacLayer, Key, webhook};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let layer = HmacLayer::new(webhook::dropbox(), Key::from_text("dropbox", "vkqhFu3wR5ZYDZ3XoxomrvGuqze1NDOP")?)?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn dropbox() -> Scheme {
    fixed(Scheme::builder("dropbox").signature(Field::header("x-dropbox-signature")).message([Part::Body]))
}

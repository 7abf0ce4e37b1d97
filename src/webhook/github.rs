//! GitHub.

use super::fixed;
use crate::scheme::{Field, Part, Scheme};

/// Webhooks of [GitHub](https://docs.github.com/webhooks): `x-hub-signature-256: sha256=…`, hex of the HMAC-SHA256 of
/// the body. The secret is text. The older `x-hub-signature` (SHA-1) is not read.
///
/// No time is signed, so a message is never stale, and no nonce, so the replay guard is off unless it is set; it then
/// remembers signatures for a day.
///
/// [`delivery_id`](crate::Verified::delivery_id) is `x-github-delivery`. It is not signed.
///
/// ```
/// use tower_hmac::{HmacLayer, Key, webhook};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let layer = HmacLayer::new(webhook::github(), Key::from_text("github", "It's a Secret to Everybody")?)?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn github() -> Scheme {
    fixed(
        Scheme::builder("github")
            .signature(Field::header("x-hub-signature-256").prefix("sha256="))
            .delivery_id(Field::header("x-github-delivery"))
            .message([Part::Body]),
    )
}

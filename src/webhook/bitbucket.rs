//! Bitbucket.

use super::fixed;
use crate::scheme::{Field, Part, Scheme};

/// Webhooks of [Bitbucket](https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks): `x-hub-signature:
/// sha256=…`, hex of the HMAC-SHA256 of the body. The secret is text.
///
/// No time is signed, so a message is never stale, and no nonce, so the replay guard is off unless it is set; it then
/// remembers signatures for a day.
///
/// [`delivery_id`](crate::Verified::delivery_id) is `x-request-uuid`. It is not signed.
///
/// ```
/// use tower_hmac::{HmacLayer, Key, webhook};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let layer = HmacLayer::new(webhook::bitbucket(), Key::from_text("bitbucket", "It's a Secret to Everybody")?)?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn bitbucket() -> Scheme {
    fixed(
        Scheme::builder("bitbucket")
            .signature(Field::header("x-hub-signature").prefix("sha256="))
            .delivery_id(Field::header("x-request-uuid"))
            .message([Part::Body]),
    )
}

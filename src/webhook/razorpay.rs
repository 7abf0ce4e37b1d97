//! Razorpay.

use super::fixed;
use crate::scheme::{Field, Part, Scheme};

/// Webhooks of [Razorpay](https://razorpay.com/docs/webhooks): `x-razorpay-signature`, hex of the HMAC-SHA256 of the
/// body. The secret is the webhook's own, as text, and not that of the API.
///
/// No time is signed, so a message is never stale, and no nonce, so the replay guard is off unless it is set; it then
/// remembers signatures for a day.
///
/// [`delivery_id`](crate::Verified::delivery_id) is `x-razorpay-event-id`. It is not signed.
///
/// ```
/// use tower_hmac::{HmacLayer, Key, webhook};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let layer = HmacLayer::new(webhook::razorpay(), Key::from_text("razorpay", "webhook-secret")?)?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn razorpay() -> Scheme {
    fixed(
        Scheme::builder("razorpay")
            .signature(Field::header("x-razorpay-signature"))
            .delivery_id(Field::header("x-razorpay-event-id"))
            .message([Part::Body]),
    )
}

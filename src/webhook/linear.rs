//! Linear.

use serde_json::Value;

use super::{fixed, within};
use crate::scheme::{Field, Part, Scheme};

/// Webhooks of [Linear](https://linear.app/developers/webhooks): `linear-signature`, hex of the HMAC-SHA256 of the body.
/// The secret is text. The time is the member `webhookTimestamp` (milliseconds) of the signed body, and not the header
/// `linear-timestamp`, which nothing vouches for; the body is held in one piece to read it.
///
/// The window is 60 s in both directions.
///
/// The replay guard is off unless it is set: a delivery that got no answer comes again, and may be signed anew.
/// [`delivery_id`](crate::Verified::delivery_id) is `linear-delivery`. It is not signed.
///
/// ```
/// use tower_hmac::{HmacLayer, Key, webhook};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let layer = HmacLayer::new(webhook::linear(), Key::from_text("linear", "vkqhFu3wR5ZYDZ3XoxomrvGuqze1NDOP")?)?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn linear() -> Scheme {
    fixed(
        Scheme::builder("linear")
            .signature(Field::header("linear-signature"))
            .delivery_id(Field::header("linear-delivery"))
            .timestamp_in_body(milliseconds)
            .tolerance(within(60))
            .message([Part::Body]),
    )
}

fn milliseconds(body: &[u8]) -> Option<u64> {
    let event: Value = serde_json::from_slice(body).ok()?;
    event.get("webhookTimestamp")?.as_u64()?.checked_div(1000)
}

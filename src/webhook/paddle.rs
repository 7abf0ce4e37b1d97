//! Paddle.

use super::{fixed, within};
use crate::scheme::{Field, Part, Scheme, TimeFormat};

/// Webhooks of [Paddle](https://developer.paddle.com/webhooks/signature-verification): `paddle-signature: ts=…;h1=…`, hex
/// of the HMAC-SHA256 of time, `:` and body. While a secret is changed there are several `h1`, any of which may be right.
/// The secret is the whole text, with its `pdl_ntfset_`.
///
/// The window is 5 s in both directions, as in Paddle's libraries; one of them takes any time in the future, and looks
/// at the last `h1` alone.
///
/// The replay guard is off unless it is set: a delivery that got no answer comes again, and may be signed anew. There is
/// no delivery id: `event_id` stands in the body.
///
/// ```
/// use tower_hmac::{HmacLayer, Key, webhook};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let layer = HmacLayer::new(webhook::paddle(), Key::from_text("paddle", "pdl_ntfset_01hs0t3tw21j988db1pam5xg8m_Gr")?)?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn paddle() -> Scheme {
    fixed(
        Scheme::builder("paddle")
            .timestamp(Field::member("paddle-signature", "ts").separator(';'), TimeFormat::Seconds)
            .signature(Field::member("paddle-signature", "h1").separator(';'))
            .tolerance(within(5))
            .message([Part::Timestamp, Part::literal(":"), Part::Body]),
    )
}

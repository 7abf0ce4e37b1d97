//! Stripe.

use super::{fixed, within};
use crate::scheme::{Field, Part, Scheme, TimeFormat};

/// Webhooks of [Stripe](https://docs.stripe.com/webhooks/signature): `stripe-signature: t=…,v1=…`, hex of the HMAC-SHA256
/// of time, `.` and body. While a secret is rolled there are several `v1`, any of which may be right; other members, such as `v0`, are passed over.
/// The secret is the whole text, with its `whsec_`.
///
/// The window is 300 s in both directions; Stripe's own libraries take any time in the future. A second header line, a
/// second `t` and other spellings are refused, where some libraries take one of them.
///
/// Stripe signs each attempt anew: to the replay guard, which is off unless it is set, a retry is another message. Act once
/// for each event by its `id`, which stands in the body; there is no delivery id.
///
/// ```
/// use tower_hmac::{HmacLayer, Key, webhook};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let layer = HmacLayer::new(webhook::stripe(), Key::from_text("stripe", "whsec_test_secret")?)?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn stripe() -> Scheme {
    fixed(
        Scheme::builder("stripe")
            .timestamp(Field::member("stripe-signature", "t").among_others(), TimeFormat::Seconds)
            .signature(Field::member("stripe-signature", "v1").among_others())
            .tolerance(within(300))
            .message([Part::Timestamp, Part::literal("."), Part::Body]),
    )
}

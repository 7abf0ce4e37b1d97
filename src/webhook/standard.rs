//! Standard Webhooks.

use super::{fixed, within};
use crate::scheme::{Encoding, Field, Part, Scheme, TimeFormat};

/// Webhooks of [Standard Webhooks](https://www.standardwebhooks.com): `webhook-signature: v1,…`,
/// base64 of the HMAC-SHA256 of `webhook-id`, `.`, `webhook-timestamp`, `.` and body. While a secret is changed there are
/// several signatures, any of which may be right; those of other versions (`v1a`) are passed over. The secret is base64
/// after `whsec_` ([`Key::from_whsec`](crate::Key::from_whsec)).
///
/// The window is 300 s in both directions. An id with a dot is refused: it could be read in two ways. So is URL-safe
/// base64, which some libraries take.
///
/// The replay guard is off unless it is set: a delivery that got no answer comes again, and may be signed anew.
/// [`delivery_id`](crate::Verified::delivery_id) is `webhook-id`. It is signed, and the same in every attempt: what to
/// remember in order to act once. A signer keeps the id that is there, or makes one.
///
/// ```
/// use tower_hmac::{HmacLayer, Key, webhook};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let layer = HmacLayer::new(webhook::standard(), Key::from_whsec("endpoint", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?)?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn standard() -> Scheme {
    standard_named("standard-webhooks")
}

/// The same format under a provider's name.
pub(super) fn standard_named(name: &'static str) -> Scheme {
    fixed(
        Scheme::builder(name)
            .signature(Field::tokens("webhook-signature", "v1,"))
            .encoding(Encoding::Base64)
            .delivery_id(Field::header("webhook-id"))
            .timestamp(Field::header("webhook-timestamp"), TimeFormat::Seconds)
            .tolerance(within(300))
            .message([Part::DeliveryId, Part::literal("."), Part::Timestamp, Part::literal("."), Part::Body]),
    )
}

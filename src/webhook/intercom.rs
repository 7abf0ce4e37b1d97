//! Intercom.

use super::fixed;
use crate::mac::Algorithm;
use crate::scheme::{Field, Part, Scheme};

/// Webhooks of [Intercom](https://developers.intercom.com/docs/webhooks): `x-hub-signature: sha1=…`, hex of the HMAC with
/// **SHA-1** of the body. The secret is the app's client secret, as text; the key has to be for
/// [`HmacSha1`](crate::Algorithm::HmacSha1).
///
/// No time is signed, so a message is never stale, and no nonce, so the replay guard is off unless it is set; it then
/// remembers signatures for a day.
///
/// There is no delivery id: it stands in the body.
///
/// ```
/// use tower_hmac::{Algorithm, HmacLayer, Key, webhook};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let key = Key::from_text("intercom", "11111111-2222-3333-4444-555555555555")?.with_algorithm(Algorithm::HmacSha1);
/// let layer = HmacLayer::new(webhook::intercom(), key)?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn intercom() -> Scheme {
    fixed(
        Scheme::builder("intercom")
            .algorithm(Algorithm::HmacSha1)
            .signature(Field::header("x-hub-signature").prefix("sha1="))
            .message([Part::Body]),
    )
}

/// Requests of Intercom's Canvas Kit: `x-body-signature`, hex of the HMAC-SHA256 of the body. Otherwise as
/// [`intercom`].
#[must_use]
pub fn intercom_canvas() -> Scheme {
    fixed(Scheme::builder("intercom-canvas").signature(Field::header("x-body-signature")).message([Part::Body]))
}

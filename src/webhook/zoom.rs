//! Zoom.

use super::{fixed, within};
use crate::scheme::{Field, Part, Scheme, TimeFormat};

/// Webhooks of [Zoom](https://developers.zoom.us/docs/api/webhooks): `x-zm-signature: v0=…`, hex of the HMAC-SHA256 of
/// `v0:`, `x-zm-request-timestamp`, `:` and body. The secret is the secret token, as text. The body is signed as it was
/// sent: code that writes the JSON anew before hashing it refuses genuine messages.
///
/// Zoom names no window; here it is 300 s in both directions. The validation of a new endpoint
/// (`endpoint.url_validation`) is signed like every event, and its answer is the handler's.
///
/// The replay guard is off unless it is set: a delivery that got no answer comes again, and may be signed anew. There is
/// no delivery id.
///
/// ```
/// use tower_hmac::{HmacLayer, Key, webhook};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let layer = HmacLayer::new(webhook::zoom(), Key::from_text("zoom", "OwCKUiNBN7Akc3AQFC1VqQsNmhhM8AXp")?)?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn zoom() -> Scheme {
    fixed(
        Scheme::builder("zoom")
            .signature(Field::header("x-zm-signature").prefix("v0="))
            .timestamp(Field::header("x-zm-request-timestamp"), TimeFormat::Seconds)
            .tolerance(within(300))
            .message([Part::literal("v0:"), Part::Timestamp, Part::literal(":"), Part::Body]),
    )
}

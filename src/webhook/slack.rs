//! Slack.

use super::{fixed, within};
use crate::scheme::{Field, Part, Scheme, TimeFormat};

/// Requests of [Slack](https://docs.slack.dev/authentication/verifying-requests-from-slack): `x-slack-signature: v0=…`,
/// hex of the HMAC-SHA256 of `v0:`, `x-slack-request-timestamp`, `:` and body. The secret is the signing secret, as text.
///
/// The window is 300 s in both directions. Slack's libraries differ on times in the future, on spellings of the time and
/// on repeated headers: all of these are refused here.
///
/// The replay guard is off unless it is set: a delivery that got no answer comes again, and may be signed anew. There is
/// no delivery id.
///
/// ```
/// use tower_hmac::{HmacLayer, Key, webhook};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let layer = HmacLayer::new(webhook::slack(), Key::from_text("slack", "8f742231b10e8888abcd99yyyzzz85a5")?)?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn slack() -> Scheme {
    fixed(
        Scheme::builder("slack")
            .signature(Field::header("x-slack-signature").prefix("v0="))
            .timestamp(Field::header("x-slack-request-timestamp"), TimeFormat::Seconds)
            .tolerance(within(300))
            .message([Part::literal("v0:"), Part::Timestamp, Part::literal(":"), Part::Body]),
    )
}

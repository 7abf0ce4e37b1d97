//! Box.

use super::{fixed, within};
use crate::scheme::{Encoding, Field, Part, Scheme, TimeFormat};

/// Webhooks of [Box](https://developer.box.com/guides/webhooks/v2/signatures-v2): `box-signature-primary` and
/// `box-signature-secondary`, base64 of the HMAC-SHA256 of body and `box-delivery-timestamp`, with nothing between them.
/// Each is made with a key of its own, and one right signature is enough: hand out both keys, as text
/// ([`Keys::new`](crate::Keys::new)). A signer writes the primary one.
///
/// The window is 600 s in both directions, as Box advises.
///
/// The replay guard is off unless it is set: a delivery that got no answer comes again, and may be signed anew.
/// [`delivery_id`](crate::Verified::delivery_id) is `box-delivery-id`. It is not signed.
///
/// ```
/// use tower_hmac::{HmacLayer, Key, KeyQuery, Keys, Lookup, webhook};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let (primary, secondary) = (Key::from_text("box-1", "SamplePrimaryKey")?, Key::from_text("box-2", "SampleSecondaryKey")?);
/// let both = Keys::new([primary, secondary])?;
/// let layer = HmacLayer::new(webhook::boxcom(), move |_: &KeyQuery<'_>| -> Lookup { Some(both.clone()).into() })?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn boxcom() -> Scheme {
    fixed(
        Scheme::builder("box")
            .signature(Field::header("box-signature-primary"))
            .signature(Field::header("box-signature-secondary"))
            .encoding(Encoding::Base64)
            .timestamp(Field::header("box-delivery-timestamp"), TimeFormat::Rfc3339)
            .delivery_id(Field::header("box-delivery-id"))
            .tolerance(within(600))
            .message([Part::Body, Part::Timestamp]),
    )
}

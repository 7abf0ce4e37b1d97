//! Webhook providers: one function each, for receiving, for sending, and for testing handlers.
//!
//! All of them sign the raw body: it is read, under the limit, before anything can be checked. Each page says what the
//! provider signs, what it leaves open, and how its secret is written.
//!
//! ```
//! use tower_hmac::sign::RequestSigner;
//! use tower_hmac::{Key, webhook};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // a delivery as GitHub would send it, to test a handler
//! let request = http::Request::post("http://localhost/hooks").body(r#"{"zen":"…"}"#)?;
//! let signer = RequestSigner::new(webhook::github(), Key::from_text("github", "secret")?)?;
//! let (request, _) = signer.sign(request, 1_795_303_445)?;
//! assert!(request.headers()["x-hub-signature-256"].to_str()?.starts_with("sha256="));
//! # Ok(())
//! # }
//! ```
//!
//! A delivery comes again when it got no good answer. What a provider signs anew for each attempt, as Stripe does, is a new
//! message: act once for each event by the sender's name for it, [`delivery_id`](crate::Verified::delivery_id) or one in
//! the body. The same bytes are known to a replay guard, which a format without a nonce has only if it is given one.
//! [`AtLeastOnce`](crate::replay::AtLeastOnce) accepts them again when the handler failed. A provider takes a refusal for one
//! more failure, so tell it that it was heard:
//!
//! ```
//! use std::time::Duration;
//! use tower_hmac::replay::{AtLeastOnce, MemoryReplayGuard};
//! use tower_hmac::{HmacLayer, Key, Refusal, RejectionKind, webhook};
//!
//! # fn main() -> Result<(), tower_hmac::ConfigError> {
//! let guard = AtLeastOnce::new(MemoryReplayGuard::new(), Duration::from_secs(30))?;
//! let layer = HmacLayer::new(webhook::github(), Key::from_text("github", "It's a Secret to Everybody")?)?
//!     .replay_guard(guard)
//!     .render_refusals(|refusal: &Refusal<'_>| match refusal.kind() {
//!         RejectionKind::Replay => http::Response::default(),
//!         _ => refusal.standard(),
//!     });
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! A copy that arrives while the first is still in work counts as a replay, too. Where a provider gives up waiting before
//! the handler is done, let the handler store the event and answer at once.

mod bitbucket;
mod boxcom;
mod dropbox;
mod github;
mod intercom;
mod line;
mod linear;
mod paddle;
mod razorpay;
mod shopify;
mod slack;
mod square;
mod standard;
mod stripe;
mod svix;
mod twilio;
mod zendesk;
mod zoom;

use http::Uri;

pub use self::bitbucket::bitbucket;
pub use self::boxcom::boxcom;
pub use self::dropbox::dropbox;
pub use self::github::github;
pub use self::intercom::{intercom, intercom_canvas};
pub use self::line::line;
pub use self::linear::linear;
pub use self::paddle::paddle;
pub use self::razorpay::razorpay;
pub use self::shopify::shopify;
pub use self::slack::slack;
pub use self::square::square;
pub use self::standard::standard;
pub use self::stripe::stripe;
pub use self::svix::svix;
pub use self::twilio::twilio;
pub use self::zendesk::zendesk;
pub use self::zoom::zoom;
use crate::clock::Tolerance;
use crate::error::{ConfigError, Mistake};
use crate::scheme::{Scheme, SchemeBuilder};

/// A description that depends on nothing but this crate.
#[expect(clippy::expect_used, reason = "the descriptions are fixed, and a test builds each of them")]
fn fixed(builder: SchemeBuilder) -> Scheme {
    builder.build().expect("a fixed description")
}

/// Formats that are known to go together.
#[expect(clippy::expect_used, reason = "the formats are fixed, and a test puts them together")]
fn any(formats: [Scheme; 2]) -> Scheme {
    Scheme::any(formats).expect("fixed formats")
}

/// A window in both directions.
const fn within(seconds: u64) -> Tolerance {
    Tolerance::both(seconds)
}

/// A URL with scheme and authority.
fn absolute(url: &str) -> Result<Uri, ConfigError> {
    let parsed = url.parse::<Uri>().ok().filter(|_| !url.contains('#'));
    let parsed = parsed.filter(|uri| uri.scheme().is_some() && uri.authority().is_some());
    parsed.ok_or_else(|| Mistake::Url(url.to_owned()).into())
}

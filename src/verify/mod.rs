//! Verifying without I/O: what the layer does, for queues, serverless events and other frameworks.
//!
//! A request passes through four types, each made by the one before it and by nothing else:
//!
//! [`Credentials`] (read from the head) → [`VerifyingRequest`] (signature right, fresh) → [`Authentic`] (body right) →
//! [`Verified`] (first time).
//!
//! ```
//! use tower_hmac::clock::{Clock, SystemClock};
//! use tower_hmac::replay::MemoryReplayGuard;
//! use tower_hmac::sign::RequestSigner;
//! use tower_hmac::verify::RequestVerifier;
//! use tower_hmac::{Key, Keys, Scheme};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (key, _) = Key::generate("svc-a")?;
//! let now = SystemClock::default().now().ok_or("no clock")?;
//!
//! // the sender
//! let (mut head, body) = http::Request::post("http://api.example.com/jobs").body("{}")?.into_parts();
//! let signer = RequestSigner::new(Scheme::native(), key.clone())?;
//! let mut signing = signer.begin(&head, now)?;
//! signing.update(body.as_bytes());
//! signing.finish(&mut head)?;
//!
//! // the receiver
//! let guard = MemoryReplayGuard::new();
//! let verifier = RequestVerifier::new(Scheme::native());
//! let credentials = verifier.read(&head)?;
//! let mut verifying = verifier.check(&credentials, Some(&Keys::from(key)), now)?;
//! verifying.update(body.as_bytes());
//! let authentic = verifying.finish(&head)?;
//! let claimed = guard.spend(&authentic.replay_claim(now)?);
//! let verified = authentic.admit(claimed)?;
//! assert_eq!(verified.key_id().as_str(), "svc-a");
//! # Ok(())
//! # }
//! ```

mod attempts;
mod authentic;
mod body;
mod request;
mod response;
mod text;
mod verified;

pub use self::authentic::Authentic;
pub(crate) use self::body::BodyCheck;
pub use self::request::{Credentials, RequestVerifier, VerifyingRequest};
pub use self::response::{ResponseVerifier, VerifyingResponse};
pub use self::verified::Verified;

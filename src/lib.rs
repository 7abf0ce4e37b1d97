//! Tower middleware that verifies HMAC-signed HTTP requests and signs the responses, for servers and clients.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub, unused_qualifications)]
#![warn(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::must_use_candidate,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used
)]

mod answer;
mod client;
pub mod clock;
mod encoding;
mod error;
mod joined;
mod key;
mod mac;
mod observe;
mod rejection;
pub mod replay;
pub mod scheme;
mod server;
pub mod sign;
pub mod verify;
pub mod webhook;

mod body;
pub use self::answer::Answer;
pub use self::body::{BodyError, HmacBody, StreamedBody};
pub use self::client::{
    ClientError, ClientErrorKind, ClientFuture, HmacClient, HmacClientLayer, HostKeys, VerifiedResponse,
};
pub use self::error::{BoxError, ConfigError, SignError};
#[cfg(feature = "key-cache")]
pub use self::key::CachingKeyStore;
pub use self::key::{AsyncKeys, Key, KeyId, KeyQuery, KeyRing, KeyStore, Keys, Lookup, MAX_KEYS, RingKey};
pub use self::mac::{Algorithm, Mac, Tag};
pub use self::rejection::{Rejection, RejectionKind};
pub use self::scheme::{Encoding, Exchange, Scheme, SignedHeaders, SignedTarget, Target};
#[cfg(feature = "axum")]
pub use self::server::NotVerified;
pub use self::server::{HmacLayer, HmacService, ProblemJson, Refusal, Renderer, ResponseFuture};
pub use self::verify::Verified;

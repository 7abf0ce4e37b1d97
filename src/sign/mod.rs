//! Signing without I/O: the mirror image of [`verify`](crate::verify).
//!
//! A message is signed in three steps: begin, feed the body, finish. Headers are written only when all went well.

mod request;
mod response;
mod signing;
mod whole;

pub(crate) use self::request::RequestSigning;
pub use self::request::{RequestSigner, SigningRequest};
pub use self::response::{ResponseSigner, SigningResponse};
pub(crate) use self::signing::Signing;

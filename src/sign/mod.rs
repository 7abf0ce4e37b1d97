//! Signing without I/O: the mirror image of [`verify`](crate::verify).
//!
//! A message is signed in three steps: begin, feed the body, finish. Headers are written only when all went well.

mod request;
mod response;
mod whole;

pub use self::request::{RequestSigner, SigningRequest};
pub use self::response::{ResponseSigner, SigningResponse};
use crate::encoding::Hex32;
use crate::mac::BodyHash;

/// A body's digest, as text and as bytes.
struct Digest(Hex32, [u8; 32]);

impl Digest {
    fn of(hash: BodyHash) -> Self {
        let bytes = hash.finish();
        Self(Hex32::new(&bytes), bytes)
    }
}

/// A timestamp of ten digits, the first not zero: from 2001 to 2286.
fn ten_digits(now: u64) -> Option<[u8; 10]> {
    let mut digits = [b'0'; 10];
    let mut rest = now;
    for digit in digits.iter_mut().rev() {
        *digit = b'0'.wrapping_add(u8::try_from(rest % 10).ok()?);
        rest /= 10;
    }
    (rest == 0 && digits.first() != Some(&b'0')).then_some(digits)
}

//! What a signature covers, to be looked at.

use std::iter;

use bytes::Bytes;
use http::{request, response};

use super::request::{Credentials, RequestVerifier};
use super::response::ResponseVerifier;
use crate::mac::Mac;
use crate::rejection::{Rejection, RejectionKind};
use crate::scheme::{Claim, Exchange, Intake, Message, Protocol};

impl RequestVerifier {
    /// The strings to sign of a signed request, as this side makes them of its head and body: to see why a peer's
    /// signature is [another one](RejectionKind::BadMac). As a rule there is one; there are several where a message can be
    /// read in several ways ([`Scheme::any`](crate::Scheme::any)).
    ///
    /// No key is needed, and nothing is verified. The strings may hold all that the message holds, such as its body: keep
    /// them out of logs. Of a body whose MAC follows it, the string is that of the head.
    ///
    /// ```
    /// use http::Request;
    /// use tower_hmac::Scheme;
    /// use tower_hmac::verify::RequestVerifier;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let refused = Request::get("/orders/7/?page=1") // the peer signed `/orders/7?page=1`
    ///     .header("host", "api.example.com")
    ///     .header("x-hmac-key-id", "svc-a")
    ///     .header("x-hmac-timestamp", "1795303445")
    ///     .header("x-hmac-nonce", "AAECAwQFBgcICQoLDA0ODw")
    ///     .header("x-hmac-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    ///     .header("x-hmac-signature", format!("v1={}", "0".repeat(64)));
    /// let (head, ()) = refused.body(())?.into_parts();
    ///
    /// let strings = RequestVerifier::new(Scheme::native()).strings_to_sign(&head, b"")?;
    /// assert_eq!(
    ///     String::from_utf8(strings.concat())?,
    ///     "HMAC-SHA256-V1-REQUEST\nsvc-a\n1795303445\nAAECAwQFBgcICQoLDA0ODw\nGET\napi.example.com\n/orders/7/?page=1\n\n\n\
    ///      e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    /// );
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read), and [`Malformed`](RejectionKind::Malformed) when there is no string, since the body is
    /// not what the scheme wants.
    pub fn strings_to_sign(&self, head: &request::Parts, body: &[u8]) -> Result<Vec<Vec<u8>>, Rejection> {
        let Credentials { message, claims } = self.read(head)?;
        let (mut strings, mut refused) = (Vec::new(), None);
        for claim in claims.iter() {
            // What one format cannot be made of may be right in another.
            match string(self.scheme.protocol(), &message, claim, body) {
                Ok(string) => strings.push(string),
                Err(kind) => refused = Some(kind),
            }
        }
        match refused {
            Some(kind) if strings.is_empty() => Err(kind.into()),
            _ => Ok(strings),
        }
    }
}

impl ResponseVerifier {
    /// The string to sign of a signed response, as this side makes it of its head and body:
    /// see [`RequestVerifier::strings_to_sign`].
    ///
    /// # Errors
    ///
    /// [`Missing`](RejectionKind::Missing) when the response is not signed, and [`Malformed`](RejectionKind::Malformed).
    pub fn string_to_sign(
        &self,
        head: &response::Parts,
        exchange: &Exchange,
        body: &[u8],
    ) -> Result<Vec<u8>, Rejection> {
        let (protocol, message) = (self.scheme.protocol(), Message::response(head, exchange));
        let body = if exchange.bodiless(head.status) { &[] } else { body };
        Ok(string(protocol, &message, protocol.read(&message)?.first(), body)?)
    }
}

/// All that a MAC over this message would be fed.
fn string(
    protocol: &dyn Protocol,
    message: &Message<'_>,
    claim: &Claim<'_>,
    body: &[u8],
) -> Result<Vec<u8>, RejectionKind> {
    let (entry, mut mac) = (protocol.entry(message, Some(claim))?, Mac::keeping());
    protocol.feed_head(message, claim, &mut mac)?;
    if entry.needs_body() {
        let mut intake = Intake::new(entry);
        intake.take(body, iter::once(&mut mac), Bytes::copy_from_slice);
        intake.end(|seen| protocol.feed_rest(message, claim, seen, &mut mac))?;
    }
    Ok(mac.into_text())
}

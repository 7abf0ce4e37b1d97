//! Describing a scheme.

use http::header::HeaderName;

use super::check::Sketch;
use super::field::Field;
use super::format::{Format, Role};
use super::part::Part;
use super::{Inside, Template};
use crate::clock::Tolerance;
use crate::encoding::Encoding;
use crate::error::{ConfigError, Mistake};
use crate::mac::Algorithm;
use crate::scheme::Scheme;
use crate::scheme::time::TimeFormat;

/// Describes a wire format.
///
/// ```
/// use tower_hmac::Scheme;
/// use tower_hmac::scheme::{Field, Part, TimeFormat};
///
/// # fn main() -> Result<(), tower_hmac::ConfigError> {
/// let scheme = Scheme::builder("acme")
///     .signature(Field::header("x-acme-signature").prefix("sha256="))
///     .timestamp(Field::header("x-acme-timestamp"), TimeFormat::Seconds)
///     .message([Part::Timestamp, Part::literal("."), Part::Body])
///     .build()?;
/// assert_eq!(scheme.name(), "acme");
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is described until `build`"]
pub struct SchemeBuilder {
    name: &'static str,
    algorithm: Algorithm,
    encoding: Encoding,
    least: usize,
    tolerance: Option<Tolerance>,
    inside: Option<Box<Inside>>,
    request: Sketch,
    response: Option<Sketch>,
}

impl SchemeBuilder {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            algorithm: Algorithm::HmacSha256,
            encoding: Encoding::Hex,
            least: 1,
            tolerance: Some(Tolerance::default()),
            inside: None,
            request: Sketch::default(),
            response: None,
        }
    }

    /// Where the signature stands. A second one names another place where a second key may sign.
    pub fn signature(self, field: Field) -> Self {
        self.field(Role::Signature, field)
    }

    /// Where the time stands, and how it is spelt. What is signed is the text that was sent.
    pub fn timestamp(self, field: Field, format: TimeFormat) -> Self {
        self.field(Role::Timestamp(format), field)
    }

    /// A time that is signed and never read: no freshness. A signer spells it as `format` says.
    pub fn unread_timestamp(self, field: Field, format: TimeFormat) -> Self {
        self.field(Role::Unread(format), field)
    }

    /// A time in Unix seconds that stands in the body, read once the MAC is right. The body is held in one piece.
    pub fn timestamp_in_body(mut self, read: impl Fn(&[u8]) -> Option<u64> + Send + Sync + 'static) -> Self {
        self.inside = Some(Box::new(read));
        self
    }

    /// Where the nonce stands. The replay guard is on by default for a scheme with a nonce.
    pub fn nonce(self, field: Field) -> Self {
        self.field(Role::Nonce, field)
    }

    /// Where the key id stands.
    pub fn key_id(self, field: Field) -> Self {
        self.field(Role::KeyId, field)
    }

    /// Where the sender's name for the message stands. It may be absent unless it is signed.
    pub fn delivery_id(self, field: Field) -> Self {
        self.field(Role::DeliveryId, field)
    }

    /// Where the body's SHA-256 stands. It has to be signed: [`Part::BodySha256`].
    pub fn body_digest(self, field: Field) -> Self {
        self.field(Role::Digest, field)
    }

    /// What is signed, in order.
    ///
    /// A text of free length (nonce, delivery id, unread time) has to have a [literal](Part::literal) next to it, on the side
    /// of the body and between it and a method, target or header. A message in which the text contains the nearest byte
    /// of that literal is refused. Nothing of the kind is asked of method, target and headers themselves: where they stand
    /// side by side, or next to the body, bytes can be moved from one to the other.
    pub fn message(mut self, parts: impl IntoIterator<Item = Part>) -> Self {
        self.request.parts = parts.into_iter().collect();
        self
    }

    /// Says that the body of requests is not signed: it is handed on as it came, and nothing vouches for it.
    pub fn without_body(mut self) -> Self {
        self.request.body_uncovered = true;
        self
    }

    /// Accepts a description in which nothing ends a text of free length (nonce, delivery id, unread time, fraction of a
    /// second), so that a captured message can be cut in another way: with a nonce that was not seen yet, for one. In
    /// responses, too. Only for a peer that speaks nothing else.
    pub fn allow_ambiguous_message(mut self) -> Self {
        self.request.ambiguous = true;
        self
    }

    /// How signatures are spelt. Default: lower-case hex.
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// The algorithm that keys must be for. Default: HMAC-SHA256.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// The shortest secret, in bytes. Default: 1.
    pub fn shortest_secret(mut self, bytes: usize) -> Self {
        self.least = bytes;
        self
    }

    /// How old, and how far ahead, a message may be. Default: 300 s past, 60 s future.
    pub fn tolerance(mut self, tolerance: Tolerance) -> Self {
        self.tolerance = Some(tolerance);
        self
    }

    /// Where the signature of a response stands.
    pub fn response_signature(self, field: Field) -> Self {
        self.response_field(Role::Signature, field)
    }

    /// Where the time of a response stands, spelt as in requests.
    pub fn response_timestamp(self, field: Field, format: TimeFormat) -> Self {
        self.response_field(Role::Timestamp(format), field)
    }

    /// What is signed of a response, in order. Without [`Part::RequestSignature`], a response fits every request.
    pub fn response_message(mut self, parts: impl IntoIterator<Item = Part>) -> Self {
        self.response.get_or_insert_default().parts = parts.into_iter().collect();
        self
    }

    /// Says that the body of responses is not signed.
    pub fn response_without_body(mut self) -> Self {
        self.response.get_or_insert_default().body_uncovered = true;
        self
    }

    /// The scheme.
    ///
    /// # Errors
    ///
    /// When the description does not hold together: no signature, two bodies, a part that no field carries, a field
    /// that is read but not signed, a body that is neither signed nor [left out](Self::without_body).
    pub fn build(self) -> Result<Scheme, ConfigError> {
        let Self { name, algorithm, encoding, least, tolerance, inside, request, response } = self;
        let wrong = |why: &str| ConfigError::from(Mistake::Scheme { name, why: why.to_owned() });
        if request.parts.iter().any(Part::is_of_response) {
            return Err(wrong("a request has neither a status nor a request's signature"));
        }
        let ambiguous = request.ambiguous;
        let mut request = request.check(true).map_err(|why| wrong(&why))?;
        if inside.is_some() {
            if request.signs_time() {
                return Err(wrong("there is a time in a field and another in the body"));
            }
            request = request.with_whole_body().ok_or_else(|| wrong("a time in the body needs Part::Body"))?;
        }
        let response = match response {
            Some(sketch) if sketch.parts.iter().any(Part::is_of_request) => {
                return Err(wrong("a response has no method and no target"));
            }
            Some(sketch) => {
                let checked = Sketch { ambiguous, ..sketch }.check(false);
                Some(checked.map_err(|why| wrong(&format!("in responses, {why}")))?)
            }
            None => None,
        };
        let spelt = |format: &Format| format.slots.iter().map(|slot| slot.role).find(|role| role.is_time());
        let times = (spelt(&request), response.as_ref().and_then(spelt));
        if let (Some(Role::Timestamp(one) | Role::Unread(one)), Some(Role::Timestamp(other))) = times
            && one != other
        {
            return Err(wrong("the times of requests and responses are spelt in two ways"));
        }
        let names = request.names.iter().chain(response.iter().flat_map(|format| &format.names));
        let mut written: Vec<HeaderName> = names.cloned().collect();
        written.dedup();
        let template = Template { name, algorithm, encoding, least, tolerance, inside, request, response, written };
        template.reads_what_it_writes().map_err(|why| wrong(&why))?;
        Ok(Scheme::from_protocol(template))
    }

    fn field(mut self, role: Role, field: Field) -> Self {
        self.request.fields.push((role, field));
        self
    }

    fn response_field(mut self, role: Role, field: Field) -> Self {
        self.response.get_or_insert_default().fields.push((role, field));
        self
    }
}

impl std::fmt::Debug for SchemeBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SchemeBuilder({})", self.name)
    }
}

//! A signer that fails leaves the head as it was, an earlier signature included.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response};
use tower_hmac::scheme::{Claim, Claims, Entry, Feed, HeadMut, Message, Protocol, Stamp};
use tower_hmac::sign::{RequestSigner, ResponseSigner};
use tower_hmac::{Encoding, Key, RejectionKind, Scheme, SignError, Tag};

const NOW: u64 = 1_795_303_445;

/// Signs nothing but the time, and finds no spelling for it when it is odd.
struct Even;

impl Protocol for Even {
    fn name(&self) -> &'static str {
        "even"
    }

    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("Even")
    }

    fn fields(&self) -> &[HeaderName] {
        static FIELDS: [HeaderName; 1] = [HeaderName::from_static("x-even-signature")];
        &FIELDS
    }

    fn signs_responses(&self) -> bool {
        true
    }

    fn read<'m>(&self, _: &Message<'m>) -> Result<Claims<'m>, RejectionKind> {
        Err(RejectionKind::Missing)
    }

    fn entry(&self, _: &Message<'_>, _: Option<&Claim<'_>>) -> Result<Entry, RejectionKind> {
        Ok(Entry::Digest(Encoding::Hex))
    }

    fn before(&self, _: &Message<'_>, claim: &Claim<'_>, feed: &mut Feed<'_>) -> Result<(), RejectionKind> {
        feed.line(claim.timestamp.ok_or(RejectionKind::Missing)?.text.as_bytes());
        Ok(())
    }

    fn stamp<'s>(&self, _: &Message<'s>, stamp: &Stamp<'s>) -> Result<Claim<'s>, RejectionKind> {
        let mut claim = Claim::default();
        claim.timestamp = Some(stamp.timestamp);
        Ok(claim)
    }

    fn write(&self, head: HeadMut<'_>, stamp: &Stamp<'_>, _: &[u8], _: &Tag) -> Result<(), SignError> {
        if stamp.timestamp.seconds.is_none_or(|seconds| seconds % 2 == 1) {
            return Err(SignError::Header);
        }
        head.headers.insert("x-even-signature", HeaderValue::from_static("new"));
        Ok(())
    }
}

fn signed_twice() -> HeaderMap {
    let lines = [("x-even-signature", "old"), ("x-even-signature", "older"), ("x-kept", "1")];
    lines.into_iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

fn signed_anew() -> HeaderMap {
    let mut headers = signed_twice();
    headers.insert("x-even-signature", HeaderValue::from_static("new"));
    headers
}

#[test]
fn a_failed_signer_leaves_the_head_as_it_was() {
    let key = Key::from_bytes("svc-a", [7; 32]).unwrap();
    let signer = RequestSigner::new(Scheme::from_protocol(Even), key).unwrap();
    let (mut request, ()) = Request::get("http://h/").body(()).unwrap().into_parts();
    request.headers = signed_twice();
    assert_eq!(signer.begin(&request, NOW).unwrap().finish(&mut request).unwrap_err(), SignError::Header);
    assert_eq!(request.headers, signed_twice());
    let exchange = signer.begin(&request, NOW + 1).unwrap().finish(&mut request).unwrap();
    assert_eq!(request.headers, signed_anew());

    let signer = ResponseSigner::new(Scheme::from_protocol(Even));
    let (mut response, ()) = Response::new(()).into_parts();
    response.headers = signed_twice();
    assert_eq!(signer.begin(&response, &exchange, NOW).unwrap().finish(&mut response), Err(SignError::Header));
    assert_eq!(response.headers, signed_twice());
    signer.begin(&response, &exchange, NOW + 1).unwrap().finish(&mut response).unwrap();
    response.headers.remove("cache-control");
    assert_eq!(response.headers, signed_anew());
}

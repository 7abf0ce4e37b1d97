//! `Scheme::any`: what one format cannot be made of may be right in another, and a description may sign the bodies of
//! one direction alone.

mod support;

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, Request};
use sha2::Sha256;
use support::body::Script;
use support::service::Inner;
use tower::{Layer, ServiceExt};
use tower_hmac::RejectionKind::{BadMac, Malformed};
use tower_hmac::scheme::{Field, Message, Part};
use tower_hmac::{ConfigError, Encoding, HmacLayer, Key, RejectionKind, Scheme};

fn mac(text: &[u8]) -> String {
    Base64::encode_string(
        &Hmac::<Sha256>::new_from_slice(b"secret").unwrap().chain_update(text).finalize().into_bytes(),
    )
}

fn described(name: &'static str, parts: impl IntoIterator<Item = Part>) -> Scheme {
    let scheme = Scheme::builder(name).signature(Field::header("x-signature")).encoding(Encoding::Base64);
    scheme.message(parts).build().unwrap()
}

/// Why it is refused; `None` when it is accepted.
async fn judge(formats: [Scheme; 2], signed: &[u8], body: &'static [u8]) -> Option<RejectionKind> {
    let layer = HmacLayer::new(Scheme::any(formats).unwrap(), Key::from_text("k", "secret").unwrap()).unwrap();
    let request = Request::post("/").header("x-signature", mac(signed));
    let request = request.body(Script::bytes(Bytes::from_static(body))).unwrap();
    layer.layer(Inner::ok()).oneshot(request).await.unwrap().extensions().get().copied()
}

#[tokio::test]
async fn a_body_that_one_format_cannot_read() {
    let upper = |_: &Message<'_>, body: &[u8]| body.is_ascii().then(|| body.to_ascii_uppercase());
    let formats = || [described("upper", [Part::of_body(upper)]), described("raw", [Part::Body])];
    let judge = async |turned: bool, signed: &[u8], body| {
        let [one, other] = formats();
        judge(if turned { [other, one] } else { [one, other] }, signed, body).await
    };
    for turned in [false, true] {
        assert_eq!(judge(turned, b"TEXT", b"text").await, None);
        assert_eq!(judge(turned, b"text", b"text").await, None);
        assert_eq!(judge(turned, b"\xff", b"\xff").await, None);
        assert_eq!(judge(turned, b"TEXT", b"test").await, Some(BadMac));
        assert_eq!(judge(turned, b"\xff", b"\xfe").await, Some(Malformed));
    }
}

#[tokio::test]
async fn a_header_that_one_format_wants() {
    let tenant = || Part::Header(HeaderName::from_static("x-tenant"));
    let formats = || [described("tenant", [tenant(), Part::Body]), described("raw", [Part::Body])];
    assert_eq!(judge(formats(), b"text", b"text").await, None);
    assert_eq!(judge(formats(), b"text", b"test").await, Some(BadMac));
    let both = || [described("one", [tenant(), Part::Body]), described("two", [Part::Body, tenant()])];
    assert_eq!(judge(both(), b"text", b"text").await, Some(RejectionKind::Missing));
}

#[test]
fn each_direction_says_whether_its_body_is_signed() {
    let build = |request: bool, response: bool| -> Result<Scheme, ConfigError> {
        let scheme = Scheme::builder("own").signature(Field::header("x-signature")).message([Part::Method]);
        let scheme = scheme.response_signature(Field::header("x-signature")).response_message([Part::Status]);
        let scheme = if request { scheme.without_body() } else { scheme };
        if response { scheme.response_without_body().build() } else { scheme.build() }
    };
    build(true, true).unwrap();
    let why =
        "scheme own cannot be: the body is not signed: add Part::Body, or say so (without_body, response_without_body)";
    assert_eq!(build(false, true).unwrap_err().to_string(), why);
    let in_responses = why.replace("the body is not", "in responses, the body is not");
    assert_eq!(build(true, false).unwrap_err().to_string(), in_responses);
}

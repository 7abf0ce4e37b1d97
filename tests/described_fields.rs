//! What a description says of its fields: what is written can be read, parts stand in any header, and no text reaches into
//! its neighbour.

mod support;

use http::Request;
use support::schemes::{mac, spell};
use support::{AUTHORITY, NOW};
use tower_hmac::scheme::{Encoding, Field, Part, SchemeBuilder, TimeFormat};
use tower_hmac::sign::RequestSigner;
use tower_hmac::verify::RequestVerifier;
use tower_hmac::{Algorithm, Key, Keys, RejectionKind, Scheme};

fn key() -> Key {
    Key::from_bytes("k", [7; 32]).unwrap()
}

fn newline() -> Part {
    Part::literal("\n")
}

fn verify(scheme: &Scheme, path: &str, headers: &[(&str, &str)], body: &str) -> Result<(), RejectionKind> {
    let request = Request::post(path).header("host", AUTHORITY);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let (head, ()) = request.body(()).unwrap().into_parts();
    let verifier = RequestVerifier::new(scheme.clone());
    let credentials = verifier.read(&head).map_err(|r| r.kind())?;
    let mut verifying = verifier.check(&credentials, Some(&Keys::from(key())), NOW).map_err(|r| r.kind())?;
    verifying.update(body.as_bytes());
    verifying.finish(&head).map(drop).map_err(|r| r.kind())
}

fn signature(text: &str) -> String {
    spell(Encoding::Base64, &mac(Algorithm::HmacSha256, &[7; 32], text.as_bytes()))
}

/// `id;milliseconds;signature` in a header of the peer's own.
#[test]
fn parts_stand_in_any_header() {
    let part = |index| Field::part("X-Partner-Auth", ';', index);
    let scheme = Scheme::builder("partner")
        .key_id(part(0))
        .timestamp(part(1), TimeFormat::Milliseconds)
        .signature(part(2))
        .encoding(Encoding::Base64)
        .message([Part::Method, newline(), Part::Path, newline(), Part::Timestamp, newline(), Part::Body])
        .build()
        .unwrap();
    let signature = signature(&format!("POST\n/p\n{NOW}000\n{{}}"));
    let accepted = format!("k;{NOW}000;{signature}");
    assert_eq!(verify(&scheme, "/p", &[("x-partner-auth", &accepted)], "{}"), Ok(()));
    assert_eq!(verify(&scheme, "/q", &[("x-partner-auth", &accepted)], "{}"), Err(RejectionKind::BadMac));
    for value in [
        format!("k;{NOW}001;{signature}"),
        format!("k;{NOW}000;{signature};"),
        format!(";k;{NOW}000;{signature}"),
        format!("k;{NOW}000"),
        format!("Hmac k;{NOW}000;{signature}"),
        format!("k,{NOW}000,{signature}"),
    ] {
        assert!(verify(&scheme, "/p", &[("x-partner-auth", &value)], "{}").is_err(), "{value}");
    }
    let (request, _) = RequestSigner::new(scheme, key())
        .unwrap()
        .sign(Request::post("/p").header("host", AUTHORITY).body("{}").unwrap(), NOW)
        .unwrap();
    assert_eq!(request.headers()["x-partner-auth"], accepted);
}

#[track_caller]
fn wrong(builder: SchemeBuilder, expected: &str) {
    let error = builder.build().unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn what_could_not_be_read_again_is_not_built() {
    let dated = |field: fn(usize) -> Field, format| {
        let scheme = Scheme::builder("dated").timestamp(field(0), format).signature(field(1));
        scheme.message([Part::Timestamp, newline(), Part::Body])
    };
    let token: fn(usize) -> Field = |index| Field::authorization("Hmac", ':', index);
    let member: fn(usize) -> Field = |index| Field::member("x-sig", ["t", "v1"][index]);
    for (field, format) in [(token, TimeFormat::Rfc3339), (token, TimeFormat::HttpDate), (member, TimeFormat::HttpDate)]
    {
        wrong(dated(field, format), "cannot be read again");
        dated(field, TimeFormat::Seconds).build().unwrap();
    }
    dated(member, TimeFormat::Rfc3339).build().unwrap();
    for field in [
        Field::member("x-sig", "v=1"),
        Field::part("x-sig", 'a', 0),
        Field::tokens("x-sig", "v1 "),
        Field::header("x-sig").prefix(" v1="),
        Field::header("x-sig").prefix("a\nb"),
        Field::header("x-sig").prefix("ä="),
        Field::authorization("", ':', 0),
    ] {
        let told = format!("{field:?}");
        let built = Scheme::builder("plain").signature(field).message([Part::Body]).build();
        assert!(built.is_err_and(|error| error.to_string().contains("cannot be read again")), "{told}");
    }
    let unread = Scheme::builder("unread").unread_timestamp(Field::header("x-time"), TimeFormat::Rfc3339);
    let unread = unread.signature(Field::header("x-sig")).message([Part::Timestamp, Part::literal(":"), Part::Body]);
    wrong(unread, "cannot be read again");
}

fn answered(format: TimeFormat, parts: &[Part]) -> SchemeBuilder {
    let scheme = Scheme::builder("answered").signature(Field::header("x-sig")).message([Part::Body]);
    let scheme =
        scheme.response_signature(Field::header("x-answer")).response_timestamp(Field::header("x-time"), format);
    scheme.response_message(parts.to_vec())
}

/// Nobody looks at the time of a response, so that it could take digits from the body, or give it some.
#[test]
fn the_time_of_a_response_is_separated_from_its_body() {
    for format in [TimeFormat::Seconds, TimeFormat::Milliseconds, TimeFormat::Fraction] {
        let side_by_side = || answered(format, &[Part::RequestSignature(Encoding::Hex), Part::Timestamp, Part::Body]);
        wrong(side_by_side(), "in responses, nothing separates the timestamp");
        side_by_side().allow_ambiguous_message().build().unwrap();
        answered(format, &[Part::RequestSignature(Encoding::Hex), Part::Timestamp, newline(), Part::Body])
            .build()
            .unwrap();
    }
    answered(TimeFormat::Rfc3339, &[Part::Timestamp, Part::Body]).build().unwrap();
}

/// C-01, on the side away from the body.
#[test]
fn a_nonce_takes_nothing_from_the_path() {
    let scheme = Scheme::builder("plain").signature(Field::header("x-sig")).encoding(Encoding::Base64);
    let scheme = scheme.nonce(Field::header("x-nonce"));
    let scheme = scheme.message([Part::Path, Part::literal("."), Part::Nonce, newline(), Part::Body]).build().unwrap();
    let signature = signature("/a.b.c\n{}");
    let asked = |path: &str, nonce: &str| verify(&scheme, path, &[("x-nonce", nonce), ("x-sig", &signature)], "{}");
    assert_eq!(asked("/a.b", "c"), Ok(()));
    assert_eq!(asked("/a", "b.c"), Err(RejectionKind::Malformed));
}

#[test]
fn a_delivery_id_may_be_absent_from_a_list() {
    let scheme = Scheme::builder("plain")
        .delivery_id(Field::member("x-sig", "id"))
        .signature(Field::member("x-sig", "v1"))
        .encoding(Encoding::Base64)
        .message([Part::Body])
        .build()
        .unwrap();
    let signature = signature("{}");
    for value in [format!("v1={signature}"), format!("id=7,v1={signature}")] {
        assert_eq!(verify(&scheme, "/", &[("x-sig", &value)], "{}"), Ok(()), "{value}");
        assert_eq!(verify(&scheme, "/", &[("x-sig", &value)], "[]"), Err(RejectionKind::BadMac), "{value}");
    }
    let twice = format!("id=7,id=8,v1={signature}");
    assert_eq!(verify(&scheme, "/", &[("x-sig", &twice)], "{}"), Err(RejectionKind::Malformed));
}

/// A signed id that shares its header is made anew with the signature.
#[test]
fn what_was_signed_is_signed_again() {
    let scheme = Scheme::builder("plain")
        .delivery_id(Field::member("x-sig", "id"))
        .signature(Field::member("x-sig", "v1"))
        .message([Part::DeliveryId, newline(), Part::Body])
        .build()
        .unwrap();
    let signer = RequestSigner::new(scheme.clone(), key()).unwrap();
    let mut request = Request::post("/").header("host", AUTHORITY).body("{}").unwrap();
    for _ in 0..3 {
        request = signer.sign(request, NOW).unwrap().0;
        let value = request.headers()["x-sig"].to_str().unwrap();
        assert_eq!(verify(&scheme, "/", &[("x-sig", value)], "{}"), Ok(()));
        assert_eq!(verify(&scheme, "/", &[("x-sig", value)], "[]"), Err(RejectionKind::BadMac));
    }
}

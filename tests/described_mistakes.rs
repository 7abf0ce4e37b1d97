//! What a description gets wrong is an error when it is built, and what it says is what goes over the wire.

mod support;

use http::{HeaderName, Request};
use support::schemes::mac;
use support::wire::hex;
use support::{AUTHORITY, NOW};
use tower_hmac::scheme::{Encoding, Field, Part, SchemeBuilder, TimeFormat};
use tower_hmac::sign::RequestSigner;
use tower_hmac::verify::RequestVerifier;
use tower_hmac::{Algorithm, Key, Keys, RejectionKind, Scheme, SignError};

fn plain() -> SchemeBuilder {
    Scheme::builder("plain").signature(Field::header("x-signature"))
}

fn dot() -> Part {
    Part::literal(".")
}

fn sha256() -> Part {
    Part::BodySha256(Encoding::Hex)
}

fn why(builder: SchemeBuilder) -> Option<String> {
    let error = builder.build().err()?.to_string();
    assert!(error.contains("plain"), "{error}");
    Some(error)
}

#[track_caller]
fn wrong(builder: SchemeBuilder, expected: &str) {
    let error = why(builder).expect(expected);
    assert!(error.contains(expected), "{error}");
}

#[test]
fn what_does_not_hold_together_is_not_built() {
    let (nonce, time) = (Field::header("x-nonce"), Field::header("x-time"));
    let seconds = TimeFormat::Seconds;
    assert_eq!(why(plain().message([Part::Body])), None);

    wrong(Scheme::builder("plain").message([Part::Body]), "no field carries the signature");
    wrong(plain(), "the body is not signed");
    wrong(plain().message([Part::Method]), "the body is not signed");
    wrong(plain().message([Part::Body, dot(), Part::Body]), "the body is signed twice");
    wrong(plain().message([sha256(), Part::Body]), "the body is signed twice");
    wrong(plain().message([Part::Body]).without_body(), "the body is signed, and left out");
    for (part, what) in [
        (Part::Timestamp, "timestamp"),
        (Part::Nonce, "nonce"),
        (Part::KeyId, "key id"),
        (Part::DeliveryId, "delivery id"),
    ] {
        wrong(plain().message([part, dot(), Part::Body]), &format!("no field carries the {what}"));
    }
    let body = || plain().message([Part::Body]);
    wrong(body().nonce(nonce.clone()), "the nonce is read but not signed");
    wrong(body().timestamp(time.clone(), seconds), "the timestamp is read but not signed");
    wrong(body().unread_timestamp(time.clone(), seconds), "the timestamp is read but not signed");
    wrong(body().body_digest(Field::header("x-digest")), "the body digest is read but not signed");
    wrong(body().body_digest(Field::header("x-digest")).without_body(), "");
    let nonces = plain().nonce(nonce.clone()).nonce(Field::header("x-other"));
    wrong(nonces.message([Part::Nonce, dot(), Part::Body]), "two fields carry the nonce");
    let times = plain().timestamp(time.clone(), seconds).unread_timestamp(Field::header("x-other"), seconds);
    wrong(times.message([Part::Timestamp, dot(), Part::Body]), "two fields carry the timestamp");
    wrong(body().timestamp_in_body(|_| None).message([sha256()]), "needs Part::Body");
    let timed = || plain().timestamp(time.clone(), seconds).message([Part::Timestamp, dot(), Part::Body]);
    wrong(timed().timestamp_in_body(|_| None), "a time in a field and another in the body");
    wrong(body().delivery_id(Field::header("x id")), "is not the name of a header");

    // What only the other direction has.
    wrong(plain().message([Part::Status, Part::Body]), "a request has neither");
    wrong(plain().message([Part::RequestSignature(Encoding::Hex), Part::Body]), "a request has neither");
    let answered = || body().response_signature(Field::header("x-signature"));
    for part in [Part::Method, Part::Path, Part::Query, Part::PathAndQuery, Part::Url, Part::Authority, Part::UriScheme]
    {
        wrong(answered().response_message([part, Part::Body]), "a response has no method and no target");
    }
    wrong(answered(), "in responses, the body is not signed");
    wrong(body().response_message([Part::Body]), "no field carries the signature");
    wrong(answered().response_message([Part::Timestamp, dot(), Part::Body]), "no field carries the timestamp");
    let other = timed().response_signature(Field::header("x-signature"));
    let other = other.response_timestamp(Field::header("x-time"), TimeFormat::Rfc3339);
    wrong(other.response_message([Part::Timestamp, dot(), Part::Body]), "spelt in two ways");
    wrong(plain().message([]).without_body(), "nothing is signed");
    let own = Part::Header(HeaderName::from_static("x-time"));
    wrong(plain().timestamp(time, seconds).message([Part::Timestamp, own, Part::Body]), "not Part::Header");
}

#[test]
fn carriers_that_contradict_each_other_are_not_built() {
    let two = |one: Field, other: Field| {
        Scheme::builder("plain").signature(one).nonce(other).message([Part::Nonce, dot(), Part::Body])
    };
    let member = |key| Field::member("x-s", key);
    let token = |index| Field::authorization("Hmac", ':', index);
    assert_eq!(why(two(member("s"), member("n"))), None);
    assert_eq!(why(two(token(1), token(0))), None);
    for (one, other) in [
        (Field::header("x-s"), Field::header("x-s")),
        (Field::header("x-s"), Field::header("X-S")),
        (Field::header("x-s"), member("n")),
        (Field::tokens("x-s", "v1,"), member("n")),
        (member("s"), member("s")),
        (member("s"), member("n").separator(';')),
        (member("s"), member("n").among_others()),
        (token(0), token(0)),
        (token(0), Field::authorization("Other", ':', 1)),
        (token(0), Field::authorization("Hmac", ',', 1)),
    ] {
        let told = format!("{one:?} {other:?}");
        let error = why(two(one, other)).expect(&told);
        assert!(error.contains("in different ways"), "{told}: {error}");
    }
    wrong(two(token(0), token(2)), "not numbered from 0 in a row");
    wrong(two(token(1), Field::header("x-n")), "not numbered from 0 in a row");
}

/// C-01.
#[test]
fn a_text_that_nothing_ends_is_not_built() {
    let (nonce, time) = (Field::header("x-nonce"), Field::header("x-time"));
    let nonces = || plain().nonce(nonce.clone());
    for parts in [
        vec![Part::Nonce, Part::Body],
        vec![Part::Nonce, Part::literal(""), Part::Body],
        vec![Part::Body, Part::Nonce],
        vec![Part::Nonce, Part::Path, dot(), Part::Body],
        vec![Part::Nonce, sha256()],
    ] {
        wrong(nonces().message(parts.clone()), "nothing separates the nonce");
        assert_eq!(why(nonces().message(parts).allow_ambiguous_message()), None);
    }
    assert_eq!(why(nonces().message([Part::Body, dot(), Part::Nonce])), None);
    assert_eq!(why(nonces().message([dot(), Part::Nonce]).without_body()), None, "the end ends it");
    // Neither may the other side be moved into it.
    for parts in [
        vec![Part::Method, Part::PathAndQuery, Part::Nonce, dot(), Part::Body],
        vec![Part::Body, dot(), Part::Nonce, Part::Path],
    ] {
        wrong(nonces().message(parts), "nothing separates the nonce");
    }
    wrong(nonces().message([Part::Path, Part::Nonce]).without_body(), "nothing separates the nonce");
    let id = plain().delivery_id(Field::header("x-id"));
    wrong(id.message([Part::DeliveryId, Part::Body]), "nothing separates the delivery id");
    let parts = [Part::Timestamp, Part::Body];
    for format in [TimeFormat::Seconds, TimeFormat::Milliseconds, TimeFormat::Rfc3339, TimeFormat::HttpDate] {
        // Within the window, it has one length or an end of its own.
        assert_eq!(why(plain().timestamp(time.clone(), format).message(parts.clone())), None);
        wrong(plain().unread_timestamp(time.clone(), format).message(parts.clone()), "nothing separates the timestamp");
    }
    wrong(plain().timestamp(time, TimeFormat::Fraction).message(parts), "nothing separates the timestamp");
}

fn key(id: &str) -> Key {
    Key::from_bytes(id, [7; 32]).unwrap()
}

fn signed(text: &str) -> String {
    hex(&mac(Algorithm::HmacSha256, &[7; 32], text.as_bytes()))
}

fn verify(scheme: &Scheme, headers: &[(&str, &str)], body: &str) -> Result<(), RejectionKind> {
    let request = Request::post("/p").header("host", AUTHORITY);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let (head, ()) = request.body(()).unwrap().into_parts();
    let verifier = RequestVerifier::new(scheme.clone());
    let credentials = verifier.read(&head).map_err(|r| r.kind())?;
    let mut verifying = verifier.check(&credentials, Some(&Keys::from(key("k"))), NOW).map_err(|r| r.kind())?;
    verifying.update(body.as_bytes());
    verifying.finish(&head).map(drop).map_err(|r| r.kind())
}

/// C-01, C-03: the same text, cut in another way.
#[test]
fn a_text_ends_where_its_literal_begins() {
    let before = plain().nonce(Field::header("x-nonce")).message([Part::Nonce, dot(), Part::Body]).build().unwrap();
    let after = plain().nonce(Field::header("x-nonce")).message([Part::Body, Part::literal("=."), Part::Nonce]);
    let unread = plain().unread_timestamp(Field::header("x-nonce"), TimeFormat::Seconds);
    let unread = unread.message([Part::Timestamp, dot(), Part::Body]).build().unwrap();
    let signature = signed("a.b.c");
    for scheme in [&before, &unread] {
        assert_eq!(verify(scheme, &[("x-nonce", "a"), ("x-signature", &signature)], "b.c"), Ok(()));
        let moved = verify(scheme, &[("x-nonce", "a.b"), ("x-signature", &signature)], "c");
        assert_eq!(moved, Err(RejectionKind::Malformed));
    }
    let (after, signature) = (after.build().unwrap(), signed("a=.b=.c"));
    assert_eq!(verify(&after, &[("x-nonce", "c"), ("x-signature", &signature)], "a=.b"), Ok(()));
    let moved = verify(&after, &[("x-nonce", "b=.c"), ("x-signature", &signature)], "a");
    assert_eq!(moved, Err(RejectionKind::Malformed));
}

#[test]
fn header_names_are_written_in_any_case() {
    let tenant = Part::Header(HeaderName::from_static("x-tenant"));
    let scheme = Scheme::builder("plain").signature(Field::header("X-Acme-Signature").prefix("v1="));
    let scheme = scheme.delivery_id(Field::header("X-Acme-Id")).message([tenant, dot(), Part::Body]).build().unwrap();
    let signature = format!("v1={}", signed("acme.hi"));
    assert_eq!(verify(&scheme, &[("x-acme-signature", &signature), ("x-tenant", "acme")], "hi"), Ok(()));
    let (mut head, ()) = Request::post("/").header("x-tenant", "acme").body(()).unwrap().into_parts();
    let signer = RequestSigner::new(scheme, key("k")).unwrap();
    let mut signing = signer.begin(&head, NOW).unwrap();
    signing.update(b"hi");
    signing.finish(&mut head).unwrap();
    assert_eq!(head.headers["x-acme-signature"], signature);
    assert!(!head.headers["x-acme-id"].is_empty());
}

#[test]
fn a_signer_writes_the_first_place_for_a_signature() {
    let scheme = plain().signature(Field::header("x-second")).message([Part::Body]).build().unwrap();
    let (mut head, ()) = Request::post("/").body(()).unwrap().into_parts();
    RequestSigner::new(scheme.clone(), key("k")).unwrap().begin(&head, NOW).unwrap().finish(&mut head).unwrap();
    assert_eq!(head.headers["x-signature"], signed(""));
    assert!(!head.headers.contains_key("x-second"));
    // Either place will do, and one at least.
    assert_eq!(verify(&scheme, &[("x-second", &signed("hi"))], "hi"), Ok(()));
    assert_eq!(verify(&scheme, &[("x-signature", "00"), ("x-second", &signed("hi"))], "hi"), Ok(()));
    assert_eq!(verify(&scheme, &[("x-signature", "00")], "hi"), Err(RejectionKind::Malformed));
    assert_eq!(verify(&scheme, &[], "hi"), Err(RejectionKind::Missing));
}

#[test]
fn what_cannot_be_read_back_is_not_signed() {
    let token = Scheme::builder("plain")
        .key_id(Field::authorization("Hmac", ':', 0))
        .signature(Field::authorization("Hmac", ':', 1))
        .message([Part::Body]);
    let begin = |scheme: &Scheme, id: &str, delivery: &str| {
        let (head, ()) = Request::post("/").header("webhook-id", delivery).body(()).unwrap().into_parts();
        RequestSigner::new(scheme.clone(), key(id)).unwrap().begin(&head, NOW).map(drop)
    };
    let token = token.build().unwrap();
    let signer = RequestSigner::new(token.clone(), key("a:b")).unwrap_err();
    assert!(signer.to_string().contains("the key id holds what ends it"), "{signer}");
    assert_eq!(begin(&token, "a.b", "").err(), None);
    let standard = tower_hmac::webhook::standard();
    assert_eq!(begin(&standard, "k", "msg.1").err(), Some(SignError::Header));
    assert_eq!(begin(&standard, "k", "msg_1").err(), None);
}
